//! Payments in every order of events: all sequences without repetition of up to six of ten, once
//! where the outlet begins to make what was paid at once, and once where it does nothing.
//!
//! What is expected is worked out from the sequence alone: what counts is which came first, the
//! payment's success or the order's end; and whose trade number was heard of first.

use super::{DAY, SECOND, definition, request, with};
use crate::query::{Answer, OrderView, Query};
use crate::types::*;
use crate::{RuleBook, State, Verdict};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// The provider has made the payment.
    Created,
    /// The provider calls back: it was paid.
    Success,
    /// It calls back once more, or was asked because a callback was lost.
    SuccessAgain,
    /// It took another amount.
    WrongAmount,
    /// It was paid under another trade number.
    OtherTrade,
    Failure,
    /// It can no longer be paid.
    Closed,
    UserCancels,
    /// The time to pay, or to accept, is over.
    Timeout,
    /// The first refund was made.
    Refunded,
}

const EVENTS: [Event; 10] = [
    Event::Created,
    Event::Success,
    Event::SuccessAgain,
    Event::WrongAmount,
    Event::OtherTrade,
    Event::Failure,
    Event::Closed,
    Event::UserCancels,
    Event::Timeout,
    Event::Refunded,
];

const LENGTH_MAX: usize = 6;

const FACE_MINOR: u64 = 2_500;
const PAYABLE_MINOR: u64 = 500;

/// What should have become of an order, by the events so far.
#[derive(Debug, PartialEq, Eq)]
struct Expected {
    state: OrderState,
    payment: PaymentState,
    end: Option<OrderEnd>,
    voucher: VoucherState,
    refunds_asked: u32,
    disputed: bool,
}

fn expected(events: &[Event], eager: bool) -> Expected {
    use Event::{
        Closed, Created, Failure, OtherTrade, Success, SuccessAgain, Timeout, UserCancels,
    };
    let first = |what: &[Event]| events.iter().position(|event| what.contains(event));
    // The number that is heard of first is the payment's.
    let own = [Created, Success, SuccessAgain, Event::WrongAmount, Failure, Closed];
    let is_other =
        first(&[OtherTrade]).is_some_and(|other| first(&own).is_none_or(|own| other < own));
    let (payers, odd): (&[Event], &[Event]) = if is_other {
        (&[OtherTrade], &[Success, SuccessAgain, Event::WrongAmount])
    } else {
        (&[Success, SuccessAgain], &[OtherTrade, Event::WrongAmount])
    };
    let paid = first(payers);
    let closed = first(&[Closed]).filter(|_| !is_other);
    let unpaid_at = |place: usize| paid.is_none_or(|paid| place < paid);
    // What is being made is ended by neither users nor time, and what is paid by no `Closed`.
    let end = (0..events.len()).find(|place| match events[*place] {
        UserCancels | Timeout => !eager || unpaid_at(*place),
        Closed => !is_other && unpaid_at(*place),
        _ => false,
    });
    let refund = paid.zip(end).map(|(paid, end)| paid.max(end));
    let refunded = refund.is_some_and(|refund| events[refund..].contains(&Event::Refunded));
    let reason = end.map(|end| match events[end] {
        UserCancels => OrderEnd::ByUser,
        Timeout if !unpaid_at(end) => OrderEnd::NotAccepted,
        _ => OrderEnd::NotPaid,
    });
    let state = match (paid, reason) {
        _ if refunded => OrderState::Refunded,
        _ if refund.is_some() => OrderState::Refunding,
        (_, Some(OrderEnd::ByUser)) => OrderState::Cancelled,
        (_, Some(_)) => OrderState::Expired,
        (Some(_), None) if eager => OrderState::Making,
        (Some(_), None) => OrderState::Paid,
        (None, None) => OrderState::AwaitingPayment,
    };
    let payment = match (paid, end) {
        _ if refunded => PaymentState::Refunded,
        _ if refund.is_some() => PaymentState::Refunding,
        (Some(_), _) => PaymentState::Succeeded,
        // After the end a failure says nothing: it may be tried again.
        (None, Some(_)) if closed.is_some() => PaymentState::Closed,
        (None, Some(_)) => PaymentState::Unknown,
        (None, None) if first(&[Failure]).is_some() => PaymentState::Failed,
        (None, None) => PaymentState::Created,
    };
    let voucher = match (paid, end) {
        (_, Some(_)) => VoucherState::Live,
        (Some(_), None) => VoucherState::Redeemed,
        (None, None) => VoucherState::Locked,
    };
    Expected {
        state,
        payment,
        end: reason,
        voucher,
        refunds_asked: u32::from(refund.is_some()),
        disputed: first(odd).is_some(),
    }
}

struct World {
    state: State,
    now_ms: u64,
    /// Numbers users, request keys and trades.
    made: u64,
}

