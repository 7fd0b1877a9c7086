//! The campaign document: what an operator writes, as JSON or TOML, and its way to checked terms.

use levee_core::types::{
    CampaignId, CompensationTerms, Condition, DOCUMENT_LEN_MAX, DURATION_MS_MAX, DayPart,
    Definition, Eligibility, EnvelopeTerms, InviteTerms, InviteTier, Terms, TermsError, Test,
    VoucherKind, VoucherTerms,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::strict::{Malformed, Pairs, parse, wrong};
use crate::time::{Duration, Instant, offsets};

/// A campaign as its operator describes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CampaignDocument {
    /// `[a-z0-9-]{1,64}`.
    #[schemars(extend("pattern" = "^[a-z0-9-]{1,64}$"))]
    pub id: String,
    /// For people.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// ISO 4217, such as `CNY`.
    #[schemars(extend("pattern" = "^[A-Z]{3}$"))]
    pub currency: String,
    /// Claims are taken from then on.
    pub opens_at: Instant,
    /// Claims are taken until then.
    pub closes_at: Instant,
    /// IANA name; the day's hours are counted in it.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// Who may claim; everyone, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eligibility: Option<EligibilityDocument>,
    /// What every user gets.
    pub voucher: VoucherDocument,
    /// Rewards for bringing in others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invites: Option<InvitesDocument>,
    /// Red envelopes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelopes: Option<EnvelopesDocument>,
    /// What those get whose orders ended without their fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensation: Option<CompensationDocument>,
    /// Compliance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsDocument>,
    /// The operator's own notes, returned as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Pairs>,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// Conditions over attributes that the app states in the claim; all must hold.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EligibilityDocument {
    /// At most 16.
    #[schemars(length(max = 16))]
    pub all: Vec<ConditionDocument>,
}

/// One condition: exactly one of `at_least` and `one_of`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConditionDocument {
    /// The attribute's name.
    pub attribute: String,
    /// A dotted version number: `6.10` is higher than `6.9`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<String>,
    /// One of these texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<String>>,
}

/// How the discount is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiscountKind {
    /// A fixed amount: `face_minor`.
    AmountOff,
    /// A share of the bill: `percent`, at most `max_minor`.
    PercentOff,
}

/// What every user gets, and where it may be used.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VoucherDocument {
    /// How the discount is computed.
    pub kind: DiscountKind,
    /// For `amount_off`: the discount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub face_minor: Option<u32>,
    /// For `percent_off`: 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// For `percent_off`: the largest discount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_minor: Option<u32>,
    /// Smallest bill.
    #[serde(default)]
    pub min_spend_minor: u64,
    /// Empty or absent: all.
    #[serde(default)]
    pub brands: Vec<String>,
    /// Empty or absent: all.
    #[serde(default)]
    pub categories: Vec<String>,
    /// Parts of the day such as `10:00-22:00`, in the campaign's time zone; empty or absent: all.
    #[serde(default)]
    pub hours: Vec<String>,
    /// How long a voucher lives.
    pub valid_for: Duration,
    /// Vouchers by claim for one user.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100))]
    pub per_user: u16,
    /// How long a redemption can be rolled back.
    #[serde(default = "seven_days")]
    pub rollback_within: Duration,
}

fn one() -> u16 {
    1
}

fn seven_days() -> Duration {
    Duration { ms: 7 * 86_400_000 }
}

/// Rewards for bringing in others.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitesDocument {
    /// As planned; funding with purpose `invites` sets it aside.
    pub budget_minor: u64,
    /// Ascending by `invites`.
    pub tiers: Vec<InviteTierDocument>,
    /// Accepted invites that count for one user.
    pub max_per_user: u32,
}

/// One step of the rewards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteTierDocument {
    /// So many accepted invites.
    pub invites: u32,
    /// A voucher of this face.
    pub face_minor: u32,
}

