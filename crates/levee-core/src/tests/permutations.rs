//! Payments in every order of events: all sequences without repetition of up to six of eight, once
//! where the outlet begins to make what was paid at once, and once where it does nothing.
//!
//! What is expected is worked out from the sequence alone: what counts is which came first, the
//! payment's success or the order's end.

use super::{SECOND, definition, request, with};
use crate::query::{Answer, OrderView, Query};
use crate::types::*;
use crate::{RuleBook, State, Verdict};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// The provider has made the payment.
    Created,
    /// The provider calls back: it was paid.
    Success,
    /// It calls back once more.
    DuplicateSuccess,
    /// A callback was lost, and the provider is asked.
    LateSuccess,
    Failure,
    UserCancels,
    /// The time to pay, or to accept, is over.
    Timeout,
    /// The first refund was made.
    Refunded,
}

const EVENTS: [Event; 8] = [
    Event::Created,
    Event::Success,
    Event::DuplicateSuccess,
    Event::LateSuccess,
    Event::Failure,
    Event::UserCancels,
    Event::Timeout,
    Event::Refunded,
];

const LENGTH_MAX: usize = 6;

const FACE_MINOR: u64 = 2_500;
const PAYABLE_MINOR: u64 = 500;

impl Event {
    fn is_success(self) -> bool {
        matches!(self, Self::Success | Self::DuplicateSuccess | Self::LateSuccess)
    }

    fn is_end(self) -> bool {
        matches!(self, Self::UserCancels | Self::Timeout)
    }
}

/// What should have become of an order, by the events so far.
#[derive(Debug, PartialEq, Eq)]
struct Expected {
    state: OrderState,
    payment: PaymentState,
    end: Option<OrderEnd>,
    voucher: VoucherState,
    refunds_asked: u32,
}

