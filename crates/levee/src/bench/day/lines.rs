//! What there is to ask, and who asks again: one line a lane.

use std::collections::VecDeque;

use super::super::stage::mix;
use super::expect::Kind;

/// Of those who ask again much later, so many ask with a vector. More than come, so that the line of
/// those who wait stays at its least length.
const LATER_PER_VECTOR: usize = super::play::VECTOR / 16;

/// The least length of that line, as a share of all users: on average they wait for as many others
/// as there are in it, divided by the share of those who wait at all.
const LATER_SHARE: usize = 500;

/// An ask to be made.
#[derive(Clone, Copy)]
pub(super) struct Next {
    pub(super) kind: Kind,
    pub(super) user: u32,
    /// The voucher until there is an order, then the order.
    pub(super) number: u32,
    /// How many outlets were busy for this user.
    pub(super) tries: u8,
    /// For what is asked again: the mark of the first answer.
    pub(super) first: u64,
}

/// What is asked in one lane.
#[derive(Default)]
pub(super) struct Line {
    /// In the order in which it came.
    pub(super) soon: VecDeque<Next>,
    pub(super) later: Vec<Next>,
}

impl Line {
    /// The next of those who asked long ago, up to a vector's share; all of them once the day is
    /// `over`.
    pub(super) fn pop_later(
        &mut self,
        taken: usize,
        users: u32,
        over: bool,
        draws: &mut Draws,
    ) -> Option<Next> {
        let least = if over { 0 } else { users as usize / LATER_SHARE };
        let enough = !over && taken >= LATER_PER_VECTOR;
        if enough || self.later.len() <= least {
            return None;
        }
        let place = draws.below(self.later.len());
        Some(self.later.swap_remove(place))
    }
}

/// Numbers that seem to be drawn (splitmix64, Steele et al. 2014).
#[derive(Clone, Copy)]
pub(super) struct Draws(pub(super) u64);

impl Draws {
    /// Below `len`, which is below 2^32 (Lemire 2019, without his last step: a bias of 2^-32 is none
    /// here).
    pub(super) fn below(&mut self, len: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let place = ((mix(self.0) >> 32) * len as u64) >> 32;
        usize::try_from(place).expect("below a length")
    }
}
