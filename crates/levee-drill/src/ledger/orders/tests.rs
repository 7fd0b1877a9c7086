//! A journal of two orders and a cancellation, users who were told of them, and one thing wrong at a
//! time.

use levee_api::types::*;

use super::*;

struct Drill {
    codes: Codes,
    pseudonyms: PseudonymKey,
    steps: Vec<(Command, Outcome)>,
    ledger: OrderLedger,
}

fn request(number: u8) -> RequestKey {
    RequestKey([number; 16])
}

fn user_id(user: u32) -> String {
    format!("u{user}")
}

impl Drill {
    /// Facts 1 and 2 are the orders of users 0 and 1, fact 3 is the first one's cancellation.
    fn new() -> Self {
        let codes = Codes::new(&[1; 32], 0);
        let pseudonyms = PseudonymKey::new(&[2; 32]);
        let mut ledger = OrderLedger::default();
        let mut steps = Vec::new();
        for user in 0..2 {
            steps.push(place(pseudonyms.of(&user_id(user)), user));
            let id = codes.order(OrderNo(user));
            let ack = OrderAck {
                seq: steps.len() as u64,
                id: Code::new(id.strip_prefix("ord_").unwrap().as_bytes()).unwrap(),
                total_minor: 4_000,
                discount_minor: 2_500,
                payable_minor: 1_400,
                ready_at_ms: 9_000,
            };
            assert_eq!(ledger.place(user, ack), Noted::First);
        }
        steps.push(cancel(0));
        assert_eq!(ledger.cancel(0, 3), Noted::First);
        Self { codes, pseudonyms, steps, ledger }
    }

    fn compare(&self) -> OrderFindings {
        let mut comparison =
            OrderComparison::new(&self.ledger, user_id, &self.codes, &self.pseudonyms);
        for (place, (command, outcome)) in self.steps.iter().enumerate() {
            comparison.visit(&Fact { seq: place as u64 + 1, at_ms: 0, command, outcome });
        }
        comparison.finish()
    }
}

fn place(user: UserKey, order: u32) -> (Command, Outcome) {
    let place = PlaceOrder {
        request: request(u8::try_from(order).unwrap()),
        asked: 0,
        user,
        outlet: OutletNo(0),
        outlet_version: 1,
        lines: vec![OrderLine { item: 0, quantity: 2 }],
        categories: Categories::new(&[]).unwrap(),
        total_minor: 4_000,
        merchant_discount_minor: 100,
        voucher: Some(VoucherNo(order)),
        offer: None,
        ready_by_ms: None,
        courier_ms: None,
        work: 2_000,
        pay_within_ms: 900_000,
        others: Vec::new(),
        campaign: None,
    };
    let outcome = Outcome::OrderPlaced {
        order: OrderNo(order),
        promised_at_ms: 9_000,
        subsidy_minor: 2_500,
        held: Held::Lock(LockNo(order)),
        due_ms: 900_000,
    };
    (Command::PlaceOrder(Box::new(place)), outcome)
}

fn cancel(order: u32) -> (Command, Outcome) {
    let cancel = CancelOrder {
        request: request(9),
        order: OrderNo(order),
        by: Party::Operator,
        reason: String::new(),
    };
    let change = OrderChange {
        state: OrderState::Cancelled,
        payment: None,
        version: 0,
        redemption: None,
        voucher: Some(VoucherState::Live),
        ended: true,
    };
    (Command::CancelOrder(Box::new(cancel)), Outcome::OrderChanged(change))
}

/// Lost, wrong and doubled ones, after one thing was made wrong, and what is said of it.
#[track_caller]
fn check(wrong: impl FnOnce(&mut Drill), expected: [u64; 3], words: &str) {
    let mut drill = Drill::new();
    wrong(&mut drill);
    let found = drill.compare();
    assert_eq!([found.lost, found.wrong, found.doubled], expected, "{:?}", found.words);
    assert!(found.words.join("; ").contains(words), "{words} is not in {:?}", found.words);
}

fn ack(drill: &mut Drill, user: u32) -> &mut OrderAck {
    drill.ledger.placed.get_mut(&user).unwrap()
}

#[test]
fn what_users_were_told_is_looked_up() {
    check(|_| (), [0, 0, 0], "");
    check(|d| ack(d, 1).seq = 9, [1, 0, 0], "has not at 9 the order that user 1 was told");
    check(|d| ack(d, 1).seq = 3, [1, 0, 0], "has not at 3 the order");
    check(|d| ack(d, 1).id = ack(d, 0).id, [1, 0, 0], "has not at 2 the order");
    check(|d| ack(d, 1).total_minor = 3_900, [0, 1, 0], "at 2 is not what user 1 was told");
    check(|d| ack(d, 1).discount_minor = 2_400, [0, 1, 0], "at 2 is not");
    check(|d| ack(d, 0).payable_minor = 1_500, [0, 1, 0], "at 1 is not");
    check(|d| ack(d, 0).ready_at_ms = 9_001, [0, 1, 0], "at 1 is not");
    check(|d| drop(d.steps.pop()), [1, 0, 0], "has not at 3 the cancellation");
    check(|d| d.steps[2] = cancel(1), [1, 0, 0], "has not at 3 the cancellation that user 0");
    check(|d| d.codes = Codes::new(&[9; 32], 0), [3, 0, 0], "has not at 1");
}

#[test]
fn what_happened_twice_is_found() {
    check(
        |d| d.steps.push(place(d.pseudonyms.of("u1"), 2)),
        [0, 0, 1],
        "a second order of one user at 4",
    );
    check(|d| d.steps.push(cancel(0)), [0, 0, 1], "cancelled again at 4");
    check(
        |d| {
            let other = OrderAck { seq: 7, ..*ack(d, 0) };
            assert_eq!(d.ledger.place(0, other), Noted::Different);
            assert_eq!(d.ledger.cancel(0, 8), Noted::Different);
        },
        [0, 0, 2],
        "",
    );
}

#[test]
fn a_repeat_may_tell_of_what_became_of_it() {
    let mut drill = Drill::new();
    let moved = OrderAck { ready_at_ms: 9_500, ..*ack(&mut drill, 0) };
    assert_eq!(drill.ledger.place(0, moved), Noted::Same);
    drill.ledger.placed.remove(&1);
    let found = drill.compare();
    assert_eq!((found.lost, found.wrong, found.doubled, found.unacknowledged), (0, 0, 0, 1));
}
