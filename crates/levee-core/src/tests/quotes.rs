//! Quotes: where and when an order can be made, and offers that are held.

use super::EXACT;
use super::script::check_with;

/// One station that makes a unit in four minutes: one order is ready after four of them, and each
/// that waits behind it 4.6 later.
#[track_caller]
fn check(script: &str) {
    check_with(EXACT, &[], script);
}

#[test]
fn a_held_offer_is_honoured_though_others_ask_meanwhile() {
    check(
        "
        0    outlet tea 10m unit=4m stations=1 ready=15m   -> s0 version 1
        0    outlet milk 10m                      -> s1 version 1
        0    quote s0                             -> q0 until 2m: s0 at 7m
        0    quote s0                             -> q1 until 2m: s0 at 8m+36s
        0    order s0 7 500                       -> o0 0 off until 15m
        0    promised o0                          -> s0 at 13m+12s
        0    order s0 7 500                       -> outlet_busy
        1m   order s0 8 500 offer=q0.0 key=1      -> o1 0 off until 16m
        1m   promised o1                          -> s0 at 7m
        1m   order s0 8 500 offer=q0.0 key=1      -> again o1 0 off until 16m
        1m   order s0 8 500 offer=q0.0            -> offer_expired
        1m   order s0 8 500 offer=q1.1            -> offer_expired
        1m   order s0 8 500 offer=q2.0            -> offer_expired
        1m   order s1 8 500 offer=q1.0            -> offer_of_another_order
        1m   order s0 8 500 offer=q1.0 work=2000  -> offer_of_another_order
        1m   kitchen tea                          -> stations 1 eta 17m+48s work 3000, 2000 by 5m, 1000 by 10m
        2m   order s0 8 500 offer=q1.0            -> offer_expired
        2m   tick                                 -> q1
        2m   kitchen tea                          -> stations 1 eta 13m+12s work 2000, 1000 by 5m, 1000 by 10m
        2m   order s0 8 500                       -> o2 0 off until 17m
        ",
    );
}

/// By the clock, by taking another offer, and with a restart in between.
#[test]
fn what_was_held_comes_back_once() {
    check(
        "
        0    outlet tea 10m unit=4m stations=1 ready=10m   -> s0 version 1
        0    outlet milk 10m unit=4m stations=1 ready=10m  -> s1 version 1
        0    order s0 7 500 work=2000             -> o0 0 off until 15m
        0    quote s0 others=s1+5m                -> q0 until 2m: s1 at 7m, s0 at 15m
        0    kitchen tea                          -> stations 1 eta 17m+48s work 3000, 2000 by 5m, 1000 by 15m
        0    kitchen milk                         -> stations 1 eta 8m+36s work 1000, 1000 by 5m
        1m   order s1 8 500 offer=q0.0            -> o1 0 off until 16m
        1m   kitchen tea                          -> stations 1 eta 13m+12s work 2000, 2000 by 5m
        1m   restart                              -> as before
        1m   due                                  -> 15m
        5m   tick                                 -> nothing
        5m   quote s0 others=s1+5m                -> q1 until 7m: s1 at 13m+36s, s0 at 20m
        5m   restart                              -> as before
        5m   due                                  -> 7m
        6m   kitchen milk                         -> stations 1 eta 13m+12s work 2000, 1000 by 5m, 1000 by 10m
        7m   tick                                 -> q1
        7m   kitchen tea                          -> stations 1 eta 13m+12s work 2000, 2000 by 5m
        7m   kitchen milk                         -> stations 1 eta 8m+36s work 1000, 1000 by 5m
        7m   tick                                 -> nothing
        8m   cancel o0                            -> cancelled unknown 0
        8m   cancel o1                            -> cancelled unknown 0
        8m   restart                              -> as before
        8m   kitchen tea                          -> stations 1 eta 5m work 0
        8m   kitchen milk                         -> stations 1 eta 5m work 0
        ",
    );
}

