//! Webhooks, doctored in one place at a time.

use super::*;

fn id() -> WebhookId {
    WebhookId::new("app").expect("an id")
}

fn put(document: &str, version: u32) -> (Command, Outcome) {
    let document = document.as_bytes().to_vec();
    let put = Command::PutWebhook(Box::new(PutWebhook { id: id(), document }));
    (put, Outcome::WebhookPut { version })
}

fn dead(seq: u64) -> (Command, Outcome) {
    let event = EventNo { seq, index: 0 };
    let letter = DeadLetter { event, kind: 1, tries: 3, error: "gone".into() };
    let record = RecordDeadLetter { id: id(), letter };
    (Command::RecordDeadLetter(Box::new(record)), Outcome::DeadLetterRecorded)
}

fn retry(request: u8, seq: u64) -> (Command, Outcome) {
    let event = EventNo { seq, index: 0 };
    let retry = RetryDeadLetter { request: key(request), id: id(), event };
    (Command::RetryDeadLetter(Box::new(retry)), Outcome::DeadLetterRetried)
}

fn settle(seq: u64) -> (Command, Outcome) {
    let event = EventNo { seq, index: 0 };
    let settle = SettleDeadLetter { id: id(), event };
    (Command::SettleDeadLetter(settle), Outcome::DeadLetterSettled)
}

fn replay(request: u8, after_seq: u64) -> (Command, Outcome) {
    let replay = ReplayWebhook { request: key(request), id: id(), after_seq };
    (Command::ReplayWebhook(Box::new(replay)), Outcome::WebhookReplayed)
}

fn remove() -> (Command, Outcome) {
    (Command::RemoveWebhook(RemoveWebhook { id: id() }), Outcome::WebhookRemoved)
}

#[track_caller]
fn check(steps: &[(Command, Outcome)], expected: &[(u64, &str)]) {
    let mut story = Story::default();
    for (at_ms, (command, outcome)) in (10..).zip(steps) {
        story.add(at_ms, command.clone(), outcome.clone());
    }
    check_story("webhooks", &story, expected);
}

#[test]
fn each_says_what_follows() {
    let (made, again) = (put("a", 1), put("b", 1));
    let clean = [
        made,
        put("b", 2),
        dead(1),
        replay(1, 3),
        retry(2, 1),
        dead(1),
        settle(1),
        dead(1),
        remove(),
        again,
    ];
    check(&clean, &[]);
    check(&[put("a", 1), put("b", 3)], &[(2, "version 2 of the webhook app is called 3")]);
    check(&[put("a", 1), put("a", 2)], &[(2, "the webhook app has this document already")]);
    check(&[remove()], &[(1, "there is no webhook app")]);
    check(
        &[put("a", 1), dead(1), dead(1)],
        &[(3, "EventNo { seq: 1, index: 0 } is a dead letter already")],
    );
    check(
        &[put("a", 1), dead(2)],
        &[(2, "a dead letter of EventNo { seq: 2, index: 0 }, which is not there yet")],
    );
    check(&[put("a", 1), retry(1, 1)], &[(2, "EventNo { seq: 1, index: 0 } is no dead letter")]);
    check(&[put("a", 1), settle(1)], &[(2, "EventNo { seq: 1, index: 0 } is no dead letter")]);
    check(&[put("a", 1), replay(1, 2)], &[(2, "a replay after 2, which is not there yet")]);
}
