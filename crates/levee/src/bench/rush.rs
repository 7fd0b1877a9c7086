//! Distinct users who claim once each, as fast as the engine answers: the load of `bench claims`,
//! and what fills the journal of `bench recover`.
//!
//! One thread asks and looks at every reply. It shares the processors with the engine, so it does
//! no more for an ask than fill it in, and no more for a reply than compare it with what must come:
//! claims of one lane are answered in their order, with vouchers in theirs.

use std::ops::Range;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use levee_api::port::{Ask, AskBody, Priority, Reply};
use levee_core::types::{CampaignNo, ClaimVoucher, Command, Outcome, Refusal};

use super::inbox::Delivery;
use super::stage::{Stage, micros, pseudonym};

/// How a rush asks.
#[derive(Clone, Copy)]
pub(super) struct Rush<'a> {
    pub(super) stage: &'a Stage,
    pub(super) campaign: CampaignNo,
    pub(super) face_minor: u32,
    /// Claims handed over at a time, as a gate thread does once a turn.
    pub(super) vector: u32,
    /// Claims under way at most; a vector or more.
    pub(super) in_flight: u32,
}

pub(super) fn claim(campaign: CampaignNo, user: u32) -> Command {
    Command::ClaimVoucher(ClaimVoucher {
        campaign,
        terms_version: 1,
        conditions_met: 0,
        user: pseudonym(user),
        request: None,
    })
}

/// Where a rush stands.
struct Progress {
    started: Instant,
    users: Range<u32>,
    next_user: u32,
    acknowledged: u32,
    asks: Vec<Ask>,
}

impl Rush<'_> {
    /// As many claims as may be under way, before the campaign is open: all are refused.
    ///
    /// # Errors
    /// One is not, or the engine failed.
    pub(super) fn knock(&self) -> Result<()> {
        let mut asks = Vec::new();
        let mut under_way = 0;
        for first in (0..self.in_flight).step_by(self.vector as usize) {
            let users = first..self.in_flight.min(first + self.vector);
            under_way += users.len();
            asks.extend(users.map(|user| {
                let body = AskBody::Command(claim(self.campaign, user));
                Ask { ticket: 0, within_ms: u32::MAX, body }
            }));
            self.stage.submit(Priority::Claim, Instant::now(), &mut asks)?;
        }
        let mut came = Vec::new();
        while under_way > 0 {
            self.stage.inbox.wait(&self.stage.engine, &mut came)?;
            for (_, reply) in came.drain(..).flat_map(|delivery| delivery.replies) {
                ensure!(
                    matches!(reply, Reply::Refused(Refusal::CampaignNotOpen)),
                    "a claim before the opening was answered with {reply:?}"
                );
                under_way -= 1;
            }
        }
        Ok(())
    }

    /// Lets these users claim, the first of the engine, who get its vouchers from 0 on. `each` is told of every
    /// run of replies to one vector: microseconds from the ask to the acknowledgement, and how many.
    /// Returns the seconds from the first ask to the last acknowledgement.
    ///
    /// # Errors
    /// A reply is not the one that must come, or the engine failed.
    pub(super) fn run(&self, users: Range<u32>, mut each: impl FnMut(u64, u64)) -> Result<f64> {
        let started = Instant::now();
        let next_user = users.start;
        let mut progress =
            Progress { started, users, next_user, acknowledged: 0, asks: Vec::new() };
        let count = progress.users.end - progress.users.start;
        let mut next_voucher = 0;
        let mut last = started;
        let mut came = Vec::new();
        self.ask(&mut progress)?;
        while progress.acknowledged < count {
            self.stage.inbox.wait(&self.stage.engine, &mut came)?;
            for Delivery { at, mut replies } in came.drain(..) {
                let now = micros(at, started);
                last = at;
                let mut rest = replies.drain(..);
                // A vector's worth at a time, so that the engine has something to do meanwhile.
                while rest.len() > 0 {
                    let some = rest.by_ref().take(self.vector as usize);
                    let looked = self.look(some, now, &mut next_voucher, &mut each)?;
                    progress.acknowledged += looked;
                    self.ask(&mut progress)?;
                }
            }
        }
        Ok(last.duration_since(started).as_secs_f64())
    }

    /// Asks as much as may be under way.
    fn ask(&self, progress: &mut Progress) -> Result<()> {
        loop {
            let Progress { started, users, next_user, acknowledged, asks } = progress;
            let until = users.end.min(next_user.saturating_add(self.vector));
            let under_way = until - users.start - *acknowledged;
            if *next_user == until || under_way > self.in_flight {
                return Ok(());
            }
            let arrived = Instant::now();
            // The ticket carries when its vector was handed over.
            let ticket = micros(arrived, *started);
            asks.reserve(self.vector as usize);
            asks.extend((*next_user..until).map(|user| {
                let body = AskBody::Command(claim(self.campaign, user));
                Ask { ticket, within_ms: u32::MAX, body }
            }));
            self.stage.submit(Priority::Claim, arrived, asks)?;
            *next_user = until;
        }
    }

    /// Compares replies with what must come. Returns how many they were.
    fn look(
        &self,
        replies: impl Iterator<Item = (u64, Reply)>,
        now: u64,
        next_voucher: &mut u32,
        each: &mut impl FnMut(u64, u64),
    ) -> Result<u32> {
        let (mut looked, mut run, mut run_ticket) = (0, 0_u64, 0);
        for (ticket, reply) in replies {
            match reply {
                Reply::Done {
                    outcome: Outcome::Claimed { voucher, face_minor },
                    repeated: false,
                    ..
                } if voucher.0 == *next_voucher && face_minor == self.face_minor => {}
                reply => bail!("the claim for voucher {next_voucher} was answered with {reply:?}"),
            }
            *next_voucher += 1;
            looked += 1;
            if ticket != run_ticket && run > 0 {
                each(now.saturating_sub(run_ticket).max(1), std::mem::take(&mut run));
            }
            run_ticket = ticket;
            run += 1;
        }
        if run > 0 {
            each(now.saturating_sub(run_ticket).max(1), run);
        }
        Ok(looked)
    }
}
