//! Journals written by hand: a clean story, and the same story doctored in one place at a time.

mod clean;
mod crowd;
mod doctored;
mod doctored_campaigns;
mod doctored_operations;

mod doctored_uses;
mod keyed;
mod ledger;
mod orders;
mod rules;
mod unreadable;
mod webhooks;

use std::path::Path;

use levee_core::types::*;
use levee_journal::{BatchHead, FileJournal, Log, Options, RecordBuffer};

use super::keys::Namer;
use super::stream::Entry;
use super::{AuditReport, audit};

/// One record with one command.
#[derive(Clone, Debug)]
struct Step {
    at_ms: u64,
    command: Command,
    outcome: Outcome,
    rules_version: u16,
    /// What the record's head says.
    count: u32,
}

/// A journal to be.
#[derive(Clone, Debug, Default)]
struct Story(Vec<Step>);

impl Story {
    fn add(&mut self, at_ms: u64, command: Command, outcome: Outcome) {
        self.0.push(Step { at_ms, command, outcome, rules_version: 1, count: 1 });
    }

    /// Ends the story behind this command.
    fn end(&mut self, seq: usize) {
        self.0.truncate(seq);
    }

    fn step(&mut self, seq: usize) -> &mut Step {
        &mut self.0[seq - 1]
    }

    fn claim(&mut self, seq: usize) -> &mut ClaimVoucher {
        let Command::ClaimVoucher(claim) = &mut self.step(seq).command else { panic!("no claim") };
        claim
    }

    fn redeem(&mut self, seq: usize) -> &mut RedeemVoucher {
        let Command::RedeemVoucher(ask) = &mut self.step(seq).command else { panic!("no use") };
        ask
    }

    fn terms(&mut self) -> &mut Terms {
        let Command::CreateCampaign(create) = &mut self.step(1).command else { panic!("other") };
        &mut create.definition.terms
    }

    fn write(&self, dir: &Path) {
        let options = Options { segment_bytes: 64 * 1024, reserve_bytes: 0, quota_bytes: None };
        let mut journal = FileJournal::create(dir, options, [7; 16], b"genesis", 1).unwrap();
        let (mut first_seq, mut last_ms) = (1, 1);
        for step in &self.0 {
            let mut payload = Vec::new();
            put_batch_start(step.rules_version, &mut payload);
            put_entry(&step.command, &step.outcome, &mut payload);
            let mut buffer = RecordBuffer::new();
            buffer.extend_from_slice(&payload);
            let head = BatchHead { first_seq, count: step.count, time_ms: step.at_ms };
            journal.append(head, &mut buffer).unwrap();
            first_seq += u64::from(step.count);
            last_ms = step.at_ms;
        }
        journal.close(last_ms).unwrap();
    }

    fn audit(&self) -> AuditReport {
        let dir = tempfile::tempdir().unwrap();
        self.write(dir.path());
        audit(dir.path(), &mut |_| {}).unwrap()
    }
}

/// Audits the story of [`clean_story`] after `doctor` had it; a difference is a sequence number
/// and the beginning of its text.
#[track_caller]
fn check(name: &str, doctor: impl FnOnce(&mut Story), expected: &[(u64, &str)]) {
    let mut story = clean_story();
    doctor(&mut story);
    check_story(name, &story, expected);
}

#[track_caller]
fn check_story(name: &str, story: &Story, expected: &[(u64, &str)]) {
    let report = story.audit();
    let found = &report.differences;
    let same = found.len() == expected.len()
        && found.iter().zip(expected).all(|(difference, (seq, what))| {
            difference.seq == *seq && difference.what.starts_with(what)
        });
    assert!(same, "{name}: expected {expected:#?}, found {found:#?}");
    assert_eq!(report.ok, expected.is_empty(), "{name}");
    assert_eq!(report.difference_count, found.len() as u64, "{name}");
}

fn key(number: u8) -> RequestKey {
    RequestKey([number; 16])
}

fn user(number: u8) -> UserKey {
    UserKey([number; 16])
}

fn reference(text: &str) -> Reference {
    Reference::new(text).unwrap()
}