/// A user who asks at many outlets keeps nobody else from what they offer.
#[test]
fn a_users_oldest_quote_makes_room_for_a_fourth() {
    check(
        "
        0    outlet tea 10m unit=4m stations=9    -> s0 version 1
        0    outlet milk 10m unit=4m stations=9   -> s1 version 1
        0    quote s0 user=7                      -> q0 until 2m: s0 at 7m
        0    quote s1 user=7                      -> q1 until 2m: s1 at 7m
        0    quote s0 user=8                      -> q2 until 2m: s0 at 7m
        0    quote s0                             -> q3 until 2m: s0 at 7m
        0    quote s0 user=7                      -> q4 until 2m: s0 at 7m
        0    restart                              -> as before
        0    pause-outlet milk until=20m          -> paused
        0    quote s1 user=7                      -> no_offers
        0    resume-outlet milk                   -> resumed
        1m   quote s1 user=7 key=9                -> q5 until 3m: s1 at 8m, not q0 any more
        1m   quote s1 user=7 key=9                -> again q5 until 3m: s1 at 8m, not q0 any more
        1m   kitchen tea                          -> stations 9 eta 5m work 3000, 3000 by 5m
        1m   order s0 7 500 offer=q0.0            -> offer_expired
        1m   order s0 7 500 offer=q2.0            -> offer_of_another_order
        1m   order s0 7 500 offer=q4.0            -> o0 0 off until 16m
        1m   order s0 7 500 offer=q3.0            -> o1 0 off until 16m
        1m   quote s1 user=7                      -> q6 until 3m: s1 at 8m
        2m   tick                                 -> q1 q2
        2m   quote s1 user=7                      -> q7 until 4m: s1 at 9m
        2m   quote s1 user=7                      -> q8 until 4m: s1 at 9m, not q5 any more
        ",
    );
}

/// What is over holds nothing for its user, whether or not a tick has seen it.
#[test]
fn a_quote_that_is_over_makes_room_first() {
    check(
        "
        0    outlet tea 10m unit=4m stations=9    -> s0 version 1
        0    quote s0 user=7 hold=5m              -> q0 until 5m: s0 at 10m
        0    quote s0 user=7 hold=1m              -> q1 until 1m: s0 at 6m
        0    quote s0 user=7 hold=5m              -> q2 until 5m: s0 at 10m
        1m   quote s0 user=7                      -> q3 until 3m: s0 at 8m, not q1 any more
        1m   order s0 7 500 offer=q0.0            -> o0 0 off until 16m
        1m   quote s0 user=7                      -> q4 until 3m: s0 at 8m
        1m   quote s0 user=7                      -> q5 until 3m: s0 at 8m, not q2 any more
        ",
    );
}

#[test]
fn paused_outlets_offer_nothing() {
    check(
        "
        0    outlet tea 10m unit=4m stations=1    -> s0 version 1
        0    outlet milk 10m unit=4m stations=1   -> s1 version 1
        0    quote s0 hold=10m                    -> q0 until 10m: s0 at 15m
        0    pause-outlet tea until=20m           -> paused
        0    quote s0                             -> no_offers
        0    quote s0 others=s1                   -> q1 until 2m: s1 at 7m
        0    etas s0,s1,s7                        -> never, 8m+36s, never
        0    order s0 7 500                       -> outlet_paused
        0    order s0 7 500 offer=q0.0            -> outlet_paused
        1m   resume-outlet tea                    -> resumed
        1m   order s0 7 500 offer=q0.0            -> o0 0 off until 16m
        ",
    );
}

#[test]
fn other_outlets_are_offered_by_when_the_user_has_it() {
    check(
        "
        0    outlet tea 10m unit=4m stations=1 ready=15m   -> s0 version 1
        0    outlet a 10m unit=4m stations=1 ready=15m     -> s1 version 1
        0    outlet b 10m unit=4m stations=1 ready=15m     -> s2 version 1
        0    outlet c 10m unit=4m stations=1 ready=15m     -> s3 version 1
        0    walk-ins s0 4000                     -> noted
        0    order s2 7 500                       -> o0 0 off until 15m
        0    quote s0 others=s1+9m,s2+1m,s3+5m    -> q0 until 2m: s2 at 8m+36s, s3 at 7m, s0 at 25m
        0    quote s0 others=s3+1s,s1+1s by=30m   -> q1 until 2m: s0 at 27m
        0    quote s0 others=s3,s1+4m+36s,s2 by=7m -> q2 until 2m: s1 at 7m, s0 at 35m
        0    quote s0 by=1m                       -> q3 until 2m: s0 at 40m
        ",
    );
}

