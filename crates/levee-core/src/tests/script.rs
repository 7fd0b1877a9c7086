//! A small language for tables: a line is a time, a command, and what comes of it.
//!
//! ```text
//! 10      claim c 7                 -> v0 2500
//! 1d+5s   redeem v0 7 1800 ref=O1   -> r0 1800+700 until 8d+5s
//!         money c                   -> spent 1800 reserved 700
//! 2d      rollback r0               -> live
//! 3d      redeem v0 7 1800 ref=O1   -> reference_reused
//! ```
//!
//! Times and durations are sums of `d`, `h`, `m`, `s` and milliseconds. A line without a time
//! happens at the time of the line before. `key=` and `ref=` name request keys and references;
//! without them every line has its own. `again` before an answer says that it is a repeat. Every
//! script also checks that repeats, refusals and questions change nothing, and that the accepted
//! commands, applied anew, come to the same outcomes and the same state. `restart` goes on with the
//! state made anew from a snapshot.

mod orders;
mod outlets;
mod questions;
mod show;

use std::collections::BTreeMap;

pub(crate) use self::show::show_refusal;
use self::show::{show_limit, show_ms, show_nonzero, show_outcome, show_setting};
use super::restore::restored;
use super::{DAY, HOUR, MINUTE, SECOND, definition, request, user};
use crate::query::{Answer, Query};
use crate::types::*;
use crate::{RuleBook, State, Verdict};

/// Runs a script; its lines name campaigns' documents by the names given here.
#[track_caller]
pub(crate) fn check(documents: &[(&str, Terms)], script: &str) {
    check_with(RuleBook::RELEASED, documents, script);
}

#[track_caller]
pub(crate) fn check_with(book: RuleBook, documents: &[(&str, Terms)], script: &str) {
    let documents = documents.iter().map(|(name, terms)| (*name, terms.clone())).collect();
    let mut run = Run { documents, ..Run::new(book) };
    let mut wrong = String::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (asked, expected) = line.split_once("->").expect("every line says what comes of it");
        let said = run.line(asked);
        if said != expected.trim() {
            wrong += &format!("{line}\n    but was: {said}\n");
        }
    }
    assert!(wrong.is_empty(), "not as expected:\n{wrong}");
    run.replay(book);
}

struct Run<'a> {
    documents: BTreeMap<&'a str, Terms>,
    state: State,
    now_ms: u64,
    lines: u64,
    accepted: Vec<(u64, Command, Outcome)>,
}

/// The words of a line behind its time.
struct Words<'a> {
    line: u64,
    plain: Vec<&'a str>,
    named: BTreeMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    fn number(&self, place: usize) -> u64 {
        number(self.plain[place])
    }

    fn no(&self, place: usize) -> u32 {
        no(self.plain[place])
    }

    fn user(&self, place: usize) -> UserKey {
        user(u8::try_from(self.number(place)).expect("users are small numbers"))
    }

    /// Keys by name; a line without one has its own.
    fn request(&self) -> RequestKey {
        self.named.get("key").map_or(request(self.line), |key| request(1_000_000 + number(key)))
    }

    fn reference(&self) -> Reference {
        let own = format!("line {}", self.line);
        Reference::new(self.named.get("ref").unwrap_or(&own.as_str())).expect("fits")
    }

    fn bill(&self) -> Bill {
        let names = self.named.get("cat").into_iter().flat_map(|names| names.split(','));
        let names: Vec<NameHash> = names.map(NameHash::of).collect();
        Bill {
            voucher: VoucherNo(self.no(1)),
            user: self.user(2),
            order_minor: self.number(3),
            brand: self.named.get("brand").map(|name| NameHash::of(name)),
            categories: Categories::new(&names).expect("few"),
        }
    }

    fn id(&self) -> CampaignId {
        CampaignId::new(self.plain[1]).expect("a campaign id")
    }
}

fn number(word: &str) -> u64 {
    word.parse().unwrap_or_else(|_| panic!("{word} is not a number"))
}

/// `v3`, `l3` and `r3` are numbers with a letter.
fn no(word: &str) -> u32 {
    word[1..].parse().unwrap_or_else(|_| panic!("{word} is not a letter and a number"))
}

