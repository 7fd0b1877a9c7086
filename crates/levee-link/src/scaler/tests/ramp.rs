//! The scaler and a signal from the processor's load, on the same ramps, in virtual time.
//!
//! The gate: one core, 50 us a request, first come first served, in steps of 100 ms. What it cannot
//! take waits in its sockets, so its loop is late by the time that the waiting would take. Both
//! signals are looked at when Kubernetes does, every 15 s, and ask for a second gate when they
//! first exceed one. The processor's signal: its load, averaged over a window, above 80%.

use std::sync::Arc;

use levee_api::intake::{GateReport, Intake};
use levee_api::port::Priority;

use crate::scaler::desk::Desk;
use crate::scaler::wire::{GetMetricsRequest, ScaledObjectRef};

const SERVICE_US: f64 = 50.0;
const STEP_MS: u64 = 100;
const SYNC_MS: u64 = 15_000;
const CPU_TARGET: f64 = 0.8;
/// An hour: what has not been asked for until then is not asked for.
const END_MS: u64 = 3_600_000;

/// Arrivals a second at a moment.
type Arrivals = fn(f64) -> f64;

/// One core that works through what arrives.
#[derive(Default)]
struct SimulatedGate {
    /// Time of the processor that what waits will take.
    backlog_us: f64,
    arrived: f64,
    cpu_us: f64,
}

impl SimulatedGate {
    fn step(&mut self, per_s: f64) {
        let step_us = STEP_MS as f64 * 1_000.0;
        let work_us = self.backlog_us + per_s * STEP_MS as f64 / 1_000.0 * SERVICE_US;
        let done_us = work_us.min(step_us);
        self.backlog_us = work_us - done_us;
        // A request counts when it is read from its socket.
        self.arrived += done_us / SERVICE_US;
        self.cpu_us += done_us;
    }

    #[expect(clippy::cast_possible_truncation, reason = "an hour has 4e9 us")]
    fn report(&self) -> GateReport {
        let mut report = GateReport {
            connections: 1_000,
            connections_max: 16_384,
            cpu_us: self.cpu_us as u64,
            loop_delay_us: self.backlog_us as u64,
            queue_delay_us: [1_500, 4_000],
            ..GateReport::default()
        };
        report.arrived[Priority::Claim as usize] = self.arrived as u64;
        report
    }
}

/// When each signal first asks for a second gate, in seconds: the scaler's, and the processor's
/// over a window of so many seconds. `None`: not within the hour.
fn compare(arrivals: Arrivals, cpu_window_s: usize) -> (Option<u64>, Option<u64>) {
    let intake = Arc::<Intake>::default();
    let desk = Desk::new(Arc::clone(&intake));
    let request = GetMetricsRequest {
        scaled_object_ref: Some(ScaledObjectRef {
            name: "gates".to_owned(),
            namespace: "shop".to_owned(),
            scaler_metadata: std::collections::HashMap::default(),
        }),
        metric_name: "levee-gates".to_owned(),
    };
    let mut gate = SimulatedGate::default();
    // Processor time used until each second.
    let mut cpu_us = Vec::new();
    let (mut scaler_s, mut cpu_s) = (None, None);
    for now_ms in (0..END_MS / STEP_MS).map(|step| step * STEP_MS) {
        if now_ms % 1_000 == 0 {
            cpu_us.push(gate.cpu_us);
            intake.report(0, gate.report());
            desk.read(now_ms);
        }
        if now_ms % SYNC_MS == 0 && now_ms > 0 {
            let wanted = desk.metrics(&request).expect("the gate reports").metric_values[0].clone();
            if wanted.metric_value > 1 {
                scaler_s = scaler_s.or(Some(now_ms / 1_000));
            }
            let now = cpu_us.len() - 1;
            if now >= cpu_window_s {
                let used_us = cpu_us[now] - cpu_us[now - cpu_window_s];
                if used_us / (cpu_window_s as f64 * 1_000_000.0) > CPU_TARGET {
                    cpu_s = cpu_s.or(Some(now_ms / 1_000));
                }
            }
        }
        gate.step(arrivals(now_ms as f64 / 1_000.0));
    }
    (scaler_s, cpu_s)
}

/// The scaler asks at least so many seconds before either window of the processor's load.
#[track_caller]
fn check(name: &str, arrivals: Arrivals, before_s: u64) {
    for cpu_window_s in [30, 60] {
        let (scaler_s, cpu_s) = compare(arrivals, cpu_window_s);
        let (scaler_s, cpu_s) = (scaler_s.expect("asked"), cpu_s.expect("asked"));
        println!(
            "{name}: the scaler asks at {scaler_s} s, load over {cpu_window_s} s above 80% at {cpu_s} s"
        );
        let needed_s = if cpu_window_s == 60 { before_s } else { 0 };
        assert!(scaler_s + needed_s <= cpu_s, "{name}: {scaler_s} {cpu_s}");
    }
}

#[test]
fn it_asks_ten_seconds_before_the_processors_load_does() {
    // From 2,000 a second, on to 30,000 and more: a tenth to one and a half of what one gate takes.
    check("28,000 more in one minute", |s| 2_000.0 + s * 28_000.0 / 60.0, 10);
    check("28,000 more in five minutes", |s| 2_000.0 + s * 28_000.0 / 300.0, 10);
    check("28,000 more in half an hour", |s| 2_000.0 + s * 28_000.0 / 1_800.0, 10);
    check("30,000 at once after two minutes", |s| if s < 120.0 { 2_000.0 } else { 30_000.0 }, 10);
}

#[test]
fn it_asks_for_nothing_that_is_not_needed() {
    // Half of what one gate takes, for an hour; and waves up to there.
    let steady: Arrivals = |_| 10_000.0;
    let waves: Arrivals = |s| 7_000.0 + 3_000.0 * (s / 60.0).sin();
    for arrivals in [steady, waves] {
        assert_eq!(compare(arrivals, 60), (None, None));
    }
}
