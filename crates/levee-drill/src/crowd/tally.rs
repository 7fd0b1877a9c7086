//! What a crowd counts while it runs.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::Op;

/// Longest latency that is told apart, in microseconds; longer ones count as this.
const LATENCY_US_MAX: u64 = 120_000_000;

/// Latencies in microseconds, to 1%.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, LATENCY_US_MAX, 2).expect("bounds are right"))
    }
}

impl Latencies {
    /// Adds one.
    pub fn record(&mut self, latency_us: u64) {
        self.0.saturating_record(latency_us.max(1));
    }

    /// Adds another's.
    pub fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("the same bounds");
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency in milliseconds that this share of all does not exceed; 0 without any.
    #[must_use]
    pub fn ms_at(&self, share: f64) -> f64 {
        if self.0.is_empty() { 0.0 } else { crate::numbers::ms(self.0.value_at_quantile(share)) }
    }

    /// The longest in milliseconds.
    #[must_use]
    pub fn ms_max(&self) -> f64 {
        crate::numbers::ms(if self.0.is_empty() { 0 } else { self.0.max() })
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.reset();
    }
}

/// Requests of one kind: `attempted = acked + replayed + refused + unknown`. A claim that is told to
/// wait is asked again and counts once, whenever it is decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Sent.
    pub attempted: u64,
    /// Good answers that were the first about their effect.
    pub acked: u64,
    /// Good answers that told of an effect again.
    pub replayed: u64,
    /// Turned down with a code.
    pub refused: u64,
    /// Broken off, or answered with something else.
    pub unknown: u64,
}

impl Counted {
    fn merge(&mut self, other: &Self) {
        self.attempted += other.attempted;
        self.acked += other.acked;
        self.replayed += other.replayed;
        self.refused += other.refused;
        self.unknown += other.unknown;
    }
}

/// What users went through who order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderTally {
    /// Offers that quotes made.
    pub offers: u64,
    /// Orders that took one.
    pub offers_taken: u64,
    /// Times that a user would not wait, or was offered nothing, and kept the voucher.
    pub kept_voucher: u64,
    /// Looks, from the promised time on, that found nothing ready.
    pub looked_in_vain: u64,
}

impl OrderTally {
    fn merge(&mut self, other: &Self) {
        self.offers += other.offers;
        self.offers_taken += other.offers_taken;
        self.kept_voucher += other.kept_voucher;
        self.looked_in_vain += other.looked_in_vain;
    }
}

/// One stretch of the day.
#[derive(Clone, Debug, Default)]
pub struct Bucket {
    /// First claims that were meant for it.
    pub arrivals: u64,
    /// Requests of all kinds that were meant for it.
    pub requests: u64,
    /// Vouchers that were told of in it.
    pub claims_acked: u64,
    /// Redemptions that were told of in it.
    pub redemptions_acked: u64,
    /// Orders that were told of in it.
    pub orders_acked: u64,
    /// Answers that turned something down in it.
    pub refused: u64,
    /// Of the requests that were meant for it, from the intended instant on.
    pub latencies: Latencies,
}

/// Users of one city tier.
#[derive(Clone, Debug, Default)]
pub struct TierTally {
    /// Who came.
    pub users: u64,
    /// Who got a voucher.
    pub claims_acked: u64,
    /// Who spent it.
    pub redemptions_acked: u64,
    /// Claims turned down.
    pub refused: u64,
    /// Of their claims.
    pub latencies: Latencies,
}

