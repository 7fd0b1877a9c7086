//! Tables and indexes against plain maps, with snapshots taken under writes.

mod layout;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;

use super::chunk::Store;
use super::index::{HashIndex, Keys};
use super::table::{Capture, PAGE_BYTES, Pages, Table};

/// Sixteen records a page, so that short runs reach several.
type Record = [u64; 32];

const PER_PAGE: u32 = 16;
const _: () = assert!(PER_PAGE as usize * size_of::<Record>() == PAGE_BYTES);

fn record(value: u64) -> Record {
    let mut record = [value; 32];
    record[31] = !value;
    record
}

#[derive(Clone, Debug)]
enum Step {
    Push(u64, u32),
    Write(u32, u64),
    Forget(u32),
    Begin,
    Sweep(u32),
    Abandon,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<u64>(), 1..40_u32).prop_map(|(value, count)| Step::Push(value, count)),
        6 => (any::<u32>(), any::<u64>()).prop_map(|(place, value)| Step::Write(place, value)),
        1 => (0..20_000_u32).prop_map(Step::Forget),
        2 => Just(Step::Begin),
        4 => (1..9_u32).prop_map(Step::Sweep),
        1 => Just(Step::Abandon),
    ]
}

/// What was there when the snapshot began, its span, and its number of pages.
type Running = (BTreeMap<u32, u64>, (u32, u32), u32);

/// A table, the same as a plain map, and the snapshot that runs.
struct Pair {
    table: Table<Record>,
    store: Store,
    plain: BTreeMap<u32, u64>,
    first: u32,
    len: u32,
    running: Option<Running>,
    pages: Vec<Pages>,
}

impl Pair {
    fn step(&mut self, step: &Step) {
        match *step {
            Step::Push(value, count) => {
                for value in (0..count).map(|more| value.wrapping_add(more.into())) {
                    let number = self.table.push(record(value), &mut self.store);
                    assert_eq!(number, self.len);
                    self.plain.insert(number, value);
                    self.len += 1;
                }
            }
            Step::Write(place, value) if self.len > self.first => {
                let number = self.first + place % (self.len - self.first);
                self.table[number as usize] = record(value);
                self.plain.insert(number, value);
            }
            Step::Forget(count) => {
                self.first = self.len.min(self.first + count);
                self.table.forget_before(self.first, &mut self.store);
                self.plain = self.plain.split_off(&self.first);
            }
            Step::Begin if self.running.is_none() && self.len > 0 => {
                let pages = self.table.begin();
                self.running = Some((self.plain.clone(), self.table.span(), pages));
            }
            Step::Sweep(limit) if self.running.is_some() => {
                self.table.sweep(limit);
                self.table.take_copies(&mut self.pages);
                if self.table.is_swept() {
                    self.finish();
                }
            }
            Step::Abandon if self.running.is_some() => {
                self.table.end();
                (self.running, self.pages) = (None, Vec::new());
            }
            _ => {}
        }
    }

    /// What was copied is what was there when the snapshot began.
    fn finish(&mut self) {
        let (plain, (first, len), pages) = self.running.take().expect("one runs");
        self.table.end();
        let copies = std::mem::take(&mut self.pages);
        let copied: usize = copies.iter().map(|copy| copy.bytes.len() / PAGE_BYTES).sum();
        assert_eq!(copied, pages as usize, "each page once");
        let mut restored = Table::<Record>::new(0);
        restored.begin_restore((first, len), &mut self.store);
        for copy in copies.iter().rev() {
            assert!(pages == 0 || !restored.end_restore());
            assert!(restored.put_pages(copy.first, &copy.bytes), "belongs there");
            assert!(!restored.put_pages(copy.first, &copy.bytes), "is there already");
        }
        assert!(restored.end_restore());
        check_table(&restored, &plain, first, len);
        // And it can be grown as any other.
        let number = restored.push(record(7), &mut self.store);
        assert_eq!((number, restored[len as usize]), (len, record(7)));
    }
}

