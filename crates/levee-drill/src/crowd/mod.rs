//! A crowd: drives a running server through a plan over HTTP, and keeps every answer.
//!
//! | file | what it does |
//! |---|---|
//! | `generator.rs` | sends each request at its instant, over whichever connection is free |
//! | `answers.rs` | what an answer means for tally, ledger and the user's next step |
//! | `connection.rs`, `requests.rs` | HTTP at as little cost as possible |
//! | `calibrate.rs` | how much the server and this machine can take |
//! | `watch.rs` | what gates say of themselves meanwhile |
//! | `tally.rs`, `progress.rs` | counts and latencies; what is shown while it runs |

mod answers;
mod calibrate;
mod connection;
mod generator;
mod progress;
mod requests;
mod stage;
mod tally;
mod watch;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use levee_api::client::ClientError;
use levee_api::wire::{CampaignBody, MoneyBody};

pub use calibrate::calibrate;
pub use progress::{Progress, progress_line};
pub use tally::{Bucket, Counted, Latencies, OrderTally, Tally, TierTally};
pub use watch::IntakeSample;

use crate::ledger::Ledger;
use crate::numbers::{real, whole};
use crate::plan::FestivalPlan;
use generator::{Part, generate};
use progress::Shared;

/// Between two looks at the campaign's money and at the progress.
const WATCH: Duration = Duration::from_millis(250);

/// Shortest stretch of the report in real seconds; below, quantiles say little.
const BUCKET_S_MIN: f64 = 0.4;

/// How to reach a running server.
#[derive(Clone, Debug)]
pub struct ServerAccess {
    /// `host:port`.
    pub address: String,
    /// `host:port` of each of the scenario's gates, in its order; empty where users come through
    /// the address above.
    pub gates: Vec<String>,
    /// A key of the role `operator`.
    pub operator_key: String,
    /// A key of the role `app`.
    pub app_key: String,
}

impl ServerAccess {
    /// Where users come through.
    pub(crate) fn gates(&self) -> impl Iterator<Item = &str> {
        let own = self.gates.is_empty().then_some(self.address.as_str());
        own.into_iter().chain(self.gates.iter().map(String::as_str))
    }
}

/// Why a crowd could not run.
#[derive(Debug, thiserror::Error)]
pub enum CrowdError {
    /// The server could not be asked, or said no.
    #[error("{what}")]
    Server {
        /// What was tried.
        what: &'static str,
        /// What came of it.
        source: ClientError,
    },
    /// The server's clock is not where the plan needs it.
    #[error(
        "the server's clock shows {shown}, and the day starts at {starts}: start the server with \
         --clock and --speed as the plan says"
    )]
    Clock {
        /// What it shows.
        shown: String,
        /// When the day starts.
        starts: String,
    },
    /// Not all outlets were taken.
    #[error("of {count} outlets {taken} were taken: {first}")]
    Outlets {
        /// Taken.
        taken: usize,
        /// Sent.
        count: usize,
        /// What was said of the first that was not.
        first: String,
    },
    /// What is to run beside the crowd does not.
    #[error("what is to run beside the crowd does not: {0}")]
    Beside(String),
    /// The system refused something.
    #[error("a generator could not run: {0}")]
    System(#[from] std::io::Error),
}

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// A claim.
    Claim,
    /// A redemption.
    Redeem,
    /// A lock on a voucher.
    Lock,
    /// The undoing of a redemption.
    Rollback,
    /// A look-up of a made-up code.
    GuessLookUp,
    /// A redemption of a made-up code.
    GuessRedeem,
    /// An ask for offers.
    Quote,
    /// An order.
    Order,
    /// A look at an order.
    Look,
    /// The end of an order by its user.
    Cancel,
}

impl Op {
    /// How many there are.
    pub const COUNT: usize = 10;

    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Claim,
        Self::Redeem,
        Self::Lock,
        Self::Rollback,
        Self::GuessLookUp,
        Self::GuessRedeem,
        Self::Quote,
        Self::Order,
        Self::Look,
        Self::Cancel,
    ];

    /// For reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Redeem => "redemption",
            Self::Lock => "lock",
            Self::Rollback => "rollback",
            Self::GuessLookUp => "guess_look_up",
            Self::GuessRedeem => "guess_redemption",
            Self::Quote => "quote",
            Self::Order => "order",
            Self::Look => "order_look",
            Self::Cancel => "order_cancellation",
        }
    }
}

/// The campaign's money at one instant.
#[derive(Clone, Debug)]
pub struct MoneySample {
    /// Hours of the day.
    pub hour: f64,
    /// As the server told it.
    pub money: MoneyBody,
}

/// What a crowd went through.
#[derive(Clone, Debug)]
pub struct CrowdResult {
    /// What it did.
    pub plan: Arc<FestivalPlan>,
    /// What it counted.
    pub tally: Tally,
    /// What it was told.
    pub ledger: Ledger,
    /// The campaign's money while it ran.
    pub money: Vec<MoneySample>,
    /// What each gate said meanwhile, in the scenario's order.
    pub intake: Vec<Vec<IntakeSample>>,
    /// The campaign after the last answer, as the server told it.
    pub campaign: CampaignBody,
    /// How long it took, in real seconds, the last answers included.
    pub took_s: f64,
}

/// Whoever plays outlets and the payment provider beside a crowd. Both calls block.
pub trait Beside {
    /// The stage is set: at `begin` the server's clock shows the start of the day.
    ///
    /// # Errors
    /// Nobody plays, in words.
    fn begin(&mut self, begin: Instant) -> Result<(), String>;

