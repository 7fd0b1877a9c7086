//! What the stand-in server says of outlets and orders, and a crowd that orders there.

use levee_api::types::OrderNo;

use super::*;
use crate::crowd::answers::{Answers, Built};
use crate::crowd::connection::Reply;
use crate::crowd::generator::Work;
use crate::crowd::requests::Requests;
use crate::market::any_kitchen;
use crate::plan::OrderScript;

/// What becomes of a user's order.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// Placed, and ready when it was promised.
    Good,
    /// The outlet is busy, and a quote offers a later time.
    Later,
    /// The outlet is busy, and nobody has an offer.
    Never,
    /// Placed without an answer at the first try.
    BrokenOff,
    /// Placed, and never begun.
    Forgotten,
    /// The first offer that is taken is gone, and the second holds.
    Gone,
}

fn fate(user: u32) -> Fate {
    match user % 8 {
        1 => Fate::Later,
        2 => Fate::Never,
        3 => Fate::BrokenOff,
        4 => Fate::Forgotten,
        5 => Fate::Gone,
        _ => Fate::Good,
    }
}

/// Orders that were sent, by user.
#[derive(Default)]
pub(super) struct Orders {
    seen: Mutex<HashMap<u32, u32>>,
}

impl StandIn {
    /// As many good lines as there are outlets.
    pub(super) fn imported(lines: usize) -> String {
        let line =
            |number| json!({"line": number, "status": 201, "outcome": "created"}).to_string();
        (1..=lines).map(|number| line(number) + "\n").collect()
    }

    /// `None` to break off.
    pub(super) fn order(&self, path: &str, body: &Value) -> Option<Answer> {
        let parts: Vec<&str> = path.split('/').skip(3).collect();
        let id = parts.first().copied().unwrap_or_default();
        if let Some(order) = self.codes.parse_order(id) {
            let state = if fate(order.0) == Fate::Forgotten { "accepted" } else { "ready" };
            let order_body = json!({"id": id, "state": state});
            return Some(if parts.len() > 1 {
                Answer(200, false, json!({"order": order_body, "seq": 5_000_000 + order.0}))
            } else {
                Answer(200, false, order_body)
            });
        }
        let user = body["user_id"].as_str()?.rsplit('-').next()?.parse().ok()?;
        let script = self.plan.script(user).order.expect("only those who do order");
        let offer = |number: u32, ready_at: &str| {
            json!({"offer": format!("off_{number}"), "outlet_id": "elsewhere-000001",
                "ready_at": ready_at})
        };
        if id == "quote" {
            return Some(match fate(user) {
                Fate::Never => problem(409, "no_offers"),
                _ => {
                    // One for tomorrow, which nobody takes, and one for before the day began.
                    let offers =
                        [offer(1, "2026-02-07T02:00:00Z"), offer(2, "2026-02-06T00:00:00Z")];
                    Answer(200, false, json!({"offers": offers, "seq": 1}))
                }
            });
        }
        assert_eq!(body["expected_total_minor"], self.plan.total_minor(&script));
        let taken = body["offer"].is_string();
        assert!(!taken || body["offer"] == "off_2", "{body}");
        assert_eq!(body["outlet_id"] == "elsewhere-000001", taken, "{body}");
        let mut seen = self.orders.seen.lock().expect("nobody panics with it");
        let times = seen.entry(user).or_default();
        let busy = match fate(user) {
            Fate::Never => Some("outlet_busy"),
            Fate::Later | Fate::Gone if !taken => Some("outlet_busy"),
            Fate::Gone if *times == 0 => Some("offer_expired"),
            _ => None,
        };
        if busy != Some("outlet_busy") {
            *times += 1;
        }
        if let Some(code) = busy {
            return Some(problem(409, code));
        }
        if fate(user) == Fate::BrokenOff && *times == 1 {
            return None;
        }
        let order = json!({"id": self.codes.order(OrderNo(user)), "state": "paid",
            "total_minor": self.plan.total_minor(&script), "discount_minor": 900,
            "payable_minor": 400, "ready_at": "2026-02-06T00:10:00Z"});
        let first = *times == 1;
        Some(Answer(if first { 201 } else { 200 }, !first, json!({"order": order, "seq": user})))
    }
}

