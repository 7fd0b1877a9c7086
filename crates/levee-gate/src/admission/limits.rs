//! How often a key or a user may ask: the generic cell rate algorithm (ITU-T I.371), one number
//! each, in a table of fixed size.

use std::cell::RefCell;

/// Users whose rate is known at a time; a further one takes the place of one with the same hash.
const USERS: usize = 1 << 16;

/// Whoever was silent for a while may ask for so many seconds' worth at once.
const BURST_S: u64 = 2;

/// Rates of one worker.
#[derive(Debug)]
pub(crate) struct Limits {
    users: Option<Table>,
    keys: Option<Table>,
}

#[derive(Debug)]
struct Table {
    interval_us: u64,
    /// Whose, and until when all that was asked is paid for.
    slots: RefCell<Vec<(u64, u64)>>,
}

impl Limits {
    /// Requests a second for each user and for each key; 0 is no limit.
    pub(crate) fn new(user_per_s: u32, key_per_s: u32) -> Self {
        Self { users: Table::new(user_per_s, USERS), keys: Table::new(key_per_s, 1_024) }
    }

    /// Counts a user's request; otherwise says in how many microseconds it would be taken.
    pub(crate) fn user(&self, user: u64, now_us: u64) -> Result<(), u64> {
        self.users.as_ref().map_or(Ok(()), |table| table.ask(user, now_us))
    }

    pub(crate) fn limits_keys(&self) -> bool {
        self.keys.is_some()
    }

    /// Counts a key's request; otherwise says in how many microseconds it would be taken.
    pub(crate) fn key(&self, key: u64, now_us: u64) -> Result<(), u64> {
        self.keys.as_ref().map_or(Ok(()), |table| table.ask(key, now_us))
    }
}

impl Table {
    fn new(per_s: u32, len: usize) -> Option<Self> {
        let interval_us = 1_000_000_u64.checked_div(per_s.into())?.max(1);
        Some(Self { interval_us, slots: RefCell::new(vec![(0, 0); len]) })
    }

    fn ask(&self, who: u64, now_us: u64) -> Result<(), u64> {
        let mut slots = self.slots.borrow_mut();
        let place = usize::try_from(who % slots.len() as u64).expect("below the length");
        let (owner, paid_until_us) = slots[place];
        // Nobody is ever further ahead than the burst, unless the clock stepped back.
        let known = owner == who && paid_until_us <= now_us + BURST_S * 1_000_000;
        let paid_until_us = if known { paid_until_us.max(now_us) } else { now_us };
        let ahead_us = paid_until_us - now_us;
        let most_us = (BURST_S * 1_000_000).saturating_sub(self.interval_us);
        if ahead_us > most_us {
            return Err(ahead_us - most_us);
        }
        slots[place] = (who, paid_until_us + self.interval_us);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_and_a_burst_allowed() {
        let limits = Limits::new(10, 0);
        let mut now_us = 5_000_000;
        for _ in 0..20 {
            assert_eq!(limits.user(7, now_us), Ok(()));
        }
        assert_eq!(limits.user(7, now_us), Err(100_000));
        assert_eq!(limits.user(8, now_us), Ok(()), "another user");
        now_us += 100_000;
        assert_eq!(limits.user(7, now_us), Ok(()));
        assert_eq!(limits.user(7, now_us), Err(100_000));
        for _ in 0..1_000 {
            assert_eq!(limits.key(7, now_us), Ok(()), "no limit");
        }
    }

    #[test]
    fn a_clock_that_steps_back_locks_nobody_out() {
        let limits = Limits::new(1, 0);
        assert_eq!(limits.user(7, 9_000_000), Ok(()));
        assert_eq!(limits.user(7, 9_000_000), Ok(()));
        assert!(limits.user(7, 9_000_000).is_err());
        assert_eq!(limits.user(7, 1_000_000), Ok(()));
    }
}
