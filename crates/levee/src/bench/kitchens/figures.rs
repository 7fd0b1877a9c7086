//! What comes out, and what it must be.

use std::ops::RangeInclusive;

use serde::Serialize;

use super::MINUTE_MS;
use super::tally::{Taken, Tally};

/// Share of the orders that are promised by their estimate and ready by then.
const COVERAGE: RangeInclusive<f64> = 0.88..=0.92;

/// Share of orders that are ready after their promise.
const LATE_MAX: f64 = 0.12;

/// Use of the stations of outlets in hours in which more is asked for than they can make.
const UTILISATION_MIN: f64 = 0.95;

#[derive(Debug, Serialize)]
pub(super) struct Figures {
    pub(super) outlets: u32,
    pub(super) times: f64,
    pub(super) seed: u64,
    /// In which kitchens that became slower are not judged.
    pub(super) learning_minutes: u64,
    pub(super) paced: Play,
    pub(super) control: Play,
    pub(super) slower_at_noon: Play,
    /// Of this machine's time; all else is the same everywhere.
    pub(super) seconds: f64,
}

/// One way to promise.
#[derive(Debug, Serialize)]
pub(super) struct Play {
    asked: u64,
    walk_ins: u64,
    /// Orders that were made: at once, at a near outlet, for a later slot.
    taken_now: u64,
    taken_near: u64,
    taken_later: u64,
    /// Held offers that nobody paid for.
    lapsed: u64,
    /// Users who keep their voucher for another day.
    refused: u64,
    /// Orders that were promised before the kitchens could know that they had become slower.
    not_judged: u64,
    /// Ready within the estimate, of those that were promised by it, at once or nearby.
    eta_coverage: f64,
    /// Ready after their promise, of all.
    late_share: f64,
    late_share_of_later: f64,
    promised_minutes_mean: f64,
    /// Of those that were ready before their promise, and after.
    early_minutes_mean: f64,
    late_minutes_mean: f64,
    /// Of the stations, in the hours of outlets in which more is asked for than can be made.
    full_hours: u64,
    utilisation_when_full: f64,
    sent_to_paused: u64,
}

impl Figures {
    pub(super) fn musts_hold(&self) -> bool {
        [&self.paced, &self.slower_at_noon].into_iter().all(Play::musts_hold)
    }
}

impl Play {
    pub(super) fn of(tally: &Tally) -> Self {
        let mut at_once = tally.now;
        at_once += tally.near;
        let mut all = at_once;
        all += tally.later;
        Self {
            asked: tally.asked,
            walk_ins: tally.walk_ins,
            taken_now: tally.now.made,
            taken_near: tally.near.made,
            taken_later: tally.later.made,
            lapsed: tally.lapsed,
            refused: tally.kept,
            not_judged: tally.while_learning,
            eta_coverage: 1.0 - late(at_once),
            late_share: late(all),
            late_share_of_later: late(tally.later),
            promised_minutes_mean: minutes(all.promised_ms, all.made),
            early_minutes_mean: minutes(all.early_ms, all.made - all.late),
            late_minutes_mean: minutes(all.late_ms, all.late),
            full_hours: tally.full_hours,
            utilisation_when_full: share(tally.full_busy_ms, tally.full_ms),
            sent_to_paused: tally.sent_to_paused,
        }
    }

    fn musts_hold(&self) -> bool {
        COVERAGE.contains(&self.eta_coverage)
            && self.late_share <= LATE_MAX
            && self.utilisation_when_full >= UTILISATION_MIN
            && self.sent_to_paused == 0
    }
}

fn late(taken: Taken) -> f64 {
    share(taken.late, taken.made)
}

/// 0 where there is nothing to have a share of.
#[expect(clippy::cast_precision_loss, reason = "counts of one day are far below 2^53")]
fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 / all as f64 }
}

fn minutes(sum_ms: u64, count: u64) -> f64 {
    share(sum_ms, count * MINUTE_MS)
}

pub(super) fn print(figures: &Figures) {
    println!(
        "{} outlets at {} times the usual demand, seed {}: {:.1} s",
        figures.outlets, figures.times, figures.seed, figures.seconds
    );
    let plays = [&figures.paced, &figures.control, &figures.slower_at_noon];
    let line = |name: &str, must: &str, of: fn(&Play) -> String| {
        let [paced, control, slower] = plays.map(of);
        println!("{name:<38} {paced:>12} {control:>12} {slower:>12}  {must}");
    };
    println!("{:<38} {:>12} {:>12} {:>12}  must", "", "paced", "control", "slower");

    let [coverage, late_max, used_min] = [
        format!("{} to {}", share_text(*COVERAGE.start()), share_text(*COVERAGE.end())),
        format!("at most {}", share_text(LATE_MAX)),
        format!("at least {}", share_text(UTILISATION_MIN)),
    ];
    line("ready within the estimate", &coverage, |play| share_text(play.eta_coverage));
    line("ready after the promise", &late_max, |play| share_text(play.late_share));
    line("  of those for a later slot", "", |play| share_text(play.late_share_of_later));
    line("stations at work, outlet asked too much", &used_min, |play| {
        share_text(play.utilisation_when_full)
    });
    line("orders sent to a paused outlet", "0", |play| play.sent_to_paused.to_string());
    line("minutes promised, mean", "", |play| format!("{:.1}", play.promised_minutes_mean));
    line("minutes early, mean of the early", "", |play| format!("{:.1}", play.early_minutes_mean));
    line("minutes late, mean of the late", "", |play| format!("{:.1}", play.late_minutes_mean));
    line("orders asked for", "", |play| play.asked.to_string());
    line("taken at once", "", |play| play.taken_now.to_string());
    line("taken at a near outlet", "", |play| play.taken_near.to_string());
    line("taken for a later slot", "", |play| play.taken_later.to_string());
    line("held, but not paid for", "", |play| play.lapsed.to_string());
    line("refused: the voucher is kept", "", |play| play.refused.to_string());
    line("not judged: promised while learning", "", |play| play.not_judged.to_string());
    line("walk-ins", "", |play| play.walk_ins.to_string());
    line("hours of outlets asked for too much", "", |play| play.full_hours.to_string());
    println!(
        "slower: all stations 1.5 times, from noon; {} minutes to learn it",
        figures.learning_minutes
    );
}

fn share_text(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}
