//! A timing wheel: who is due at which millisecond, for hundreds of thousands at once. Adding and
//! taking cost the same however many wait.

/// One a millisecond: somewhat more than a minute. Who is due later comes up at the end of it and
/// is added again.
const SLOTS: u32 = 1 << 16;

/// Users by the millisecond at which they are due.
#[derive(Debug)]
pub(super) struct Wheel {
    slots: Vec<Vec<u32>>,
    /// The next slot to be taken.
    at_ms: u32,
    len: usize,
}

impl Default for Wheel {
    fn default() -> Self {
        Self { slots: (0..SLOTS).map(|_| Vec::new()).collect(), at_ms: 0, len: 0 }
    }
}

impl Wheel {
    /// A user who is due then; one whose time is over comes up at once.
    pub(super) fn add(&mut self, user: u32, due_us: u32) {
        let ms = due_us.div_ceil(1_000).clamp(self.at_ms, self.at_ms + SLOTS - 1);
        self.slots[(ms % SLOTS) as usize].push(user);
        self.len += 1;
    }

    /// Moves all who came up by now to `due`, in order of time. Some may be due later: see
    /// [`SLOTS`].
    pub(super) fn take(&mut self, now_us: u32, due: &mut Vec<u32>) {
        while self.at_ms <= now_us / 1_000 {
            let slot = &mut self.slots[(self.at_ms % SLOTS) as usize];
            self.len -= slot.len();
            due.append(slot);
            self.at_ms += 1;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes up at each of these moments.
    #[track_caller]
    fn check(add: &[(u32, u32)], expected: &[(u32, &[u32])]) {
        let mut wheel = Wheel::default();
        for (user, due_us) in add {
            wheel.add(*user, *due_us);
        }
        for (now_us, users) in expected {
            let mut due = Vec::new();
            wheel.take(*now_us, &mut due);
            assert_eq!(due, *users, "at {now_us}");
        }
        assert_eq!(wheel.len(), 0);
    }

    #[test]
    fn users_come_up_when_they_are_due_and_not_before() {
        check(&[(1, 1_001), (2, 500), (3, 2_000)], &[(999, &[]), (1_999, &[2]), (2_000, &[1, 3])]);
        // Later than the wheel is long: at its end, to be added again.
        check(&[(1, 100_000_000)], &[(65_534_999, &[]), (65_535_000, &[1])]);
    }

    #[test]
    fn who_is_late_comes_up_at_once() {
        let mut wheel = Wheel::default();
        wheel.take(5_000, &mut Vec::new());
        wheel.add(7, 1_000);
        let mut due = Vec::new();
        wheel.take(6_000, &mut due);
        assert_eq!(due, [7]);
    }
}
