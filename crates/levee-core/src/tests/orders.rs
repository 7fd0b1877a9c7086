//! Orders: placing, paying, tickets, refunds, lists, and what has to be done outside.

use super::script::check;
use super::{DAY, HOUR, MINUTE, terms, with};
use crate::types::{LINES_MAX, Terms, VoucherKind};

#[test]
fn an_order_is_paid_made_and_collected() {
    check(
        &[("c", terms())],
        "
        0    ready c 9000                 -> open
        0    claim c 7                    -> v0 2500
        0    outlet tea 10m               -> s0 version 1
        1s   order s0 7 3000 v0 off=200   -> o0 2500 off l0 until 15m+1s
        1s   show o0                      -> awaiting_payment created 0 until 15m+1s: payable 300
        1s   todo o0                      -> o0 create payment of 300
        1s   voucher v0                   -> locked until 10d l0 until 15m+1s
        1s   validate v0 7 3000           -> voucher_locked
        1s   money c                      -> available 6500 in_flight 2500
        2s   payment o0 created           -> awaiting_payment created 0
        2s   todo o0                      -> o0 look at payment
        3s   payment o0 pending           -> awaiting_payment pending 0
        4s   pay o0 300                   -> paid succeeded 1 r0
        4s   todo o0                      -> o0 send ticket 1 to s0
        4s   money c                      -> available 6500 spent 2500
        4s   show o0                      -> paid succeeded 1 until 10m+4s: payable 300 captured 300
        5s   ticket o0 send 1             -> sent succeeded 1
        5s   ticket o0 send 1             -> order_state_conflict(sent)
        5s   todo o0                      -> nothing
        6s   ticket o0 accept 1           -> accepted succeeded 2
        6s   show o0                      -> accepted succeeded 2 until 2h+2m+39s+447: payable 300 captured 300
        7s   ticket o0 start 2            -> making succeeded 3
        8s   ticket o0 ready 3            -> ready succeeded 4
        9s   ticket o0 collect 4          -> collected succeeded 5
        9s   made o0                      -> 6s 7s 8s 9s nothing
        9s   todo o0                      -> nothing
        9s   counts c                     -> claims 1 redeemed 1
        1d   tick                         -> nothing
        7d+4s tick                        -> r0
        ",
    );
}

#[test]
fn where_nothing_is_left_to_pay_the_voucher_is_used_at_once() {
    check(
        &[("c", terms())],
        "
        0    ready c 9000                 -> open
        0    claim c 7                    -> v0 2500
        0    claim c 8                    -> v1 2500
        0    outlet tea 10m               -> s0 version 1
        1    order s0 7 2000 v0           -> o0 2000 off r0 until 10m+1
        1    show o0                      -> paid - 1 until 10m+1: nothing
        1    todo o0                      -> o0 send ticket 1 to s0
        1    money c                      -> available 4000 reserved 3000 spent 2000
        2    pay o0 0                     -> payment_not_found
        2    refund o0 1                  -> refund_too_large
        3    order s0 9 500 off=500       -> o1 0 off until 10m+3
        4    order s0 8 2600 v1 off=100   -> o2 2500 off r1 until 10m+4
        5    cancel o2                    -> cancelled - 2 live
        5    todo o2                      -> o2 cancel ticket 2 at s0
        6    ticket o0 collect 1          -> collected - 2
        ",
    );
}

