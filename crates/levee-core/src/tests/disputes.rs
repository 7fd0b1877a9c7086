//! Money that a provider took and should not have: it is on record, and somebody looks.

use super::script::check;

#[test]
fn another_amount_or_another_number_is_put_on_record() {
    check(
        &[],
        "
        0    outlet tea 10m               -> s0 version 1
        0    order s0 7 500               -> o0 0 off until 15m
        1    pay o0 499                   -> disputed
        1    pay o0 499                   -> again disputed
        1    todo o0                      -> o0 look at payment, o0 review payment
        1    show o0                      -> awaiting_payment created 0 until 15m: payable 500
        2    pay o0 501                   -> disputed
        3    pay o0 500                   -> paid succeeded 1
        3    pay o0 500                   -> again paid succeeded 1
        4    pay o0 500 trade=99          -> disputed
        4    pay o0 500 provider=other    -> disputed
        4    pay o0 400                   -> disputed
        4    todo o0                      -> o0 send ticket 1 to s0, o0 review payment
        5    settle o0 key=1              -> settled
        5    settle o0 key=1              -> again settled
        5    settle o0                    -> unchanged
        5    settle o9                    -> order_not_found
        5    todo o0                      -> o0 send ticket 1 to s0
        6    pay o0 400                   -> again disputed
        6    todo o0                      -> o0 send ticket 1 to s0
        7    pay o0 401                   -> disputed
        7    todo o0                      -> o0 send ticket 1 to s0, o0 review payment
        8    payment o0 failed trade=99   -> trade_conflict
        ",
    );
}

/// The number that is heard of first is the order's, whatever amount it came with.
#[test]
fn a_number_pays_one_order() {
    check(
        &[],
        "
        0    outlet tea 10m               -> s0 version 1
        0    order s0 7 500               -> o0 0 off until 15m
        0    order s0 8 500               -> o1 0 off until 15m
        0    order s0 9 500 off=500       -> o2 0 off until 10m
        1    pay o0 500                   -> paid succeeded 1
        2    pay o1 500 trade=0           -> disputed
        2    pay o1 500 trade=0           -> again disputed
        2    pay o1 499 trade=0           -> disputed
        2    pay o2 500 trade=0           -> payment_not_found
        2    pay o9 500 trade=0           -> order_not_found
        2    payment o1 created           -> trade_conflict
        2    pay o1 500                   -> disputed
        2    show o1                      -> awaiting_payment created 0 until 15m: payable 500
        2    todo o1                      -> o1 look at payment, o1 review payment
        15m  tick                         -> o2 o0 o1
        15m  todo o1                      -> o1 close payment, o1 review payment
        15m  restart                      -> as before
        15m  settle o1                    -> settled
        15m  pay o1 499 trade=0           -> again disputed
        15m  todo o1                      -> o1 close payment
        ",
    );
}

/// A dispute changes nothing else, even where the order's time is over; a tick does that.
#[test]
fn an_overdue_order_is_ended_by_something_else() {
    check(
        &[],
        "
        0    outlet tea 10m               -> s0 version 1
        0    order s0 7 500               -> o0 0 off until 15m
        20m  pay o0 400                   -> disputed
        20m  settle o0                    -> settled
        20m  due                          -> 15m
        20m  show o0                      -> expired unknown 0 not_paid: payable 500
        20m  tick                         -> o0
        21m  pay o0 400                   -> again disputed
        21m  pay o0 300                   -> disputed
        21m  pay o0 500                   -> refunding refunding 0
        21m  todo o0                      -> o0 refund 1 of 500, o0 review payment
        22m  refunded o0 1                -> refunded refunded 0
        22m  todo o0                      -> o0 review payment
        ",
    );
}
