//! Which events follow from a command and its outcome, and what they say.
//!
//! An event says only what the journal says of it and what never changes, so its content is the same
//! however late, and however often, it is told.

use levee_api::code::Codes;
use levee_api::hook::EventKind;
use levee_api::port::Fact;
use levee_api::types::{
    Command, Held, Known, OrderChange, OrderEnd, OrderFacts, OrderMove, OrderNo, OrderState,
    Outcome, PaymentEvent, PlaceOrder, RedemptionNo, RefundResult, Subject, Swept, SweptOrders,
    TicketStep, UserKey, VoucherFacts, VoucherNo, VoucherState,
};
use serde_json::{Map, Value, json};

/// An event before anything is known of its subject.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub kind: EventKind,
    pub subject: Subject,
    says: Map<String, Value>,
    /// The outlet that it names.
    pub outlet: Option<Subject>,
}

/// An event.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    pub kind: EventKind,
    /// Its place among those of one command.
    pub index: u32,
    /// Whose it is.
    pub user: UserKey,
    pub data: Value,
}

impl Draft {
    fn new(kind: EventKind, subject: Subject) -> Self {
        Self { kind, subject, says: Map::new(), outlet: None }
    }

    fn saying(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.says.insert(name.to_owned(), value.into());
        self
    }

    fn at(self, outlet: Subject) -> Self {
        Self { outlet: Some(outlet), ..self }
    }
}

/// What a command may be told of, in an order that never changes.
pub(super) fn drafts(fact: &Fact, codes: &Codes) -> Vec<Draft> {
    use EventKind::{
        RefundFailed, RefundSucceeded, VoucherClaimed, VoucherExpired, VoucherRevoked,
        VoucherRolledBack,
    };
    let mut drafts = Vec::new();
    match (&fact.command, &fact.outcome) {
        (_, Outcome::Claimed { voucher, .. }) => {
            let claimed = Draft::new(VoucherClaimed, Subject::Voucher(*voucher));
            drafts.push(claimed.saying("reason", "claim"));
        }
        (Command::ReleaseLock(ask), Outcome::Released { voucher_state: VoucherState::Expired }) => {
            drafts.push(Draft::new(VoucherExpired, Subject::Lock(ask.lock)));
        }
        (Command::RedeemVoucher(ask), Outcome::Redeemed { redemption, discount_minor, .. }) => {
            let redeemed = redeemed(*redemption, codes)
                .saying("discount_minor", *discount_minor)
                .saying("reference", ask.reference.as_str());
            drafts.push(redeemed);
        }
        (Command::RollBackRedemption(ask), Outcome::RolledBack { voucher_state }) => {
            let subject = Subject::Redemption(ask.redemption);
            let back = Draft::new(VoucherRolledBack, subject)
                .saying("redemption", codes.redemption(ask.redemption))
                .saying("voucher_state", voucher_state.name());
            drafts.push(back);
            if *voucher_state == VoucherState::Expired {
                drafts.push(Draft::new(VoucherExpired, subject));
            }
        }
        (Command::RevokeVoucher(ask), Outcome::Revoked { .. }) => {
            let revoked = Draft::new(VoucherRevoked, Subject::Voucher(ask.voucher));
            drafts.push(revoked.saying("reason", ask.reason.as_str()));
        }
        (Command::PlaceOrder(ask), outcome @ Outcome::OrderPlaced { .. }) => {
            placed(ask, outcome, codes, &mut drafts);
        }
        (Command::RecordRefund(ask), Outcome::RefundEnded { change, amount_minor }) => {
            changed(&fact.command, change, codes, &mut drafts);
            let kind = match ask.result {
                RefundResult::Done => RefundSucceeded,
                RefundResult::Failed => RefundFailed,
            };
            let refund = Draft::new(kind, Subject::Order(ask.order));
            let refund = refund.saying("refund", ask.refund).saying("amount_minor", *amount_minor);
            drafts.push(refund.saying("order_state", change.state.name()));
        }
        (command, Outcome::OrderChanged(change) | Outcome::PromisedAnew { change, .. }) => {
            changed(command, change, codes, &mut drafts);
        }
        (_, Outcome::OrderMoved(change)) => drafts.push(moved(change)),
        (_, Outcome::Ticked(swept)) => expired(swept, &mut drafts),
        (_, Outcome::TickedWithOrders { swept, orders }) => {
            expired(swept, &mut drafts);
            ended(orders, codes, &mut drafts);
        }
        _ => {}
    }
    drafts
}