#[track_caller]
fn check_table(table: &Table<Record>, plain: &BTreeMap<u32, u64>, first: u32, len: u32) {
    assert_eq!((table.first(), table.len()), (first, len));
    let expected = plain.values().map(|value| record(*value));
    assert!(table.iter().copied().eq(expected), "the same records in the same order");
    for place in [first.wrapping_sub(1), len] {
        assert!(table.get(place as usize).is_none(), "record {place} is not there");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_table_is_a_map_and_its_snapshots_are_of_one_moment(
        steps in prop::collection::vec(step(), 1..120),
        start in 0..3_u32,
    ) {
        let mut pair = Pair {
            table: Table::new(0),
            store: Store::default(),
            plain: BTreeMap::new(),
            first: 0,
            len: 0,
            running: None,
            pages: Vec::new(),
        };
        // Around the end of a chunk, where pages go over to the next one.
        pair.step(&Step::Push(1, start * (8_192 - PER_PAGE)));
        for step in &steps {
            pair.step(step);
            check_table(&pair.table, &pair.plain, pair.first, pair.len);
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn an_index_is_a_map(
        planned_at in prop_oneof![Just(0_usize), Just(19_000), Just(usize::MAX)],
        keys in prop::collection::vec((0..60_000_u64, 0..10_u8), 20_000..60_000),
    ) {
        check_index(HashIndex::default(), planned_at, &keys, spread);
    }

    /// Keys that no directory can tell apart.
    #[test]
    fn an_index_takes_keys_that_agree(
        keys in prop::collection::vec((0..60_000_u64, 0..6_u8), 20_000..30_000),
    ) {
        let same = |key: u64| (0x1234_5678 << 32) | (spread(key) & 0x3ff);
        check_index(HashIndex::with_directory_max(16), 18_000, &keys, same);
    }
}

/// splitmix64 (Steele et al. 2014).
fn spread(key: u64) -> u64 {
    let z = key.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Keys by number, with their hash.
struct Plain<F>(Vec<u64>, F);

impl<F: Fn(u64) -> u64> Keys for Plain<F> {
    fn hash(&self, number: u32) -> u64 {
        self.1(self.0[number as usize])
    }

    fn prefetch(&self, number: u32) {
        assert!((number as usize) < self.0.len(), "a number that is there");
    }
}

/// Each key is put in; one time in ten it is taken out or replaced, if it is there.
fn check_index(
    mut index: HashIndex,
    planned_at: usize,
    keys: &[(u64, u8)],
    hash: impl Fn(u64) -> u64,
) {
    let mut store = Store::default();
    let mut plain = HashMap::new();
    let mut all = Plain(Vec::new(), &hash);
    for (place, (key, what)) in keys.iter().enumerate() {
        if place == planned_at {
            index.plan(100_000, &all, &mut store);
        }
        let found = index.find(hash(*key), |number| all.0[number as usize] == *key);
        assert_eq!(found, plain.get(key).copied(), "key {key}");
        let next = u32::try_from(all.0.len()).expect("few");
        match (found, what) {
            (Some(number), 0) => {
                index.remove(hash(*key), number);
                plain.remove(key);
            }
            (Some(number), _) => {
                all.0.push(*key);
                index.replace(hash(*key), number, next);
                plain.insert(*key, next);
            }
            (None, _) => {
                all.0.push(*key);
                index.insert(hash(*key), next, &all, &mut store);
                plain.insert(*key, next);
            }
        }
    }
    let gone: BTreeSet<u64> = (0..60_000).filter(|key| !plain.contains_key(key)).collect();
    for key in plain.keys().chain(&gone) {
        let found = index.find(hash(*key), |number| all.0[number as usize] == *key);
        assert_eq!(found, plain.get(key).copied(), "key {key}");
    }
}

/// Eight bytes an entry where the number of users was known, with no segment split on the way.
#[test]
fn a_planned_index_does_not_grow() {
    let mut store = Store::default();
    let mut index = HashIndex::default();
    let keys = Plain((0..200_000).collect(), spread);
    index.plan(200_000, &keys, &mut store);
    for number in 0..200_000 {
        index.insert(keys.hash(number), number, &keys, &mut store);
    }
    assert_eq!(format!("{index:?}"), "index of 25 segments");
    // A second campaign is funded: room for more, and all that was there.
    index.plan(1_000_000, &keys, &mut store);
    assert_eq!(format!("{index:?}"), "index of 123 segments");
    for number in 0..200_000 {
        assert_eq!(index.find(keys.hash(number), |found| found == number), Some(number));
    }
}
