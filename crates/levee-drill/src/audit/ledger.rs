//! One campaign's money: what each fact moves, what must add up after it, and the recount of all
//! campaigns from the tables at the end.
//!
//! Buckets are signed and wide, so that a journal that overspends is followed, not choked on.

use levee_core::types::{CampaignId, CampaignState, Money, Purpose, Terms, VoucherState};

use super::keys::Users;
use super::orders::Order;
use super::report::{
    CampaignReport, CompensationReport, CountsReport, MoneyReport, Notes, SetAsideReport,
};
use super::tables::{Redemption, RedemptionState, Table, Voucher};

/// One campaign.
#[derive(Debug)]
pub(super) struct Campaign {
    pub(super) id: CampaignId,
    pub(super) terms: Terms,
    pub(super) version: u32,
    /// As commanded; the closing time is not looked at here.
    pub(super) state: CampaignState,
    pub(super) money: MoneyReport,
    pub(super) set_aside: SetAsideReport,
    pub(super) counts: CountsReport,
    pub(super) compensation: CompensationReport,
    /// What each user got by claims.
    pub(super) users: Users,
    /// Counted beside the buckets by what happens to vouchers, redemptions and orders.
    pub(super) sums: Sums,
    /// What does not add up, as far as it has been told: one line each, not one a command.
    pub(super) told: [bool; FAULTS],
}

/// Sums over the vouchers, redemptions and orders of a campaign, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) live_faces: i128,
    pub(super) locked_faces: i128,
    pub(super) open_rests: i128,
    pub(super) discounts: i128,
    pub(super) paid_to_outlets: i128,
}

const FAULTS: usize = 8;

impl Campaign {
    pub(super) fn new(id: CampaignId, terms: Terms) -> Self {
        Self {
            id,
            terms,
            version: 1,
            state: CampaignState::Draft,
            money: MoneyReport::default(),
            set_aside: SetAsideReport::default(),
            counts: CountsReport::default(),
            compensation: CompensationReport::default(),
            users: Users::default(),
            sums: Sums::default(),
            told: [false; FAULTS],
        }
    }

    /// The state as the clock has it: after the closing time an open campaign is closed.
    pub(super) fn state_at(&self, now_ms: u64) -> CampaignState {
        let may_close = matches!(self.state, CampaignState::Open | CampaignState::Paused);
        if may_close && now_ms >= self.terms.closes_at_ms {
            return CampaignState::Closed;
        }
        self.state
    }

    /// Available and not set aside: what vouchers and withdrawals may take.
    pub(super) fn free_minor(&self) -> i128 {
        self.money.available_minor - self.set_aside_minor()
    }

    fn set_aside_minor(&self) -> i128 {
        let aside = &self.set_aside;
        aside.invites_minor + aside.envelopes_minor + aside.compensation_minor
    }

    /// The part of the budget for a purpose; vouchers have none of their own.
    pub(super) fn part(&mut self, purpose: Purpose) -> Option<&mut i128> {
        match purpose {
            Purpose::Vouchers => None,
            Purpose::Invites => Some(&mut self.set_aside.invites_minor),
            Purpose::Envelopes => Some(&mut self.set_aside.envelopes_minor),
            Purpose::Compensation => Some(&mut self.set_aside.compensation_minor),
        }
    }

    fn count(&mut self, state: VoucherState) -> &mut u64 {
        match state {
            VoucherState::Live => &mut self.counts.vouchers_live,
            VoucherState::Locked => &mut self.counts.vouchers_locked,
            VoucherState::Redeemed => &mut self.counts.vouchers_redeemed,
            VoucherState::Expired => &mut self.counts.vouchers_expired,
            VoucherState::Revoked => &mut self.counts.vouchers_revoked,
        }
    }

    /// The face leaves the bucket of a voucher in this state. A voucher that has ended holds
    /// nothing: a journal that uses it nevertheless takes from what is available.
    fn take_face(&mut self, state: VoucherState, face: i128) {
        match state {
            VoucherState::Live => {
                self.money.reserved_minor -= face;
                self.sums.live_faces -= face;
            }
            VoucherState::Locked => {
                self.money.in_flight_minor -= face;
                self.sums.locked_faces -= face;
            }
            _ => self.money.available_minor -= face,
        }
    }

    fn put_face(&mut self, state: VoucherState, face: i128) {
        self.take_face(state, -face);
    }

    fn recount_as(&mut self, from: VoucherState, to: VoucherState) {
        let count = self.count(from);
        *count = count.saturating_sub(1);
        *self.count(to) += 1;
    }

