//! The plan of a drill: who arrives when, and does what. Drawn from a seed, so that the same
//! scenario, seconds, seed and scale give the same crowd, to the microsecond.

mod ordering;

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use levee_api::time::Instant;

use crate::curve::Curve;
use crate::market::{Kitchen, Market};
use crate::numbers::{narrow, real, whole};
use crate::scenario::{Delay, Scenario};

pub use ordering::{Line, OrderScript};

/// Most users of one drill; their answers are kept in memory.
const USERS_MAX: u64 = 50_000_000;

/// Longest drill in real seconds; instants within it are 32 bits of microseconds.
pub const SECONDS_MAX: u32 = 4_000;

/// Users of which the peak is estimated.
const SAMPLE_USERS: u64 = 200_000;

/// Windows a second in which the peak is looked for.
const PEAK_WINDOWS_PER_S: u32 = 4;

/// The share of a measured capacity that the peak of an automatic scale may ask for. The rest is
/// for bursts inside the peak's window, for the audit's own writes, and for a noisy machine: the
/// drill is to show the product's answers, not the machine's end.
pub const AUTO_LOAD_SHARE: f64 = 0.55;

/// Stretches over which the limit of claims has room, in minutes of the day.
const LIMIT_MINUTES: f64 = 30.0;

/// Room of the limit above what the busiest stretch brings.
const LIMIT_ROOM: f64 = 1.1;

/// What one user does, in real microseconds after the user's arrival.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// Place in the scenario's tiers.
    pub tier: usize,
    /// Place in the scenario's versions.
    pub version: usize,
    /// When the claim is repeated.
    pub repeats_after_us: Vec<u32>,
    /// Made-up codes that the user tries.
    pub guesses: u32,
    /// How the user spends the voucher where the app takes orders itself.
    pub redemption: Option<RedemptionScript>,
    /// How the user orders through Levee. At most one of the two.
    pub order: Option<OrderScript>,
}

/// How one user spends the voucher.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RedemptionScript {
    /// After the claim.
    pub after_us: u32,
    /// Locks first, and redeems so much later.
    pub locked_for_us: Option<u32>,
    /// Sends it twice.
    pub repeated: bool,
    /// The bill.
    pub bill_minor: u64,
    /// Place in the campaign's brands.
    pub brand: usize,
    /// Undoes it so long after it.
    pub rolled_back_after_us: Option<u32>,
}

/// A crowd, drawn.
#[derive(Clone, Debug)]
pub struct FestivalPlan {
    scenario: Scenario,
    seconds: u32,
    seed: u64,
    scale: f64,
    arrivals_us: Vec<u32>,
    tier_bounds: Vec<f64>,
    version_bounds: Vec<f64>,
    gate_bounds: Vec<f64>,
    /// Without it nobody orders.
    market: Option<Arc<Market>>,
    kills: u32,
}

impl FestivalPlan {
    /// Draws the crowd. The day is squeezed into `seconds` (1 to [`SECONDS_MAX`]) of real time;
    /// `scale` is the share of the day's users that take part.
    #[must_use]
    pub fn new(scenario: Scenario, seconds: u32, seed: u64, scale: f64) -> Self {
        let seconds = seconds.clamp(1, SECONDS_MAX);
        let users = real(scenario.bookings()) * scale / scenario.eligible_share();
        let users = whole(users).clamp(1, USERS_MAX);
        let curve = Curve::with_surge(&scenario.day, scenario.opening, seed);
        let bounds = |shares: Vec<f64>| {
            let sum: f64 = shares.iter().sum();
            let mut until = 0.0;
            let add = |share: f64| {
                until += share / sum;
                until
            };
            shares.into_iter().map(add).collect::<Vec<f64>>()
        };
        Self {
            tier_bounds: bounds(scenario.tiers.iter().map(|tier| tier.share).collect()),
            version_bounds: bounds(scenario.app_versions.iter().map(|v| v.share).collect()),
            gate_bounds: bounds(scenario.gates.iter().map(|gate| gate.share).collect()),
            arrivals_us: arrivals(&curve, users, seconds, seed),
            market: None,
            kills: 0,
            scenario,
            seconds,
            seed,
            scale,
        }
    }

