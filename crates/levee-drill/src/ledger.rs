//! What was acknowledged, and its comparison with what the journal holds.
//!
//! The crowd writes down every good answer it got. Afterwards each must be found in the journal at
//! the place that the answer named, with the very effect that it named, and no effect twice.

mod orders;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use levee_api::code::Codes;
use levee_api::pseudonym::PseudonymKey;
use levee_api::types::{Command, Outcome, UserKey};
use serde::Serialize;

pub use orders::{OrderAck, OrderComparison, OrderFindings, OrderLedger};

use crate::audit::Fact;

/// Findings that are kept in words; all are counted.
const FINDINGS_MAX: usize = 20;

/// A code's or id's 14 characters, without dashes and prefix.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub [u8; 14]);

impl Code {
    /// `None` when these are not 14 ASCII characters besides dashes.
    #[must_use]
    pub fn new(text: &[u8]) -> Option<Self> {
        let mut code = [0; 14];
        let mut len = 0;
        for byte in text.iter().filter(|byte| **byte != b'-') {
            if !byte.is_ascii_alphanumeric() {
                return None;
            }
            *code.get_mut(len)? = *byte;
            len += 1;
        }
        (len == 14).then_some(Self(code))
    }

    /// Without dashes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("ASCII")
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A claim's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimAck {
    /// Place in the journal.
    pub seq: u64,
    /// The voucher.
    pub code: Code,
    /// Its face.
    pub face_minor: u32,
}

/// A redemption's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedemptionAck {
    /// Place in the journal.
    pub seq: u64,
    /// The redemption, without `red_`.
    pub id: Code,
    /// Taken off the bill.
    pub discount_minor: u32,
}

/// What a good answer was to the one who got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// The first of its kind.
    First,
    /// The same as before.
    Same,
    /// Another effect than before.
    Different,
}

/// Every good answer of a crowd, by user.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// The voucher that each user was first told of.
    pub claims: HashMap<u32, ClaimAck>,
    /// The place of the claim that each user was told is taken, before there was a code.
    pub accepted: HashMap<u32, u64>,
    /// The redemption that each user was first told of.
    pub redemptions: HashMap<u32, RedemptionAck>,
    /// The place of the rollback that each user was first told of.
    pub rollbacks: HashMap<u32, u64>,
    /// Users who were told of two different vouchers.
    pub claims_different: u64,
    /// Users who were told of two different redemptions, or rollbacks.
    pub redemptions_different: u64,
    /// Orders.
    pub orders: OrderLedger,
}

fn note<T: PartialEq>(
    table: &mut HashMap<u32, T>,
    user: u32,
    ack: T,
    different: &mut u64,
) -> Noted {
    match table.entry(user) {
        Entry::Vacant(entry) => {
            entry.insert(ack);
            Noted::First
        }
        Entry::Occupied(entry) if *entry.get() == ack => Noted::Same,
        Entry::Occupied(_) => {
            *different += 1;
            Noted::Different
        }
    }
}

impl Ledger {
    /// Writes down a claim's answer.
    pub fn claim(&mut self, user: u32, ack: ClaimAck) -> Noted {
        let other = self.accepted.get(&user).is_some_and(|seq| *seq != ack.seq);
        if other && !self.claims.contains_key(&user) {
            self.claims_different += 1;
            self.claims.insert(user, ack);
            return Noted::Different;
        }
        note(&mut self.claims, user, ack, &mut self.claims_different)
    }

    /// Writes down that a claim is taken and its code comes later.
    pub fn accepted(&mut self, user: u32, seq: u64) -> Noted {
        if let Some(ack) = self.claims.get(&user) {
            let same = ack.seq == seq;
            self.claims_different += u64::from(!same);
            return if same { Noted::Same } else { Noted::Different };
        }
        note(&mut self.accepted, user, seq, &mut self.claims_different)
    }

    /// Users whose claim was acknowledged, with a code or without one yet.
    #[must_use]
    pub fn claimed_count(&self) -> u64 {
        (self.claims.len() + self.codes_due().count()) as u64
    }

    /// Users whose claim was acknowledged and whose code has not come, and its place.
    fn codes_due(&self) -> impl Iterator<Item = (u32, u64)> {
        let due = self.accepted.iter().filter(|(user, _)| !self.claims.contains_key(user));
        due.map(|(user, seq)| (*user, *seq))
    }

    /// Writes down a redemption's answer.
    pub fn redemption(&mut self, user: u32, ack: RedemptionAck) -> Noted {
        note(&mut self.redemptions, user, ack, &mut self.redemptions_different)
    }

    /// Writes down a rollback's answer.
    pub fn rollback(&mut self, user: u32, seq: u64) -> Noted {
        note(&mut self.rollbacks, user, seq, &mut self.redemptions_different)
    }

