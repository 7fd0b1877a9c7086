//! How often a key or a user may ask, and an address may send what nobody has signed: the generic cell
//! rate algorithm (ITU-T I.371), one number each, in a table of fixed size.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};

/// Users whose rate is known at a time; a further one takes the place of one with the same hash.
const USERS: usize = 1 << 16;

/// Whoever was silent for a while may ask for so many seconds' worth at once.
const BURST_S: u64 = 2;

/// Rates of one worker.
#[derive(Debug)]
pub(crate) struct Limits {
    users: Option<Table>,
    keys: Option<Table>,
    forgers: Option<Table>,
    /// Nobody outside can choose addresses that meet in one place of the table.
    hasher: RandomState,
}

#[derive(Debug)]
struct Table {
    interval_us: u64,
    /// Whose, and until when all that was asked is paid for.
    slots: RefCell<Vec<(u64, u64)>>,
}

impl Limits {
    /// Requests a second for each user and for each key, and forged messages a second for each address;
    /// 0 is no limit.
    pub(crate) fn new(user_per_s: u32, key_per_s: u32, forged_per_s: u32) -> Self {
        Self {
            users: Table::new(user_per_s, USERS),
            keys: Table::new(key_per_s, 1_024),
            forgers: Table::new(forged_per_s, USERS),
            hasher: RandomState::new(),
        }
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

    /// Whether what an address sends is looked at; otherwise says in how many microseconds it is again.
    pub(crate) fn look(&self, sender: IpAddr, now_us: u64) -> Result<(), u64> {
        self.forgers.as_ref().map_or(Ok(()), |table| table.look(self.place_of(sender), now_us))
    }

    /// Counts a forged message; says whether it was the last of its address that is looked at for now.
    pub(crate) fn forged(&self, sender: IpAddr, now_us: u64) -> bool {
        let Some(table) = &self.forgers else { return false };
        let sender = self.place_of(sender);
        table.ask(sender, now_us).is_ok() && table.look(sender, now_us).is_err()
    }

    /// A genuine message came from there, too: an address that several share, forgers among them.
    pub(crate) fn forgive(&self, sender: IpAddr) {
        if let Some(table) = &self.forgers {
            table.forget(self.place_of(sender));
        }
    }

    /// Whoever has one address of IPv6 has the 64 bits behind its network, too.
    fn place_of(&self, sender: IpAddr) -> u64 {
        self.hasher.hash_one(match sender.to_canonical() {
            IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

impl Table {
    fn new(per_s: u32, len: usize) -> Option<Self> {
        let interval_us = 1_000_000_u64.checked_div(per_s.into())?.max(1);
        Some(Self { interval_us, slots: RefCell::new(vec![(0, 0); len]) })
    }

    fn ask(&self, who: u64, now_us: u64) -> Result<(), u64> {
        let mut slots = self.slots.borrow_mut();
        let place = place_in(&slots, who);
        let paid_until_us = self.paid_until(slots[place], who, now_us)?;
        slots[place] = (who, paid_until_us + self.interval_us);
        Ok(())
    }

    /// As [`Self::ask`], without counting.
    fn look(&self, who: u64, now_us: u64) -> Result<(), u64> {
        let slots = self.slots.borrow();
        self.paid_until(slots[place_in(&slots, who)], who, now_us).map(|_| ())
    }

    fn forget(&self, who: u64) {
        let mut slots = self.slots.borrow_mut();
        let place = place_in(&slots, who);
        if slots[place].0 == who {
            slots[place] = (0, 0);
        }
    }

    /// Until when all that was asked is paid for; otherwise how long until there is room for more.
    fn paid_until(&self, slot: (u64, u64), who: u64, now_us: u64) -> Result<u64, u64> {
        let (owner, paid_until_us) = slot;
        // Nobody is ever further ahead than the burst, unless the clock stepped back.
        let known = owner == who && paid_until_us <= now_us + BURST_S * 1_000_000;
        let paid_until_us = if known { paid_until_us.max(now_us) } else { now_us };
        let ahead_us = paid_until_us - now_us;
        let most_us = (BURST_S * 1_000_000).saturating_sub(self.interval_us);
        if ahead_us > most_us { Err(ahead_us - most_us) } else { Ok(paid_until_us) }
    }
}

fn place_in(slots: &[(u64, u64)], who: u64) -> usize {
    usize::try_from(who % slots.len() as u64).expect("below the length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_and_a_burst_allowed() {
        let limits = Limits::new(10, 0, 0);
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
        let limits = Limits::new(1, 0, 0);
        assert_eq!(limits.user(7, 9_000_000), Ok(()));
        assert_eq!(limits.user(7, 9_000_000), Ok(()));
        assert!(limits.user(7, 9_000_000).is_err());
        assert_eq!(limits.user(7, 1_000_000), Ok(()));
    }

    #[test]
    fn forgers_pay_for_being_looked_at_and_nobody_else_does() {
        let limits = Limits::new(0, 0, 10);
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let (forger, other) = (ip("198.51.100.7"), ip("198.51.100.8"));
        let mut now_us = 5_000_000;
        for count in 1..=20 {
            assert_eq!(limits.look(forger, now_us), Ok(()));
            assert_eq!(limits.forged(forger, now_us), count == 20, "{count}");
        }
        assert_eq!(limits.look(forger, now_us), Err(100_000));
        assert!(!limits.forged(forger, now_us), "told once");
        assert_eq!(limits.look(ip("::ffff:198.51.100.7"), now_us), Err(100_000), "the same");
        assert_eq!(limits.look(other, now_us), Ok(()));
        now_us += 100_000;
        assert_eq!(limits.look(forger, now_us), Ok(()), "looking alone costs nothing");
        assert_eq!(limits.look(forger, now_us), Ok(()));
        assert!(limits.forged(forger, now_us));
        limits.forgive(other);
        assert!(limits.look(forger, now_us).is_err());
        limits.forgive(forger);
        assert_eq!(limits.look(forger, now_us), Ok(()));

        for host in 0..20 {
            limits.forged(ip(&format!("2001:db8:0:1::{host}")), now_us);
        }
        assert!(limits.look(ip("2001:db8:0:1:ffff::"), now_us).is_err(), "one network");
        assert_eq!(limits.look(ip("2001:db8:0:2::"), now_us), Ok(()));
    }
}
