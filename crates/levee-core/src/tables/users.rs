//! From a user to the newest voucher; older ones follow by [`Voucher::previous_of_user`].

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::{Dense, Voucher};
use crate::types::{UserKey, VoucherNo};

/// Holds numbers only; the keys stand in the records. Never iterated.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserIndex(HashTable<VoucherNo>);

/// Pseudonyms are the output of a keyed hash: their first bytes are as good as any hash of them.
fn hash(user: UserKey) -> u64 {
    let (head, _) = user.0.split_first_chunk::<8>().expect("16 bytes");
    u64::from_le_bytes(*head)
}

impl UserIndex {
    /// Room for so many users more, so that growth does not fall into the rush.
    pub(crate) fn reserve(&mut self, users: usize, vouchers: &Dense<Voucher>) {
        self.0.reserve(users, |number| hash(vouchers[number.index()].user));
    }

    pub(crate) fn newest(&self, user: UserKey, vouchers: &Dense<Voucher>) -> Option<VoucherNo> {
        self.0.find(hash(user), |number| vouchers[number.index()].user == user).copied()
    }

    /// Makes `voucher`, which is not in the table yet, the newest of `user`.
    pub(crate) fn set(&mut self, user: UserKey, voucher: VoucherNo, vouchers: &Dense<Voucher>) {
        let same = |number: &VoucherNo| vouchers[number.index()].user == user;
        let rehash = |number: &VoucherNo| hash(vouchers[number.index()].user);
        match self.0.entry(hash(user), same, rehash) {
            Entry::Occupied(mut entry) => *entry.get_mut() = voucher,
            Entry::Vacant(entry) => {
                entry.insert(voucher);
            }
        }
    }
}
