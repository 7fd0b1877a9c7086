//! Sums that no journal can break without another difference first: broken by hand here, as a
//! slip in the audit itself would.

use super::super::ledger::{Campaign, recount_at_the_end};
use super::super::report::{DIFFERENCES_MAX, Notes};
use super::super::tables::{Table, Voucher};
use super::*;

fn campaign() -> Campaign {
    let mut campaign = Campaign::new(CampaignId::new("new-year").unwrap(), terms());
    campaign.money.funded_minor = 10_000;
    campaign.money.available_minor = 10_000;
    campaign.issue(2_500);
    campaign
}

fn voucher() -> Voucher {
    Voucher {
        user: user(1),
        issued_at_ms: 1_000,
        valid_until_ms: 11_000,
        campaign: 0,
        face_minor: 2_500,
        is_apology: false,
        lock: None,
        state: VoucherState::Live,
    }
}

fn whats(notes: &Notes) -> Vec<&str> {
    notes.kept.iter().map(|found| found.what.split(": ").nth(1).unwrap()).collect()
}

#[test]
fn sums_that_do_not_add_up() {
    type Case = (fn(&mut Campaign), &'static str);
    let cases: [Case; 9] = [
        (|c| c.money.funded_minor += 1, "the buckets do not sum up to what was funded"),
        (
            |c| {
                c.money.owed_minor -= 1;
                c.money.escrowed_minor += 1;
            },
            "a bucket is below zero",
        ),
        (|c| c.set_aside.envelopes_minor = 7_501, "more is set aside than is available"),
        (
            |c| (c.set_aside.compensation_minor, c.set_aside.invites_minor) = (-1, 1),
            "a part that is set aside is below zero",
        ),
        (
            |c| c.sums.live_faces -= 1,
            "reserved is not the face of live vouchers and the open rests",
        ),
        (
            |c| c.sums.open_rests += 1,
            "reserved is not the face of live vouchers and the open rests",
        ),
        (|c| c.sums.locked_faces += 1, "in flight is not the face of locked vouchers"),
        (|c| c.sums.paid_to_outlets += 1, "spent is not the discounts and what outlets were paid"),
        (
            |c| c.counts.vouchers_expired += 1,
            "the vouchers in all states are not the vouchers issued",
        ),
    ];
    for (break_it, expected) in cases {
        let (mut campaign, mut notes) = (campaign(), Notes::default());
        campaign.check_sums(&mut notes, false);
        assert_eq!(notes.count, 0);
        break_it(&mut campaign);
        campaign.check_sums(&mut notes, false);
        // Told once, not with every command that follows.
        campaign.check_sums(&mut notes, false);
        assert_eq!(whats(&notes), [expected]);
    }
}

#[test]
fn a_fault_that_a_difference_explains_is_not_told_again() {
    let (mut campaign, mut notes) = (campaign(), Notes::default());
    campaign.money.available_minor -= 1;
    campaign.check_sums(&mut notes, true);
    campaign.check_sums(&mut notes, false);
    assert_eq!(notes.count, 0);
}

#[test]
fn the_tables_are_counted_again_at_the_end() {
    let mut vouchers = Table::new("voucher");
    vouchers.put(0, Some(voucher()));
    let redemptions = Table::new("redemption");
    type Case = (fn(&mut Campaign), u64);
    let cases: [Case; 9] = [
        (|_| {}, 0),
        (|c| c.compensation.apologies += 1, 1),
        (|c| c.compensation.unpaid_minor += 1, 1),
        (|c| c.sums.paid_to_outlets += 1, 1),
        (|c| c.counts.claims += 1, 1),
        (|c| c.counts.vouchers_locked += 1, 1),
        (|c| c.sums.live_faces += 1, 1),
        (|c| c.sums.open_rests += 1, 1),
        (|c| c.money.spent_minor += 1, 1),
    ];
    for (place, (break_it, expected)) in cases.into_iter().enumerate() {
        let (mut campaign, mut notes) = (campaign(), Notes::default());
        break_it(&mut campaign);
        let no_orders = std::iter::empty();
        recount_at_the_end(&[campaign], &vouchers, &redemptions, no_orders, &mut notes);
        assert_eq!(notes.count, expected, "case {place}: {:?}", notes.kept);
    }
}

#[test]
fn a_flood_of_differences_is_counted_and_not_kept() {
    let mut notes = Notes::default();
    (0..1_000).for_each(|_| notes.note("again"));
    assert_eq!((notes.count, notes.kept.len()), (1_000, DIFFERENCES_MAX));
}
