//! Asks and replies.

use levee_api::port::{Ask, AskBody, Failure, Priority, Query, Reply};
use levee_api::types::{
    BILL_MINOR_MAX, Command, DOCUMENT_LEN_MAX, DURATION_MS_MAX, DecodeError, Definition,
    REASON_LEN_MAX, Reader, Wire,
};

use super::not;

pub(super) fn put_priority(priority: Priority, out: &mut Vec<u8>) {
    out.push(priority as u8);
}

pub(super) fn get_priority(reader: &mut Reader<'_>) -> Result<Priority, DecodeError> {
    let lane = usize::from(u8::get(reader)?);
    Priority::ALL.get(lane).copied().ok_or_else(|| not(reader, "lane"))
}

/// An ask under a number of the link's, in place of its ticket.
pub(crate) fn put_ask(number: u64, ask: &Ask, out: &mut Vec<u8>) {
    number.put(out);
    ask.within_ms.put(out);
    match &ask.body {
        AskBody::Command(command) => {
            out.push(1);
            command.put(out);
        }
        AskBody::Query(query) => {
            out.push(2);
            query.put(out);
        }
    }
}

pub(super) fn get_ask(reader: &mut Reader<'_>) -> Result<Ask, DecodeError> {
    let ticket = Wire::get(reader)?;
    let within_ms = Wire::get(reader)?;
    let body = match u8::get(reader)? {
        1 => AskBody::Command(get_command(reader)?),
        2 => match Wire::get(reader)? {
            Query::Validate(bill) if bill.order_minor > BILL_MINOR_MAX => {
                return Err(not(reader, "bill"));
            }
            query => AskBody::Query(Box::new(query)),
        },
        _ => return Err(not(reader, "ask")),
    };
    Ok(Ask { ticket, within_ms, body })
}

/// A command that a gate may give.
fn get_command(reader: &mut Reader<'_>) -> Result<Command, DecodeError> {
    let command = Command::get(reader)?;
    if is_a_gates(&command) { Ok(command) } else { Err(not(reader, "command of a gate")) }
}

/// The rules rely on what gates have checked, and stop where it does not hold.
fn is_a_gates(command: &Command) -> bool {
    let is_sound = |definition: &Definition| {
        definition.document.len() <= DOCUMENT_LEN_MAX && definition.terms.check().is_ok()
    };
    match command {
        Command::CreateCampaign(create) => is_sound(&create.definition),
        Command::ReplaceCampaign(replace) => is_sound(&replace.definition),
        Command::LockVoucher(lock) => (1..=DURATION_MS_MAX).contains(&lock.ttl_ms),
        Command::RedeemVoucher(redeem) => redeem.bill.order_minor <= BILL_MINOR_MAX,
        Command::RollBackRedemption(undo) => undo.reason.len() <= REASON_LEN_MAX,
        Command::RevokeVoucher(revoke) => revoke.reason.len() <= REASON_LEN_MAX,
        Command::ChangeCampaignState(change) => change.reason.len() <= REASON_LEN_MAX,
        // By rule is the steward's, which runs beside the engine.
        Command::ChangeLevel(change) => change.by_hand && change.request.is_some(),
        // Measured it is the connectors', which run beside the engine.
        Command::ChangeBreaker(change) => change.by_hand && change.request.is_some(),
        Command::ReleaseLevel(_) | Command::ChangeLimit(_) => true,
        Command::MoveBudget(budget) => budget.amount_minor > 0,
        Command::ClaimVoucher(_) | Command::ReleaseLock(_) => true,
        // The rules check these themselves, and refuse what is out of bounds.
        Command::PutOutlet(_)
        | Command::PauseOutlet(_)
        | Command::ResumeOutlet(_)
        | Command::PlaceOrder(_)
        | Command::RecordPayment(_)
        | Command::RecordRefund(_)
        | Command::MoveTicket(_)
        | Command::CancelOrder(_)
        | Command::RefundOrder(_)
        | Command::SetStaffing(_)
        | Command::RecordWalkIns(_)
        | Command::QuoteOrder(_)
        | Command::SettleDispute(_)
        | Command::PutWebhook(_)
        | Command::RemoveWebhook(_)
        | Command::ReplayWebhook(_)
        | Command::RetryDeadLetter(_) => true,
        // Whoever delivers runs beside the engine.
        Command::RecordDeadLetter(_) | Command::SettleDeadLetter(_) => false,
        Command::Tick(_) | Command::ResumeService(_) | Command::ActivateRules(_) => false,
    }
}

pub(crate) fn put_reply(number: u64, reply: &Reply, out: &mut Vec<u8>) {
    number.put(out);
    match reply {
        Reply::Done { seq, at_ms, outcome, repeated } => {
            out.push(1);
            seq.put(out);
            at_ms.put(out);
            outcome.put(out);
            repeated.put(out);
        }
        Reply::Refused(refusal) => {
            out.push(2);
            refusal.put(out);
        }
        Reply::Answer(answer) => {
            out.push(3);
            answer.put(out);
        }
        Reply::Failed(failure) => {
            out.push(4);
            out.push(number_of(*failure));
        }
    }
}

pub(super) fn get_reply(reader: &mut Reader<'_>) -> Result<(u64, Reply), DecodeError> {
    let number = Wire::get(reader)?;
    let reply = match u8::get(reader)? {
        1 => Reply::Done {
            seq: Wire::get(reader)?,
            at_ms: Wire::get(reader)?,
            outcome: Wire::get(reader)?,
            repeated: Wire::get(reader)?,
        },
        2 => Reply::Refused(Wire::get(reader)?),
        3 => Reply::Answer(Wire::get(reader)?),
        4 => {
            let number = u8::get(reader)?;
            let failure = FAILURES.into_iter().find(|failure| number_of(*failure) == number);
            Reply::Failed(failure.ok_or_else(|| not(reader, "failure"))?)
        }
        _ => return Err(not(reader, "reply")),
    };
    Ok((number, reply))
}

const FAILURES: [Failure; 8] = [
    Failure::Overloaded,
    Failure::Expired,
    Failure::StorageFull,
    Failure::Stopping,
    Failure::Recovering,
    Failure::Quarantined,
    Failure::Unreachable,
    Failure::Lost,
];

fn number_of(failure: Failure) -> u8 {
    match failure {
        Failure::Overloaded => 1,
        Failure::Expired => 2,
        Failure::StorageFull => 3,
        Failure::Stopping => 4,
        Failure::Recovering => 5,
        Failure::Quarantined => 6,
        Failure::Unreachable => 7,
        Failure::Lost => 8,
    }
}