fn ms(word: &str) -> u64 {
    let units = [("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND)];
    let part = |part: &str| {
        let unit = units.iter().find_map(|(name, ms)| Some((part.strip_suffix(name)?, *ms)));
        let (count, unit) = unit.unwrap_or((part, 1));
        number(count) * unit
    };
    word.split('+').map(part).sum()
}

impl<'a> Run<'a> {
    fn new(book: RuleBook) -> Self {
        Self {
            documents: BTreeMap::new(),
            state: State::new(book),
            now_ms: 0,
            lines: 0,
            accepted: Vec::new(),
        }
    }

    fn line(&mut self, asked: &str) -> String {
        self.lines += 1;
        let mut words: Vec<&str> = asked.split_whitespace().collect();
        if words[0].starts_with(|first: char| first.is_ascii_digit()) {
            self.now_ms = ms(words.remove(0));
        }
        let (named, plain) = words.iter().partition(|word| word.contains('='));
        let named: Vec<&str> = named;
        let named = named.iter().map(|word| word.split_once('=').expect("has one")).collect();
        let words = Words { line: self.lines, plain, named };

        let before = self.state.digest();
        if let Some(said) = self.question(&words) {
            assert_eq!(self.state.digest(), before, "a question changes nothing: {asked}");
            return said;
        }
        match words.plain[0] {
            "ready" => return self.ready(&words),
            "restart" => {
                self.state = restored(&mut self.state);
                return "as before".into();
            }
            _ => {}
        }
        let command = self.command(&words);
        match self.apply(&command) {
            Verdict::Done(outcome) => show_outcome(&outcome),
            Verdict::Repeat { outcome, .. } => {
                assert_eq!(self.state.digest(), before, "a repeat changes nothing: {asked}");
                format!("again {}", show_outcome(&outcome))
            }
            Verdict::Refused(refusal) => {
                assert_eq!(self.state.digest(), before, "a refusal changes nothing: {asked}");
                show_refusal(refusal)
            }
        }
    }

    fn apply(&mut self, command: &Command) -> Verdict {
        let verdict = self.state.apply(self.now_ms, self.state.last_seq() + 1, command);
        if let Verdict::Done(outcome) = &verdict {
            self.accepted.push((self.now_ms, command.clone(), outcome.clone()));
        }
        verdict
    }

    /// A campaign made, funded and open, in one word.
    fn ready(&mut self, words: &Words<'_>) -> String {
        let made = request(2_000_000 + 3 * words.line);
        let funded = request(2_000_001 + 3 * words.line);
        let opened = request(2_000_002 + 3 * words.line);
        let terms = self.documents[words.plain[1]].clone();
        let created =
            CreateCampaign { request: made, definition: definition(words.plain[1], terms) };
        let steps = [
            Command::CreateCampaign(Box::new(created)),
            Command::MoveBudget(Box::new(MoveBudget {
                request: funded,
                campaign: words.id(),
                direction: Direction::Fund,
                purpose: Purpose::Vouchers,
                amount_minor: words.number(2),
                reference: words.reference(),
            })),
            Command::ChangeCampaignState(Box::new(ChangeCampaignState {
                request: opened,
                campaign: words.id(),
                change: StateChange::Open,
                reason: String::new(),
            })),
        ];
        for step in steps {
            let verdict = self.apply(&step);
            assert!(matches!(verdict, Verdict::Done(_)), "{step:?} was {verdict:?}");
        }
        "open".into()
    }

    fn command(&self, words: &Words<'_>) -> Command {
        let request = words.request();
        let named = |name: &str| words.named.get(name).copied();
        if let Some(command) = orders::command(words).or_else(|| outlets::command(words)) {
            return command;
        }
        match words.plain[0] {
            "claim" => Command::ClaimVoucher(ClaimVoucher {
                campaign: self.campaign_no(words.plain[1]),
                terms_version: named("terms").map_or(1, |version| no(&format!("v{version}"))),
                conditions_met: named("met")
                    .map_or(0, |bits| u16::from_str_radix(bits, 2).expect("bits")),
                user: words.user(2),
                request: named("key").map(|_| request),
            }),
            "lock" => Command::LockVoucher(Box::new(LockVoucher {
                request,
                voucher: VoucherNo(words.no(1)),
                user: words.user(2),
                ttl_ms: ms(words.plain[3]),
                reference: words.reference(),
            })),
            "release" => Command::ReleaseLock(ReleaseLock { lock: LockNo(words.no(1)) }),
            "redeem" => Command::RedeemVoucher(Box::new(RedeemVoucher {
                request,
                bill: words.bill(),
                lock: named("lock").map(|lock| LockNo(no(lock))),
                reference: words.reference(),
            })),
            "rollback" => Command::RollBackRedemption(Box::new(RollBackRedemption {
                request,
                redemption: RedemptionNo(words.no(1)),
                reason: named("reason").unwrap_or_default().into(),
            })),
            "revoke" => Command::RevokeVoucher(Box::new(RevokeVoucher {
                request,
                voucher: VoucherNo(words.no(1)),
                reason: named("reason").unwrap_or_default().into(),
            })),
            "create" => {
                let definition = definition(words.plain[1], self.document(words));
                Command::CreateCampaign(Box::new(CreateCampaign { request, definition }))
            }
            "replace" => Command::ReplaceCampaign(Box::new(ReplaceCampaign {
                version_seen: no(&format!("v{}", words.plain[2])),
                definition: definition(words.plain[1], self.document(words)),
            })),
            direction @ ("fund" | "withdraw") => Command::MoveBudget(Box::new(MoveBudget {
                request,
                campaign: words.id(),
                direction: if direction == "fund" { Direction::Fund } else { Direction::Withdraw },
                purpose: match words.plain.get(3) {
                    None => Purpose::Vouchers,
                    Some(&"invites") => Purpose::Invites,
                    Some(&"envelopes") => Purpose::Envelopes,
                    Some(&"compensation") => Purpose::Compensation,
                    Some(other) => panic!("{other} is no purpose"),
                },
                amount_minor: words.number(2),
                reference: words.reference(),
            })),
            "tick" => {
                let limit = words.plain.get(1).map_or(u32::MAX, |limit| no(&format!("x{limit}")));
                Command::Tick(Tick { limit })
            }
            "resume-service" => {
                let stopped_at_ms = ms(words.plain[1]);
                Command::ResumeService(ResumeService { stopped_at_ms })
            }
            "activate" => Command::ActivateRules(ActivateRules {
                version: words.plain[1].parse().expect("a version"),
            }),
            by @ ("level" | "fix") => {
                let by_hand = by == "fix";
                let level = Level::ALL.into_iter().find(|level| level.name() == words.plain[1]);
                Command::ChangeLevel(Box::new(ChangeLevel {
                    request: Some(request)
                        .filter(|_| by_hand && words.plain.get(2) != Some(&"keyless")),
                    level: level.expect("a level"),
                    by_hand,
                    reason: named("reason").unwrap_or_default().into(),
                }))
            }
            "release-level" => Command::ReleaseLevel(ReleaseLevel {
                request,
                reason: named("reason").unwrap_or_default().into(),
            }),
            "limit" => Command::ChangeLimit(Box::new(ChangeLimit {
                request,
                claims_per_s: (words.plain[1] != "none")
                    .then(|| no(&format!("x{}", words.plain[1]))),
                reason: named("reason").unwrap_or_default().into(),
            })),
            change => Command::ChangeCampaignState(Box::new(ChangeCampaignState {
                request,
                campaign: words.id(),
                change: match change {
                    "open" => StateChange::Open,
                    "pause" => StateChange::Pause,
                    "resume" => StateChange::Resume,
                    "close" => StateChange::Close,
                    other => panic!("{other} is no command"),
                },
                reason: String::new(),
            })),
        }
    }

    fn document(&self, words: &Words<'_>) -> Terms {
        let name = words.named.get("as").copied().unwrap_or(words.plain[1]);
        self.documents[name].clone()
    }

    fn campaign_no(&self, name: &str) -> CampaignNo {
        let id = CampaignId::new(name).expect("a campaign id");
        match self.state.answer(self.now_ms, &Query::Campaign(id)) {
            Answer::Campaign(Some(view)) => view.number,
            _ => CampaignNo(u32::MAX),
        }
    }

    fn replay(&self, book: RuleBook) {
        let mut anew = State::new(book);
        for (at_ms, command, outcome) in &self.accepted {
            let verdict = anew.apply(*at_ms, anew.last_seq() + 1, command);
            assert_eq!(verdict, Verdict::Done(outcome.clone()), "replayed: {command:?}");
        }
        assert_eq!(anew.digest(), self.state.digest(), "the replayed state is the same");
        restored(&mut anew);
    }
}