/// Red envelopes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvelopesDocument {
    /// As planned; funding with purpose `envelopes` sets it aside.
    pub budget_minor: u64,
    /// Smallest share.
    pub share_min_minor: u32,
    /// Largest share.
    pub share_max_minor: u32,
    /// Most shares of one envelope.
    pub shares_max: u32,
    /// The rest of an envelope returns after this time.
    pub expires_after: Duration,
}

/// What those get whose orders ended without their fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CompensationDocument {
    /// As planned; funding with purpose `compensation` sets it aside. What that does not cover is
    /// counted as unpaid.
    pub budget_minor: u64,
    /// Face of the voucher for a user whose paid order the outlet did not make; 0 or absent: none.
    #[serde(default)]
    pub apology_minor: u32,
    /// What an outlet gets for what it had begun to make when an operator cancelled it, as a share of
    /// the order's total without the outlet's own discount; 0 or absent: nothing.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub outlet_percent: u8,
}

/// Compliance: every limit is the operator's policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsDocument {
    /// Largest single prize.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prize_max_minor: Option<u64>,
    /// Largest sum for one user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_user_total_minor: Option<u64>,
}

/// Reads a document from TOML. TOML's own instants are taken, too.
///
/// # Errors
/// No TOML, or the first field that is wrong.
pub fn from_toml(text: &str) -> Result<CampaignDocument, Malformed> {
    let table: toml::Table = toml::from_str(text)
        .map_err(|error| Malformed { field: None, detail: error.to_string() })?;
    // By way of JSON, whose reader names the field that is wrong.
    parse(&serde_json::to_vec(&json(toml::Value::Table(table))).expect("only string keys"))
}

/// TOML's own instants become texts.
fn json(value: toml::Value) -> serde_json::Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(instant) => instant.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(json).collect(),
        toml::Value::Table(fields) => {
            fields.into_iter().map(|(name, value)| (name, json(value))).collect()
        }
    }
}

/// From JSON to what the engine takes.
///
/// # Errors
/// The first field that is wrong.
pub fn compile_json(body: &[u8]) -> Result<Definition, Malformed> {
    compile(&parse(body)?)
}

/// From the document to what the engine takes: terms checked, time zone resolved, text kept.
///
/// # Errors
/// The first field that is wrong.
pub fn compile(document: &CampaignDocument) -> Result<Definition, Malformed> {
    let id = CampaignId::new(&document.id)
        .ok_or_else(|| wrong("id", "must be 1 to 64 of a-z, 0-9 and -"))?;
    if document.name.is_empty() || document.name.len() > 200 {
        return Err(wrong("name", "must have 1 to 200 bytes"));
    }
    let currency = document.currency.as_bytes().try_into();
    let currency = currency.map_err(|_| wrong("currency", "must be three capital letters"))?;
    let voucher = &document.voucher;
    // Hours matter as long as a voucher of the last claim, or of its rolled-back use, can be used.
    let last_use_ms = document.closes_at.ms.saturating_add(
        DURATION_MS_MAX.min(voucher.valid_for.ms.saturating_add(voucher.rollback_within.ms)),
    );
    let limits = document.limits;
    let terms = Terms {
        currency,
        opens_at_ms: document.opens_at.ms,
        closes_at_ms: document.closes_at.ms,
        offsets: offsets(&document.time_zone, document.opens_at.ms, last_use_ms)
            .map_err(|detail| wrong("time_zone", detail))?,
        eligibility: document
            .eligibility
            .as_ref()
            .map_or(Ok(Eligibility::default()), eligibility)?,
        voucher: VoucherTerms {
            kind: kind(voucher)?,
            min_spend_minor: voucher.min_spend_minor,
            brands: voucher.brands.clone(),
            categories: voucher.categories.clone(),
            hours: day_parts("voucher.hours", &voucher.hours)?,
            valid_for_ms: voucher.valid_for.ms,
            per_user: voucher.per_user,
            rollback_within_ms: voucher.rollback_within.ms,
        },
        invites: document.invites.as_ref().map(|invites| InviteTerms {
            budget_minor: invites.budget_minor,
            tiers: invites.tiers.iter().map(tier).collect(),
            max_per_user: invites.max_per_user,
        }),
        envelopes: document.envelopes.as_ref().map(|envelopes| EnvelopeTerms {
            budget_minor: envelopes.budget_minor,
            share_min_minor: envelopes.share_min_minor,
            share_max_minor: envelopes.share_max_minor,
            shares_max: envelopes.shares_max,
            expires_after_ms: envelopes.expires_after.ms,
        }),
        compensation: document.compensation.map(|compensation| CompensationTerms {
            budget_minor: compensation.budget_minor,
            apology_minor: compensation.apology_minor,
            outlet_percent: compensation.outlet_percent,
        }),
        prize_max_minor: limits.and_then(|limits| limits.prize_max_minor),
        per_user_total_minor: limits.and_then(|limits| limits.per_user_total_minor),
    };
    terms.check().map_err(|TermsError { field, problem }| wrong(field, problem))?;
    let json = serde_json::to_vec(document).expect("a document has only string keys");
    if json.len() > DOCUMENT_LEN_MAX {
        return Err(wrong("metadata", format!("the document is over {DOCUMENT_LEN_MAX} bytes")));
    }
    Ok(Definition { id, document: json, terms })
}

