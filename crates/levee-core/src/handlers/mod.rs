//! One file a subject: the commands that change it. All checks precede the first write.

mod breakers;
mod campaigns;
mod claims;
mod locks;
mod operations;
mod orders;
mod outlets;
mod quotes;
mod redemptions;
mod time;
mod webhooks;

pub(crate) use self::campaigns::USERS_PLANNED_MAX;
pub(crate) use self::orders::payment_key;
use sha2::{Digest, Sha256};

use crate::state::{Effect, State};
use crate::tables::Answer;
use crate::types::{CampaignNo, Outcome, REASON_LEN_MAX, Reference, Refusal};

/// What a reference names; the same text may stand for one of each.
#[derive(Clone, Copy)]
enum ReferenceKind {
    Redemption = 1,
    Lock = 2,
    Funding = 3,
    Withdrawal = 4,
}

/// What was said of an order by somebody who may say it again, at any time.
#[derive(Clone, Copy)]
enum EventKind {
    Payment = 5,
    Refund = 6,
    RefundAsk = 7,
    Dispute = 8,
}

/// Key of an event: as a reference's, of what tells one event from all others. The kind keeps both
/// apart.
fn event_key(kind: EventKind, parts: &[&[u8]]) -> [u8; 16] {
    let mut digest = Sha256::new();
    digest.update([kind as u8]);
    parts.iter().for_each(|part| digest.update(part));
    let hash: [u8; 32] = digest.finalize().into();
    *hash.first_chunk().expect("32 bytes have 16")
}

/// Key of a reference: a SHA-256 cut to 16 bytes, because the text is the app's choice.
fn reference_key(kind: ReferenceKind, campaign: CampaignNo, reference: &Reference) -> [u8; 16] {
    let mut digest = Sha256::new();
    digest.update([kind as u8]);
    digest.update(campaign.0.to_le_bytes());
    digest.update(reference.as_str().as_bytes());
    let hash: [u8; 32] = digest.finalize().into();
    *hash.first_chunk().expect("32 bytes have 16")
}

/// Refuses the first of these fields that is not within its bounds.
fn check_fields<const COUNT: usize>(fields: [(bool, &'static str); COUNT]) -> Result<(), Refusal> {
    let wrong = fields.into_iter().find(|(is_within, _)| !is_within);
    wrong.map_or(Ok(()), |(_, field)| Err(Refusal::InvalidField(field)))
}

/// A reason that must be there, for the record.
fn check_reason(reason: &str) -> Result<(), Refusal> {
    if reason.is_empty() || reason.len() > REASON_LEN_MAX {
        return Err(Refusal::InvalidField("reason"));
    }
    Ok(())
}

impl State {
    /// The answer that was given to this reference, if any: the business key prevents doubling when
    /// the request key is another one or forgotten.
    fn answered(&self, key: [u8; 16], body: u64) -> Result<Option<Effect>, Refusal> {
        let Some(answer) = self.references.get(key, &self.budgets) else { return Ok(None) };
        if answer.body != body {
            return Err(Refusal::ReferenceReused);
        }
        let Answer { seq, at_ms, outcome, .. } = answer;
        Ok(Some(Effect::Repeat { seq, at_ms, outcome }))
    }

    /// Keeps the answer to a reference, for good.
    fn remember(&mut self, key: [u8; 16], body: u64, (seq, at_ms): (u64, u64), outcome: &Outcome) {
        let answer = Answer { body, seq, at_ms, outcome: outcome.clone() };
        self.references.insert(key, &answer, &mut self.budgets, &mut self.store);
    }
}
