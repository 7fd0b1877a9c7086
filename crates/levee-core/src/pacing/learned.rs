//! A kitchen as plain bytes, for records and so for snapshots and digests: all of it but what is
//! promised, which whoever keeps the orders promises again.

use bytemuck::{Pod, Zeroable};

use super::later::Later;
use super::{Kitchen, Ticket};

/// A kitchen without what is promised; all zeros before there is one.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Learned {
    unit_ms: f64,
    series: f64,
    drag: f64,
    late_ms: f64,
    late_spread_ms: f64,
    walk_ins: f64,
    walk_ins_at_ms: u64,
    done_at_ms: u64,
    making: u64,
    delta_ms: i32,
    stations: u16,
    seen: u8,
    taught: u8,
}

impl Kitchen {
    /// What is known of it, without what it has promised.
    #[must_use]
    pub fn learned(&self) -> Learned {
        Learned {
            unit_ms: self.unit_ms,
            series: self.series,
            drag: self.drag,
            late_ms: self.late_ms,
            late_spread_ms: self.late_spread_ms,
            walk_ins: self.walk_ins,
            walk_ins_at_ms: self.walk_ins_at_ms,
            done_at_ms: self.done_at_ms,
            making: self.making,
            delta_ms: self.delta_ms,
            stations: self.stations,
            seen: self.seen,
            taught: self.taught,
        }
    }

    /// As it was, with nothing promised; [`Self::restore_promise`] follows for every promise that
    /// was neither begun nor taken back.
    #[must_use]
    pub fn restored(learned: &Learned) -> Self {
        Self {
            stations: learned.stations,
            seen: learned.seen,
            taught: learned.taught,
            unit_ms: learned.unit_ms,
            series: learned.series,
            drag: learned.drag,
            late_ms: learned.late_ms,
            late_spread_ms: learned.late_spread_ms,
            delta_ms: learned.delta_ms,
            making: learned.making,
            later: Later::default(),
            walk_ins: learned.walk_ins,
            walk_ins_at_ms: learned.walk_ins_at_ms,
            done_at_ms: learned.done_at_ms,
        }
    }

    /// A promise is there again. In whatever order they come, the kitchen is the same.
    pub fn restore_promise(&mut self, ticket: Ticket) {
        self.later.add(ticket.ready_at_ms, ticket.work);
    }
}
