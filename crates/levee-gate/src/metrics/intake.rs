//! Who is let in, what every gate reports of itself, and what an autoscaler is told.

use std::collections::BTreeSet;
use std::fmt::Write;

use levee_api::advice::Reason;
use levee_api::intake::{GateReport, Intake, OPEN, WHOLE};
use levee_api::port::Priority;
use levee_api::types::Level;

use super::Text;

/// Gates that are shown: the first by number. Every one is about thirty time series.
const GATES_SHOWN_MAX: usize = 200;

/// Characters of a label's value that are shown.
const LABEL_LEN_MAX: usize = 64;

/// Everything of the intake's.
pub(crate) fn intake(intake: &Intake) -> String {
    let mut text = Text(String::with_capacity(16 * 1024));
    let reports = intake.gates();
    levels(&mut text, intake);
    room(&mut text, intake);
    text.one("levee_intake_gates", "gauge", "Gates that report.", reports.len() as u64);
    gates(&mut text, &reports[..reports.len().min(GATES_SHOWN_MAX)]);
    advice(&mut text, intake);
    text.0
}

fn levels(text: &mut Text, intake: &Intake) {
    let name = "levee_intake_level";
    text.head(name, "gauge", "1 for the level that the engine is at.");
    let current = intake.level();
    for level in Level::ALL {
        text.sample(name, &format!("level=\"{}\"", level.name()), u64::from(level == current));
    }
    let by_hand = u64::from(intake.why().by_hand);
    text.one("levee_intake_level_by_hand", "gauge", "1 if an operator set the level.", by_hand);
}

fn room(text: &mut Text, intake: &Intake) {
    let (now_us, watermark_us) = (intake.now_us(), intake.watermark_us());
    let name = "levee_intake_room_closed";
    text.one(name, "gauge", "1 while somebody waits.", u64::from(watermark_us != OPEN));
    let name = "levee_intake_watermark_lag_seconds";
    text.head(name, "gauge", "How long ago those came who are let in now; 0 while nobody waits.");
    text.fraction(name, "", now_us.saturating_sub(watermark_us), 1_000_000);
    let waiting = intake.passes_waiting(now_us);
    text.one("levee_intake_waiting", "gauge", "Passes that wait.", waiting);
    let name = "levee_intake_released_per_second";
    text.head(name, "gauge", "Passes that the watermark goes through in a second.");
    text.fraction(name, "", intake.released_per_ks(), 1_000);
    let name = "levee_intake_window";
    text.head(
        name,
        "gauge",
        "Claims that may be with the engine before newcomers wait, while nobody does.",
    );
    match intake.window() {
        u64::MAX => text.line(name, "", "+Inf"),
        window => text.sample(name, "", window),
    }
    let name = "levee_intake_claims_per_second_max";
    let help = "Claims that the engine decides in a second at most; 0: as many as it can.";
    text.one(name, "gauge", help, intake.claims_per_s());
    let name = "levee_intake_share";
    text.head(name, "gauge", "Share of the users that may use a lane.");
    for lane in Priority::ALL {
        let millionths = u64::from(intake.share(lane)) * 1_000_000 / u64::from(WHOLE);
        text.fraction(name, &format!("lane=\"{}\"", lane.name()), millionths, 1_000_000);
    }
    let name = "levee_intake_bound_margin";
    let help = "What an estimate lacks to be kept in nine cases of ten, in parts of 25 ms and a \
                four-thousandth of it.";
    text.head(name, "gauge", help);
    text.fraction(name, "", intake.margin_permille(), 1_000);
}

