//! What is given for orders that ended without the fault of those who get it: by the terms of the
//! order's campaign, out of what is set aside for it, each part whole or not at all.

use levee_core::types::{CampaignNo, Compensation, CompensationTerms, VoucherState};

use super::order::Order;
use crate::audit::recount::Recount;
use crate::audit::tables::Voucher;

impl Recount {
    /// The campaign whose terms hold for an order: the one that it names, or its voucher's.
    pub(in crate::audit) fn campaign_of(&self, order: &Order) -> Option<CampaignNo> {
        let of_voucher = || Some(CampaignNo(self.vouchers.get(order.voucher?.0)?.campaign));
        let named = order.campaign.filter(|campaign| self.campaign(*campaign).is_some());
        named.or_else(of_voucher)
    }

    fn compensation_terms(&self, order: &Order) -> Option<CompensationTerms> {
        self.campaign(self.campaign_of(order)?)?.terms.compensation
    }

    /// Whether the terms, as they are when it ends, give anybody something for an order.
    pub(super) fn is_owed_for(&self, order: &Order) -> bool {
        let terms = self.compensation_terms(order);
        terms.is_some_and(|terms| order.owed_minor(&terms) != (0, 0))
    }

    /// A tick says what was given for an order. How much that should be follows from the terms as
    /// they are now.
    pub(super) fn compensate(&mut self, given: &Compensation) {
        let number = given.order;
        let Some(order) = self.orders.get(number.0).copied() else {
            self.notes.note(format!("there is no order {number}"));
            return;
        };
        let was_owed = self.owed.remove(&number.0);
        self.notes.check(was_owed, || format!("nothing is owed for order {number}"));
        let terms = self.compensation_terms(&order);
        let (apology_minor, outlet_minor) = terms.map_or((0, 0), |terms| order.owed_minor(&terms));
        let Some(campaign_no) = self.campaign_of(&order) else {
            self.notes.note(format!("no campaign compensates for order {number}"));
            return;
        };
        let campaign = &self.campaigns[campaign_no.index()];
        let set_aside = campaign.set_aside.compensation_minor;
        let gets_apology = apology_minor > 0 && i128::from(apology_minor) <= set_aside;
        let face_minor = if gets_apology { apology_minor } else { 0 };
        let left = set_aside - i128::from(face_minor);
        let paid_minor = if i128::from(outlet_minor) <= left { outlet_minor } else { 0 };
        let unpaid_minor = u64::from(apology_minor - face_minor) + (outlet_minor - paid_minor);
        let expected = (gets_apology, face_minor, paid_minor, unpaid_minor);
        let said =
            (given.apology.is_some(), given.apology_minor, given.outlet_minor, given.unpaid_minor);
        self.notes.check(said == expected, || {
            format!("for order {number} {said:?} is given, and {expected:?} should be")
        });

        let valid_for_ms = campaign.terms.voucher.valid_for_ms;
        if let Some(apology) = given.apology {
            if let Some(what) = self.vouchers.misnumbered(apology.0) {
                self.notes.note(what);
            }
            let voucher = Voucher {
                user: order.user,
                issued_at_ms: self.now_ms,
                valid_until_ms: self.now_ms.saturating_add(valid_for_ms),
                campaign: campaign_no.0,
                face_minor: given.apology_minor,
                is_apology: true,
                lock: None,
                state: VoucherState::Live,
            };
            if self.vouchers.put(apology.0, Some(voucher)) {
                self.campaigns[campaign_no.index()].apologise(given.apology_minor);
            }
        }
        let campaign = &mut self.campaigns[campaign_no.index()];
        campaign.pay_outlet(given.outlet_minor);
        campaign.compensation.unpaid_minor += i128::from(given.unpaid_minor);
        if let Some(order) = self.orders.get_mut(number.0) {
            order.outlet_paid_minor += given.outlet_minor;
            order.unpaid_minor += given.unpaid_minor;
        }
        self.check_sums(campaign_no.0);
    }
}
