//! What was read, as JSON for the scripts that compare it.

use levee_pay::{Money, Notification, PayBy, Reply, State};
use serde_json::{Value, json};

/// A reply, without the fields that it leaves open.
pub(crate) fn reply(reply: &Reply) -> Value {
    let (link, client_secret) = match &reply.pay_by {
        Some(PayBy::Link(link)) => (Some(link), None),
        Some(PayBy::ClientSecret(secret)) => (None, Some(secret)),
        None => (None, None),
    };
    known(json!({
        "state": state(reply.state),
        "trade_no": reply.trade_no,
        "money": reply.money.map(money),
        "link": link,
        "client_secret": client_secret,
    }))
}

/// A notification, without the fields that it leaves open.
pub(crate) fn notification(read: &Notification) -> Value {
    known(json!({
        "id": read.id,
        "out_trade_no": read.out_trade_no,
        "trade_no": read.trade_no,
        "out_refund_no": read.out_refund_no,
        "state": state(read.state),
        "money": money(read.money),
        "is_sum": read.is_sum.then_some(true),
        "app_id": read.app_id,
        "merchant_id": read.merchant_id,
    }))
}

fn known(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    value
}

fn money(money: Money) -> String {
    format!("{} {}", money.amount_minor, money.currency)
}

fn state(state: State) -> &'static str {
    match state {
        State::Created => "created",
        State::Pending => "pending",
        State::Succeeded => "succeeded",
        State::Failed => "failed",
        State::Closed => "closed",
        State::Refunding => "refunding",
        State::Refunded => "refunded",
        State::Unknown => "unknown",
    }
}
