//! One order as the audit knows it, and where it stands by what was said of it. No voucher, campaign
//! or outlet is looked at here.

use levee_core::types::{
    COLLECTED_WITHIN_MS, CampaignNo, CompensationTerms, Held, LockNo, MADE_WITHIN_MS, NameHash,
    OTHER_OUTLETS_MAX, OrderEnd, OrderState, OutletNo, PaymentState, PlaceOrder, REFUSALS_MAX,
    RedemptionNo, TicketStep, TradeKey, UserKey, VoucherNo,
};

/// One order.
#[derive(Clone, Copy, Debug)]
pub(in crate::audit) struct Order {
    pub(super) user: UserKey,
    pub(super) outlet: OutletNo,
    /// Outlets that may make it instead.
    others: [Option<OutletNo>; OTHER_OUTLETS_MAX],
    pub(super) left: Option<Left>,
    pub(super) voucher: Option<VoucherNo>,
    /// Whose terms of compensation hold, where the order itself names them.
    pub(super) campaign: Option<CampaignNo>,
    pub(super) subsidy_minor: u32,
    pub(super) payable_minor: u64,
    pub(super) held: Held,
    pub(super) promised_at_ms: u64,
    /// Whether it was ready or collected, if nobody said that before, later than promised.
    pub(super) late: Option<bool>,
    /// What it awaits was asked for then, and is due then; without grace.
    pub(super) due: (u64, u64),
    /// How far its ticket has come.
    pub(super) reached: OrderState,
    /// Its outlet has begun it, or has made it.
    made: bool,
    pub(super) end: Option<OrderEnd>,
    /// What the provider said, while there is no money.
    pub(super) said: PaymentState,
    pub(super) trade: Option<(NameHash, TradeKey)>,
    pub(super) captured: bool,
    /// Somebody must look at what the provider took, or does not give back.
    pub(super) disputed: bool,
    /// How often in a row it has refused to give back what is under way.
    refusals: u8,
    pub(super) asked_minor: u64,
    pub(super) refunded_minor: u64,
    /// Of the refund under way; 0 without one.
    pub(super) under_way_minor: u64,
    pub(super) refunds: u32,
    pub(super) version: u32,
    pub(super) withdrawn: bool,
    /// Compensation that its outlet was paid.
    pub(in crate::audit) outlet_paid_minor: u64,
    /// Compensation that what was set aside did not cover.
    pub(in crate::audit) unpaid_minor: u64,
}

/// The outlet that an order was moved away from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) outlet: OutletNo,
    /// The version under which it is told.
    pub(super) version: u32,
    /// Whether it knows.
    pub(super) told: bool,
}

impl Order {
    /// As placed: it awaits its payment. What the voucher pays, and what is left to pay, is fixed.
    pub(super) fn placed(
        ask: &PlaceOrder,
        now_ms: u64,
        promised_at_ms: u64,
        (subsidy_minor, payable_minor): (u32, u64),
    ) -> Self {
        let mut others = [None; OTHER_OUTLETS_MAX];
        others.iter_mut().zip(&ask.others).for_each(|(place, other)| *place = Some(*other));
        Self {
            user: ask.user,
            outlet: ask.outlet,
            others,
            left: None,
            voucher: ask.voucher,
            campaign: ask.campaign,
            subsidy_minor,
            payable_minor,
            held: Held::Nothing,
            promised_at_ms,
            late: None,
            due: (now_ms, now_ms.saturating_add(ask.pay_within_ms)),
            reached: OrderState::AwaitingPayment,
            made: false,
            end: None,
            said: PaymentState::Created,
            trade: None,
            captured: false,
            disputed: false,
            refusals: 0,
            asked_minor: 0,
            refunded_minor: 0,
            under_way_minor: 0,
            refunds: 0,
            version: 0,
            withdrawn: false,
            outlet_paid_minor: 0,
            unpaid_minor: 0,
        }
    }

    /// Some of each of its cache lines: reading them brings it near.
    pub(in crate::audit) fn glance(&self) -> u64 {
        let [first, ..] = self.user.0;
        let (asked_at_ms, due_ms) = self.due;
        let money = self.payable_minor ^ self.asked_minor ^ self.refunded_minor;
        let given = self.under_way_minor ^ self.outlet_paid_minor ^ self.unpaid_minor;
        let times = asked_at_ms ^ due_ms ^ self.promised_at_ms;
        let counts = self.subsidy_minor ^ self.refunds ^ self.version ^ self.outlet.0;
        let trade = self.trade.map_or(0, |(provider, _)| provider.0);
        let flags = u8::from(self.withdrawn) ^ u8::from(self.made) ^ first;
        money ^ given ^ times ^ u64::from(counts ^ trade) ^ u64::from(flags)
    }

