//! Levee's own binary: built, served, and asked to bench itself and others.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::http::{self, Request};
use super::redis::BUDGET;
use super::rounds::Sample;
use super::scratch::{Running, Scratch};
use crate::process;
use crate::workspace::Workspace;

/// What starting, connecting and checking may take beside a run.
const MARGIN: Duration = Duration::from_secs(60);
/// So many users tell how many a run needs.
const USERS_FIRST: u32 = 500_000;
/// What fits a small machine's memory.
const USERS_MAX: u32 = 20_000_000;

/// The binary, and where it may write.
pub(super) struct Levee<'a> {
    binary: PathBuf,
    scratch: &'a Scratch,
}

/// What one run of the HTTP load gave.
pub(super) struct Shot {
    pub(super) sample: Sample,
    /// With those of the warm-up.
    pub(super) answers: u64,
}

impl<'a> Levee<'a> {
    pub(super) fn build(root: &Path, workspace: &Workspace) -> Result<PathBuf> {
        println!("building levee");
        let mut build = process::cargo(root);
        process::check(build.args(["build", "--quiet", "--release", "--package", "levee"]))?;
        let binary = workspace.target.join("release").join("levee");
        ensure!(binary.is_file(), "{} was not built", binary.display());
        Ok(binary)
    }

    pub(super) fn new(binary: PathBuf, scratch: &'a Scratch) -> Self {
        Self { binary, scratch }
    }

    /// A server with an open campaign.
    pub(super) fn serve(&self) -> Result<(Running<'a>, String)> {
        let mut command = Command::new(&self.binary);
        command.args(["serve", "--dev", "--log", "warn", "--listen", "127.0.0.1:0", "--data"]);
        command.arg(self.scratch.folder("levee-data")?);
        let mut running = Running::start(self.scratch, "levee", command)?;
        let address = running.address()?;
        let campaign = json!({
            "id": "bench", "name": "Bench", "currency": "CNY",
            "opens_at": "2020-01-01T00:00:00Z", "closes_at": "2100-01-01T00:00:00Z",
            "voucher": {"kind": "amount_off", "face_minor": 1, "valid_for": "P7D"}
        });
        let money = json!({"amount_minor": BUDGET, "reference": "bench"});
        for (path, body) in [
            ("/v1/campaigns", campaign),
            ("/v1/campaigns/bench/fund", money),
            ("/v1/campaigns/bench/open", json!({})),
        ] {
            let key = Some("dev-operator");
            let body = body.to_string();
            let request = Request { method: "POST", path, key, once: true, body: &body };
            let (status, answer) = http::send(&address, &request)?;
            ensure!((200..300).contains(&status), "levee answers {status} to {path}: {answer}");
        }
        Ok((running, address))
    }

    /// As much money is reserved as claims were answered, and each costs one.
    pub(super) fn check_account(address: &str, answers: u64) -> Result<()> {
        let path = "/v1/campaigns/bench";
        let key = Some("dev-operator");
        let request = Request { method: "GET", path, key, once: false, body: "" };
        let (_, body) = http::send(address, &request)?;
        let campaign: Value = serde_json::from_str(&body).context("a campaign is JSON")?;
        let reserved = find(&campaign, "reserved_minor").and_then(Value::as_u64);
        ensure!(
            reserved == Some(answers),
            "levee: {answers} claims were answered, and its account says {body}"
        );
        Ok(())
    }

    /// The server that only says hello.
    pub(super) fn hello(&self) -> Result<(Running<'a>, String)> {
        let mut command = Command::new(&self.binary);
        command.args(["bench", "hello"]);
        let mut running = Running::start(self.scratch, "hello", command)?;
        let address = running.address()?;
        Ok((running, address))
    }

    /// Durable claims in process; it checks every reply itself.
    pub(super) fn bench_claims(&self, users: u32) -> Result<Sample> {
        let data = self.scratch.folder("levee-claims")?;
        let mut command = Command::new(&self.binary);
        command.args(["bench", "claims", "--users", &users.to_string(), "--data"]).arg(&data);
        let figures = self.figures("levee bench claims", command, MARGIN)?;
        std::fs::remove_dir_all(&data).with_context(|| format!("remove {}", data.display()))?;
        sample(&figures, "claims_per_s")
    }

    /// How many users keep `bench claims` busy for so long; this run is its warm-up too.
    pub(super) fn users_for(&self, length: Duration) -> Result<u32> {
        let users = self.bench_claims(USERS_FIRST)?.per_s * length.as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within bounds"
        )]
        let users = users.clamp(f64::from(USERS_FIRST), f64::from(USERS_MAX)) as u32;
        Ok(users)
    }

    /// The HTTP load of `levee bench http` on any server.
    pub(super) fn load(
        &self,
        address: &str,
        first_user: Option<u64>,
        length: Duration,
    ) -> Result<Shot> {
        let mut command = Command::new(&self.binary);
        command.args(["bench", "against", "--address", address]);
        command.args(["--seconds", &length.as_secs_f64().to_string()]);
        match first_user {
            Some(user) => command.args(["--status", "201", "--first-user", &user.to_string()]),
            None => command.args(["--status", "200", "--hello"]),
        };
        let figures = self.figures("levee bench against", command, length * 2 + MARGIN)?;
        let answers = figures["answers_in_all"].as_u64();
        let answers = answers.context("`levee bench against` gives no answers_in_all")?;
        Ok(Shot { sample: sample(&figures, "answers_per_s")?, answers })
    }

    /// Runs a bench that writes its figures into a file.
    fn figures(&self, name: &str, mut command: Command, limit: Duration) -> Result<Value> {
        let file = self.scratch.path().join("figures.json");
        command.arg("--json").arg(&file);
        Running::start(self.scratch, "bench", command)?.finish(limit).context(name.to_owned())?;
        let text = std::fs::read_to_string(&file);
        let text = text.with_context(|| format!("`{name}` wrote no figures"))?;
        serde_json::from_str(&text).with_context(|| format!("the figures of `{name}` are no JSON"))
    }
}

fn sample(figures: &Value, rate: &str) -> Result<Sample> {
    let number = |value: &Value, name: &str| {
        value[name].as_f64().with_context(|| format!("the figures of levee bench have no {name}"))
    };
    let ack = &figures["ack_ms"];
    Ok(Sample {
        per_s: number(figures, rate)?,
        p50_ms: number(ack, "p50")?,
        p99_ms: number(ack, "p99")?,
    })
}

/// A field of this name, however deep.
fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    object.get(name).or_else(|| object.values().find_map(|inner| find(inner, name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read() {
        let figures = json!({"claims_per_s": 5.0, "ack_ms": {"p50": 1.0, "p99": 2.5}});
        let expected = Sample { per_s: 5.0, p50_ms: 1.0, p99_ms: 2.5 };
        assert_eq!(sample(&figures, "claims_per_s").unwrap(), expected);
        let error = sample(&figures, "answers_per_s").unwrap_err().to_string();
        assert_eq!(error, "the figures of levee bench have no answers_per_s");
    }

    #[test]
    fn fields_are_found_inside() {
        let value = json!({"a": {"b": 1}, "c": 2});
        assert_eq!(find(&value, "b"), Some(&json!(1)));
        assert_eq!(find(&value, "d"), None);
    }
}