/// Where nothing is to be paid, an order is paid as it is placed.
fn placed(ask: &PlaceOrder, outcome: &Outcome, codes: &Codes, drafts: &mut Vec<Draft>) {
    let Outcome::OrderPlaced { order, promised_at_ms, subsidy_minor, held, .. } = outcome else {
        return;
    };
    let subject = Subject::Order(*order);
    let placed = Draft::new(EventKind::OrderPlaced, subject).at(Subject::Outlet(ask.outlet));
    drafts.push(placed.saying("ready_at", instant(*promised_at_ms)));
    if ask.total_minor - ask.merchant_discount_minor == u64::from(*subsidy_minor) {
        let paid = Draft::new(EventKind::OrderPaid, subject);
        drafts.push(paid.saying("order_state", OrderState::Paid.name()));
    }
    if let Held::Redemption(redemption) = held {
        drafts.push(redeemed(*redemption, codes).saying("order", codes.order(*order)));
    }
}

/// An order's payment, refund or ticket went on, or it was cancelled.
fn changed(command: &Command, change: &OrderChange, codes: &Codes, drafts: &mut Vec<Draft>) {
    use EventKind::{
        OrderAccepted, OrderCancelled, OrderCollected, OrderExpired, OrderPaid, OrderReady,
        OrderRejected, VoucherExpired,
    };
    let (order, kind) = match command {
        Command::RecordPayment(ask) => {
            let pays = matches!(ask.event, PaymentEvent::Succeeded { .. });
            (ask.order, (pays && change.state == OrderState::Paid).then_some(OrderPaid))
        }
        Command::MoveTicket(ask) => {
            let kind = match ask.step {
                TicketStep::Accept => Some(OrderAccepted),
                TicketStep::Reject => Some(OrderRejected),
                TicketStep::Ready => Some(OrderReady),
                TicketStep::Collect => Some(OrderCollected),
                TicketStep::Send | TicketStep::Start | TicketStep::Withdraw => None,
            };
            (ask.order, kind)
        }
        Command::CancelOrder(ask) => (ask.order, Some(OrderCancelled)),
        Command::RecordRefund(ask) => (ask.order, None),
        Command::RefundOrder(ask) => (ask.order, None),
        _ => return,
    };
    // The clock ended it, and this is the first to say so; or it can no longer be paid.
    let by_clock = match change.state {
        OrderState::Collected => OrderCollected,
        _ => OrderExpired,
    };
    let subject = Subject::Order(order);
    if let Some(kind) = kind.or(change.ended.then_some(by_clock)) {
        drafts.push(Draft::new(kind, subject).saying("order_state", change.state.name()));
    }
    if let Some(redemption) = change.redemption {
        drafts.push(redeemed(redemption, codes).saying("order", codes.order(order)));
    }
    if change.voucher == Some(VoucherState::Expired) {
        drafts.push(Draft::new(VoucherExpired, subject));
    }
}

fn redeemed(redemption: RedemptionNo, codes: &Codes) -> Draft {
    let redeemed = Draft::new(EventKind::VoucherRedeemed, Subject::Redemption(redemption));
    redeemed.saying("redemption", codes.redemption(redemption))
}

fn moved(change: &OrderMove) -> Draft {
    let moved = Draft::new(EventKind::OrderMoved, Subject::Order(change.order));
    let moved = moved.at(Subject::Outlet(change.outlet));
    moved.saying("ready_at", instant(change.promised_at_ms))
}

