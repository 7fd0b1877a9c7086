//! The page, from a synthetic drill. With `LEVEE_REPORT=FILE` it is written there, to be looked at.

use super::html;
use crate::audit::{CampaignReport, CompensationReport, CountsReport, MoneyReport, SetAsideReport};
use crate::curve::Curve;
use crate::festival::*;
use crate::numbers::{narrow, real, whole};
use crate::scenario::Scenario;

const USERS: f64 = 1_276_596.0;

/// A drill of 12% of the reference day, as it might have gone.
fn synthetic() -> Summary {
    let curve = Curve::new(&Scenario::reference().day, 7);
    let mut random = fastrand::Rng::with_seed(7);
    let face = 2_500_u64;
    let (mut reserved, mut spent, mut left) = (0, 0, 1_224_000 * face);
    let mut timeline = Vec::new();
    for place in 0..108_u64 {
        let hour = real(place) / 12.0;
        let part = curve.arrived_by(hour + 1.0 / 12.0) - curve.arrived_by(hour);
        let arrivals = whole(part * USERS);
        let claims_acked = whole(part * USERS * 0.94);
        let redemptions_acked = whole(real(claims_acked) * 0.6 * (hour / 4.0).min(1.0));
        left -= claims_acked * face;
        reserved += claims_acked * face;
        let used = redemptions_acked * 1_900;
        reserved -= used;
        spent += used;
        let load = part * 108.0;
        let p50_ms = 0.35 + 0.25 * load * random.f64();
        let p99_ms = p50_ms * (3.0 + 4.0 * load * random.f64());
        timeline.push(TimelinePoint {
            hour,
            arrivals,
            requests: arrivals * 2,
            claims_acked,
            redemptions_acked,
            orders_acked: redemptions_acked / 2,
            refused: arrivals - claims_acked,
            p50_ms,
            p99_ms,
            p999_ms: p99_ms * (1.5 + 3.0 * random.f64()),
            budget_left_minor: left,
            reserved_minor: reserved,
            in_flight_minor: redemptions_acked * face / 4,
            spent_minor: spent,
        });
    }
    let sum = |value: fn(&TimelinePoint) -> u64| timeline.iter().map(value).sum::<u64>();
    let (acked, used) = (sum(|p| p.claims_acked), sum(|p| p.redemptions_acked));
    let money = MoneyReport {
        funded_minor: (left + reserved + spent).into(),
        available_minor: left.into(),
        reserved_minor: reserved.into(),
        spent_minor: spent.into(),
        ..MoneyReport::default()
    };
    let counts = CountsReport { claims: acked, vouchers_redeemed: used, ..CountsReport::default() };
    let tier = |name: &str, share: f64| TierSummary {
        name: name.into(),
        users: whole(share * USERS),
        claims_acked: whole(share * USERS * 0.94),
        redemptions_acked: whole(share * USERS * 0.55),
        refused: whole(share * USERS * 0.06),
        p50_ms: 0.6,
        p99_ms: 4.2,
    };
    Summary {
        ok: true,
        scenario: "Lunar New Year 2026".into(),
        campaign: "lunar-new-year-2026".into(),
        currency: "CNY".into(),
        starts_at: "2026-02-06T08:00:00+08:00".into(),
        hours: 9.0,
        seed: 1,
        scale: 0.12,
        seconds: 60,
        speed: 540.0,
        took_s: 60.4,
        users: narrow(whole(USERS)),
        claims: ClaimsSummary {
            attempted: acked + 304_000 + 77_000,
            acked,
            refused: 77_000,
            replayed: 304_000,
            ..ClaimsSummary::default()
        },
        redemptions: RedemptionsSummary {
            attempted: used + 21_000,
            acked: used,
            replayed: 21_000,
            rolled_back: 14_211,
            ..RedemptionsSummary::default()
        },
        campaigns: vec![CampaignReport {
            id: "lunar-new-year-2026".into(),
            state: levee_api::types::CampaignState::Open,
            money,
            counts,
            set_aside: SetAsideReport::default(),
            compensation: CompensationReport::default(),
        }],
        audit: AuditSummary { ok: true, commands: acked + used, ..AuditSummary::default() },
        latency_ms: LatenciesSummary {
            claim: LatencySummary { p50: 0.62, p99: 4.31, p999: 11.8, max: 38.2 },
            redeem: LatencySummary { p50: 0.58, p99: 4.02, p999: 10.9, max: 35.5 },
            ..LatenciesSummary::default()
        },
        peak_claims_per_s: 42_318,
        peak_requests_per_s: 88_120,
        guesses: GuessesSummary { attempted: 30_638, found: 0 },
        refusals: [
            ("claim".to_owned(), [("not_eligible".to_owned(), 76_995)].into()),
            ("guess_look_up".to_owned(), [("voucher_not_found".to_owned(), 15_319)].into()),
            ("guess_redemption".to_owned(), [("voucher_not_found".to_owned(), 15_319)].into()),
        ]
        .into(),
        tiers: [("1", 0.22), ("new1", 0.26), ("2", 0.21), ("3", 0.17), ("rest", 0.14)]
            .map(|(name, share)| tier(name, share))
            .into(),
        known: [(3.0, 1_000_000), (5.0, 5_000_000), (9.0, 10_000_000)]
            .map(|(hour, total)| KnownPoint { hour, total, scaled: whole(real(total) * 0.12) })
            .into(),
        bucket_minutes: 5,
        timeline,
        overload: opening(),
        ordering: Some(ordering()),
        machine: "AMD EPYC, 2 cores".into(),
        command: "levee festival --seconds 60 --scale 0.12".into(),
        version: "0.1.0".into(),
        ..Summary::default()
    }
}

