//! The tables of a scenario that say how outlets and the payment provider behave, and how a wrong
//! value in a scenario is reported.
//!
//! A scenario is one TOML file for everyone who plays a day: the crowd reads its part, the sandbox
//! reads `[kitchens]` and `[payments]`. Shares are parts of 1; times are of the day that is played,
//! which may run faster than real.

use serde::Deserialize;

/// Longest list in these tables.
const LIST_MAX: usize = 64;

/// Longest median, in seconds: a day.
const MEDIAN_S_MAX: f64 = 86_400.0;

/// Most stations of one outlet.
const STATIONS_MAX: u32 = 64;

/// Longest vendor's name in bytes.
const VENDOR_LEN_MAX: usize = 64;

/// A value out of its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scenario field {field}: {problem}")]
pub struct FieldError {
    /// Path of the field.
    pub field: String,
    /// What is wrong and what is allowed.
    pub problem: String,
}

impl FieldError {
    /// About one field.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

/// Whether a value is in its range, ends included; no number is in none.
///
/// # Errors
/// It is not.
pub fn within(field: &str, value: f64, least: f64, most: f64) -> Result<(), FieldError> {
    if !(least..=most).contains(&value) {
        return Err(FieldError::new(field, format!("{value} is not within {least} to {most}")));
    }
    Ok(())
}

/// Whether the shares of a list of at most `count_max` are parts of 1 that add up to it.
///
/// # Errors
/// They are not.
pub fn shares(
    field: &str,
    count_max: usize,
    shares: impl Iterator<Item = f64> + Clone,
) -> Result<(), FieldError> {
    let count = shares.clone().count();
    if !(1..=count_max).contains(&count) {
        return Err(FieldError::new(field, format!("must list 1 to {count_max}")));
    }
    for (place, share) in shares.clone().enumerate() {
        within(&format!("{field}[{place}].share"), share, 0.0, 1.0)?;
    }
    let sum: f64 = shares.sum();
    if (sum - 1.0).abs() > 1e-6 {
        return Err(FieldError::new(field, format!("the shares add up to {sum}, not to 1")));
    }
    Ok(())
}

/// A log-normal draw, in seconds of the day.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lasting {
    /// Half are shorter; 0 to 86,400.
    pub median_s: f64,
    /// Of the logarithm; 0 to 3.
    pub sigma: f64,
}

impl Lasting {
    fn check(self, field: &str) -> Result<(), FieldError> {
        within(&format!("{field}.median_s"), self.median_s, 0.0, MEDIAN_S_MAX)?;
        within(&format!("{field}.sigma"), self.sigma, 0.0, 3.0)
    }
}

/// Outlets and the systems at their counters.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kitchens {
    /// How many stations outlets have.
    pub stations: Vec<Stations>,
    /// One unit of work at one station, drawn for each outlet.
    pub unit: Lasting,
    /// How much the making of one ticket differs from that: sigma of its logarithm, 0 to 2.
    pub making_sigma: f64,
    /// From the ticket's arrival until somebody answers it.
    pub accept_after: Lasting,
    /// From ready until somebody takes it away.
    pub collect_after: Lasting,
    /// How long before its time a ticket may be begun, in minutes; 0 to 240.
    pub ahead_minutes: f64,
    /// Of tickets, those that the outlet turns down.
    pub rejected: f64,
    /// Of tickets, those that nobody ever looks at.
    pub ignored: f64,
    /// Customers who stand at the counter.
    pub walk_ins: WalkIns,
    /// Outlets whose system does not do what it should.
    pub faults: OutletFaults,
    /// Vendors whose systems are dark for a part of the day.
    #[serde(default)]
    pub dark: Vec<Dark>,
}

/// Outlets with so many stations.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stations {
    /// 1 to 64.
    pub count: u32,
    /// Of all outlets.
    pub share: f64,
}

/// Customers who do not order through Levee and wait in the same queue.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalkIns {
    /// In one hour for each station of the outlet; 0 to 200.
    pub per_station_hour: f64,
    /// Units of work of each; 0.1 to 20.
    pub units: f64,
}

/// Shares of outlets, which exclude each other: the rest is healthy.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutletFaults {
    /// Take tickets and answer late.
    pub slow: Slow,
    /// Of all outlets: answer every request with an error.
    pub failing: f64,
    /// Up and down in turns.
    pub flapping: Flapping,
    /// Of all outlets: accept connections and never answer.
    pub black_hole: f64,
}

