//! What the rules make of a crowd's asks, recounted: two counts of one journal must agree.

use levee_core::query::{Answer, Query};
use levee_core::{RuleBook, State, Verdict};

use super::super::OrdersReport;
use super::crowd::{Crowd, OUTLETS, Seen};
use super::*;

fn seen(state: &State, now_ms: u64, order: OrderNo) -> Option<Seen> {
    let Answer::Order(view) = state.answer(now_ms, &Query::Order(order)) else {
        panic!("another answer")
    };
    view.map(|view| Seen {
        user: view.user,
        outlet: view.outlet,
        version: view.version,
        payable_minor: view.payable_minor,
        actions: state.actions_of(order),
    })
}

fn outlets() -> impl Iterator<Item = Command> {
    // The second is closed at night, which begins ten minutes after the crowd does.
    let day = DayPart { from_minute: 360, until_minute: 490 };
    let set = |from_ms, minutes| ZoneOffset { from_ms, minutes };
    let offsets = vec![set(0, 480), set(90_000_000, 400), set(180_000_000, 500)];
    (0..OUTLETS).map(move |number| {
        let hours = if number == 1 { vec![day] } else { Vec::new() };
        Command::PutOutlet(Box::new(PutOutlet {
            id: OutletId::new(&format!("tea-{number}")).unwrap(),
            document: vec![1],
            brand: NameHash::of("heytea"),
            vendor: NameHash::of("till"),
            stations: 2,
            unit_ms: 120_000,
            accept_within_ms: 400_000,
            ready_within_ms: 1_500_000,
            opening: Opening { offsets: offsets.clone(), hours },
        }))
    })
}

/// A campaign that is open, has little money, and gives some of it for orders that end badly.
fn first() -> Vec<Command> {
    let compensation =
        CompensationTerms { budget_minor: 4_000, apology_minor: 500, outlet_percent: 40 };
    let mut terms = Terms { closes_at_ms: 1 << 40, compensation: Some(compensation), ..terms() };
    terms.voucher.hours.clear();
    terms.voucher.valid_for_ms = 20_000_000;
    terms.voucher.rollback_within_ms = 3_000_000;
    let open = ChangeCampaignState {
        request: key(4),
        campaign: CampaignId::new("new-year").unwrap(),
        change: StateChange::Open,
        reason: String::new(),
    };
    let fund = |request, purpose, amount_minor, name| {
        budget(request, Direction::Fund, purpose, amount_minor, name, Money::default()).0
    };
    vec![
        create(1, definition(terms), 0).0,
        fund(2, Purpose::Vouchers, 75_000, "first"),
        fund(3, Purpose::Compensation, 4_000, "second"),
        Command::ChangeCampaignState(Box::new(open)),
    ]
}

/// Plays a crowd against the rules, and keeps what had an effect.
fn play(seed: u64, asks: u32) -> Story {
    let mut state = State::new(RuleBook::RELEASED);
    let mut story = Story::default();
    let mut crowd = Crowd::new(seed);
    let mut now_ms = 1_000;
    let mut apply = |state: &mut State, now_ms: u64, command: Command| {
        let verdict = state.apply(now_ms, state.last_seq() + 1, &command);
        let Verdict::Done(outcome) = verdict else { return None };
        story.add(now_ms, command.clone(), outcome.clone());
        Some((command, outcome))
    };
    for command in first().into_iter().chain(outlets()) {
        let said = format!("{command:?}");
        assert!(apply(&mut state, now_ms, command).is_some(), "{said}");
    }
    for _ in 0..asks {
        // Mostly seconds; now and then hours, so that what was made is collected by the clock.
        now_ms += match crowd.rng.u16(0..1_000) {
            0 => crowd.rng.u64(0..50_000_000),
            1..10 => crowd.rng.u64(0..4_000_000),
            _ => crowd.rng.u64(0..8_000),
        };
        let order = crowd.order();
        let known = seen(&state, now_ms, order);
        let command = if crowd.rng.u16(0..500) == 0 {
            Command::ResumeService(ResumeService { stopped_at_ms: state.last_ms() })
        } else {
            crowd.ask(now_ms, order, known.as_ref())
        };
        if let Some((command, outcome)) = apply(&mut state, now_ms, command) {
            crowd.note(&command, &outcome);
        }
    }
    story
}

#[test]
fn what_the_rules_do_is_what_the_audit_counts() {
    let (mut all, mut apologies, mut paid_to_outlets) = (Vec::<OrdersReport>::new(), 0, 0);
    for seed in 0..10 {
        let report = play(seed, 3_000).audit();
        let found = &report.differences;
        assert!(report.ok, "seed {seed}: {found:#?}");
        all.push(report.orders);
        apologies += report.campaigns[0].compensation.apologies;
        paid_to_outlets += report.campaigns[0].compensation.outlets_minor;
    }
    // The crowd has been everywhere.
    let sum = |count: fn(&OrdersReport) -> u64| all.iter().map(count).sum::<u64>();
    for (count, least, name) in [
        (sum(|orders| orders.placed), 600, "placed"),
        (sum(|orders| orders.offers_taken), 200, "offers taken"),
        (sum(|orders| orders.moved), 20, "moved"),
        (sum(|orders| orders.late), 20, "late"),
        (sum(|orders| orders.made - orders.late), 50, "in time"),
        (sum(|orders| orders.disputes.recorded), 100, "disputes"),
        (sum(|orders| orders.states.collected), 60, "collected"),
        (sum(|orders| orders.states.expired), 40, "expired"),
        (sum(|orders| orders.states.refunded), 80, "refunded"),
        (sum(|orders| orders.staffing_changes), 100, "staffing changes"),
        (sum(|orders| orders.walk_in_work), 200_000, "work of walk-ins"),
        (apologies, 40, "apologies"),
    ] {
        assert!(count >= least, "{count} {name}, where {least} are the least");
    }
    assert!(paid_to_outlets > 0, "outlets were paid");
}
