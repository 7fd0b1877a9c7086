//! The record of an order, as plain bytes of fixed size, and what it says. How it changes is the
//! handlers' business.

use alloc::vec::Vec;

use bytemuck::{Pod, Zeroable};

use super::rows::{NONE, some};
use crate::pacing::{Ticket, Work};
use crate::types::{
    CampaignNo, Held, LINES_MAX, LockNo, NameHash, OTHER_OUTLETS_MAX, OrderChange, OrderEnd,
    OrderLine, OrderNo, OrderState, OutletNo, PaymentState, PlaceOrder, REFUSALS_MAX, RedemptionNo,
    TicketStep, TradeKey, UserKey, VoucherNo, VoucherState, refund_pause_ms,
};

/// One order with its payment and its ticket.
///
/// 256 bytes: 40 of them are the lines, which the ticket needs for as long as it may have to be sent
/// again, and 52 are users and trade numbers, by which repeats are known. In 128 bytes those would
/// stand in a second record, with a second look into far memory at every step.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Order {
    pub user: UserKey,
    trade: TradeKey,
    /// Sequence number of the placing.
    pub seq: u64,
    pub placed_at_ms: u64,
    /// What it awaits must be by then. Moved by outages: grace included.
    pub due_ms: u64,
    pub total_minor: u64,
    pub merchant_discount_minor: u64,
    /// All that is to be given back, done or not.
    pub refund_asked_minor: u64,
    /// Of that, what the refund under way gives back.
    pub refund_under_way_minor: u64,
    /// Of that, what was given back.
    pub refunded_minor: u64,
    /// What its outlet was paid for it, besides.
    pub outlet_paid_minor: u64,
    moved_seq: u64,
    /// In milliseconds after the placing, as are all `_after_ms`.
    moved_after_ms: u32,
    promised_after_ms: u32,
    /// What its kitchen had moved promises by.
    delta_ms: i32,
    /// [`NONE`] without a courier.
    courier_ms: u32,
    pub subsidy_minor: u32,
    provider: u32,
    pub outlet: OutletNo,
    voucher: u32,
    holder: u32,
    previous_of_user: u32,
    previous_at_outlet: u32,
    campaign: u32,
    /// When the refund under way may be sent, in seconds after the placing; 0 is at once.
    refund_after_s: u32,
    /// Once it was moved, the first is the outlet that it was moved away from.
    others: [u32; OTHER_OUTLETS_MAX],
    /// The voucher that its user got for it.
    apology: u32,
    pub work: u32,
    /// The ticket's version; 0 before there is one.
    pub version: u32,
    /// Number of the last refund that was begun.
    pub refund: u32,
    /// When it was accepted, begun, ready and collected, in milliseconds after the placing.
    stages_ms: [u32; 4],
    lines: [OrderLine; LINES_MAX],
    lines_len: u8,
    state: u8,
    payment: u8,
    end: u8,
    holder_kind: u8,
    flags: u8,
    moved: [u8; 4],
    /// The version of the ticket that is cancelled at the outlet that it was moved away from.
    left_version: u8,
    /// How often in a row the provider refused to give back what is under way.
    refusals: u8,
}

/// Bits of [`Order::flags`].
const CAPTURED: u8 = 1;
const DISPUTED: u8 = 2;
const AT_PROVIDER: u8 = 4;
const WITHDRAWN: u8 = 8;
const LEFT_KNOWS: u8 = 16;
const OWED: u8 = 32;
const LEFT: u8 = 64;
/// The last step of the ticket ended it.
const MOVED_ENDED: u8 = 128;

