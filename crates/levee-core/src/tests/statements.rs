//! An outlet's statement: its orders of some time, newest first.

use super::EXACT;
use super::script::check_with;

#[test]
fn a_statement_has_an_outlets_own_orders_and_those_that_came_to_it() {
    check_with(
        EXACT,
        &[],
        "
        0    outlet tea 10m unit=4m stations=1    -> s0 version 1
        0    outlet milk 10m unit=4m stations=1   -> s1 version 1
        0    statement s0 0 1d                    -> none
        1m   order s0 7 500                       -> o0 0 off until 16m
        2m   order s1 7 500                       -> o1 0 off until 17m
        3m   order s0 8 500 others=s1             -> o2 0 off until 18m
        4m   order s0 8 500                       -> o3 0 off until 19m
        5m   order s1 8 500                       -> o4 0 off until 20m
        5m   statement s0 0 1d                    -> o3 awaiting_payment, o2 awaiting_payment, o0 awaiting_payment
        5m   pay o2 500                           -> paid succeeded 1, ready 18m+12s
        5m   ticket o2 reject 1                   -> o2 to s1 2 at 18m+12s
        5m   statement s0 0 1d                    -> o3 awaiting_payment, o0 awaiting_payment
        5m   statement s1 0 1d                    -> o4 awaiting_payment, o2 paid, o1 awaiting_payment
        5m   statement s1 0 1d 2                  -> o4 awaiting_payment, o2 paid
        5m   statement s1 0 1d 2 before=o2        -> o1 awaiting_payment
        5m   statement s1 0 1d before=o1          -> none
        5m   statement s1 2m 5m                   -> o2 paid, o1 awaiting_payment
        5m   statement s1 2m+1 5m+1               -> o4 awaiting_payment, o2 paid
        5m   statement s7 0 1d                    -> none
        5m   restart                              -> as before
        5m   statement s1 0 1d                    -> o4 awaiting_payment, o2 paid, o1 awaiting_payment
        6m   outlet tea 11m unit=4m stations=1    -> s0 version 2
        6m   statement s0 0 1d                    -> o3 awaiting_payment, o0 awaiting_payment
        ",
    );
}
