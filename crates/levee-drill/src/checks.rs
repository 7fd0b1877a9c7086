//! What the values of a scenario must be, beyond its form.

use levee_api::scenario::{FieldError, shares, within};

use crate::scenario::{Delay, Scenario, instant_ms};

/// Longest list in a scenario.
const LIST_MAX: usize = 64;

/// Most gates: they all run on the crowd's machine.
const GATES_MAX: usize = 8;

/// Longest day, in hours: a week.
const HOURS_MAX: f64 = 168.0;

fn wrong(field: impl Into<String>, problem: impl Into<String>) -> FieldError {
    FieldError::new(field, problem)
}

fn delay(field: &str, delay: Delay) -> Result<(), FieldError> {
    within(&format!("{field}.median_minutes"), delay.median_minutes, 0.01, 60.0 * HOURS_MAX)?;
    within(&format!("{field}.sigma"), delay.sigma, 0.0, 5.0)
}

/// Checks everything that the plan relies on.
pub(crate) fn check(scenario: &Scenario) -> Result<(), FieldError> {
    within("budget.share", scenario.budget.share, 0.01, 1_000.0)?;
    check_day(scenario)?;
    check_gates(scenario)?;
    shares("tiers", LIST_MAX, scenario.tiers.iter().map(|tier| tier.share))?;
    shares("app_versions", LIST_MAX, scenario.app_versions.iter().map(|version| version.share))?;
    for (place, tier) in scenario.tiers.iter().enumerate() {
        plain(&format!("tiers[{place}].name"), &tier.name)?;
    }
    for (place, version) in scenario.app_versions.iter().enumerate() {
        plain(&format!("app_versions[{place}].version"), &version.version)?;
    }
    if scenario.eligible_share() <= 0.0 {
        return Err(wrong("app_versions", "nobody meets the campaign's conditions"));
    }
    let repeats = scenario.repeats;
    within("repeats.share", repeats.share, 0.0, 1.0)?;
    within("repeats.most", f64::from(repeats.most), 1.0, 20.0)?;
    within("repeats.at_once", repeats.at_once, 0.0, 1.0)?;
    delay("repeats.after", repeats.after)?;
    within("guesses.share", scenario.guesses.share, 0.0, 1.0)?;
    within("guesses.each", f64::from(scenario.guesses.each), 0.0, 100.0)?;
    if scenario.definition.terms.voucher.per_user != 1 {
        // The comparison takes a user's second voucher for a doubled one.
        return Err(wrong("campaign", "voucher.per_user must be 1: a crowd claims once each"));
    }
    check_redemptions(scenario)?;
    if let Some(kitchens) = &scenario.kitchens {
        kitchens.check()?;
    }
    if let Some(payments) = &scenario.payments {
        payments.check()?;
    }
    check_ordering(scenario)
}

/// Who orders needs outlets, kitchens in them and somebody who takes the money.
fn check_ordering(scenario: &Scenario) -> Result<(), FieldError> {
    if let Some(outlets) = &scenario.outlets {
        outlets.check(&scenario.definition.terms.voucher.brands)?;
    }
    let Some(orders) = &scenario.orders else { return Ok(()) };
    orders.check()?;
    for (table, is_there) in [
        ("outlets", scenario.outlets.is_some()),
        ("kitchens", scenario.kitchens.is_some()),
        ("payments", scenario.payments.is_some()),
    ] {
        if !is_there {
            return Err(wrong(table, "is needed, because users order: there is [orders]"));
        }
    }
    Ok(())
}

