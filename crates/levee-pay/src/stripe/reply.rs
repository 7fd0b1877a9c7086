//! Stripe's answers, and the objects that stand in its notifications, too.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{REFUND, Stripe, TRADE, amount};
use crate::error::{Distrust, ReplyError};
use crate::port::{Asked, Op, PayBy, Reply, State, is_open};
use crate::{Currency, Money};

/// A payment.
#[derive(Debug, Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) amount: u64,
    #[serde(default)]
    pub(super) amount_received: u64,
    pub(super) currency: String,
    client_secret: Option<String>,
    livemode: bool,
    /// Absent, or null, where there is none.
    metadata: Option<BTreeMap<String, String>>,
}

impl Intent {
    /// Our number.
    pub(super) fn number(&self) -> Option<&str> {
        self.metadata.as_ref()?.get(TRADE).map(String::as_str)
    }

    pub(super) fn state(&self) -> State {
        match self.status.as_str() {
            // A card that was turned down leads back here: the user may try another.
            "requires_payment_method" | "requires_confirmation" => State::Created,
            "requires_action" | "requires_capture" | "processing" => State::Pending,
            "succeeded" => State::Succeeded,
            "canceled" => State::Closed,
            _ => State::Unknown,
        }
    }
}

/// A refund.
#[derive(Debug, Deserialize)]
pub(super) struct Refund {
    pub(super) payment_intent: Option<String>,
    pub(super) amount: u64,
    pub(super) currency: String,
    status: Option<String>,
    /// Absent, or null, where there is none.
    metadata: Option<BTreeMap<String, String>>,
}

impl Refund {
    /// Our numbers of the payment and of the refund.
    pub(super) fn numbers(&self) -> Option<(&str, &str)> {
        let metadata = self.metadata.as_ref()?;
        Some((metadata.get(TRADE)?, metadata.get(REFUND)?))
    }

    pub(super) fn state(&self) -> State {
        match self.status.as_deref() {
            Some("pending" | "requires_action") => State::Refunding,
            Some("succeeded") => State::Refunded,
            Some("failed" | "canceled") => State::Failed,
            _ => State::Unknown,
        }
    }
}

#[derive(Debug, Deserialize)]
struct List<T> {
    data: Vec<T>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    error: Problem,
}

#[derive(Debug, Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    code: Option<String>,
    message: Option<String>,
    /// With a call that does not fit the payment's state.
    payment_intent: Option<Intent>,
}

pub(super) fn read(
    stripe: &Stripe,
    asked: &Asked,
    status: u16,
    body: &[u8],
) -> Result<Reply, ReplyError> {
    // 409: the same call is under way on another connection.
    if is_open(status) || status == 409 {
        return Ok(Reply::of(State::Unknown));
    }
    if !(200..300).contains(&status) {
        return refused(stripe, asked, body);
    }
    match asked.op {
        Op::Create | Op::Close => intent(stripe, asked, parse(body)?),
        Op::Query if asked.trade.trade_no.is_some() => intent(stripe, asked, parse(body)?),
        Op::Query => found(stripe, asked, parse(body)?),
        Op::Refund => refund(asked, &parse(body)?),
        Op::RefundQuery => {
            let list: List<Refund> = parse(body)?;
            let number = asked.out_refund_no.as_deref();
            let ours = list.data.iter().find(|one| one.numbers().map(|(_, no)| no) == number);
            ours.map_or(Ok(Reply::of(State::Unknown)), |ours| refund(asked, ours))
        }
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Distrust> {
    serde_json::from_slice(body).map_err(|_| Distrust::Malformed("body"))
}

pub(super) fn money(amount_minor: u64, currency: &str) -> Result<Money, Distrust> {
    let currency = Currency::new(currency);
    // An amount in other units would be read as another amount.
    let currency = currency.filter(|currency| amount::check_currency(*currency).is_ok());
    Ok(Money { amount_minor, currency: currency.ok_or(Distrust::Malformed("currency"))? })
}

/// Two payments under one number can only be where somebody else has made one, or the first was made
/// more than a day before the second. Then the one that was paid counts, of two that were the older
/// one; the newer one is told apart by Stripe's number. Of several that were not paid none counts.
fn found(stripe: &Stripe, asked: &Asked, mut list: List<Intent>) -> Result<Reply, ReplyError> {
    let is_one = list.data.len() == 1;
    list.data.retain(|one| is_one || one.state() == State::Succeeded);
    // Newest first.
    match list.data.pop() {
        Some(oldest) => intent(stripe, asked, oldest),
        None => Ok(Reply::of(State::Unknown)),
    }
}

fn intent(stripe: &Stripe, asked: &Asked, said: Intent) -> Result<Reply, ReplyError> {
    let is_other = asked.trade.trade_no.as_ref().is_some_and(|asked| *asked != said.id);
    if is_other || said.number() != Some(&asked.trade.out_trade_no) {
        return Err(ReplyError::OtherTrade);
    }
    if said.livemode != stripe.config.live {
        return Err(Distrust::WrongApp.into());
    }
    let state = said.state();
    let paid = (state == State::Succeeded).then(|| money(said.amount_received, &said.currency));
    let can_be_paid = matches!(state, State::Created | State::Pending);
    let secret = said.client_secret.filter(|_| can_be_paid && asked.op == Op::Create);
    Ok(Reply {
        state,
        trade_no: Some(said.id),
        money: paid.transpose()?,
        pay_by: secret.map(PayBy::ClientSecret),
    })
}

fn refund(asked: &Asked, said: &Refund) -> Result<Reply, ReplyError> {
    let number = asked.out_refund_no.as_deref().unwrap_or_default();
    let same = said.numbers() == Some((&asked.trade.out_trade_no, number))
        && said.payment_intent == asked.trade.trade_no;
    if !same {
        return Err(ReplyError::OtherTrade);
    }
    Ok(Reply {
        trade_no: said.payment_intent.clone(),
        money: Some(money(said.amount, &said.currency)?),
        ..Reply::of(said.state())
    })
}

fn refused(stripe: &Stripe, asked: &Asked, body: &[u8]) -> Result<Reply, ReplyError> {
    let refusal: Refusal = parse(body)?;
    let Problem { kind, code, message, payment_intent } = refusal.error;
    match payment_intent {
        // It cannot be closed, for it was paid or closed before.
        Some(said) if asked.op == Op::Close => intent(stripe, asked, said),
        _ => Err(ReplyError::Refused {
            code: code.unwrap_or(kind),
            message: message.unwrap_or_default(),
        }),
    }
}
