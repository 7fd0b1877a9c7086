//! The law of the waiting room: how wide the window is, and how fast the watermark moves.
//!
//! What is held steady is the delay of claims in the engine's queue. DAGOR does that with a share of
//! users that falls by 5% or rises by 1% a step, which takes seconds to get from all to a tenth.
//! Here the queue's length and the engine's rate are known, so the law uses them as they are: the
//! window is what the engine decides within the wanted delay, and the watermark lets as many passes
//! through as the engine decides, corrected by how far the queue is above where it should be, and
//! by the share of passes whose users do come. Where too few of them come, newcomers may go in as
//! well: capacity that nobody who waits is there to use would be lost.
//!
//! Pure: it is told the time and what there is, and says what should be.

use std::time::Duration;

use levee_api::intake::GATHERED_MAX;

use super::arrears::Arrears;
use super::pace::Pace;

/// How often the law is applied.
pub(crate) const STEP: Duration = Duration::from_millis(5);

/// A longer step is one in which the steward did not run: its figures say nothing of the engine.
pub(crate) const STEP_MAX: Duration = Duration::from_millis(100);

/// Delay of claims in the queue, besides a sync, above which the watermark goes slower, and the engine is
/// taken to be busy: three times what it waits by itself, to gather claims.
const DELAY_WANTED: Duration = GATHERED_MAX.saturating_mul(3);

/// So much of the engine's rate is let in from the room. At all of it the queue of those who come at
/// random moments would grow without end; at 95% its delay is a few times what a claim takes.
const UTILISED: f64 = 0.95;

/// What a moment held back is made up for by so much of the rate.
const MADE_UP: f64 = 0.02;

/// By how much of the rate the watermark is slower for each second that the queue is too long.
/// Released users come some hundredths of a second later; times that delay, this must stay well
/// below pi / 2, or the queue swings.
const GAIN_PER_S: f64 = 8.0;

/// Where fewer than this share of those who were let in came, and fewer than this share of what
/// could be decided comes now, newcomers fill the queue up to what is decided in this time.
const SHOWN_MIN: f64 = 0.75;
const IDLE_TIME: Duration = Duration::from_millis(4);

/// Until it can be known how many come, it is guessed after so many steps that too few do, as long as
/// nobody has come and no more wait than would be in within [`GRACE_STEPS`]: who hardly has to wait is
/// told to come back within five steps. A pause of a moment would otherwise keep out all who come
/// without a pass for as long as it takes to know.
const COME_STEPS: usize = 20;

/// How fast an engine without a queue is trusted again to reach its limit, in seconds.
const REST_TIME_S: f64 = 0.2;

/// Over which time it is seen how many come from the room, in seconds.
const SHOWN_TIME_S: f64 = 0.05;

/// The delay at which newcomers begin to wait, besides two syncs; a worker that is late adds to it.
pub(crate) const DELAY_MAX: Duration = Duration::from_millis(20);

/// A window is never narrower: an engine that decides next to nothing is still asked.
const WINDOW_MIN: f64 = 16.0;

/// The window as long as nothing is known of the engine.
const WINDOW_GUESSED: f64 = 4_096.0;

/// A window of this width does not matter.
const WINDOW_MAX: f64 = 1e9;

/// Passes released in the last time of this many steps tell how many of the released come.
const MEMORY_STEPS: f64 = 400.0;

/// Users who were told when to come are let come this long before they count as gone.
const GRACE_STEPS: usize = 100;

/// As if so many passes had been released and shown before: keeps the first guesses calm.
const PRIOR: f64 = 20.0;

/// An engine that is never busy is taken to be so much faster, at the most, than it was at its best.
const RATE_GROWTH_MAX: f64 = 4.0;

/// The rate that is assumed before anything was measured, in claims a second.
const RATE_GUESSED: f64 = 1_000.0;

/// What is seen in one step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// How long the step was, in seconds.
    pub(crate) step_s: f64,
    /// Claims that wait in the engine's queue now.
    pub(crate) queued: f64,
    /// How long the oldest of them has waited, in seconds.
    pub(crate) oldest_s: f64,
    /// Claims that the engine decided in the step.
    pub(crate) decided: f64,
    /// Claims a second that it decides at most; 0 where no limit is set.
    pub(crate) limit_per_s: f64,
    /// Time that a write with its sync takes, in seconds.
    pub(crate) sync_s: f64,
    /// Passes that were admitted in the step.
    pub(crate) shown: f64,
    /// Somebody waits.
    pub(crate) closed: bool,
    /// Passes ahead of the watermark; infinite where they are of more than a moment.
    pub(crate) waiting: f64,
    /// Those who wait may be let in: no level and no opening ahead holds them back.
    pub(crate) releasing: bool,
    /// It is the turn of those who came before an opening.
    pub(crate) drawn: bool,
}

