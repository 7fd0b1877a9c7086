//! The configuration file of `levee serve` and `levee gate`; flags go before it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use levee_engine::SnapshotPlan;
use levee_gate::GateConfig;
use levee_journal::Options;
use serde::Deserialize;

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
    pub(crate) gates: GatesSection,
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
