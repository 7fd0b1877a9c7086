//! Answers by the key that asked: a repeat of a request gets the first answer again.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytemuck::{Pod, Zeroable};

use super::chunk::Store;
use super::index::{HashIndex, Keys};
use super::table::Table;
use crate::hash::hash_of;
use crate::types::{
    CampaignNo, DecodeError, Held, LockNo, Money, OrderChange, OrderNo, Outcome, QuoteNo, Quoted,
    Reader, RedemptionNo, VoucherNo, Wire,
};

/// What a request was, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// [`crate::types::Command::body_digest`] of the request.
    pub body: u64,
    pub seq: u64,
    pub at_ms: u64,
    pub outcome: Outcome,
}

/// [`Answer`] as a record. What an outcome says fits three short numbers and a long one; the binary
/// form's byte tells which it is.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct AnswerRow {
    key: [u8; 16],
    body: u64,
    seq: u64,
    at_ms: u64,
    long: u64,
    short: [u32; 3],
    kind: u8,
    /// Of an order that was placed: whether `short` holds a lock or a redemption.
    holder: u8,
    unused: [u8; 2],
}

const LOCK: u8 = 1;
const REDEMPTION: u8 = 2;

/// A change of an order as kind and numbers, with one number beside it.
fn change_row(
    kind: u8,
    change: &OrderChange,
    beside: u32,
    bytes: &mut Vec<u8>,
) -> (u8, [u32; 3], u64) {
    // Everything but the numbers takes few bytes.
    let OrderChange { state, payment, version, redemption, voucher, ended } = change;
    state.put(bytes);
    payment.put(bytes);
    voucher.put(bytes);
    redemption.is_some().put(bytes);
    ended.put(bytes);
    let mut long = [0; 8];
    long[..bytes.len()].copy_from_slice(bytes);
    let number = redemption.map_or(0, |redemption| redemption.0);
    (kind, [*version, number, beside], u64::from_le_bytes(long))
}

/// The budget after a transfer does not fit a record; there are few.
pub(crate) type Budgets = Vec<Money>;

impl AnswerRow {
    /// `bytes` is memory to put the binary form of outcomes into.
    fn of(key: [u8; 16], answer: &Answer, budgets: &mut Budgets, bytes: &mut Vec<u8>) -> Self {
        bytes.clear();
        let mut holder = 0;
        let (kind, short, long) = match &answer.outcome {
            Outcome::Claimed { voucher, face_minor } => (1, [voucher.0, *face_minor, 0], 0),
            Outcome::Locked { lock, until_ms } => (2, [lock.0, 0, 0], *until_ms),
            Outcome::Redeemed { redemption, discount_minor, rest_minor, rollback_until_ms } => {
                (4, [redemption.0, *discount_minor, *rest_minor], *rollback_until_ms)
            }
            Outcome::CampaignCreated { campaign } => (7, [campaign.0, 0, 0], 0),
            Outcome::BudgetMoved(money) => {
                budgets.push(**money);
                let number = u32::try_from(budgets.len() - 1).expect("few transfers");
                (9, [number, 0, 0], 0)
            }
            Outcome::OrderPlaced { order, promised_at_ms, subsidy_minor, held, due_ms } => {
                let number;
                (holder, number) = match held {
                    Held::Lock(lock) => (LOCK, lock.0),
                    Held::Redemption(redemption) => (REDEMPTION, redemption.0),
                    Held::Nothing => (0, 0),
                };
                // Neither is so far ahead that it does not fit: `PROMISED_AHEAD_MS_MAX`.
                let [promised, due] = [*promised_at_ms, *due_ms]
                    .map(|ms| u32::try_from(ms.saturating_sub(answer.at_ms)).expect("near"));
                let long = u64::from(promised) << 32 | u64::from(due);
                (19, [order.0, *subsidy_minor, number], long)
            }
            // Offers and prices stand in the quote's own record.
            Outcome::Quoted(quoted) => {
                let released = quoted.released.map_or(0, |released| released.0);
                let short = [quoted.quote.0, quoted.released.is_some().into(), released];
                (24, short, quoted.until_ms)
            }
            Outcome::OrderChanged(change) => change_row(20, change, 0, bytes),
            Outcome::PromisedAnew { change, promised_at_ms } => {
                let promised = promised_at_ms.saturating_sub(answer.at_ms);
                let promised = u32::try_from(promised).expect("as near as when it was placed");
                change_row(29, change, promised, bytes)
            }
            Outcome::RefundEnded { change, amount_minor } => {
                assert_eq!(change.redemption, None, "what is given back was paid before");
                let (kind, [version, ..], long) = change_row(45, change, 0, bytes);
                let [high, low] = [amount_minor >> 32, amount_minor & u64::from(u32::MAX)]
                    .map(|half| u32::try_from(half).expect("half of it"));
                (kind, [version, high, low], long)
            }
            small => {
                small.put(bytes);
                let mut short = [0; 3];
                let room: &mut [u8] = bytemuck::cast_slice_mut(&mut short);
                // The first byte is the kind; no outcome that is left needs more than the others.
                room[..bytes.len() - 1].copy_from_slice(&bytes[1..]);
                (bytes[0], short, 0)
            }
        };
        let Answer { body, seq, at_ms, .. } = *answer;
        Self { key, body, seq, at_ms, long, short, kind, holder, unused: [0; 2] }
    }

