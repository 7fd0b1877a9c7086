//! Plans of the reference day: what they are drawn from, and that shares are met.

use super::*;
use crate::market::any_kitchen;

fn plan(seed: u64) -> FestivalPlan {
    FestivalPlan::new(Scenario::reference(), 60, seed, 0.005)
}

#[test]
fn the_plan_is_the_seeds() {
    let (a, b, other) = (plan(1), plan(1), plan(2));
    assert_eq!(a.arrivals_us, b.arrivals_us);
    assert_ne!(a.arrivals_us, other.arrivals_us);
    assert!((0..1_000).all(|user| a.script(user) == b.script(user)));
    assert!((0..1_000).any(|user| a.script(user) != other.script(user)));
    assert!(a.arrivals_us.is_sorted());
    assert!(a.arrivals_us.last().is_some_and(|last| *last <= 60_000_000));
}

#[test]
fn the_crowd_is_the_scenarios() {
    let plan = plan(3);
    assert_eq!(plan.users(), 53_191);
    assert!((plan.speed() - 540.0).abs() < 1e-9);
    assert_eq!(plan.budget_minor(), 51_000 * 2_500);
    // The scaled crowd passes the known totals too, within what chance allows.
    for (hour, share) in [(3, 0.1), (5, 0.5)] {
        let by_us = hour * 60_000_000 / 9;
        let arrived = plan.arrivals_us.partition_point(|at_us| *at_us <= by_us);
        let part = real(arrived as u64) / f64::from(plan.users());
        assert!((part - share).abs() < 0.01, "{part} by hour {hour}");
    }
}

#[track_caller]
fn check_share(plan: &FestivalPlan, expected: f64, has: impl Fn(&Script) -> bool) {
    let users = plan.users();
    let count = (0..users).filter(|user| has(&plan.script(*user))).count();
    let share = real(count as u64) / f64::from(users);
    assert!((share - expected).abs() < 0.01, "{share} instead of {expected}");
}

#[test]
fn shares_are_the_scenarios() {
    let plan = plan(4);
    check_share(&plan, 0.22, |script| script.tier == 0);
    check_share(&plan, 0.14, |script| script.tier == 4);
    check_share(&plan, 0.06, |script| !plan.is_eligible(script));
    check_share(&plan, 0.12, |script| !script.repeats_after_us.is_empty());
    check_share(&plan, 0.12 * 0.4, |script| script.repeats_after_us.first() == Some(&0));
    check_share(&plan, 0.004, |script| script.guesses == 3);
    let redeems = |test: fn(&RedemptionScript) -> bool| {
        move |s: &Script| s.redemption.is_some_and(|r| test(&r))
    };
    check_share(&plan, 0.7, redeems(|_| true));
    check_share(&plan, 0.7 * 0.25, redeems(|r| r.locked_for_us.is_some()));
    check_share(&plan, 0.7 * 0.03, redeems(|r| r.rolled_back_after_us.is_some()));
    // Half of the delays are below the median: 35 minutes at 540 times are 3.9 s.
    check_share(&plan, 0.35, redeems(|r| r.after_us < 3_888_889));
    check_share(&plan, 0.35, redeems(|r| r.bill_minor < 1_900));
    check_share(&plan, 0.7, redeems(|r| (900..=6_800).contains(&r.bill_minor)));
}

#[test]
fn users_are_spread_over_gates_and_the_surge_exceeds_the_limit() {
    let plan = plan(4);
    let count = |gate| (0..plan.users()).filter(|user| plan.gate(*user) == gate).count();
    for (gate, share) in [(0, 0.45), (1, 0.35), (2, 0.2)] {
        let found = real(count(gate) as u64) / f64::from(plan.users());
        assert!((found - share).abs() < 0.01, "{found} at gate {gate}");
    }
    let (limit, surge_us) = (plan.claims_limit_per_s().unwrap(), plan.surge_us().unwrap());
    let arrived = plan.arrivals_us.partition_point(|at_us| *at_us < surge_us);
    let per_s = real(arrived as u64) * 1e6 / f64::from(surge_us);
    assert!(1.24 * per_s > 1.8 * f64::from(limit), "{per_s} and {limit}");
    // All of the day's claims fit the limit with room to spare.
    assert!(f64::from(plan.users()) * 1.24 < 0.8 * 60.0 * f64::from(limit), "{limit}");
}

