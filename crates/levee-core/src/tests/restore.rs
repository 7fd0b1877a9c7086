//! A state through a snapshot: what comes out is what went in, with all that follows from records.

use crate::types::OutletNo;
use crate::{PAGE_BYTES, Restore, State};

/// The state made anew from a snapshot of now, under the same rules.
#[track_caller]
pub(crate) fn restored(state: &mut State) -> State {
    let rest = state.begin_snapshot();
    while !state.sweep(64) {}
    let mut pages = Vec::new();
    state.take_pages(&mut pages);
    state.end_snapshot();
    let bytes_max = rest.pages() * PAGE_BYTES as u64;
    let restore = Restore::new(State::new(state.book), &rest.encode(), bytes_max);
    let mut restore = restore.expect("the rest of a snapshot");
    for pages in &pages {
        restore.put(pages.table, pages.first, &pages.bytes).expect("belongs there");
    }
    let anew = restore.finish().expect("whole");
    assert_same(&anew, state);
    anew
}

/// The same records, the same kitchens, the same things due.
#[track_caller]
pub(crate) fn assert_same(anew: &State, lived: &State) {
    assert_eq!(anew.digest(), lived.digest(), "the restored state is the same");
    for number in (0..lived.outlets.rows.len()).map(OutletNo) {
        let (anew, lived) = (anew.outlets.kitchen(number), lived.outlets.kitchen(number));
        assert_eq!(anew, lived, "the kitchen of outlet {number}");
    }
    assert_eq!(anew.next_due_ms(), lived.next_due_ms());
    let awaiting = |state: &State| state.orders.over(u64::MAX, usize::MAX);
    assert_eq!(awaiting(anew), awaiting(lived), "orders that await something");
    assert!(
        anew.orders.lists.owed().eq(lived.orders.lists.owed()),
        "orders that somebody is owed for"
    );
    assert!(anew.quotes.held().eq(lived.quotes.held()), "quotes whose offers are held");
    assert!(anew.outlets.pauses().eq(lived.outlets.pauses()), "pauses that end by themselves");
}