/// Orders of half of the users, and the same day without pacing.
fn ordering() -> OrderingSummary {
    let curve = Curve::new(&Scenario::reference().day, 7);
    let total = 0.45 * USERS;
    let point = |place: u64| {
        let at =
            |minutes: f64| whole(curve.arrived_by(real(place) / 12.0 - minutes / 60.0) * total);
        let (placed, paid, begun) = (at(0.0), at(1.5), at(6.0));
        let (made, gone) = (at(8.0), at(14.0));
        OrdersPoint {
            awaiting: placed - paid,
            in_line: paid - begun,
            making: begun - made,
            ready: made - gone,
            collected: gone * 96 / 100,
            ended: gone * 4 / 100,
            promised: placed.saturating_sub(at(5.0)),
            late: (placed - begun) / if (48..57).contains(&place) { 4 } else { 40 },
            breakers_open: if (48..57).contains(&place) { 900 } else { 31 },
        }
    };
    let promises = |late_share: f64, late_over_5_min_share: f64, late_p90_ms| Promises {
        judged: 560_000,
        late_share,
        late_over_5_min_share,
        late_p90_ms,
    };
    let bins = [1, 2, 9, 30, 110, 240, 320, 180, 60, 12, 5, 2, 1, 1, 0, 0, 0, 0, 0, 0, 1];
    let others =
        [0, 0, 300, 190, 80, 40, 30, 25, 22, 20, 19, 18, 18, 17, 17, 16, 16, 15, 15, 14, 90];
    let lateness = bins.iter().zip(others).zip(-8..);
    let class = |wanted_above, wanted_until, outlets, utilisation, without| OutletClass {
        wanted_above,
        wanted_until,
        outlets,
        utilisation,
        utilisation_without_pacing: without,
    };
    let system = |class: &str, outlets| outside::ClassThere {
        class: class.into(),
        outlets,
        stations: outlets * 2,
        busy_ms: outlets * 9_000_000,
    };
    OrderingSummary {
        orders: OrdersSummary {
            wanted: 580_000,
            placed: 566_012,
            collected: 540_118,
            refunded: 9_120,
            ends: [("not_accepted", 6_012), ("by_user", 17_310), ("not_paid", 2_001)].into(),
            promises: promises(0.11, 0.012, 120_000),
            lateness: lateness
                .map(|((with, without), place)| LatenessBin {
                    from_minutes: place * LatenessBin::MINUTES,
                    with_pacing: with * 560,
                    without_pacing: without * 560,
                })
                .collect(),
            promises_by: vec![
                PromiseGroup { orders: "nothing_to_pay", promises: promises(0.06, 0.004, 0) },
                PromiseGroup { orders: "to_be_paid", promises: promises(0.16, 0.02, 150_000) },
            ],
            timeline: (1..=108).map(point).collect(),
            ..OrdersSummary::default()
        },
        payments: PaymentsSummary {
            captured_minor: 431_118_100,
            refunded_minor: 8_310_400,
            captured_outside_minor: 431_118_100,
            refunded_outside_minor: 8_310_400,
            ..PaymentsSummary::default()
        },
        outlets: OutletsSummary {
            count: 36_000,
            busy: 1_210,
            utilisation: 0.062,
            utilisation_of_busy: 0.948,
            breakers_opened: 1_204,
            vendors_open: vec![VendorOpen {
                vendor: "pos-<c>".into(),
                from_hour: 4.02,
                until_hour: Some(4.71),
            }],
            made_for_nothing: 12,
            classes: vec![
                class(0.0, Some(0.25), 33_100, 0.03, 0.03),
                class(0.25, Some(0.75), 2_004, 0.42, 0.41),
                class(0.75, Some(1.0), 409, 0.81, 0.78),
                class(1.0, None, 487, 0.96, 0.93),
            ],
            systems: vec![system("healthy", 30_000), system("black_hole", 0)],
            ..OutletsSummary::default()
        },
        couriers: CouriersSummary { called: 160_000, waited_mean_ms: 50_000, ..Default::default() },
        compensation: CompensationSummary { apologies: 6_012, ..Default::default() },
        without_pacing: WithoutPacing {
            orders: 580_000,
            promises: promises(0.31, 0.27, 5_400_000),
            given_up: 41_000,
            ..WithoutPacing::default()
        },
    }
}