    /// A voucher is issued for a claim.
    pub(super) fn issue(&mut self, face_minor: u32) {
        self.counts.claims += 1;
        self.reserve(face_minor);
    }

    /// A voucher is issued for an order that ended, out of what is set aside.
    pub(super) fn apologise(&mut self, face_minor: u32) {
        self.compensation.apologies += 1;
        self.compensation.apologies_minor += i128::from(face_minor);
        self.set_aside.compensation_minor -= i128::from(face_minor);
        self.reserve(face_minor);
    }

    fn reserve(&mut self, face_minor: u32) {
        self.money.available_minor -= i128::from(face_minor);
        self.put_face(VoucherState::Live, face_minor.into());
        self.counts.vouchers_live += 1;
    }

    /// An outlet is paid for an order that ended, out of what is set aside.
    pub(super) fn pay_outlet(&mut self, amount_minor: u64) {
        let amount = i128::from(amount_minor);
        self.compensation.outlets_minor += amount;
        self.set_aside.compensation_minor -= amount;
        self.money.available_minor -= amount;
        self.money.spent_minor += amount;
        self.sums.paid_to_outlets += amount;
    }

    /// A voucher that is not redeemed, neither before nor after, changes its state.
    pub(super) fn turn(&mut self, voucher: &mut Voucher, to: VoucherState) {
        let face = i128::from(voucher.face_minor);
        self.take_face(voucher.state, face);
        self.put_face(to, face);
        self.recount_as(voucher.state, to);
        voucher.state = to;
    }

    /// A voucher is redeemed: the discount is spent, the rest stays reserved while the redemption
    /// is open.
    pub(super) fn redeem(&mut self, voucher: &mut Voucher, redemption: &Redemption) {
        let (discount, rest) = redemption.parts();
        self.take_face(voucher.state, voucher.face_minor.into());
        self.money.spent_minor += discount;
        self.sums.discounts += discount;
        self.put_rest(redemption.state, rest);
        self.recount_as(voucher.state, VoucherState::Redeemed);
        voucher.state = VoucherState::Redeemed;
    }

    fn put_rest(&mut self, state: RedemptionState, rest: i128) {
        if state == RedemptionState::Open {
            self.money.reserved_minor += rest;
            self.sums.open_rests += rest;
        } else {
            self.money.available_minor += rest;
        }
    }

    /// A redemption can no longer be rolled back.
    pub(super) fn settle(&mut self, redemption: &mut Redemption) {
        let (_, rest) = redemption.parts();
        self.put_rest(redemption.state, -rest);
        redemption.state = RedemptionState::Settled;
        self.put_rest(redemption.state, rest);
    }

    /// A redemption is undone, and its voucher is live again or expired.
    pub(super) fn roll_back(
        &mut self,
        voucher: &mut Voucher,
        redemption: &mut Redemption,
        to: VoucherState,
    ) {
        let (discount, rest) = redemption.parts();
        self.money.spent_minor -= discount;
        self.sums.discounts -= discount;
        self.put_rest(redemption.state, -rest);
        redemption.state = RedemptionState::RolledBack;
        self.put_face(to, discount + rest);
        self.recount_as(voucher.state, to);
        voucher.state = to;
    }

    /// The buckets as the journal writes them; None where one is not a sum of money.
    pub(super) fn money_as_written(&self) -> Option<Money> {
        let minor = |bucket: i128| u64::try_from(bucket).ok();
        Some(Money {
            funded_minor: minor(self.money.funded_minor)?,
            available_minor: minor(self.money.available_minor)?,
            reserved_minor: minor(self.money.reserved_minor)?,
            in_flight_minor: minor(self.money.in_flight_minor)?,
            escrowed_minor: minor(self.money.escrowed_minor)?,
            owed_minor: minor(self.money.owed_minor)?,
            spent_minor: minor(self.money.spent_minor)?,
            returned_minor: minor(self.money.returned_minor)?,
        })
    }