fn terms() -> Terms {
    Terms {
        currency: *b"CNY",
        opens_at_ms: 1_000,
        closes_at_ms: 100_000,
        offsets: vec![ZoneOffset { from_ms: 0, minutes: 480 }],
        eligibility: Eligibility {
            all: vec![Condition {
                attribute: "region".into(),
                test: Test::OneOf(vec!["CN".into()]),
            }],
        },
        voucher: VoucherTerms {
            kind: VoucherKind::AmountOff { face_minor: 2_500 },
            min_spend_minor: 1_000,
            brands: vec!["heytea".into()],
            categories: vec!["milk-tea".into()],
            // The story plays just after 08:00.
            hours: vec![DayPart { from_minute: 0, until_minute: 720 }],
            valid_for_ms: 10_000,
            per_user: 1,
            rollback_within_ms: 5_000,
        },
        invites: None,
        envelopes: None,
        prize_max_minor: None,
        per_user_total_minor: None,
        compensation: None,
    }
}

fn definition(terms: Terms) -> Definition {
    Definition { id: CampaignId::new("new-year").unwrap(), document: Vec::new(), terms }
}

fn create(request: u8, definition: Definition, campaign: u32) -> (Command, Outcome) {
    let create = CreateCampaign { request: key(request), definition };
    let outcome = Outcome::CampaignCreated { campaign: CampaignNo(campaign) };
    (Command::CreateCampaign(Box::new(create)), outcome)
}

fn replace(version_seen: u32, terms: Terms, version: u32) -> (Command, Outcome) {
    let replace = ReplaceCampaign { version_seen, definition: definition(terms) };
    (Command::ReplaceCampaign(Box::new(replace)), Outcome::CampaignReplaced { version })
}

/// Buckets in the order funded, available, reserved, in flight, spent, returned.
fn money(buckets: [u64; 6]) -> Money {
    let [funded_minor, available_minor, reserved_minor, in_flight_minor, spent_minor, returned] =
        buckets;
    Money {
        funded_minor,
        available_minor,
        reserved_minor,
        in_flight_minor,
        spent_minor,
        returned_minor: returned,
        ..Money::default()
    }
}

fn budget(
    request: u8,
    direction: Direction,
    purpose: Purpose,
    amount_minor: u64,
    name: &str,
    after: Money,
) -> (Command, Outcome) {
    let command = MoveBudget {
        request: key(request),
        campaign: CampaignId::new("new-year").unwrap(),
        direction,
        purpose,
        amount_minor,
        reference: reference(name),
    };
    (Command::MoveBudget(Box::new(command)), Outcome::BudgetMoved(Box::new(after)))
}

fn state(request: u8, change: StateChange, state: CampaignState) -> (Command, Outcome) {
    let command = ChangeCampaignState {
        request: key(request),
        campaign: CampaignId::new("new-year").unwrap(),
        change,
        reason: String::new(),
    };
    (Command::ChangeCampaignState(Box::new(command)), Outcome::CampaignStateChanged { state })
}

fn claim(of: u8, voucher: u32) -> (Command, Outcome) {
    let claim = ClaimVoucher {
        campaign: CampaignNo(0),
        terms_version: 1,
        conditions_met: 1,
        user: user(of),
        request: None,
    };
    let outcome = Outcome::Claimed { voucher: VoucherNo(voucher), face_minor: 2_500 };
    (Command::ClaimVoucher(claim), outcome)
}

fn lock(
    request: u8,
    of: u8,
    voucher: u32,
    ttl_ms: u64,
    lock: u32,
    until_ms: u64,
) -> (Command, Outcome) {
    let command = LockVoucher {
        request: key(request),
        voucher: VoucherNo(voucher),
        user: user(of),
        ttl_ms,
        reference: reference(&format!("lock {request}")),
    };
    (Command::LockVoucher(Box::new(command)), Outcome::Locked { lock: LockNo(lock), until_ms })
}

fn release(lock: u32, voucher_state: VoucherState) -> (Command, Outcome) {
    let command = ReleaseLock { lock: LockNo(lock) };
    (Command::ReleaseLock(command), Outcome::Released { voucher_state })
}

fn redeem(
    request: u8,
    of: u8,
    voucher: u32,
    order_minor: u64,
    held_by: Option<u32>,
) -> RedeemVoucher {
    RedeemVoucher {
        request: key(request),
        bill: Bill {
            voucher: VoucherNo(voucher),
            user: user(of),
            order_minor,
            brand: Some(NameHash::of("heytea")),
            categories: Categories::new(&[NameHash::of("cake"), NameHash::of("milk-tea")]).unwrap(),
        },
        lock: held_by.map(LockNo),
        reference: reference(&format!("order {request}")),
    }
}