fn check_day(scenario: &Scenario) -> Result<(), FieldError> {
    let day = &scenario.day;
    within("day.hours", day.hours, 0.1, HOURS_MAX)?;
    let Some(starts_at_ms) = instant_ms(&day.starts_at) else {
        return Err(wrong("day.starts_at", "must be an instant with an offset from UTC"));
    };
    let terms = &scenario.definition.terms;
    let ends_at_ms = starts_at_ms + crate::numbers::whole(day.hours * 3_600_000.0);
    if starts_at_ms < terms.opens_at_ms || ends_at_ms > terms.closes_at_ms {
        return Err(wrong("day.starts_at", "the campaign is not open for the whole day"));
    }
    if !(1..=LIST_MAX).contains(&day.bookings.len()) {
        return Err(wrong("day.bookings", format!("must list 1 to {LIST_MAX}")));
    }
    let (mut hour, mut total) = (0.0, 0);
    for (place, known) in day.bookings.iter().enumerate() {
        if known.hour.is_nan() || known.hour <= hour {
            return Err(wrong(format!("day.bookings[{place}].hour"), "must ascend from above 0"));
        }
        if known.total <= total || known.total > 1_000_000_000 {
            let problem = "must ascend from above 0 to at most 1000000000";
            return Err(wrong(format!("day.bookings[{place}].total"), problem));
        }
        (hour, total) = (known.hour, known.total);
    }
    if (hour - day.hours).abs() > 1e-9 {
        return Err(wrong("day.bookings", "the last total must be at day.hours"));
    }
    within("day.opening.share", day.opening.share, 0.0, 0.9)?;
    within("day.opening.decay_minutes", day.opening.decay_minutes, 0.1, 600.0)?;
    within("day.bursts.per_hour", day.bursts.per_hour, 0.0, 60.0)?;
    within("day.bursts.height", day.bursts.height, 1.0, 100.0)?;
    within("day.bursts.decay_minutes", day.bursts.decay_minutes, 0.1, 600.0)
}

fn check_gates(scenario: &Scenario) -> Result<(), FieldError> {
    if let Some(opening) = scenario.opening {
        within("opening.times", opening.times, 1.0, 1_000.0)?;
        let first = scenario.day.bookings.first().expect("checked");
        within("opening.minutes", opening.minutes, 0.1, 60.0 * first.hour)?;
    }
    let gates = &scenario.gates;
    if gates.is_empty() {
        return Ok(());
    }
    if gates.len() > GATES_MAX {
        return Err(wrong("gates", format!("must list at most {GATES_MAX}: each is a process")));
    }
    shares("gates", GATES_MAX, gates.iter().map(|gate| gate.share))?;
    for (place, gate) in gates.iter().enumerate() {
        plain(&format!("gates[{place}].name"), &gate.name)?;
        plain(&format!("gates[{place}].region"), &gate.region)?;
        plain(&format!("gates[{place}].tier"), &gate.tier)?;
        if gates[..place].iter().any(|other| other.name == gate.name) {
            return Err(wrong(format!("gates[{place}].name"), "is another gate's"));
        }
    }
    Ok(())
}

fn check_redemptions(scenario: &Scenario) -> Result<(), FieldError> {
    let redemptions = scenario.redemptions;
    within("redemptions.share", redemptions.share, 0.0, 1.0)?;
    delay("redemptions.after", redemptions.after)?;
    within("redemptions.lock_first", redemptions.lock_first, 0.0, 1.0)?;
    within("redemptions.lock_minutes", redemptions.lock_minutes, 0.0, 1_440.0)?;
    within("redemptions.repeat", redemptions.repeat, 0.0, 1.0)?;
    within("redemptions.rollback", redemptions.rollback, 0.0, 1.0)?;
    delay("redemptions.rollback_after", redemptions.rollback_after)?;
    let bill = redemptions.bill;
    within("redemptions.bill.sigma", bill.sigma, 0.0, 5.0)?;
    if bill.least_minor == 0 || bill.least_minor > bill.most_minor {
        return Err(wrong("redemptions.bill.least_minor", "must be 1 to most_minor"));
    }
    if bill.most_minor > levee_api::types::BILL_MINOR_MAX {
        return Err(wrong("redemptions.bill.most_minor", "is larger than any bill"));
    }
    if !(bill.least_minor..=bill.most_minor).contains(&bill.median_minor) {
        let problem = "must be within least_minor and most_minor";
        return Err(wrong("redemptions.bill.median_minor", problem));
    }
    Ok(())
}

