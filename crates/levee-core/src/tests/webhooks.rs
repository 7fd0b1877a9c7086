//! Webhooks: how many, what is kept of them, and what a snapshot has.

use super::request;
use super::restore::restored;
use crate::types::*;
use crate::{RuleBook, State, Verdict};

/// Takes one command a line: `put NAME DOCUMENT`, `remove NAME`, `replay NAME SEQ`,
/// `dead NAME SEQ INDEX`, `retry NAME SEQ INDEX`, `settle NAME SEQ INDEX`, each with what comes of it behind an arrow.
#[track_caller]
fn check(state: &mut State, lines: &str) {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (ask, expected) = line.split_once("->").expect("an arrow");
        let words: Vec<_> = ask.split_whitespace().collect();
        let id = WebhookId::new(words[1]).expect("an id");
        let number = |place: usize| words[place].parse::<u64>().expect("a number");
        let event = || EventNo { seq: number(2), index: number(3).try_into().expect("small") };
        let seq = state.last_seq() + 1;
        let request = request(seq);
        let command = match words[0] {
            "put" => {
                let document = words[2].as_bytes().to_vec();
                Command::PutWebhook(Box::new(PutWebhook { id, document }))
            }
            "remove" => Command::RemoveWebhook(RemoveWebhook { id }),
            "replay" => Command::ReplayWebhook(Box::new(ReplayWebhook {
                request,
                id,
                after_seq: number(2),
            })),
            "dead" => {
                let letter =
                    DeadLetter { event: event(), kind: 1, tries: 9, error: "gone".to_owned() };
                Command::RecordDeadLetter(Box::new(RecordDeadLetter { id, letter }))
            }
            "retry" => {
                Command::RetryDeadLetter(Box::new(RetryDeadLetter { request, id, event: event() }))
            }
            "settle" => Command::SettleDeadLetter(SettleDeadLetter { id, event: event() }),
            other => panic!("{other}"),
        };
        let came = match state.apply(seq, seq, &command) {
            Verdict::Done(Outcome::WebhookPut { version }) => format!("version {version}"),
            Verdict::Done(_) => "done".to_owned(),
            Verdict::Refused(refusal) => refusal.to_string(),
            repeat @ Verdict::Repeat { .. } => panic!("{repeat:?}"),
        };
        assert_eq!(came, expected.trim(), "{line}");
    }
}

fn dead(state: &State, id: &str) -> (Vec<u64>, u64) {
    let webhook = &state.webhooks[&WebhookId::new(id).expect("an id")];
    (webhook.dead.iter().map(|letter| letter.event.seq).collect(), webhook.dead_dropped)
}

#[test]
fn a_webhook_is_put_replayed_and_removed() {
    let mut state = State::new(RuleBook::RELEASED);
    check(
        &mut state,
        "
        replay a 0     -> webhook_not_found
        put a one      -> version 1
        put a one      -> unchanged
        put a two      -> version 2
        replay a 2     -> done
        replay a 4     -> invalid_field
        replay a 3     -> done
        dead a 5 0     -> invalid_field
        dead a 0 0     -> invalid_field
        dead b 1 0     -> webhook_not_found
        dead a 3 1     -> done
        dead a 3 0     -> done
        dead a 3 1     -> unchanged
        dead a 1 0     -> done
        ",
    );
    assert_eq!(dead(&state, "a"), (vec![1, 3, 3], 0));
    let mut state = restored(&mut state);
    check(
        &mut state,
        "
        retry a 3 0    -> done
        retry a 3 0    -> dead_letter_not_found
        retry b 3 0    -> webhook_not_found
        settle a 3 0   -> dead_letter_not_found
        settle b 3 1   -> webhook_not_found
        settle a 3 1   -> done
        settle a 3 1   -> dead_letter_not_found
        dead a 3 1     -> done
        ",
    );
    assert_eq!(dead(&state, "a"), (vec![1, 3], 0));
    check(
        &mut state,
        "
        remove a       -> done
        remove a       -> webhook_not_found
        put a one      -> version 1
        ",
    );
    assert_eq!(dead(&state, "a"), (vec![], 0));
}

#[test]
fn webhooks_and_dead_letters_are_bounded() {
    let mut state = State::new(RuleBook::RELEASED);
    for number in 0..WEBHOOKS_MAX {
        check(&mut state, &format!("put w{number} x -> version 1"));
    }
    check(&mut state, "put other x -> webhook_limit_reached");
    for seq in 1..=DEAD_LETTERS_MAX + 2 {
        check(&mut state, &format!("dead w0 {seq} 0 -> done"));
    }
    let (kept, dropped) = dead(&state, "w0");
    assert_eq!((kept.len(), kept[0], dropped), (DEAD_LETTERS_MAX, 3, 2));
    restored(&mut state);
}
