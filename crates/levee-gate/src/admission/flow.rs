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

use super::pace::Pace;

/// How often the law is applied.
pub(crate) const STEP: Duration = Duration::from_millis(5);

/// A longer step is one in which the steward did not run: its figures say nothing of the engine.
pub(crate) const STEP_MAX: Duration = Duration::from_millis(100);

/// Delay of claims in the queue above which the watermark goes slower.
const DELAY_WANTED: Duration = Duration::from_millis(2);

/// So much of the engine's rate is let in from the room. At all of it the queue of those who come at
/// random moments would grow without end; at 95% its delay is a few times what a claim takes.
const UTILISED: f64 = 0.95;

/// By how much of the rate the watermark is slower for each second that the queue is too long.
/// Released users come some hundredths of a second later; times that delay, this must stay well
/// below pi / 2, or the queue swings.
const GAIN_PER_S: f64 = 8.0;

/// Where fewer than this share of those who were let in came, and fewer than this share of what
/// could be decided comes now, newcomers fill the queue up to what is decided in this time.
const SHOWN_MIN: f64 = 0.75;
const IDLE_TIME: Duration = Duration::from_millis(4);

/// While nothing is known of how many come, it is after so many steps that the first should have: who
/// hardly has to wait is told to come back within five of them. A pause of a moment would otherwise
/// stop all who come without a pass for as long as it takes to know.
const COME_STEPS: usize = 20;

/// How fast an engine without a queue is trusted again to reach its limit, in seconds.
const REST_TIME_S: f64 = 0.2;

/// Over which time it is seen how many come from the room, in seconds.
const SHOWN_TIME_S: f64 = 0.05;