#[test]
fn opening_hours_hold_what_is_offered() {
    check(
        "
        0        outlet day 10m unit=4m stations=1 ready=12h open=9h-22h     -> s0 version 1
        0        quote s0                     -> q0 until 2m: s0 at 9h+4m
        0        quote s0 by=8h hold=1        -> q1 until 1: s0 at 9h+10m
        0        etas s0                      -> 9h+13m+12s
        1h       tick                         -> q1 q0
        21h      quote s0 hold=1              -> q2 until 21h+1: s0 at 21h+5m+1
        21h+1m   tick                         -> q2
        21h+57m  order s0 7 500               -> outlet_busy
        21h+57m  quote s0 hold=1              -> q3 until 21h+57m+1: s0 at 1d+9h+5m
        21h+57m  tick                         -> nothing
        21h+58m  tick                         -> q3
        22h      quote s0 hold=1              -> q4 until 22h+1: s0 at 1d+9h+4m
        ",
    );
    // Tomorrow's opening comes behind what is near and ready in minutes.
    check(
        "
        0        outlet day 10m unit=4m stations=1 open=9h-22h    -> s0 version 1
        0        outlet a 10m unit=4m stations=1                  -> s1 version 1
        0        outlet b 10m unit=4m stations=1                  -> s2 version 1
        21h+58m  quote s0 others=s1+9m,s2+1m  -> q0 until 22h: s2 at 22h+5m, s1 at 22h+5m, s0 at 1d+9h+5m
        ",
    );
    // Past midnight, and parts that touch.
    check(
        "
        0        outlet night 10m unit=4m stations=1 open=22h-2h             -> s0 version 1
        0        outlet whole 10m unit=4m stations=1 open=9h-22h,22h-9h      -> s1 version 1
        0        outlet long 10m unit=4m stations=1 open=0-24h               -> s2 version 1
        1h       etas s0,s1,s2                -> 5m, 5m, 5m
        1h+57m   etas s0,s1,s2                -> never, 5m, 5m
        1h+57m   quote s0                     -> q0 until 1h+59m: s0 at 22h+5m
        2h       etas s0,s1,s2                -> 20h+8m+36s, 5m, 5m
        22h      etas s0,s1,s2                -> 8m+36s, 5m, 5m
        22h      tick                         -> q0
        23h+59m  etas s0,s1,s2                -> 5m, 5m, 5m
        ",
    );
}

/// An hour later by the clock on the wall at day 1, or an hour earlier, or eight hours ahead all the
/// time; the outlet opens at 9 o'clock by its own clock.
#[test]
fn opening_hours_follow_the_clock_on_the_wall() {
    check(
        "
        0      outlet spring 10m unit=4m stations=1 open=9h-22h zone=0:0,1d:60    -> s0 version 1
        0      outlet autumn 10m unit=4m stations=1 open=9h-22h zone=0:60,1d:0    -> s1 version 1
        0      outlet east 10m unit=4m stations=1 open=9h-22h zone=0:480          -> s2 version 1
        0      outlet west 10m unit=4m stations=1 open=9h-22h zone=0:-300         -> s3 version 1
        0      outlet back 10m unit=4m stations=1 open=9h-1h zone=0:0,1d:-60      -> s4 version 1
        23h    etas s0,s1,s2,s3               -> 9h+4m, 10h+4m, 2h+4m, 5m
        1d+8h  etas s0,s1,s2,s3               -> 5m, 1h+4m, 5m, 6h+4m
        ",
    );
    // What closes at 1 in the night has an hour more when clocks go back before.
    check(
        "
        0        outlet back 10m unit=4m stations=1 open=9h-1h zone=0:0,1d:-60      -> s0 version 1
        1d+1h    etas s0                      -> 5m
        1d+1h+58m etas s0                     -> never
        1d+2h    etas s0                      -> 8h+4m
        ",
    );
}