#[test]
fn what_an_order_may_not_be() {
    let many = LINES_MAX;
    let too_many = LINES_MAX + 1;
    let brand = |terms: &mut Terms| {
        terms.voucher.brands = vec!["tea".into()];
        terms.voucher.categories = vec!["milk".into()];
        terms.voucher.min_spend_minor = 1_000;
    };
    check(
        &[("c", with(brand))],
        &format!(
            "
            0    ready c 9000                          -> open
            0    claim c 7                             -> v0 2500
            0    outlet tea 10m                        -> s0 version 1
            0    outlet other 10m brand=other          -> s1 version 1
            1h   order s2 7 3000                       -> outlet_not_found
            1h   order s0 7 3000 lines=0               -> invalid_field(lines)
            1h   order s0 7 3000 lines={too_many}      -> invalid_field(lines)
            1h   order s0 7 3000 quantity=0            -> invalid_field(lines)
            1h   order s0 7 0                          -> invalid_field(total_minor)
            1h   order s0 7 281474976710657            -> invalid_field(total_minor)
            1h   order s0 7 3000 off=3001              -> invalid_field(merchant_discount_minor)
            1h   order s0 7 3000 by=59m                -> invalid_field(pickup_by)
            1h   order s0 7 3000 by=31d                -> invalid_field(pickup_by)
            1h   order s0 7 3000 courier=1d+1          -> invalid_field(fulfilment)
            1h   order s0 7 3000 others=s1,s0          -> invalid_field(allow_other_outlet)
            1h   order s0 7 3000 others=s1,s1,s1       -> invalid_field(allow_other_outlet)
            1h   order s0 7 3000 others=s9             -> outlet_not_found
            1h   order s0 7 3000 of=c1                 -> campaign_not_found
            1h   order s0 7 3000 work=0                -> invalid_field(work)
            1h   order s0 7 3000 work=1000001          -> invalid_field(work)
            1h   order s0 7 3000 pay=0                 -> invalid_field(pay_within)
            1h   order s0 7 3000 pay=1d+1              -> invalid_field(pay_within)
            1h   order s0 8 3000 v0 cat=milk           -> voucher_of_another_user
            1h   order s0 7 3000 v9 cat=milk           -> voucher_not_found
            1h   order s0 7 3000 v0 cat=leaf           -> voucher_not_applicable
            1h   order s1 7 3000 v0 cat=milk           -> voucher_not_applicable
            1h   order s0 7 1400 v0 cat=milk off=401   -> min_spend_not_met
            1h   order s0 7 1400 v0 cat=milk off=400 lines={many} key=1 -> o0 1000 off r0 until 1h+10m
            1h   order s0 7 1400 v0 cat=milk off=400 lines={many} key=1 -> again o0 1000 off r0 until 1h+10m
            1h   order s0 7 1400 v0 cat=milk off=400 lines={many} key=1 asked=1 -> idempotency_key_reused
            1h   order s0 7 3000 version=0             -> outlet_changed
            1h   order s0 7 3000 version=2             -> outlet_changed
            1h   order s0 7 3000 v0 cat=milk           -> voucher_not_live(redeemed)
            1h   show o1                               -> none
            "
        ),
    );
}

#[test]
fn an_orders_lock_and_use_go_with_the_order_alone() {
    check(
        &[("c", terms())],
        "
        0    ready c 9000                 -> open
        0    claim c 7                    -> v0 2500
        0    outlet tea 10m               -> s0 version 1
        1    order s0 7 3000 v0           -> o0 2500 off l0 until 15m+1
        2    release l0                   -> held_by_order
        2    redeem v0 7 3000             -> voucher_locked
        2    redeem v0 7 3000 lock=l0     -> held_by_order
        2    revoke v0                    -> voucher_locked
        2    order s0 7 3000 v0           -> voucher_locked
        3    pay o0 500                   -> paid succeeded 1 r0
        4    rollback r0                  -> held_by_order
        4    release l0                   -> held_by_order
        5    cancel o0 by=7               -> refunding refunding 2 live
        6    rollback r0                  -> held_by_order
        6    redeem v0 7 3000             -> r1 2500+0 until 7d+6
        ",
    );
}

