//! What a gate counts and measures, for the steward, the metrics and autoscalers.

use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use levee_api::intake::GateReport;
use levee_api::port::Priority;
use levee_api::vitals::Histogram;
use rustix::time::{ClockId, clock_gettime};
use tokio::time::sleep;

use crate::metrics::{Count, Longest};
use crate::worker::{Hub, Worker};

/// How often the delay of an event loop is measured.
const MEASURE: Duration = Duration::from_millis(20);

/// How often a gate reports.
const REPORT: Duration = Duration::from_millis(100);

/// Quantiles are of so many reports' time.
const QUANTILE_REPORTS: usize = 10;

/// One worker's counts; only that worker adds to them.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) arrived: [Count; Priority::COUNT],
    pub(crate) admitted: [Count; Priority::COUNT],
    pub(crate) shed: [Count; Priority::COUNT],
    pub(crate) told_to_wait: Count,
    pub(crate) passes_issued: Count,
    pub(crate) passes_admitted: Count,
    pub(crate) within_bound: Count,
    pub(crate) bound_kept: Count,
    pub(crate) bound_missed: Count,
    pub(crate) polled_early: Count,
    /// From being let in to the engine's reply, of claims.
    pub(crate) claim_time: Histogram,
    /// The worst since the last report took it.
    loop_delay_us: AtomicU64,
}

impl Tally {
    /// A request that is let in.
    pub(crate) fn admit(&self, lane: Priority) {
        self.arrived[lane as usize].add(1);
        self.admitted[lane as usize].add(1);
    }

    /// A request that is turned away.
    pub(crate) fn turn_away(&self, lane: Priority) {
        self.arrived[lane as usize].add(1);
        self.shed[lane as usize].add(1);
    }
}

/// Measures how late a worker's event loop is, for as long as the worker lives.
pub(crate) async fn measure_forever(worker: Rc<Worker>) {
    loop {
        let due = Instant::now() + MEASURE;
        sleep(MEASURE).await;
        let late = Instant::now().saturating_duration_since(due);
        let us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        worker.lane().tally.loop_delay_us.fetch_max(us, Relaxed);
        worker.door.feel(late);
    }
}

/// Reports for the whole gate, for as long as the worker lives that does it.
pub(crate) async fn report_forever(worker: Rc<Worker>) {
    let intake = worker.hub.ports.submit.intake();
    let mut past = [[0; Histogram::LEN]; QUANTILE_REPORTS];
    let mut longest = Longest::default();
    for turn in (0..QUANTILE_REPORTS).cycle() {
        sleep(REPORT).await;
        let times = claim_times(&worker.hub);
        let before = std::mem::replace(&mut past[turn], times);
        let lately = std::array::from_fn(|bucket| times[bucket] - before[bucket]);
        let lags = worker.hub.lanes.iter().map(|lane| lane.stats.lag.take_longest_ms());
        let callback_lag_ms = longest.add(lags.max().unwrap_or(0));
        let report = GateReport { callback_lag_ms, ..report(&worker.hub, lately) };
        intake.report(worker.hub.number, report);
    }
}

fn claim_times(hub: &Hub) -> [u64; Histogram::LEN] {
    let mut sum = [0; Histogram::LEN];
    for lane in &hub.lanes {
        let counts = lane.tally.claim_time.counts();
        sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    sum
}

fn report(hub: &Hub, times: [u64; Histogram::LEN]) -> GateReport {
    let tallies = || hub.lanes.iter().map(|lane| &lane.tally);
    let by_lane = |counts: fn(&Tally) -> &[Count; Priority::COUNT]| {
        std::array::from_fn(|lane| tallies().map(|tally| counts(tally)[lane].get()).sum())
    };
    let sum = |count: fn(&Tally) -> &Count| tallies().map(|tally| count(tally).get()).sum();
    let open: usize = hub.lanes.iter().map(|lane| lane.open.load(Relaxed)).sum();
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let cpu_us = cpu.tv_sec.unsigned_abs() * 1_000_000 + cpu.tv_nsec.unsigned_abs() / 1_000;
    GateReport {
        name: hub.config.name.clone(),
        region: hub.config.region.clone(),
        tier: hub.config.tier.clone(),
        arrived: by_lane(|tally| &tally.arrived),
        admitted: by_lane(|tally| &tally.admitted),
        shed: by_lane(|tally| &tally.shed),
        told_to_wait: sum(|tally| &tally.told_to_wait),
        passes_issued: sum(|tally| &tally.passes_issued),
        passes_admitted: sum(|tally| &tally.passes_admitted),
        within_bound: sum(|tally| &tally.within_bound),
        bound_kept: sum(|tally| &tally.bound_kept),
        bound_missed: sum(|tally| &tally.bound_missed),
        polled_early: sum(|tally| &tally.polled_early),
        connections: open as u64,
        connections_max: hub.config.connections_max as u64,
        cpu_us,
        loop_delay_us: tallies().map(|t| t.loop_delay_us.swap(0, Relaxed)).max().unwrap_or(0),
        queue_delay_us: [50, 99]
            .map(|percent| Histogram::quantile_us(&times, percent).unwrap_or(0)),
        ..GateReport::default()
    }
}