    fn answer(&self, budgets: &Budgets) -> Answer {
        let [a, b, c] = self.short;
        let outcome = match self.kind {
            1 => Outcome::Claimed { voucher: VoucherNo(a), face_minor: b },
            2 => Outcome::Locked { lock: LockNo(a), until_ms: self.long },
            4 => Outcome::Redeemed {
                redemption: RedemptionNo(a),
                discount_minor: b,
                rest_minor: c,
                rollback_until_ms: self.long,
            },
            7 => Outcome::CampaignCreated { campaign: CampaignNo(a) },
            9 => Outcome::BudgetMoved(Box::new(budgets[a as usize])),
            19 => Outcome::OrderPlaced {
                order: OrderNo(a),
                promised_at_ms: self.at_ms + (self.long >> 32),
                subsidy_minor: b,
                held: match self.holder {
                    LOCK => Held::Lock(LockNo(c)),
                    REDEMPTION => Held::Redemption(RedemptionNo(c)),
                    _ => Held::Nothing,
                },
                due_ms: self.at_ms + (self.long & u64::from(u32::MAX)),
            },
            24 => Outcome::Quoted(Box::new(Quoted {
                quote: QuoteNo(a),
                until_ms: self.long,
                total_minor: 0,
                discount_minor: 0,
                offers: Vec::new(),
                released: (b != 0).then_some(QuoteNo(c)),
            })),
            20 => Outcome::OrderChanged(self.order_change().expect("written by `of`")),
            45 => Outcome::RefundEnded {
                change: self.order_change().expect("written by `of`"),
                amount_minor: u64::from(b) << 32 | u64::from(c),
            },
            29 => Outcome::PromisedAnew {
                change: self.order_change().expect("written by `of`"),
                promised_at_ms: self.at_ms + u64::from(c),
            },
            kind => {
                let mut bytes = alloc::vec![kind];
                bytes.extend_from_slice(bytemuck::cast_slice(&self.short));
                let outcome = Outcome::get(&mut Reader::new(&bytes));
                outcome.expect("written by `of`")
            }
        };
        Answer { body: self.body, seq: self.seq, at_ms: self.at_ms, outcome }
    }

    fn order_change(&self) -> Result<OrderChange, DecodeError> {
        let [version, number, _] = self.short;
        let bytes = self.long.to_le_bytes();
        let reader = &mut Reader::new(&bytes);
        let (state, payment, voucher) =
            (Wire::get(reader)?, Wire::get(reader)?, Wire::get(reader)?);
        let redemption = bool::get(reader)?.then_some(RedemptionNo(number));
        let ended = Wire::get(reader)?;
        Ok(OrderChange { state, payment, version, redemption, voucher, ended })
    }
}

impl Keys for Table<AnswerRow> {
    #[inline]
    fn hash(&self, number: u32) -> u64 {
        hash_of(&self[number as usize].key)
    }

    fn prefetch(&self, number: u32) {
        Table::prefetch(self, number);
    }
}

/// Answers by 16-byte key, in the order of arrival.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) rows: Table<AnswerRow>,
    index: HashIndex,
    /// Where an outcome's bytes are put.
    scratch: Vec<u8>,
}

impl Answers {
    pub(crate) fn new(table: u8) -> Self {
        Self { rows: Table::new(table), index: HashIndex::default(), scratch: Vec::new() }
    }

    fn row(&self, key: [u8; 16]) -> Option<&AnswerRow> {
        let is_it = |number| self.rows[number as usize].key == key;
        let number = self.index.find(hash_of(&key), is_it)?;
        Some(&self.rows[number as usize])
    }

    pub(crate) fn get(&self, key: [u8; 16], budgets: &Budgets) -> Option<Answer> {
        self.row(key).map(|row| row.answer(budgets))
    }

    /// Begins to bring near what [`Self::get`] will look at first.
    #[inline]
    pub(crate) fn prefetch(&self, key: [u8; 16]) {
        self.index.prefetch(hash_of(&key));
    }

    /// Begins to bring near the answer itself, once its bucket is there.
    #[inline]
    pub(crate) fn prefetch_row(&self, key: [u8; 16]) {
        self.index.candidates(hash_of(&key)).for_each(|number| self.rows.prefetch(number));
    }

    pub(crate) fn insert(
        &mut self,
        key: [u8; 16],
        answer: &Answer,
        budgets: &mut Budgets,
        store: &mut Store,
    ) {
        assert!(self.row(key).is_none(), "a key is answered once, until it is forgotten");
        let row = AnswerRow::of(key, answer, budgets, &mut self.scratch);
        let number = self.rows.push(row, store);
        self.put_in_index(number, store);
    }

    fn put_in_index(&mut self, number: u32, store: &mut Store) {
        self.index.insert(self.rows.hash(number), number, &self.rows, store);
    }

    /// Forgets up to `limit` answers given before `before_ms`; oldest first.
    pub(crate) fn forget(&mut self, before_ms: u64, limit: usize, store: &mut Store) {
        let mut first = self.rows.first();
        for _ in 0..limit {
            match self.rows.get(first as usize) {
                Some(oldest) if oldest.at_ms < before_ms => {
                    self.index.remove(hash_of(&oldest.key), first);
                    first += 1;
                }
                _ => break,
            }
        }
        self.rows.forget_before(first, store);
    }

    /// In the order of arrival.
    pub(crate) fn iter<'a>(
        &'a self,
        budgets: &'a Budgets,
    ) -> impl Iterator<Item = ([u8; 16], Answer)> {
        self.rows.iter().map(|row| (row.key, row.answer(budgets)))
    }

    /// Fills the index, which is empty, from the records.
    pub(crate) fn rebuild(&mut self, store: &mut Store) {
        self.index.plan((self.rows.len() - self.rows.first()) as usize, &self.rows, store);
        for number in self.rows.first()..self.rows.len() {
            self.put_in_index(number, store);
        }
    }
}