fn tier(tier: &InviteTierDocument) -> InviteTier {
    InviteTier { invites: tier.invites, face_minor: tier.face_minor }
}

fn eligibility(document: &EligibilityDocument) -> Result<Eligibility, Malformed> {
    let conditions = document.all.iter().enumerate().map(|(place, condition)| {
        let test = match (&condition.at_least, &condition.one_of) {
            (Some(least), None) => Test::AtLeast(least.clone()),
            (None, Some(texts)) => Test::OneOf(texts.clone()),
            _ => {
                let field = format!("eligibility.all[{place}]");
                return Err(wrong(field, "must have exactly one of at_least and one_of"));
            }
        };
        Ok(Condition { attribute: condition.attribute.clone(), test })
    });
    Ok(Eligibility { all: conditions.collect::<Result<_, _>>()? })
}

fn kind(voucher: &VoucherDocument) -> Result<VoucherKind, Malformed> {
    let needed = |field: &str| wrong(format!("voucher.{field}"), "is needed for this kind");
    let unfit = |field: &str| wrong(format!("voucher.{field}"), "does not belong to this kind");
    match voucher.kind {
        DiscountKind::AmountOff => {
            if voucher.percent.is_some() {
                return Err(unfit("percent"));
            }
            if voucher.max_minor.is_some() {
                return Err(unfit("max_minor"));
            }
            let face_minor = voucher.face_minor.ok_or_else(|| needed("face_minor"))?;
            Ok(VoucherKind::AmountOff { face_minor })
        }
        DiscountKind::PercentOff => {
            if voucher.face_minor.is_some() {
                return Err(unfit("face_minor"));
            }
            let percent = voucher.percent.ok_or_else(|| needed("percent"))?;
            let max_minor = voucher.max_minor.ok_or_else(|| needed("max_minor"))?;
            Ok(VoucherKind::PercentOff { percent, max_minor })
        }
    }
}

/// Texts such as `10:00-22:00`; an end may be `24:00`, or lie before its start to pass midnight.
pub(crate) fn day_parts(field: &str, texts: &[String]) -> Result<Vec<DayPart>, Malformed> {
    let part = |text: &String| {
        let detail = || format!("{text:?} is not a part of the day such as 10:00-22:00");
        day_part(text).ok_or_else(|| wrong(field, detail()))
    };
    texts.iter().map(part).collect()
}