fn redeemed(redemption: u32, discount_minor: u32, rest_minor: u32, until_ms: u64) -> Outcome {
    Outcome::Redeemed {
        redemption: RedemptionNo(redemption),
        discount_minor,
        rest_minor,
        rollback_until_ms: until_ms,
    }
}

fn roll_back(request: u8, redemption: u32, voucher_state: VoucherState) -> (Command, Outcome) {
    let command = RollBackRedemption {
        request: key(request),
        redemption: RedemptionNo(redemption),
        reason: String::new(),
    };
    (Command::RollBackRedemption(Box::new(command)), Outcome::RolledBack { voucher_state })
}

fn revoke(request: u8, voucher: u32, face_minor: u32) -> (Command, Outcome) {
    let command =
        RevokeVoucher { request: key(request), voucher: VoucherNo(voucher), reason: String::new() };
    (Command::RevokeVoucher(Box::new(command)), Outcome::Revoked { face_minor })
}

fn tick(locks: &[u32], vouchers: &[u32], redemptions: &[u32]) -> (Command, Outcome) {
    let swept = Swept {
        locks: locks.iter().copied().map(LockNo).collect(),
        vouchers: vouchers.iter().copied().map(VoucherNo).collect(),
        redemptions: redemptions.iter().copied().map(RedemptionNo).collect(),
    };
    (Command::Tick(Tick { limit: 4 }), Outcome::Ticked(Box::new(swept)))
}

fn resume(stopped_at_ms: u64, outage_ms: u64) -> (Command, Outcome) {
    let command = ResumeService { stopped_at_ms };
    (Command::ResumeService(command), Outcome::ServiceResumed { outage_ms })
}

fn activate(version: u16) -> (Command, Outcome) {
    (Command::ActivateRules(ActivateRules { version }), Outcome::RulesActivated)
}

/// As the journal's stream hands them over.
fn entries<const N: usize>(steps: [(Command, Outcome); N]) -> [Entry; N] {
    let namer = Namer::default();
    steps.map(|(command, outcome)| Entry::of(command, outcome, &namer))
}

/// Every kind of command once, without a fault. The comments are sequence numbers.
fn clean_story() -> Story {
    use {CampaignState as State, StateChange as Change, VoucherState::Live};
    let (fund, withdraw) = (Direction::Fund, Direction::Withdraw);
    let later = Terms { closes_at_ms: 200_000, ..terms() };
    let use_0 = Command::RedeemVoucher(Box::new(redeem(9, 1, 0, 1_800, None)));
    let use_1 = Command::RedeemVoucher(Box::new(redeem(10, 2, 1, 3_000, Some(0))));
    let after = [
        money([10_000, 10_000, 0, 0, 0, 0]),
        money([11_000, 11_000, 0, 0, 0, 0]),
        money([11_000, 5_000, 2_500, 0, 2_500, 1_000]),
    ];
    let steps = [
        (10, create(1, definition(terms()), 0)), // 1
        (20, budget(2, fund, Purpose::Vouchers, 10_000, "a", after[0])),
        (30, budget(3, fund, Purpose::Invites, 1_000, "b", after[1])),
        (40, state(4, Change::Open, State::Open)),
        (1_000, claim(1, 0)), // 5
        (1_001, claim(2, 1)),
        (1_002, claim(3, 2)),
        (1_003, lock(8, 2, 1, 500, 0, 1_503)),
        (1_100, (use_0, redeemed(0, 1_800, 700, 6_100))),
        (1_200, (use_1, redeemed(1, 2_500, 0, 6_200))), // 10
        (1_300, roll_back(11, 0, Live)),
        (1_400, revoke(12, 2, 2_500)),
        (1_500, lock(13, 1, 0, 1_000, 1, 2_500)),
        (1_600, release(1, Live)),
        (1_700, lock(15, 1, 0, 100, 2, 1_800)), // 15
        (2_000, tick(&[2], &[], &[])),
        (3_000, budget(17, withdraw, Purpose::Vouchers, 1_000, "a", after[2])),
        (3_100, replace(1, later, 2)),
        (3_200, state(19, Change::Pause, State::Paused)),
        (3_300, state(20, Change::Resume, State::Open)), // 20
        (12_000, tick(&[], &[0], &[1])),
        (13_000, state(22, Change::Close, State::Closed)),
    ];
    let mut story = Story::default();
    for (at_ms, (command, outcome)) in steps {
        story.add(at_ms, command, outcome);
    }
    story
}
