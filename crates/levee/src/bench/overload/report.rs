//! The figures, as JSON and as text.

use serde::Serialize;

use super::{Over, Regime};

/// Everything that was measured; what was not asked for is null.
#[derive(Debug, Default, Serialize)]
pub(super) struct Figures {
    /// The engine's limit in regime a.
    pub(super) claims_per_s: u32,
    /// What the crowd's connections went over.
    pub(super) over: Over,
    /// What it takes without one, in a closed loop.
    pub(super) capacity_per_s: Option<f64>,
    /// The same with the gate in a process of its own.
    pub(super) capacity_gate_process_per_s: Option<f64>,
    pub(super) cases: Vec<CaseFigures>,
    /// Null also where the delay had not settled at the end.
    pub(super) step_settle_ms: Option<f64>,
    pub(super) step: Option<StepFigures>,
    /// Null also where it had not recovered at the end.
    pub(super) recovery_ms: Option<f64>,
    pub(super) recovery: Option<RecoveryFigures>,
    pub(super) estimate: Option<EstimateFigures>,
    pub(super) waiting: Option<WaitingFigures>,
    pub(super) refusal_cost_ratio: Option<f64>,
    pub(super) refusal: Option<RefusalFigures>,
}

/// One case. Rates and latencies are of its steady part, counts of all of it.
#[derive(Debug, Serialize)]
pub(super) struct CaseFigures {
    pub(super) regime: Regime,
    pub(super) factor: f64,
    pub(super) cooperating: bool,
    pub(super) gate_process: bool,
    pub(super) admission: bool,
    /// What the same set-up takes in a closed loop; in regime a the limit.
    pub(super) capacity_per_s: f64,
    /// Durable claims acknowledged in time, of the capacity. In time: within a second after the
    /// request that was admitted was due.
    pub(super) goodput_share: f64,
    pub(super) goodput_per_s: f64,
    /// Users who came, by the plan.
    pub(super) users_per_s: f64,
    /// Requests that were due: first ones, polls and retries.
    pub(super) due_per_s: f64,
    /// Requests sent.
    pub(super) offered_per_s: f64,
    /// Of one core.
    pub(super) generator_core_share: f64,
    /// The generator fell behind, and not the server: see `offered_per_s` for what was offered.
    pub(super) generator_limited: bool,
    /// Of the processors' time, what the host of a virtual machine kept to itself.
    pub(super) stolen_share: f64,
    pub(super) admitted_p99_ms: Option<f64>,
    pub(super) half_load_p99_ms: f64,
    pub(super) admitted_p99_ratio: Option<f64>,
    /// Medians of the p99s of half seconds: what most of the time is like. A pause, the machine's or
    /// one of the server's own, counts as one of many here, and shows in the p99 of all. Null where
    /// most half seconds had too few claims for one.
    pub(super) admitted_p99_median_ms: Option<f64>,
    pub(super) half_load_p99_median_ms: Option<f64>,
    pub(super) admitted_p99_median_ratio: Option<f64>,
    pub(super) redemptions_in_time: Option<f64>,
    pub(super) arrived: u64,
    pub(super) admitted: u64,
    /// 429 `rate_limited` and 503.
    pub(super) shed: u64,
    /// Users who were told to wait.
    pub(super) waited: u64,
    /// Answers that told them.
    pub(super) told: u64,
    /// Due requests that found no connection within a second.
    pub(super) unsent: u64,
    /// Requests whose users no longer waited.
    pub(super) abandoned: u64,
    /// Requests whose connection broke.
    pub(super) broken: u64,
    /// Acknowledged claims that the journal does not hold.
    pub(super) lost: u64,
    pub(super) fairness_inversions: u64,
    /// Null where no bound was past at the end.
    pub(super) estimate_within_p90: Option<f64>,
}

