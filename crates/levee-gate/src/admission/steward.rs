//! The steward: one thread of an installation that keeps the intake.
//!
//! It runs beside the engine, since it needs the queue's length as it is now, and is the only one
//! that moves the watermark. Gates only ever close the room, when they find the window full.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use levee_api::intake::{DRAWN_US, Intake, OPEN, SLOT_US, SLOTS, WHOLE};
use levee_api::port::{Ask, AskBody, Deliver, Origin, Priority, Reply, Submit};
use levee_api::types::{ChangeLevel, Command, Level};
use levee_api::vitals::{Phase, Vitals};

use super::bound::Bound;
use super::flow::{DELAY_MAX, Flow, STEP, STEP_MAX, Seen};
use super::rules::{Rule, Rules, Signal};

/// How often shares and levels are looked at, in steps of the flow.
const SLOW_STEPS: u32 = 20;

/// A change of level that is not in force after this time is asked for again.
const ASK_AGAIN_MS: u32 = 1_000;

/// So many looks in a row must find a lane late before its share falls: a pause of the engine, which no
/// share prevents, makes one or two so.
const LATE_LOOKS: u32 = 5;

/// Least share of browsing that is let in; of redemptions it is a half.
const SHARE_MIN: u32 = WHOLE / 50;

/// A sync that takes longer is a fault of the disk, not its measure; in seconds.
const SYNC_S_MAX: f64 = 0.05;

/// Passes of a longer time are not counted in every step.
const COUNTED_US: u64 = 1_000_000;

/// A pause of the steward that is shorter than one in so many parts of the wait is no matter.
const PAUSE_PARTS: u128 = 100;

/// How the steward works.
#[derive(Clone, Debug, Default)]
pub struct StewardConfig {
    /// When levels are entered and left.
    pub rules: Vec<Rule>,
    /// At `deferred` and above codes come within this time; zero: at once.
    pub codes_within: Duration,
}

/// The running steward; dropped, it stops.
pub struct Steward {
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Steward {
    /// Starts keeping an engine's intake.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(submit: Arc<dyn Submit>, config: &StewardConfig) -> io::Result<Self> {
        let codes_within_ms = u64::try_from(config.codes_within.as_millis()).unwrap_or(u64::MAX);
        submit.intake().set_codes_within_ms(codes_within_ms);
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let origin = submit.register(Arc::new(Unheard));
        let mut watch = Watch::new(config.rules.clone());
        let thread = thread::Builder::new().name("levee-steward".to_owned()).spawn(move || {
            let mut before = Instant::now();
            while !stop.load(Relaxed) {
                thread::sleep(STEP);
                let now = Instant::now();
                let change = watch.step(submit.intake(), submit.vitals(), now - before);
                if let Some(change) = change {
                    ask(&*submit, origin, change);
                }
                before = now;
            }
        })?;
        Ok(Self { stopping, thread: Some(thread) })
    }
}

impl Drop for Steward {
    fn drop(&mut self) {
        self.stopping.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic was told by the hook; there is nothing left to do for it here.
            let _ = thread.join();
        }
    }
}

/// Nobody waits for these replies: whether a level changed shows in the intake.
struct Unheard;

impl Deliver for Unheard {
    fn deliver(&self, _replies: Vec<(u64, Reply)>) {}
}

/// Has a change of level journaled. Where that fails the rules ask again at their next look.
fn ask(submit: &dyn Submit, origin: Origin, change: ChangeLevel) {
    tracing::warn!(level = change.level.name(), reason = change.reason, "by rule: another level");
    let body = AskBody::Command(Command::ChangeLevel(Box::new(change)));
    let mut asks = vec![Ask { ticket: 0, within_ms: ASK_AGAIN_MS, body }];
    let asked = submit.submit(origin, Priority::Status, Instant::now(), &mut asks);
    if let Err(failure) = asked {
        tracing::debug!(?failure, "the change of level was not taken");
    }
}

/// Passes that wait, as long as they are of a moment: those of hours are not counted in every step.
#[expect(clippy::cast_precision_loss, reason = "counts of users")]
fn waiting(intake: &Intake, now_us: u64) -> f64 {
    let watermark_us = intake.watermark_us();
    let few = watermark_us == OPEN || watermark_us + COUNTED_US > now_us;
    if few { intake.passes_waiting(now_us) as f64 } else { f64::INFINITY }
}