/// What gates report, each with the labels `gate`, `region` and `tier`.
fn gates(text: &mut Text, reports: &[(u32, GateReport)]) {
    let labels = labels(reports);
    let shown = || labels.iter().zip(reports.iter().map(|(_, report)| report));

    type Lanes = fn(&GateReport) -> &[u64; Priority::COUNT];
    let lanes: [(&str, &str, Lanes); 3] = [
        ("levee_gate_arrivals_total", "Requests for the engine.", |report| &report.arrived),
        ("levee_gate_admitted_total", "Of them, those let in.", |report| &report.admitted),
        ("levee_gate_shed_total", "Of them, those turned away.", |report| &report.shed),
    ];
    for (name, help, of) in lanes {
        text.head(name, "counter", help);
        for (labels, report) in shown() {
            for lane in Priority::ALL {
                let labels = format!("{labels},lane=\"{}\"", lane.name());
                text.sample(name, &labels, of(report)[lane as usize]);
            }
        }
    }

    type Of = fn(&GateReport) -> u64;
    let numbers: [(&str, &str, &str, Of); 7] = [
        ("levee_gate_told_to_wait_total", "counter", "Answers 429 waiting.", |report| {
            report.told_to_wait
        }),
        ("levee_gate_passes_issued_total", "counter", "Passes given to newcomers.", |report| {
            report.passes_issued
        }),
        ("levee_gate_passes_admitted_total", "counter", "Passes let in.", |report| {
            report.passes_admitted
        }),
        (
            "levee_gate_passes_within_bound_total",
            "counter",
            "Of them, those let in within the bound that they were told first.",
            |report| report.within_bound,
        ),
        (
            "levee_gate_passes_polled_early_total",
            "counter",
            "Passes shown before the time that they were told.",
            |report| report.polled_early,
        ),
        ("levee_gate_sockets", "gauge", "Open connections, as reported.", |report| {
            report.connections
        }),
        ("levee_gate_sockets_max", "gauge", "Connections that it takes at most.", |report| {
            report.connections_max
        }),
    ];
    for (name, kind, help, of) in numbers {
        text.head(name, kind, help);
        for (labels, report) in shown() {
            text.sample(name, labels, of(report));
        }
    }

    let times: [(&str, &str, &str, Of); 2] = [
        ("levee_gate_cpu_seconds_total", "counter", "Processor time used.", |report| report.cpu_us),
        (
            "levee_gate_loop_delay_seconds",
            "gauge",
            "How late its event loops are, the worst of the last report's time.",
            |report| report.loop_delay_us,
        ),
    ];
    for (name, kind, help, of) in times {
        text.head(name, kind, help);
        for (labels, report) in shown() {
            text.fraction(name, labels, of(report), 1_000_000);
        }
    }
    let name = "levee_gate_queue_delay_seconds";
    text.head(name, "gauge", "Queue delay in the engine of what it let in, by quantile.");
    for (labels, report) in shown() {
        for (quantile, us) in ["0.5", "0.99"].iter().zip(report.queue_delay_us) {
            let labels = format!("{labels},quantile=\"{quantile}\"");
            text.fraction(name, &labels, us, 1_000_000);
        }
    }
}

/// The labels of each gate. No two gates have the same, whatever they call themselves: a doubled
/// time series would cost the whole scrape.
fn labels(reports: &[(u32, GateReport)]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    reports
        .iter()
        .map(|(number, report)| {
            let mut gate = label(&report.name);
            if gate.is_empty() || !taken.insert(gate.clone()) {
                // `label` lets no `#` through, so nobody can have chosen this name.
                let _ = write!(gate, "#{number}");
            }
            let (region, tier) = (label(&report.region), label(&report.tier));
            format!("gate=\"{gate}\",region=\"{region}\",tier=\"{tier}\"")
        })
        .collect()
}

/// A value from outside as it may stand between quotation marks.
fn label(value: &str) -> String {
    let harmless = |c: char| match c {
        '"' | '\\' | '#' => '_',
        c if c.is_control() => '_',
        c => c,
    };
    value.chars().take(LABEL_LEN_MAX).map(harmless).collect()
}

fn advice(text: &mut Text, intake: &Intake) {
    let advice = intake.advice();
    let name = "levee_scaler_gates_wanted";
    text.head(name, "gauge", "Gates that an autoscaler is told to run.");
    for (object, advice) in &advice {
        text.sample(name, &format!("object=\"{}\"", label(object)), u64::from(advice.gates));
    }
    let name = "levee_scaler_reason";
    text.head(name, "gauge", "1 for what decided it; `engine`: more gates would not help.");
    for (object, advice) in &advice {
        for reason in Reason::ALL {
            let labels = format!("object=\"{}\",reason=\"{}\"", label(object), reason.name());
            text.sample(name, &labels, u64::from(reason == advice.reason));
        }
    }
}
