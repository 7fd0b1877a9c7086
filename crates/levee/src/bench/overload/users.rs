//! What the crowd remembers of its users: 28 bytes each, and the pass of those who wait.

use anyhow::{Result, ensure};

/// Where a user stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Wants a claim: a request is due, under way, or planned.
    Wants,
    /// Has a claim that was acknowledged.
    Admitted,
    /// Gave up.
    Gone,
}

/// No pass yet.
const NO_PASS: u32 = u32::MAX;

/// One user. Moments are microseconds on the crowd's clock, good for 71 minutes.
#[derive(Clone, Copy, Debug)]
pub(super) struct User {
    /// When the next request is due, or that under way was; of the admitted, when they were told.
    pub(super) at_us: u32,
    pub(super) first_due_us: u32,
    pub(super) first_sent_us: u32,
    /// When the first answer with a pass came; 0 without one.
    pub(super) told_us: u32,
    /// By when that answer promised the turn, in nine cases of ten.
    pub(super) bound_us: u32,
    pass: u32,
    pub(super) retries: u8,
    pub(super) state: State,
}

/// All users, by number, and passes in rows of one length.
#[derive(Debug, Default)]
pub(super) struct Users {
    users: Vec<User>,
    /// A byte of length and the pass in each row.
    rows: Vec<u8>,
    row_bytes: usize,
    free: Vec<u32>,
}

impl Users {
    /// One more, whose first request is due then; the number.
    pub(super) fn arrive(&mut self, due_us: u32) -> u32 {
        let user = u32::try_from(self.users.len()).expect("fewer users than 32 bits");
        self.users.push(User {
            at_us: due_us,
            first_due_us: due_us,
            first_sent_us: 0,
            told_us: 0,
            bound_us: 0,
            pass: NO_PASS,
            retries: 0,
            state: State::Wants,
        });
        user
    }

    pub(super) fn get(&mut self, user: u32) -> &mut User {
        &mut self.users[user as usize]
    }

    pub(super) fn all(&self) -> &[User] {
        &self.users
    }

    pub(super) fn pass(&self, user: u32) -> Option<&[u8]> {
        let row = self.users[user as usize].pass;
        if row == NO_PASS {
            return None;
        }
        let row = &self.rows[row as usize * self.row_bytes..][..self.row_bytes];
        Some(&row[1..=usize::from(row[0])])
    }

    /// The newest pass counts. All passes are of about one length: the first one decides how much
    /// room there is.
    pub(super) fn keep_pass(&mut self, user: u32, pass: &[u8]) -> Result<()> {
        if self.row_bytes == 0 {
            self.row_bytes = (1 + pass.len() + 8).next_multiple_of(8).min(1 + usize::from(u8::MAX));
        }
        let (room, len) = (self.row_bytes, pass.len());
        ensure!(len < room, "a pass of {len} bytes after shorter ones: no room");
        let at = &mut self.users[user as usize].pass;
        if *at == NO_PASS {
            *at = self.free.pop().unwrap_or_else(|| {
                let row = self.rows.len() / room;
                self.rows.resize(self.rows.len() + room, 0);
                u32::try_from(row).expect("no more passes than users")
            });
        }
        let row = &mut self.rows[*at as usize * room..][..room];
        row[0] = u8::try_from(len)?;
        row[1..=len].copy_from_slice(pass);
        Ok(())
    }

    /// Admitted or gone; whether there was a pass.
    pub(super) fn leave(&mut self, user: u32, state: State) -> bool {
        let user = &mut self.users[user as usize];
        user.state = state;
        let had_pass = user.pass != NO_PASS;
        if had_pass {
            self.free.push(user.pass);
            user.pass = NO_PASS;
        }
        had_pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_pass_counts_and_rows_are_used_again() {
        let mut users = Users::default();
        for due in [1, 2, 3] {
            users.arrive(due);
        }
        assert_eq!(size_of::<User>(), 28);
        users.keep_pass(0, b"first pass").expect("room");
        users.keep_pass(1, b"other").expect("room");
        users.keep_pass(0, b"second one").expect("room");
        assert_eq!(users.pass(0), Some(&b"second one"[..]));
        assert!(users.leave(0, State::Admitted));
        assert!(!users.leave(2, State::Gone));
        users.keep_pass(2, b"third").expect("room");
        assert_eq!((users.pass(0), users.pass(1)), (None, Some(&b"other"[..])));
        assert_eq!((users.pass(2), users.rows.len() / users.row_bytes), (Some(&b"third"[..]), 2));
        assert!(users.keep_pass(1, &[b'x'; 40]).is_err());
    }
}
