//! The binary form of messages: each comes back the same, and no bytes make the reader panic.

use levee_api::intake::{GateReport, Intake};
use levee_api::port::{Ask, AskBody, Failure, Priority, Query, Reply};
use levee_api::types::{
    BILL_MINOR_MAX, Bill, Categories, Command, DURATION_MS_MAX, LockVoucher, RedeemVoucher,
    Reference, RequestKey, Tick, UserKey, VoucherNo, Wire,
};
use proptest::collection::vec;
use proptest::prelude::*;

use super::bench::{create, terms};
use crate::message::{
    Challenge, Counts, ExportRequest, Hello, IntakeState, Report, ToEngine, ToGate, Welcome,
    bytes_of, read_frame, read_one,
};
use crate::{ApiKey, Installation};

fn to_engine() -> Vec<ToEngine> {
    let query = AskBody::Query(Box::new(Query::Campaigns { after: None, limit: 7 }));
    let asks = vec![
        Ask { ticket: 300, within_ms: 5, body: query },
        Ask { ticket: 0, within_ms: u32::MAX, body: AskBody::Command(create(terms())) },
    ];
    let counts = Counts {
        number: 3,
        passes: vec![(65_535, 2)],
        shown: 5,
        close_at_us: Some(4),
        hold_until_us: None,
        openings: vec![7],
    };
    let report =
        GateReport { name: "g".to_owned(), queue_delay_us: [1, 2], ..GateReport::default() };
    vec![
        ToEngine::Hello(Hello { protocol: 1, nonce: [4; 16], sent_us: 5, name: "east".to_owned() }),
        ToEngine::Proof([6; 32]),
        ToEngine::Asks { priority: Priority::Claim, age_us: 1 << 40, asks },
        ToEngine::Counts(counts),
        ToEngine::Reports(vec![Report { gate: 1, report }]),
        ToEngine::Ping { sent_us: 8 },
    ]
}

fn to_gate() -> Vec<ToGate> {
    let (id, role) = ("key_1".to_owned(), "outlet".to_owned());
    let key = ApiKey { sha256: [1; 32], id, role, brand: Some("heytea".to_owned()) };
    let installation =
        Installation { id: [1; 16], code_key: [2; 32], pseudonym_key: [3; 32], dev: false };
    let welcome = Welcome { proof: [9; 32], installation, token: [8; 16], keys: vec![key.clone()] };
    let mut state = IntakeState::of(&Intake::default(), 9);
    state.slots = vec![(1, 2), (3, 4)];
    let failures = [
        Failure::Overloaded,
        Failure::Expired,
        Failure::StorageFull,
        Failure::Stopping,
        Failure::Recovering,
        Failure::Quarantined,
        Failure::Unreachable,
        Failure::Lost,
    ];
    let replies = (0..).zip(failures.map(Reply::Failed)).collect();
    vec![
        ToGate::Challenge(Challenge { protocol: 1, nonce: [1; 16], engine_us: 2 }),
        ToGate::Welcome(Box::new(welcome)),
        ToGate::Replies(replies),
        ToGate::Vitals(vec![(0, 1), (700, u64::MAX)]),
        ToGate::Intake(Box::new(state)),
        ToGate::Keys(vec![key]),
        ToGate::Pong { sent_us: 1, engine_us: 2 },
    ]
}

#[track_caller]
fn comes_back<M: Wire + std::fmt::Debug>(messages: &[M]) {
    let mut frame = Vec::new();
    for message in messages {
        let bytes = bytes_of(message);
        assert_eq!(bytes_of(&read_one::<M>(&bytes).expect("one")), bytes, "{message:?}");
        for cut in 0..bytes.len() {
            assert!(read_one::<M>(&bytes[..cut]).is_err(), "{message:?} cut at {cut}");
        }
        frame.extend(bytes);
    }
    let read = read_frame::<M>(&frame).expect("all of them");
    assert_eq!(format!("{read:?}"), format!("{messages:?}"));
}

#[test]
fn every_message_comes_back() {
    comes_back(&to_engine());
    comes_back(&to_gate());
}

/// Whether an engine takes this command of a gate.
#[track_caller]
fn check(command: Command, taken: bool) {
    let ask = Ask { ticket: 1, within_ms: 1, body: AskBody::Command(command) };
    let bytes = bytes_of(&ToEngine::Asks { priority: Priority::Claim, age_us: 0, asks: vec![ask] });
    assert_eq!(read_one::<ToEngine>(&bytes).is_ok(), taken);
}

#[test]
fn commands_that_no_gate_gives_are_refused() {
    check(create(terms()), true);
    let mut unsound = terms();
    unsound.voucher.per_user = 0;
    check(create(unsound), false);
    check(Command::Tick(Tick { limit: 1 }), false);
    let redeem = |order_minor| {
        let (voucher, user) = (VoucherNo(1), UserKey([1; 16]));
        let categories = Categories::default();
        Command::RedeemVoucher(Box::new(RedeemVoucher {
            request: RequestKey([1; 16]),
            bill: Bill { voucher, user, order_minor, brand: None, categories },
            lock: None,
            reference: Reference::new("r").unwrap(),
        }))
    };
    check(redeem(BILL_MINOR_MAX), true);
    check(redeem(BILL_MINOR_MAX + 1), false);
    let lock = |ttl_ms| {
        let (request, voucher, user) = (RequestKey([1; 16]), VoucherNo(1), UserKey([1; 16]));
        let reference = Reference::new("r").unwrap();
        Command::LockVoucher(Box::new(LockVoucher { request, voucher, user, ttl_ms, reference }))
    };
    check(lock(DURATION_MS_MAX), true);
    check(lock(0), false);
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", to_gate()[1]);
    assert!(shown.contains("Installation") && !shown.contains("[2, 2") && !shown.contains("[3, 3"));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in vec(any::<u8>(), 0..300), tag in 0..9_u8) {
        let tagged = [&[tag], &bytes[..]].concat();
        for bytes in [&bytes, &tagged] {
            let _ = read_frame::<ToEngine>(bytes);
            let _ = read_frame::<ToGate>(bytes);
            let _ = read_one::<ExportRequest>(bytes);
        }
    }

    #[test]
    fn damaged_messages_are_an_error_or_another_message(
        which in any::<prop::sample::Index>(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut frame = bytes_of(which.get(&to_gate()));
        for (place, byte) in &damage {
            let place = place.index(frame.len());
            frame[place] = *byte;
        }
        // One message, one form.
        if let Ok(message) = read_one::<ToGate>(&frame) {
            prop_assert_eq!(bytes_of(&message), frame);
        }
        let mut frame = bytes_of(which.get(&to_engine()));
        for (place, byte) in &damage {
            let place = place.index(frame.len());
            frame[place] = *byte;
        }
        if let Ok(message) = read_one::<ToEngine>(&frame) {
            prop_assert_eq!(bytes_of(&message), frame);
        }
    }
}
