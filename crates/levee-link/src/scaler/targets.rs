//! What the operator asks of gates: the trigger's metadata, read strictly. A misspelt target would
//! else be a default that nobody chose.

use std::collections::HashMap;
use std::ops::RangeInclusive;

/// KEDA's own entries: it passes the trigger's whole metadata on.
const KEDA_OWN: &[&str] = &["scalerAddress", "enableTLS", "unsafeSsl", "tlsCertFile"];

/// Bytes of a region's or tier's name.
const NAME_LEN_MAX: usize = 64;

/// When gates are full, and how the number of them moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Targets {
    /// Only gates of this region; `None`: of any.
    pub(crate) region: Option<String>,
    /// Only gates of this tier; `None`: of any.
    pub(crate) tier: Option<String>,
    /// A gate whose event loops are later than this is full.
    pub(crate) loop_delay_us: u64,
    /// An engine whose queue delay (p50) is longer than this is full.
    pub(crate) queue_delay_us: u64,
    /// Of its sockets a gate is to use so many percent.
    pub(crate) sockets_percent: u64,
    /// Of its capacity in requests a gate is to use so many percent.
    pub(crate) load_percent: u64,
    /// That capacity in requests a second; 0: measured, from what a request costs a processor.
    pub(crate) requests_per_gate: u64,
    /// Processors that a gate has, for measuring it.
    pub(crate) cores_per_gate: u64,
    /// Over which arrivals are counted.
    pub(crate) window_ms: u64,
    /// A gate that is asked for now takes part so much later: arrivals are continued to there.
    pub(crate) lead_ms: u64,
    /// Gates go only when they have not been needed for so long.
    pub(crate) fall_after_ms: u64,
}

impl Default for Targets {
    fn default() -> Self {
        Self {
            region: None,
            tier: None,
            loop_delay_us: 20_000,
            queue_delay_us: 20_000,
            sockets_percent: 70,
            load_percent: 70,
            requests_per_gate: 0,
            cores_per_gate: 1,
            window_ms: 10_000,
            lead_ms: 30_000,
            fall_after_ms: 300_000,
        }
    }
}

