//! The outlets of the day: which one a user goes to, and how long it really takes there.

use std::time::Instant;

use anyhow::{Result, bail, ensure};
use levee_api::port::{Ask, AskBody, Priority, Reply};
use levee_core::types::{Command, NameHash, Opening, Outcome, OutletId, OutletNo, PutOutlet};

use super::super::narrow;
use super::super::stage::{Stage, mix};

/// What an outlet's station needs for a unit, as stated and in truth.
pub(super) const UNIT_MS: u32 = 4 * 60_000;

/// How soon an order must be ready.
pub(super) const READY_WITHIN_MS: u64 = 30 * 60_000;

/// How soon an outlet accepts at the latest: with few users an ask takes a good part of the day.
const ACCEPT_WITHIN_MS: u64 = 12 * 3_600_000;

/// Outlets have one to so many stations.
const STATIONS_MAX: u64 = 3;

/// Documents handed over at a time.
const VECTOR: u32 = 4_096;

/// Where orders are made.
pub(super) struct Town {
    seed: u64,
    /// By outlet, when a station will be free for the next order, in ms of the day.
    free_at_ms: Vec<u64>,
}

impl Town {
    pub(super) fn new(seed: u64, outlets: u32) -> Self {
        Self { seed, free_at_ms: vec![0; outlets as usize] }
    }

    fn stations(&self, outlet: u32) -> u16 {
        let drawn = mix(self.seed ^ u64::from(outlet).wrapping_mul(0xd6e8_feb8_6659_fd93));
        u16::try_from(1 + drawn % STATIONS_MAX).expect("a few")
    }

    /// Puts every outlet.
    ///
    /// # Errors
    /// The engine refuses one, or failed.
    pub(super) fn open(&self, stage: &Stage) -> Result<()> {
        let count = narrow(self.free_at_ms.len() as u64);
        let (mut asks, mut came) = (Vec::new(), Vec::new());
        for first in (0..count).step_by(VECTOR as usize) {
            let last = count.min(first + VECTOR);
            asks.extend((first..last).map(|outlet| {
                let body = AskBody::Command(self.put(outlet));
                Ask { ticket: outlet.into(), within_ms: u32::MAX, body }
            }));
            stage.submit(Priority::Status, Instant::now(), &mut asks)?;
            let mut left = (last - first) as usize;
            while left > 0 {
                stage.inbox.wait(&stage.engine, &mut came)?;
                for (ticket, reply) in came.drain(..).flat_map(|delivery| delivery.replies) {
                    let Reply::Done { outcome: Outcome::OutletPut { outlet, .. }, .. } = reply
                    else {
                        bail!("outlet {ticket} was not put: {reply:?}")
                    };
                    ensure!(u64::from(outlet.0) == ticket, "outlets are numbered as they come");
                    left -= 1;
                }
            }
        }
        Ok(())
    }

    fn put(&self, outlet: u32) -> Command {
        Command::PutOutlet(Box::new(PutOutlet {
            id: OutletId::new(&format!("outlet-{outlet}")).expect("a good id"),
            document: Vec::new(),
            brand: NameHash::of("tea"),
            vendor: NameHash::of("till"),
            stations: self.stations(outlet),
            unit_ms: UNIT_MS,
            accept_within_ms: ACCEPT_WITHIN_MS,
            ready_within_ms: READY_WITHIN_MS,
            opening: Opening::default(),
        }))
    }

    /// Where a user goes: first to one of those that everyone knows, and where that is busy to any.
    /// The share of the first `x` of all outlets in the first choices is the root of `x`, so about
    /// one in three hundred is wanted by more than it can serve.
    pub(super) fn outlet(&self, user: u32, tries: u8) -> OutletNo {
        let drawn = mix(self.seed ^ (u64::from(user) << 8 | u64::from(tries)));
        let mut place = drawn >> 32;
        if tries == 0 {
            place = (place * place) >> 32;
        }
        OutletNo(narrow((place * self.free_at_ms.len() as u64) >> 32))
    }

    /// An outlet takes on so many units; when they are ready, in ms of the day.
    pub(super) fn make(&mut self, outlet: OutletNo, units: u32, now_ms: u64) -> u64 {
        let stations = u64::from(self.stations(outlet.0));
        let free_at_ms = &mut self.free_at_ms[outlet.index()];
        let begun_ms = now_ms.max(*free_at_ms);
        let work_ms = u64::from(units * UNIT_MS);
        *free_at_ms = begun_ms + work_ms / stations;
        begun_ms + work_ms
    }
}
