//! The configuration file of `levee serve`; flags go before it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
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
    pub(crate) gate: GateSection,
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
pub(crate) struct GateSection {
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

    pub(crate) fn gate_config(&self) -> GateConfig {
        let mut config = GateConfig::default();
        let ms = Duration::from_millis;
        let gate = &self.gate;
        config.workers = gate.workers.unwrap_or(config.workers);
        config.connections_max = gate.connections_max.unwrap_or(config.connections_max);
        config.header_timeout = gate.header_timeout_ms.map_or(config.header_timeout, ms);
        config.body_timeout = gate.body_timeout_ms.map_or(config.body_timeout, ms);
        config.drain = gate.drain_ms.map_or(config.drain, ms);
        config
    }
}
