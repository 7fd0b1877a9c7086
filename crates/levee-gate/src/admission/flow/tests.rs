//! The law before an engine and a crowd that are counted, not real.

use super::*;

/// An engine that decides `rate` a second, before it a crowd of `arriving` a second of whom a
/// share has the patience to come back, and what becomes of both in so many seconds.
struct Town {
    flow: Flow,
    rate: f64,
    limit_per_s: f64,
    /// So many passes are given to each newcomer who is not let in.
    passes: f64,
    queued: f64,
    /// Passes ahead of the watermark, and released ones whose users come in this many steps.
    waiting: f64,
    coming: std::collections::VecDeque<f64>,
    decided: f64,
    released: f64,
    /// What is told of the pace: now, and the least and most since these were reset.
    release_per_s: f64,
    told: [f64; 2],
    /// Parts of a pass, as the steward keeps them.
    credit: f64,
    worst_queue: f64,
}

impl Town {
    fn new(rate: f64) -> Self {
        Self {
            flow: Flow::default(),
            rate,
            limit_per_s: 0.0,
            passes: 1.0,
            queued: 0.0,
            waiting: 0.0,
            coming: vec![0.0; 20].into(),
            decided: 0.0,
            released: 0.0,
            release_per_s: 0.0,
            told: [f64::INFINITY, 0.0],
            credit: 0.0,
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
            let through = if self.waiting > 0.0 && room > 0.0 { self.rate * step_s } else { 0.0 };
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
                oldest_s: self.queued / self.rate.max(1.0),
                decided,
                sync_s: 0.0,
                limit_per_s: self.limit_per_s,
                shown,
                closed,
                waiting: self.waiting,
                releasing: closed,
                drawn: false,
            };
            let wanted = self.flow.step(&seen);
            (window, idle_window) = (wanted.window, wanted.idle_window);
            let may = (self.credit + wanted.release).min(wanted.release.max(1.0) * 2.0);
            let released = may.trunc().min(self.waiting);
            let ran_out = released < may.trunc();
            self.flow.released(released, ran_out);
            self.credit = if ran_out || !closed { 0.0 } else { may - released };
            let [least, most] = self.told;
            self.told = [least.min(wanted.release_per_s), most.max(wanted.release_per_s)];
            self.waiting -= released;
            self.released += released;
            self.release_per_s = wanted.release_per_s;
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
    // What waited before it is no reason to learn from the step that follows.
    let mut flow = Flow { rate: 5_000.0, rate_best: 5_000.0, measured: true, ..Flow::default() };
    let waits = Seen { step_s: 0.005, queued: 50.0, oldest_s: 0.01, decided: 25.0, ..seen };
    flow.step(&waits);
    flow.step(&seen);
    let rate = flow.rate;
    flow.step(&Seen { step_s: 0.005, queued: 0.0, ..Seen::default() });
    assert_eq!(flow.rate, rate);
}

#[test]
fn a_pause_of_the_engine_is_forgotten_once_it_keeps_up() {
    let mut flow = Flow::default();
    let step_s = STEP.as_secs_f64();
    let seen = Seen { step_s, limit_per_s: 5_000.0, ..Seen::default() };
    let waited_for = Seen { queued: 50.0, oldest_s: 0.01, ..seen };
    for _ in 0..40 {
        flow.step(&waited_for);
    }
    let slow = flow.step(&waited_for).release_per_s;
    assert!(slow < 2_500.0, "{slow}");
    for _ in 0..200 {
        flow.step(&seen);
    }
    let again = flow.step(&seen).release_per_s;
    assert!(again > 4_800.0, "{again}");
}

#[test]
fn what_the_engine_gathers_does_not_look_like_more_than_it_can_do() {
    let step_s = STEP.as_secs_f64();
    // With and without a limit: half of what it can do comes, and some of it always waits to be decided
    // together.
    for limit_per_s in [5_000.0, 0.0] {
        let mut flow =
            Flow { rate: 5_000.0, rate_best: 5_000.0, measured: true, ..Flow::default() };
        let (queued, oldest_s) = (5.0, GATHERED_MAX.as_secs_f64());
        let decided = 2_500.0 * step_s;
        let seen = Seen { step_s, limit_per_s, queued, oldest_s, decided, ..Seen::default() };
        let gathering = Seen { closed: true, releasing: true, ..seen };
        for _ in 0..400 {
            flow.step(&gathering);
        }
        let wanted = flow.step(&gathering);
        assert!(wanted.release > 4_700.0 * step_s, "{limit_per_s}: {wanted:?}");
    }
}

/// An engine without a limit that can decide 8,000 a second and is asked for 4,000, while some wait, for
/// 20 seconds; in which steps of two hundred it decides nothing. What the watermark is let go through in
/// a second at the end.
fn release_after(sync_s: f64, stands: impl Fn(usize) -> bool) -> f64 {
    let mut flow = Flow { rate: 5_000.0, rate_best: 5_000.0, measured: true, ..Flow::default() };
    let step_s = STEP.as_secs_f64();
    let (mut queued, mut oldest_s, mut release) = (0.0_f64, 0.0_f64, 0.0);
    for step in 0..4_000 {
        queued += 4_000.0 * step_s;
        oldest_s += step_s;
        let could = if stands(step % 200) { 0.0 } else { 8_000.0 * step_s };
        // What stood while nothing was decided is decided at once.
        let decided = if sync_s > 0.0 && could > 0.0 { queued } else { queued.min(could) };
        queued -= decided;
        if decided > 0.0 {
            oldest_s = queued / 8_000.0;
        }
        let seen = Seen { step_s, queued, oldest_s, decided, sync_s, ..Seen::default() };
        release = flow.step(&Seen { closed: true, releasing: true, ..seen }).release_per_s;
    }
    release
}

#[test]
fn an_engine_that_decides_in_batches_is_not_taken_to_be_slow() {
    // Syncs of 10 ms, longer ones among them, and all that came meanwhile is decided behind each.
    let release = release_after(0.01, |step| step % 4 != 0);
    assert!(release > 6_000.0, "{release}");
}

#[test]
fn what_waits_for_a_sync_holds_nobody_back() {
    let step_s = STEP.as_secs_f64();
    let sync_s = 0.02;
    let seen = Seen { step_s, limit_per_s: 5_000.0, sync_s, ..Seen::default() };
    let mut flow = Flow::default();
    let queued = 5_000.0 * sync_s;
    let wanted = flow.step(&Seen { queued, closed: true, releasing: true, ..seen });
    assert!(wanted.release > 4_700.0 * step_s, "{wanted:?}");
}

/// A crowd before an engine with a limit of 5,000 a second.
fn limited_town() -> Town {
    let mut town = Town { limit_per_s: 5_000.0, ..Town::new(5_000.0) };
    town.run(1.0, 2_500.0, 1.0);
    // Long enough for the beginning to be made up for.
    town.run(10.0, 50_000.0, 1.0);
    town
}

impl Town {
    /// So many seconds of ten times as many as could be let in; the least and most that was told then, and
    /// how many are missing of those who should have been let in.
    fn crowd(&mut self, seconds: f64) -> ([f64; 2], f64) {
        let before = self.released;
        self.told = [f64::INFINITY, 0.0];
        self.run(seconds, 50_000.0, 1.0);
        (self.told, 4_750.0 * seconds - (self.released - before))
    }