/// Why metadata is refused; the text names the entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    #[error(
        "scalerMetadata.{0} is not known; known are region, tier, loopDelayMs, queueDelayMs, \
         socketsPercent, loadPercent, requestsPerGate, coresPerGate, windowS, leadS, fallAfterS"
    )]
    Unknown(String),
    #[error(
        "scalerMetadata.{name} is `{value}`, and must be a whole number from {least} to {most}"
    )]
    Number { name: &'static str, value: String, least: u64, most: u64 },
    #[error("scalerMetadata.{0} must have 1 to {NAME_LEN_MAX} bytes")]
    Name(&'static str),
}

impl Targets {
    /// Reads the metadata; what is left out has its default.
    ///
    /// # Errors
    /// An entry that is unknown, or whose value is malformed or out of range.
    pub(crate) fn read(metadata: &HashMap<String, String>) -> Result<Self, TargetError> {
        let mut targets = Self::default();
        // In one order, so that the same metadata gets the same complaint.
        let mut entries: Vec<_> = metadata.iter().collect();
        entries.sort_unstable();
        for (name, value) in entries {
            match name.as_str() {
                "region" => targets.region = Some(name_of("region", value)?),
                "tier" => targets.tier = Some(name_of("tier", value)?),
                "loopDelayMs" => {
                    targets.loop_delay_us = number("loopDelayMs", value, 1..=10_000)? * 1_000;
                }
                "queueDelayMs" => {
                    targets.queue_delay_us = number("queueDelayMs", value, 1..=10_000)? * 1_000;
                }
                "socketsPercent" => {
                    targets.sockets_percent = number("socketsPercent", value, 10..=95)?;
                }
                "loadPercent" => targets.load_percent = number("loadPercent", value, 10..=95)?,
                "requestsPerGate" => {
                    targets.requests_per_gate = number("requestsPerGate", value, 1..=10_000_000)?;
                }
                "coresPerGate" => {
                    targets.cores_per_gate = number("coresPerGate", value, 1..=1_024)?;
                }
                "windowS" => targets.window_ms = number("windowS", value, 4..=60)? * 1_000,
                "leadS" => targets.lead_ms = number("leadS", value, 0..=300)? * 1_000,
                "fallAfterS" => {
                    targets.fall_after_ms = number("fallAfterS", value, 10..=3_600)? * 1_000;
                }
                own if KEDA_OWN.contains(&own) => {}
                other => return Err(TargetError::Unknown(other.chars().take(64).collect())),
            }
        }
        Ok(targets)
    }
}

fn name_of(name: &'static str, value: &str) -> Result<String, TargetError> {
    if value.is_empty() || value.len() > NAME_LEN_MAX {
        return Err(TargetError::Name(name));
    }
    Ok(value.to_owned())
}

fn number(name: &'static str, value: &str, range: RangeInclusive<u64>) -> Result<u64, TargetError> {
    // Digits only: `parse` would also take `+5`.
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = digits.then(|| value.parse().ok()).flatten();
    parsed.filter(|number| range.contains(number)).ok_or_else(|| TargetError::Number {
        name,
        value: value.chars().take(64).collect(),
        least: *range.start(),
        most: *range.end(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[(&str, &str)]) -> Result<Targets, TargetError> {
        let owned = entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Targets::read(&owned.collect())
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        assert_eq!(read(&[]), Ok(Targets::default()));
        let keda = [("scalerAddress", "levee:9090"), ("enableTLS", "false")];
        assert_eq!(read(&keda), Ok(Targets::default()));
        let expected = Targets {
            region: Some("cn-east".to_owned()),
            tier: Some("1".to_owned()),
            loop_delay_us: 5_000,
            queue_delay_us: 30_000,
            sockets_percent: 80,
            load_percent: 60,
            requests_per_gate: 12_000,
            cores_per_gate: 4,
            window_ms: 20_000,
            lead_ms: 0,
            fall_after_ms: 600_000,
        };
        let all = [
            ("region", "cn-east"),
            ("tier", "1"),
            ("loopDelayMs", "5"),
            ("queueDelayMs", "30"),
            ("socketsPercent", "80"),
            ("loadPercent", "60"),
            ("requestsPerGate", "12000"),
            ("coresPerGate", "4"),
            ("windowS", "20"),
            ("leadS", "0"),
            ("fallAfterS", "600"),
        ];
        assert_eq!(read(&all), Ok(expected));
    }

    #[test]
    fn a_wrong_entry_is_named() {
        for (name, value) in [
            ("loopDelayMS", "5"),
            ("cpuPercent", "80"),
            ("loopDelayMs", ""),
            ("loopDelayMs", "0"),
            ("loopDelayMs", "-5"),
            ("loopDelayMs", "+5"),
            ("loopDelayMs", "5 "),
            ("loopDelayMs", "5.5"),
            ("loopDelayMs", "five"),
            ("loopDelayMs", "10001"),
            ("queueDelayMs", "99999999999999999999999"),
            ("socketsPercent", "100"),
            ("loadPercent", "9"),
            ("requestsPerGate", "0"),
            ("coresPerGate", "0"),
            ("windowS", "3"),
            ("leadS", "301"),
            ("fallAfterS", "9"),
            ("region", ""),
        ] {
            let error = read(&[(name, value)]).expect_err(name).to_string();
            assert!(error.starts_with(&format!("scalerMetadata.{name} ")), "{error}");
        }
        let long = "x".repeat(100_000);
        assert!(read(&[("tier", &long)]).expect_err("too long").to_string().len() < 200);
        assert!(read(&[(&long, "1")]).expect_err("unknown").to_string().len() < 400);
        assert!(read(&[("leadS", &long)]).expect_err("no number").to_string().len() < 300);
    }
}
