//! Judging: a small journal written by hand, a crowd that was told what is in it, and then one
//! thing wrong at a time.

use std::sync::Arc;

use levee_api::time::Instant;
use levee_api::types::*;
use levee_api::wire::{CampaignBody, CountsBody, MoneyBody, SetAsideBody};
use levee_journal::{BatchHead, FileJournal, Log, Options, RecordBuffer};

use super::*;
use crate::crowd::{MoneySample, Op, Tally};
use crate::ledger::{ClaimAck, Code, Ledger, RedemptionAck};
use crate::plan::FestivalPlan;
use crate::scenario::Scenario;

const USERS: u32 = 4;

/// A drill of four users: all claim, the first two redeem, the first undoes it.
struct Drill {
    plan: Arc<FestivalPlan>,
    codes: Codes,
    pseudonyms: PseudonymKey,
    steps: Vec<(Command, Outcome)>,
    ledger: Ledger,
    campaign: CampaignBody,
    tally: Tally,
}

/// The campaign as the server tells of it after the drill.
pub(crate) fn campaign(scenario: &Scenario) -> CampaignBody {
    CampaignBody {
        id: scenario.campaign.id.clone(),
        state: "open".into(),
        version: 1,
        created_at: Instant { ms: 0 },
        document: scenario.campaign.clone(),
        money: MoneyBody {
            funded_minor: 10_500,
            available_minor: 500,
            reserved_minor: 8_200,
            in_flight_minor: 0,
            escrowed_minor: 0,
            owed_minor: 0,
            spent_minor: 1_800,
            returned_minor: 0,
        },
        set_aside: SetAsideBody { invites_minor: 0, envelopes_minor: 0, compensation_minor: 0 },
        counts: CountsBody {
            claims: 4,
            vouchers_live: 3,
            vouchers_redeemed: 1,
            ..CountsBody::from(Counts::default())
        },
        seq: None,
    }
}

fn request(number: u8) -> RequestKey {
    RequestKey([number; 16])
}

impl Drill {
    fn new() -> Self {
        let plan = Arc::new(FestivalPlan::new(Scenario::reference(), 10, 1, 4e-7));
        let codes = Codes::new(&[1; 32], 0);
        let pseudonyms = PseudonymKey::new(&[2; 32]);
        let scenario = plan.scenario();
        let id = scenario.definition.id.clone();
        let funded = Money { funded_minor: 10_500, available_minor: 10_500, ..Money::default() };
        let mut steps = vec![
            (
                Command::CreateCampaign(Box::new(CreateCampaign {
                    request: request(1),
                    definition: scenario.definition.clone(),
                })),
                Outcome::CampaignCreated { campaign: CampaignNo(0) },
            ),
            (
                Command::MoveBudget(Box::new(MoveBudget {
                    request: request(2),
                    campaign: id.clone(),
                    direction: Direction::Fund,
                    purpose: Purpose::Vouchers,
                    amount_minor: 10_500,
                    reference: Reference::new("drill").unwrap(),
                })),
                Outcome::BudgetMoved(Box::new(funded)),
            ),
            (
                Command::ChangeCampaignState(Box::new(ChangeCampaignState {
                    request: request(3),
                    campaign: id,
                    change: StateChange::Open,
                    reason: String::new(),
                })),
                Outcome::CampaignStateChanged { state: CampaignState::Open },
            ),
        ];
        let mut ledger = Ledger::default();
        for user in 0..USERS {
            let seq = steps.len() as u64 + 1;
            steps.push(claim(pseudonyms.of(&plan.user_id(user)), user));
            let code = Code::new(codes.voucher(VoucherNo(user)).as_bytes()).unwrap();
            ledger.claim(user, ClaimAck { seq, code, face_minor: 2_500 });
        }
        for user in 0..2 {
            let seq = steps.len() as u64 + 1;
            steps.push(redeem(pseudonyms.of(&plan.user_id(user)), user, user));
            let id = codes.redemption(RedemptionNo(user));
            let id = Code::new(id.strip_prefix("red_").unwrap().as_bytes()).unwrap();
            ledger.redemption(user, RedemptionAck { seq, id, discount_minor: 1_800 });
        }
        steps.push(roll_back(0));
        ledger.rollback(0, steps.len() as u64);
        let campaign = campaign(scenario);
        let tally = Tally::new(18, 5);
        Self { plan, codes, pseudonyms, steps, ledger, campaign, tally }
    }

