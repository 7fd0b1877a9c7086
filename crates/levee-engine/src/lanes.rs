//! What waits, lane by lane: who finds room, and who is taken next. Told the time, without locks.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use levee_api::port::{Ask, Origin, Priority};

use crate::tokens::Tokens;

/// Where the oldest of claims or of browsing has waited for longer than this, the newest goes first.
/// Who came last still waits for the answer; who came first has given up, or soon will. Shorter
/// waits are no overload, and there who comes first is served first.
const OLDEST_FIRST_US_MAX: u64 = 100_000;

/// An eighth of the room is for callbacks, status and redemptions alone, so that no crowd of claims
/// and questions can fill it.
const RESERVED_DIVISOR: usize = 8;

/// Most asks whose time is over that one batch clears out of the old end of a lane, and how many
/// handovers it looks at behind one that is still in time.
const LAPSED_MAX: usize = 8_192;
const LOOKED_AT_MAX: usize = 128;

/// Asks of one origin and one lane.
#[derive(Debug)]
pub struct Handover {
    /// Who waits for the replies.
    pub origin: Origin,
    /// From which lane.
    pub priority: Priority,
    /// When the first of them arrived.
    pub arrived: Instant,
    /// How long that was ago when the batch began, in microseconds; set anew for each batch.
    pub waited_us: u64,
    /// What is asked.
    pub asks: Vec<Ask>,
}

impl Handover {
    /// Notes how long it has waited.
    pub(crate) fn set_waited(&mut self, now: Instant) {
        self.waited_us = us_between(self.arrived, now);
    }

    /// Keeps the first few asks and gives the others, in a vector whose own are through.
    fn split_off(&mut self, kept: usize, mut asks: Vec<Ask>) -> Self {
        asks.clear();
        asks.extend(self.asks.drain(kept..));
        let Self { origin, priority, arrived, waited_us, .. } = *self;
        Self { origin, priority, arrived, waited_us, asks }
    }

    /// The time of every ask is over. Looks no further than the first that is in time.
    fn has_lapsed(&self, now: Instant) -> bool {
        let waited_ms = whole_ms(us_between(self.arrived, now));
        self.asks.iter().all(|ask| has_lapsed(ask, waited_ms))
    }
}

/// Whether an ask's time is over after so many milliseconds.
pub(crate) fn has_lapsed(ask: &Ask, waited_ms: u32) -> bool {
    ask.within_ms < waited_ms
}

/// Whole milliseconds; an ask without an end of its time never reaches it.
pub(crate) fn whole_ms(us: u64) -> u32 {
    u32::try_from(us / 1_000).unwrap_or(u32::MAX)
}

fn us_between(earlier: Instant, later: Instant) -> u64 {
    let us = later.saturating_duration_since(earlier).as_micros();
    u64::try_from(us).unwrap_or(u64::MAX)
}

/// Lanes that a crowd can fill.
fn is_crowd(priority: Priority) -> bool {
    matches!(priority, Priority::Claim | Priority::Browse)
}

/// What waits.
pub(crate) struct Lanes {
    lanes: [VecDeque<Handover>; Priority::COUNT],
    counts: [usize; Priority::COUNT],
    /// Sum of the counts.
    len: usize,
    capacity: usize,
    /// For claims.
    tokens: Tokens,
}