    /// The same crowd with outlets to order at. `kitchen` says how the one of this vendor and id
    /// works.
    #[must_use]
    pub fn with_outlets(mut self, kitchen: &dyn Fn(&str, &str) -> Kitchen) -> Self {
        self.market = Market::draw(&self.scenario, self.scale, self.seed, kitchen).map(Arc::new);
        self
    }

    /// The same crowd before an engine that is killed so many times.
    #[must_use]
    pub fn with_kills(mut self, kills: u32) -> Self {
        self.kills = kills;
        self
    }

    /// How many times the engine is killed.
    #[must_use]
    pub fn kills(&self) -> u32 {
        self.kills
    }

    /// The outlets; `None` where nobody orders.
    #[must_use]
    pub fn market(&self) -> Option<&Market> {
        self.ordering()?;
        self.market.as_deref()
    }

    /// The largest scale, up to the whole day, whose peak of all requests stays within
    /// [`AUTO_LOAD_SHARE`] of a capacity in requests a second.
    #[must_use]
    pub fn scale_for(
        scenario: &Scenario,
        seconds: u32,
        seed: u64,
        capacity_per_s: f64,
        kitchen: &dyn Fn(&str, &str) -> Kitchen,
    ) -> f64 {
        let sample = (real(SAMPLE_USERS) / real(scenario.bookings())).min(1.0);
        let sampled = Self::new(scenario.clone(), seconds, seed, sample).with_outlets(kitchen);
        let peak = sampled.peak_per_s();
        (sample * capacity_per_s * AUTO_LOAD_SHARE / peak).min(1.0)
    }

    /// What it was drawn from.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Real length.
    #[must_use]
    pub fn seconds(&self) -> u32 {
        self.seconds
    }

    /// What it was drawn by.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Share of the day's users.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// How many times faster than real time the server's clock must go.
    #[must_use]
    pub fn speed(&self) -> f64 {
        self.scenario.day.hours * 3_600.0 / f64::from(self.seconds)
    }

    /// What the server's clock must show when it is started so long before the first arrival. An
    /// earlier or later start does no harm: the crowd waits for the hour, or begins at once.
    #[must_use]
    pub fn clock_start(&self, lead: Duration) -> Instant {
        let lead_ms = whole(lead.as_secs_f64() * 1_000.0 * self.speed());
        Instant { ms: self.scenario.starts_at_ms().saturating_sub(lead_ms) }
    }

    /// How many take part, those who may not claim included.
    #[must_use]
    pub fn users(&self) -> u32 {
        u32::try_from(self.arrivals_us.len()).expect("bounded")
    }

    /// The campaign's budget for this crowd, in minor units.
    #[must_use]
    pub fn budget_minor(&self) -> u64 {
        let eligible = real(u64::from(self.users())) * self.scenario.eligible_share();
        let vouchers = whole((eligible * self.scenario.budget.share).ceil()).max(1);
        vouchers * u64::from(self.scenario.face_minor())
    }

    /// What is set aside for compensation, in minor units: the document's sum, scaled with the crowd.
    /// `None` where nobody orders, or there is no compensation.
    #[must_use]
    pub fn compensation_minor(&self) -> Option<u64> {
        self.ordering()?;
        let planned_minor = self.scenario.campaign.compensation?.budget_minor;
        Some(whole(real(planned_minor) * self.scale).max(1))
    }

    /// When a user comes, in real microseconds after the start.
    #[must_use]
    pub fn arrival_us(&self, user: u32) -> u32 {
        self.arrivals_us[user as usize]
    }

    /// The app's name for a user.
    #[must_use]
    pub fn user_id(&self, user: u32) -> String {
        format!("u{}-{user}", self.seed)
    }