/// Names go into request bodies as they are.
fn plain(field: &str, text: &str) -> Result<(), FieldError> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if text.is_empty() || text.len() > 32 || !text.bytes().all(letter) {
        return Err(wrong(field, "must be 1 to 32 letters, digits, dots and dashes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::scenario::Scenario;

    const SCENARIO: &str = include_str!("../../../examples/lunar-new-year-2026.toml");
    const CAMPAIGN: &str = include_str!("../../../examples/campaigns/lunar-new-year-2026.toml");

    /// Replaces a part of the good scenario, and expects the error to name this field.
    #[track_caller]
    fn check(from: &str, to: &str, field: &str) {
        assert!(SCENARIO.contains(from), "{from} is not in the scenario");
        let error = Scenario::parse(&SCENARIO.replacen(from, to, 1), CAMPAIGN).expect_err(to);
        assert!(error.to_string().contains(field), "{field} is not in: {error}");
    }

    #[test]
    fn the_reference_day_is_good() {
        let scenario = Scenario::reference();
        assert_eq!(scenario.starts_at_ms(), 1_770_336_000_000);
        assert_eq!((scenario.face_minor(), scenario.bookings()), (2_500, 10_000_000));
        assert!((scenario.eligible_share() - 0.94).abs() < 1e-9);
    }

    #[test]
    fn errors_name_the_field() {
        check("hours = 9\n", "hours = 9\nfog = 1\n", "fog");
        check("hours = 9\n", "", "hours");
        check("hours = 9\n", "hours = \"nine\"\n", "hours");
        check("hours = 9\n", "hours = 10\n", "day.bookings");
        check("hours = 9\n", "hours = nan\n", "day.hours");
        check("total = 5_000_000", "total = 500_000", "day.bookings[1].total");
        check("hour = 5", "hour = 2", "day.bookings[1].hour");
        check("2026-02-06T08", "2026-01-06T08", "day.starts_at");
        check("08:00:00+08:00", "08:00:00", "day.starts_at");
        check("share = 0.2\n", "share = 1.2\n", "day.opening.share");
        check("height = 1.8", "height = 0.8", "day.bursts.height");
        check("share = 0.22", "share = 0.32", "tiers");
        check("name = \"new1\"", "name = \"a\\\"b\"", "tiers[1].name");
        check("version = \"6.0\"", "version = \"\"", "app_versions[1].version");
        check("most = 3", "most = 0", "repeats.most");
        check("most = 3", "most = -1", "most");
        check("median_minutes = 1.5", "median_minutes = 0", "repeats.after.median_minutes");
        check("share = 0.004", "share = -1", "guesses.share");
        check("lock_first = 0.25", "lock_first = 2", "redemptions.lock_first");
        check("median_minor = 1_900", "median_minor = 1", "redemptions.bill.median_minor");
        check("share = 1.02", "share = 0", "budget.share");
        check("times = 8", "times = 0.5", "opening.times");
        check("times = 8", "times = 8\nfog = 1", "fog");
        check("minutes = 7", "minutes = 181", "opening.minutes");
        check("minutes = 7", "minutes = nan", "opening.minutes");
        check("share = 0.45", "share = 0.55", "gates");
        check("share = 0.45", "share = -0.45", "gates[0].share");
        check("name = \"west-1\"", "name = \"east-1\"", "gates[1].name");
        check("name = \"west-1\"", "name = \"w st\"", "gates[1].name");
        check("region = \"south\"", "region = \"\"", "gates[2].region");
        check("congested = true", "congested = 1", "congested");
    }

    #[test]
    fn what_the_sandbox_plays_is_checked_too() {
        check("ahead_minutes = 15\n", "ahead_minutes = 15\nfog = 1\n", "fog");
        check("ahead_minutes = 15\n", "", "ahead_minutes");
        check("ahead_minutes = 15", "ahead_minutes = 300", "kitchens.ahead_minutes");
        check("count = 1,", "count = 0,", "kitchens.stations[0].count");
        check("count = 1,", "count = -1,", "count");
        check("share = 0.35 }", "share = 0.45 }", "kitchens.stations");
        check("median_s = 60", "median_s = 0", "kitchens.unit.median_s");
        check("making_sigma = 0.3", "making_sigma = nan", "kitchens.making_sigma");
        check("sigma = 0.6 }", "sigma = 4 }", "kitchens.accept_after.sigma");
        check("rejected = 0.004", "rejected = 0.999", "kitchens.ignored");
        check("per_station_hour = 12", "per_station_hour = -1", "walk_ins.per_station_hour");
        check("answer_after_s = 8", "answer_after_s = 0", "kitchens.faults.slow.answer_after_s");
        check("failing = 0.005", "failing = 0.99", "kitchens.faults");
        check("period_minutes = 6", "period_minutes = 0", "faults.flapping.period_minutes");
        check("vendor = \"pos-c\"", "vendor = \"\"", "kitchens.dark[0].vendor");
        check("from_hour = 4\n", "from_hour = 25\n", "kitchens.dark[0].from_hour");
        check("hours = 0.667\n", "hours = 21\n", "kitchens.dark[0].hours");
        check("never = 0.03", "never = 1.03", "payments.never");
        check("never = 0.03", "never = 0.99", "payments.failed");
        check("refund_failed = 0.005", "refund_failed = 2", "payments.refund_failed");
        check("lost = 0.01", "lost = -0.01", "payments.callbacks.lost");
        check("repeat_after_s = [15,", "repeat_after_s = [0,", "callbacks.repeat_after_s[0]");
        check("from_hour = 3\n", "from_hour = -3\n", "payments.outages[0].from_hour");
        check("late_minutes = 20", "late_minutes = -1", "payments.callbacks.peaks[0].late_minutes");
        check("doubled = 0.05", "doubled = 5", "payments.callbacks.peaks[0].doubled");
        check("api = true", "api = 1", "api");
    }

    #[test]
    fn orders_and_outlets_are_checked_too() {
        check("[orders]\n", "[orders]\nfog = 1\n", "fog");
        check("drain_minutes = ", "drained_minutes = ", "drained_minutes");
        check("quote_first = 0.3", "quote_first = 1.3", "orders.quote_first");
        check("{ count = 3, share = 0.1 }", "{ count = 9, share = 0.1 }", "orders.drinks[2].count");
        check("{ count = 3, share = 0.1 }", "{ count = 3, share = 0.3 }", "orders.drinks");
        check("delivery = 0.35", "delivery = -1", "orders.delivery");
        check("takes_offer = 0.7", "takes_offer = 7", "orders.patience.takes_offer");
        check("waits_minutes = 120", "waits_minutes = 0", "orders.patience.waits_minutes");
        check("gives_up_minutes = 20", "gives_up_minutes = 0", "orders.looks.gives_up_minutes");
        check("count = 300_000", "count = 300_001", "outlets.count");
        check("least = 60", "least = 300_001", "outlets.least");
        check("popularity_sigma = 1.8", "popularity_sigma = nan", "outlets.popularity_sigma");
        check("stated = { times = 0.85", "stated = { times = 0", "outlets.stated.times");
        check("courier_minutes = 12", "courier_minutes = 0", "outlets.courier_minutes");
        check("name = \"pos-b\"", "name = \"POS B\"", "outlets.vendors[1].name");
        check("name = \"pos-b\", share = 0.3", "name = \"pos-b\", share = 3", "outlets.vendors[1]");
        check("name = \"luckin\"", "name = \"nobody\"", "outlets.brands[1].name");
        check("sku = \"grape\"", "sku = \"oolong\"", "outlets.brands[0].menu[1].sku");
        check("price_minor = 2_200", "price_minor = 0", "outlets.brands[0].menu");
        check("work = 1.5", "work = 0", "outlets.brands[0].menu");
        check("lat = 31.2304", "lat = 91", "outlets.towns[0].lat");
        check("radius_km = 9", "radius_km = 0", "outlets.towns[0].radius_km");
    }

    #[test]
    fn orders_need_outlets_kitchens_and_payments() {
        for table in ["outlets", "kitchens", "payments"] {
            let mut scenario = Scenario::reference();
            match table {
                "outlets" => scenario.outlets = None,
                "kitchens" => scenario.kitchens = None,
                _ => scenario.payments = None,
            }
            let error = super::check(&scenario).expect_err(table);
            assert!(error.to_string().contains(table), "{table} is not in: {error}");
            scenario.orders = None;
            super::check(&scenario).expect("nobody orders");
        }
    }

    #[test]
    fn a_wrong_campaign_is_named_too() {
        for (from, to, field) in [
            ("face_minor = 2500", "face_minor = 0", "voucher.face_minor"),
            ("currency = \"CNY\"", "currency = \"yuan\"", "currency"),
            ("per_user = 1", "per_person = 1", "voucher.per_person"),
            ("per_user = 1", "per_user = 2", "voucher.per_user"),
        ] {
            let error =
                Scenario::parse(SCENARIO, &CAMPAIGN.replacen(from, to, 1)).expect_err(field);
            assert!(error.to_string().contains(field), "{field} is not in: {error}");
        }
    }
}