fn expired(swept: &Swept, drafts: &mut Vec<Draft>) {
    let locks = swept.locks.iter().map(|lock| Subject::Lock(*lock));
    let vouchers = swept.vouchers.iter().map(|voucher| Subject::Voucher(*voucher));
    let expired = locks.chain(vouchers);
    drafts.extend(expired.map(|subject| Draft::new(EventKind::VoucherExpired, subject)));
}

fn ended(orders: &SweptOrders, codes: &Codes, drafts: &mut Vec<Draft>) {
    use EventKind::{OrderCollected, OrderExpired, VoucherClaimed, VoucherExpired};
    let expired = |order: &OrderNo| Draft::new(OrderExpired, Subject::Order(*order));
    drafts.extend(orders.expired.iter().map(expired));
    let over = |voucher: &VoucherNo| Draft::new(VoucherExpired, Subject::Voucher(*voucher));
    drafts.extend(orders.vouchers.iter().map(over));
    drafts.extend(orders.moved.iter().map(moved));
    let collected = |order: &OrderNo| Draft::new(OrderCollected, Subject::Order(*order));
    drafts.extend(orders.collected.iter().map(collected));
    for given in &orders.compensated {
        if let Some(apology) = given.apology {
            let claimed = Draft::new(VoucherClaimed, Subject::Voucher(apology));
            let claimed = claimed.saying("reason", "apology");
            drafts.push(claimed.saying("order", codes.order(given.order)));
        }
    }
}

/// The event that a draft is, with what is known of its subject and of the outlet that it names.
pub(super) fn event(
    draft: &Draft,
    index: u32,
    (known, outlet): (&Known, Option<&Known>),
    codes: &Codes,
) -> Option<Event> {
    let (user, mut data) = match known {
        // A lock lets go of its voucher at its end, and the voucher lives on.
        Known::Lock { is_over: false, .. } | Known::Outlet(_) | Known::Nothing => return None,
        Known::Voucher(facts) | Known::Lock { voucher: facts, .. } => {
            (facts.user, json!({"voucher": voucher(facts, codes)}))
        }
        Known::Order(facts) if draft.kind.name().starts_with("voucher.") => {
            (facts.user, json!({"voucher": voucher(facts.voucher.as_ref()?, codes)}))
        }
        Known::Order(facts) => (facts.user, json!({"order": order(draft, facts, outlet, codes)})),
    };
    let fields = data.as_object_mut().expect("made as one");
    fields.extend(draft.says.clone());
    Some(Event { kind: draft.kind, index, user, data })
}

fn order(draft: &Draft, facts: &OrderFacts, outlet: Option<&Known>, codes: &Codes) -> Value {
    let id = match draft.subject {
        Subject::Order(order) => Some(codes.order(order)),
        _ => None,
    };
    let mut order = json!({
        "id": id,
        "total_minor": facts.total_minor,
        "discount_minor": facts.discount_minor,
        "payable_minor": facts.payable_minor,
        "voucher_code": facts.voucher.as_ref().map(|voucher| codes.voucher(voucher.voucher)),
    });
    if let Some(Known::Outlet(id)) = outlet {
        order["outlet_id"] = json!(id.as_str());
    }
    let is_end = matches!(
        draft.kind,
        EventKind::OrderCancelled | EventKind::OrderExpired | EventKind::OrderRejected
    );
    if is_end {
        order["end"] = json!(facts.end.map(OrderEnd::name));
    }
    order
}

fn voucher(facts: &VoucherFacts, codes: &Codes) -> Value {
    json!({
        "code": codes.voucher(facts.voucher),
        "campaign": facts.campaign.as_str(),
        "face_minor": facts.face_minor,
    })
}

fn instant(ms: u64) -> Value {
    json!(levee_api::time::Instant { ms })
}

#[cfg(test)]
mod tests;
