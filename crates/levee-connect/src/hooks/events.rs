//! Which events follow from a command and its outcome, and what they say.
//!
//! An event says only what the journal says of it and what never changes, so its content is the same
//! however late, and however often, it is told.

use levee_api::code::Codes;
use levee_api::hook::EventKind;
use levee_api::port::Fact;
use levee_api::types::{
    Command, Known, OrderChange, OrderEnd, OrderMove, OrderNo, OrderState, Outcome, PaymentEvent,
    RedemptionNo, RefundResult, Subject, Swept, SweptOrders, TicketStep, UserKey, VoucherFacts,
    VoucherState,
};
use serde_json::{Map, Value, json};

/// Where an event may or may not be one, by what is known of its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Only {
    Always,
    /// If the voucher's time was over then.
    IfVoucherIsOver,
    /// If the order had used its voucher, whose time was over then.
    IfUsedVoucherIsOver,
}

/// An event before anything is known of its subject.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    kind: EventKind,
    pub subject: Subject,
    only: Only,
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
        Self { kind, subject, only: Only::Always, says: Map::new(), outlet: None }
    }

    fn saying(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.says.insert(name.to_owned(), value.into());
        self
    }

    fn only(self, only: Only) -> Self {
        Self { only, ..self }
    }

    fn at(self, outlet: Subject) -> Self {
        Self { outlet: Some(outlet), ..self }
    }
}

