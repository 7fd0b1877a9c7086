//! A server under the HTTP load: its manners before, its account afterwards.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::http::{self, Request};
use super::levee::Levee;
use super::redis::Redis;
use super::rounds::{Sample, median};
use super::scratch::Running;
use super::stacks::Started;

/// Who keeps the account of a site.
pub(super) enum Account<'a> {
    /// It only says hello.
    Nobody,
    Levee,
    Redis(Redis<'a>),
}

pub(super) struct Site<'a> {
    pub(super) name: String,
    running: Running<'a>,
    address: String,
    account: Account<'a>,
    /// Answered so far; also the next user's number.
    claims: u64,
}

/// What one setting of a stack reached in the trial.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) name: String,
    pub(super) settings: String,
    pub(super) per_s: f64,
    pub(super) chosen: bool,
}

impl<'a> Site<'a> {
    /// Opens a site whose server runs, and checks that it does what all do.
    pub(super) fn open(
        name: &str,
        running: Running<'a>,
        address: String,
        account: Account<'a>,
    ) -> Result<Site<'a>> {
        let mut site = Site { name: name.to_owned(), running, address, account, claims: 0 };
        if !matches!(site.account, Account::Nobody) {
            site.check_manners().with_context(|| site.name.clone())?;
        }
        Ok(site)
    }

    /// The fastest of some settings in two runs each, there and back, before one Redis.
    pub(super) fn fastest(
        levee: &Levee<'_>,
        name: &str,
        redis: Redis<'a>,
        candidates: Vec<Started<'a>>,
        length: Duration,
        trials: &mut Vec<Trial>,
    ) -> Result<Site<'a>> {
        let mut claims = 0;
        let mut candidates: Vec<(Started<'a>, Vec<f64>)> =
            candidates.into_iter().map(|started| (started, Vec::new())).collect();
        for backwards in [false, true] {
            if backwards {
                candidates.reverse();
            }
            for (started, rates) in &mut candidates {
                let shot = levee.load(&started.address, Some(claims), length);
                let shot =
                    shot.with_context(|| format!("{name} printed:\n{}", started.running.said()))?;
                claims += shot.answers;
                rates.push(shot.sample.per_s);
            }
        }
        candidates.reverse();
        candidates.sort_by(|(_, a), (_, b)| rate(b).total_cmp(&rate(a)));
        trials.extend(candidates.iter().enumerate().map(|(place, (started, rates))| Trial {
            name: name.to_owned(),
            settings: started.settings.clone(),
            per_s: rate(rates),
            chosen: place == 0,
        }));
        // The others end here.
        let (started, _) = candidates.into_iter().next().context("there is a candidate")?;
        let name = format!("{name} ({})", started.settings);
        let mut redis = redis;
        redis.check_account(claims)?;
        redis.clear()?;
        Site::open(&name, started.running, started.address, Account::Redis(redis))
    }

    /// One run of the load; every answer's status is checked.
    pub(super) fn run(&mut self, levee: &Levee<'_>, length: Duration) -> Result<Sample> {
        self.running.check()?;
        let first_user = (!matches!(self.account, Account::Nobody)).then_some(self.claims);
        let shot = levee.load(&self.address, first_user, length);
        if shot.is_err() {
            // A process that ended says more than the answers that are missing.
            self.running.check()?;
            if let Account::Redis(redis) = &mut self.account {
                redis.check()?;
            }
        }
        let shot =
            shot.with_context(|| format!("{} printed:\n{}", self.name, self.running.said()))?;
        self.claims += shot.answers;
        Ok(shot.sample)
    }

    /// That the answers are what the account says; returns how many claims that were.
    pub(super) fn check_account(&mut self) -> Result<Option<u64>> {
        match &mut self.account {
            Account::Nobody => return Ok(None),
            Account::Levee => Levee::check_account(&self.address, self.claims)?,
            Account::Redis(redis) => redis.check_account(self.claims)?,
        }
        Ok(Some(self.claims))
    }

    /// The work that everybody must do: look at the key, parse the body, once a user.
    fn check_manners(&mut self) -> Result<()> {
        let claim = |key, body| {
            let path = "/v1/campaigns/bench/claims";
            http::send(&self.address, &Request { method: "POST", path, key, once: false, body })
        };
        let good = "{\"user_id\":\"user-of-the-check\"}";
        let key = Some("dev-app");
        let (status, _) = claim(None, good)?;
        ensure!(status == 401, "a claim without a key is answered {status}");
        let (status, _) = claim(Some("dev-nobody"), good)?;
        ensure!(status == 401, "a claim with a wrong key is answered {status}");
        for bad in ["{\"user_id\":", "{\"user_id\":5}", "{}"] {
            let (status, _) = claim(key, bad)?;
            ensure!((400..500).contains(&status), "the claim {bad} is answered {status}");
        }
        let (first, voucher) = claim(key, good)?;
        let (second, again) = claim(key, good)?;
        ensure!(
            (first, second) == (201, 200) && voucher == again && !voucher.is_empty(),
            "a claim and its repeat are answered {first} {voucher} and {second} {again}"
        );
        self.claims += 1;
        self.check_account().map(|_| ())
    }
}

/// A number of things in words.
pub(super) fn count(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

fn rate(rates: &[f64]) -> f64 {
    median(rates.iter().copied())
}
