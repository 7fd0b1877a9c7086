//! The model's opinion on what is given for orders that ended.

use super::*;

impl Model {
    /// Whose rules hold for an order: the campaign it names, or its voucher's.
    fn rules_of(&self, order: &Order) -> Option<(usize, CompensationTerms)> {
        let place = &order.place;
        let campaign = match (place.campaign, place.voucher) {
            (Some(campaign), _) => campaign.index(),
            (None, Some(voucher)) => self.vouchers[&voucher.0].campaign,
            (None, None) => return None,
        };
        Some((campaign, self.campaigns[campaign].definition.terms.compensation?))
    }

    /// The campaign, what the user should get and what the outlet should.
    fn owed(&self, order: &Order) -> Option<(usize, u64, u64)> {
        let (campaign, terms) = self.rules_of(order)?;
        let was_paid = order.version > 0;
        let was_begun = order.stages[1].is_some() || order.stages[2].is_some();
        let gross = order.place.total_minor - order.place.merchant_discount_minor;
        match order.end? {
            OrderEnd::NotAccepted | OrderEnd::Rejected | OrderEnd::NotMade | OrderEnd::ByOutlet
                if was_paid =>
            {
                Some((campaign, terms.apology_minor.into(), 0))
            }
            OrderEnd::ByOperator if was_begun => {
                Some((campaign, 0, gross * u64::from(terms.outlet_percent) / 100))
            }
            _ => None,
        }
    }

    pub(super) fn is_owed_for(&self, order: &Order) -> bool {
        self.owed(order).is_some_and(|(_, user, outlet)| user + outlet > 0)
    }

    pub(super) fn compensate(&mut self, now: u64, number: u32) -> Compensation {
        let order = self.orders[&number].clone();
        let mut given = Compensation {
            order: OrderNo(number),
            apology: None,
            apology_minor: 0,
            outlet_minor: 0,
            unpaid_minor: 0,
        };
        if let Some((number, user, outlet)) = self.owed(&order) {
            let campaign = &mut self.campaigns[number];
            let amount = user + outlet;
            if campaign.aside.compensation_minor < amount {
                given.unpaid_minor = amount;
                campaign.compensated.unpaid_minor += amount;
            } else if user > 0 {
                campaign.aside.compensation_minor -= user;
                campaign.compensated.apologies += 1;
                campaign.compensated.apologies_minor += user;
                let until_ms = now + campaign.definition.terms.voucher.valid_for_ms;
                let voucher = count(self.vouchers.len());
                self.vouchers.insert(
                    voucher,
                    Voucher {
                        user: order.place.user,
                        campaign: number,
                        seq: self.seq + 1,
                        at_ms: now,
                        face: user,
                        apology: true,
                        until_ms,
                        state: VoucherState::Live,
                        lock: None,
                        redemption: None,
                        swept: false,
                    },
                );
                (given.apology, given.apology_minor) = (Some(VoucherNo(voucher)), face(user));
            } else {
                campaign.aside.compensation_minor -= outlet;
                campaign.compensated.outlets_minor += outlet;
                given.outlet_minor = outlet;
            }
        }
        let order = self.orders.get_mut(&number).expect("known");
        order.owed = false;
        order.given = (given.apology, given.outlet_minor);
        given
    }
}
