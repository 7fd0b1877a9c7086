//! Outlets: documents that are returned as given, and pauses that end by themselves.

use super::script::check;
use super::terms;
use crate::types::{Command, NameHash, Opening, OutletId, PutOutlet, Reader, Tick, Wire};
use crate::{PAGE_BYTES, Restore, RuleBook, State, Verdict};

#[test]
fn a_document_is_replaced_and_never_the_same_twice() {
    check(
        &[],
        "
        0    outlet tea 10m                     -> s0 version 1
        0    outlet tea 10m                     -> unchanged
        0    outlet milk 10m menu=[1]           -> s1 version 1
        1    outlet tea 10m menu=[2]            -> s0 version 2
        1    outlet tea 11m menu=[2]            -> s0 version 3
        1    outlet tea 11m menu=[2] stations=9 -> s0 version 4
        1    outlet tea 11m menu=[2] stations=9 brand=b -> s0 version 5
        1    outlet-now tea                     -> s0 version 5 [2]
        1    outlet-now milk                    -> s1 version 1 [1]
        1    outlet-now none                    -> none
        1    outlet tea 0                       -> invalid_field(accept_within)
        1    outlet tea 1d+1                    -> invalid_field(accept_within)
        1    outlet tea 1m stations=0           -> invalid_field(stations)
        1    outlet tea 1m stations=10001       -> invalid_field(stations)
        ",
    );
}

#[test]
fn a_long_document_comes_back_whole_and_is_bounded() {
    let long = "m".repeat(crate::types::DOCUMENT_LEN_MAX);
    check(
        &[],
        &format!(
            "
            0    outlet tea 1m menu={long}      -> s0 version 1
            0    outlet milk 1m                 -> s1 version 1
            0    outlet-now tea                 -> s0 version 1 {long}
            0    outlet-now milk                -> s1 version 1 {{}}
            0    outlet tea 1m menu={long}x     -> invalid_field(document)
            "
        ),
    );
}

#[test]
fn a_pause_ends_with_its_instant_or_when_somebody_resumes() {
    check(
        &[],
        "
        0    outlet tea 10m                           -> s0 version 1
        0    pause-outlet none                        -> outlet_not_found
        0    resume-outlet none                       -> outlet_not_found
        0    resume-outlet tea                        -> unchanged
        0    pause-outlet tea until=1h reason=ice     -> paused
        0    outlet-now tea                           -> s0 version 1 {} paused until 1h, ice
        1m   order s0 7 100                           -> outlet_paused
        1m   pause-outlet tea until=1h                -> unchanged
        1m   pause-outlet tea until=2h key=1          -> paused
        1m   pause-outlet tea until=2h key=1          -> again paused
        1m   due                                      -> 2h
        2m   resume-outlet tea key=2                  -> resumed
        2m   resume-outlet tea key=2                  -> again resumed
        2m   due                                      -> never
        2m   order s0 7 100                           -> o0 0 off until 17m
        3m   pause-outlet tea                         -> paused
        3m   outlet-now tea                           -> s0 version 1 {} paused until resumed, because
        3m   pause-outlet tea                         -> unchanged
        3m   due                                      -> 17m
        3m   pause-outlet tea until=10m               -> paused
        3m   outlet tea 12m                           -> s0 version 2
        3m   outlet-now tea                           -> s0 version 2 {} paused until 10m, because
        10m  outlet-now tea                           -> s0 version 2 {}
        10m  order s0 7 100                           -> outlet_changed
        10m  order s0 7 100 version=2                 -> o1 0 off until 25m
        10m  resume-outlet tea                        -> unchanged
        10m  tick                                     -> s0
        10m  tick                                     -> nothing
        10m  pause-outlet tea until=10m               -> invalid_field(until)
        10m  pause-outlet tea until=4000d             -> invalid_field(until)
        10m  pause-outlet tea until=11m               -> paused
        12m  pause-outlet tea until=13m               -> paused
        13m  tick 0                                   -> nothing
        13m  tick 1                                   -> s0
        ",
    );
}

