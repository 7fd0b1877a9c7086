//! Where and when a voucher may be used: brand, category, and hour of the local day.

use super::script::check;
use super::{HOUR, with};
use crate::types::{DayPart, Terms, ZoneOffset};

fn at_hours(parts: &[(u16, u16)], offsets: &[(u64, i16)]) -> Terms {
    with(|terms| {
        let parts = parts.iter();
        terms.voucher.hours = parts
            .map(|(from, until)| DayPart { from_minute: from * 60, until_minute: until * 60 })
            .collect();
        let offsets = offsets.iter();
        terms.offsets = offsets
            .map(|(from_ms, minutes)| ZoneOffset { from_ms: *from_ms, minutes: *minutes })
            .collect();
    })
}

#[test]
fn brands_and_categories() {
    let terms = with(|terms| {
        terms.voucher.brands = vec!["tea-one".into(), "tea-two".into()];
        terms.voucher.categories = vec!["milk-tea".into(), "coffee".into()];
    });
    check(
        &[("c", terms)],
        "
        0  ready c 9000                                        -> open
        0  claim c 7                                           -> v0 2500
        0  validate v0 7 3000                                  -> voucher_not_applicable
        0  validate v0 7 3000 brand=tea-one                    -> voucher_not_applicable
        0  validate v0 7 3000 cat=coffee                       -> voucher_not_applicable
        0  validate v0 7 3000 brand=tea-six cat=coffee         -> voucher_not_applicable
        0  validate v0 7 3000 brand=tea-two cat=cake           -> voucher_not_applicable
        0  validate v0 7 3000 brand=tea-two cat=cake,coffee    -> 2500
        0  redeem v0 7 3000 brand=tea-six cat=milk-tea         -> voucher_not_applicable
        0  redeem v0 7 3000 brand=tea-one cat=milk-tea         -> r0 2500+0 until 7d
        ",
    );
}

#[test]
fn without_a_list_everything_goes() {
    check(
        &[("c", with(|terms| terms.voucher.brands = vec!["tea".into()]))],
        "
        0  ready c 9000                                -> open
        0  claim c 7                                   -> v0 2500
        0  validate v0 7 3000 brand=tea                -> 2500
        0  validate v0 7 3000 brand=tea cat=a,b,c,d,e  -> 2500
        0  validate v0 7 3000 cat=a                    -> voucher_not_applicable
        ",
    );
}

#[test]
fn hours_are_of_the_campaigns_zone() {
    // 10 to 22 in Shanghai is 2 to 14 in UTC.
    check(
        &[("c", at_hours(&[(10, 22)], &[(0, 480)]))],
        "
        0          ready c 9000         -> open
        0          claim c 7            -> v0 2500
        1h+59m     validate v0 7 3000   -> voucher_not_applicable
        2h         validate v0 7 3000   -> 2500
        13h+59m    validate v0 7 3000   -> 2500
        14h        validate v0 7 3000   -> voucher_not_applicable
        1d+2h      redeem v0 7 3000     -> r0 2500+0 until 8d+2h
        ",
    );
}

#[test]
fn hours_may_pass_midnight_and_zones_may_lie_west() {
    // 22 to 2 in New York is 3 to 7 in UTC.
    check(
        &[("c", at_hours(&[(22, 2)], &[(0, -300)]))],
        "
        0          ready c 9000         -> open
        0          claim c 7            -> v0 2500
        0          validate v0 7 3000   -> voucher_not_applicable
        2h+59m     validate v0 7 3000   -> voucher_not_applicable
        3h         validate v0 7 3000   -> 2500
        5h         validate v0 7 3000   -> 2500
        6h+59m     validate v0 7 3000   -> 2500
        7h         validate v0 7 3000   -> voucher_not_applicable
        1d+3h      validate v0 7 3000   -> 2500
        ",
    );
}

#[test]
fn several_parts_of_the_day_up_to_midnight() {
    check(
        &[("c", at_hours(&[(7, 9), (20, 24)], &[]))],
        "
        0             ready c 9000         -> open
        0             claim c 7            -> v0 2500
        0             validate v0 7 3000   -> voucher_not_applicable
        7h            validate v0 7 3000   -> 2500
        9h            validate v0 7 3000   -> voucher_not_applicable
        20h           validate v0 7 3000   -> 2500
        23h+59m+59s   validate v0 7 3000   -> 2500
        1d            validate v0 7 3000   -> voucher_not_applicable
        ",
    );
}

#[test]
fn clocks_may_change_within_a_campaign() {
    // An hour ahead from hour 75 on: 10 o'clock comes at 9 UTC on day 4, at 10 UTC before.
    check(
        &[("c", at_hours(&[(10, 11)], &[(0, 0), (75 * HOUR, 60)]))],
        "
        0             ready c 9000         -> open
        0             claim c 7            -> v0 2500
        2d+9h         validate v0 7 3000   -> voucher_not_applicable
        2d+10h        validate v0 7 3000   -> 2500
        4d+9h         validate v0 7 3000   -> 2500
        4d+10h        validate v0 7 3000   -> voucher_not_applicable
        ",
    );
}