    /// The crowd is done: waits until what it began outside has come to its end.
    ///
    /// # Errors
    /// Nobody plays any more, in words.
    fn drain(&mut self) -> Result<(), String>;
}

/// Nobody does, because nobody orders.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl Beside for Nobody {
    fn begin(&mut self, _: Instant) -> Result<(), String> {
        Ok(())
    }

    fn drain(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// Imports the plan's outlets, makes, funds and opens its campaign, sends the crowd, and waits for
/// its last answer and for `beside`. Blocks; calls `progress` about four times a second.
///
/// # Errors
/// The server cannot be set up or asked. Failures of the crowd's own requests are no errors: they
/// are in the result.
pub fn run(
    plan: &Arc<FestivalPlan>,
    access: &ServerAccess,
    beside: &mut dyn Beside,
    progress: &mut dyn FnMut(&Progress),
) -> Result<CrowdResult, CrowdError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run_async(plan, access, beside, progress))
}

async fn run_async(
    plan: &Arc<FestivalPlan>,
    access: &ServerAccess,
    beside: &mut dyn Beside,
    progress: &mut dyn FnMut(&Progress),
) -> Result<CrowdResult, CrowdError> {
    let mut operator = stage::operator(access).await?;
    // Before the campaign, which looks at the clock: whatever it takes, users come at their hour.
    stage::import_outlets(access, plan).await?;
    let begin = stage::set(&mut operator, plan).await?;
    beside.begin(begin).map_err(CrowdError::Beside)?;
    let shared = Arc::new(Shared::default());
    let parts = parts();
    let threads: Vec<_> = (0..parts)
        .map(|first| {
            let (plan, access, shared) = (Arc::clone(plan), access.clone(), Arc::clone(&shared));
            let part = Part { first, of: parts };
            std::thread::Builder::new()
                .name(format!("crowd-{first}"))
                .spawn(move || generate(&plan, &access, begin, part, &shared))
        })
        .collect::<Result<_, _>>()?;
    let gates = access.gates().map(str::to_owned);
    let watch = watch::Watch::start(plan, gates, &access.operator_key, begin)?;
    let mut money = Vec::new();
    let mut watched = (begin, 0);
    while !threads.iter().all(std::thread::JoinHandle::is_finished) {
        tokio::time::sleep(WATCH).await;
        let passed_us = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
        let hour = plan.hour_at(passed_us).min(plan.scenario().day.hours);
        if Instant::now() < begin {
            continue;
        }
        // A watcher that gets no answer shows the last one; the crowd's own errors say enough.
        match operator.campaign(&plan.scenario().campaign.id).await {
            Ok(campaign) => money.push(MoneySample { hour, money: campaign.money }),
            Err(ClientError::Connection { .. }) => {
                if let Ok(again) = stage::operator(access).await {
                    operator = again;
                }
            }
            Err(_) => {}
        }
        let claims_acked = shared.claims_acked.load(Ordering::Relaxed);
        let left = money.last().map_or(plan.budget_minor(), |last| last.money.available_minor);
        let window_s = watched.0.elapsed().as_secs_f64().max(0.001);
        let rate = whole(real(claims_acked - watched.1) / window_s);
        watched = (Instant::now(), claims_acked);
        progress(&Progress {
            hour,
            hours: plan.scenario().day.hours,
            claims_per_s: rate,
            p99_ms: crate::numbers::ms(shared.p99_us.load(Ordering::Relaxed)),
            claims_acked,
            redemptions_acked: shared.redemptions_acked.load(Ordering::Relaxed),
            budget_left_minor: left,
            budget_minor: plan.budget_minor(),
        });
    }
    let intake = watch.finish();
    let took_s = begin.elapsed().as_secs_f64();
    let mut tally = Tally::new(bucket_count(plan), plan.scenario().tiers.len());
    let mut ledger = Ledger::default();
    for thread in threads {
        let harvest = thread.join().expect("a generator does not panic")?;
        tally.merge(&harvest.tally);
        ledger.merge(harvest.ledger);
    }
    beside.drain().map_err(CrowdError::Beside)?;
    let campaign = stage::last_look(access, &plan.scenario().campaign.id).await?;
    money.push(MoneySample { hour: plan.scenario().day.hours, money: campaign.money.clone() });
    Ok(CrowdResult { plan: Arc::clone(plan), tally, ledger, money, intake, campaign, took_s })
}

/// Generator threads: one where the server needs the other cores, two on larger machines.
fn parts() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if cores >= 8 { 2 } else { 1 }
}

/// Minutes of the day in one stretch of the report: the fewest that last long enough in real time.
pub(crate) fn bucket_minutes(plan: &FestivalPlan) -> u32 {
    let lasts = |minutes: u32| f64::from(minutes) * 60.0 / plan.speed() >= BUCKET_S_MIN;
    [1, 2, 5, 10, 15, 30].into_iter().find(|minutes| lasts(*minutes)).unwrap_or(60)
}

/// Stretches of the whole day.
pub(crate) fn bucket_count(plan: &FestivalPlan) -> usize {
    let minutes = plan.scenario().day.hours * 60.0 / f64::from(bucket_minutes(plan));
    crate::numbers::place(minutes.ceil(), 100_000).max(1)
}

/// The stretch of a real instant after the start; what comes after the day counts to the last.
pub(crate) fn bucket_of(plan: &FestivalPlan, at_us: u64, count: usize) -> usize {
    let place = plan.hour_at(at_us) * 60.0 / f64::from(bucket_minutes(plan));
    crate::numbers::place(place.floor(), count - 1)
}

#[cfg(test)]
mod tests;