    /// The engine stands still for so long.
    fn pause(&mut self, seconds: f64) -> f64 {
        let rate = std::mem::replace(&mut self.rate, 0.0);
        let (_, missing) = self.crowd(seconds);
        self.rate = rate;
        missing
    }
}

#[test]
fn what_a_pause_has_left_undone_is_made_up_for_and_estimates_stay() {
    for pause_s in [0.05, 0.07, 0.1, 0.12] {
        let mut town = limited_town();
        let held_back = town.pause(pause_s);
        let ([least, most], missing) = town.crowd(12.0);
        let missing = missing + held_back;
        // Some more go through, as after a pause it looks as if not all came.
        assert!((-250.0..60.0).contains(&missing), "{missing} after {pause_s} s");
        assert!(least > 4_690.0 && most < 4_830.0, "{least} to {most} told after {pause_s} s");
    }
    let mut town = limited_town();
    town.pause(0.03);
    town.crowd(0.5);
    town.pause(0.1);
    let ([least, most], _) = town.crowd(10.0);
    assert!(least > 4_500.0 && most < 4_830.0, "{least} to {most} told after two pauses");
    // More than is ever owed is lost, so that no burst follows.
    let mut town = limited_town();
    let held_back = town.pause(1.0);
    let (_, missing) = town.crowd(12.0);
    assert!((2_500.0..5_000.0).contains(&(missing + held_back)), "{missing} and {held_back}");
}

#[test]
fn an_engine_that_stays_below_its_limit_is_believed() {
    for (rates, seconds, off) in [
        (&[2_000.0][..], 8.0, 0.07),
        (&[4_000.0], 5.0, 0.1),
        (&[4_500.0], 6.0, 0.045),
        (&[4_700.0], 5.0, 0.045),
        (&[3_000.0, 4_600.0], 20.0, 0.045),
        (&[4_600.0, 3_000.0], 20.0, 0.045),
    ] {
        let mut town = limited_town();
        for rate in rates {
            town.rate = *rate;
            town.crowd(seconds);
        }
        let (told, before) = (town.release_per_s, town.released);
        town.crowd(5.0);
        let real = (town.released - before) / 5.0;
        assert!((told / real - 1.0).abs() < off, "{told} told of {real} at {rates:?}");
    }
}

#[test]
fn an_engine_without_a_limit_that_becomes_slow_is_believed_within_seconds() {
    let mut town = Town::new(50_000.0);
    town.run(1.0, 25_000.0, 1.0);
    town.run(10.0, 500_000.0, 1.0);
    town.rate = 5_000.0;
    town.run(4.0, 50_000.0, 1.0);
    assert!((4_700.0..7_000.0).contains(&town.release_per_s), "{}", town.release_per_s);
    town.run(4.0, 50_000.0, 1.0);
    assert!((4_700.0..6_000.0).contains(&town.release_per_s), "{}", town.release_per_s);
}

#[test]
fn newcomers_fill_in_while_too_few_of_those_who_wait_come() {
    let mut flow = Flow::default();
    let step_s = STEP.as_secs_f64();
    let seen = Seen {
        step_s,
        limit_per_s: 5_000.0,
        closed: true,
        releasing: true,
        waiting: f64::INFINITY,
        ..Seen::default()
    };
    // So many a second are let in, and of them come so many, for some seconds.
    let after = |flow: &mut Flow, seen: &Seen, released: f64, shown: f64| {
        let seen = Seen { shown: shown * step_s, ..*seen };
        (0..600).fold(f64::NAN, |_, _| {
            let wanted = flow.step(&seen);
            flow.released(released * step_s, false);
            wanted.idle_window
        })
    };
    // Nobody has come yet, since nobody could have.
    for _ in 0..GRACE_STEPS {
        assert_eq!(flow.step(&seen).idle_window, 0.0);
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

/// In which of the first steps newcomers fill in while so many wait and nobody comes, at a limit
/// of 1,000 a second. In some steps everybody is held, it is the turn of the drawn, or one comes after
/// all.
#[track_caller]
fn check_guess(
    waiting: f64,
    [held, drawn, shown]: [&[usize]; 3],
    expected: std::ops::Range<usize>,
) {
    let mut flow = Flow::default();
    let step_s = STEP.as_secs_f64();
    let fills: Vec<_> = (0..2 * GRACE_STEPS)
        .filter(|step| {
            let wanted = flow.step(&Seen {
                step_s,
                limit_per_s: 1_000.0,
                closed: true,
                releasing: !held.contains(step),
                drawn: drawn.contains(step),
                shown: f64::from(u8::from(shown.contains(step))),
                waiting,
                ..Seen::default()
            });
            // So few that nothing is ever known of them.
            flow.released(0.01, false);
            assert!(wanted.idle_window == 0.0 || wanted.idle_window == 4.0, "{wanted:?}");
            wanted.idle_window > 0.0
        })
        .collect();
    assert_eq!(fills, expected.collect::<Vec<_>>(), "{waiting} wait");
}

#[test]
fn that_few_come_is_guessed_for_a_moment_only_and_of_few_only() {
    check_guess(500.0, [&[]; 3], COME_STEPS..GRACE_STEPS);
    check_guess(501.0, [&[]; 3], 0..0);
    check_guess(f64::INFINITY, [&[]; 3], 0..0);
    check_guess(0.0, [&[], &[], &[COME_STEPS - 5]], 0..0);
    check_guess(0.0, [&[], &[], &[COME_STEPS + 5]], COME_STEPS..COME_STEPS + 5);
    // Who is let in after a while begins to come only then.
    let not_yet = [0, 15, 30, 45, 60];
    check_guess(0.0, [&not_yet, &[], &[]], 61 + COME_STEPS..61 + GRACE_STEPS);
    check_guess(0.0, [&[], &not_yet, &[]], 61 + COME_STEPS..61 + GRACE_STEPS);
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
    (town.passes, town.limit_per_s) = (4.0, 5_000.0);
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
    let mut seen = Seen { step_s, limit_per_s, closed: true, releasing: true, ..Seen::default() };
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