    fn judge(self) -> Summary {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { segment_bytes: 64 * 1024, reserve_bytes: 0, quota_bytes: None };
        let now_ms = self.plan.scenario().starts_at_ms();
        let mut journal =
            FileJournal::create(dir.path(), options, [7; 16], b"genesis", now_ms).unwrap();
        for (place, (command, outcome)) in self.steps.iter().enumerate() {
            let mut payload = Vec::new();
            put_batch_start(1, &mut payload);
            put_entry(command, outcome, &mut payload);
            let mut buffer = RecordBuffer::new();
            buffer.extend_from_slice(&payload);
            let first_seq = place as u64 + 1;
            let head = BatchHead { first_seq, count: 1, time_ms: now_ms };
            journal.append(head, &mut buffer).unwrap();
        }
        journal.close(now_ms).unwrap();
        let money = vec![MoneySample { hour: 9.0, money: self.campaign.money.clone() }];
        let result = CrowdResult {
            plan: self.plan,
            tally: self.tally,
            ledger: self.ledger,
            intake: Vec::new(),
            money,
            campaign: self.campaign,
            took_s: 10.0,
        };
        judge(&result, dir.path(), &self.codes, &self.pseudonyms, None)
    }
}

fn claim(user: UserKey, voucher: u32) -> (Command, Outcome) {
    let claim = ClaimVoucher {
        campaign: CampaignNo(0),
        terms_version: 1,
        conditions_met: 3,
        user,
        request: None,
    };
    let outcome = Outcome::Claimed { voucher: VoucherNo(voucher), face_minor: 2_500 };
    (Command::ClaimVoucher(claim), outcome)
}

fn redeem(user: UserKey, voucher: u32, redemption: u32) -> (Command, Outcome) {
    let redeem = RedeemVoucher {
        request: request(10 + u8::try_from(redemption).unwrap()),
        bill: Bill {
            voucher: VoucherNo(voucher),
            user,
            order_minor: 1_800,
            brand: Some(NameHash::of("luckin")),
            categories: Categories::new(&[NameHash::of("milk-tea")]).unwrap(),
        },
        lock: None,
        reference: Reference::new(&format!("order-{redemption}")).unwrap(),
    };
    let outcome = Outcome::Redeemed {
        redemption: RedemptionNo(redemption),
        discount_minor: 1_800,
        rest_minor: 700,
        rollback_until_ms: Scenario::reference().starts_at_ms() + 604_800_000,
    };
    (Command::RedeemVoucher(Box::new(redeem)), outcome)
}

fn roll_back(redemption: u32) -> (Command, Outcome) {
    let undo = RollBackRedemption {
        request: request(30),
        redemption: RedemptionNo(redemption),
        reason: "order cancelled".into(),
    };
    let outcome = Outcome::RolledBack { voucher_state: VoucherState::Live };
    (Command::RollBackRedemption(Box::new(undo)), outcome)
}

/// Lost and doubled claims, lost and doubled redemptions, of the summary.
fn counts(summary: &Summary) -> [u64; 4] {
    let (claims, redemptions) = (&summary.claims, &summary.redemptions);
    [claims.lost, claims.doubled, redemptions.lost, redemptions.doubled]
}

/// A good drill with one thing wrong fails, with these counts and these words.
#[track_caller]
fn check(wrong: impl FnOnce(&mut Drill), expected: [u64; 4], words: &str) {
    let mut drill = Drill::new();
    wrong(&mut drill);
    let summary = drill.judge();
    assert!(!summary.ok, "{words}");
    assert_eq!(counts(&summary), expected, "{:?}", summary.failures);
    let said = format!("{:?} {:?}", summary.failures, summary.oddities);
    assert!(said.contains(words), "{words} is not in {said}");
    assert!(summary.text().contains("FAILED"));
}

#[test]
fn a_good_drill_is_good() {
    let summary = Drill::new().judge();
    assert!(summary.ok, "{:?} {:?}", summary.failures, summary.audit.differences);
    assert_eq!(counts(&summary), [0; 4]);
    assert_eq!((summary.unacknowledged, summary.audit.commands), (0, 10));
    let text = summary.text();
    assert!(text.contains("found exactly once"), "{text}");
    assert!(text.contains("¥105.00 funded = ¥5.00 available + ¥82.00 reserved"), "{text}");
    assert!(text.lines().count() <= 13, "{text}");
    let json = serde_json::to_value(&summary).unwrap();
    assert_eq!(json["campaigns"][0]["money"]["spent_minor"], 1_800);
    assert_eq!(json["claims"]["lost"], 0);
}