fn expected(events: &[Event], eager: bool) -> Expected {
    let first = |what: fn(Event) -> bool| events.iter().position(|event| what(*event));
    let paid = first(Event::is_success);
    // What is being made is ended by neither users nor time.
    let end = first(Event::is_end).filter(|end| !eager || paid.is_none_or(|paid| *end < paid));
    let refund = paid.zip(end).map(|(paid, end)| paid.max(end));
    let refunded = refund.is_some_and(|refund| events[refund..].contains(&Event::Refunded));
    let failed = events.iter().position(|event| *event == Event::Failure);
    let reason = end.map(|end| match events[end] {
        Event::UserCancels => OrderEnd::ByUser,
        _ if paid.is_some_and(|paid| paid < end) => OrderEnd::NotAccepted,
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
    let payment = match (paid, end, failed) {
        _ if refunded => PaymentState::Refunded,
        _ if refund.is_some() => PaymentState::Refunding,
        (Some(_), ..) => PaymentState::Succeeded,
        (None, None, Some(_)) => PaymentState::Failed,
        (None, None, None) => PaymentState::Created,
        (None, Some(end), Some(failed)) if failed > end => PaymentState::Failed,
        (None, Some(_), _) => PaymentState::Unknown,
    };
    let voucher = match (paid, end) {
        (_, Some(_)) => VoucherState::Live,
        (Some(_), None) => VoucherState::Redeemed,
        (None, None) => VoucherState::Locked,
    };
    let refunds_asked = u32::from(refund.is_some());
    Expected { state, payment, end: reason, voucher, refunds_asked }
}

struct World {
    state: State,
    now_ms: u64,
    /// Numbers users, request keys and trades.
    made: u64,
    /// What orders that will be collected have spent.
    spent_minor: u64,
}

impl World {
    fn new() -> Self {
        let state = State::new(RuleBook::RELEASED);
        let mut world = Self { state, now_ms: 0, made: 0, spent_minor: 0 };
        let campaign = CampaignId::new("c").expect("an id");
        let terms = with(|terms| terms.voucher.kind = VoucherKind::AmountOff { face_minor: 2_500 });
        let (key, definition) = (world.key(), definition("c", terms));
        let create = CreateCampaign { request: key, definition };
        world.does(&Command::CreateCampaign(Box::new(create)));
        let request = world.key();
        world.does(&Command::MoveBudget(MoveBudget {
            request,
            campaign: campaign.clone(),
            direction: Direction::Fund,
            purpose: Purpose::Vouchers,
            amount_minor: 1_000_000_000,
            reference: Reference::new("all").expect("fits"),
        }));
        let (request, reason) = (world.key(), String::new());
        let open = ChangeCampaignState { request, campaign, change: StateChange::Open, reason };
        world.does(&Command::ChangeCampaignState(open));
        world.does(&Command::PutOutlet(Box::new(PutOutlet {
            id: OutletId::new("tea").expect("an id"),
            document: Vec::new(),
            brand: NameHash::of("tea"),
            stations: 1,
            accept_within_ms: SECOND,
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
            user,
            outlet: OutletNo(0),
            lines: vec![OrderLine { item: 0, quantity: 1 }],
            categories: Categories::default(),
            total_minor: 3_200,
            merchant_discount_minor: 200,
            voucher: Some(voucher),
            promised_at_ms: self.now_ms,
            work: 1,
            pay_within_ms: SECOND,
            allow_other_outlet: false,
        })));
        let Outcome::OrderPlaced { order, .. } = placed else { panic!("another outcome") };
        (user, order, TradeKey(request.0))
    }

    fn happens(&mut self, event: Event, (user, order, trade): (UserKey, OrderNo, TradeKey)) {
        let payment = |event| {
            let provider = NameHash::of("sandbox");
            Command::RecordPayment(RecordPayment { order, provider, trade, event })
        };
        let command = match event {
            Event::Created => payment(PaymentEvent::Created),
            Event::Failure => payment(PaymentEvent::Failed),
            Event::Success | Event::DuplicateSuccess | Event::LateSuccess => {
                payment(PaymentEvent::Succeeded { captured_minor: PAYABLE_MINOR })
            }
            Event::UserCancels => {
                let (request, reason) = (self.key(), String::new());
                Command::CancelOrder(CancelOrder { request, order, by: Party::User(user), reason })
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
        let spent_minor = self.spent_minor + in_state(VoucherState::Redeemed, FACE_MINOR);
        assert_eq!(money.spent_minor, spent_minor, "subsidies of orders that go on");
        assert_eq!(money.in_flight_minor, in_state(VoucherState::Locked, FACE_MINOR));
        voucher.state
    }
}

/// Runs one sequence on a new order, and looks at everything after every event.
#[track_caller]
fn check(world: &mut World, events: &[Event], eager: bool) {
    let placed = world.place();
    let order = placed.1;
    let mut refunds = Vec::new();
    for (place, event) in events.iter().enumerate() {
        world.happens(*event, placed);
        let view = world.order(order);
        if eager && view.state == OrderState::Paid {
            world.does(&Command::MoveTicket(MoveTicket {
                order,
                outlet: OutletNo(0),
                version: view.version,
                step: TicketStep::Start,
            }));
        }
        let view = world.order(order);
        let voucher = world.check_money(&view);
        let asked = view.actions.iter().filter(|action| matches!(action, Action::Refund { .. }));
        for refund in asked {
            let amount_minor = PAYABLE_MINOR;
            assert_eq!(*refund, Action::Refund { order, refund: 1, amount_minor });
            if !refunds.contains(refund) {
                refunds.push(*refund);
            }
        }
        let found = Expected {
            state: view.state,
            payment: view.payment.expect("there is one"),
            end: view.end,
            voucher,
            refunds_asked: u32::try_from(refunds.len()).expect("few"),
        };
        let so_far = &events[..=place];
        assert_eq!(found, expected(so_far, eager), "eager {eager}, after {so_far:?}");
    }
    // Nothing of this order is left to be counted with the next one.
    if world.order(order).state == OrderState::Making {
        world.spent_minor += FACE_MINOR;
    } else {
        let (request, reason) = (world.key(), String::new());
        let by = Party::Operator;
        world.apply(&Command::CancelOrder(CancelOrder { request, order, by, reason }));
    }
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
        // 8!/8! + 8!/7! + ... + 8!/2!
        assert_eq!(check_all(&mut Vec::new(), eager, &mut world), 28_961);
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
        (&[Timeout, Failure, LateSuccess, DuplicateSuccess], OrderState::Refunding, 1),
        (&[Failure, Success, Timeout, Refunded], OrderState::Making, 0),
        (&[UserCancels, Success, Refunded, LateSuccess], OrderState::Refunded, 1),
        (&[UserCancels, Refunded, Success], OrderState::Refunding, 1),
        (&[Created, Failure, UserCancels, Timeout], OrderState::Cancelled, 0),
    ] {
        let expected = expected(events, true);
        assert_eq!((expected.state, expected.refunds_asked), (state, refunds), "{events:?}");
    }
}
