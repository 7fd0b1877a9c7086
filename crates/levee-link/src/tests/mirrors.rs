//! Vitals and intake on both sides.

use std::sync::atomic::Ordering::Relaxed;

use levee_api::intake::{ClockFace, GateReport, OPEN, SLOT_US, Why};
use levee_api::port::{Priority, Submit};
use levee_api::types::Level;
use levee_api::vitals::Phase;

use super::bench::{Bench, until};

#[test]
fn a_gate_sees_what_the_engine_says() {
    let bench = Bench::start(None);
    let (vitals, intake) = (bench.engine.vitals(), bench.engine.intake());
    vitals.journal_ms.store(77, Relaxed);
    vitals.waiting[3].store(4, Relaxed);
    vitals.sync_time.add(900, 3);
    let gate = bench.gate();
    let seen = gate.engine.vitals();
    until(|| seen.numbers() == vitals.numbers());
    assert_eq!(seen.sync_time.sum_us(), 2_700);
    vitals.set_phase(Phase::Stopping);
    until(|| seen.phase() == Phase::Stopping);

    let why = Why { reason: "by hand".to_owned(), by_hand: true, since_ms: 5 };
    intake.set_level(Level::Waiting, why.clone());
    intake.set_watermark_us(60);
    intake.set_hold_until_us(70);
    intake.note_opening(75);
    intake.set_idle_window(85);
    intake.set_window(80);
    intake.set_share(Priority::Claim, 90);
    intake.set_released_per_ks(100);
    intake.set_margin_permille(110);
    intake.set_codes_within_ms(120);
    intake.set_claims_per_s(130);
    let face = ClockFace { at_us: 1, journal_ms: 2, speed: 540.0 };
    intake.set_clock(face);
    intake.set_passes_in_slot(9 * SLOT_US, 3);
    let seen = gate.engine.intake();
    until(|| seen.passes_in_slot(9 * SLOT_US) == 3);
    until(|| seen.clock() == face);
    assert_eq!((seen.level(), seen.why()), (Level::Waiting, why));
    assert_eq!((seen.watermark_us(), seen.hold_until_us(), seen.window()), (60, 70, 80));
    assert_eq!((seen.openings(), seen.idle_window()), (vec![75], 85));
    assert_eq!((seen.share(Priority::Claim), seen.released_per_ks()), (90, 100));
    assert_eq!((seen.margin_permille(), seen.codes_within_ms()), (110, 120));
    assert_eq!(seen.claims_per_s(), 130);
}

#[test]
fn the_engine_sees_what_gates_count() {
    let bench = Bench::start(None);
    let (one, two) = (bench.gate(), bench.gate());
    let (first, second) = (one.engine.intake(), two.engine.intake());
    for _ in 0..3 {
        first.count_pass(5 * SLOT_US);
        second.count_pass(5 * SLOT_US);
    }
    assert!(first.close_at(1_000));
    first.hold_until(2_000);
    first.add_shown(2);
    let report = GateReport { name: "one".to_owned(), arrived: [5; 5], ..GateReport::default() };
    first.report(first.register_gate(), report.clone());
    let intake = bench.engine.intake();
    for seen in [intake, first, second] {
        until(|| seen.passes_in_slot(5 * SLOT_US) == 6);
        until(|| seen.watermark_us() == 1_000 && seen.hold_until_us() == 2_000);
        until(|| seen.openings() == [2_000]);
    }
    until(|| intake.shown() == 2);
    until(|| intake.gates().iter().map(|(_, report)| report).eq([&report]));
    // Closed once: the second gate finds it closed.
    assert!(!second.close_at(3_000));
    intake.set_watermark_us(OPEN);
    until(|| first.watermark_us() == OPEN && second.watermark_us() == OPEN);
}

#[test]
fn passes_that_were_counted_while_the_engine_was_gone_are_told_when_it_is_back() {
    let mut bench = Bench::start(None);
    let gate = bench.gate();
    bench.close();
    until(|| !gate.link.is_connected());
    gate.engine.intake().count_pass(7 * SLOT_US);
    bench.open();
    until(|| bench.engine.intake().passes_in_slot(7 * SLOT_US) == 1);
}
