//! What gates say of themselves and of the waiting room while a crowd runs.
//!
//! Each gate knows its own figures only, so each is asked by a thread of its own: one that is slow
//! must not hide what the others say. `GET /v1/intake` is served at every level.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use levee_api::client::Client;
use levee_api::types::Level;
use levee_api::wire::{GateBody, IntakeBody};

use crate::plan::FestivalPlan;

/// Between two looks at one gate, at least and at most, and looks over the whole day.
const EVERY_MIN: Duration = Duration::from_millis(50);
const EVERY_MAX: Duration = Duration::from_millis(500);
const LOOKS: u32 = 600;

/// A gate that does not answer in this time is asked again.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What one gate said at one moment.
#[derive(Clone, Debug)]
pub struct IntakeSample {
    /// Real microseconds after the start, when the answer came.
    pub at_us: u64,
    /// The brownout level that held.
    pub level: &'static str,
    /// Why.
    pub reason: String,
    /// Passes that waited.
    pub people: u64,
    /// How long ago those came who were let in then, in milliseconds.
    pub lag_ms: u64,
    /// Passes that were let in, a second.
    pub released_per_s: f64,
    /// The gate's own figures; `None` until it has reported for the first time.
    pub gate: Option<GateBody>,
}

/// Asks gates until it is told to stop.
pub(super) struct Watch {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<IntakeSample>>>,
}

impl Watch {
    /// Starts one thread for each gate.
    pub(super) fn start(
        plan: &FestivalPlan,
        gates: impl Iterator<Item = String>,
        key: &str,
        begin: Instant,
    ) -> std::io::Result<Self> {
        let every = Duration::from_secs(plan.seconds().into()) / LOOKS;
        let every = every.clamp(EVERY_MIN, EVERY_MAX);
        let stop = Arc::new(AtomicBool::new(false));
        let threads = gates.map(|address| {
            let (stop, key) = (Arc::clone(&stop), key.to_owned());
            std::thread::Builder::new()
                .name("crowd-watch".to_owned())
                .spawn(move || look(&address, &key, begin, every, &stop))
        });
        Ok(Self { threads: threads.collect::<Result<_, _>>()?, stop })
    }

    /// What each gate said, in the order in which they were given.
    pub(super) fn finish(self) -> Vec<Vec<IntakeSample>> {
        self.stop.store(true, Ordering::Relaxed);
        let joined = self.threads.into_iter().map(JoinHandle::join);
        joined.map(|samples| samples.expect("a watcher does not panic")).collect()
    }
}

fn look(
    address: &str,
    key: &str,
    begin: Instant,
    every: Duration,
    stop: &AtomicBool,
) -> Vec<IntakeSample> {
    let mut samples = Vec::new();
    // Without a runtime there is nothing to see, and the drill goes on.
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return samples;
    };
    runtime.block_on(async {
        let mut client = None;
        let mut next = begin;
        while !stop.load(Ordering::Relaxed) {
            tokio::time::sleep_until(next.into()).await;
            next = Instant::now() + every;
            let asked = tokio::time::timeout(ANSWER_WITHIN, ask(&mut client, address, key)).await;
            match asked {
                Ok(Some(body)) => samples.push(sample(body, begin)),
                // A connection that failed, or whose answer may still come, is of no more use.
                Ok(None) | Err(_) => client = None,
            }
        }
    });
    samples
}

async fn ask(client: &mut Option<Client>, address: &str, key: &str) -> Option<IntakeBody> {
    if client.is_none() {
        *client = Some(Client::connect(address, key).await.ok()?);
    }
    client.as_mut()?.get("/v1/intake").await.ok()
}

fn sample(body: IntakeBody, begin: Instant) -> IntakeSample {
    IntakeSample {
        at_us: u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX),
        level: Level::from(body.level.level).name(),
        reason: body.level.reason,
        people: body.waiting.people,
        lag_ms: body.waiting.lag_ms,
        released_per_s: body.waiting.released_per_s,
        gate: body.gates.into_iter().next(),
    }
}