/// Slow outlets.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slow {
    /// Of all outlets.
    pub share: f64,
    /// How long each answer takes, 0.1 to 600.
    pub answer_after_s: f64,
}

/// Flapping outlets.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flapping {
    /// Of all outlets.
    pub share: f64,
    /// From one going down to the next, 0.1 to 1,440.
    pub period_minutes: f64,
    /// Of that time, the part in which they are down.
    pub down: f64,
}

/// A vendor whose outlets are all silent, in both directions, every day at the same time.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dark {
    /// As in the path of its outlets.
    pub vendor: String,
    /// Hours since the start of the day, 0 to 24.
    pub from_hour: f64,
    /// How long; over by hour 24.
    pub hours: f64,
}

/// The payment provider and the users who pay there.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payments {
    /// From the payment's creation until its user does something about it.
    pub think: Lasting,
    /// Of payments, those that nobody ever does anything about.
    pub never: f64,
    /// Of payments, those that the user's bank turns down.
    pub failed: f64,
    /// Payments whose result takes a while.
    pub pending: Pending,
    /// Of refunds, those that fail.
    pub refund_failed: f64,
    /// How the provider tells Levee.
    pub callbacks: Callbacks,
    /// When it does not work.
    #[serde(default)]
    pub outages: Vec<Outage>,
}

/// Payments that are under way for a while.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// Of payments.
    pub share: f64,
    /// How long.
    pub lasting: Lasting,
}

/// Callbacks and what goes wrong with them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Callbacks {
    /// From the event until its callback is sent.
    pub delay: Lasting,
    /// Of sends, those that never arrive; each repeat is drawn anew.
    pub lost: f64,
    /// Of payments, those none of whose callbacks ever arrives.
    pub lost_for_good: f64,
    /// Of callbacks, those that are sent twice at once.
    pub doubled: f64,
    /// Callbacks that are held up, so that later events overtake them.
    pub late: Late,
    /// Pauses before the repeats of one that was not acknowledged, in seconds; at most 64 of them,
    /// each 0.1 to 86,400.
    pub repeat_after_s: Vec<f64>,
    /// Times of the day at which more goes wrong.
    #[serde(default)]
    pub peaks: Vec<Peak>,
}

/// A time of every day at which callbacks are held up, and more of them lost and doubled.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peak {
    /// Hours since the start of the day, 0 to 24.
    pub from_hour: f64,
    /// How long; over by hour 24.
    pub hours: f64,
    /// For how long those of what happens in it are held up beyond the ordinary delay, 0 to 1,440
    /// minutes.
    pub late_minutes: f64,
    /// Of sends in it, those that never arrive, instead of the ordinary share.
    pub lost: f64,
    /// Of callbacks sent in it, those that are sent twice at once, likewise.
    pub doubled: f64,
}

/// Callbacks that are held up.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Late {
    /// Of callbacks.
    pub share: f64,
    /// For so long, beyond the ordinary delay.
    pub by: Lasting,
}

/// A time of every day at which the provider sends nothing.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// Hours since the start of the day, 0 to 24.
    pub from_hour: f64,
    /// How long; over by hour 24.
    pub hours: f64,
    /// Nobody can ask it, and nobody can pay, either.
    #[serde(default)]
    pub api: bool,
}

fn share(field: &str, value: f64) -> Result<(), FieldError> {
    within(field, value, 0.0, 1.0)
}

fn at_most_all(field: &str, sum: f64) -> Result<(), FieldError> {
    if sum > 1.0 + 1e-9 {
        return Err(FieldError::new(field, format!("the shares add up to {sum}, above 1")));
    }
    Ok(())
}

fn window(field: &str, from_hour: f64, hours: f64) -> Result<(), FieldError> {
    within(&format!("{field}.from_hour"), from_hour, 0.0, 24.0)?;
    within(&format!("{field}.hours"), hours, 0.0, 24.0 - from_hour)
}

fn list_len(field: &str, len: usize) -> Result<(), FieldError> {
    if len > LIST_MAX {
        return Err(FieldError::new(field, format!("must list at most {LIST_MAX}")));
    }
    Ok(())
}