/// What should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Wanted {
    /// Claims under way before newcomers wait.
    pub(crate) window: f64,
    /// The same while somebody waits.
    pub(crate) idle_window: f64,
    /// Passes that the watermark may go through in this step.
    pub(crate) release: f64,
    /// Passes a second that it goes through, for estimates.
    pub(crate) release_per_s: f64,
}

/// What the watermark should go through in a step.
#[derive(Clone, Copy, Debug)]
struct Plan {
    step_s: f64,
    passes_per_s: f64,
}

/// The law's memory.
#[derive(Debug)]
pub(crate) struct Flow {
    /// Claims a second that the engine decides while some wait.
    rate: f64,
    /// The best of the last minute or so, as it was measured.
    rate_best: f64,
    measured: bool,
    window: f64,
    queued_before: f64,
    /// The oldest claim has waited for longer than it should.
    waits: bool,
    /// Passes shown a second, lately.
    shown_per_s: f64,
    /// Faded sums of passes released long enough ago, and shown.
    released: f64,
    shown: f64,
    /// Passes released in the last steps, whose users may still be on their way.
    on_their_way: [f64; GRACE_STEPS],
    next: usize,
    /// Steps in which nobody has waited.
    open_steps: usize,
    /// Steps since then, or since somebody was held, in which those who wait were let in.
    closed_steps: usize,
    /// Passes that were shown in these.
    shown_since: f64,
    pace: Pace,
    /// The last step as it was to be; None where nobody was let in for a reason that is none of the
    /// engine's.
    plan: Option<Plan>,
    arrears: Arrears,
    limit_per_s: f64,
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            rate: RATE_GUESSED,
            rate_best: RATE_GUESSED,
            measured: false,
            window: WINDOW_GUESSED,
            queued_before: 0.0,
            waits: false,
            shown_per_s: 0.0,
            released: 0.0,
            shown: 0.0,
            on_their_way: [0.0; GRACE_STEPS],
            next: 0,
            open_steps: 0,
            closed_steps: 0,
            shown_since: 0.0,
            pace: Pace::default(),
            plan: None,
            arrears: Arrears::default(),
            limit_per_s: 0.0,
        }
    }
}

impl Flow {
    /// The law, for one step.
    pub(crate) fn step(&mut self, seen: &Seen) -> Wanted {
        let step_s = seen.step_s.min(STEP_MAX.as_secs_f64());
        if seen.step_s > 0.0 && seen.step_s <= STEP_MAX.as_secs_f64() {
            self.learn_rate(seen);
            let now = seen.shown / seen.step_s;
            self.shown_per_s += (now - self.shown_per_s) * (step_s / SHOWN_TIME_S).min(1.0);
        } else {
            // What waited before such a step says nothing of the next one.
            self.waits = false;
        }
        if std::mem::replace(&mut self.limit_per_s, seen.limit_per_s) != seen.limit_per_s {
            self.begin_anew();
        }
        self.set_window(seen);
        self.learn_show(seen);
        self.queued_before = seen.queued;
        if !seen.closed {
            self.begin_anew();
            self.open_steps += 1;
            (self.closed_steps, self.shown_since) = (0, 0.0);
            // Those who came were seen before those who were released: at the end of a crowd it looks
            // as if fewer came than did, and of the next one nothing is known.
            if self.open_steps == GRACE_STEPS {
                (self.released, self.shown) = (0.0, 0.0);
                self.on_their_way = [0.0; GRACE_STEPS];
            }
            let release_per_s = self.rate;
            return Wanted { window: self.window, idle_window: 0.0, release: 0.0, release_per_s };
        }
        self.open_steps = 0;
        let lets_in = seen.releasing && !seen.drawn;
        (self.closed_steps, self.shown_since) = match lets_in {
            true => (self.closed_steps + 1, self.shown_since + seen.shown),
            false => (0, 0.0),
        };
        let error_s = DELAY_WANTED.as_secs_f64() + seen.sync_s - seen.queued / self.rate;
        let correction = (UTILISED + GAIN_PER_S * error_s.min(0.0)).max(0.0);
        let come = self.share_that_comes();
        // Seen, but for a moment: the first who are let in need one to come.
        let few_come = match self.released > PRIOR {
            true => come < SHOWN_MIN,
            false => self.guesses_few(seen),
        };
        let few_now = self.shown_per_s < self.rate * SHOWN_MIN;
        let too_few = few_come && few_now && lets_in;
        // By what it has decided lately an engine looks slow after every pause.
        let steady = if seen.limit_per_s > 0.0 { seen.limit_per_s } else { self.rate };
        let passes_per_s = steady * UTILISED / come;
        let planned = seen.releasing && seen.step_s > 0.0;
        self.plan = planned.then_some(Plan { step_s: seen.step_s, passes_per_s });
        let room_for = if error_s >= 0.0 { self.rate * MADE_UP * step_s / come } else { 0.0 };
        Wanted {
            window: self.window,
            idle_window: if too_few { self.fits(IDLE_TIME, seen).max(1.0) } else { 0.0 },
            release: self.rate * correction * step_s / come + self.arrears.passes().min(room_for),
            release_per_s: self.pace.per_s().unwrap_or(passes_per_s),
        }
    }

