//! The binary form: whatever is written comes back the same, equal values have equal bytes, and no
//! bytes make the reader panic.

mod strategies;

use std::fmt::Debug;

use proptest::collection::vec;
use proptest::prelude::*;

use self::strategies::{answer, command, definition, key, outcome, query, refusal};
use crate::query::{Answer, Query};
use crate::types::*;

fn bytes_of<T: Wire>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.put(&mut bytes);
    bytes
}

fn comes_back<T: Wire + PartialEq + Debug>(value: &T) {
    let mut bytes = bytes_of(value);
    let len = bytes.len();
    // What stands behind a value is not looked at.
    bytes.extend([0xff; 3]);
    let mut reader = Reader::new(&bytes);
    assert_eq!(T::get(&mut reader).as_ref(), Ok(value));
    assert_eq!((reader.offset(), reader.remaining()), (len, 3));
    for cut in 0..len {
        assert!(T::get(&mut Reader::new(&bytes[..cut])).is_err(), "cut at {cut} of {len}");
    }
}

/// Reads any bytes; what they are taken for has these bytes as its one form.
fn reads_one_form<T: Wire>(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    if let Ok(value) = T::get(&mut reader) {
        assert_eq!(bytes_of(&value), bytes[..reader.offset()]);
    }
}

fn batch(entries: &[(Command, Outcome)], rules_version: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_batch_start(rules_version, &mut bytes);
    entries.iter().for_each(|(command, outcome)| put_entry(command, outcome, &mut bytes));
    bytes
}

/// Reads a batch to its end: entries, and then at most one error.
fn read_batch(bytes: &[u8]) -> Result<(u16, Vec<(Command, Outcome)>), DecodeError> {
    let mut reader = BatchReader::new(bytes)?;
    let entries: Result<Vec<_>, _> = reader.by_ref().collect();
    assert!(reader.next().is_none(), "nothing comes behind the end or an error");
    Ok((reader.rules_version(), entries?))
}