impl Kitchens {
    /// Whether all values are in their ranges.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), FieldError> {
        let stations = &self.stations;
        shares("kitchens.stations", LIST_MAX, stations.iter().map(|some| some.share))?;
        for (place, some) in stations.iter().enumerate() {
            let field = format!("kitchens.stations[{place}].count");
            within(&field, f64::from(some.count), 1.0, f64::from(STATIONS_MAX))?;
        }
        self.unit.check("kitchens.unit")?;
        within("kitchens.unit.median_s", self.unit.median_s, 1.0, 3_600.0)?;
        within("kitchens.making_sigma", self.making_sigma, 0.0, 2.0)?;
        self.accept_after.check("kitchens.accept_after")?;
        self.collect_after.check("kitchens.collect_after")?;
        within("kitchens.ahead_minutes", self.ahead_minutes, 0.0, 240.0)?;
        share("kitchens.rejected", self.rejected)?;
        share("kitchens.ignored", self.ignored)?;
        at_most_all("kitchens.ignored", self.rejected + self.ignored)?;
        within("kitchens.walk_ins.per_station_hour", self.walk_ins.per_station_hour, 0.0, 200.0)?;
        within("kitchens.walk_ins.units", self.walk_ins.units, 0.1, 20.0)?;
        self.faults.check()?;
        list_len("kitchens.dark", self.dark.len())?;
        for (place, dark) in self.dark.iter().enumerate() {
            let field = format!("kitchens.dark[{place}]");
            if !(1..=VENDOR_LEN_MAX).contains(&dark.vendor.len()) {
                let problem = format!("must be 1 to {VENDOR_LEN_MAX} bytes");
                return Err(FieldError::new(format!("{field}.vendor"), problem));
            }
            window(&field, dark.from_hour, dark.hours)?;
        }
        Ok(())
    }
}

impl OutletFaults {
    fn check(&self) -> Result<(), FieldError> {
        share("kitchens.faults.slow.share", self.slow.share)?;
        within("kitchens.faults.slow.answer_after_s", self.slow.answer_after_s, 0.1, 600.0)?;
        share("kitchens.faults.failing", self.failing)?;
        let flapping = self.flapping;
        share("kitchens.faults.flapping.share", flapping.share)?;
        let field = "kitchens.faults.flapping.period_minutes";
        within(field, flapping.period_minutes, 0.1, 1_440.0)?;
        share("kitchens.faults.flapping.down", flapping.down)?;
        share("kitchens.faults.black_hole", self.black_hole)?;
        let sum = self.slow.share + self.failing + flapping.share + self.black_hole;
        at_most_all("kitchens.faults", sum)
    }
}

impl Payments {
    /// Whether all values are in their ranges.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), FieldError> {
        self.think.check("payments.think")?;
        share("payments.never", self.never)?;
        share("payments.failed", self.failed)?;
        at_most_all("payments.failed", self.never + self.failed)?;
        share("payments.pending.share", self.pending.share)?;
        self.pending.lasting.check("payments.pending.lasting")?;
        share("payments.refund_failed", self.refund_failed)?;
        let callbacks = &self.callbacks;
        callbacks.delay.check("payments.callbacks.delay")?;
        share("payments.callbacks.lost", callbacks.lost)?;
        share("payments.callbacks.lost_for_good", callbacks.lost_for_good)?;
        share("payments.callbacks.doubled", callbacks.doubled)?;
        share("payments.callbacks.late.share", callbacks.late.share)?;
        callbacks.late.by.check("payments.callbacks.late.by")?;
        list_len("payments.callbacks.repeat_after_s", callbacks.repeat_after_s.len())?;
        for (place, after_s) in callbacks.repeat_after_s.iter().enumerate() {
            let field = format!("payments.callbacks.repeat_after_s[{place}]");
            within(&field, *after_s, 0.1, MEDIAN_S_MAX)?;
        }
        list_len("payments.callbacks.peaks", callbacks.peaks.len())?;
        for (place, peak) in callbacks.peaks.iter().enumerate() {
            let field = format!("payments.callbacks.peaks[{place}]");
            window(&field, peak.from_hour, peak.hours)?;
            within(&format!("{field}.late_minutes"), peak.late_minutes, 0.0, 1_440.0)?;
            share(&format!("{field}.lost"), peak.lost)?;
            share(&format!("{field}.doubled"), peak.doubled)?;
        }
        list_len("payments.outages", self.outages.len())?;
        for (place, outage) in self.outages.iter().enumerate() {
            window(&format!("payments.outages[{place}]"), outage.from_hour, outage.hours)?;
        }
        Ok(())
    }
}