/// The delay at which newcomers begin to wait.
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
    /// Passes shown a second, lately.
    shown_per_s: f64,
    /// Faded sums of passes released long enough ago, and shown.
    released: f64,
    shown: f64,
    /// Passes released in the last steps, whose users may still be on their way.
    on_their_way: [f64; GRACE_STEPS],
    next: usize,
    /// Steps in which nobody has waited, and since then those in which somebody may have been let in.
    open_steps: usize,
    closed_steps: usize,
    pace: Pace,
    /// How long the last step was, and what was then to be expected of the pace; None where nobody
    /// was let in for a reason that is none of the engine's.
    paced: Option<(f64, f64)>,
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
            shown_per_s: 0.0,
            released: 0.0,
            shown: 0.0,
            on_their_way: [0.0; GRACE_STEPS],
            next: 0,
            open_steps: 0,
            closed_steps: 0,
            pace: Pace::default(),
            paced: None,
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
        }
        if std::mem::replace(&mut self.limit_per_s, seen.limit_per_s) != seen.limit_per_s {
            self.pace.forget();
        }
        self.set_window(seen);
        self.learn_show(seen);
        self.queued_before = seen.queued;
        if !seen.closed {
            self.pace.forget();
            self.paced = None;
            self.open_steps += 1;
            self.closed_steps = 0;
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
        self.closed_steps += usize::from(seen.releasing);
        let error_s = DELAY_WANTED.as_secs_f64() - seen.queued / self.rate;
        let correction = (UTILISED + GAIN_PER_S * error_s.min(0.0)).max(0.0);
        let come = self.share_that_comes();
        // Seen, not assumed: the first who are let in need a moment to come.
        let few_come = match self.released > PRIOR {
            true => come < SHOWN_MIN,
            false => self.closed_steps > COME_STEPS,
        };
        let few_now = self.shown_per_s < self.rate * SHOWN_MIN;
        let too_few = few_come && few_now && seen.releasing && !seen.drawn;
        let expected_per_s = self.rate * UTILISED / come;
        // After a step in which the steward did not run, a pace of before says more.
        let paced = seen.releasing && seen.step_s > 0.0 && seen.step_s <= STEP_MAX.as_secs_f64();
        self.paced = paced.then_some((step_s, expected_per_s));
        Wanted {
            window: self.window,
            idle_window: if too_few { self.fits(IDLE_TIME, seen).max(1.0) } else { 0.0 },
            release: self.rate * correction * step_s / come,
            release_per_s: self.pace.per_s().unwrap_or(expected_per_s),
        }
    }

    /// What the watermark really went through after the last step, and whether there was less than
    /// it might have gone through: then it says how many came, not how many could.
    pub(crate) fn released(&mut self, passes: f64, ran_out: bool) {
        let gone = std::mem::replace(&mut self.on_their_way[self.next], passes);
        self.next = (self.next + 1) % GRACE_STEPS;
        self.released += gone;
        if ran_out {
            self.pace.forget();
        } else if let Some((step_s, expected_per_s)) = self.paced.take() {
            self.pace.add(passes, step_s, expected_per_s);
        }
    }

    fn learn_rate(&mut self, seen: &Seen) {
        if seen.limit_per_s > 0.0 && !self.measured {
            self.rate = seen.limit_per_s;
        }
        // With nothing waiting, what was decided says how many came, not how many could.
        let busy = seen.queued > 0.0 && self.queued_before > 0.0;
        if busy {
            let now = seen.decided / seen.step_s;
            // A batch is decided at once, so single steps are far off: about 30 of them count.
            let weight = if self.measured { seen.step_s / 0.15 } else { 0.2 };
            self.rate += (now - self.rate) * weight.min(1.0);
            self.rate = self.rate.max(1.0);
            self.rate_best = (self.rate_best * (1.0 - seen.step_s / 60.0)).max(self.rate);
            self.measured = true;
        } else if seen.limit_per_s > 0.0 && seen.queued == 0.0 {
            // It keeps up, so the limit is what it can do: a pause that made it look slower is over.
            self.rate += (seen.limit_per_s - self.rate) * (seen.step_s / REST_TIME_S).min(1.0);
        } else if seen.releasing && seen.queued == 0.0 {
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
mod tests {
    use super::*;

    /// An engine that decides `rate` a second, before it a crowd of `arriving` a second of whom a
    /// share has the patience to come back, and what becomes of both in so many seconds.
    struct Town {
        flow: Flow,
        rate: f64,
        /// So many passes are given to each newcomer who is not let in.
        passes: f64,
        queued: f64,
        /// Passes ahead of the watermark, and released ones whose users come in this many steps.
        waiting: f64,
        coming: std::collections::VecDeque<f64>,
        decided: f64,
        worst_queue: f64,
    }

    impl Town {
        fn new(rate: f64) -> Self {
            Self {
                flow: Flow::default(),
                rate,
                passes: 1.0,
                queued: 0.0,
                waiting: 0.0,
                coming: vec![0.0; 20].into(),
                decided: 0.0,
                worst_queue: 0.0,
            }
        }

        fn run(&mut self, seconds: f64, arriving: f64, share: f64) {
            let step_s = STEP.as_secs_f64();
            let (mut window, mut idle_window) = (self.flow.window, 0.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            for _ in 0..(seconds / step_s) as u64 {
                let room = if self.waiting > 0.0 { idle_window } else { window };
                // Of the idle ones it is decided again as soon as one is through.
                let through =
                    if self.waiting > 0.0 && room > 0.0 { self.rate * step_s } else { 0.0 };
                let direct = (room + through - self.queued).clamp(0.0, arriving * step_s);
                self.waiting += (arriving * step_s - direct) * self.passes;
                let shown = self.coming.pop_front().unwrap_or(0.0);
                self.queued += direct + shown;
                let decided = self.queued.min(self.rate * step_s);
                self.queued -= decided;
                self.decided += decided;
                let closed = self.waiting > 0.0;
                let seen = Seen {
                    step_s,
                    queued: self.queued,
                    oldest_s: self.queued / self.rate,
                    decided,
                    sync_s: 0.0,
                    limit_per_s: 0.0,
                    shown,
                    closed,
                    releasing: closed,
                    drawn: false,
                };
                let wanted = self.flow.step(&seen);
                (window, idle_window) = (wanted.window, wanted.idle_window);
                let released = wanted.release.min(self.waiting);
                self.flow.released(released, released < wanted.release);
                self.waiting -= released;
                self.coming.push_back(released * share);
                self.worst_queue = self.worst_queue.max(self.queued);
            }
        }
    }

    #[test]
    fn a_pause_of_the_steward_teaches_nothing() {
        let mut town = Town::new(5_000.0);
        town.run(1.0, 2_500.0, 1.0);
        town.run(6.0, 50_000.0, 1.0);
        let seen = Seen { step_s: 10.0, queued: 50.0, closed: true, ..Seen::default() };
        let wanted = town.flow.step(&seen);
        assert!(wanted.release_per_s > 4_000.0, "{wanted:?}");
        assert!((400.0..1_000.0).contains(&wanted.release), "{wanted:?}");
    }

    #[test]
    fn a_pause_of_the_engine_is_forgotten_once_it_keeps_up() {
        let mut flow = Flow::default();
        let step_s = STEP.as_secs_f64();
        let seen = Seen { step_s, limit_per_s: 5_000.0, ..Seen::default() };
        for _ in 0..40 {
            flow.step(&Seen { queued: 50.0, ..seen });
        }
        let slow = flow.step(&Seen { queued: 50.0, ..seen }).release_per_s;
        assert!(slow < 2_500.0, "{slow}");
        for _ in 0..200 {
            flow.step(&seen);
        }
        let again = flow.step(&seen).release_per_s;
        assert!(again > 4_800.0, "{again}");
    }

    #[test]
    fn newcomers_fill_in_while_too_few_of_those_who_wait_come() {
        let mut flow = Flow::default();
        let step_s = STEP.as_secs_f64();
        let seen =
            Seen { step_s, limit_per_s: 5_000.0, closed: true, releasing: true, ..Seen::default() };
        // So many a second are let in, and of them come so many, for some seconds.
        let after = |flow: &mut Flow, seen: &Seen, released: f64, shown: f64| {
            let seen = Seen { shown: shown * step_s, ..*seen };
            (0..600).fold(f64::NAN, |_, _| {
                let wanted = flow.step(&seen);
                flow.released(released * step_s, false);
                wanted.idle_window
            })
        };
        // Nobody has come yet, since nobody could have; then those should have who were told to come
        // at once, whatever becomes of the others.
        for step in 0..2 * COME_STEPS {
            let held = flow.step(&Seen { releasing: false, ..seen });
            let wanted = flow.step(&seen);
            assert_eq!(held.idle_window, 0.0);
            assert_eq!(wanted.idle_window > 0.0, step >= COME_STEPS, "step {step}: {wanted:?}");
            flow.released(5_000.0 * step_s, false);
        }
        assert!(after(&mut flow, &seen, 5_000.0, 1_000.0) >= 20.0);
        assert_eq!(after(&mut flow, &seen, 5_000.0, 4_900.0), 0.0);
        // Those for whom places were drawn are not passed, nor is anybody who is held.
        assert!(after(&mut flow, &seen, 5_000.0, 0.0) >= 20.0);
        for held in [Seen { releasing: false, ..seen }, Seen { drawn: true, ..seen }] {
            assert_eq!(after(&mut flow, &held, 5_000.0, 0.0), 0.0);
        }
    }

    /// Ten times the capacity: of ten seconds after the first two, the engine works on so much at
    /// least, and the delay in its queue stays within this many milliseconds.
    #[track_caller]
    fn check(rate: f64, share: f64, worked_min: f64, delay_ms_max: f64) {
        let mut town = Town::new(rate);
        town.run(1.0, rate * 0.5, share);
        town.run(2.0, rate * 10.0, share);
        let before = town.decided;
        town.worst_queue = 0.0;
        town.run(10.0, rate * 10.0, share);
        let worked = (town.decided - before) / (rate * 10.0);
        assert!(worked >= worked_min, "{worked} of capacity at {rate}/s, share {share}");
        let delay_ms = town.worst_queue / rate * 1_000.0;
        assert!(delay_ms <= delay_ms_max, "{delay_ms} ms at {rate}/s, share {share}");
    }

    #[test]
    fn ten_times_the_load_costs_waiting_only() {
        for rate in [200.0, 5_000.0, 100_000.0] {
            check(rate, 1.0, 0.9, 40.0);
            check(rate, 0.5, 0.9, 60.0);
        }
    }

    #[test]
    fn a_crowd_that_never_comes_back_does_not_starve_the_engine() {
        check(5_000.0, 0.0, 0.75, 60.0);
    }

    #[test]
    fn a_moment_s_pause_costs_those_who_hammer_no_more_than_another_moment() {
        let mut town = Town::new(5_000.0);
        town.passes = 4.0;
        town.run(2.0, 3_500.0, 0.0);
        let before = town.decided;
        town.run(0.5, 3_500.0, 0.0);
        assert!((town.decided - before - 1_750.0).abs() < 20.0, "nobody is kept out");
        // All who came in the pause are there at once.
        town.queued += 200.0;
        let before = town.decided;
        town.run(0.5, 3_500.0, 0.0);
        let decided = town.decided - before;
        assert!(decided > 3_500.0 * 0.35, "{decided} of 1750");
        town.run(2.0, 3_500.0, 0.0);
        assert!(town.waiting < 1.0, "{} wait", town.waiting);
    }

    #[test]
    fn a_room_that_is_held_closed_teaches_nothing() {
        let mut town = Town::new(5_000.0);
        town.run(1.0, 2_500.0, 1.0);
        town.run(3.0, 50_000.0, 1.0);
        for _ in 0..100_000 {
            let step_s = STEP.as_secs_f64();
            let wanted = town.flow.step(&Seen { step_s, closed: true, ..Seen::default() });
            town.flow.released(0.0, false);
            assert!((1_000.0..50_000.0).contains(&wanted.release_per_s), "{wanted:?}");
            assert!(wanted.release < 250.0, "{wanted:?}");
        }
        town.worst_queue = 0.0;
        town.run(3.0, 50_000.0, 1.0);
        assert!(town.worst_queue < 5_000.0 * 0.3, "{} in the queue", town.worst_queue);
    }

    /// The rate that estimates go by while so many passes of what may be let in there are.
    fn estimated(flow: &mut Flow, limit_per_s: f64, steps: u32, share: f64) -> f64 {
        let step_s = STEP.as_secs_f64();
        let mut seen =
            Seen { step_s, limit_per_s, closed: true, releasing: true, ..Seen::default() };
        for _ in 0..steps {
            seen.shown = flow.step(&seen).release * share;
            flow.released(seen.shown, share < 1.0);
        }
        flow.step(&seen).release_per_s
    }

    #[test]
    fn a_held_room_that_is_almost_empty_does_not_look_slow() {
        let mut flow = Flow::default();
        assert!(estimated(&mut flow, 5_000.0, 2_000, 0.02) > 4_000.0);
    }

    #[test]
    fn another_limit_is_known_at_once() {
        let mut flow = Flow::default();
        let before = estimated(&mut flow, 5_000.0, 2_000, 1.0);
        assert!((4_000.0..5_500.0).contains(&before), "{before}");
        let after = estimated(&mut flow, 500.0, 1, 1.0);
        assert!(after < 600.0, "{after}");
    }

    #[test]
    fn who_came_of_one_crowd_says_nothing_of_the_next() {
        let mut town = Town::new(5_000.0);
        town.run(1.0, 2_500.0, 1.0);
        town.run(10.0, 50_000.0, 0.2);
        assert!(town.flow.share_that_comes() < 0.5);
        town.waiting = 0.0;
        town.run(1.0, 0.0, 1.0);
        assert!(town.flow.share_that_comes() > 0.9);
    }

    #[test]
    fn light_load_never_meets_the_window() {
        let mut town = Town::new(5_000.0);
        for _ in 0..20 {
            town.run(0.5, 4_000.0, 1.0);
            town.run(0.5, 0.0, 1.0);
        }
        assert!(town.waiting < 1.0, "{} wait", town.waiting);
    }
}
