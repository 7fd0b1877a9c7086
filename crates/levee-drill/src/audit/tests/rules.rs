//! What the rules make of a crowd's asks, recounted: two counts of one journal must agree.

use fastrand::Rng;
use levee_core::query::{Answer, OrderView, Query};
use levee_core::{RuleBook, State, Verdict};

use super::*;

const USERS: u8 = 12;
const OUTLETS: u32 = 2;

/// Asks at random what users, outlets, providers and operators ask, of what there is and, now and
/// then, of what there is not.
struct Asker {
    rng: Rng,
    request: u32,
    vouchers: u32,
    orders: u32,
    redemptions: u32,
}

impl Asker {
    fn request(&mut self) -> RequestKey {
        self.request += 1;
        let mut bytes = [7; 16];
        bytes[..4].copy_from_slice(&self.request.to_le_bytes());
        RequestKey(bytes)
    }

    fn below(&mut self, count: u32) -> u32 {
        self.rng.u32(0..=count)
    }

    fn user(&mut self) -> UserKey {
        user(self.rng.u8(0..USERS))
    }

    fn party(&mut self) -> Party {
        match self.rng.u8(0..3) {
            0 => Party::User(self.user()),
            1 => Party::Outlet(OutletNo(self.below(OUTLETS))),
            _ => Party::Operator,
        }
    }

    fn ask(&mut self, state: &State, now_ms: u64) -> Command {
        let order = OrderNo(self.below(self.orders));
        let seen = seen(state, now_ms, order);
        match self.rng.u8(0..32) {
            0..4 => Command::ClaimVoucher(ClaimVoucher {
                campaign: CampaignNo(0),
                terms_version: 1,
                conditions_met: 1,
                user: self.user(),
                request: None,
            }),
            4..10 => {
                let voucher = self.rng.bool().then(|| VoucherNo(self.below(self.vouchers)));
                Command::PlaceOrder(Box::new(PlaceOrder {
                    request: self.request(),
                    user: self.user(),
                    outlet: OutletNo(self.below(OUTLETS)),
                    lines: vec![OrderLine { item: 0, quantity: 1 }],
                    categories: Categories::new(&[NameHash::of("milk-tea")]).unwrap(),
                    total_minor: self.rng.u64(900..6_000),
                    merchant_discount_minor: self.rng.u64(0..300),
                    voucher,
                    promised_at_ms: now_ms + 600,
                    work: 1_000,
                    pay_within_ms: self.rng.u64(1..900),
                    allow_other_outlet: self.rng.bool(),
                }))
            }
            10..16 => {
                let asked = seen.as_ref().map_or(1, |order| order.payable_minor);
                let captured_minor = if self.rng.u8(0..8) == 0 { 1 } else { asked };
                let event = match self.rng.u8(0..8) {
                    0 => PaymentEvent::Created,
                    1 => PaymentEvent::Pending,
                    2 => PaymentEvent::Failed,
                    3 => PaymentEvent::Closed,
                    _ => PaymentEvent::Succeeded { captured_minor },
                };
                let mut trade = [9; 16];
                trade[..4].copy_from_slice(&order.0.to_le_bytes());
                let provider = NameHash::of("sandbox");
                let trade = TradeKey(trade);
                Command::RecordPayment(RecordPayment { order, provider, trade, event })
            }
            16..24 => {
                let steps = [
                    TicketStep::Send,
                    TicketStep::Accept,
                    TicketStep::Reject,
                    TicketStep::Start,
                    TicketStep::Ready,
                    TicketStep::Collect,
                    TicketStep::Withdraw,
                ];
                let step = steps[self.rng.usize(0..steps.len())];
                let version = seen.map_or(1, |order| order.version);
                let outlet = OutletNo(self.below(OUTLETS));
                Command::MoveTicket(MoveTicket { order, outlet, version, step })
            }
            24 => Command::CancelOrder(CancelOrder {
                request: self.request(),
                order,
                by: self.party(),
                reason: "changed mind".to_owned(),
            }),
            25 => Command::RefundOrder(RefundOrder {
                request: self.request(),
                order,
                by: self.party(),
                amount_minor: self.rng.u64(1..2_000),
                reason: "spilt".to_owned(),
            }),
            26 => {
                let result =
                    if self.rng.bool() { RefundResult::Done } else { RefundResult::Failed };
                Command::RecordRefund(RecordRefund { order, refund: self.below(2), result })
            }
            27 => Command::RedeemVoucher(RedeemVoucher {
                request: self.request(),
                bill: Bill {
                    voucher: VoucherNo(self.below(self.vouchers)),
                    user: self.user(),
                    order_minor: 3_000,
                    brand: Some(NameHash::of("heytea")),
                    categories: Categories::new(&[NameHash::of("milk-tea")]).unwrap(),
                },
                lock: None,
                reference: reference(&format!("bill-{}", self.request)),
            }),
            28 => {
                let redemption = RedemptionNo(self.below(self.redemptions));
                let (request, reason) = (self.request(), String::new());
                Command::RollBackRedemption(RollBackRedemption { request, redemption, reason })
            }
            29 => {
                let outlet = OutletId::new("tea-0").unwrap();
                let (request, reason) = (self.request(), "ice".to_owned());
                if self.rng.bool() {
                    let until_ms = self.rng.bool().then_some(now_ms + 500);
                    Command::PauseOutlet(PauseOutlet { request, outlet, until_ms, reason })
                } else {
                    Command::ResumeOutlet(ResumeOutlet { request, outlet, reason })
                }
            }
            _ => Command::Tick(Tick { limit: self.rng.u32(1..6) }),
        }
    }