/// Two gates, one of them congested, and a room that fills and empties.
fn opening() -> OverloadSummary {
    let level = |at_ms, level: &str| LevelPoint {
        at_ms,
        level: level.into(),
        reason: "wait_ms is 700; the <rule> enters".into(),
    };
    let at_ms: Vec<u64> = (0..600).map(|place| place * 100).collect();
    let gate = |name: &str, loop_ms: f64, congested| GateSummary {
        name: name.into(),
        region: "south".into(),
        tier: "3".into(),
        congested,
        arrived: 9_945,
        admitted: 5_867,
        told_to_wait: 3_977,
        queue_delay_p99_ms: vec![loop_ms * 2.0; at_ms.len()],
        loop_delay_ms: vec![loop_ms; at_ms.len()],
        at_ms: at_ms.clone(),
    };
    OverloadSummary {
        limit_claims_per_s: Some(3_696),
        opening_ms: Some(800),
        levels: vec![level(0, "normal"), level(900, "waiting"), level(2_600, "normal")],
        waited: 14_811,
        estimate_within_p90: Some(0.93),
        goodput_by_tenth: vec![300; 600],
        arrivals_by_tenth: vec![700; 8],
        room: (0..60)
            .map(|place| RoomPoint {
                at_ms: place * 100,
                people: 100 * place.min(30_u64.saturating_sub(place)),
                lag_ms: 20 * place.min(30_u64.saturating_sub(place)),
                released_per_s: 3_000.0,
            })
            .collect(),
        gates: vec![gate("east-1", 2.0, false), gate("south-1", 58.0, true)],
        ..OverloadSummary::default()
    }
}

/// Needs nothing from elsewhere, and every figure in a drawing is a number.
#[track_caller]
fn check(summary: &Summary) -> String {
    let page = html(summary);
    for wrong in ["http", "<script", "@import", "url(", "src=", "NaN", "inf ", "infinity"] {
        let found = page.find(wrong).map(|at| page[at.saturating_sub(60)..].chars().take(120));
        assert!(found.is_none(), "{wrong}: {}", found.into_iter().flatten().collect::<String>());
    }
    for tag in ["main", "section", "svg", "table", "tbody", "ul", "div", "p", "text"] {
        let opened =
            page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    page
}

#[test]
fn the_page_is_whole() {
    let summary = synthetic();
    let page = check(&summary);
    assert!(page.contains("found exactly once") && page.contains("10M") && page.contains("08:00"));
    assert!(page.contains("<h2>The opening</h2>") && page.contains("tier 3, congested"));
    for part in [
        "Orders under way",
        "Systems that did not answer",
        "Orders that are over",
        "Ready, against the promise",
        "Kitchens",
    ] {
        assert!(page.contains(&format!(">{part}<")), "{part}");
    }
    assert!(page.contains("above 100% wanted: 487 outlets") && page.contains("&lt; -35"));
    assert!(page.contains("To be paid first") && page.contains("2.5 min"));
    assert!(page.contains("pos-&lt;c&gt;") && page.contains("breaker was open"));
    assert!(page.contains("not accepted 6,012") && page.contains("black hole"));
    // A quarter of an hour is not enough for the clock's full hours.
    assert!(page.contains("08:05") && page.contains("&lt;rule&gt;"));
    if let Some(file) = std::env::var_os("LEVEE_REPORT") {
        std::fs::write(file, page).expect("a file to look at");
    }
}

#[test]
fn a_failed_drill_says_why() {
    let mut summary = synthetic();
    // Nobody orders: then nothing is said of it.
    summary.ordering = None;
    summary.ok = false;
    summary.failures = vec!["1 acknowledged claims are not in the journal".into()];
    summary.oddities = vec!["<b>odd</b>".into()];
    let page = check(&summary);
    assert!(page.contains("This drill failed") && page.contains("1 acknowledged claims"));
    assert!(page.contains("&lt;b&gt;odd") && !page.contains("<b>odd"));
    assert!(!page.contains("Orders under way") && !page.contains("Without pacing"));
}

#[test]
fn a_drill_without_anything_has_a_page_too() {
    check(&Summary::default());
    check(&Summary { ordering: Some(OrderingSummary::default()), ..Summary::default() });
    let empty = vec![TimelinePoint::default(); 3];
    check(&Summary { timeline: empty, hours: 1.0, bucket_minutes: 20, ..Summary::default() });
}