/// No tick has seen the order's end, and the voucher is used for something else: the order is over
/// by the clock, and has nothing to give back any more.
#[test]
fn an_overdue_order_does_not_stand_in_the_way() {
    check(
        &[("c", terms())],
        "
        0    ready c 9000                 -> open
        0    claim c 7                    -> v0 2500
        0    outlet tea 10m               -> s0 version 1
        0    order s0 7 3000 v0 pay=1m    -> o0 2500 off l0 until 1m
        1m   show o0                      -> expired unknown 0 not_paid: payable 500
        1m   todo o0                      -> o0 create payment of 500
        1m   orders 7                     -> o0 expired
        1m   redeem v0 7 3000             -> r0 2500+0 until 7d+1m
        1m   cancel o0 by=7               -> order_state_conflict(expired)
        1m   pay o0 500                   -> refunding refunding 0
        1m   todo o0                      -> o0 refund 1 of 500
        1m   tick                         -> nothing
        1m   money c                      -> available 6500 spent 2500
        2m   order s0 8 100 pay=1m        -> o1 0 off until 3m
        3m   pay o1 100                   -> refunding refunding 0
        ",
    );
    check(
        &[("c", terms())],
        "
        0    ready c 9000                 -> open
        0    claim c 7                    -> v0 2500
        0    outlet tea 1m                -> s0 version 1
        0    order s0 7 3000 v0           -> o0 2500 off l0 until 15m
        0    pay o0 500                   -> paid succeeded 1 r0
        1m   open-orders s0               -> none
        1m   ticket o0 accept 1           -> ticket_version_conflict
        1m   ticket o0 accept 2           -> order_state_conflict(refunding)
        1m   refunded o0 1                -> refund_not_found
        1m   ticket o0 withdraw 2         -> refunding refunding 3 live
        1m   refunded o0 1                -> refunded refunded 3
        1m   voucher v0                   -> live until 10d
        ",
    );
}

#[test]
fn payments_settle_to_the_same_whatever_comes_late_doubled_or_reordered() {
    check(
        &[],
        "
        0    outlet tea 10m               -> s0 version 1
        0    order s0 7 500               -> o0 0 off until 15m
        1    payment o9 created           -> order_not_found
        1    payment o0 pending           -> awaiting_payment pending 0
        1    payment o0 created           -> unchanged
        1    payment o0 pending           -> again awaiting_payment pending 0
        1    payment o0 failed            -> awaiting_payment failed 0
        1    payment o0 failed            -> again awaiting_payment failed 0
        2    payment o0 failed trade=99   -> trade_conflict
        2    payment o0 created provider=other -> trade_conflict
        2    pay o0 500                   -> paid succeeded 1
        3    pay o0 500                   -> again paid succeeded 1
        3    payment o0 closed            -> unchanged
        3    order s0 8 500               -> o1 0 off until 15m+3
        4    payment o1 failed trade=0    -> reference_reused
        4    payment o1 closed            -> expired closed 0
        4    show o1                      -> expired closed 0 not_paid: payable 500
        4    todo o1                      -> nothing
        5    pay o1 500                   -> refunding refunding 0
        5    todo o1                      -> o1 refund 1 of 500
        6    order s0 9 500               -> o2 0 off until 15m+6
        7    cancel o2 by=9               -> cancelled unknown 0
        8    payment o2 failed            -> cancelled unknown 0
        8    todo o2                      -> o2 close payment
        8    payment o2 failed            -> again cancelled unknown 0
        9    order s0 9 500               -> o3 0 off until 15m+9
        10   cancel o3 by=9               -> cancelled unknown 0
        10   todo o3                      -> o3 close payment
        11   payment o3 created           -> cancelled unknown 0
        11   payment o3 pending           -> unchanged
        12   payment o3 closed            -> cancelled closed 0
        12   todo o3                      -> nothing
        13   pay o3 500                   -> refunding refunding 0
        13   pay o3 500                   -> again refunding refunding 0
        13   todo o3                      -> o3 refund 1 of 500
        14   refunded o3 1                -> refunded refunded 0
        14   refunded o3 1                -> again refunded refunded 0
        15   payment o3 failed            -> unchanged
        ",
    );
}

