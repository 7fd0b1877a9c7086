//! What is given for orders that ended without the fault of those who get it: a voucher to the user,
//! money to the outlet. A tick does it, out of money that was set aside; what that does not cover is
//! counted as unpaid, and nothing else fails because of it.

use crate::state::{State, shift, take};
use crate::tables::{Order, Voucher};
use crate::types::{CampaignNo, Compensation, CompensationTerms, OrderEnd, OrderNo, VoucherNo};

impl State {
    /// Whether the rules of an order's campaign give anybody something for an order that ends so.
    pub(super) fn owes_for(&self, order: &Order) -> bool {
        let terms = self.compensation_of(order).map(|(_, terms)| terms);
        terms.is_some_and(|terms| order.owed_minor(&terms) != (0, 0))
    }

    /// The campaign whose rules hold for an order, and the rules, if it has any.
    fn compensation_of(&self, order: &Order) -> Option<(CampaignNo, CompensationTerms)> {
        let of_voucher =
            |number: VoucherNo| self.vouchers.get(number.index()).map(|voucher| voucher.campaign);
        let number = order.campaign().or_else(|| order.voucher().and_then(of_voucher))?;
        Some((number, self.campaigns[number.index()].definition.terms.compensation?))
    }

    /// Gives what is owed, each part whole or not at all: the user's first.
    pub(super) fn compensate(&mut self, now_ms: u64, seq: u64, number: OrderNo) -> Compensation {
        let mut order = *self.orders.get(number).expect("it is owed for");
        order.set_owed(false);
        let mut given = Compensation {
            order: number,
            apology: None,
            apology_minor: 0,
            outlet_minor: 0,
            unpaid_minor: 0,
        };
        // The rules may have changed since it ended.
        if let Some((campaign_no, terms)) = self.compensation_of(&order) {
            let (apology_minor, outlet_minor) = order.owed_minor(&terms);
            let covers = |state: &Self, amount_minor: u64| {
                state.campaigns[campaign_no.index()].set_aside.compensation_minor >= amount_minor
            };
            if apology_minor > 0 && covers(self, apology_minor.into()) {
                let campaign = &self.campaigns[campaign_no.index()];
                let until_ms = campaign.definition.terms.voucher.valid_until_ms(now_ms);
                let newest = self.users.newest(order.user, &self.vouchers).map(VoucherNo);
                let (at, user) = ((seq, now_ms), order.user);
                let voucher = Voucher::new(user, at, until_ms, campaign_no, apology_minor, newest);
                let apology = self.issue(voucher.as_apology());
                order.set_apology(apology);
                (given.apology, given.apology_minor) = (Some(apology), apology_minor);
            }
            if outlet_minor > 0 && covers(self, outlet_minor) {
                let campaign = &mut self.campaigns[campaign_no.index()];
                let money = &mut campaign.money;
                shift(&mut money.available_minor, &mut money.spent_minor, outlet_minor);
                take(&mut campaign.set_aside.compensation_minor, outlet_minor);
                campaign.compensated.outlets_minor += outlet_minor;
                order.outlet_paid_minor = outlet_minor;
                given.outlet_minor = outlet_minor;
            }
            let unpaid_minor = u64::from(apology_minor - given.apology_minor);
            given.unpaid_minor = unpaid_minor + (outlet_minor - given.outlet_minor);
            let campaign = &mut self.campaigns[campaign_no.index()];
            let unpaid_minor = &mut campaign.compensated.unpaid_minor;
            // No budget bounds what is not paid.
            *unpaid_minor = unpaid_minor.saturating_add(given.unpaid_minor);
            campaign.assert_sound();
        }
        self.orders.set(number, order);
        given
    }
}

impl Order {
    /// What the user and the outlet are owed for an order that ended, in minor units. Users are for
    /// a paid order that the outlet did not make; an outlet is for what it had begun when an operator
    /// cancelled it.
    fn owed_minor(&self, terms: &CompensationTerms) -> (u32, u64) {
        let [_, begun, ready, _] = self.stages_at_ms();
        match self.end() {
            Some(
                OrderEnd::NotAccepted | OrderEnd::Rejected | OrderEnd::NotMade | OrderEnd::ByOutlet,
            ) if self.version > 0 => (terms.apology_minor, 0),
            Some(OrderEnd::ByOperator) if begun.or(ready).is_some() => {
                let made_minor = self.total_minor - self.merchant_discount_minor;
                (0, made_minor * u64::from(terms.outlet_percent) / 100)
            }
            _ => (0, 0),
        }
    }
}