    /// Takes in the answers of other users.
    pub fn merge(&mut self, other: Self) {
        self.claims.extend(other.claims);
        self.accepted.extend(other.accepted);
        self.redemptions.extend(other.redemptions);
        self.rollbacks.extend(other.rollbacks);
        self.claims_different += other.claims_different;
        self.redemptions_different += other.redemptions_different;
        self.orders.merge(other.orders);
    }
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// Acknowledged claims that the journal does not hold as they were answered.
    pub claims_lost: u64,
    /// Users with two vouchers, in their answers or in the journal.
    pub claims_doubled: u64,
    /// Acknowledged redemptions and rollbacks that the journal does not hold as answered.
    pub redemptions_lost: u64,
    /// Vouchers redeemed twice and redemptions undone twice, in answers or in the journal.
    pub redemptions_doubled: u64,
    /// Effects in the journal of which no answer arrived: of requests that broke off.
    pub unacknowledged: u64,
    /// The first of them in words.
    pub words: Vec<String>,
}

impl Findings {
    /// Whether everything acknowledged was found exactly once.
    #[must_use]
    pub fn all_found_once(&self) -> bool {
        self.claims_lost == 0
            && self.claims_doubled == 0
            && self.redemptions_lost == 0
            && self.redemptions_doubled == 0
    }

    fn say(&mut self, words: impl FnOnce() -> String) {
        if self.words.len() < FINDINGS_MAX {
            self.words.push(words());
        }
    }
}

#[derive(Clone, Copy)]
enum Expected {
    Claim(u32),
    Accepted(u32),
    Redemption(u32),
    Rollback(u32),
}

/// Goes through a journal beside a ledger. Show it every fact, then ask what it found.
pub struct Comparison<'a> {
    ledger: &'a Ledger,
    codes: &'a Codes,
    campaign_id: &'a str,
    campaign: Option<u32>,
    users: HashMap<u32, UserKey>,
    /// Of every acknowledged effect, by place in the journal, ascending.
    expected: Vec<(u64, Expected)>,
    next: usize,
    claimed: HashSet<UserKey>,
    vouchers: HashMap<u32, UserKey>,
    redeemed: HashSet<u32>,
    redemptions: HashMap<u32, u32>,
    rolled_back: HashSet<u32>,
    findings: Findings,
}

impl<'a> Comparison<'a> {
    /// Of the answers about one campaign. `user_id` gives a user's name as it was sent.
    #[must_use]
    pub fn new(
        ledger: &'a Ledger,
        campaign_id: &'a str,
        user_id: impl Fn(u32) -> String,
        codes: &'a Codes,
        pseudonyms: &PseudonymKey,
    ) -> Self {
        let claims = ledger.claims.iter().map(|(user, ack)| (ack.seq, Expected::Claim(*user)));
        let redemptions =
            ledger.redemptions.iter().map(|(user, ack)| (ack.seq, Expected::Redemption(*user)));
        let rollbacks =
            ledger.rollbacks.iter().map(|(user, seq)| (*seq, Expected::Rollback(*user)));
        let accepted = ledger.codes_due().map(|(user, seq)| (seq, Expected::Accepted(user)));
        let mut expected: Vec<_> =
            claims.chain(accepted).chain(redemptions).chain(rollbacks).collect();
        expected.sort_unstable_by_key(|(seq, _)| *seq);
        let findings = Findings {
            claims_doubled: ledger.claims_different,
            redemptions_doubled: ledger.redemptions_different,
            ..Findings::default()
        };
        let users = ledger.claims.keys().chain(ledger.accepted.keys());
        let users = users.chain(ledger.redemptions.keys());
        Self {
            ledger,
            codes,
            campaign_id,
            campaign: None,
            users: users.map(|user| (*user, pseudonyms.of(&user_id(*user)))).collect(),
            expected,
            next: 0,
            claimed: HashSet::new(),
            vouchers: HashMap::new(),
            redeemed: HashSet::new(),
            redemptions: HashMap::new(),
            rolled_back: HashSet::new(),
            findings,
        }
    }

    /// Takes in the next fact of the journal.
    pub fn visit(&mut self, fact: &Fact<'_>) {
        while let Some((seq, expected)) = self.expected.get(self.next).copied() {
            if seq > fact.seq {
                break;
            }
            self.next += 1;
            if seq < fact.seq || !self.is(expected, fact) {
                self.lost(seq, expected);
            }
        }
        self.count(fact);
    }

    /// What was found, once the journal has no more.
    #[must_use]
    pub fn finish(mut self) -> Findings {
        for (seq, expected) in self.expected.split_off(self.next) {
            self.lost(seq, expected);
        }
        let effects = self.vouchers.len() + self.redemptions.len() + self.rolled_back.len();
        let acked = self.ledger.claims.len()
            + self.ledger.codes_due().count()
            + self.ledger.redemptions.len()
            + self.ledger.rollbacks.len();
        self.findings.unacknowledged = effects.saturating_sub(acked) as u64;
        self.findings
    }

    fn lost(&mut self, seq: u64, expected: Expected) {
        let (what, user) = match expected {
            Expected::Claim(user) | Expected::Accepted(user) => {
                self.findings.claims_lost += 1;
                ("claim", user)
            }
            Expected::Redemption(user) => {
                self.findings.redemptions_lost += 1;
                ("redemption", user)
            }
            Expected::Rollback(user) => {
                self.findings.redemptions_lost += 1;
                ("rollback", user)
            }
        };
        let say = || format!("the journal has not at {seq} the {what} that user {user} was told");
        self.findings.say(say);
    }