#[test]
fn a_ticket_goes_forward_by_versions() {
    check(
        &[],
        "
        0    outlet tea 10m               -> s0 version 1
        0    outlet milk 10m              -> s1 version 1
        0    order s0 7 500               -> o0 0 off until 15m
        1    ticket o0 accept 0           -> order_state_conflict(awaiting_payment)
        2    pay o0 500                   -> paid succeeded 1
        3    ticket o9 accept 1           -> order_not_found
        3    ticket o0 accept 1 at=s1     -> order_of_another_outlet
        3    ticket o0 accept 2           -> ticket_version_conflict
        3    ticket o0 withdraw 1         -> order_state_conflict(paid)
        4    ticket o0 accept 1           -> accepted succeeded 2
        5    ticket o0 accept 1           -> again accepted succeeded 2
        5    ticket o0 send 1             -> ticket_version_conflict
        5    ticket o0 send 2             -> order_state_conflict(accepted)
        6    refund o0 100 key=1          -> accepted refunding 2
        6    ticket o0 accept 1           -> again accepted succeeded 2
        7    ticket o0 ready 2            -> ready refunding 3
        7    ticket o0 accept 1           -> ticket_version_conflict
        7    ticket o0 reject 3           -> order_state_conflict(ready)
        8    ticket o0 collect 3          -> collected refunding 4
        9    ticket o0 collect 3          -> again collected refunding 4
        9    ticket o0 collect 4          -> order_state_conflict(collected)
        9    cancel o0                    -> order_state_conflict(collected)
        ",
    );
    check(
        &[("c", terms())],
        "
        0    ready c 9000                 -> open
        0    claim c 7                    -> v0 2500
        0    outlet tea 10m               -> s0 version 1
        0    order s0 7 3000 v0           -> o0 2500 off l0 until 15m
        1    pay o0 500                   -> paid succeeded 1 r0
        2    ticket o0 reject 1           -> refunding refunding 2 live
        3    ticket o0 reject 1           -> again refunding refunding 2 live
        4    refunded o0 1                -> refunded refunded 2
        5    ticket o0 reject 1           -> again refunding refunding 2 live
        5    todo o0                      -> nothing
        5    ticket o0 withdraw 2         -> order_state_conflict(refunded)
        5    show o0                      -> refunded refunded 2 rejected: payable 500 captured 500 asked 500 refunded 500
        ",
    );
}

#[test]
fn refunds_come_one_after_another_and_never_above_what_was_paid() {
    check(
        &[],
        "
        0    outlet tea 10m               -> s0 version 1
        0    outlet milk 10m              -> s1 version 1
        0    order s0 7 900               -> o0 0 off until 15m
        1    refund o0 100                -> refund_too_large
        1    pay o0 900                   -> paid succeeded 1
        2    refund o0 0                  -> invalid_field(amount_minor)
        2    refund o0 100 by=7           -> invalid_field(by)
        2    refund o0 100 by=s1          -> order_of_another_outlet
        2    refund o9 100                -> order_not_found
        2    refund o0 901                -> refund_too_large
        3    refund o0 100 by=s0 key=1 ref=R1 -> paid refunding 1
        3    refund o0 100 by=s0 key=1 ref=R1 -> again paid refunding 1
        3    refund o0 100 by=s0 ref=R1   -> again paid refunding 1
        3    refund o0 101 by=s0 ref=R1   -> reference_reused
        3    refund o0 100 by=s0 key=1 ref=R2 -> idempotency_key_reused
        3    todo o0                      -> o0 send ticket 1 to s0, o0 refund 1 of 100
        4    refund o0 200                -> paid refunding 1
        4    todo o0                      -> o0 send ticket 1 to s0, o0 refund 1 of 100
        4    refund o0 601                -> refund_too_large
        5    refunded o0 2                -> refund_not_found
        5    refund-failed o0 1           -> paid refunding 1
        5    refund-failed o0 1           -> again paid refunding 1
        5    todo o0                      -> o0 send ticket 1 to s0, o0 refund 2 of 300 from 1m+1s
        6    refunded o0 2                -> paid succeeded 1
        6    todo o0                      -> o0 send ticket 1 to s0
        7    ticket o0 collect 1          -> collected succeeded 2
        8    refund o0 600                -> collected refunding 2
        9    refunded o0 3                -> collected refunded 2
        9    refund o0 1                  -> refund_too_large
        9    show o0                      -> collected refunded 2: payable 900 captured 900 asked 900 refunded 900
        ",
    );
}