fn day_part(text: &str) -> Option<DayPart> {
    let minute = |clock: &str| {
        let (hours, minutes) = clock.split_once(':')?;
        let digits = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(hours) || !digits(minutes) {
            return None;
        }
        let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
        (minutes < 60 && hours * 60 + minutes <= 1_440).then_some(hours * 60 + minutes)
    };
    let (from, until) = text.split_once('-')?;
    Some(DayPart { from_minute: minute(from)?, until_minute: minute(until)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> serde_json::Value {
        serde_json::json!({
            "id": "spring", "name": "Spring", "currency": "CNY",
            "opens_at": "2026-02-06T00:00:00+08:00", "closes_at": "2026-02-24T00:00:00+08:00",
            "time_zone": "Asia/Shanghai",
            "eligibility": {"all": [{"attribute": "app_version", "at_least": "6.0"}]},
            "voucher": {"kind": "amount_off", "face_minor": 2500, "valid_for": "P7D",
                        "hours": ["10:00-22:00"]},
            "metadata": {"team": "growth"}
        })
    }

    /// Puts a JSON text at a path of the good document, and expects the error to name this field.
    #[track_caller]
    fn check(path: &str, value: &str, field: &str) {
        let mut document = document();
        let value: serde_json::Value = serde_json::from_str(value).expect("JSON");
        let (parent, name) = path.rsplit_once('/').expect("a pointer");
        document.pointer_mut(parent).expect("there")[name] = value;
        let malformed = compile_json(document.to_string().as_bytes()).expect_err(path);
        assert_eq!(malformed.field.as_deref(), Some(field), "{path}: {malformed}");
    }

    #[test]
    fn a_good_document_compiles_and_is_kept() {
        let definition = compile_json(document().to_string().as_bytes()).expect("good");
        assert_eq!(definition.terms.voucher.rollback_within_ms, 604_800_000);
        assert_eq!(definition.terms.minute_of_day(definition.terms.opens_at_ms), 0);
        let kept: CampaignDocument = parse(&definition.document).expect("kept as JSON");
        assert_eq!(kept.metadata.expect("kept").0["team"], "growth");
    }

    #[test]
    fn errors_name_the_field() {
        check("/id", "\"Spring\"", "id");
        check("/name", "\"\"", "name");
        check("/currency", "\"yuan\"", "currency");
        check("/currency", "\"cny\"", "currency");
        check("/opens_at", "\"soon\"", "opens_at");
        check("/closes_at", "\"2026-02-05T00:00:00+08:00\"", "closes_at");
        check("/time_zone", "\"Asia/Atlantis\"", "time_zone");
        check("/surprise", "1", "surprise");
        check("/voucher/face_minor", "0", "voucher.face_minor");
        check("/voucher/face_minor", "-1", "voucher.face_minor");
        check("/voucher/face_minor", "25.5", "voucher.face_minor");
        check("/voucher/face_minor", "5000000000", "voucher.face_minor");
        check("/voucher/face_minor", "null", "voucher.face_minor");
        check("/voucher/percent", "10", "voucher.percent");
        check("/voucher/kind", "\"free\"", "voucher.kind");
        check("/voucher/kind", "\"percent_off\"", "voucher.face_minor");
        check("/voucher/valid_for", "\"P1M\"", "voucher.valid_for");
        check("/voucher/valid_for", "\"PT0S\"", "voucher.valid_for");
        check("/voucher/per_user", "0", "voucher.per_user");
        check("/voucher/per_user", "101", "voucher.per_user");
        check("/voucher/brands", "[\"\"]", "voucher.brands");
        check("/voucher/brands", "[\"a\", \"a\"]", "voucher.brands");
        check("/voucher/hours", "[\"10-22\"]", "voucher.hours");
        check("/voucher/hours", "[\"10:00-24:01\"]", "voucher.hours");
        check("/voucher/hours", "[\"10:00-10:00\"]", "voucher.hours");
        check("/eligibility/all", "[{\"attribute\": \"a\"}]", "eligibility.all[0]");
        check(
            "/eligibility/all",
            "[{\"attribute\": \"a\", \"at_least\": \"x\"}]",
            "eligibility.all[0].at_least",
        );
        check("/limits", "{\"prize_max_minor\": 100}", "voucher.face_minor");
        check("/metadata", "{\"a\": 1}", "metadata.a");
        check(
            "/invites",
            "{\"budget_minor\": 1, \"tiers\": [], \"max_per_user\": 1}",
            "invites.tiers",
        );
    }
}