    pub(in crate::audit) fn outlet(&self) -> OutletNo {
        self.outlet
    }

    pub(in crate::audit) fn voucher(&self) -> Option<VoucherNo> {
        self.voucher
    }

    pub(super) fn captured_minor(&self) -> u64 {
        if self.captured { self.payable_minor } else { 0 }
    }

    pub(in crate::audit) fn lock(&self) -> Option<LockNo> {
        if let Held::Lock(lock) = self.held { Some(lock) } else { None }
    }

    pub(in crate::audit) fn redemption(&self) -> Option<RedemptionNo> {
        if let Held::Redemption(redemption) = self.held { Some(redemption) } else { None }
    }

    pub(super) fn state(&self) -> OrderState {
        match self.end {
            None => self.reached,
            Some(_) if self.captured && self.refunded_minor < self.payable_minor => {
                OrderState::Refunding
            }
            Some(_) if self.captured => OrderState::Refunded,
            Some(OrderEnd::NotPaid | OrderEnd::NotAccepted | OrderEnd::NotMade) => {
                OrderState::Expired
            }
            Some(OrderEnd::Rejected) => OrderState::Rejected,
            Some(OrderEnd::ByUser | OrderEnd::ByOutlet | OrderEnd::ByOperator) => {
                OrderState::Cancelled
            }
        }
    }

    pub(super) fn payment(&self) -> Option<PaymentState> {
        if self.payable_minor == 0 {
            None
        } else if !self.captured {
            Some(self.said)
        } else if self.under_way_minor > 0 {
            Some(PaymentState::Refunding)
        } else if self.refunded_minor == self.payable_minor {
            Some(PaymentState::Refunded)
        } else {
            Some(PaymentState::Succeeded)
        }
    }

    /// Whether its end may still give its voucher's use back.
    pub(super) fn is_open(&self) -> bool {
        self.end.is_none() && self.reached.is_open()
    }

    /// Whether it will end by the clock if nothing is heard of it.
    pub(super) fn awaits(&self) -> bool {
        self.end.is_none() && self.reached <= OrderState::Ready
    }

    pub(super) fn has_ticket(&self) -> bool {
        self.version > 0
    }

    /// Outlets that may make it; none any more once it was moved.
    pub(super) fn others(&self) -> impl Iterator<Item = OutletNo> {
        let may_move = self.left.is_none();
        self.others.into_iter().flatten().filter(move |_| may_move)
    }

    /// Whether it is paid, and its outlet has yet to take it on.
    pub(super) fn awaits_acceptance(&self) -> bool {
        self.end.is_none() && matches!(self.reached, OrderState::Paid | OrderState::Sent)
    }

    pub(super) fn give_back(&mut self, minor: u64) {
        self.asked_minor = self.asked_minor.saturating_add(minor);
        self.next_refund();
    }

    pub(super) fn next_refund(&mut self) {
        if self.under_way_minor == 0 && self.asked_minor > self.refunded_minor {
            self.under_way_minor = self.asked_minor - self.refunded_minor;
            self.refunds += 1;
        }
    }

    /// The refund under way is over. After too many refusals somebody must look.
    pub(super) fn end_refund(&mut self, is_done: bool) {
        if is_done {
            self.refunded_minor += self.under_way_minor;
            self.refusals = 0;
        } else {
            self.refusals = self.refusals.saturating_add(1);
            self.disputed |= self.refusals >= REFUSALS_MAX;
        }
        self.under_way_minor = 0;
        self.next_refund();
    }

    /// What came of a refund is not what was said before. One that came after all keeps the next back.
    pub(super) fn doubt_refund(&mut self, is_done: bool) {
        self.disputed = true;
        if is_done && self.under_way_minor > 0 {
            self.refusals = REFUSALS_MAX;
        }
    }

    /// Somebody has looked; whether there was something to look at.
    pub(super) fn settle(&mut self) -> bool {
        if self.refusals >= REFUSALS_MAX {
            self.refusals = 0;
        }
        std::mem::replace(&mut self.disputed, false)
    }

    pub(super) fn pay(&mut self, due: (u64, u64)) {
        self.reached = OrderState::Paid;
        self.version = 1;
        self.due = due;
    }