/// Who takes an offer at the last moment still gets what was offered.
#[test]
fn an_offer_is_for_no_time_before_its_end_nor_after_the_doors_close() {
    check(
        "
        0        outlet tea 10m unit=4m stations=1 open=9h-22h   -> s0 version 1
        10h      quote s0 hold=15m            -> q0 until 10h+15m: s0 at 10h+20m
        10h+14m  order s0 7 500 offer=q0.0    -> o0 0 off until 10h+29m
        10h+14m  cancel o0                    -> cancelled unknown 0
        10h+14m  kitchen tea                  -> stations 1 eta 5m work 0
        21h+50m  quote s0 hold=15m            -> q1 until 22h+5m: s0 at 1d+9h+5m
        21h+50m  quote s0 hold=5m             -> q2 until 21h+55m: s0 at 22h
        ",
    );
    // In time is what is in time for who takes it last; and that is when the user has it.
    check(
        "
        0        outlet tea 10m unit=4m stations=1 ready=10m     -> s0 version 1
        0        outlet a 10m unit=1m stations=1 ready=10m       -> s1 version 1
        0        outlet b 10m unit=4m stations=1 ready=10m       -> s2 version 1
        0        quote s0 others=s1 by=5m hold=6m  -> q0 until 6m: s0 at 15m
        0        quote s0 hold=11m            -> q1 until 11m: s0 at 20m
        0        quote s0 others=s1+4m,s2+1m hold=5m -> q2 until 5m: s1 at 7m, s2 at 10m, s0 at 15m
        ",
    );
}

/// After an outage of ours an offer is held for longer than it counts on: its kitchen is asked again, as
/// if nothing was held for it, and its capacity comes back from where it was taken.
#[test]
fn an_offer_older_than_its_time_is_asked_for_again() {
    check(
        "
        0        outlet tea 10m unit=4m stations=1                 -> s0 version 1
        0        outlet milk 10m unit=4m stations=1 open=0-1h      -> s1 version 1
        0        quote s0                     -> q0 until 2m: s0 at 7m
        0        quote s1                     -> q1 until 2m: s1 at 7m
        1m       tick                         -> nothing
        1h       resume-service 1m            -> gone 59m
        1h       due                          -> 1h+59m
        1h+31m   order s0 7 500 offer=q0.0    -> o0 0 off until 1h+46m
        1h+31m   order s1 7 500 offer=q1.0    -> offer_expired
        1h+31m   promised o0                  -> s0 at 1h+36m
        1h+31m   restart                      -> as before
        1h+31m   kitchen tea                  -> stations 1 eta 8m+36s work 1000, 1000 by 1h+35m
        1h+32m   cancel o0                    -> cancelled unknown 0
        1h+32m   kitchen tea                  -> stations 1 eta 5m work 0
        2h       tick                         -> q1
        ",
    );
}

/// As long as work of weeks is ordered by a time that is weeks ahead.
#[test]
fn a_promise_weeks_ahead_is_kept() {
    check(
        "
        0    outlet tea 10m unit=1h stations=1    -> s0 version 1
        0    order s0 7 500 work=600000 by=30d key=1 -> o0 0 off until 15m
        0    promised o0                          -> s0 at 28d+17h+52m
        0    order s0 7 500 work=600000 by=30d key=1 -> again o0 0 off until 15m
        0    order s0 7 500 work=60000 by=30d     -> outlet_busy
        1m   pay o0 500                           -> paid succeeded 1
        2m   ticket o0 accept 1                   -> accepted succeeded 2
        2m   due                                  -> 28d+19h+52m
        2m   restart                              -> as before
        3m   cancel o0                            -> refunding refunding 3
        3m   kitchen tea                          -> stations 1 eta 1h+1m work 0
        ",
    );
}