    /// Everything that must hold after every command. What is broken is noted when it breaks, but
    /// not when `explained`: the command's own difference has said why then.
    pub(super) fn check_sums(&mut self, notes: &mut Notes, explained: bool) {
        let (money, counts, sums) = (&self.money, &self.counts, &self.sums);
        let parts = [
            money.available_minor,
            money.reserved_minor,
            money.in_flight_minor,
            money.escrowed_minor,
            money.owed_minor,
            money.spent_minor,
            money.returned_minor,
        ];
        let aside = &self.set_aside;
        let aside = [aside.invites_minor, aside.envelopes_minor, aside.compensation_minor];
        let issued = counts.claims + self.compensation.apologies;
        let holds = [
            parts.iter().sum::<i128>() == money.funded_minor,
            parts.iter().all(|part| *part >= 0),
            self.set_aside_minor() <= money.available_minor,
            aside.iter().all(|part| *part >= 0),
            money.reserved_minor == sums.live_faces + sums.open_rests,
            money.in_flight_minor == sums.locked_faces,
            money.spent_minor == sums.discounts + sums.paid_to_outlets,
            issued
                == counts.vouchers_live
                    + counts.vouchers_locked
                    + counts.vouchers_redeemed
                    + counts.vouchers_expired
                    + counts.vouchers_revoked,
        ];
        if holds == [true; FAULTS] {
            self.told = [false; FAULTS];
            return;
        }
        let faults: [&str; FAULTS] = [
            "the buckets do not sum up to what was funded",
            "a bucket is below zero",
            "more is set aside than is available",
            "a part that is set aside is below zero",
            "reserved is not the face of live vouchers and the open rests",
            "in flight is not the face of locked vouchers",
            "spent is not the discounts and what outlets were paid",
            "the vouchers in all states are not the vouchers issued",
        ];
        for (fault, what) in faults.iter().enumerate() {
            let is_new = !holds[fault] && !self.told[fault];
            if is_new && !explained {
                let (id, money, counts) = (&self.id, &self.money, &self.counts);
                notes.note(format!("campaign {id}: {what}: {money:?}, {counts:?}"));
            }
            self.told[fault] = !holds[fault];
        }
    }

    pub(super) fn report(&self, now_ms: u64) -> CampaignReport {
        CampaignReport {
            id: self.id.as_str().to_owned(),
            state: self.state_at(now_ms),
            money: self.money,
            counts: self.counts,
            set_aside: self.set_aside,
            compensation: self.compensation,
        }
    }
}

/// Counts the tables through once more and compares with what was kept command by command. `orders`:
/// each with the place of the campaign whose terms of compensation hold for it.
pub(super) fn recount_at_the_end<'a>(
    campaigns: &[Campaign],
    vouchers: &Table<Voucher>,
    redemptions: &Table<Redemption>,
    orders: impl Iterator<Item = (u32, &'a Order)>,
    notes: &mut Notes,
) {
    let mut recounted: Vec<Campaign> = campaigns
        .iter()
        .map(|campaign| Campaign::new(campaign.id.clone(), campaign.terms.clone()))
        .collect();
    let at = |campaign: u32| usize::try_from(campaign).expect("a place in the list of campaigns");
    for voucher in vouchers.iter() {
        let campaign = &mut recounted[at(voucher.campaign)];
        let face = i128::from(voucher.face_minor);
        if voucher.is_apology {
            campaign.compensation.apologies += 1;
            campaign.compensation.apologies_minor += face;
        } else {
            campaign.counts.claims += 1;
        }
        *campaign.count(voucher.state) += 1;
        match voucher.state {
            VoucherState::Live => campaign.sums.live_faces += face,
            VoucherState::Locked => campaign.sums.locked_faces += face,
            VoucherState::Redeemed | VoucherState::Expired | VoucherState::Revoked => {}
        }
    }
    for redemption in redemptions.iter() {
        let Some(voucher) = vouchers.get(redemption.voucher.0) else { continue };
        let sums = &mut recounted[at(voucher.campaign)].sums;
        if redemption.state != RedemptionState::RolledBack {
            sums.discounts += i128::from(redemption.discount_minor);
        }
        if redemption.state == RedemptionState::Open {
            sums.open_rests += i128::from(redemption.rest_minor);
        }
    }
    for (campaign, order) in orders {
        let campaign = &mut recounted[at(campaign)];
        campaign.sums.paid_to_outlets += i128::from(order.outlet_paid_minor);
        campaign.compensation.outlets_minor += i128::from(order.outlet_paid_minor);
        campaign.compensation.unpaid_minor += i128::from(order.unpaid_minor);
    }
    for (kept, counted) in campaigns.iter().zip(&recounted) {
        let id = &kept.id;
        let (was, is) = ((kept.counts, kept.compensation), (counted.counts, counted.compensation));
        notes.check(was == is, || format!("campaign {id}: counted {is:?}, kept {was:?}"));
        let spent = kept.money.spent_minor;
        let expected = counted.sums.discounts + counted.sums.paid_to_outlets;
        notes.check(kept.sums == counted.sums && spent == expected, || {
            format!(
                "campaign {id}: counted {:?}, kept {:?}, spent {spent}",
                counted.sums, kept.sums
            )
        });
    }
}