#[test]
fn lost_answers_are_found() {
    // Claim facts are at 4 to 7, redemptions at 8 and 9, the rollback at 10.
    let remove = |d: &mut Drill| d.ledger.claims.remove(&3).unwrap();
    check(
        |d| {
            let ack = remove(d);
            d.ledger.claims.insert(3, ClaimAck { seq: 99, ..ack });
        },
        [1, 0, 0, 0],
        "has not at 99 the claim that user 3 was told",
    );
    check(
        |d| {
            let ack = remove(d);
            d.ledger.claims.insert(3, ClaimAck { face_minor: 2_600, ..ack });
        },
        [1, 0, 0, 0],
        "has not at 7 the claim",
    );
    check(
        |d| {
            let (third, fourth) = (d.ledger.claims[&2], remove(d));
            d.ledger.claims.insert(3, ClaimAck { code: third.code, ..fourth });
        },
        [1, 0, 0, 0],
        "1 acknowledged claims are not in the journal",
    );
    check(
        |d| {
            let ack = d.ledger.redemptions.get_mut(&1).unwrap();
            ack.discount_minor = 2_500;
        },
        [0, 0, 1, 0],
        "redemption that user 1 was told",
    );
    check(
        |d| {
            d.steps.pop();
            d.campaign.money.reserved_minor = 6_400;
            d.campaign.money.spent_minor = 3_600;
            (d.campaign.counts.vouchers_live, d.campaign.counts.vouchers_redeemed) = (2, 2);
        },
        [0, 0, 1, 0],
        "has not at 10 the rollback that user 0 was told",
    );
    check(|d| d.codes = Codes::new(&[9; 32], 0), [4, 0, 3, 0], "are not in the journal");
}

#[test]
fn doubled_effects_are_found() {
    check(
        |d| {
            let user = d.pseudonyms.of(&d.plan.user_id(0));
            d.steps.push(claim(user, 4));
        },
        [0, 1, 0, 0],
        "a second voucher for one user at 11",
    );
    check(
        |d| {
            let user = d.pseudonyms.of(&d.plan.user_id(1));
            d.steps.push(redeem(user, 1, 2));
        },
        [0, 0, 0, 1],
        "voucher 1 redeemed again at 11",
    );
    check(|d| d.steps.push(roll_back(0)), [0, 0, 0, 1], "undone again at 11");
    check(
        |d| {
            let ack = d.ledger.claims[&0];
            d.ledger.claim(0, ClaimAck { seq: 5, ..ack });
        },
        [0, 1, 0, 0],
        "1 claims had two effects",
    );
}

#[test]
fn everything_else_that_is_wrong_fails_too() {
    check(|d| d.tally.guesses_found = 1, [0; 4], "1 made-up codes");
    check(|d| d.campaign.money.available_minor += 1, [0; 4], "money of campaign");
    check(|d| d.campaign.counts.claims += 1, [0; 4], "counts of campaign");
    check(|d| d.campaign.id = "other".into(), [0; 4], "no campaign other");
    check(
        |d| {
            let Outcome::BudgetMoved(after) = &mut d.steps[1].1 else { panic!("funding") };
            after.funded_minor = 9_000;
        },
        [0; 4],
        "the audit found",
    );
}

#[test]
fn a_journal_that_is_gone_is_a_failure() {
    let drill = Drill::new();
    let result = CrowdResult {
        plan: drill.plan,
        tally: Tally::new(18, 5),
        ledger: drill.ledger,
        intake: Vec::new(),
        money: Vec::new(),
        campaign: drill.campaign,
        took_s: 1.0,
    };
    let dir = tempfile::tempdir().unwrap();
    let summary = judge(&result, dir.path(), &drill.codes, &drill.pseudonyms, None);
    assert!(!summary.ok && !summary.audit.ok);
    assert_eq!(counts(&summary), [4, 0, 3, 0]);
}

#[test]
fn amounts_are_written_as_people_do() {
    for (minor, expected) in
        [(0, "¥0.00"), (5, "¥0.05"), (123_456_789, "¥1,234,567.89"), (-250_000, "-¥2,500.00")]
    {
        assert_eq!(money(minor, "CNY"), expected);
    }
    assert_eq!(money(100_000, "EUR"), "EUR 1,000.00");
}

#[test]
fn a_drill_without_answers_fails() {
    check(
        |d| {
            d.ledger.claims.remove(&3);
        },
        [0; 4],
        "1 users who were to get a voucher got none",
    );
    check(|d| d.tally.ops[Op::Redeem as usize].unknown = 2, [0; 4], "2 requests got no answer");
    check(|d| d.tally.unsent = 1, [0; 4], "1 requests were never sent");
    check(|d| d.tally.oddities.push("teapot".to_owned()), [0; 4], "teapot");
    check(
        |d| {
            d.tally.refusals.insert((Op::Claim, "internal_error"), 4);
        },
        [0; 4],
        "4 requests met a fault",
    );
}
