//! Everything that the sandbox knows, behind one lock, and who is woken when something follows.
//!
//! Requests, calls and what is due each take the lock for some microseconds; nobody waits for
//! anything while holding it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use levee_api::time::Instant;
use tokio::sync::Notify;

use super::clock::Clock;
use super::config::{SandboxConfig, Secrets};
use super::draw::{Draw, whole};
use super::effects::{Due, Effects};
use super::kitchens::Kitchens;
use super::provider::Provider;
use super::stats::{OpenStats, RequestStats, Stats};

/// Things that are done in one turn before requests get theirs.
const DUE_PER_TURN: usize = 1_000;

/// Slow outlets answer no sooner than this in real time: whoever asks them waits for a quarter of a
/// second at least, however fast the day runs.
const LATE_MIN: Duration = Duration::from_millis(500);

/// Outlets, provider, and what is to follow.
#[derive(Debug)]
pub(super) struct World {
    pub(super) kitchens: Kitchens,
    pub(super) provider: Provider,
    pub(super) effects: Effects,
    pub(super) requests: RequestStats,
}

/// What all tasks share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) draw: Draw,
    pub(super) secrets: Secrets,
    /// Where Levee is, without a slash at the end.
    pub(super) levee: String,
    /// How late slow outlets answer.
    pub(super) late: Duration,
    epoch_ms: u64,
    speed: f64,
    seed: u64,
    world: Mutex<World>,
    /// Something is due earlier than all before.
    sooner: Notify,
    /// There are steps to be said.
    pub(super) steps: Notify,
    /// There are callbacks to be sent.
    pub(super) callbacks: Notify,
}

impl Shared {
    /// From a configuration that was checked.
    pub(super) fn new(config: SandboxConfig, levee: String, own_url: String) -> Self {
        let draw = Draw::new(config.seed);
        let real_ms = u64::try_from(unix_now().as_millis()).unwrap_or(u64::MAX);
        let epoch_ms = config.epoch_ms.unwrap_or(real_ms);
        let day_ms = config.day_starts_at_ms;
        let clock = Clock::start(epoch_ms, config.speed);
        let late_ms = whole(config.kitchens.faults.slow.answer_after_s * 1_000.0);
        let late = clock.to_real(late_ms).max(LATE_MIN);
        Self {
            clock,
            draw,
            secrets: config.secrets,
            levee,
            late,
            epoch_ms,
            speed: config.speed,
            seed: config.seed,
            world: Mutex::new(World {
                kitchens: Kitchens::new(draw, config.kitchens, day_ms),
                provider: Provider::new(draw, config.payments, day_ms, own_url),
                effects: Effects::new(),
                requests: RequestStats::default(),
            }),
            sooner: Notify::new(),
            steps: Notify::new(),
            callbacks: Notify::new(),
        }
    }

    /// Does something at the time it is now, and wakes whoever has to do with what follows.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut World, u64) -> T) -> T {
        // A panic while it was held was reported where it happened.
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let before_ms = world.effects.agenda.next_ms().unwrap_or(u64::MAX);
        let done = act(&mut world, self.clock.now_ms());
        let effects = &world.effects;
        if effects.agenda.next_ms().is_some_and(|next_ms| next_ms < before_ms) {
            self.sooner.notify_one();
        }
        // Whoever takes one comes through here, and wakes the next.
        if !effects.steps.is_empty() {
            self.steps.notify_one();
        }
        if !effects.callbacks.is_empty() {
            self.callbacks.notify_one();
        }
        done
    }

    /// All counts as they are now.
    pub(super) fn stats(&self) -> Stats {
        self.with(|world, now_ms| {
            let (tickets, mut kitchens) = world.kitchens.stats();
            kitchens.retain(|class| class.outlets > 0);
            Stats {
                at: Instant { ms: now_ms },
                elapsed_ms: now_ms - self.epoch_ms,
                speed: self.speed,
                seed: self.seed,
                open: OpenStats {
                    tickets: world.kitchens.open_count(),
                    payments: world.provider.open_count(),
                },
                tickets,
                kitchens,
                payments: world.provider.stats(),
                requests: world.requests,
            }
        })
    }
}

impl World {
    /// Does what is due by now, but for so much at once; whether there is more.
    fn turn(&mut self, now_ms: u64) -> bool {
        for _ in 0..DUE_PER_TURN {
            let Some((due_ms, due)) = self.effects.agenda.take(now_ms) else { return false };
            let effects = &mut self.effects;
            match due {
                Due::Think { .. } | Due::Settle { .. } | Due::Callback(_) => {
                    self.provider.due(effects, now_ms, due);
                }
                _ => self.kitchens.due(effects, due_ms, now_ms, due),
            }
        }
        true
    }
}

/// Does what is due when it is, for as long as the sandbox runs.
pub(super) async fn keep_time(shared: Arc<Shared>) {
    loop {
        let next = shared.with(|world, now_ms| {
            if world.turn(now_ms) { Some(now_ms) } else { world.effects.agenda.next_ms() }
        });
        match next {
            Some(due_ms) => {
                let wait = tokio::time::sleep(shared.clock.until(due_ms));
                tokio::select! {
                    () = wait => {}
                    () = shared.sooner.notified() => {}
                }
            }
            None => shared.sooner.notified().await,
        }
    }
}

/// Real time since 1970. Signatures carry it: they protect what travels now, however fast the day
/// runs.
pub(super) fn unix_now() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}