#[derive(Debug, Serialize)]
pub(super) struct EstimateFigures {
    /// Users who were told to wait.
    pub(super) waited: u64,
    /// Of them, the share that was in by the `eta_p90_ms` of the first answer.
    pub(super) within_p90: Option<f64>,
    /// The same of each wave.
    pub(super) waves_within_p90: Vec<Option<f64>>,
    pub(super) fairness_inversions: u64,
    pub(super) generator_limited: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct StepFigures {
    pub(super) settle_ms: Option<f64>,
    /// The worst mean between two looks.
    pub(super) worst_ms: f64,
    pub(super) looks: usize,
    pub(super) due_per_s: f64,
    pub(super) offered_per_s: f64,
    pub(super) generator_limited: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct RecoveryFigures {
    pub(super) recovery_ms: Option<f64>,
    pub(super) users_per_s: f64,
    pub(super) offered_per_s: f64,
    pub(super) generator_limited: bool,
    /// Goodput of each window of 250 ms since the server went on, of what was offered.
    pub(super) windows_share: Vec<f64>,
    pub(super) lost: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct WaitingFigures {
    /// Users who got a pass.
    pub(super) users: u64,
    /// Users with a request still to come at the end.
    pub(super) waiting_at_end: usize,
    /// The server's processor time, of one core.
    pub(super) core_share: f64,
    /// The same at nine tenths of the claims while nobody waited.
    pub(super) core_share_before: f64,
    /// Growth of the server's resident memory; null if nobody got a pass.
    pub(super) bytes_each: Option<f64>,
    pub(super) polls_per_s: f64,
    pub(super) due_per_s: f64,
    pub(super) generator_limited: bool,
    pub(super) unsent: u64,
    pub(super) fairness_inversions: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct RefusalFigures {
    pub(super) ratio: f64,
    pub(super) refusal_us: f64,
    pub(super) claim_us: f64,
}

impl Figures {
    /// Whether every acknowledged claim was in the journal.
    pub(super) fn nothing_lost(&self) -> bool {
        let cases = self.cases.iter().map(|case| case.lost);
        cases.chain(self.recovery.iter().map(|recovery| recovery.lost)).sum::<u64>() == 0
    }
}

/// Of `value`, or a dash.
fn or_dash(value: Option<f64>, digits: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
}

const GENERATOR_LIMITED: &str = " (the generator fell behind: less was offered than planned)";

fn limited(is: bool) -> &'static str {
    if is { GENERATOR_LIMITED } else { "" }
}

pub(super) fn print(figures: &Figures) {
    println!("the crowd comes over {}", figures.over.name());
    let behind = ["in one process", "with a gate of its own"];
    let capacities = [figures.capacity_per_s, figures.capacity_gate_process_per_s];
    for (capacity, behind) in capacities.into_iter().zip(behind) {
        if let Some(capacity) = capacity {
            println!("{capacity:.0} claims/s without a limit, in a closed loop, {behind}");
        }
    }
    if !figures.cases.is_empty() {
        println!(
            "regime factor users       admission gate goodput due/s   sent/s  gen  p99 ms   ratio median   m/half \
             redeemed shed     waited   told     unsent   inversions p90"
        );
    }
    for case in &figures.cases {
        print_case(case);
    }
    if let Some(step) = &figures.step {
        let settled = step.settle_ms.map_or("not".to_owned(), |ms| format!("after {ms:.0} ms"));
        println!(
            "step from 0.7 to 10: settled {settled}, worst mean delay {:.1} ms, {:.0} of {:.0} \
             requests/s sent{}",
            step.worst_ms,
            step.offered_per_s,
            step.due_per_s,
            limited(step.generator_limited)
        );
    }
    if let Some(recovery) = &figures.recovery {
        let after = recovery.recovery_ms.map_or("not".to_owned(), |ms| format!("after {ms:.0} ms"));
        println!(
            "after a stop at {:.0} users/s: recovered {after}{}",
            recovery.users_per_s,
            limited(recovery.generator_limited)
        );
    }
    if let Some(estimate) = &figures.estimate {
        let waves = estimate.waves_within_p90.iter().map(|wave| or_dash(*wave, 3));
        let waves: Vec<_> = waves.collect();
        println!(
            "of {} users who waited {} were in by the p90 they were told first (wave by wave {}){}",
            estimate.waited,
            or_dash(estimate.within_p90, 3),
            waves.join(", "),
            limited(estimate.generator_limited)
        );
    }
    if let Some(waiting) = &figures.waiting {
        println!(
            "{} users wait: {:.3} of a core ({:.3} before they came), {} bytes each, \
             {:.0} of {:.0} polls/s sent{}",
            waiting.users,
            waiting.core_share,
            waiting.core_share_before,
            or_dash(waiting.bytes_each, 1),
            waiting.polls_per_s,
            waiting.due_per_s,
            limited(waiting.generator_limited)
        );
    }
    if let Some(refusal) = &figures.refusal {
        println!(
            "a refusal takes {:.1} us of the server, a claim {:.1}: {:.2}",
            refusal.refusal_us, refusal.claim_us, refusal.ratio
        );
    }
    if !figures.nothing_lost() {
        println!("ACKNOWLEDGED CLAIMS ARE MISSING in the journal");
    }
}

fn print_case(case: &CaseFigures) {
    println!(
        "{:<6} {:<6} {:<11} {:<9} {:<4} {:<7.3} {:<7.0} {:<7.0} {:<4.2} {:<8} {:<5} {:<8} {:<5} {:<8} {:<8} \
         {:<8} {:<8} {:<8} {:<10} {}{}",
        case.regime.name(),
        case.factor,
        if case.cooperating { "cooperating" } else { "hammering" },
        if case.admission { "on" } else { "off" },
        if case.gate_process { "own" } else { "in" },
        case.goodput_share,
        case.due_per_s,
        case.offered_per_s,
        case.generator_core_share,
        or_dash(case.admitted_p99_ms, 2),
        or_dash(case.admitted_p99_ratio, 1),
        or_dash(case.admitted_p99_median_ms, 2),
        or_dash(case.admitted_p99_median_ratio, 1),
        or_dash(case.redemptions_in_time, 4),
        case.shed,
        case.waited,
        case.told,
        case.unsent,
        case.fairness_inversions,
        or_dash(case.estimate_within_p90, 3),
        limited(case.generator_limited)
    );
}