    /// Counts what there is now.
    fn note(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Claimed { .. } => self.vouchers += 1,
            Outcome::Redeemed { .. } => self.redemptions += 1,
            Outcome::OrderPlaced { redemption, .. } => {
                self.orders += 1;
                self.redemptions += u32::from(redemption.is_some());
            }
            Outcome::OrderChanged(change) => {
                self.redemptions += u32::from(change.redemption.is_some());
            }
            _ => {}
        }
    }
}

fn seen(state: &State, now_ms: u64, order: OrderNo) -> Option<Box<OrderView>> {
    match state.answer(now_ms, &Query::Order(order)) {
        Answer::Order(order) => order,
        other => panic!("{other:?}"),
    }
}

/// Plays a crowd against the rules, and keeps what had an effect.
fn play(seed: u64) -> (Story, Asker) {
    let mut state = State::new(RuleBook::RELEASED);
    let mut story = Story::default();
    let rng = Rng::with_seed(seed);
    let mut asker = Asker { rng, request: 0, vouchers: 0, orders: 0, redemptions: 0 };
    let mut now_ms = 1_000;
    let mut apply = |state: &mut State, now_ms: u64, command: Command| {
        let verdict = state.apply(now_ms, state.last_seq() + 1, &command);
        let Verdict::Done(outcome) = verdict else { return None };
        story.add(now_ms, command, outcome.clone());
        Some(outcome)
    };
    let open = ChangeCampaignState {
        request: key(3),
        campaign: CampaignId::new("new-year").unwrap(),
        change: StateChange::Open,
        reason: String::new(),
    };
    let fund = budget(2, Direction::Fund, Purpose::Vouchers, 25_000, "first", Money::default());
    let outlets = (0..OUTLETS).map(|number| {
        Command::PutOutlet(Box::new(PutOutlet {
            id: OutletId::new(&format!("tea-{number}")).unwrap(),
            document: vec![1],
            brand: NameHash::of("heytea"),
            stations: 2,
            accept_within_ms: 400,
        }))
    });
    let first = [create(1, definition(terms()), 0).0, fund.0, Command::ChangeCampaignState(open)];
    for command in first.into_iter().chain(outlets) {
        let said = format!("{command:?}");
        assert!(apply(&mut state, now_ms, command).is_some(), "{said}");
    }
    for _ in 0..2_000 {
        now_ms += asker.rng.u64(0..40);
        let command = asker.ask(&state, now_ms);
        if let Some(outcome) = apply(&mut state, now_ms, command) {
            asker.note(&outcome);
        }
    }
    (story, asker)
}

#[test]
fn what_the_rules_do_is_what_the_audit_counts() {
    let mut orders = 0;
    for seed in 0..6 {
        let (story, asker) = play(seed);
        let report = story.audit();
        let found = &report.differences;
        assert!(report.ok, "seed {seed}: {found:#?}");
        orders += asker.orders;
    }
    assert!(orders > 600, "{orders} orders in all");
}
