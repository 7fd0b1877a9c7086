//! Payments as tables: what is asked for at which second, and what is answered.

use levee_api::scenario::{Lasting, Outage, Payments as Terms, Peak};

use super::{PaymentStats, Provider};
use crate::sandbox::draw::Draw;
use crate::sandbox::effects::Effects;
use crate::sandbox::tests::{DAY_STARTS_AT_MS, payments};
use crate::wire::pay::{CreatePayment, RefundRequest};

fn exactly(median_s: f64) -> Lasting {
    Lasting { median_s, sigma: 0.0 }
}

/// Everybody pays after 30 seconds, callbacks come a second later, and nothing goes wrong.
fn terms() -> Terms {
    let mut terms = Terms {
        think: exactly(30.0),
        never: 0.0,
        failed: 0.0,
        refund_failed: 0.0,
        outages: Vec::new(),
        ..payments()
    };
    (terms.pending.share, terms.pending.lasting) = (0.0, exactly(20.0));
    let callbacks = &mut terms.callbacks;
    (callbacks.lost, callbacks.lost_for_good, callbacks.doubled) = (0.0, 0.0, 0.0);
    (callbacks.delay, callbacks.late.share, callbacks.late.by) =
        (exactly(1.0), 0.0, exactly(100.0));
    callbacks.repeat_after_s = vec![15.0, 30.0];
    callbacks.peaks.clear();
    terms
}

/// Lines `SECOND create ID AMOUNT`, `get ID`, `close ID`, `pay ID`, `refund ID NUMBER AMOUNT`,
/// `heard` or `unheard` (the first callback that was sent), or `wait`; behind an arrow the answer,
/// then the callbacks that are sent. At the end the counts that are not 0.
#[track_caller]
fn check(terms: Terms, script: &str, expected: &str) {
    let mut provider = Provider::new(Draw::new(1), terms, DAY_STARTS_AT_MS, "http://s".to_owned());
    let mut effects = Effects::new();
    let mut sent = Vec::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (words, expected) = line.split_once(" -> ").unwrap_or((line, ""));
        let words: Vec<&str> = words.split(' ').collect();
        let number = |place: usize| words[place].parse::<u64>().expect("a number");
        let now_ms = DAY_STARTS_AT_MS + number(0) * 1_000;
        while let Some((due_ms, due)) = effects.agenda.take(now_ms) {
            provider.due(&mut effects, due_ms, due);
        }
        let answer = match words[1] {
            "create" => provider
                .create(
                    &mut effects,
                    now_ms,
                    &CreatePayment {
                        payment: words[2].to_owned(),
                        amount_minor: number(3),
                        currency: "CNY".to_owned(),
                        notify_url: "http://levee/notify".to_owned(),
                    },
                )
                .map(|(new, made)| {
                    format!("{} {:?}", if new { "new" } else { "known" }, made.state)
                }),
            "refund" => provider
                .refund(
                    words[2],
                    RefundRequest {
                        refund: u32::try_from(number(3)).expect("small"),
                        amount_minor: number(4),
                    },
                )
                .map(|reply| format!("{:?}", reply.state)),
            "heard" | "unheard" => {
                provider.called_back(&mut effects, now_ms, sent.remove(0), words[1] == "heard");
                Ok(String::new())
            }
            "wait" => Ok(String::new()),
            what => match what {
                "get" => provider.now(words[2]),
                "close" => provider.close(&mut effects, now_ms, words[2]),
                "pay" => provider.pay(&mut effects, now_ms, words[2]),
                other => panic!("{other}"),
            }
            .map(|now| format!("{:?} {}-{}", now.state, now.captured_minor, now.refunded_minor)),
        };
        let mut said = vec![answer.unwrap_or_else(|unwilling| unwilling.to_string())];
        while let Some(what) = effects.callbacks.pop_front() {
            let body = provider.sending(what).body;
            sent.push(what);
            let captured = body.captured_minor.map_or(String::new(), |minor| format!("={minor}"));
            said.push(format!("{}:{}{captured}", body.payment, body.event.name()));
        }
        assert_eq!(said.join(" ").trim(), expected, "{line}");
    }
    assert_eq!(counts(provider.stats()), expected);
    let lines: Vec<_> = provider.lines(0).collect();
    let captured: u64 = lines.iter().map(|line| line.captured_minor).sum();
    let refunded: u64 = lines.iter().map(|line| line.refunded_minor).sum();
    let stats = provider.stats();
    assert_eq!((captured, refunded), (stats.captured_minor, stats.refunded_minor));
}

