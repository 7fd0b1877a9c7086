//! From a user to the newest of the user's records; older ones follow by
//! [`OfUser::previous_of_user`].

use bytemuck::Pod;

use super::chunk::Store;
use super::index::{HashIndex, Keys};
use super::prefetch::prefetch;
use super::{Order, Table, Voucher};
use crate::hash::hash_of;
use crate::types::UserKey;

/// How far ahead of the insertion the index is brought near while it is made anew.
const AHEAD: u32 = 32;

/// Records that belong to a user.
pub(crate) trait OfUser: Pod {
    /// Whose it is.
    fn user(&self) -> UserKey;

    /// Number of the record that the same user got before this one.
    fn previous_of_user(&self) -> Option<u32>;
}

impl OfUser for Voucher {
    fn user(&self) -> UserKey {
        self.user
    }

    fn previous_of_user(&self) -> Option<u32> {
        Self::previous_of_user(self).map(|number| number.0)
    }
}

impl OfUser for Order {
    fn user(&self) -> UserKey {
        self.user
    }

    fn previous_of_user(&self) -> Option<u32> {
        Self::previous_of_user(self).map(|number| number.0)
    }
}

impl<T: OfUser> Keys for Table<T> {
    #[inline]
    fn hash(&self, number: u32) -> u64 {
        hash_of(&self[number as usize].user().0)
    }

    /// Its user is all that an index looks at, and stands in front.
    fn prefetch(&self, number: u32) {
        self.get(number as usize).inspect(|record| prefetch(*record));
    }
}

/// Holds numbers only; the keys stand in the records.
#[derive(Debug, Default)]
pub(crate) struct UserIndex {
    index: HashIndex,
    /// For how many users it was made.
    planned: u32,
}

impl UserIndex {
    /// Room for so many users, so that growth does not fall into the rush.
    pub(crate) fn plan(&mut self, users: usize, records: &Table<impl OfUser>, store: &mut Store) {
        self.planned = self.planned.max(u32::try_from(users).unwrap_or(u32::MAX));
        self.index.plan(users, records, store);
    }

    /// How many users there are.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn planned(&self) -> u32 {
        self.planned
    }

    pub(crate) fn newest(&self, user: UserKey, records: &Table<impl OfUser>) -> Option<u32> {
        let is_it = |number: u32| records[number as usize].user() == user;
        self.index.find(hash_of(&user.0), is_it)
    }

    /// Begins to bring near what [`Self::newest`] will look at first.
    #[inline]
    pub(crate) fn prefetch(&self, user: UserKey) {
        self.index.prefetch(hash_of(&user.0));
    }

    /// Begins to bring near the user's record, once the bucket is there.
    #[inline]
    pub(crate) fn prefetch_record(&self, user: UserKey, records: &Table<impl OfUser>) {
        self.index.candidates(hash_of(&user.0)).for_each(|number| records.prefetch(number));
    }

    /// Makes a record the newest of its user, in the place of the one before it, if any.
    pub(crate) fn set(&mut self, number: u32, records: &Table<impl OfUser>, store: &mut Store) {
        let hash = records.hash(number);
        match records[number as usize].previous_of_user() {
            Some(before) => self.index.replace(hash, before, number),
            None => self.index.insert(hash, number, records, store),
        }
    }

    /// Fills the index, which is empty, from the records.
    pub(crate) fn rebuild(&mut self, records: &Table<impl OfUser>, store: &mut Store) {
        for number in 0..records.len() {
            if let Some(ahead) = records.get((number + AHEAD) as usize) {
                self.prefetch(ahead.user());
            }
            self.set(number, records, store);
        }
    }
}