#[test]
fn an_automatic_scale_keeps_the_peak_within_its_share() {
    let scenario = Scenario::reference();
    let scale = FestivalPlan::scale_for(&scenario, 60, 5, 60_000.0, &any_kitchen);
    let peak =
        FestivalPlan::new(scenario.clone(), 60, 5, scale).with_outlets(&any_kitchen).peak_per_s();
    assert!((0.45..0.65).contains(&(peak / 60_000.0)), "{peak}");
    assert!(FestivalPlan::scale_for(&scenario, 60, 5, 1e12, &any_kitchen) <= 1.0);
}

#[test]
fn the_servers_clock_starts_before_the_day() {
    let start = plan(1).clock_start(Duration::from_secs(2));
    assert_eq!(start.to_string(), "2026-02-05T23:42:00.000Z");
}

#[test]
fn orders_are_the_scenarios_and_change_nobody_else() {
    let (without, plan) = (plan(4), plan(4).with_outlets(&any_kitchen));
    assert!(without.market().is_none() && plan.market().is_some());
    let orders = |test: fn(&OrderScript) -> bool| {
        move |script: &Script| script.order.as_ref().is_some_and(test)
    };
    check_share(&without, 0.0, orders(|_| true));
    check_share(&plan, 0.5, orders(|_| true));
    check_share(&plan, 0.5 * 0.7, |script| script.redemption.is_some());
    check_share(&plan, 0.5 * 0.3, orders(|order| order.quotes_first));
    check_share(&plan, 0.5 * 0.05, orders(|order| order.repeated));
    check_share(&plan, 0.5 * 0.12, orders(|order| order.pickup_after_ms.is_some()));
    check_share(&plan, 0.5 * 0.88 * 0.35, orders(|order| order.delivered));
    check_share(&plan, 0.5 * 0.7, orders(|order| order.takes_offer));
    check_share(&plan, 0.5 * 0.03, orders(|order| order.cancels_after_us.is_some()));
    check_share(&plan, 0.5 * 0.25, orders(|order| order.looks));
    let drinks = |order: &OrderScript| order.lines.iter().map(|line| line.quantity).sum::<u32>();
    for (count, share) in [(1, 0.6), (2, 0.3), (3, 0.1)] {
        check_share(&plan, 0.5 * share, |script| {
            script.order.as_ref().is_some_and(|order| drinks(order) == count)
        });
    }
    // 20 minutes at 540 times are 2.2 s.
    check_share(&plan, 0.25, orders(|order| order.after_us < 2_222_222));
    let mut popular = vec![0_u64; plan.market().unwrap().outlets().len()];
    for user in 0..plan.users() {
        let (before, now) = (without.script(user), plan.script(user));
        assert_eq!((before.tier, before.repeats_after_us), (now.tier, now.repeats_after_us));
        let Some(order) = now.order else {
            assert_eq!(before.redemption, now.redemption);
            continue;
        };
        popular[order.outlet] += 1;
        assert!(order.lines.windows(2).all(|pair| pair[0].item < pair[1].item));
        assert!((1_300..=3 * 2_800).contains(&plan.total_minor(&order)));
        assert!((800..=4_500).contains(&plan.work(&order)));
    }
    let most = popular.iter().max().unwrap();
    assert!(real(*most) > 20.0 * 0.5 * f64::from(plan.users()) / real(popular.len() as u64));
}

#[test]
fn instants_of_the_day_and_real_ones_are_the_same() {
    let plan = plan(1);
    assert_eq!(plan.instant_at(0).to_string(), "2026-02-06T00:00:00.000Z");
    for us in [0, 1_000_000, 60_000_000] {
        assert_eq!(plan.us_at(plan.instant_at(us).ms), us);
    }
    assert_eq!(plan.us_at(0), 0);
}