impl World {
    fn new() -> Self {
        let state = State::new(RuleBook::RELEASED);
        let mut world = Self { state, now_ms: 0, made: 0 };
        let campaign = CampaignId::new("c").expect("an id");
        let terms = with(|terms| terms.voucher.kind = VoucherKind::AmountOff { face_minor: 2_500 });
        let (key, definition) = (world.key(), definition("c", terms));
        let create = CreateCampaign { request: key, definition };
        world.does(&Command::CreateCampaign(Box::new(create)));
        let request = world.key();
        world.does(&Command::MoveBudget(Box::new(MoveBudget {
            request,
            campaign: campaign.clone(),
            direction: Direction::Fund,
            purpose: Purpose::Vouchers,
            amount_minor: 1_000_000_000,
            reference: Reference::new("all").expect("fits"),
        })));
        let (request, reason) = (world.key(), String::new());
        let open = ChangeCampaignState { request, campaign, change: StateChange::Open, reason };
        world.does(&Command::ChangeCampaignState(Box::new(open)));
        world.does(&Command::PutOutlet(Box::new(PutOutlet {
            id: OutletId::new("tea").expect("an id"),
            document: Vec::new(),
            brand: NameHash::of("tea"),
            vendor: NameHash::of("till"),
            stations: 1,
            unit_ms: 1,
            accept_within_ms: SECOND,
            ready_within_ms: DAY,
            opening: Opening::default(),
        })));
        world
    }

    fn key(&mut self) -> RequestKey {
        self.made += 1;
        request(self.made)
    }

    fn apply(&mut self, command: &Command) -> Verdict {
        self.state.apply(self.now_ms, self.state.last_seq() + 1, command)
    }

    #[track_caller]
    fn does(&mut self, command: &Command) -> Outcome {
        match self.apply(command) {
            Verdict::Done(outcome) => outcome,
            other => panic!("{command:?} was {other:?}"),
        }
    }

    fn order(&self, order: OrderNo) -> OrderView {
        match self.state.answer(self.now_ms, &Query::Order(order)) {
            Answer::Order(Some(view)) => *view,
            _ => panic!("the order is there"),
        }
    }

    /// A user with a voucher, and an order of which the voucher leaves 500 to pay.
    fn place(&mut self) -> (UserKey, OrderNo, TradeKey) {
        let user = UserKey(self.key().0);
        let campaign = CampaignNo(0);
        let claim =
            ClaimVoucher { campaign, terms_version: 1, conditions_met: 0, user, request: None };
        let Outcome::Claimed { voucher, .. } = self.does(&Command::ClaimVoucher(claim)) else {
            panic!("another outcome");
        };
        let request = self.key();
        let placed = self.does(&Command::PlaceOrder(Box::new(PlaceOrder {
            request,
            asked: 0,
            user,
            outlet: OutletNo(0),
            outlet_version: 1,
            lines: vec![OrderLine { item: 0, quantity: 1 }],
            categories: Categories::default(),
            total_minor: 3_200,
            merchant_discount_minor: 200,
            voucher: Some(voucher),
            offer: None,
            ready_by_ms: None,
            courier_ms: None,
            work: 1,
            pay_within_ms: SECOND,
            others: Vec::new(),
            campaign: None,
        })));
        let Outcome::OrderPlaced { order, .. } = placed else { panic!("another outcome") };
        (user, order, TradeKey(request.0))
    }

    fn happens(&mut self, event: Event, (user, order, trade): (UserKey, OrderNo, TradeKey)) {
        let payment_of = |trade, event| {
            let provider = NameHash::of("sandbox");
            Command::RecordPayment(RecordPayment { order, provider, trade, event })
        };
        let payment = |event| payment_of(trade, event);
        let succeeded = |captured_minor| PaymentEvent::Succeeded { captured_minor };
        let mut other = trade;
        other.0[15] ^= 1;
        let command = match event {
            Event::Created => payment(PaymentEvent::Created),
            Event::Failure => payment(PaymentEvent::Failed),
            Event::Closed => payment(PaymentEvent::Closed),
            Event::Success | Event::SuccessAgain => payment(succeeded(PAYABLE_MINOR)),
            Event::WrongAmount => payment(succeeded(PAYABLE_MINOR - 1)),
            Event::OtherTrade => payment_of(other, succeeded(PAYABLE_MINOR)),
            Event::UserCancels => {
                let (request, reason) = (self.key(), String::new());
                Command::CancelOrder(Box::new(CancelOrder {
                    request,
                    order,
                    by: Party::User(user),
                    reason,
                }))
            }
            Event::Timeout => {
                self.now_ms += SECOND;
                Command::Tick(Tick { limit: 1_000 })
            }
            Event::Refunded => {
                let result = RefundResult::Done;
                Command::RecordRefund(RecordRefund { order, refund: 1, result })
            }
        };
        self.apply(&command);
    }

