//! Refunds that a provider refuses: tried again later and later, and after many refusals when somebody
//! has looked. And refunds of which it says one thing, and then the other.

use super::script::check;

const PAID_AND_CANCELLED: &str = "
        0    outlet tea 10m               -> s0 version 1
        0    order s0 7 500               -> o0 0 off until 15m
        1    pay o0 500                   -> paid succeeded 1
        2    ticket o0 reject 1           -> refunding refunding 2
        2    todo o0                      -> o0 refund 1 of 500
        ";

/// The pauses after each refusal but the last, in minutes.
const PAUSES_MIN: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360];

#[test]
fn a_refund_that_is_refused_goes_out_again_later_and_later_and_then_somebody_looks() {
    let mut script = PAID_AND_CANCELLED.to_owned();
    let (mut at_min, mut refund) = (1, 1);
    let failed = |at_min: u64, refund: u32| {
        format!("{at_min}m refund-failed o0 {refund} -> refunding refunding 2\n")
    };
    for pause_min in PAUSES_MIN {
        script += &failed(at_min, refund);
        script += &format!("{at_min}m refund-failed o0 {refund} -> again refunding refunding 2\n");
        let (now, from) = (format!("{at_min}m"), show(at_min + pause_min));
        (at_min, refund) = (at_min + pause_min, refund + 1);
        script += &format!("{now} todo o0 -> o0 refund {refund} of 500 from {from}\n");
    }
    assert_eq!((at_min, refund), (1 + 20 * 60 + 31, 12), "within a day");
    script += &failed(at_min, refund);
    script += &format!(
        "
        {at_min}m todo o0                 -> o0 review payment
        {at_min}m restart                 -> as before
        {at_min}m show o0                 -> refunding refunding 2 rejected: payable 500 captured 500 asked 500
        9d   todo o0                      -> o0 review payment
        9d   settle o0 key=1              -> settled
        9d   todo o0                      -> o0 refund 13 of 500
        9d   refund-failed o0 13          -> refunding refunding 2
        9d   todo o0                      -> o0 refund 14 of 500 from 9d+1m
        9d   settle o0 key=2              -> unchanged
        9d   refunded o0 14               -> refunded refunded 2
        9d   todo o0                      -> nothing
        "
    );
    check(&[], &script);
}

/// As a script shows minutes.
fn show(minutes: u64) -> String {
    let (days, hours, minutes) = (minutes / 1_440, minutes % 1_440 / 60, minutes % 60);
    let parts = [(days, "d"), (hours, "h"), (minutes, "m")];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    parts.map(|(count, unit)| format!("{count}{unit}")).collect::<Vec<_>>().join("+")
}

/// Refusals count in a row: one that is done begins anew, and what is asked for meanwhile waits with
/// what was refused.
#[test]
fn a_refund_that_is_done_forgets_the_refusals_before_it() {
    check(
        &[],
        "
        0    outlet tea 10m               -> s0 version 1
        0    order s0 7 500               -> o0 0 off until 15m
        1    pay o0 500                   -> paid succeeded 1
        2    ticket o0 collect 1          -> collected succeeded 2
        1m   refund o0 100                -> collected refunding 2
        1m   refund-failed o0 1           -> collected refunding 2
        1m   todo o0                      -> o0 refund 2 of 100 from 2m
        1m   refund o0 50 ref=b           -> collected refunding 2
        1m   todo o0                      -> o0 refund 2 of 100 from 2m
        2m   refunded o0 2                -> collected refunding 2
        2m   todo o0                      -> o0 refund 3 of 50
        2m   refund-failed o0 3           -> collected refunding 2
        2m   todo o0                      -> o0 refund 4 of 50 from 3m
        3m   refunded o0 4                -> collected succeeded 2
        3m   refund o0 1 ref=c            -> collected refunding 2
        3m   todo o0                      -> o0 refund 5 of 1
        ",
    );
}

#[test]
fn a_refund_that_came_back_is_put_on_record() {
    let script = "
        3    refunded o0 1                -> refunded refunded 2
        4    refund-failed o0 1           -> disputed
        4    refund-failed o0 1           -> again disputed
        4    refunded o0 1                -> again refunded refunded 2
        4    show o0                      -> refunded refunded 2 rejected: payable 500 captured 500 asked 500 refunded 500
        4    todo o0                      -> o0 review payment
        4    restart                      -> as before
        5    settle o0                    -> settled
        5    refund-failed o0 1           -> again disputed
        5    todo o0                      -> nothing
        5    refund-failed o0 2           -> refund_not_found
        ";
    check(&[], &(PAID_AND_CANCELLED.to_owned() + script));
}

/// The next one must not go out behind it unless somebody says so.
#[test]
fn a_refund_that_came_although_it_was_refused_keeps_the_next_one_back() {
    let script = "
        3    refund-failed o0 1           -> refunding refunding 2
        3    todo o0                      -> o0 refund 2 of 500 from 1m+1s
        4    refunded o0 1                -> disputed
        4    todo o0                      -> o0 review payment
        4    refunded o0 1                -> again disputed
        5    settle o0                    -> settled
        5    todo o0                      -> o0 refund 2 of 500
        6    refunded o0 1                -> again disputed
        6    todo o0                      -> o0 refund 2 of 500
        6    refunded o0 2                -> refunded refunded 2
        6    todo o0                      -> nothing
        ";
    check(&[], &(PAID_AND_CANCELLED.to_owned() + script));
}
