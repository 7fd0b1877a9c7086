//! The table of keys against one from the standard library.

use std::collections::HashMap;

use super::super::keyed::{Keyed, Tag};

fn key(number: u32) -> [u8; 16] {
    u128::from(number).to_le_bytes()
}

/// Counts every key of a sequence under this tag, in both tables.
#[track_caller]
fn check(keys: impl Iterator<Item = u32>, tag: fn(u32) -> Tag) {
    let (mut keyed, mut expected) = (Keyed::<u64>::default(), HashMap::new());
    assert_eq!(keyed.get(tag(0), &key(0)), None);
    for number in keys {
        let (count, is_known) = keyed.entry(tag(number), key(number));
        assert_eq!(is_known, expected.contains_key(&number), "key {number}");
        *count += 1;
        *expected.entry(number).or_insert(0_u64) += 1;
        assert_eq!(*count, expected[&number], "key {number}");
    }
    for number in 0..20_000 {
        assert_eq!(keyed.get(tag(number), &key(number)), expected.get(&number), "key {number}");
        // Changes nothing, whatever is there.
        keyed.glance(tag(number));
    }
}

fn spread(number: u32) -> Tag {
    Tag(number.wrapping_mul(0x9e37_79b9))
}

#[test]
fn keys_that_come_once_and_again() {
    let mut random = fastrand::Rng::with_seed(7);
    check((0..40_000).map(|_| random.u32(0..10_000)), spread);
}

#[test]
fn tags_that_are_the_same_hide_no_key() {
    check((0..300).chain(0..300), |_| Tag(0));
    check((0..300).chain(0..300), |_| Tag(u32::MAX));
    check((0..3_000).chain(0..3_000), |number| Tag((number % 16) << 28));
}

#[test]
fn a_look_that_passes_the_end_goes_on_at_the_beginning() {
    check((0..40).chain(0..40), |number| Tag(u32::MAX - number));
}