    /// Its ticket comes further. Whoever accepted it has a time to make it, whoever made it a time
    /// in which it is collected.
    pub(super) fn reach(&mut self, now_ms: u64, to: OrderState) {
        if to == OrderState::Ready {
            self.due = (now_ms, now_ms.saturating_add(COLLECTED_WITHIN_MS));
        } else if self.reached < OrderState::Accepted && to >= OrderState::Accepted {
            let from_ms = self.promised_at_ms.max(now_ms);
            self.due = (now_ms, from_ms.saturating_add(MADE_WITHIN_MS));
        }
        if matches!(to, OrderState::Ready | OrderState::Collected) {
            self.late.get_or_insert(now_ms > self.promised_at_ms);
        }
        self.made |= matches!(to, OrderState::Making | OrderState::Ready);
        self.reached = to;
        // That the outlet's system has the ticket is no news to the outlet.
        self.version += u32::from(to != OrderState::Sent);
    }

    /// Another outlet makes it, from the beginning.
    pub(super) fn move_to(&mut self, outlet: OutletNo, promised_at_ms: u64, due: (u64, u64)) {
        let version = self.version + 1;
        self.left = Some(Left { outlet: self.outlet, version, told: false });
        (self.outlet, self.promised_at_ms, self.due) = (outlet, promised_at_ms, due);
        (self.version, self.reached, self.made) = (version, OrderState::Paid, false);
    }

    /// What comes of it when what it awaits does not come in time. One that may be moved stays until
    /// a tick has tried.
    pub(super) fn run_out(&mut self) {
        match self.reached {
            OrderState::AwaitingPayment => self.finish(OrderEnd::NotPaid),
            OrderState::Paid | OrderState::Sent if self.others().next().is_some() => {}
            OrderState::Paid | OrderState::Sent => self.finish(OrderEnd::NotAccepted),
            OrderState::Ready => {
                self.reached = OrderState::Collected;
                self.version += 1;
            }
            _ => self.finish(OrderEnd::NotMade),
        }
    }

    pub(super) fn finish(&mut self, end: OrderEnd) {
        self.end = Some(end);
        if self.has_ticket() {
            self.version += 1;
        }
        if self.captured {
            self.give_back(self.payable_minor.saturating_sub(self.asked_minor));
        } else if self.said != PaymentState::Closed {
            self.said = PaymentState::Unknown;
        }
    }

    /// What its user and its outlet should get because it ended, in minor units: the user for a paid
    /// order that the outlet did not make, the outlet for what it had begun when an operator
    /// cancelled it.
    pub(super) fn owed_minor(&self, terms: &CompensationTerms) -> (u32, u64) {
        let bill_minor = self.payable_minor + u64::from(self.subsidy_minor);
        match self.end {
            Some(OrderEnd::ByOperator) if self.made => {
                (0, bill_minor * u64::from(terms.outlet_percent) / 100)
            }
            None | Some(OrderEnd::NotPaid | OrderEnd::ByUser | OrderEnd::ByOperator) => (0, 0),
            Some(_) if self.has_ticket() => (terms.apology_minor, 0),
            Some(_) => (0, 0),
        }
    }

    /// What of its money does not add up, if anything: all that is given back was asked for, and all
    /// that was asked for had been captured.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let in_hand_minor = self.refunded_minor.checked_add(self.under_way_minor);
        if self.asked_minor > self.captured_minor() {
            Some("more is given back than was captured")
        } else if in_hand_minor.is_none_or(|minor| minor > self.asked_minor) {
            Some("more is refunded than was asked for")
        } else if self.end.is_some() && self.asked_minor != self.captured_minor() {
            Some("it ended, and not all that was captured is given back")
        } else {
            None
        }
    }
}

/// The state that a step leads to, where it leads on.
pub(super) fn state_after(step: TicketStep) -> Option<OrderState> {
    match step {
        TicketStep::Send => Some(OrderState::Sent),
        TicketStep::Accept => Some(OrderState::Accepted),
        TicketStep::Start => Some(OrderState::Making),
        TicketStep::Ready => Some(OrderState::Ready),
        TicketStep::Collect => Some(OrderState::Collected),
        TicketStep::Reject | TicketStep::Withdraw => None,
    }
}

/// Whether news of a payment without money may follow on what was said of it before.
pub(super) fn comes_after(was: PaymentState, to: PaymentState) -> bool {
    use PaymentState::{Closed, Created, Failed, Pending};
    match to {
        Pending => matches!(was, Created | Failed),
        Failed => matches!(was, Created | Pending),
        _ => was != Closed,
    }
}