const STATES: [OrderState; 12] = [
    OrderState::AwaitingPayment,
    OrderState::Paid,
    OrderState::Sent,
    OrderState::Accepted,
    OrderState::Making,
    OrderState::Ready,
    OrderState::Collected,
    OrderState::Expired,
    OrderState::Cancelled,
    OrderState::Rejected,
    OrderState::Refunding,
    OrderState::Refunded,
];
const PAYMENTS: [PaymentState; 8] = [
    PaymentState::Created,
    PaymentState::Pending,
    PaymentState::Succeeded,
    PaymentState::Failed,
    PaymentState::Closed,
    PaymentState::Refunding,
    PaymentState::Refunded,
    PaymentState::Unknown,
];
const ENDS: [OrderEnd; 7] = [
    OrderEnd::NotPaid,
    OrderEnd::NotAccepted,
    OrderEnd::Rejected,
    OrderEnd::ByUser,
    OrderEnd::ByOutlet,
    OrderEnd::ByOperator,
    OrderEnd::NotMade,
];
const STEPS: [TicketStep; 7] = [
    TicketStep::Send,
    TicketStep::Accept,
    TicketStep::Reject,
    TicketStep::Start,
    TicketStep::Ready,
    TicketStep::Collect,
    TicketStep::Withdraw,
];
const VOUCHERS: [VoucherState; 2] = [VoucherState::Live, VoucherState::Expired];

/// Enums stand in records as their place in these lists, counted from 1; 0 stands for none. Orders of
/// the lists are part of the layout.
fn code<T: PartialEq>(list: &[T], value: Option<T>) -> u8 {
    let place = value.map(|value| list.iter().position(|other| *other == value));
    let place = place.map(|place| place.expect("every value is listed") + 1);
    u8::try_from(place.unwrap_or(0)).expect("short lists")
}

fn decode<T: Copy>(list: &[T], code: u8) -> Option<T> {
    usize::from(code).checked_sub(1).map(|place| list[place])
}

/// An instant counted from the placing of an order. Whatever is more than 49 days later is kept as
/// that; an order is over long before.
fn after_ms(placed_at_ms: u64, at_ms: u64) -> u32 {
    u32::try_from(at_ms.saturating_sub(placed_at_ms)).unwrap_or(u32::MAX)
}

impl Order {
    /// As placed: it awaits payment, and has nothing of its voucher yet.
    pub(crate) fn placed(
        place: &PlaceOrder,
        (seq, placed_at_ms): (u64, u64),
        ticket: Ticket,
        subsidy_minor: u32,
        (previous_of_user, previous_at_outlet): (Option<OrderNo>, Option<OrderNo>),
    ) -> Self {
        let mut others = [NONE; OTHER_OUTLETS_MAX];
        others.iter_mut().zip(&place.others).for_each(|(place, other)| *place = other.0);
        let mut lines = [OrderLine::zeroed(); LINES_MAX];
        lines[..place.lines.len()].copy_from_slice(&place.lines);
        Self {
            user: place.user,
            trade: TradeKey::zeroed(),
            seq,
            placed_at_ms,
            due_ms: placed_at_ms.saturating_add(place.pay_within_ms),
            total_minor: place.total_minor,
            merchant_discount_minor: place.merchant_discount_minor,
            refund_asked_minor: 0,
            refund_under_way_minor: 0,
            refunded_minor: 0,
            outlet_paid_minor: 0,
            moved_seq: 0,
            moved_after_ms: 0,
            promised_after_ms: after_ms(placed_at_ms, ticket.ready_at_ms),
            delta_ms: ticket.delta_ms,
            courier_ms: place.courier_ms.unwrap_or(NONE),
            subsidy_minor,
            provider: 0,
            outlet: place.outlet,
            voucher: place.voucher.map_or(NONE, |voucher| voucher.0),
            holder: NONE,
            previous_of_user: previous_of_user.map_or(NONE, |number| number.0),
            previous_at_outlet: previous_at_outlet.map_or(NONE, |number| number.0),
            campaign: place.campaign.map_or(NONE, |number| number.0),
            refund_after_s: 0,
            others,
            apology: NONE,
            work: place.work,
            version: 0,
            refund: 0,
            stages_ms: [0; 4],
            lines,
            lines_len: u8::try_from(place.lines.len()).expect("at most LINES_MAX"),
            state: code(&STATES, Some(OrderState::AwaitingPayment)),
            payment: code(&PAYMENTS, Some(PaymentState::Created)),
            end: 0,
            holder_kind: 0,
            flags: 0,
            moved: [0; 4],
            left_version: 0,
            refusals: 0,
        }
    }

