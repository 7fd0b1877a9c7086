//! What was acknowledged, and what the journal holds: two sums over the same facts, from the two
//! ends of the engine. They are equal when every first answer is in the journal as it was given, and
//! nothing else is.

use levee_core::types::{Held, OrderChange, Outcome};

use super::super::stage::mix;

/// An order-independent sum over answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    count: u64,
    sum: u64,
}

impl Tally {
    pub(super) fn add(&mut self, mark: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(mark);
    }
}

/// An answer in 64 bits: its place in the journal, its time, and all it says. `None` for what no
/// user asks for.
pub(super) fn mark(seq: u64, at_ms: u64, outcome: &Outcome) -> Option<u64> {
    let (kind, number, amounts, until_ms) = match outcome {
        Outcome::Claimed { voucher, face_minor } => (1, voucher.0, [*face_minor, 0], 0),
        Outcome::OrderPlaced { order, promised_at_ms, subsidy_minor, held, due_ms } => {
            let held = match held {
                Held::Nothing => u32::MAX,
                Held::Lock(lock) => lock.0,
                Held::Redemption(redemption) => redemption.0,
            };
            (2, order.0, [*subsidy_minor, held], promised_at_ms ^ due_ms.rotate_left(32))
        }
        Outcome::OrderChanged(change) | Outcome::PromisedAnew { change, .. } => {
            let OrderChange { state, payment, version, redemption, voucher, ended } = change;
            let used = redemption.map_or(u32::MAX, |redemption| redemption.0);
            let payment = payment.map_or(u32::MAX, |payment| payment as u32);
            let voucher = voucher.map_or(u32::MAX, |voucher| voucher as u32);
            let states = u64::from(payment) << 32 | u64::from(voucher);
            let states = states ^ u64::from(*ended) << 63;
            (3, used, [*state as u32, *version], states)
        }
        _ => return None,
    };
    let amounts = u64::from(amounts[0]) << 32 | u64::from(amounts[1]);
    let words = [u64::from(number) << 8 | kind, seq, at_ms, amounts, until_ms];
    let mark = words.into_iter().fold(0_u64, |mark, word| {
        // One product a word; the last mixing makes every bit count.
        (mark.rotate_left(29) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    Some(mix(mark))
}
