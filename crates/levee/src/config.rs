//! The configuration file of `levee serve` and `levee gate`; flags go before it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use levee_api::types::Level;
use levee_connect::reach::ranges;
use levee_engine::SnapshotPlan;
use levee_gate::{GateConfig, Rule, Signal, StewardConfig};
use levee_journal::Options;
use serde::Deserialize;

use crate::outside::{ConnectSection, SandboxSection};
use crate::payments::PaymentsSection;

/// Everything may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// The data folder.
    pub(crate) data: Option<PathBuf>,
    /// `host:port`.
    pub(crate) listen: Option<String>,
    pub(crate) journal: JournalConfig,
    pub(crate) engine: EngineSection,
    pub(crate) snapshots: SnapshotSection,
    pub(crate) gate: GateSection,
    pub(crate) admission: AdmissionSection,
    pub(crate) brownout: BrownoutSection,
    pub(crate) scaler: ScalerSection,
    pub(crate) gates: GatesSection,
    pub(crate) connect: ConnectSection,
    pub(crate) sandbox: Option<SandboxSection>,
    /// By name.
    pub(crate) payments: BTreeMap<String, PaymentsSection>,
}

/// For gates in processes of their own.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GatesSection {
    /// Where the engine takes them in: `unix:PATH` or `host:port`.
    pub(crate) listen: Option<String>,
    /// Files; see [`crate::gates`].
    pub(crate) tls_cert: Option<PathBuf>,
    pub(crate) tls_key: Option<PathBuf>,
    pub(crate) shared_key: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct JournalConfig {
    segment_bytes: Option<u64>,
    reserve_bytes: Option<u64>,
    quota_bytes: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EngineSection {
    pub(crate) queue_capacity: Option<usize>,
    claims_per_s: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SnapshotSection {
    journal_bytes: Option<u64>,
    every_s: Option<u64>,
    at_stop: Option<bool>,
    bytes_per_s: Option<u64>,
    queue_bytes: Option<usize>,
}

/// The least that makes sense: below it a snapshot would follow the other, or never end.
const SNAPSHOT_JOURNAL_BYTES_MIN: u64 = 1 << 20;
const SNAPSHOT_EVERY_S_MIN: u64 = 10;
/// A year is as good as never.
const SNAPSHOT_EVERY_MAX: Duration = Duration::from_secs(366 * 24 * 3_600);
const SNAPSHOT_BYTES_PER_S_MIN: u64 = 1 << 20;
const SNAPSHOT_QUEUE_BYTES_MIN: usize = 1 << 20;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GateSection {
    name: Option<String>,
    region: Option<String>,
    tier: Option<String>,
    workers: Option<usize>,
    connections_max: Option<usize>,
    header_timeout_ms: Option<u64>,
    body_timeout_ms: Option<u64>,
    drain_ms: Option<u64>,
    proxies: Vec<String>,
}

/// Among the proxies: whoever connects over the Unix socket.
const PROXIES_SOCKET: &str = "unix";

/// The room's counts reach that far.
const OPENS_BEFORE_S_MAX: u64 = 3_000;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AdmissionSection {
    enabled: Option<bool>,
    opens_before_s: Option<u64>,
    user_per_s: Option<u32>,
    key_per_s: Option<u32>,
    forged_per_s: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BrownoutSection {
    codes_within_ms: Option<u64>,
    rules: Option<Vec<RuleSection>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleSection {
    level: Level,
    signal: String,
    enter_ms: u64,
    #[serde(default)]
    enter_after_ms: u64,
    leave_ms: u64,
    #[serde(default)]
    leave_after_ms: u64,
}

impl RuleSection {
    fn rule(&self) -> Result<Rule> {
        let names = Signal::ALL.map(Signal::name);
        let signal = Signal::ALL.into_iter().find(|signal| signal.name() == self.signal);
        let signal = signal.with_context(|| {
            format!("brownout.rules.signal is {:?}, and must be one of {names:?}", self.signal)
        })?;
        ensure!(self.level > Level::Normal, "brownout.rules.level must be above normal");
        ensure!(
            self.leave_ms <= self.enter_ms,
            "brownout.rules.leave_ms is {}, and must be at most enter_ms ({})",
            self.leave_ms,
            self.enter_ms
        );
        Ok(Rule {
            level: self.level,
            signal,
            enter_ms: self.enter_ms,
            enter_after: Duration::from_millis(self.enter_after_ms),
            leave_ms: self.leave_ms,
            leave_after: Duration::from_millis(self.leave_after_ms),
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ScalerSection {
    /// `host:port`; without it there is none.
    pub(crate) listen: Option<String>,
}

impl Config {
    /// The file's, or the defaults.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self> {
        let Some(file) = file else { return Ok(Self::default()) };
        let text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        toml::from_str(&text)
            .with_context(|| format!("{} is not a valid configuration", file.display()))
    }

    pub(crate) fn journal_options(&self) -> Options {
        let defaults = Options::default();
        Options {
            segment_bytes: self.journal.segment_bytes.unwrap_or(defaults.segment_bytes),
            reserve_bytes: self.journal.reserve_bytes.unwrap_or(defaults.reserve_bytes),
            quota_bytes: self.journal.quota_bytes.or(defaults.quota_bytes),
        }
    }

    /// Most claims a second, while no operator sets another limit.
    pub(crate) fn claims_per_s(&self) -> Result<Option<u32>> {
        let claims_per_s = self.engine.claims_per_s;
        ensure!(
            claims_per_s != Some(0),
            "engine.claims_per_s is 0, and must be at least 1; leave it out for no limit"
        );
        Ok(claims_per_s)
    }

    /// When snapshots are taken.
    pub(crate) fn snapshot_plan(&self) -> Result<SnapshotPlan> {
        let (section, defaults) = (&self.snapshots, SnapshotPlan::default());
        let plan = SnapshotPlan {
            journal_bytes: section.journal_bytes.unwrap_or(defaults.journal_bytes),
            every: section.every_s.map_or(defaults.every, Duration::from_secs),
            at_stop: section.at_stop.unwrap_or(defaults.at_stop),
            bytes_per_s: section.bytes_per_s.unwrap_or(defaults.bytes_per_s),
            queue_bytes: section.queue_bytes.unwrap_or(defaults.queue_bytes),
        };
        ensure!(
            plan.every <= SNAPSHOT_EVERY_MAX,
            "snapshots.every_s is {}, and must be at most {}",
            plan.every.as_secs(),
            SNAPSHOT_EVERY_MAX.as_secs()
        );
        for (name, is, least) in [
            ("journal_bytes", plan.journal_bytes, SNAPSHOT_JOURNAL_BYTES_MIN),
            ("every_s", plan.every.as_secs(), SNAPSHOT_EVERY_S_MIN),
            ("bytes_per_s", plan.bytes_per_s, SNAPSHOT_BYTES_PER_S_MIN),
            ("queue_bytes", plan.queue_bytes as u64, SNAPSHOT_QUEUE_BYTES_MIN as u64),
        ] {
            ensure!(is >= least, "snapshots.{name} is {is}, and must be at least {least}");
        }
        Ok(plan)
    }

    /// How the steward works.
    pub(crate) fn steward_config(&self) -> Result<StewardConfig> {
        let rules = match &self.brownout.rules {
            None => Rule::defaults(),
            Some(rules) => rules.iter().map(RuleSection::rule).collect::<Result<_>>()?,
        };
        let codes_within = Duration::from_millis(self.brownout.codes_within_ms.unwrap_or(0));
        Ok(StewardConfig { rules, codes_within })
    }

    pub(crate) fn gate_config(&self) -> Result<GateConfig> {
        let mut config = GateConfig::default();
        let ms = Duration::from_millis;
        let gate = &self.gate;
        for (field, text, into) in [
            ("name", &gate.name, &mut config.name),
            ("region", &gate.region, &mut config.region),
            ("tier", &gate.tier, &mut config.tier),
        ] {
            if let Some(text) = text {
                check_label(text).map_err(|wrong| anyhow!("gate.{field} {wrong}"))?;
                text.clone_into(into);
            }
        }
        config.workers = gate.workers.unwrap_or(config.workers);
        config.connections_max = gate.connections_max.unwrap_or(config.connections_max);
        config.header_timeout = gate.header_timeout_ms.map_or(config.header_timeout, ms);
        config.body_timeout = gate.body_timeout_ms.map_or(config.body_timeout, ms);
        config.drain = gate.drain_ms.map_or(config.drain, ms);
        let proxies = gate.proxies.iter().map(String::as_str);
        config.proxies.socket = proxies.clone().any(|text| text == PROXIES_SOCKET);
        let proxies = proxies.filter(|text| *text != PROXIES_SOCKET);
        config.proxies.ranges = ranges(proxies).map_err(|text| {
            anyhow!(
                "gate.proxies has {text:?}, and must list ranges such as \"10.0.0.0/8\", addresses, \
                 or \"unix\""
            )
        })?;
        let (section, admission) = (&self.admission, &mut config.admission);
        let opens_before_s = section.opens_before_s.unwrap_or(admission.opens_before.as_secs());
        ensure!(
            opens_before_s <= OPENS_BEFORE_S_MAX,
            "admission.opens_before_s is {opens_before_s}, and must be at most {OPENS_BEFORE_S_MAX}"
        );
        admission.opens_before = Duration::from_secs(opens_before_s);
        admission.enabled = section.enabled.unwrap_or(admission.enabled);
        admission.user_per_s = section.user_per_s.unwrap_or(admission.user_per_s);
        admission.key_per_s = section.key_per_s.unwrap_or(admission.key_per_s);
        admission.forged_per_s = section.forged_per_s.unwrap_or(admission.forged_per_s);
        Ok(config)
    }
}

/// Longest name, region or tier of a gate: they are labels in metrics.
const LABEL_LEN_MAX: usize = 64;

/// What may stand in a label: anything that needs no escape anywhere.
pub(crate) fn check_label(text: &str) -> Result<(), String> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text.len() <= LABEL_LEN_MAX && text.bytes().all(letter) {
        return Ok(());
    }
    Err(format!(
        "is {text:?}, and may have up to {LABEL_LEN_MAX} letters, digits, dashes, underscores and \
         dots"
    ))
}
