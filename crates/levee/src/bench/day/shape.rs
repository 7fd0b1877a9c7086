//! The shape of the day: what each user orders, who asks for the same thing again, and how. Drawn
//! from the seed and the user's number alone, so that the same seed plays the same day.
//!
//! The shares are those of an app on crowded mobile networks, rather high than low: a retry is what
//! finds out whether an answer holds.

use levee_core::types::{
    Categories, Command, MoveTicket, NameHash, OrderLine, OrderNo, OutletNo, PaymentEvent,
    PlaceOrder, RecordPayment, RequestKey, TicketStep, TradeKey, VoucherNo,
};

use super::super::stage::{key_bytes, mix, pseudonym};

/// Two taps on one button, or a callback that comes twice: the same ask twice in one vector, so
/// mostly in one batch. Orders are not tapped twice in one vector: the outlet may be busy for one and
/// not for the other.
const TWICE_PER_MILLE: u64 = 20;

/// The answer was lost on its way, and whoever asked asks again as soon as the connection is back.
const LOST_PER_MILLE: u64 = 20;

/// The app was closed before the answer came, and asks when it is opened again, much later.
const REOPENED_PER_MILLE: u64 = 20;

/// Somebody uses the voucher for another order, too.
const OTHER_ORDER_PER_MILLE: u64 = 5;

/// What a voucher is worth.
pub(super) const FACE_MINOR: u32 = 2_500;

/// How long an order may be paid: with few users an ask takes a good part of the day.
pub(super) const PAY_WITHIN_MS: u64 = 12 * 3_600_000;

/// Totals: something is always left to pay.
const TOTAL_MINOR_MIN: u64 = 2_600;
const TOTAL_MINOR_MAX: u64 = 9_999;

/// How something is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Once,
    Twice,
    Lost,
    Reopened,
    /// Orders only.
    OtherOrder,
}

/// The day of one user.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    drawn: u64,
}

impl Shape {
    pub(super) fn of(seed: u64, user: u32) -> Self {
        Self { drawn: mix(seed ^ u64::from(user).wrapping_mul(0x9e37_79b9_7f4a_7c15)) }
    }

    pub(super) fn claim(self) -> Manner {
        use Manner::{Lost, Reopened, Twice};
        let shares =
            [(Twice, TWICE_PER_MILLE), (Lost, LOST_PER_MILLE), (Reopened, REOPENED_PER_MILLE)];
        manner(self.drawn, &shares)
    }

    pub(super) fn order(self) -> Manner {
        use Manner::{Lost, OtherOrder, Reopened};
        let other = (OtherOrder, OTHER_ORDER_PER_MILLE);
        manner(self.drawn >> 12, &[(Lost, LOST_PER_MILLE), (Reopened, REOPENED_PER_MILLE), other])
    }

    pub(super) fn payment(self) -> Manner {
        use Manner::{Lost, Reopened, Twice};
        let shares =
            [(Twice, TWICE_PER_MILLE), (Lost, LOST_PER_MILLE), (Reopened, REOPENED_PER_MILLE)];
        manner(self.drawn >> 24, &shares)
    }

    pub(super) fn acceptance(self) -> Manner {
        manner(self.drawn >> 36, &[(Manner::Twice, TWICE_PER_MILLE)])
    }

    /// One to two.
    pub(super) fn units(self) -> u32 {
        1 + u32::from(self.drawn >> 48 & 3 == 0)
    }

    pub(super) fn total_minor(self) -> u64 {
        TOTAL_MINOR_MIN + (self.drawn >> 50) % (TOTAL_MINOR_MAX - TOTAL_MINOR_MIN + 1)
    }

    /// What the voucher leaves to pay.
    pub(super) fn payable_minor(self) -> u64 {
        self.total_minor() - u64::from(FACE_MINOR)
    }
}

/// The manner that 12 drawn bits choose.
fn manner(drawn: u64, among: &[(Manner, u64)]) -> Manner {
    let mut place = ((drawn & 0xfff) * 1_000) >> 12;
    for (manner, per_mille) in among {
        if place < *per_mille {
            return *manner;
        }
        place -= per_mille;
    }
    Manner::Once
}

/// Which of a user's orders; keys follow from it.
#[derive(Clone, Copy)]
pub(super) enum Try {
    First = 1,
    /// Another one with the same voucher.
    Other = 2,
}

pub(super) fn place(
    shape: Shape,
    user: u32,
    voucher: u32,
    outlet: OutletNo,
    which: Try,
) -> Command {
    let quantity = u16::try_from(shape.units()).expect("a few");
    Command::PlaceOrder(Box::new(PlaceOrder {
        request: RequestKey(key_bytes((which as u64) << 32 | u64::from(user))),
        asked: 0,
        user: pseudonym(user),
        outlet,
        outlet_version: 1,
        lines: vec![OrderLine { item: 0, quantity }],
        categories: Categories::default(),
        total_minor: shape.total_minor(),
        merchant_discount_minor: 0,
        voucher: Some(VoucherNo(voucher)),
        offer: None,
        ready_by_ms: None,
        courier_ms: None,
        work: shape.units() * 1_000,
        pay_within_ms: PAY_WITHIN_MS,
        others: Vec::new(),
        campaign: None,
    }))
}

pub(super) fn pay(shape: Shape, user: u32, order: u32) -> Command {
    Command::RecordPayment(RecordPayment {
        order: OrderNo(order),
        provider: NameHash(1),
        trade: TradeKey(key_bytes(3 << 32 | u64::from(user))),
        event: PaymentEvent::Succeeded { captured_minor: shape.payable_minor() },
    })
}

pub(super) fn step(order: u32, outlet: OutletNo, step: TicketStep, version: u32) -> Command {
    Command::MoveTicket(MoveTicket { order: OrderNo(order), outlet, version, step })
}