proptest! {
    #[test]
    fn every_command_comes_back(command in command()) {
        comes_back(&command);
    }

    #[test]
    fn every_outcome_comes_back(outcome in outcome()) {
        comes_back(&outcome);
    }

    #[test]
    fn every_refusal_comes_back(refusal in refusal()) {
        comes_back(&refusal);
    }

    #[test]
    fn every_question_comes_back(query in query()) {
        comes_back(&query);
    }

    #[test]
    fn every_answer_comes_back(answer in answer()) {
        comes_back(&answer);
    }

    #[test]
    fn damaged_answers_are_an_error_or_another_answer(
        answer in answer(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = bytes_of(&answer);
        for (place, byte) in &damage {
            let place = place.index(bytes.len());
            bytes[place] = *byte;
        }
        reads_one_form::<Answer>(&bytes);
    }

    #[test]
    fn a_batch_comes_back(
        entries in vec((command(), outcome()), 0..8),
        rules_version: u16,
    ) {
        let bytes = batch(&entries, rules_version);
        prop_assert_eq!(read_batch(&bytes), Ok((rules_version, entries)));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in vec(any::<u8>(), 0..200), tag in 0..50_u8) {
        reads_one_form::<Command>(&bytes);
        reads_one_form::<Outcome>(&bytes);
        let _ = read_batch(&bytes);
        let tagged = [&[tag], &bytes[..]].concat();
        reads_one_form::<Command>(&tagged);
        reads_one_form::<Outcome>(&tagged);
        reads_one_form::<Refusal>(&tagged);
        reads_one_form::<Query>(&tagged);
        reads_one_form::<Answer>(&tagged);
        let started = [&[CODEC_VERSION, 1, tag], &bytes[..]].concat();
        let _ = read_batch(&started);
    }

    #[test]
    fn damaged_bytes_are_an_error_or_another_value(
        entries in vec((command(), outcome()), 1..4),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = batch(&entries, 1);
        let whole = bytes.clone();
        for (place, byte) in &damage {
            let place = place.index(bytes.len());
            bytes[place] = *byte;
        }
        if let Ok((rules_version, read)) = read_batch(&bytes) {
            prop_assert_eq!(&batch(&read, rules_version), &bytes);
        }
        reads_one_form::<Command>(&bytes[2..]);
        let _ = read_batch(&bytes[..cut.index(bytes.len())]);
        let cut = cut.index(whole.len());
        // A cut between two entries reads as the shorter batch; any other is an error.
        if let Ok((rules_version, read)) = read_batch(&whole[..cut]) {
            prop_assert_eq!(&batch(&read, rules_version), &whole[..cut]);
        }
    }

    #[test]
    fn terms_of_earlier_builds_are_read_and_have_their_bytes(
        definition in definition(),
        unknown in 4..=255_u8,
    ) {
        let terms = Terms { compensation: None, ..definition.terms };
        // What came before the last field, and that as any other field which may be there.
        let shorter = Terms { per_user_total_minor: None, ..terms.clone() };
        let mut earlier = bytes_of(&shorter);
        assert_eq!(earlier.pop(), Some(0));
        let last = earlier.len();
        terms.per_user_total_minor.put(&mut earlier);
        prop_assert_eq!(&bytes_of(&terms), &earlier);
        let mut reader = Reader::new(&earlier);
        prop_assert_eq!(Terms::get(&mut reader), Ok(terms));
        prop_assert_eq!(reader.remaining(), 0);
        earlier[last] = unknown;
        prop_assert!(Terms::get(&mut Reader::new(&earlier)).is_err(), "{}", unknown);
    }

    #[test]
    fn a_body_is_told_by_all_but_its_key(command in command(), other in command(), key in key()) {
        if command != other {
            let same = under(command.clone(), key) == under(other.clone(), key);
            prop_assert_eq!(command.body_digest() == other.body_digest(), same);
        }
        prop_assert_eq!(under(command.clone(), key).body_digest(), command.body_digest());
        // Snapshots hold digests, so it matters of which bytes they are.
        let digest = crate::hash::digest(&bytes_of(&as_digested(&command)));
        prop_assert_eq!(command.body_digest(), digest);
    }
}

/// The command under this key, and without what gates add by themselves.
fn under(mut command: Command, key: [u8; 16]) -> Command {
    let key = RequestKey(key);
    match &mut command {
        Command::ClaimVoucher(claim) => {
            claim.request = Some(key);
            claim.terms_version = 1;
        }
        Command::LockVoucher(lock) => lock.request = key,
        Command::RedeemVoucher(redeem) => redeem.request = key,
        Command::RollBackRedemption(undo) => undo.request = key,
        Command::RevokeVoucher(revoke) => revoke.request = key,
        Command::CreateCampaign(create) => create.request = key,
        Command::MoveBudget(budget) => budget.request = key,
        Command::ChangeCampaignState(change) => change.request = key,
        Command::ChangeLevel(change) => change.request = Some(key),
        Command::ReleaseLevel(release) => release.request = key,
        Command::ChangeLimit(change) => change.request = key,
        Command::PauseOutlet(pause) => pause.request = key,
        Command::ResumeOutlet(resume) => resume.request = key,
        // Gates say by the fingerprint what was asked for; the rest they look up.
        Command::PlaceOrder(place) => {
            let (lines, voucher) = (vec![OrderLine { item: 1, quantity: 1 }], Some(VoucherNo(1)));
            **place = PlaceOrder { lines, voucher, ..PlaceOrder::again(key, place.asked) };
        }
        Command::CancelOrder(cancel) => cancel.request = key,
        Command::RefundOrder(refund) => refund.request = key,
        Command::SetStaffing(staffing) => staffing.request = key,
        Command::RecordWalkIns(record) => record.request = key,
        Command::QuoteOrder(quote) => {
            **quote = QuoteOrder { work: 1, ..QuoteOrder::again(key, quote.asked) };
        }
        Command::SettleDispute(settle) => settle.request = key,
        Command::ChangeBreaker(change) => change.request = Some(key),
        Command::ReplayWebhook(replay) => replay.request = key,
        Command::RetryDeadLetter(retry) => retry.request = key,
        Command::ReleaseLock(_)
        | Command::ReplaceCampaign(_)
        | Command::Tick(_)
        | Command::ResumeService(_)
        | Command::ActivateRules(_)
        | Command::PutOutlet(_)
        | Command::PutWebhook(_)
        | Command::RemoveWebhook(_)
        | Command::RecordDeadLetter(_)
        | Command::SettleDeadLetter(_)
        | Command::RecordPayment(_)
        | Command::RecordRefund(_)
        | Command::MoveTicket(_) => {}
    }
    command
}

/// The command of whose binary form the digest is.
fn as_digested(command: &Command) -> Command {
    let mut command = under(command.clone(), [0; 16]);
    match &mut command {
        Command::ClaimVoucher(claim) => {
            claim.request = None;
            claim.terms_version = 0;
        }
        Command::ChangeLevel(change) => change.request = None,
        Command::ChangeBreaker(change) => change.request = None,
        Command::PlaceOrder(place) => **place = PlaceOrder::again(place.request, place.asked),
        Command::QuoteOrder(quote) => **quote = QuoteOrder::again(quote.request, quote.asked),
        _ => {}
    }
    command
}