    /// Place of the gate that a user comes through, in the scenario's gates; 0 without any.
    #[must_use]
    pub fn gate(&self, user: u32) -> usize {
        let draw = Rng::with_seed(mix(self.seed ^ 0x6761_7465, user)).f64();
        self.gate_bounds.iter().position(|until| draw < *until).unwrap_or(0)
    }

    /// When the surge is over, in real microseconds after the start; `None` without a surge.
    #[must_use]
    pub fn surge_us(&self) -> Option<u32> {
        self.scenario.opening.map(|surge| self.minutes_us(surge.minutes))
    }

    /// The limit of claims a second with which a server is overloaded by the surge and by nothing
    /// else for long: a tenth more than the busiest stretch after it brings, over
    /// [`LIMIT_MINUTES`]. `None` without a surge.
    #[must_use]
    pub fn claims_limit_per_s(&self) -> Option<u32> {
        let surge_us = self.surge_us()?;
        let window_us = self.minutes_us(LIMIT_MINUTES).max(1);
        let mut counts = vec![0_u64; (self.seconds * 1_000_000 / window_us) as usize + 1];
        for at_us in self.arrivals_us.iter().filter(|at_us| **at_us >= surge_us) {
            counts[(at_us / window_us) as usize] += 1;
        }
        let most = counts.into_iter().max().unwrap_or(0);
        let repeats = self.scenario.repeats;
        let each = 1.0 + repeats.share * f64::midpoint(1.0, f64::from(repeats.most));
        let per_s = real(most) * 1e6 / f64::from(window_us) * each * LIMIT_ROOM;
        Some(narrow(whole(per_s.ceil())).max(1))
    }

    /// The hour of the day at a real instant after the start.
    #[must_use]
    pub fn hour_at(&self, after_us: u64) -> f64 {
        real(after_us) / 3.6e9 * self.speed()
    }

    /// What a user does.
    #[must_use]
    pub fn script(&self, user: u32) -> Script {
        let mut random = Rng::with_seed(mix(self.seed, user));
        let scenario = &self.scenario;
        let pick = |bounds: &[f64], draw: f64| {
            bounds.iter().position(|until| draw < *until).unwrap_or(bounds.len() - 1)
        };
        let tier = pick(&self.tier_bounds, random.f64());
        let version = pick(&self.version_bounds, random.f64());
        let mut repeats_after_us = Vec::new();
        if random.f64() < scenario.repeats.share {
            let count = random.u32(1..=scenario.repeats.most);
            let at_once = random.f64() < scenario.repeats.at_once;
            for _ in 0..count {
                let after = self.delay_us(scenario.repeats.after, &mut random);
                repeats_after_us.push(if at_once { 0 } else { after });
            }
        }
        let guesser = random.f64() < scenario.guesses.share;
        let guesses = if guesser { scenario.guesses.each } else { 0 };
        let redemption = (random.f64() < scenario.redemptions.share)
            .then(|| self.redemption_script(&mut random));
        let order = self.order_script(user);
        let redemption = redemption.filter(|_| order.is_none());
        Script { tier, version, repeats_after_us, guesses, redemption, order }
    }

    fn redemption_script(&self, random: &mut Rng) -> RedemptionScript {
        let redemptions = self.scenario.redemptions;
        let bill = redemptions.bill;
        let drawn = real(bill.median_minor) * (normal(random) * bill.sigma).exp();
        let after_us = self.delay_us(redemptions.after, random);
        let locked = random.f64() < redemptions.lock_first;
        let repeated = random.f64() < redemptions.repeat;
        let rolled_back = random.f64() < redemptions.rollback;
        let rollback_after_us = self.delay_us(redemptions.rollback_after, random);
        let brands = self.scenario.definition.terms.voucher.brands.len().max(1);
        RedemptionScript {
            after_us,
            locked_for_us: locked.then(|| self.minutes_us(redemptions.lock_minutes)),
            repeated,
            bill_minor: whole(drawn).clamp(bill.least_minor, bill.most_minor),
            brand: random.usize(..brands),
            rolled_back_after_us: rolled_back.then_some(rollback_after_us),
        }
    }