/// Everything that one generator counts.
#[derive(Clone, Debug)]
pub struct Tally {
    /// By kind of request, in the order of [`Op::ALL`].
    pub ops: [Counted; Op::COUNT],
    /// By kind of request and code.
    pub refusals: BTreeMap<(Op, &'static str), u64>,
    /// By kind of request, in the order of [`Op::ALL`].
    pub latencies: [Latencies; Op::COUNT],
    /// What users went through who order.
    pub orders: OrderTally,
    /// Stretches of the day.
    pub buckets: Vec<Bucket>,
    /// By city tier.
    pub tiers: Vec<TierTally>,
    /// Vouchers told of, by real second.
    pub acked_by_second: Vec<u64>,
    /// The same, by tenths of a real second.
    pub acked_by_tenth: Vec<u64>,
    /// Users who came, by tenths of a real second.
    pub arrived_by_tenth: Vec<u64>,
    /// From the first ask to being let in, of users who had to wait.
    pub waits: Latencies,
    /// Of them, those who were let in within the bound that they were told first.
    pub waits_within_bound: u64,
    /// What they were told first as the likely wait.
    pub estimates: Latencies,
    /// Answers that told a user to wait.
    pub told_to_wait: u64,
    /// Answers that took a claim and told the time of its code.
    pub codes_later: u64,
    /// By the real second in which they came: users who waited, and their waits.
    pub waits_by_second: Vec<Latencies>,
    /// Requests that never left: more were waiting than may.
    pub unsent: u64,
    /// Made-up codes that the server took for real.
    pub guesses_found: u64,
    /// The first unexpected things, in words.
    pub oddities: Vec<String>,
}

/// Oddities that are kept.
const ODDITIES_MAX: usize = 10;

impl Tally {
    pub(crate) fn new(buckets: usize, tiers: usize) -> Self {
        Self {
            ops: [Counted::default(); Op::COUNT],
            refusals: BTreeMap::new(),
            latencies: std::array::from_fn(|_| Latencies::default()),
            orders: OrderTally::default(),
            buckets: vec![Bucket::default(); buckets],
            tiers: vec![TierTally::default(); tiers],
            acked_by_second: Vec::new(),
            acked_by_tenth: Vec::new(),
            arrived_by_tenth: Vec::new(),
            waits: Latencies::default(),
            waits_within_bound: 0,
            estimates: Latencies::default(),
            told_to_wait: 0,
            codes_later: 0,
            waits_by_second: Vec::new(),
            unsent: 0,
            guesses_found: 0,
            oddities: Vec::new(),
        }
    }

    /// What was counted of one kind of request.
    #[must_use]
    pub fn of(&self, op: Op) -> &Counted {
        &self.ops[op as usize]
    }

    /// Latencies of one kind of request.
    #[must_use]
    pub fn latencies_of(&self, op: Op) -> &Latencies {
        &self.latencies[op as usize]
    }

    pub(crate) fn of_mut(&mut self, op: Op) -> &mut Counted {
        &mut self.ops[op as usize]
    }

    pub(crate) fn odd(&mut self, words: impl FnOnce() -> String) {
        if self.oddities.len() < ODDITIES_MAX {
            self.oddities.push(words());
        }
    }

    /// Counts a voucher told of at a real instant after the start.
    pub(crate) fn acked_at(&mut self, at_us: u64) {
        count_in(&mut self.acked_by_second, at_us / 1_000_000);
        count_in(&mut self.acked_by_tenth, at_us / 100_000);
    }

    /// Counts a user who came at a real instant after the start.
    pub(crate) fn arrived_at(&mut self, at_us: u64) {
        count_in(&mut self.arrived_by_tenth, at_us / 100_000);
    }

    /// Counts a user who was let in after a wait, by the real second of the first ask.
    pub(crate) fn waited(&mut self, second: u64, wait_us: u64, within_bound: bool) {
        self.waits.record(wait_us);
        self.waits_within_bound += u64::from(within_bound);
        let second = usize::try_from(second).expect("drills are short");
        if self.waits_by_second.len() <= second {
            self.waits_by_second.resize_with(second + 1, Latencies::default);
        }
        self.waits_by_second[second].record(wait_us);
    }

