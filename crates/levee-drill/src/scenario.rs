//! A scenario: what day a crowd lives through, as its TOML file says. Strict: what is unknown,
//! missing or out of range is refused, and the error names the field.

mod ordering;

use std::path::{Path, PathBuf};

use levee_api::document::{CampaignDocument, compile};
use levee_api::scenario::{FieldError, Kitchens, Payments};
use levee_api::types::{Definition, VoucherKind};
use serde::Deserialize;

pub use ordering::*;

const REFERENCE: &str = include_str!("../../../examples/lunar-new-year-2026.toml");
const REFERENCE_CAMPAIGN: &str =
    include_str!("../../../examples/campaigns/lunar-new-year-2026.toml");

/// Why a scenario cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// A file that cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No TOML, or not of this form; says line and column and shows the line.
    #[error("the scenario is malformed: {0}")]
    Malformed(Box<toml::de::Error>),
    /// A value out of its range.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The campaign document is wrong.
    #[error("the scenario's campaign{}: {detail}", field.as_ref().map_or(String::new(), |field| format!(" field {field}")))]
    Campaign {
        /// Path of the field.
        field: Option<String>,
        /// What is wrong and what is allowed.
        detail: String,
    },
}

/// A total that is known.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// Hours since the start of the day.
    pub hour: f64,
    /// Bookings until then.
    pub total: u64,
}

/// Those who waited for the start.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// Of the first known total.
    pub share: f64,
    /// In which their rate falls to 37%.
    pub decay_minutes: f64,
}

/// A surge at the start, beyond the spike of those who waited.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surge {
    /// Times the rate of that moment without it.
    pub times: f64,
    /// How long, in minutes of the day.
    pub minutes: f64,
}

/// A gate in a process of its own, and whose users come through it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatePlan {
    /// Its name.
    pub name: String,
    /// Where its users are.
    pub region: String,
    /// The tier of their cities.
    pub tier: String,
    /// Of all users.
    pub share: f64,
    /// Its process is stopped for a part of the time.
    #[serde(default)]
    pub congested: bool,
}

/// Sudden crowds.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bursts {
    /// How many, on average.
    pub per_hour: f64,
    /// Times the rate without them.
    pub height: f64,
    /// In which a burst falls to 37%.
    pub decay_minutes: f64,
}

/// When users come.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Day {
    /// When the first may come; not before the campaign opens.
    pub starts_at: toml::value::Datetime,
    /// How long it is.
    pub hours: f64,
    /// Totals, ascending; the last one at the end of the day.
    pub bookings: Vec<Known>,
    /// At the start.
    pub opening: Opening,
    /// In between.
    pub bursts: Bursts,
}

/// A log-normal draw, in minutes of the day.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    /// Half are shorter.
    pub median_minutes: f64,
    /// Of the logarithm.
    pub sigma: f64,
}

/// Something that a share of users have.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// `1`, `new1`, `2`, `3`, `rest`.
    pub name: String,
    /// Of all users.
    pub share: f64,
}

/// A version of the app.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppVersion {
    /// Dotted.
    pub version: String,
    /// Of all users.
    pub share: f64,
}

/// Users who claim again.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeats {
    /// Of all users.
    pub share: f64,
    /// Most repeats of one user.
    pub most: u32,
    /// Of them, in the same instant.
    pub at_once: f64,
    /// The others, after their claim.
    pub after: Delay,
}

/// Users who try made-up codes.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guesses {
    /// Of all users.
    pub share: f64,
    /// Codes that each tries.
    pub each: u32,
}

/// A log-normal bill, cut at both ends.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BillSizes {
    /// Half are smaller.
    pub median_minor: u64,
    /// Of the logarithm.
    pub sigma: f64,
    /// Smallest.
    pub least_minor: u64,
    /// Largest.
    pub most_minor: u64,
}

/// How vouchers are spent.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redemptions {
    /// Of users with a voucher.
    pub share: f64,
    /// After the claim.
    pub after: Delay,
    /// Of them, those whose voucher is locked first.
    pub lock_first: f64,
    /// From the lock to the redemption.
    pub lock_minutes: f64,
    /// Of them, those that are sent twice in the same instant.
    pub repeat: f64,
    /// Of them, those that are undone.
    pub rollback: f64,
    /// After the redemption.
    pub rollback_after: Delay,
    /// What for.
    pub bill: BillSizes,
}

/// The campaign's budget.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Vouchers that it is good for, per user who may claim one.
    pub share: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    campaign: String,
    budget: Budget,
    day: Day,
    opening: Option<Surge>,
    #[serde(default)]
    gates: Vec<GatePlan>,
    tiers: Vec<Tier>,
    app_versions: Vec<AppVersion>,
    repeats: Repeats,
    guesses: Guesses,
    redemptions: Redemptions,
    orders: Option<Orders>,
    outlets: Option<Outlets>,
    kitchens: Option<Kitchens>,
    payments: Option<Payments>,
}