/// A user's cancellation comes while a part is being given back: the rest follows.
#[test]
fn what_is_left_is_given_back_when_an_order_ends_in_the_middle_of_a_refund() {
    check(
        &[],
        "
        0    outlet tea 10m               -> s0 version 1
        0    order s0 7 900               -> o0 0 off until 15m
        1    pay o0 900                   -> paid succeeded 1
        2    refund o0 100                -> paid refunding 1
        3    cancel o0 by=7               -> refunding refunding 2
        3    todo o0                      -> o0 cancel ticket 2 at s0, o0 refund 1 of 100
        4    refunded o0 1                -> refunding refunding 2
        4    todo o0                      -> o0 cancel ticket 2 at s0, o0 refund 2 of 800
        5    refunded o0 2                -> refunded refunded 2
        6    ticket o0 withdraw 2         -> refunded refunded 3
        6    ticket o0 withdraw 2         -> again refunded refunded 3
        6    todo o0                      -> nothing
        7    order s0 7 900               -> o1 0 off until 15m+7
        8    pay o1 900                   -> paid succeeded 1
        9    refund o1 900                -> paid refunding 1
        9    refunded o1 1                -> paid refunded 1
        9    cancel o1                    -> refunded refunded 2
        9    todo o1                      -> o1 cancel ticket 2 at s0
        ",
    );
}

/// With a short window for rollback, or none: the order holds its voucher's rest until it is
/// collected, so that it can always be given back whole.
#[test]
fn an_order_under_way_outlives_the_window_for_rollback() {
    for window_ms in [0, MINUTE] {
        check(
            &[("c", with(|terms| terms.voucher.rollback_within_ms = window_ms))],
            "
            0    ready c 9000                 -> open
            0    claim c 7                    -> v0 2500
            0    claim c 8                    -> v1 2500
            0    outlet tea 10m               -> s0 version 1
            0    order s0 7 1000 v0           -> o0 1000 off r0 until 10m
            0    order s0 8 1000 v1           -> o1 1000 off r1 until 10m
            0    money c                      -> available 4000 reserved 3000 spent 2000
            5m   tick                         -> nothing
            5m   money c                      -> available 4000 reserved 3000 spent 2000
            5m   due                          -> 10m
            6m   cancel o0 by=7               -> cancelled - 2 live
            6m   money c                      -> available 4000 reserved 4000 spent 1000
            7m   ticket o1 collect 1          -> collected - 2
            7m   money c                      -> available 5500 reserved 2500 spent 1000
            7m   tick                         -> nothing
            8m   redeem v0 7 9999             -> r2 2500+0 until 8m
            "
            .replace("until 8m", if window_ms == 0 { "until 8m" } else { "until 9m" })
            .as_str(),
        );
    }
}

#[test]
fn a_voucher_whose_own_time_is_over_expires_when_its_order_ends() {
    check(
        &[("c", with(|terms| terms.voucher.valid_for_ms = HOUR))],
        "
        0      ready c 9000                 -> open
        0      claim c 7                    -> v0 2500
        0      claim c 8                    -> v1 2500
        0      claim c 9                    -> v2 2500
        0      outlet tea 1d                -> s0 version 1
        50m    order s0 7 3000 v0           -> o0 2500 off l0 until 1h+5m
        50m    order s0 8 3000 v1           -> o1 2500 off l1 until 1h+5m
        50m    order s0 9 3000 v2           -> o2 2500 off l2 until 1h+5m
        50m    pay o1 500                   -> paid succeeded 1 r0
        1h     tick                         -> nothing
        1h+1m  cancel o0 by=7               -> cancelled unknown 0 expired
        1h+2m  pay o2 500                   -> paid succeeded 1 r1, ready 1h+3m+38s+447
        1h+3m  cancel o1                    -> refunding refunding 2 expired
        1h+4m  money c                      -> available 6500 spent 2500
        1h+4m  counts c                     -> claims 3 redeemed 1 expired 2
        ",
    );
}