#[test]
fn a_quote_is_repeated_while_it_is_known() {
    check(
        "
        0    outlet tea 10m unit=4m stations=1    -> s0 version 1
        0    outlet milk 10m unit=4m stations=1   -> s1 version 1
        0    quote s0 key=1                       -> q0 until 2m: s0 at 7m
        0    quote s0 key=1                       -> again q0 until 2m: s0 at 7m
        0    quote s0 key=1 asked=1               -> idempotency_key_reused
        0    quote s1 key=2 total=1900 off=500    -> q1 for 1900-500 until 2m: s1 at 7m
        0    outlet milk 11m unit=4m stations=1   -> s1 version 2
        0    quote s1 total=1900                  -> outlet_changed
        0    quote s1 key=2 total=2100            -> again q1 for 1900-500 until 2m: s1 at 7m
        0    quote s1 key=2 work=0 version=2      -> again q1 for 1900-500 until 2m: s1 at 7m
        0    quote s1 key=3 work=0 version=2      -> invalid_field(work)
        0    restart                              -> as before
        2m   quote s0 key=1                       -> again q0 until 2m: s0 at 7m
        2m   tick                                 -> q0 q1
        2m   quote s0 key=1                       -> offer_expired
        2m   quote s0                             -> q2 until 4m: s0 at 9m
        ",
    );
}

#[test]
fn what_a_quote_may_not_be() {
    check(
        "
        0    outlet tea 10m ready=1h              -> s0 version 1
        1h   quote s0 total=0                     -> invalid_field(total_minor)
        1h   quote s0 total=100 off=101           -> invalid_field(total_minor)
        1h   quote s0 version=2                   -> outlet_changed
        1h   quote s0 work=0                      -> invalid_field(work)
        1h   quote s0 work=1000001                -> invalid_field(work)
        1h   quote s0 others=s0                   -> invalid_field(candidates)
        1h   quote s0 others=s1,s2,s3,s4,s5,s6,s7,s8 -> invalid_field(candidates)
        1h   quote s0 others=s1+25h               -> invalid_field(candidates)
        1h   quote s0 by=59m                      -> invalid_field(pickup_by)
        1h   quote s0 by=31d                      -> invalid_field(pickup_by)
        1h   quote s0 hold=0                      -> invalid_field(hold)
        1h   quote s0 hold=15m+1                  -> invalid_field(hold)
        1h   quote s1                             -> outlet_not_found
        1h   quote s0 others=s1                   -> outlet_not_found
        1h   quote s0 work=1000000                -> no_offers
        1h   order s0 7 500 work=1000000          -> outlet_busy
        1h   order s0 7 500 work=1000000 by=11h   -> o0 0 off until 1h+15m
        1h   staffing s0 0                        -> invalid_field(stations)
        1h   staffing s0 10001                    -> invalid_field(stations)
        1h   staffing s1 1                        -> outlet_not_found
        1h   walk-ins s0 0                        -> invalid_field(work)
        1h   walk-ins s1 1                        -> outlet_not_found
        ",
    );
}

#[test]
fn staffing_and_walk_ins_count_until_other_figures_come() {
    check(
        "
        0    outlet tea 10m unit=4m stations=1    -> s0 version 1
        0    walk-ins s0 3000 key=1               -> noted
        0    walk-ins s0 3000 key=1               -> again noted
        0    kitchen tea                          -> stations 1 eta 17m+48s work 3000
        0    staffing s0 3 key=2                  -> staffed
        0    staffing s0 3 key=2                  -> again staffed
        0    kitchen tea                          -> stations 3 eta 5m+32s work 3000
        0    outlet tea 10m unit=4m stations=1 menu=[1]  -> s0 version 2
        0    kitchen tea                          -> stations 3 eta 5m+32s work 3000
        0    outlet tea 10m unit=3m stations=1    -> s0 version 3
        0    kitchen tea                          -> stations 3 eta 4m+9s work 3000
        0    outlet tea 10m unit=3m stations=2    -> s0 version 4
        0    kitchen tea                          -> stations 2 eta 6m+27s work 3000
        0    restart                              -> as before
        1d   kitchen tea                          -> stations 2 eta 4m work 0
        ",
    );
}

#[test]
fn outlets_are_listed_by_when_their_documents_were_put() {
    check(
        "
        0    outlet tea 10m                       -> s0 version 1
        0    outlet milk 10m                      -> s1 version 1
        0    outlets                              -> tea@1, milk@2
        0    outlets 1                            -> tea@1
        0    outlet tea 11m                       -> s0 version 2
        0    staffing s1 2                        -> staffed
        0    outlets                              -> milk@2, tea@3
        0    outlets after=2                      -> tea@3
        0    restart                              -> as before
        0    outlets after=1                      -> milk@2, tea@3
        0    outlets after=4                      -> none
        ",
    );
}
