//! Redemptions, and their undoing.

use levee_core::types::{
    BILL_MINOR_MAX, Bill, CampaignNo, LockNo, Outcome, RedeemVoucher, RedemptionNo, VoucherKind,
    VoucherState,
};

use super::keys::{Names, ReferenceKind};
use super::recount::Recount;
use super::tables::{LockState, Redemption, RedemptionState, Voucher};
use super::terms::{discount_minor, is_in_hours, not_applicable};
use super::vouchers::or_expected;

impl Recount {
    pub(super) fn redeem(&mut self, ask: &RedeemVoucher, names: Names, outcome: &Outcome) {
        let Outcome::Redeemed { redemption: number, discount_minor, rest_minor, rollback_until_ms } =
            *outcome
        else {
            return;
        };
        if let Some(what) = self.redemptions.misnumbered(number.0) {
            self.notes.note(what);
        }
        let bill = &ask.bill;
        let Some(voucher) = self.voucher_now(bill.voucher) else {
            self.redemptions.put(number.0, None);
            return;
        };
        self.check_owner(bill.voucher, &voucher, bill.user);
        self.check_usable(ask, &voucher);
        self.check_bill(bill, &voucher, discount_minor);
        let kind = ReferenceKind::Redemption;
        self.reference(kind, voucher.campaign, &ask.reference, names.reference);

        let face = voucher.face_minor;
        let terms = &self.campaigns[CampaignNo(voucher.campaign).index()].terms.voucher;
        let (discount, expected_rest) = match face.checked_sub(discount_minor) {
            Some(rest) => (discount_minor, rest),
            None => {
                self.notes.note(format!("{discount_minor} off with a voucher of {face}"));
                (face, 0)
            }
        };
        self.notes.check(discount_minor > face || rest_minor == expected_rest, || {
            format!("{expected_rest} of the face are left, not {rest_minor}")
        });
        let expected_end = self.now_ms.saturating_add(terms.rollback_within_ms);
        self.notes.check(rollback_until_ms == expected_end, || {
            format!("it can be undone until {expected_end}, not {rollback_until_ms}")
        });
        let is_open = rollback_until_ms > self.now_ms;
        let redemption = Redemption {
            voucher: bill.voucher,
            at_ms: self.now_ms,
            rollback_until_ms,
            discount_minor: discount,
            rest_minor: expected_rest,
            state: if is_open { RedemptionState::Open } else { RedemptionState::Settled },
            order: None,
        };
        self.use_up(number, &redemption);
        self.check_sums(voucher.campaign);
    }

    /// A redemption is put into the table, its voucher is used, and a lock that held it ends.
    pub(super) fn use_up(&mut self, number: RedemptionNo, redemption: &Redemption) {
        if self.redemptions.put(number.0, Some(*redemption))
            && let Some(voucher) = self.vouchers.get_mut(redemption.voucher.0)
        {
            self.campaigns[CampaignNo(voucher.campaign).index()].redeem(voucher, redemption);
            if let Some(lock) = voucher.lock.take().and_then(|lock| self.locks.get_mut(lock.0)) {
                lock.state = LockState::Used;
            }
        }
    }

    /// Live and named without a lock, or locked and named with that lock.
    fn check_usable(&mut self, ask: &RedeemVoucher, voucher: &Voucher) {
        let number = ask.bill.voucher;
        let of_order = ask.lock.and_then(|lock| self.locks.get(lock.0)?.order);
        self.notes.check(of_order.is_none(), || {
            format!("voucher {number} is used by an app, and locked by an order")
        });
        let name = |lock: Option<LockNo>| lock.map_or("none".to_owned(), |lock| lock.to_string());
        match self.state_now(voucher) {
            VoucherState::Live => self.notes.check(ask.lock.is_none(), || {
                format!("lock {} does not hold voucher {number} any more", name(ask.lock))
            }),
            VoucherState::Locked => self.notes.check(ask.lock == voucher.lock, || {
                let (held_by, named) = (name(voucher.lock), name(ask.lock));
                format!("voucher {number} is held by lock {held_by}, named was {named}")
            }),
            state => {
                self.notes.note(format!("voucher {number} was redeemed, though it was {state:?}"));
            }
        }
    }

    /// The terms give this discount on this bill.
    pub(super) fn check_bill(&mut self, ask: &Bill, voucher: &Voucher, stated_minor: u32) {
        let knows_rules = self.knows_rules();
        let campaign = &self.campaigns[CampaignNo(voucher.campaign).index()];
        let (terms, notes, bill) = (&campaign.terms, &mut self.notes, ask.order_minor);
        notes.check(bill <= BILL_MINOR_MAX, || format!("a bill of {bill} is out of bounds"));
        if let Some(what) = not_applicable(&terms.voucher, ask) {
            notes.note(format!("the voucher is not for this {what}"));
        }
        notes.check(is_in_hours(terms, self.now_ms), || "the voucher is not for this hour".into());
        let least = if voucher.is_apology { 0 } else { terms.voucher.min_spend_minor };
        notes.check(bill >= least, || format!("a bill of {bill}, where {least} is the least"));
        let stated = u64::from(stated_minor);
        notes.check(stated > 0 && stated <= bill, || format!("{stated} off a bill of {bill}"));
        if knows_rules && stated > 0 && stated <= bill {
            let kind = if voucher.is_apology {
                VoucherKind::AmountOff { face_minor: voucher.face_minor }
            } else {
                terms.voucher.kind
            };
            let expected = discount_minor(kind, bill);
            notes.check(stated == expected, || {
                format!("{stated} off a bill of {bill}, where the terms give {expected}")
            });
        }
    }

    pub(super) fn roll_back(&mut self, number: RedemptionNo, stated: VoucherState) {
        let Some(redemption) = self.redemptions.get(number.0).copied() else {
            self.notes.note(format!("there is no redemption {number}"));
            return;
        };
        if redemption.state == RedemptionState::RolledBack {
            self.notes.note(format!("redemption {number} was undone already"));
            return;
        }
        self.notes
            .check(redemption.order.is_none(), || format!("redemption {number} is an order's"));
        let end_ms = self.redemption_end_ms(&redemption);
        let is_over = end_ms <= self.now_ms || redemption.state == RedemptionState::Settled;
        self.notes.check(!is_over, || {
            format!("redemption {number} was undone, though that was over at {end_ms}")
        });
        let Some(voucher) = self.vouchers.get(redemption.voucher.0).copied() else { return };
        let expected = self.state_when_let_go(&voucher);
        self.notes.check(stated == expected, || {
            format!("voucher {} is {expected:?} after that, not {stated:?}", redemption.voucher)
        });
        if let Some(voucher) = self.vouchers.get_mut(redemption.voucher.0)
            && let Some(redemption) = self.redemptions.get_mut(number.0)
        {
            let campaign = &mut self.campaigns[CampaignNo(voucher.campaign).index()];
            campaign.roll_back(voucher, redemption, or_expected(stated, expected));
        }
        self.check_sums(voucher.campaign);
    }
}