/// What the steward remembers between two steps.
struct Watch {
    flow: Flow,
    /// Parts of a pass that the watermark may still go through.
    credit: f64,
    decided: u64,
    /// Passes that were admitted.
    shown: u64,
    /// What each gate had counted: bounds kept and missed.
    gates: BTreeMap<u32, [u64; 2]>,
    sync: (u64, u64),
    sync_s: f64,
    slow: u32,
    since_slow: Duration,
    delays: [(u64, u64); Priority::COUNT],
    /// Looks in a row that found a lane late.
    late_looks: [u32; Priority::COUNT],
    /// Slots before this one are emptied.
    cleared: u64,
    bound: Bound,
    /// Who came before this moment waited while the room was held, while the steward stood still, or
    /// before another limit.
    held_us: u64,
    limit_per_s: u64,
    rules: Rules,
    /// When the last change was asked for.
    asked_at: Option<Instant>,
}

impl Watch {
    fn new(rules: Vec<Rule>) -> Self {
        Self {
            flow: Flow::default(),
            credit: 0.0,
            decided: 0,
            shown: 0,
            gates: BTreeMap::new(),
            sync: (0, 0),
            sync_s: 0.0,
            slow: 0,
            since_slow: Duration::ZERO,
            delays: [(0, 0); Priority::COUNT],
            late_looks: [0; Priority::COUNT],
            cleared: 0,
            bound: Bound::default(),
            held_us: 0,
            limit_per_s: 0,
            rules: Rules::new(rules),
            asked_at: None,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of milliseconds")]
    fn step(&mut self, intake: &Intake, vitals: &Vitals, step: Duration) -> Option<ChangeLevel> {
        let now_us = intake.now_us();
        let claims = Priority::Claim as usize;
        let decided: u64 = vitals.queue_delay[claims].counts().iter().sum();
        let [kept, missed] = self.news_of_gates(intake);
        let shown = intake.shown();
        let shown = shown - std::mem::replace(&mut self.shown, shown);
        self.open_or_hold(intake, now_us);
        self.learn_sync(vitals);
        let hold_us = intake.hold_until_us();
        let held = hold_us != OPEN && intake.watermark_us() >= hold_us.saturating_sub(DRAWN_US);
        let may = intake.level() < Level::Essential && vitals.phase() == Phase::Ready;
        let releasing = may && !held && intake.watermark_us() != OPEN;
        let seen = Seen {
            step_s: step.as_secs_f64(),
            queued: vitals.waiting[claims].load(Relaxed) as f64,
            oldest_s: vitals.oldest_us[claims].load(Relaxed) as f64 / 1e6,
            decided: decided.saturating_sub(self.decided) as f64,
            sync_s: self.sync_s,
            limit_per_s: intake.claims_per_s() as f64,
            shown: shown as f64,
            closed: intake.watermark_us() != OPEN,
            waiting: waiting(intake, now_us),
            releasing,
            drawn: releasing && intake.is_drawn(intake.watermark_us()),
        };
        let wanted = self.flow.step(&seen);
        intake.set_window(whole(wanted.window));
        intake.set_idle_window(whole(wanted.idle_window));
        intake.set_released_per_ks(whole(wanted.release_per_s * 1_000.0));
        let (mut released, mut ran_out) = (0.0, false);
        if seen.closed && may {
            // What could not be used up is not saved for a burst, and what was too much is owed.
            let may = (self.credit + wanted.release).min(wanted.release.max(1.0) * 2.0);
            let passes = whole(may);
            let gone = if passes > 0 { self.release(intake, now_us, passes) } else { 0 };
            (released, ran_out) = (gone as f64, gone < passes);
            self.credit = may - released;
        }
        if ran_out || !seen.closed {
            // The next crowd begins with nothing of this one.
            self.credit = 0.0;
        }
        self.flow.released(released, ran_out);
        // Who waited while nobody was let in for another reason than the engine's, or before another
        // limit, was told what could not be known.
        let watermark_us = intake.watermark_us();
        let wait_us = u128::from(now_us.saturating_sub(watermark_us));
        let paused = step > STEP_MAX && step.as_micros() * PAUSE_PARTS > wait_us;
        let limit_per_s = intake.claims_per_s();
        let changed = std::mem::replace(&mut self.limit_per_s, limit_per_s) != limit_per_s;
        if watermark_us != OPEN && (!releasing || paused || changed) {
            self.held_us = now_us;
        }
        self.held_us = self.held_us.min(now_us);
        if watermark_us > self.held_us {
            self.bound.learn(step, kept, missed);
        }
        intake.set_margin_permille(whole(self.bound.margin() * 1_000.0));
        self.decided = decided;
        self.clear(intake, now_us);
        self.slow += 1;
        self.since_slow += step;
        if self.slow < SLOW_STEPS {
            return None;
        }
        let since = std::mem::take(&mut self.since_slow);
        self.slow = 0;
        let loop_delay_us = intake.gates().iter().map(|(_, gate)| gate.loop_delay_us).max();
        self.slow_step(intake, vitals, now_us, loop_delay_us.unwrap_or(0), since)
    }

    /// What gates have counted since the last step. What a gate had counted when it was first seen,
    /// after a break of its connection for one, is no news.
    fn news_of_gates(&mut self, intake: &Intake) -> [u64; 2] {
        let mut news = [0; 2];
        let before = std::mem::take(&mut self.gates);
        intake.each_gate(|number, gate| {
            let now = [gate.bound_kept, gate.bound_missed];
            if let Some(before) = before.get(&number) {
                for (news, (now, before)) in news.iter_mut().zip(now.iter().zip(before)) {
                    *news += now.saturating_sub(*before);
                }
            }
            self.gates.insert(number, now);
        });
        news
    }

    /// Before an opening the watermark waits before the drawn places; at the opening it goes on.
    fn open_or_hold(&mut self, intake: &Intake, now_us: u64) {
        let hold_us = intake.hold_until_us();
        if hold_us == OPEN {
            return;
        }
        if now_us >= hold_us {
            intake.set_hold_until_us(OPEN);
        } else if now_us + DRAWN_US >= hold_us {
            intake.close_at(hold_us.saturating_sub(DRAWN_US));
        }
    }

    /// Moves the watermark through so many passes, or to the end; how many it were. Where places
    /// cannot be told apart it may be more.
    fn release(&self, intake: &Intake, now_us: u64, passes: u64) -> u64 {
        let drawn_us = match intake.hold_until_us() {
            OPEN => OPEN,
            hold_us => hold_us.saturating_sub(DRAWN_US),
        };
        let limit_us = now_us.min(drawn_us);
        let mut mark_us = intake.watermark_us();
        let (mut left, mut gone) = (passes, 0);
        let over = loop {
            let slot_us = mark_us - mark_us % SLOT_US;
            if mark_us >= drawn_us || slot_us > now_us {
                break false;
            }
            match intake.go_through(mark_us, left) {
                Ok(place_us) => {
                    gone += left;
                    // Drawn places are moments: some of them may still be ahead.
                    let most_us = if intake.is_drawn(slot_us) { limit_us } else { place_us };
                    mark_us = place_us.min(most_us).max(mark_us);
                    break false;
                }
                Err(last) => {
                    gone += last;
                    left = left.saturating_sub(last);
                }
            }
            if slot_us + SLOT_US > limit_us {
                // The slot under way goes on after this.
                let here = u64::from(intake.passes_in_slot(slot_us));
                let end_us = if intake.is_drawn(slot_us) { limit_us } else { slot_us + here };
                mark_us = mark_us.max(end_us.min(slot_us + SLOT_US));
                break limit_us == now_us;
            }
            mark_us = slot_us + SLOT_US;
        };
        // Where newcomers are held the room stays closed even when it is empty.
        if over && !intake.holds_newcomers() {
            intake.set_watermark_us(OPEN);
        } else {
            intake.set_watermark_us(mark_us);
        }
        gone
    }

    /// Empties the slots that the watermark has left behind, for when their turn comes again.
    fn clear(&mut self, intake: &Intake, now_us: u64) {
        let watermark_us = intake.watermark_us();
        let upto = (watermark_us.min(now_us) / SLOT_US).saturating_sub(2);
        let from = self.cleared.max(upto.saturating_sub(SLOTS as u64 / 2));
        for slot in from..upto {
            intake.set_passes_in_slot(slot * SLOT_US, 0);
        }
        self.cleared = self.cleared.max(upto);
    }

    #[expect(clippy::cast_precision_loss, reason = "microseconds of a sync")]
    /// The mean sync, as it was in the last step that had one.
    fn learn_sync(&mut self, vitals: &Vitals) {
        let count: u64 = vitals.sync_time.counts().iter().sum();
        let sum_us = vitals.sync_time.sum_us();
        let (count_before, sum_before) = std::mem::replace(&mut self.sync, (count, sum_us));
        let syncs = count.saturating_sub(count_before);
        let us = sum_us.saturating_sub(sum_before);
        if syncs > 0 {
            self.sync_s = (us as f64 / syncs as f64 / 1e6).min(SYNC_S_MAX);
        }
    }

    fn slow_step(
        &mut self,
        intake: &Intake,
        vitals: &Vitals,
        now_us: u64,
        loop_delay_us: u64,
        since: Duration,
    ) -> Option<ChangeLevel> {
        let mut means_us = [0; Priority::COUNT];
        let mut stands = [false; Priority::COUNT];
        for lane in Priority::ALL {
            let histogram = &vitals.queue_delay[lane as usize];
            let (count, sum) = (histogram.counts().iter().sum(), histogram.sum_us());
            let before = std::mem::replace(&mut self.delays[lane as usize], (count, sum));
            let decided = u64::saturating_sub(count, before.0);
            means_us[lane as usize] =
                sum.saturating_sub(before.1).checked_div(decided).unwrap_or(0);
            stands[lane as usize] = decided == 0 && vitals.waiting[lane as usize].load(Relaxed) > 0;
        }
        let max_us = u64::try_from(DELAY_MAX.as_micros()).unwrap_or(u64::MAX);
        let sync_us = whole(self.sync_s * 1e6);
        // DAGOR's steps, for the lanes that have no waiting room.
        for lane in [Priority::Redeem, Priority::Browse] {
            let share = intake.share(lane);
            // Whoever comes during a sync waits for its end: that is no overload.
            let late = means_us[lane as usize] > max_us + 2 * sync_us;
            let looks = &mut self.late_looks[lane as usize];
            // Nothing is known of the delay.
            if stands[lane as usize] {
                continue;
            }
            *looks = if late { *looks + 1 } else { 0 };
            let next = match *looks {
                0 => share + WHOLE / 100,
                1..LATE_LOOKS => share,
                _ => share - share / 20,
            };
            let least = if lane == Priority::Redeem { WHOLE / 2 } else { SHARE_MIN };
            intake.set_share(lane, next.clamp(least, WHOLE));
        }
        let watermark_us = intake.watermark_us();
        let wait_us = if watermark_us == OPEN { 0 } else { now_us.saturating_sub(watermark_us) };
        let mut signals_ms = [0; Signal::COUNT];
        signals_ms[Signal::ClaimDelay as usize] = means_us[Priority::Claim as usize] / 1_000;
        signals_ms[Signal::RedeemDelay as usize] = means_us[Priority::Redeem as usize] / 1_000;
        signals_ms[Signal::Wait as usize] = wait_us / 1_000;
        signals_ms[Signal::LoopDelay as usize] = loop_delay_us / 1_000;
        let (level, reason) = self.rules.step(since, signals_ms);
        let waits = self
            .asked_at
            .is_some_and(|at| at.elapsed() < Duration::from_millis(ASK_AGAIN_MS.into()));
        let asks = level != intake.level() && !intake.why().by_hand && !waits;
        (asks && vitals.phase() == Phase::Ready).then(|| {
            self.asked_at = Some(Instant::now());
            ChangeLevel { request: None, level, by_hand: false, reason }
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts of floats saturate, and none of these is negative"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use levee_api::intake::Why;

    use super::*;

    fn watch() -> Watch {
        Watch::new(Rule::defaults())
    }

    #[test]
    fn the_watermark_goes_through_as_many_passes_as_it_may_and_never_back() {
        let intake = Intake::default();
        let now_us = intake.now_us();
        let start_us = now_us - now_us % SLOT_US - 10 * SLOT_US;
        // All of a slot at once, as after a pause of the gate.
        let places: Vec<_> =
            (0..1_000).map(|pass| intake.take_place(start_us + pass / 100 * SLOT_US)).collect();
        intake.set_watermark_us(start_us);
        let watch = watch();
        let mut gone = 0;
        for _ in 0..200 {
            gone += watch.release(&intake, now_us, 3);
            let mark_us = intake.watermark_us();
            let through = places.iter().filter(|place_us| **place_us < mark_us).count();
            assert_eq!(through, usize::try_from(gone).expect("1,000 at most"));
        }
        assert_eq!(gone, 600);
        assert_eq!(watch.release(&intake, now_us, 10_000), 400);
        assert_eq!(intake.watermark_us(), OPEN);
    }

    #[test]
    fn a_crowd_leaves_nothing_for_the_next_one_to_begin_with() {
        let (intake, vitals) = (Intake::default(), Vitals::default());
        vitals.set_phase(Phase::Ready);
        intake.set_claims_per_s(5_000);
        let mut watch = watch();
        let start_us = intake.now_us() / SLOT_US * SLOT_US;
        for _ in 0..60 {
            intake.take_place(start_us);
        }
        intake.close_at(start_us);
        let mut left = Vec::new();
        while intake.watermark_us() != OPEN {
            thread::sleep(STEP);
            watch.step(&intake, &vitals, STEP);
            left.push(watch.credit);
        }
        assert!(left.len() > 1, "{left:?}");
        assert_eq!(left.pop(), Some(0.0));
        assert!(left.iter().any(|credit| *credit > 0.0), "{left:?}");
    }

    #[test]
    fn nobody_is_released_before_an_opening() {
        let intake = Intake::default();
        let mut watch = watch();
        let opens_us = intake.now_us() + DRAWN_US / 2;
        intake.hold_until(opens_us);
        for place in 0..100 {
            intake.count_pass(opens_us - DRAWN_US + place * 10_000);
        }
        watch.open_or_hold(&intake, intake.now_us());
        assert_eq!(intake.watermark_us(), opens_us - DRAWN_US);
        watch.release(&intake, opens_us - 1, 50);
        assert_eq!(intake.watermark_us(), opens_us - DRAWN_US);
        watch.open_or_hold(&intake, opens_us);
        let gone = watch.release(&intake, opens_us, 50);
        assert_eq!(gone, 50);
        assert!(intake.watermark_us() < opens_us);
    }

    #[test]
    fn a_pause_of_the_engine_keeps_no_redemption_out_and_a_queue_does() {
        let (intake, vitals) = (Intake::default(), Vitals::default());
        let mut watch = watch();
        let mut share = |looks: u32, delay_us, decided| {
            for _ in 0..looks {
                vitals.queue_delay[Priority::Redeem as usize].add(delay_us, decided);
                watch.slow_step(&intake, &vitals, intake.now_us(), 0, Duration::from_millis(100));
            }
            intake.share(Priority::Redeem)
        };
        for _ in 0..10 {
            assert_eq!(share(LATE_LOOKS - 1, 90_000, 20), WHOLE);
            assert_eq!(share(1, 1_000, 20), WHOLE);
        }
        // A look between two batches says nothing.
        vitals.waiting[Priority::Redeem as usize].store(1, Relaxed);
        for _ in 0..LATE_LOOKS {
            assert_eq!(intake.share(Priority::Redeem), WHOLE);
            share(1, 90_000, 20);
            share(1, 0, 0);
        }
        assert!(intake.share(Priority::Redeem) < WHOLE);
        assert_eq!(share(100, 90_000, 20), WHOLE / 2);
        assert_eq!(share(60, 1_000, 20), WHOLE);
    }

    #[test]
    fn a_level_is_asked_for_once() {
        let mut watch = watch();
        let (intake, vitals) = (Intake::default(), Vitals::default());
        vitals.set_phase(Phase::Ready);
        let now_us = intake.now_us();
        intake.set_watermark_us(now_us - 30_000_000);
        let mut ask = || watch.slow_step(&intake, &vitals, now_us, 0, Duration::from_millis(100));
        let asked: Vec<_> = std::iter::repeat_with(&mut ask).take(50).flatten().collect();
        // Until it is in force, or a second later.
        assert!((1..=2).contains(&asked.len()), "{asked:?}");
        assert_eq!(asked[0].level, Level::Waiting);
        // What an operator set stays.
        let by_hand = Why { by_hand: true, ..Why::default() };
        intake.set_level(Level::Lean, by_hand);
        thread::sleep(Duration::from_millis(ASK_AGAIN_MS.into()));
        assert_eq!(watch.slow_step(&intake, &vitals, now_us, 0, Duration::from_millis(100)), None);
    }
}