    /// Whether a fact is what a user was told that it is.
    fn is(&self, expected: Expected, fact: &Fact<'_>) -> bool {
        match (expected, fact.command, fact.outcome) {
            (
                Expected::Claim(user),
                Command::ClaimVoucher(claim),
                Outcome::Claimed { voucher, face_minor },
            ) => {
                let ack = &self.ledger.claims[&user];
                Some(claim.campaign.0) == self.campaign
                    && Some(&claim.user) == self.users.get(&user)
                    && Some(*voucher) == self.codes.parse_voucher(ack.code.as_str())
                    && *face_minor == ack.face_minor
            }
            (Expected::Accepted(user), Command::ClaimVoucher(claim), Outcome::Claimed { .. }) => {
                Some(claim.campaign.0) == self.campaign
                    && Some(&claim.user) == self.users.get(&user)
            }
            (
                Expected::Redemption(user),
                Command::RedeemVoucher(redeem),
                Outcome::Redeemed { redemption, discount_minor, .. },
            ) => {
                let ack = &self.ledger.redemptions[&user];
                let voucher = self.ledger.claims.get(&user);
                let voucher = voucher.and_then(|ack| self.codes.parse_voucher(ack.code.as_str()));
                Some(&redeem.bill.user) == self.users.get(&user)
                    && Some(redeem.bill.voucher) == voucher
                    && Some(*redemption) == parse_redemption(self.codes, &ack.id)
                    && *discount_minor == ack.discount_minor
            }
            (
                Expected::Rollback(user),
                Command::RollBackRedemption(undo),
                Outcome::RolledBack { .. },
            ) => {
                let ack = self.ledger.redemptions.get(&user);
                let redemption = ack.and_then(|ack| parse_redemption(self.codes, &ack.id));
                Some(undo.redemption) == redemption
            }
            _ => false,
        }
    }

    /// Counts effects of the campaign, and finds those that happened twice.
    fn count(&mut self, fact: &Fact<'_>) {
        let seq = fact.seq;
        match (fact.command, fact.outcome) {
            (Command::CreateCampaign(create), Outcome::CampaignCreated { campaign })
                if create.definition.id.as_str() == self.campaign_id =>
            {
                self.campaign = Some(campaign.0);
            }
            (Command::ClaimVoucher(claim), Outcome::Claimed { voucher, .. })
                if Some(claim.campaign.0) == self.campaign =>
            {
                let again = !self.claimed.insert(claim.user);
                if self.vouchers.insert(voucher.0, claim.user).is_some() || again {
                    self.findings.claims_doubled += 1;
                    self.findings.say(|| format!("a second voucher for one user at {seq}"));
                }
            }
            (Command::RedeemVoucher(redeem), Outcome::Redeemed { redemption, .. })
                if self.vouchers.contains_key(&redeem.bill.voucher.0) =>
            {
                let voucher = redeem.bill.voucher.0;
                let again = !self.redeemed.insert(voucher);
                if self.redemptions.insert(redemption.0, voucher).is_some() || again {
                    self.findings.redemptions_doubled += 1;
                    self.findings.say(|| format!("voucher {voucher} redeemed again at {seq}"));
                }
            }
            (Command::RollBackRedemption(undo), Outcome::RolledBack { .. }) => {
                let Some(voucher) = self.redemptions.get(&undo.redemption.0) else { return };
                self.redeemed.remove(voucher);
                if !self.rolled_back.insert(undo.redemption.0) {
                    self.findings.redemptions_doubled += 1;
                    self.findings.say(|| format!("a redemption undone again at {seq}"));
                }
            }
            _ => {}
        }
    }
}

fn parse_redemption(codes: &Codes, id: &Code) -> Option<levee_api::types::RedemptionNo> {
    codes.parse_redemption(&format!("red_{}", id.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_that_is_taken_counts_until_and_after_its_code_comes() {
        let code = Code::new(b"0123456789ABCD").expect("a code");
        let ack = |seq| ClaimAck { seq, code, face_minor: 2_500 };
        let mut ledger = Ledger::default();
        assert_eq!(ledger.accepted(1, 10), Noted::First);
        assert_eq!(ledger.accepted(1, 10), Noted::Same);
        assert_eq!(ledger.claimed_count(), 1);
        assert_eq!(ledger.claim(1, ack(10)), Noted::First);
        assert_eq!(ledger.accepted(1, 10), Noted::Same, "late");
        assert_eq!((ledger.claimed_count(), ledger.claims_different), (1, 0));
        // A code at another place than the claim was taken at is a second effect, either way round.
        assert_eq!(ledger.accepted(2, 11), Noted::First);
        assert_eq!(ledger.claim(2, ack(12)), Noted::Different);
        assert_eq!(ledger.claim(3, ack(13)), Noted::First);
        assert_eq!(ledger.accepted(3, 14), Noted::Different);
        assert_eq!(ledger.accepted(1, 15), Noted::Different);
        assert_eq!((ledger.claimed_count(), ledger.claims_different), (3, 3));
    }
}