    /// The money of the order, and of the campaign beside it, adds up.
    #[track_caller]
    fn check_money(&self, view: &OrderView) -> VoucherState {
        let parts = [view.payable_minor, view.subsidy_minor.into(), view.merchant_discount_minor];
        assert_eq!(view.total_minor, parts.iter().sum::<u64>());
        assert!([0, view.payable_minor].contains(&view.captured_minor));
        assert!(view.refunded_minor <= view.refund_asked_minor);
        assert!(view.refund_asked_minor <= view.captured_minor);
        let query = Query::Voucher(view.voucher.expect("it has one"));
        let Answer::Voucher(Some(voucher)) = self.state.answer(self.now_ms, &query) else {
            panic!("the voucher is there");
        };
        let query = Query::Campaign(CampaignId::new("c").expect("an id"));
        let Answer::Campaign(Some(campaign)) = self.state.answer(self.now_ms, &query) else {
            panic!("the campaign is there");
        };
        let money = campaign.money;
        assert!(money.adds_up());
        let in_state = |state, minor: u64| if voucher.state == state { minor } else { 0 };
        let spent_minor = in_state(VoucherState::Redeemed, FACE_MINOR);
        assert_eq!(money.spent_minor, spent_minor, "the subsidy of an order that goes on");
        assert_eq!(money.in_flight_minor, in_state(VoucherState::Locked, FACE_MINOR));
        voucher.state
    }
}

/// Runs one sequence on a new order, and looks at everything after its last event: after the others
/// a shorter sequence has looked.
#[track_caller]
fn check(world: &mut World, events: &[Event], eager: bool) {
    let placed = world.place();
    let order = placed.1;
    let mut refunds = Vec::new();
    for event in events {
        world.happens(*event, placed);
        let actions = world.state.actions_of(order);
        let sends = |action: &Action| matches!(action, Action::SendTicket { .. });
        if eager && actions.iter().any(sends) {
            world.does(&Command::MoveTicket(MoveTicket {
                order,
                outlet: OutletNo(0),
                version: 1,
                step: TicketStep::Start,
            }));
        }
        let asked = actions.iter().filter(|action| matches!(action, Action::Refund { .. }));
        for refund in asked {
            let amount_minor = PAYABLE_MINOR;
            assert_eq!(*refund, Action::Refund { order, refund: 1, amount_minor, from_ms: 0 });
            if !refunds.contains(refund) {
                refunds.push(*refund);
            }
        }
    }
    let view = world.order(order);
    let found = Expected {
        state: view.state,
        payment: view.payment.expect("there is one"),
        end: view.end,
        voucher: world.check_money(&view),
        refunds_asked: u32::try_from(refunds.len()).expect("few"),
        disputed: view.disputed,
    };
    assert_eq!(found, expected(events, eager), "eager {eager}, after {events:?}");
    // Nothing of this order is left to be counted with the next one, and its kitchen is free again.
    if view.end.is_none() {
        let (request, reason) = (world.key(), String::new());
        let by = Party::Operator;
        world.does(&Command::CancelOrder(Box::new(CancelOrder { request, order, by, reason })));
    }
    assert_eq!(
        world.state.outlets.kitchen(OutletNo(0)).unfinished(world.now_ms, &world.state.pace()),
        0
    );
}

fn check_all(events: &mut Vec<Event>, eager: bool, world: &mut World) -> u32 {
    check(world, events, eager);
    let mut count = 1;
    if events.len() == LENGTH_MAX {
        return count;
    }
    for event in EVENTS {
        if !events.contains(&event) {
            events.push(event);
            count += check_all(events, eager, world);
            events.pop();
        }
    }
    count
}

#[test]
fn what_counts_is_whether_the_success_or_the_end_came_first() {
    for eager in [true, false] {
        let mut world = World::new();
        // 10!/10! + 10!/9! + ... + 10!/4!
        assert_eq!(check_all(&mut Vec::new(), eager, &mut world), 187_301);
    }
}

/// The expectations themselves, where the outlet makes at once what is paid: a refund is asked for
/// exactly when the success came second.
#[test]
fn a_success_after_the_end_is_given_back_and_no_other() {
    use Event::*;
    for (events, state, refunds) in [
        (&[Success, UserCancels][..], OrderState::Making, 0),
        (&[UserCancels, Success], OrderState::Refunding, 1),
        (&[Timeout, Failure, Success, SuccessAgain], OrderState::Refunding, 1),
        (&[Failure, Success, Timeout, Refunded], OrderState::Making, 0),
        (&[UserCancels, Success, Refunded, SuccessAgain], OrderState::Refunded, 1),
        (&[UserCancels, Refunded, Success], OrderState::Refunding, 1),
        (&[Created, Failure, UserCancels, Timeout], OrderState::Cancelled, 0),
        (&[Closed, UserCancels], OrderState::Expired, 0),
        (&[Closed, Success], OrderState::Refunding, 1),
        (&[WrongAmount, OtherTrade], OrderState::AwaitingPayment, 0),
        (&[OtherTrade, Success], OrderState::Making, 0),
        (&[WrongAmount, Success], OrderState::Making, 0),
    ] {
        let expected = expected(events, true);
        assert_eq!((expected.state, expected.refunds_asked), (state, refunds), "{events:?}");
    }
}