    /// What the user pays, in minor units.
    pub(crate) fn payable_minor(&self) -> u64 {
        let left = self.total_minor.checked_sub(self.merchant_discount_minor);
        let left = left.and_then(|left| left.checked_sub(self.subsidy_minor.into()));
        left.expect("discount and subsidy are parts of the total")
    }

    /// What the provider has taken: nothing, or all that was to be paid.
    pub(crate) fn captured_minor(&self) -> u64 {
        if self.flag(CAPTURED) { self.payable_minor() } else { 0 }
    }

    pub(crate) fn set_captured(&mut self) {
        self.flags |= CAPTURED;
    }

    fn flag(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The latest promise that its record can hold: 49 days after the placing.
    pub(crate) fn promised_at_ms_max(&self) -> u64 {
        self.placed_at_ms + u64::from(after_ms(self.placed_at_ms, u64::MAX))
    }

    /// What its kitchen needs to know of it.
    pub(crate) fn ticket(&self) -> Ticket {
        let (work, ready_at_ms) = (Work(self.work), self.promised_at_ms());
        Ticket { work, ready_at_ms, delta_ms: self.delta_ms }
    }

    pub(crate) fn promised_at_ms(&self) -> u64 {
        self.placed_at_ms + u64::from(self.promised_after_ms)
    }

    /// How long a courier needs to the outlet, where one is to take it.
    pub(crate) fn courier_ms(&self) -> Option<u32> {
        some(self.courier_ms)
    }

    /// The campaign whose compensation rules hold for it, where it names one.
    pub(crate) fn campaign(&self) -> Option<CampaignNo> {
        some(self.campaign).map(CampaignNo)
    }

    /// Outlets that may make it instead; none once one of them does.
    pub(crate) fn others(&self) -> impl Iterator<Item = OutletNo> {
        let others = if self.flag(LEFT) { [NONE; OTHER_OUTLETS_MAX] } else { self.others };
        others.into_iter().filter_map(some).map(OutletNo)
    }

    /// The outlet that it was moved away from.
    pub(crate) fn left(&self) -> Option<OutletNo> {
        some(self.others[0]).filter(|_| self.flag(LEFT)).map(OutletNo)
    }

    /// The outlet at which it was placed, whichever makes it.
    pub(crate) fn placed_at(&self) -> OutletNo {
        self.left().unwrap_or(self.outlet)
    }

    /// Another outlet makes it, and has its ticket under a new version. Whether the first one is
    /// still to be told is the caller's to say.
    pub(crate) fn move_to(&mut self, outlet: OutletNo, ticket: Ticket, is_told: bool) {
        self.others[0] = self.outlet.0;
        self.flags |= LEFT;
        self.outlet = outlet;
        self.version += 1;
        self.left_version = u8::try_from(self.version).expect("it is moved early, and once");
        if is_told {
            self.flags |= LEFT_KNOWS;
        }
        self.set_promise(ticket);
        self.stages_ms = [0; 4];
        self.forget_moved();
    }

    /// Its outlet has promised it anew.
    pub(crate) fn set_promise(&mut self, ticket: Ticket) {
        self.promised_after_ms = after_ms(self.placed_at_ms, ticket.ready_at_ms);
        self.delta_ms = ticket.delta_ms;
    }

    /// The outlet that it was moved away from and that does not know it yet, with the version under
    /// which it is told.
    pub(crate) fn left_to_tell(&self) -> Option<(OutletNo, u32)> {
        let left = self.left().filter(|_| !self.flag(LEFT_KNOWS));
        left.map(|outlet| (outlet, u32::from(self.left_version)))
    }

    pub(crate) fn set_left_knows(&mut self) {
        self.flags |= LEFT_KNOWS;
    }

    /// Whether somebody must look at what the provider took.
    pub(crate) fn is_disputed(&self) -> bool {
        self.flag(DISPUTED)
    }

    pub(crate) fn set_disputed(&mut self, disputed: bool) {
        self.set_flag(DISPUTED, disputed);
    }

    /// The provider refused to give money back, now: the same goes out again after a pause, or when
    /// somebody has looked.
    pub(crate) fn refuse_refund(&mut self, now_ms: u64) {
        self.refusals = self.refusals.saturating_add(1).min(REFUSALS_MAX);
        let from_ms = now_ms.saturating_add(refund_pause_ms(self.refusals));
        let after_ms = from_ms.saturating_sub(self.placed_at_ms);
        self.refund_after_s = u32::try_from(after_ms.div_ceil(1_000)).unwrap_or(u32::MAX);
        if self.is_refund_held() {
            self.set_disputed(true);
        }
    }

    /// What is to be given back goes out only when somebody has looked.
    pub(crate) fn hold_refund(&mut self) {
        self.refusals = REFUSALS_MAX;
    }

    /// What is to be given back goes out at once.
    pub(crate) fn forget_refusals(&mut self) {
        (self.refusals, self.refund_after_s) = (0, 0);
    }

    /// Whether somebody must look first, before what is under way goes out.
    pub(crate) fn is_refund_held(&self) -> bool {
        self.refusals == REFUSALS_MAX
    }

    /// When the refund under way may be sent, in milliseconds since 1970; 0 is at once.
    pub(crate) fn refund_from_ms(&self) -> u64 {
        let after_ms = u64::from(self.refund_after_s) * 1_000;
        if after_ms > 0 { self.placed_at_ms.saturating_add(after_ms) } else { 0 }
    }

    /// Whether somebody is to be compensated for it.
    pub(crate) fn is_owed(&self) -> bool {
        self.flag(OWED)
    }

    pub(crate) fn set_owed(&mut self, owed: bool) {
        self.set_flag(OWED, owed);
    }

    fn set_flag(&mut self, flag: u8, is_set: bool) {
        self.flags = if is_set { self.flags | flag } else { self.flags & !flag };
    }

    /// The voucher that its user got because it ended.
    pub(crate) fn apology(&self) -> Option<VoucherNo> {
        some(self.apology).map(VoucherNo)
    }

    pub(crate) fn set_apology(&mut self, voucher: VoucherNo) {
        self.apology = voucher.0;
    }

    /// The provider and number under which it is paid, once one has said so.
    pub(crate) fn trade(&self) -> Option<(NameHash, TradeKey)> {
        self.flag(AT_PROVIDER).then_some((NameHash(self.provider), self.trade))
    }

    pub(crate) fn set_trade(&mut self, provider: NameHash, trade: TradeKey) {
        (self.provider, self.trade) = (provider.0, trade);
        self.flags |= AT_PROVIDER;
    }

    /// Whether the outlet's system knows that the ticket was cancelled.
    pub(crate) fn is_withdrawn(&self) -> bool {
        self.flag(WITHDRAWN)
    }

    pub(crate) fn set_withdrawn(&mut self) {
        self.flags |= WITHDRAWN;
    }

    pub(crate) fn lines(&self) -> &[OrderLine] {
        &self.lines[..usize::from(self.lines_len)]
    }

    pub(crate) fn state(&self) -> OrderState {
        decode(&STATES, self.state).expect("an order has a state")
    }

    pub(crate) fn set_state(&mut self, state: OrderState) {
        self.state = code(&STATES, Some(state));
    }

    /// `None` where nothing is to be paid.
    pub(crate) fn payment(&self) -> Option<PaymentState> {
        decode(&PAYMENTS, self.payment)
    }

    pub(crate) fn set_payment(&mut self, payment: Option<PaymentState>) {
        self.payment = code(&PAYMENTS, payment);
    }

    /// Why it ended, once it did without being collected.
    pub(crate) fn end(&self) -> Option<OrderEnd> {
        decode(&ENDS, self.end)
    }

    pub(crate) fn set_end(&mut self, end: OrderEnd) {
        self.end = code(&ENDS, Some(end));
    }

    pub(crate) fn voucher(&self) -> Option<VoucherNo> {
        some(self.voucher).map(VoucherNo)
    }

    pub(crate) fn holder(&self) -> Held {
        match self.holder_kind {
            0 => Held::Nothing,
            1 => Held::Lock(LockNo(self.holder)),
            _ => Held::Redemption(RedemptionNo(self.holder)),
        }
    }

    pub(crate) fn set_holder(&mut self, holder: Held) {
        (self.holder_kind, self.holder) = match holder {
            Held::Nothing => (0, NONE),
            Held::Lock(lock) => (1, lock.0),
            Held::Redemption(redemption) => (2, redemption.0),
        };
    }

    pub(crate) fn previous_of_user(&self) -> Option<OrderNo> {
        some(self.previous_of_user).map(OrderNo)
    }

    /// The order that was placed at the same outlet before.
    pub(crate) fn previous_at_outlet(&self) -> Option<OrderNo> {
        some(self.previous_at_outlet).map(OrderNo)
    }

    /// When it was accepted, begun, ready and collected, as far as it was, in milliseconds since
    /// 1970.
    pub(crate) fn stages_at_ms(&self) -> [Option<u64>; 4] {
        self.stages_ms.map(|ms| u64::from(ms).checked_sub(1).map(|ms| self.placed_at_ms + ms))
    }

    /// When it was begun, if it was.
    pub(crate) fn begun_at_ms(&self) -> Option<u64> {
        self.stages_at_ms()[1]
    }

    /// Keeps when a stage was reached. Counted from 1, so that 0 stands for not yet; whatever takes
    /// longer than 49 days is kept as that.
    pub(crate) fn reach_stage(&mut self, step: TicketStep, now_ms: u64) {
        let place = match step {
            TicketStep::Accept => 0,
            TicketStep::Start => 1,
            TicketStep::Ready => 2,
            TicketStep::Collect => 3,
            TicketStep::Send | TicketStep::Reject | TicketStep::Withdraw => return,
        };
        self.stages_ms[place] = after_ms(self.placed_at_ms, now_ms).saturating_add(1);
    }

    /// Keeps the last step of the ticket, and what came of it: a repeat is told the same.
    pub(crate) fn set_moved(
        &mut self,
        step: TicketStep,
        (seq, at_ms): (u64, u64),
        change: &OrderChange,
    ) {
        (self.moved_seq, self.moved_after_ms) = (seq, after_ms(self.placed_at_ms, at_ms));
        self.moved = [
            code(&STEPS, Some(step)),
            code(&STATES, Some(change.state)),
            code(&PAYMENTS, change.payment),
            code(&VOUCHERS, change.voucher),
        ];
        self.set_flag(MOVED_ENDED, change.ended);
    }

    /// The ticket went on by something else than a step.
    pub(crate) fn forget_moved(&mut self) {
        (self.moved_seq, self.moved_after_ms, self.moved) = (0, 0, [0; 4]);
        self.set_flag(MOVED_ENDED, false);
    }

    /// Sequence number, time and outcome of the step that led to the present version, if it was
    /// this one.
    pub(crate) fn moved(&self, step: TicketStep) -> Option<(u64, u64, OrderChange)> {
        let [moved, state, payment, voucher] = self.moved;
        (decode(&STEPS, moved) == Some(step)).then(|| {
            let change = OrderChange {
                state: decode(&STATES, state).expect("kept with the step"),
                payment: decode(&PAYMENTS, payment),
                version: self.version,
                redemption: None,
                voucher: decode(&VOUCHERS, voucher),
                ended: self.flag(MOVED_ENDED),
            };
            (self.moved_seq, self.placed_at_ms + u64::from(self.moved_after_ms), change)
        })
    }

    /// All of it: its bytes are the same for equal orders, and on every build.
    pub(crate) fn put_digest(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(bytemuck::bytes_of(self));
    }
}