#[test]
fn ticks_end_orders_in_bounded_batches() {
    check(
        &[("c", with(|terms| terms.voucher.kind = VoucherKind::AmountOff { face_minor: 100 }))],
        "
        0    ready c 9000                 -> open
        0    claim c 7                    -> v0 100
        0    claim c 8                    -> v1 100
        0    outlet tea 2m                -> s0 version 1
        0    order s0 7 500 v0 pay=1m     -> o0 100 off l0 until 1m
        0    order s0 9 500 pay=1m        -> o1 0 off until 1m
        0    order s0 8 500 v1 pay=5m     -> o2 100 off l1 until 5m
        0    pay o2 400                   -> paid succeeded 1 r0
        0    order s0 9 500 pay=2m        -> o3 0 off until 2m
        0    pause-outlet tea until=2m    -> paused
        0    due                          -> 1m
        1m   tick 1                       -> l0 o0
        1m   due                          -> 1m
        1m   tick 1                       -> o1
        2m   tick 2                       -> o2 o3
        2m   tick 2                       -> s0
        2m   counts c                     -> claims 2 live 2
        2m   tick                         -> nothing
        ",
    );
    // A tick whose limit keeps it from the locks ends the order first, and the lock with it.
    check(
        &[("c", terms())],
        "
        0    ready c 9000                 -> open
        0    claim c 7                    -> v0 2500
        0    claim c 8                    -> v1 2500
        0    outlet tea 2m                -> s0 version 1
        0    lock v0 7 1m                 -> l0 until 1m
        0    order s0 8 3000 v1 pay=1m    -> o0 2500 off l1 until 1m
        1m   tick 1                       -> l0 o0
        1m   tick                         -> nothing
        1m   counts c                     -> claims 2 live 2
        ",
    );
}

#[test]
fn an_outage_of_ours_gives_orders_grace() {
    check(
        &[("c", terms())],
        "
        0      ready c 9000                 -> open
        0      claim c 7                    -> v0 2500
        0      outlet tea 10m               -> s0 version 1
        0      order s0 7 3000 v0           -> o0 2500 off l0 until 15m
        0      order s0 8 500               -> o1 0 off until 15m
        0      pay o1 500                   -> paid succeeded 1
        1m     resume-service 1m            -> gone 0
        20m    resume-service 1m            -> gone 19m
        20m    show o0                      -> awaiting_payment created 0 until 39m: payable 500
        20m    show o1                      -> paid succeeded 1 until 39m: payable 500 captured 500
        30m    pay o0 500                   -> paid succeeded 1 r0, ready 31m+38s+447
        38m    ticket o1 accept 1           -> accepted succeeded 2
        40m    tick                         -> o0
        ",
    );
}

#[test]
fn lists_of_a_user_and_of_an_outlet() {
    check(
        &[("c", with(|terms| terms.closes_at_ms = 9 * DAY))],
        "
        0    outlet tea 10m               -> s0 version 1
        0    outlet milk 10m              -> s1 version 1
        0    orders 7                     -> none
        0    order s0 7 500               -> o0 0 off until 15m
        0    order s1 7 500 off=500       -> o1 0 off until 10m
        0    order s0 8 500 off=500       -> o2 0 off until 10m
        0    order s0 7 500 off=500       -> o3 0 off until 10m
        0    orders 7                     -> o3 paid, o1 paid, o0 awaiting_payment
        0    orders 7 2                   -> o3 paid, o1 paid
        0    orders 7 before=o1           -> o0 awaiting_payment
        0    orders 7 before=o2           -> none
        0    open-orders s0               -> o2 paid, o3 paid
        0    open-orders s0 1             -> o2 paid
        0    open-orders s0 after=o2      -> o3 paid
        0    open-orders s1               -> o1 paid
        0    open-orders s7               -> none
        1    ticket o2 collect 1          -> collected - 2
        1    open-orders s0               -> o3 paid
        ",
    );
}