/// Lines are places of a menu: of that by which the order was placed, however it is sorted since.
#[test]
fn an_order_keeps_the_document_by_which_it_was_placed() {
    check(
        &[],
        "
        0    outlet tea 10m menu=grape,oat            -> s0 version 1
        0    outlet milk 10m menu=milk                -> s1 version 1
        0    order s0 7 100 others=s1                 -> o0 0 off until 15m
        0    menu-of o0                               -> grape,oat, version 1
        1    outlet tea 10m menu=oat,grape            -> s0 version 2
        1    menu-of o0                               -> grape,oat
        1    order s0 7 100                           -> outlet_changed
        1    order s0 7 100 version=2                 -> o1 0 off until 15m+1
        1    menu-of o1                               -> oat,grape, version 2
        2    outlet tea 10m menu=oat                  -> s0 version 3
        2    pay o0 100                               -> paid succeeded 1
        2    restart                                  -> as before
        2    menu-of o0                               -> grape,oat
        2    menu-of o1                               -> oat,grape
        3    ticket o0 reject 1                       -> o0 to s1 2 at 2m+38s+447
        3    menu-of o0                               -> grape,oat
        3    menu-of o9                               -> none
        ",
    );
}

#[test]
fn orders_that_an_outlet_has_go_on_while_it_is_paused() {
    check(
        &[("c", terms())],
        "
        0    outlet tea 10m                           -> s0 version 1
        0    order s0 7 100                           -> o0 0 off until 15m
        1    pause-outlet tea                         -> paused
        2    pay o0 100                               -> paid succeeded 1
        3    ticket o0 accept 1                       -> accepted succeeded 2
        ",
    );
}

fn apply(state: &mut State, command: &Command) {
    let verdict = state.apply(7, state.last_seq() + 1, command);
    assert!(matches!(verdict, Verdict::Done(_)), "{verdict:?}");
}

/// How many tables a snapshot says that it has.
fn tables(rest: &[u8]) -> usize {
    let reader = &mut Reader::new(rest);
    u16::get(reader).expect("the layout");
    u64::get(reader).expect("the last sequence number");
    u64::get(reader).expect("its time");
    u16::get(reader).expect("the rules");
    u32::get(reader).expect("planned users");
    usize::get(reader).expect("the number of tables")
}

/// Builds that know no outlets read what has none, and what they wrote is read.
#[test]
fn a_snapshot_without_outlets_has_five_tables_and_one_with_outlets_nine() {
    let mut state = State::new(RuleBook::RELEASED);
    apply(&mut state, &Command::Tick(Tick { limit: 1 }));
    let rest = state.begin_snapshot().encode();
    state.end_snapshot();
    assert_eq!(tables(&rest), 5);
    let anew = Restore::new(State::new(RuleBook::RELEASED), &rest, 0).expect("read");
    assert_eq!(anew.finish().expect("whole").digest(), state.digest());

    let document = vec![b'm'; 1_000];
    let (id, brand) = (OutletId::new("tea").expect("an id"), NameHash::of("tea"));
    let put = PutOutlet {
        id,
        document,
        brand,
        vendor: NameHash::of("till"),
        stations: 1,
        unit_ms: 1,
        accept_within_ms: 1,
        ready_within_ms: 1,
        opening: Opening::default(),
    };
    apply(&mut state, &Command::PutOutlet(Box::new(put)));
    let rest = state.begin_snapshot();
    let bytes = rest.pages() * PAGE_BYTES as u64;
    let rest = rest.encode();
    assert_eq!(tables(&rest), 9);
    let mut pages = Vec::new();
    while !state.sweep(8) {}
    state.take_pages(&mut pages);
    let mut anew = Restore::new(State::new(RuleBook::RELEASED), &rest, bytes).expect("read");
    for pages in &pages {
        anew.put(pages.table, pages.first, &pages.bytes).expect("belongs there");
    }
    assert_eq!(anew.finish().expect("whole").digest(), state.digest());
}
