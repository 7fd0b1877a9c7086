//! The binary form of a campaign's terms.

use super::*;

wire_struct! {
    Money {
        funded_minor, available_minor, reserved_minor, in_flight_minor, escrowed_minor, owed_minor,
        spent_minor, returned_minor,
    }
    Counts { claims, live, locked, redeemed, expired, revoked }
    Compensated { apologies, apologies_minor, outlets_minor, unpaid_minor }
    ZoneOffset { from_ms, minutes }
    Eligibility { all }
    Condition { attribute, test }
    VoucherTerms {
        kind, min_spend_minor, brands, categories, hours, valid_for_ms, per_user,
        rollback_within_ms,
    }
    DayPart { from_minute, until_minute }
    CompensationTerms { budget_minor, apology_minor, outlet_percent }
    InviteTerms { budget_minor, tiers, max_per_user }
    InviteTier { invites, face_minor }
    EnvelopeTerms { budget_minor, share_min_minor, share_max_minor, shares_max, expires_after_ms }
}

/// Bits of the last byte of [`Terms`] that say what follows.
const PER_USER_TOTAL: u8 = 1;
const COMPENSATION: u8 = 2;

/// Fields in this order. What came later is named by a bit of the byte that said whether the last
/// field is there, so that terms without it have the bytes that they always had.
impl Wire for Terms {
    fn put(&self, out: &mut Vec<u8>) {
        self.currency.put(out);
        self.opens_at_ms.put(out);
        self.closes_at_ms.put(out);
        self.offsets.put(out);
        self.eligibility.put(out);
        self.voucher.put(out);
        self.invites.put(out);
        self.envelopes.put(out);
        self.prize_max_minor.put(out);
        let total = if self.per_user_total_minor.is_some() { PER_USER_TOTAL } else { 0 };
        out.push(total | if self.compensation.is_some() { COMPENSATION } else { 0 });
        self.per_user_total_minor.iter().for_each(|total| total.put(out));
        self.compensation.iter().for_each(|compensation| compensation.put(out));
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (currency, opens_at_ms) = Wire::get(reader)?;
        let (closes_at_ms, offsets) = Wire::get(reader)?;
        let (eligibility, voucher) = Wire::get(reader)?;
        let (invites, envelopes) = Wire::get(reader)?;
        let prize_max_minor = Wire::get(reader)?;
        let there = u8::get(reader)?;
        if there > PER_USER_TOTAL | COMPENSATION {
            return Err(reader.not("option"));
        }
        let is_there = |bit| there & bit != 0;
        let per_user_total_minor =
            is_there(PER_USER_TOTAL).then(|| Wire::get(reader)).transpose()?;
        let compensation = is_there(COMPENSATION).then(|| Wire::get(reader)).transpose()?;
        Ok(Self {
            currency,
            opens_at_ms,
            closes_at_ms,
            offsets,
            eligibility,
            voucher,
            invites,
            envelopes,
            prize_max_minor,
            per_user_total_minor,
            compensation,
        })
    }
}