#[test]
fn users_who_order_are_patient_or_not() {
    let plan = FestivalPlan::new(Scenario::reference(), 5, 5, 2e-4).with_outlets(&any_kitchen);
    let plan = Arc::new(plan);
    let result = run(&plan, &start(&plan), &mut Nobody, &mut |_| ()).unwrap();
    let (tally, orders) = (&result.tally, &result.ledger.orders);
    let unexpected = tally.oddities.iter().find(|odd| odd.contains("unexpected answer"));
    assert_eq!(unexpected, None);
    assert_eq!(tally.of(Op::Order).acked, orders.placed.len() as u64);
    assert_eq!(tally.of(Op::Cancel).acked, orders.cancelled.len() as u64);
    assert_eq!(orders.different, 0);
    assert!(orders.placed.keys().all(|user| orders.wanted.contains_key(user)));
    assert!(orders.cancelled.keys().all(|user| orders.placed.contains_key(user)));
    let with = |wanted: Fate, test: fn(&OrderScript) -> bool| -> Vec<u32> {
        let users = orders.wanted.keys().copied().filter(|user| fate(*user) == wanted);
        users.filter(|user| plan.script(*user).order.is_some_and(|order| test(&order))).collect()
    };
    let placed = |users: &[u32]| users.iter().filter(|u| orders.placed.contains_key(u)).count();
    // The day may be over before the last of them are done, on a busy machine before many are.
    #[track_caller]
    fn nearly(found: usize, all: usize) {
        assert!(found <= all && found * 4 >= all * 3 && all > 20, "{found} of {all}");
    }
    for good in [Fate::Good, Fate::BrokenOff, Fate::Forgotten] {
        let users = with(good, |order| !order.quotes_first);
        nearly(placed(&users), users.len());
    }
    let broken = with(Fate::BrokenOff, |_| true).len() as u64;
    assert!((1..=broken).contains(&tally.of(Op::Order).unknown));
    // Who is busy: the patient take what is offered, the others keep their voucher.
    for fate in [Fate::Later, Fate::Gone] {
        let patient = with(fate, |order| order.takes_offer);
        nearly(placed(&patient), patient.len());
        assert_eq!(placed(&with(fate, |order| !order.takes_offer)), 0);
    }
    assert_eq!(placed(&with(Fate::Never, |_| true)), 0);
    assert!(tally.orders.kept_voucher > 0 && tally.orders.offers > tally.orders.offers_taken);
    assert!(tally.orders.offers_taken > 0);
    let codes = ["outlet_busy", "offer_expired"];
    assert!(codes.iter().all(|code| tally.refusals.contains_key(&(Op::Order, code))));
    assert!(tally.refusals.contains_key(&(Op::Quote, "no_offers")));
    // Who looks and finds nothing gives up; others cancel because they want to.
    let forgotten = with(Fate::Forgotten, |order| order.looks && !order.quotes_first);
    let gave_up = forgotten.iter().filter(|user| orders.cancelled.contains_key(user)).count();
    assert!(gave_up > 0 && tally.orders.looked_in_vain > 0);
    let patient = with(Fate::Good, |order| order.cancels_after_us.is_none());
    assert!(patient.iter().all(|user| !orders.cancelled.contains_key(user)));
    assert!(tally.buckets.iter().map(|bucket| bucket.orders_acked).sum::<u64>() > 0);
}

#[test]
fn an_outlet_that_is_not_taken_ends_the_drill() {
    let plan = FestivalPlan::new(Scenario::reference(), 1, 5, 1e-4).with_outlets(&any_kitchen);
    let plan = Arc::new(plan);
    let access = start_with(&plan, 7);
    let error = run(&plan, &access, &mut Nobody, &mut |_| {}).expect_err("seven are taken");
    assert_eq!(
        error.to_string(),
        "of 60 outlets 7 were taken: there is no answer to the last lines"
    );
}

/// An order that is sent twice at once comes to this: what the app does after each of the answers,
/// by how many requests follow, and how many orders it holds.
#[track_caller]
fn check_twice(answers: [(u16, &str); 2], follow: [usize; 2], placed: usize) {
    let plan = FestivalPlan::new(Scenario::reference(), 10, 5, 2e-4).with_outlets(&any_kitchen);
    let plan = Arc::new(plan);
    let twice = |order: OrderScript| {
        order.repeated && !order.quotes_first && !order.looks && order.cancels_after_us.is_none()
    };
    let mut users = 0..plan.users();
    let user = users.find(|user| plan.script(*user).order.is_some_and(twice)).expect("one of many");
    let mut books = Answers::new(Arc::clone(&plan), Arc::default());
    let mut requests = Requests::new("host:1", "key", "spring", &plan);
    let work = |op| Work { op, user, retries: 0, polls: false, step: 0, intended_us: 0 };
    let answer = |books: &mut Answers, op, status, body: &str| {
        let reply = Reply { status, replayed: false, body: body.as_bytes() };
        books.answered(&work(op), &reply, 1_000)
    };
    let codes = Codes::new(&[1; 32], 0);
    let claim =
        json!({"voucher": {"code": codes.voucher(VoucherNo(1)), "face_minor": 2_500}, "seq": 1});
    let after = answer(&mut books, Op::Claim, 201, &claim.to_string());
    assert_eq!(after.next.len(), 2, "both copies are sent at once");
    for _ in 0..2 {
        let built = books.build(&work(Op::Order), &mut requests, &mut Vec::new());
        assert!(matches!(built, Built::Ready));
    }
    let order = json!({"order": {"id": codes.order(OrderNo(1)), "state": "paid", "total_minor": 1,
        "discount_minor": 1, "payable_minor": 0, "ready_at": "2026-02-06T00:10:00Z"}, "seq": 2});
    for ((status, code), follow) in answers.into_iter().zip(follow) {
        let body =
            if status < 300 { order.clone() } else { json!({"status": status, "code": code}) };
        let after = answer(&mut books, Op::Order, status, &body.to_string());
        assert_eq!(after.next.len(), follow, "{status} {code}");
    }
    assert_eq!(books.into_harvest().ledger.orders.placed.len(), placed);
}

#[test]
fn nothing_follows_from_a_refusal_while_a_copy_is_under_way() {
    let (busy, good) = ((409, "outlet_busy"), (201, ""));
    check_twice([busy, good], [0, 0], 1);
    check_twice([good, busy], [0, 0], 1);
    check_twice([busy, busy], [0, 1], 0);
}