impl Lanes {
    pub(crate) fn new(capacity: usize, now: Instant) -> Self {
        Self {
            lanes: std::array::from_fn(|_| VecDeque::new()),
            counts: [0; Priority::COUNT],
            len: 0,
            capacity,
            tokens: Tokens::new(now),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Asks that wait, by lane.
    pub(crate) fn counts(&self) -> &[usize; Priority::COUNT] {
        &self.counts
    }

    /// How long the oldest of a lane has waited, in microseconds; 0 where none waits.
    pub(crate) fn oldest_us(&self, priority: Priority, now: Instant) -> u64 {
        let oldest = self.lanes[priority as usize].front();
        oldest.map_or(0, |handover| us_between(handover.arrived, now))
    }

    /// So many more asks of a lane find room.
    pub(crate) fn room(&self, priority: Priority) -> usize {
        let left = self.capacity - self.len;
        if !is_crowd(priority) {
            return left;
        }
        let crowd = self.counts[Priority::Claim as usize] + self.counts[Priority::Browse as usize];
        let crowd_max = self.capacity - self.capacity / RESERVED_DIVISOR;
        crowd_max.saturating_sub(crowd).min(left)
    }

    /// Takes in asks that find room.
    pub(crate) fn push(&mut self, handover: Handover) {
        self.len += handover.asks.len();
        self.counts[handover.priority as usize] += handover.asks.len();
        self.lanes[handover.priority as usize].push_back(handover);
    }

    /// From this moment on so many claims are taken a second; 0 is no limit.
    pub(crate) fn limit_claims(&mut self, now: Instant, per_s: u64) {
        self.tokens.refill(now, per_s);
    }

    /// Asks that are a reason for a batch: all but the claims that have no tokens yet. Where claims
    /// wait for tokens, these count once they are worth it.
    pub(crate) fn ready(&self) -> usize {
        let claims = self.counts[Priority::Claim as usize];
        let available = self.tokens.available();
        let worth = available >= claims.min(self.tokens.turn());
        self.len - claims + if worth { claims.min(available) } else { 0 }
    }

    /// Some claims must wait for tokens.
    pub(crate) fn is_held(&self) -> bool {
        self.tokens.is_limited() && self.counts[Priority::Claim as usize] > 0
    }

    /// How long it takes until tokens make so many ready, or, with None, make any claims ready.
    /// None where tokens alone never do.
    pub(crate) fn ready_after(&self, wanted: Option<usize>) -> Option<Duration> {
        let claims = self.counts[Priority::Claim as usize];
        let tokens = match wanted {
            Some(wanted) => wanted.saturating_sub(self.len - claims),
            None => claims.min(self.tokens.turn()),
        };
        if tokens == 0 || tokens > claims { None } else { self.tokens.until(tokens) }
    }

    /// Takes handovers of which nobody needs an answer in time any more out of the lanes where the
    /// newest may go first: they would hold the room of others until the crowd is gone.
    pub(crate) fn take_lapsed(&mut self, now: Instant, taken: &mut VecDeque<Handover>) {
        for priority in [Priority::Claim, Priority::Browse] {
            let (mut lapsed, mut in_time) = (0, 0);
            let lane = &mut self.lanes[priority as usize];
            while lapsed < LAPSED_MAX
                && in_time < LOOKED_AT_MAX
                && let Some(handover) = lane.get(in_time)
            {
                if !handover.has_lapsed(now) {
                    in_time += 1;
                    // Without a crowd, what stands behind is served soon.
                    if us_between(handover.arrived, now) <= OLDEST_FIRST_US_MAX {
                        break;
                    }
                    continue;
                }
                // Moves only what is in time before it, and that is not much.
                let handover = lane.remove(in_time).expect("just seen");
                lapsed += handover.asks.len();
                taken.push_back(handover);
            }
            self.counts[priority as usize] -= lapsed;
            self.len -= lapsed;
        }
    }

    /// Takes what goes before claims and browsing, up to so many asks.
    pub(crate) fn take_urgent(&mut self, wanted: usize, taken: &mut VecDeque<Handover>) {
        let mut count = 0;
        for priority in Priority::ALL.into_iter().filter(|priority| !is_crowd(*priority)) {
            let waiting = &mut self.counts[priority as usize];
            while count < wanted
                && let Some(handover) = self.lanes[priority as usize].pop_front()
            {
                *waiting -= handover.asks.len();
                count += handover.asks.len();
                taken.push_back(handover);
            }
        }
        self.len -= count;
    }

    /// Takes whole vectors, first priority first, until they hold `wanted` asks; of claims so many
    /// as there are tokens for, for which the last vector may be divided. Returns how many asks.
    pub(crate) fn take(
        &mut self,
        now: Instant,
        wanted: usize,
        taken: &mut VecDeque<Handover>,
        spare: &mut Vec<Vec<Ask>>,
    ) -> usize {
        let mut count = 0;
        for priority in Priority::ALL {
            let limited = priority == Priority::Claim;
            let oldest_us = self.oldest_us(priority, now);
            let newest_first = is_crowd(priority) && oldest_us > OLDEST_FIRST_US_MAX;
            let lane = &mut self.lanes[priority as usize];
            let mut of_lane = 0;
            while count + of_lane < wanted {
                let most = if limited { self.tokens.available() } else { usize::MAX };
                if most == 0 {
                    break;
                }
                let next = if newest_first { lane.pop_back() } else { lane.pop_front() };
                let Some(mut handover) = next else { break };
                if handover.asks.len() > most {
                    let rest = handover.split_off(most, spare.pop().unwrap_or_default());
                    if newest_first { lane.push_back(rest) } else { lane.push_front(rest) }
                }
                of_lane += handover.asks.len();
                if limited {
                    self.tokens.spend(handover.asks.len());
                }
                taken.push_back(handover);
            }
            self.counts[priority as usize] -= of_lane;
            count += of_lane;
        }
        self.len -= count;
        count
    }
}

#[cfg(test)]
mod tests;
