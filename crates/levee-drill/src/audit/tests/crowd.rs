//! A crowd that asks at random what users, outlets, providers and operators ask: of what there is
//! and, now and then, of what there is not.

use fastrand::Rng;

use super::*;

pub(super) const USERS: u8 = 40;
pub(super) const OUTLETS: u32 = 3;

/// What a crowd may know of an order.
pub(super) struct Seen {
    pub(super) user: UserKey,
    pub(super) outlet: OutletNo,
    pub(super) version: u32,
    pub(super) payable_minor: u64,
    /// What is to be done for it outside.
    pub(super) actions: Vec<Action>,
}

/// Who asks, and what there is by now.
pub(super) struct Crowd {
    pub(super) rng: Rng,
    request: u32,
    /// By number, each with its user.
    vouchers: Vec<UserKey>,
    redemptions: u32,
    pub(super) orders: u32,
    /// Of orders, by number.
    users: Vec<UserKey>,
    /// What was offered last, with the work that it is for.
    offers: Vec<(OfferNo, OutletNo, u32)>,
    disputed: Vec<OrderNo>,
}

impl Crowd {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            request: 0,
            vouchers: Vec::new(),
            redemptions: 0,
            orders: 0,
            users: Vec::new(),
            offers: Vec::new(),
            disputed: Vec::new(),
        }
    }

    /// An order to ask about: mostly one of the last.
    pub(super) fn order(&mut self) -> OrderNo {
        let newest = self.orders.saturating_sub(8);
        let first = if self.rng.u8(0..4) == 0 { 0 } else { newest };
        OrderNo(self.rng.u32(first..=self.orders))
    }

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

    /// A voucher, and mostly its user.
    fn voucher(&mut self) -> (VoucherNo, UserKey) {
        let count = self.vouchers.len();
        let place = self.rng.usize(0..=count);
        let theirs = self.vouchers.get(place).copied().filter(|_| self.rng.u8(0..8) > 0);
        let user = theirs.unwrap_or_else(|| self.user());
        (VoucherNo(u32::try_from(place).unwrap()), user)
    }

    fn outlet(&mut self) -> OutletNo {
        // One in forty is not there.
        if self.rng.u8(0..40) == 0 {
            return OutletNo(OUTLETS);
        }
        OutletNo(self.rng.u32(0..OUTLETS))
    }

    fn others(&mut self, first: OutletNo) -> Vec<OutletNo> {
        let all = (0..OUTLETS).map(OutletNo).filter(|outlet| *outlet != first);
        if self.rng.bool() { all.collect() } else { Vec::new() }
    }

    fn party(&mut self, seen: Option<&Seen>) -> Party {
        match (self.rng.u8(0..6), seen) {
            (0 | 1, Some(order)) => Party::User(order.user),
            (2 | 3, Some(order)) => Party::Outlet(order.outlet),
            (4, _) => Party::User(self.user()),
            _ => Party::Operator,
        }
    }

    /// The next ask; `seen` is the `order` that it may be about.
    pub(super) fn ask(&mut self, now_ms: u64, order: OrderNo, seen: Option<&Seen>) -> Command {
        let by = self.party(seen);
        match self.rng.u8(0..64) {
            0..6 => self.claim(),
            6..10 => self.quote(now_ms),
            10..20 => self.place(now_ms),
            20..31 => self.payment(order, seen),
            31..48 => self.step(order, seen),
            48 => {
                let (request, reason) = (self.request(), "changed mind".to_owned());
                Command::CancelOrder(Box::new(CancelOrder { request, order, by, reason }))
            }
            49 | 50 => Command::RefundOrder(Box::new(RefundOrder {
                request: self.request(),
                order,
                by,
                reference: reference(&format!("refund-{}", self.rng.u8(0..3))),
                amount_minor: self.rng.u64(1..2_000),
                reason: "spilt".to_owned(),
            })),
            51 | 52 => self.refund_result(order, seen),
            53 => self.redeem(),
            54 => {
                let redemption = RedemptionNo(self.below(self.redemptions));
                let (request, reason) = (self.request(), String::new());
                Command::RollBackRedemption(Box::new(RollBackRedemption {
                    request,
                    redemption,
                    reason,
                }))
            }
            55 => self.pause(now_ms),
            56 => self.kitchen(),
            57 => {
                let order = self.disputed.pop().unwrap_or(order);
                let (request, reason) = (self.request(), "given back".to_owned());
                Command::SettleDispute(Box::new(SettleDispute { request, order, reason }))
            }
            _ => Command::Tick(Tick { limit: self.rng.u32(1..6) }),
        }
    }

    fn claim(&mut self) -> Command {
        Command::ClaimVoucher(ClaimVoucher {
            campaign: CampaignNo(0),
            terms_version: 1,
            conditions_met: 1,
            user: self.user(),
            request: None,
        })
    }

    fn quote(&mut self, now_ms: u64) -> Command {
        let wanted = self.outlet();
        let others = self.others(wanted);
        let all = [wanted].into_iter().chain(others);
        let candidates = all.map(|outlet| {
            let travel_ms = self.rng.u32(0..400_000);
            Candidate { outlet, travel_ms }
        });
        let candidates = candidates.collect();
        Command::QuoteOrder(Box::new(QuoteOrder {
            request: self.request(),
            asked: 0,
            user: None,
            outlet_version: 1,
            total_minor: 3_000,
            discount_minor: 0,
            work: self.work(),
            candidates,
            ready_by_ms: self.ready_by_ms(now_ms),
            hold_ms: self.rng.u64(1..HOLD_MS_MAX),
        }))
    }

    fn work(&mut self) -> u32 {
        self.rng.u32(1..4) * 1_000
    }

    fn ready_by_ms(&mut self, now_ms: u64) -> Option<u64> {
        self.rng.bool().then(|| now_ms + self.rng.u64(0..8_000_000))
    }

    fn place(&mut self, now_ms: u64) -> Command {
        let (voucher, user) = self.voucher();
        let voucher = (self.rng.u8(0..4) > 0).then_some(voucher);
        let offer = self.rng.bool().then(|| self.offers.pop()).flatten();
        let (outlet, work) = match offer {
            Some((_, outlet, work)) => (outlet, work),
            None => (self.outlet(), self.work()),
        };
        Command::PlaceOrder(Box::new(PlaceOrder {
            request: self.request(),
            asked: 0,
            user,
            outlet,
            outlet_version: 1,
            lines: vec![OrderLine { item: 0, quantity: 1 }],
            categories: Categories::new(&[NameHash::of("milk-tea")]).unwrap(),
            total_minor: self.rng.u64(900..6_000),
            merchant_discount_minor: self.rng.u64(0..300),
            voucher,
            offer: offer.map(|(number, _, _)| number),
            ready_by_ms: self.ready_by_ms(now_ms),
            courier_ms: self.rng.bool().then_some(300_000),
            work,
            pay_within_ms: self.rng.u64(1..900_000),
            others: self.others(outlet),
            campaign: self.rng.bool().then_some(CampaignNo(0)),
        }))
    }

    fn payment(&mut self, order: OrderNo, seen: Option<&Seen>) -> Command {
        let asked = seen.map_or(1, |order| order.payable_minor);
        let captured_minor = if self.rng.u8(0..24) == 0 { 1 } else { asked };
        let event = match self.rng.u8(0..16) {
            0 => PaymentEvent::Created,
            1 => PaymentEvent::Pending,
            2 => PaymentEvent::Failed,
            3 => PaymentEvent::Closed,
            _ => PaymentEvent::Succeeded { captured_minor },
        };
        let mut trade = [if self.rng.u8(0..24) == 0 { 8 } else { 9 }; 16];
        // Now and then somebody mistakes one order's payment for another's.
        let of = if self.rng.u8(0..24) == 0 { self.below(self.orders) } else { order.0 };
        trade[..4].copy_from_slice(&of.to_le_bytes());
        let provider = NameHash::of("sandbox");
        Command::RecordPayment(RecordPayment { order, provider, trade: TradeKey(trade), event })
    }

    fn step(&mut self, order: OrderNo, seen: Option<&Seen>) -> Command {
        // Whoever is to be told of a cancelled ticket is told.
        let told = seen.and_then(|order| {
            order.actions.iter().find_map(|action| match *action {
                Action::CancelTicket { outlet, version, .. } => Some((outlet, version)),
                _ => None,
            })
        });
        if let Some((outlet, version)) = told.filter(|_| self.rng.bool()) {
            let step = TicketStep::Withdraw;
            return Command::MoveTicket(MoveTicket { order, outlet, version, step });
        }
        let steps = [
            TicketStep::Send,
            TicketStep::Accept,
            TicketStep::Accept,
            TicketStep::Reject,
            TicketStep::Start,
            TicketStep::Start,
            TicketStep::Ready,
            TicketStep::Collect,
            TicketStep::Withdraw,
        ];
        let step = steps[self.rng.usize(0..steps.len())];
        let version = seen.map_or(1, |order| order.version);
        let outlet = match seen {
            Some(order) if self.rng.u8(0..8) > 0 => order.outlet,
            _ => self.outlet(),
        };
        Command::MoveTicket(MoveTicket { order, outlet, version, step })
    }

    fn refund_result(&mut self, order: OrderNo, seen: Option<&Seen>) -> Command {
        let under_way = seen.and_then(|order| {
            order.actions.iter().find_map(|action| match *action {
                Action::Refund { refund, .. } => Some(refund),
                _ => None,
            })
        });
        let refund = under_way.unwrap_or_else(|| self.below(2));
        let result = if self.rng.bool() { RefundResult::Done } else { RefundResult::Failed };
        Command::RecordRefund(RecordRefund { order, refund, result })
    }

    fn redeem(&mut self) -> Command {
        let (voucher, user) = self.voucher();
        Command::RedeemVoucher(Box::new(RedeemVoucher {
            request: self.request(),
            bill: Bill {
                voucher,
                user,
                order_minor: self.rng.u64(500..3_000),
                brand: Some(NameHash::of("heytea")),
                categories: Categories::new(&[NameHash::of("milk-tea")]).unwrap(),
            },
            lock: None,
            reference: reference(&format!("bill-{}", self.request)),
        }))
    }

    fn pause(&mut self, now_ms: u64) -> Command {
        let outlet = OutletId::new("tea-0").unwrap();
        let (request, reason) = (self.request(), "ice".to_owned());
        if self.rng.bool() {
            let until_ms = self.rng.bool().then_some(now_ms + 500_000);
            Command::PauseOutlet(Box::new(PauseOutlet { request, outlet, until_ms, reason }))
        } else {
            Command::ResumeOutlet(Box::new(ResumeOutlet { request, outlet, reason }))
        }
    }

    fn kitchen(&mut self) -> Command {
        let (request, outlet) = (self.request(), self.outlet());
        if self.rng.bool() {
            let stations = self.rng.u16(1..4);
            Command::SetStaffing(SetStaffing { request, outlet, stations })
        } else {
            Command::RecordWalkIns(RecordWalkIns { request, outlet, work: self.work() })
        }
    }

    /// Counts what there is now.
    pub(super) fn note(&mut self, command: &Command, outcome: &Outcome) {
        match (command, outcome) {
            (Command::ClaimVoucher(ask), Outcome::Claimed { .. }) => self.vouchers.push(ask.user),
            (_, Outcome::Redeemed { .. }) => self.redemptions += 1,
            (Command::PlaceOrder(ask), Outcome::OrderPlaced { held, .. }) => {
                self.orders += 1;
                self.users.push(ask.user);
                self.redemptions += u32::from(matches!(held, Held::Redemption(_)));
            }
            (_, Outcome::OrderChanged(change)) => {
                self.redemptions += u32::from(change.redemption.is_some());
            }
            (Command::QuoteOrder(ask), Outcome::Quoted(quoted)) => {
                for (place, offer) in (0..).zip(&quoted.offers) {
                    let offer_no = OfferNo { quote: quoted.quote, place };
                    self.offers.push((offer_no, offer.outlet, ask.work));
                }
            }
            (Command::RecordPayment(ask), Outcome::PaymentDisputed) => {
                self.disputed.push(ask.order);
            }
            (_, Outcome::TickedWithOrders { orders, .. }) => {
                for given in orders.compensated.iter().filter(|given| given.apology.is_some()) {
                    self.vouchers.push(self.users[given.order.index()]);
                }
            }
            _ => {}
        }
    }
}