    /// Who is let in from now on is let in at another pace than before.
    fn begin_anew(&mut self) {
        self.pace.forget();
        (self.plan, self.arrears) = (None, Arrears::default());
    }

    /// What the watermark really went through after the last step, and whether there was less than
    /// it might have gone through: then it says how many came, not how many could.
    pub(crate) fn released(&mut self, passes: f64, ran_out: bool) {
        let gone = std::mem::replace(&mut self.on_their_way[self.next], passes);
        self.next = (self.next + 1) % GRACE_STEPS;
        self.released += gone;
        if ran_out {
            self.begin_anew();
        } else if let Some(Plan { step_s, passes_per_s }) = self.plan.take() {
            let counted = self.arrears.add(passes, step_s, passes_per_s);
            // After a step in which the steward did not run, a pace of before says more.
            if step_s <= STEP_MAX.as_secs_f64() {
                self.pace.add(counted.passes, step_s, passes_per_s);
                if let Some(per_s) = counted.lasting_per_s {
                    self.pace.change(per_s);
                }
            }
        }
    }

    fn learn_rate(&mut self, seen: &Seen) {
        if seen.limit_per_s > 0.0 && !self.measured {
            self.rate = seen.limit_per_s;
        }
        // With nothing waiting, or only for a sync and for the engine to gather more, what was decided says
        // how many came, not how many could.
        let waits = seen.queued > 0.0 && seen.oldest_s > DELAY_WANTED.as_secs_f64() + seen.sync_s;
        // A batch is decided at once: the step in which what has waited is decided counts as well.
        let waited = std::mem::replace(&mut self.waits, waits);
        let keeps_up = !waits && !waited;
        if !keeps_up && self.queued_before > 0.0 {
            let now = seen.decided / seen.step_s;
            // A batch is decided at once, so single steps are far off: about 30 of them count.
            let weight = if self.measured { seen.step_s / 0.15 } else { 0.2 };
            self.rate += (now - self.rate) * weight.min(1.0);
            self.rate = self.rate.max(1.0);
            self.rate_best = (self.rate_best * (1.0 - seen.step_s / 60.0)).max(self.rate);
            self.measured = true;
        } else if seen.limit_per_s > 0.0 && keeps_up {
            // It keeps up, so the limit is what it can do: a pause that made it look slower is over.
            self.rate += (seen.limit_per_s - self.rate) * (seen.step_s / REST_TIME_S).min(1.0);
        } else if seen.releasing && keeps_up {
            // It may be able to do more than it ever had to.
            let most = self.rate_best * RATE_GROWTH_MAX;
            let growth_per_s = if self.rate < self.rate_best / 2.0 { 1.0 } else { 0.3 };
            let grown = self.rate * (1.0 + growth_per_s * seen.step_s);
            self.rate = grown.min(most.max(self.rate));
        }
        if seen.limit_per_s > 0.0 {
            self.rate = self.rate.min(seen.limit_per_s);
        }
    }

    /// What is decided in this time and in two syncs.
    fn fits(&self, time: Duration, seen: &Seen) -> f64 {
        self.rate * (time.as_secs_f64() + 2.0 * seen.sync_s)
    }

    fn set_window(&mut self, seen: &Seen) {
        let fits = self.fits(DELAY_MAX, seen).max(WINDOW_MIN);
        let late = seen.oldest_s > DELAY_MAX.as_secs_f64();
        if seen.limit_per_s > 0.0 || late || (seen.closed && self.measured) {
            self.window = fits;
        } else if !seen.closed {
            // Nobody waits: a window that only a burst would fill is let grow out of the way.
            self.window = (self.window * (1.0 + 4.0 * seen.step_s)).clamp(fits, WINDOW_MAX);
        }
    }

    /// Whether a short queue has closed the room and nobody has come out of it when some should have.
    fn guesses_few(&self, seen: &Seen) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "a hundred")]
        let grace_s = GRACE_STEPS as f64 * STEP.as_secs_f64();
        let unknown_yet = (COME_STEPS + 1..=GRACE_STEPS).contains(&self.closed_steps);
        unknown_yet && self.shown_since == 0.0 && seen.waiting <= self.rate * grace_s
    }

    fn learn_show(&mut self, seen: &Seen) {
        self.shown += seen.shown;
        let fade = 1.0 - 1.0 / MEMORY_STEPS;
        self.released *= fade;
        self.shown *= fade;
    }

    /// Of the passes that are released, the share whose users come.
    fn share_that_comes(&self) -> f64 {
        ((self.shown + PRIOR) / (self.released + PRIOR)).clamp(0.000_1, 1.0)
    }
}

#[cfg(test)]
mod tests;