fn counts(stats: PaymentStats) -> String {
    let json = serde_json::to_value(stats).expect("counts");
    let (own, callbacks) = (json.as_object().expect("an object"), &json["callbacks"]);
    let all = own.iter().chain(callbacks.as_object().expect("an object"));
    let some = all.filter(|(_, count)| count.as_u64().is_some_and(|count| count != 0));
    some.map(|(name, count)| format!("{name}={count}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_payment_is_made_once_paid_and_told() {
    check(
        terms(),
        "
        0 create p 500 -> new Created
        1 create p 500 -> known Created
        2 create p 501 -> payment_reused
        3 get p -> Created 0-0
        3 get q -> payment_not_found
        30 get p -> Succeeded 500-0
        30 create p 500 -> known Succeeded
        31 wait -> p:succeeded=500
        32 heard
        999 wait
        ",
        "created=1 repeated=2 paid=1 captured_minor=500 events=1 sent=1 acknowledged=1",
    );
}

#[test]
fn what_is_closed_is_never_paid_and_what_is_paid_never_closed() {
    check(
        terms(),
        "
        0 create p 500 -> new Created
        10 close p -> Closed 0-0
        11 wait -> p:closed
        11 close p -> Closed 0-0
        11 pay p -> payment_not_open
        40 get p -> Closed 0-0
        50 close q -> Closed 0-0
        51 create q 700 -> known Closed
        52 create q 701 -> payment_reused
        99 pay q -> payment_not_open
        100 create r 900 -> new Created
        101 pay r -> Succeeded 900-0
        102 close r -> Succeeded 900-0 r:succeeded=900
        103 pay r -> Succeeded 900-0
        103 pay s -> payment_not_found
        999 wait
        ",
        "created=2 repeated=1 paid=1 closed=2 captured_minor=900 events=2 sent=2",
    );
}

#[test]
fn refunds_have_numbers_and_never_exceed_what_was_captured() {
    check(
        terms(),
        "
        0 create p 500 -> new Created
        1 refund p 1 100 -> refund_exceeds_captured
        1 refund q 1 100 -> payment_not_found
        2 pay p -> Succeeded 500-0
        3 refund p 1 300 -> Done p:succeeded=500
        4 refund p 1 300 -> Done
        5 refund p 1 200 -> refund_reused
        6 refund p 2 201 -> refund_exceeds_captured
        7 refund p 2 200 -> Done
        8 refund p 3 1 -> refund_exceeds_captured
        9 get p -> Succeeded 500-500
        ",
        "created=1 paid=1 captured_minor=500 refunds_done=2 refunds_refused=3 \
         refunded_minor=500 events=1 sent=1",
    );
    let failing = Terms { refund_failed: 1.0, ..terms() };
    check(
        failing,
        "
        0 create p 500 -> new Created
        2 pay p -> Succeeded 500-0
        3 refund p 1 500 -> Failed p:succeeded=500
        3 refund p 1 500 -> Failed
        4 refund p 2 500 -> Failed
        9 get p -> Succeeded 500-0
        ",
        "created=1 paid=1 captured_minor=500 refunds_failed=2 events=1 sent=1",
    );
}

#[test]
fn some_never_pay_some_fail_and_some_take_a_while() {
    let never = Terms { never: 1.0, ..terms() };
    let script = "
        0 create p 500 -> new Created
        9999 get p -> Created 0-0
        ";
    check(never, script, "created=1");
    let failed = Terms { failed: 1.0, ..terms() };
    let script = "
        0 create p 500 -> new Created
        31 get p -> Failed 0-0 p:failed
        32 pay p -> payment_not_open
        33 close p -> Closed 0-0
        34 wait -> p:closed
        ";
    check(failed, script, "created=1 failed=1 closed=1 events=2 sent=2");
    let mut pending = terms();
    pending.pending.share = 1.0;
    let script = "
        0 create p 500 -> new Created
        31 get p -> Pending 0-0 p:pending
        50 get p -> Succeeded 500-0
        51 wait -> p:succeeded=500
        100 create q 500 -> new Created
        131 get q -> Pending 0-0 q:pending
        140 close q -> Closed 0-0
        999 get q -> Closed 0-0 q:closed
        ";
    let counts = "created=2 paid=1 closed=1 captured_minor=500 events=4 sent=4";
    check(pending, script, counts);
}

#[test]
fn callbacks_are_repeated_until_they_are_heard() {
    check(
        terms(),
        "
        0 create p 500 -> new Created
        31 wait -> p:succeeded=500
        32 unheard
        46 wait
        47 wait -> p:succeeded=500
        47 unheard
        77 wait -> p:succeeded=500
        78 unheard
        9999 wait
        ",
        "created=1 paid=1 captured_minor=500 events=1 sent=3 unacknowledged=3 gave_up=1",
    );
}

#[test]
fn callbacks_are_lost_doubled_and_overtaken() {
    let mut lost = terms();
    lost.callbacks.lost = 1.0;
    let script = "
        0 create p 500 -> new Created
        9999 get p -> Succeeded 500-0
        ";
    let counts = "created=1 paid=1 captured_minor=500 events=1 lost=3 gave_up=1";
    check(lost, script, counts);
    let mut for_good = terms();
    for_good.callbacks.lost_for_good = 1.0;
    check(for_good, script, "created=1 paid=1 captured_minor=500 events=1 lost=1");
    let mut doubled = terms();
    doubled.callbacks.doubled = 1.0;
    let script = "
        0 create p 500 -> new Created
        31 wait -> p:succeeded=500 p:succeeded=500
        32 heard
        33 unheard
        9999 wait
        ";
    let counts = "created=1 paid=1 captured_minor=500 events=1 sent=2 doubled=1 acknowledged=1 \
                  unacknowledged=1";
    check(doubled, script, counts);
    // Of two events of some payment only the first is held up, so the second is told first.
    let mut late = terms();
    late.pending.share = 1.0;
    late.callbacks.late.share = 0.5;
    let mut provider = Provider::new(Draw::new(1), late, DAY_STARTS_AT_MS, "http://s".to_owned());
    let mut effects = Effects::new();
    for id in 0..64 {
        let ask = CreatePayment {
            payment: format!("p{id}"),
            amount_minor: 1,
            currency: "CNY".to_owned(),
            notify_url: "http://levee/notify".to_owned(),
        };
        provider.create(&mut effects, DAY_STARTS_AT_MS, &ask).expect("made");
    }
    while let Some((due_ms, due)) = effects.agenda.take(u64::MAX) {
        provider.due(&mut effects, due_ms, due);
    }
    let mut order: Vec<(u32, &str)> = Vec::new();
    order.extend(effects.callbacks.iter().map(|what| (what.payment, what.event.name())));
    assert_eq!(order.len(), 128);
    let place = |payment, event| order.iter().position(|what| *what == (payment, event));
    let overtaken = (0..64).filter(|id| place(*id, "succeeded") < place(*id, "pending")).count();
    assert!((4..=28).contains(&overtaken), "{overtaken} of 64, about a quarter expected");
}

/// What happens in a peak is told later, and what is sent in one gets lost or comes twice.
#[test]
fn peaks_hold_up_lose_and_double() {
    let in_a_peak = |change: fn(&mut Peak)| {
        let mut terms = terms();
        let mut peak =
            Peak { from_hour: 0.0, hours: 0.01, late_minutes: 0.0, lost: 0.0, doubled: 0.0 };
        change(&mut peak);
        terms.callbacks.peaks = vec![peak];
        terms
    };
    let script = "
        0 create p 500 -> new Created
        10 create q 500 -> new Created
        31 wait -> p:succeeded=500
        41 wait -> q:succeeded=500
        ";
    let counts = "created=2 paid=2 captured_minor=1000 events=2 sent=2";
    check(in_a_peak(|_| ()), script, counts);
    check(
        in_a_peak(|peak| peak.late_minutes = 20.0),
        "
        0 create p 500 -> new Created
        10 create q 500 -> new Created
        41 wait -> q:succeeded=500
        1230 wait
        1231 wait -> p:succeeded=500
        ",
        "created=2 paid=2 captured_minor=1000 events=2 sent=2 late=1",
    );
    check(
        in_a_peak(|peak| peak.lost = 1.0),
        "
        0 create p 500 -> new Created
        10 create q 500 -> new Created
        41 wait -> q:succeeded=500
        46 wait -> p:succeeded=500
        ",
        "created=2 paid=2 captured_minor=1000 events=2 sent=2 lost=1",
    );
    check(
        in_a_peak(|peak| peak.doubled = 1.0),
        "
        0 create p 500 -> new Created
        10 create q 500 -> new Created
        31 wait -> p:succeeded=500 p:succeeded=500
        41 wait -> q:succeeded=500
        ",
        "created=2 paid=2 captured_minor=1000 events=2 sent=3 doubled=1",
    );
}

#[test]
fn an_outage_holds_back_callbacks_or_everything() {
    let mut callbacks = terms();
    callbacks.outages = vec![Outage { from_hour: 0.0, hours: 1.0, api: false }];
    let script = "
        0 create p 500 -> new Created
        31 get p -> Succeeded 500-0
        3599 wait
        3600 wait -> p:succeeded=500
        ";
    let counts = "created=1 paid=1 captured_minor=500 events=1 sent=1";
    check(callbacks, script, counts);
    let mut all = terms();
    all.outages = vec![Outage { from_hour: 0.0, hours: 1.0, api: true }];
    let script = "
        0 create p 500 -> new Created
        3599 get p -> Created 0-0
        3600 get p -> Succeeded 500-0
        3601 wait -> p:succeeded=500
        ";
    check(all.clone(), script, counts);
    let provider = Provider::new(Draw::new(1), all, DAY_STARTS_AT_MS, String::new());
    let over_ms = Some(DAY_STARTS_AT_MS + 3_600_000);
    assert_eq!(provider.outage_over_ms(DAY_STARTS_AT_MS, true), over_ms);
    assert_eq!(provider.outage_over_ms(DAY_STARTS_AT_MS + 3_600_000, true), None);
}
