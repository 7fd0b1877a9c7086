//! A snapshot holds records as they are in memory, so another layout must not be taken for this one.

use core::fmt::Debug;

use bytemuck::{Pod, Zeroable};
use sha2::{Digest, Sha256};

use crate::tables::answers::AnswerRow;
use crate::tables::outlets::Past;
use crate::tables::{LAYOUT, Lock, Order, Outlet, Quote, Redemption, Voucher};

/// Names of all fields, and to which of them each byte belongs: what changes in the record's words when
/// that byte does.
fn layout_of<T: Pod + Debug>() -> String {
    let mut record = T::zeroed();
    let mut layout = format!("{record:#?}\n");
    for place in 0..size_of::<T>() {
        bytemuck::bytes_of_mut(&mut record)[place] = 1;
        let (zeros, words) = (format!("{:#?}", T::zeroed()), format!("{record:#?}"));
        let same = zeros.lines().zip(words.lines()).take_while(|(zeros, words)| zeros == words);
        layout += &format!("{place}: line {}\n", same.count());
        bytemuck::bytes_of_mut(&mut record)[place] = 0;
    }
    layout
}

#[test]
fn a_changed_record_raises_the_layout() {
    let all = [
        layout_of::<Voucher>(),
        layout_of::<Redemption>(),
        layout_of::<Lock>(),
        layout_of::<AnswerRow>(),
        layout_of::<Outlet>(),
        layout_of::<Past>(),
        layout_of::<Order>(),
        layout_of::<Quote>(),
    ];
    let digest = Sha256::digest(all.concat());
    let digest = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(
        (LAYOUT, digest.as_str()),
        (4, "cbe2b9c089d94e5c"),
        "records in snapshots have another layout: raise LAYOUT, and put both here"
    );
}

/// Each byte of a record belongs to one field, and the fields' order is seen.
#[test]
fn a_layout_tells_fields_apart() {
    #[derive(Clone, Copy, Debug, Pod, Zeroable)]
    #[repr(C)]
    struct Before {
        one: u32,
        other: u32,
    }
    #[derive(Clone, Copy, Debug, Pod, Zeroable)]
    #[repr(C)]
    struct After {
        one: [u16; 3],
        other: u16,
    }
    let [before, after] = [layout_of::<Before>(), layout_of::<After>()];
    assert!(
        before.ends_with("3: line 1\n4: line 2\n5: line 2\n6: line 2\n7: line 2\n"),
        "{before}"
    );
    assert!(after.ends_with("3: line 3\n4: line 4\n5: line 4\n6: line 6\n7: line 6\n"), "{after}");
}
