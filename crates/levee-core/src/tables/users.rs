//! From a user to the newest voucher; older ones follow by [`Voucher::previous_of_user`].

use super::chunk::Store;
use super::index::{HashIndex, Keys};
use super::{Table, Voucher};
use crate::hash::hash_of;
use crate::types::{UserKey, VoucherNo};

/// How far ahead of the insertion the index is brought near while it is made anew.
const AHEAD: u32 = 32;

impl Keys for Table<Voucher> {
    #[inline]
    fn hash(&self, number: u32) -> u64 {
        hash_of(&self[number as usize].user.0)
    }

    fn prefetch(&self, number: u32) {
        Table::prefetch(self, number);
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
    pub(crate) fn plan(&mut self, users: usize, vouchers: &Table<Voucher>, store: &mut Store) {
        self.planned = self.planned.max(u32::try_from(users).unwrap_or(u32::MAX));
        self.index.plan(users, vouchers, store);
    }

    /// How many users there are.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn planned(&self) -> u32 {
        self.planned
    }

    pub(crate) fn newest(&self, user: UserKey, vouchers: &Table<Voucher>) -> Option<VoucherNo> {
        let is_it = |number: u32| vouchers[number as usize].user == user;
        self.index.find(hash_of(&user.0), is_it).map(VoucherNo)
    }

    /// Begins to bring near what [`Self::newest`] will look at first.
    #[inline]
    pub(crate) fn prefetch(&self, user: UserKey) {
        self.index.prefetch(hash_of(&user.0));
    }

    /// Begins to bring near the user's voucher, once the bucket is there.
    #[inline]
    pub(crate) fn prefetch_voucher(&self, user: UserKey, vouchers: &Table<Voucher>) {
        self.index.candidates(hash_of(&user.0)).for_each(|number| vouchers.prefetch(number));
    }

    /// Makes a voucher the newest of its user, in the place of the one before it, if any.
    pub(crate) fn set(&mut self, voucher: VoucherNo, vouchers: &Table<Voucher>, store: &mut Store) {
        let hash = vouchers.hash(voucher.0);
        match vouchers[voucher.index()].previous_of_user() {
            Some(before) => self.index.replace(hash, before.0, voucher.0),
            None => self.index.insert(hash, voucher.0, vouchers, store),
        }
    }

    /// Fills the index, which is empty, from the records.
    pub(crate) fn rebuild(&mut self, vouchers: &Table<Voucher>, store: &mut Store) {
        for number in 0..vouchers.len() {
            if let Some(ahead) = vouchers.get((number + AHEAD) as usize) {
                self.prefetch(ahead.user);
            }
            self.set(VoucherNo(number), vouchers, store);
        }
    }
}