/// What a command may be told of, in an order that never changes.
pub(super) fn drafts(fact: &Fact, codes: &Codes) -> Vec<Draft> {
    use EventKind::{
        OrderPaid, OrderPlaced, RefundFailed, RefundSucceeded, VoucherClaimed, VoucherExpired,
        VoucherRevoked, VoucherRolledBack,
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
        (Command::PlaceOrder(ask), Outcome::OrderPlaced { order, promised_at_ms, held, .. }) => {
            let subject = Subject::Order(*order);
            let placed = Draft::new(OrderPlaced, subject).at(Subject::Outlet(ask.outlet));
            drafts.push(placed.saying("ready_at", instant(*promised_at_ms)));
            drafts.push(Draft::new(OrderPaid, subject));
            if let levee_api::types::Held::Redemption(redemption) = held {
                drafts.push(redeemed(*redemption, codes).saying("order", codes.order(*order)));
            }
        }
        (Command::RecordRefund(ask), Outcome::OrderChanged(change)) => {
            let kind = match ask.result {
                RefundResult::Done => RefundSucceeded,
                RefundResult::Failed => RefundFailed,
            };
            let refund = Draft::new(kind, Subject::Order(ask.order));
            let refund = refund.saying("refund", ask.refund);
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

/// An order's payment or ticket went on, or it was cancelled.
fn changed(command: &Command, change: &OrderChange, codes: &Codes, drafts: &mut Vec<Draft>) {
    use EventKind::{
        OrderAccepted, OrderCancelled, OrderCollected, OrderExpired, OrderPaid, OrderReady,
        OrderRejected, VoucherExpired,
    };
    let has_ended = change.state > OrderState::Collected;
    let (order, kind) = match command {
        Command::RecordPayment(ask) => {
            let kind = match ask.event {
                PaymentEvent::Succeeded { .. } if change.state == OrderState::Paid => {
                    Some(OrderPaid)
                }
                // It may have ended just now, by the clock or by this: it is told then, or again.
                PaymentEvent::Succeeded { .. } | PaymentEvent::Closed if has_ended => {
                    Some(OrderExpired)
                }
                _ => None,
            };
            (ask.order, kind)
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
        _ => return,
    };
    let subject = Subject::Order(order);
    if let Some(kind) = kind {
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
    let expired = |subject| Draft::new(EventKind::VoucherExpired, subject);
    let locks = swept.locks.iter().map(|lock| Subject::Lock(*lock));
    drafts.extend(locks.map(|lock| expired(lock).only(Only::IfVoucherIsOver)));
    drafts.extend(swept.vouchers.iter().map(|voucher| expired(Subject::Voucher(*voucher))));
}

fn ended(orders: &SweptOrders, codes: &Codes, drafts: &mut Vec<Draft>) {
    use EventKind::{OrderCollected, OrderExpired, VoucherClaimed, VoucherExpired};
    for order in &orders.expired {
        drafts.push(Draft::new(OrderExpired, Subject::Order(*order)));
        let voucher = Draft::new(VoucherExpired, Subject::Order(*order));
        drafts.push(voucher.only(Only::IfUsedVoucherIsOver));
    }
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
    at_ms: u64,
    (known, outlet): (&Known, Option<&Known>),
    codes: &Codes,
) -> Option<Event> {
    let is_over = |voucher: &VoucherFacts| voucher.valid_until_ms <= at_ms;
    let is_of_voucher = draft.kind.name().starts_with("voucher.");
    let (user, mut data) = match known {
        Known::Voucher(facts) => {
            if draft.only == Only::IfVoucherIsOver && !is_over(facts) {
                return None;
            }
            (facts.user, json!({"voucher": voucher(facts, codes)}))
        }
        Known::Order(facts) if is_of_voucher => {
            let of_order = facts.voucher.as_ref()?;
            let was_used = facts.end != Some(OrderEnd::NotPaid);
            if draft.only == Only::IfUsedVoucherIsOver && !(was_used && is_over(of_order)) {
                return None;
            }
            (facts.user, json!({"voucher": voucher(of_order, codes)}))
        }
        Known::Order(facts) => {
            // An order that something was left to pay of is paid later, by a provider's word.
            let is_paid_at_once = facts.payable_minor == 0;
            if draft.kind == EventKind::OrderPaid && !draft.is_said() && !is_paid_at_once {
                return None;
            }
            let mut order = json!({
                "id": draft.order_id(codes),
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
            (facts.user, json!({"order": order}))
        }
        Known::Outlet(_) | Known::Nothing => return None,
    };
    let fields = data.as_object_mut().expect("made as one");
    fields.extend(draft.says.clone());
    Some(Event { kind: draft.kind, index, user, data })
}

impl Draft {
    /// Whether somebody said so, and it does not follow from there being nothing to pay.
    fn is_said(&self) -> bool {
        self.says.contains_key("order_state")
    }

    fn order_id(&self, codes: &Codes) -> Option<String> {
        match self.subject {
            Subject::Order(order) => Some(codes.order(order)),
            _ => None,
        }
    }
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
mod tests {
    use levee_api::types::{
        CampaignId, CancelOrder, LockNo, MoveTicket, OrderFacts, OutletId, OutletNo, Party,
        PaymentState, RecordPayment, RecordRefund, RequestKey, Tick, TradeKey, VoucherNo,
    };
    use levee_api::types::{NameHash, RefundOrder};

    use super::*;

    const AT_MS: u64 = 1_000;

    fn codes() -> Codes {
        Codes::new(&[7; 32], 0)
    }

    fn facts(valid_until_ms: u64) -> VoucherFacts {
        VoucherFacts {
            voucher: VoucherNo(1),
            user: UserKey([1; 16]),
            campaign: CampaignId::new("tea").expect("an id"),
            face_minor: 2_500,
            valid_until_ms,
        }
    }

    fn order(end: Option<OrderEnd>, payable_minor: u64, valid_until_ms: u64) -> Known {
        Known::Order(OrderFacts {
            user: UserKey([2; 16]),
            total_minor: 1_900,
            discount_minor: 1_900 - payable_minor,
            payable_minor,
            voucher: Some(facts(valid_until_ms)),
            end,
        })
    }

    /// All events of a command, each as its index and name.
    #[track_caller]
    fn check(command: Command, outcome: Outcome, known: &Known, expected: &[&str]) {
        let fact = Fact { seq: 9, at_ms: AT_MS, command, outcome };
        let outlet = Known::Outlet(OutletId::new("sh-1").expect("an id"));
        let events = (0..).zip(drafts(&fact, &codes())).filter_map(|(index, draft)| {
            let known = (known, draft.outlet.map(|_| &outlet));
            event(&draft, index, AT_MS, known, &codes())
        });
        let told: Vec<_> =
            events.map(|event| format!("{} {}", event.index, event.kind.name())).collect();
        assert_eq!(told, expected, "{fact:?}");
    }

    fn change(state: OrderState, voucher: Option<VoucherState>) -> Outcome {
        let payment = Some(PaymentState::Succeeded);
        Outcome::OrderChanged(OrderChange { state, payment, version: 1, redemption: None, voucher })
    }

    fn pays(event: PaymentEvent) -> Command {
        let (provider, trade) = (NameHash(1), TradeKey([1; 16]));
        Command::RecordPayment(RecordPayment { order: OrderNo(3), provider, trade, event })
    }

    #[test]
    fn payments_tickets_and_cancellations() {
        let known = order(None, 1_900, 2_000);
        let succeeded = PaymentEvent::Succeeded { captured_minor: 1_900 };
        check(pays(PaymentEvent::Pending), change(OrderState::AwaitingPayment, None), &known, &[]);
        check(pays(succeeded), change(OrderState::Paid, None), &known, &["0 order.paid"]);
        let late = order(Some(OrderEnd::NotPaid), 1_900, 2_000);
        check(pays(succeeded), change(OrderState::Refunding, None), &late, &["0 order.expired"]);
        check(
            pays(PaymentEvent::Closed),
            change(OrderState::Expired, Some(VoucherState::Expired)),
            &late,
            &["0 order.expired", "1 voucher.expired"],
        );
        for (step, expected) in [
            (TicketStep::Send, &[][..]),
            (TicketStep::Accept, &["0 order.accepted"]),
            (TicketStep::Start, &[]),
            (TicketStep::Ready, &["0 order.ready"]),
            (TicketStep::Collect, &["0 order.collected"]),
        ] {
            let ask = MoveTicket { order: OrderNo(3), outlet: OutletNo(1), version: 1, step };
            check(Command::MoveTicket(ask), change(OrderState::Accepted, None), &known, expected);
        }
        let (request, reason) = (RequestKey([0; 16]), String::new());
        let cancel = CancelOrder { request, order: OrderNo(3), by: Party::Operator, reason };
        let state = change(OrderState::Cancelled, Some(VoucherState::Live));
        check(Command::CancelOrder(cancel), state, &known, &["0 order.cancelled"]);
        let refund =
            |result| Command::RecordRefund(RecordRefund { order: OrderNo(3), refund: 1, result });
        let state = || change(OrderState::Refunded, None);
        check(refund(RefundResult::Done), state(), &known, &["0 refund.succeeded"]);
        check(refund(RefundResult::Failed), state(), &known, &["0 refund.failed"]);
        let asked = Command::RefundOrder(RefundOrder {
            request,
            order: OrderNo(3),
            by: Party::Operator,
            reference: levee_api::types::Reference::new("r").expect("fits"),
            amount_minor: 1,
            reason: "late".to_owned(),
        });
        check(asked, change(OrderState::Collected, None), &known, &[]);
    }

    #[test]
    fn a_tick_tells_of_vouchers_whose_time_was_over() {
        let swept = || {
            Box::new(Swept {
                locks: vec![LockNo(1)],
                vouchers: vec![VoucherNo(1)],
                redemptions: vec![],
            })
        };
        let tick = Command::Tick(Tick { limit: 9 });
        let known = Known::Voucher(facts(AT_MS));
        let both = ["0 voucher.expired", "1 voucher.expired"];
        check(tick.clone(), Outcome::Ticked(swept()), &known, &both);
        // Let go, and live again.
        let known = Known::Voucher(facts(AT_MS + 1));
        check(tick.clone(), Outcome::Ticked(swept()), &known, &both[1..]);
        let orders = || SweptOrders { expired: vec![OrderNo(3)], ..SweptOrders::default() };
        let ended =
            || Outcome::TickedWithOrders { swept: Box::default(), orders: Box::new(orders()) };
        let used = order(Some(OrderEnd::NotMade), 100, AT_MS);
        check(tick.clone(), ended(), &used, &["0 order.expired", "1 voucher.expired"]);
        let unused = order(Some(OrderEnd::NotPaid), 100, AT_MS);
        check(tick, ended(), &unused, &["0 order.expired"]);
    }

    #[test]
    fn events_name_no_users_and_say_public_ids() {
        let ask = MoveTicket {
            order: OrderNo(3),
            outlet: OutletNo(1),
            version: 1,
            step: TicketStep::Reject,
        };
        let outcome = change(OrderState::Refunding, None);
        let fact = Fact { seq: 9, at_ms: AT_MS, command: Command::MoveTicket(ask), outcome };
        let draft = drafts(&fact, &codes()).remove(0);
        let known = order(Some(OrderEnd::Rejected), 400, 2_000);
        let event = event(&draft, 0, AT_MS, (&known, None), &codes()).expect("an event");
        let expected = json!({
            "order": {
                "id": codes().order(OrderNo(3)), "total_minor": 1_900, "discount_minor": 1_500,
                "payable_minor": 400, "voucher_code": codes().voucher(VoucherNo(1)),
                "end": "rejected",
            },
            "order_state": "refunding",
        });
        assert_eq!(event.data, expected);
    }
}