    /// Adds another generator's.
    pub fn merge(&mut self, other: &Self) {
        self.ops.iter_mut().zip(&other.ops).for_each(|(mine, other)| mine.merge(other));
        for (key, count) in &other.refusals {
            *self.refusals.entry(*key).or_default() += count;
        }
        self.latencies.iter_mut().zip(&other.latencies).for_each(|(mine, other)| mine.merge(other));
        self.orders.merge(&other.orders);
        for (mine, other) in self.buckets.iter_mut().zip(&other.buckets) {
            mine.arrivals += other.arrivals;
            mine.requests += other.requests;
            mine.claims_acked += other.claims_acked;
            mine.redemptions_acked += other.redemptions_acked;
            mine.orders_acked += other.orders_acked;
            mine.refused += other.refused;
            mine.latencies.merge(&other.latencies);
        }
        for (mine, other) in self.tiers.iter_mut().zip(&other.tiers) {
            mine.users += other.users;
            mine.claims_acked += other.claims_acked;
            mine.redemptions_acked += other.redemptions_acked;
            mine.refused += other.refused;
            mine.latencies.merge(&other.latencies);
        }
        add_all(&mut self.acked_by_second, &other.acked_by_second);
        add_all(&mut self.acked_by_tenth, &other.acked_by_tenth);
        add_all(&mut self.arrived_by_tenth, &other.arrived_by_tenth);
        self.waits.merge(&other.waits);
        self.waits_within_bound += other.waits_within_bound;
        self.estimates.merge(&other.estimates);
        self.told_to_wait += other.told_to_wait;
        self.codes_later += other.codes_later;
        if self.waits_by_second.len() < other.waits_by_second.len() {
            self.waits_by_second.resize_with(other.waits_by_second.len(), Latencies::default);
        }
        for (mine, other) in self.waits_by_second.iter_mut().zip(&other.waits_by_second) {
            mine.merge(other);
        }
        self.unsent += other.unsent;
        self.guesses_found += other.guesses_found;
        self.oddities.extend(other.oddities.iter().cloned());
        self.oddities.truncate(ODDITIES_MAX);
    }
}

fn count_in(counts: &mut Vec<u64>, place: u64) {
    let place = usize::try_from(place).expect("drills are short");
    if counts.len() <= place {
        counts.resize(place + 1, 0);
    }
    counts[place] += 1;
}

fn add_all(mine: &mut Vec<u64>, other: &[u64]) {
    if mine.len() < other.len() {
        mine.resize(other.len(), 0);
    }
    mine.iter_mut().zip(other).for_each(|(mine, other)| *mine += other);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_one_percent() {
        let mut latencies = Latencies::default();
        assert_eq!((latencies.ms_at(0.99), latencies.ms_max()), (0.0, 0.0));
        (1..=100_000).for_each(|us| latencies.record(us));
        for (share, ms) in [(0.5, 50.0), (0.99, 99.0), (0.999, 99.9), (1.0, 100.0)] {
            let found = latencies.ms_at(share);
            assert!((found / ms - 1.0).abs() < 0.01, "{found} at {share}");
        }
        latencies.record(u64::MAX);
        latencies.record(0);
        assert!(latencies.ms_max() >= 120_000.0);
        let mut other = Latencies::default();
        other.record(7);
        other.merge(&latencies);
        assert_eq!(other.count(), 100_003);
        other.clear();
        assert_eq!(other.count(), 0);
    }

    #[test]
    fn tallies_add_up() {
        let mut a = Tally::new(2, 1);
        let mut b = Tally::new(2, 1);
        a.of_mut(Op::Claim).attempted = 3;
        b.of_mut(Op::Claim).attempted = 4;
        a.acked_at(0);
        b.acked_at(2_000_000);
        b.refusals.insert((Op::Claim, "not_eligible"), 2);
        b.buckets[1].arrivals = 5;
        a.merge(&b);
        a.merge(&b);
        assert_eq!(a.of(Op::Claim).attempted, 11);
        assert_eq!(a.acked_by_second, [1, 0, 2]);
        assert_eq!(a.refusals[&(Op::Claim, "not_eligible")], 4);
        assert_eq!(a.buckets[1].arrivals, 10);
    }
}