    fn delay_us(&self, delay: Delay, random: &mut Rng) -> u32 {
        self.minutes_us(delay.median_minutes * (normal(random) * delay.sigma).exp())
    }

    fn minutes_us(&self, minutes: f64) -> u32 {
        narrow(whole(minutes * 60e6 / self.speed()))
    }

    /// The most requests a second that the crowd intends, over windows of a quarter of a second.
    /// Of a large crowd a sample is counted.
    #[must_use]
    pub fn peak_per_s(&self) -> f64 {
        let window_us = 1_000_000 / PEAK_WINDOWS_PER_S;
        let every = u64::from(self.users()).div_ceil(SAMPLE_USERS).max(1);
        let end_us = self.seconds * 1_000_000;
        let mut counts = vec![0_u64; (self.seconds * PEAK_WINDOWS_PER_S) as usize + 1];
        let step = usize::try_from(every).expect("small");
        for user in (0..self.users()).step_by(step) {
            for at_us in self.intended_us(user).into_iter().filter(|at_us| *at_us <= end_us) {
                counts[(at_us / window_us) as usize] += 1;
            }
        }
        let most = counts.into_iter().max().unwrap_or(0).max(1);
        real(most * every * u64::from(PEAK_WINDOWS_PER_S))
    }

    /// When a user's requests are meant to be sent, if every answer comes at once.
    fn intended_us(&self, user: u32) -> Vec<u32> {
        let script = self.script(user);
        let arrival_us = self.arrival_us(user);
        let mut instants = vec![arrival_us; 1 + 2 * script.guesses as usize];
        let mut later = |after_us: u32| {
            instants.push(arrival_us.saturating_add(after_us));
        };
        script.repeats_after_us.iter().for_each(|after_us| later(*after_us));
        let eligible = self.is_eligible(&script);
        if let Some(redemption) = script.redemption.filter(|_| eligible) {
            let mut at_us = redemption.after_us;
            if let Some(locked_us) = redemption.locked_for_us {
                later(at_us);
                at_us = at_us.saturating_add(locked_us);
            }
            later(at_us);
            if redemption.repeated {
                later(at_us);
            }
            if let Some(after_us) = redemption.rolled_back_after_us {
                later(at_us.saturating_add(after_us));
            }
        }
        if let Some(order) = script.order.filter(|_| eligible) {
            instants.extend(self.intended_order_us(&order, arrival_us));
        }
        instants
    }

    /// Whether this user may claim.
    #[must_use]
    pub fn is_eligible(&self, script: &Script) -> bool {
        self.scenario.is_eligible(&self.scenario.app_versions[script.version])
    }
}

/// Independent arrivals under the curve, in order. Sums of exponential draws, divided by their
/// total, are uniform draws in order (L. Devroye, "Non-Uniform Random Variate Generation", V.3).
fn arrivals(curve: &Curve, users: u64, seconds: u32, seed: u64) -> Vec<u32> {
    let random = Rng::with_seed(seed ^ 0x6172_7269_7665);
    let draw = |random: &mut Rng| -(1.0 - random.f64()).ln();
    let mut first = random.clone();
    let total: f64 = (0..=users).map(|_| draw(&mut first)).sum();
    let mut second = random;
    let mut walk = curve.walk();
    let us_per_hour = f64::from(seconds) * 1e6 / curve.hours();
    let mut sum = 0.0;
    (0..users)
        .map(|_| {
            sum += draw(&mut second);
            narrow(whole(walk.hour_of(sum / total) * us_per_hour))
        })
        .collect()
}

/// A seed of a user's own (the finalizer of SplitMix64).
pub(crate) fn mix(seed: u64, user: u32) -> u64 {
    let mut mixed = seed.wrapping_add(u64::from(user).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// A standard normal draw (Box and Muller).
pub(crate) fn normal(random: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.f64()).cos()
}

#[cfg(test)]
mod tests;