/// A checked scenario with its campaign.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// For people.
    pub name: String,
    /// The campaign's document, as it goes to the server.
    pub campaign: CampaignDocument,
    /// The same, as the rules take it.
    pub definition: Definition,
    /// The campaign's budget.
    pub budget: Budget,
    /// When users come.
    pub day: Day,
    /// The surge at the start; the server is then set a limit that it exceeds.
    pub opening: Option<Surge>,
    /// The gates that users come through; without any the server has its own.
    pub gates: Vec<GatePlan>,
    /// Where they are.
    pub tiers: Vec<Tier>,
    /// What they use.
    pub app_versions: Vec<AppVersion>,
    /// Who claims again.
    pub repeats: Repeats,
    /// Who tries made-up codes.
    pub guesses: Guesses,
    /// How vouchers are spent.
    pub redemptions: Redemptions,
    /// Who orders through Levee; without it nobody does.
    pub orders: Option<Orders>,
    /// What outlets there are.
    pub outlets: Option<Outlets>,
    /// How outlets behave; the sandbox plays them.
    pub kitchens: Option<Kitchens>,
    /// How the payment provider behaves; the sandbox plays it.
    pub payments: Option<Payments>,
}

impl Scenario {
    /// The reference day, as it is in `examples/`.
    #[must_use]
    pub fn reference() -> Self {
        Self::parse(REFERENCE, REFERENCE_CAMPAIGN).expect("a test reads it")
    }

    /// From a file; the campaign's path is relative to it.
    ///
    /// # Errors
    /// A file cannot be read, or a field is wrong.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let read = |path: &Path| {
            std::fs::read_to_string(path)
                .map_err(|source| ScenarioError::File { path: path.to_owned(), source })
        };
        let file = parse_file(&read(path)?)?;
        let campaign = read(&path.with_file_name("").join(&file.campaign))?;
        Self::from_file(file, &campaign)
    }

    /// From the two files' texts.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn parse(scenario: &str, campaign: &str) -> Result<Self, ScenarioError> {
        Self::from_file(parse_file(scenario)?, campaign)
    }

    fn from_file(file: File, campaign: &str) -> Result<Self, ScenarioError> {
        let campaign = levee_api::document::from_toml(campaign).map_err(|malformed| {
            ScenarioError::Campaign { field: malformed.field, detail: malformed.detail }
        })?;
        let definition = compile(&campaign).map_err(|malformed| ScenarioError::Campaign {
            field: malformed.field,
            detail: malformed.detail,
        })?;
        let scenario = Self {
            name: file.name,
            campaign,
            definition,
            budget: file.budget,
            day: file.day,
            opening: file.opening,
            gates: file.gates,
            tiers: file.tiers,
            app_versions: file.app_versions,
            repeats: file.repeats,
            guesses: file.guesses,
            redemptions: file.redemptions,
            orders: file.orders,
            outlets: file.outlets,
            kitchens: file.kitchens,
            payments: file.payments,
        };
        crate::checks::check(&scenario)?;
        Ok(scenario)
    }

    /// When the day starts, in milliseconds since 1970.
    #[must_use]
    pub fn starts_at_ms(&self) -> u64 {
        instant_ms(&self.day.starts_at).expect("checked")
    }

    /// The voucher's largest discount, in minor units.
    #[must_use]
    pub fn face_minor(&self) -> u32 {
        match self.definition.terms.voucher.kind {
            VoucherKind::AmountOff { face_minor } => face_minor,
            VoucherKind::PercentOff { max_minor, .. } => max_minor,
        }
    }

    /// Whether users of this version may claim.
    #[must_use]
    pub fn is_eligible(&self, version: &AppVersion) -> bool {
        let eligibility = &self.definition.terms.eligibility;
        eligibility.all_met(eligibility.met(|attribute| match attribute {
            "app_version" => Some(version.version.as_str()),
            "region" => Some("CN"),
            "channel" => Some("app"),
            _ => None,
        }))
    }

    /// The share of users that may claim.
    #[must_use]
    pub fn eligible_share(&self) -> f64 {
        let versions = self.app_versions.iter();
        versions.filter(|version| self.is_eligible(version)).map(|version| version.share).sum()
    }

    /// Bookings of the whole day.
    #[must_use]
    pub fn bookings(&self) -> u64 {
        self.day.bookings.last().expect("checked").total
    }
}

fn parse_file(text: &str) -> Result<File, ScenarioError> {
    toml::from_str(text).map_err(|error| ScenarioError::Malformed(Box::new(error)))
}

/// Milliseconds since 1970, where the instant has an offset.
pub(crate) fn instant_ms(instant: &toml::value::Datetime) -> Option<u64> {
    levee_api::time::Instant::try_from(instant.to_string()).ok().map(|instant| instant.ms)
}
