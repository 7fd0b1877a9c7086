//! Claims: one voucher for a user, as often as the campaign allows.

use crate::state::{Effect, State, shift, take};
use crate::tables::Voucher;
use crate::types::{
    CampaignState, ClaimVoucher, Outcome, Refusal, RevokeVoucher, VoucherNo, VoucherState,
};

/// What a user has got from one campaign by claims.
struct Held {
    vouchers: u16,
    face_minor: u64,
    newest: Option<VoucherNo>,
}

impl State {
    /// Reserves one voucher for a user.
    ///
    /// Where a user may have one, a user who has it gets the same answer again, even after closing,
    /// so that gates and apps may retry without asking.
    pub(crate) fn claim_voucher(
        &mut self,
        now_ms: u64,
        seq: u64,
        claim: &ClaimVoucher,
    ) -> Result<Effect, Refusal> {
        let campaign =
            self.campaigns.get(claim.campaign.index()).ok_or(Refusal::CampaignNotFound)?;
        let terms = &campaign.definition.terms;
        let newest_of_user = self.users.newest(claim.user, &self.vouchers).map(VoucherNo);
        let held = self.held_by(newest_of_user, claim);
        if terms.voucher.per_user == 1
            && let Some(number) = held.newest
        {
            return Ok(self.claimed_again(number));
        }
        if campaign.state_at(now_ms) == CampaignState::Closed {
            return Err(Refusal::CampaignClosed);
        }
        if campaign.state != CampaignState::Open || now_ms < terms.opens_at_ms {
            return Err(Refusal::CampaignNotOpen);
        }
        if terms.voucher.per_user > 1 && claim.request.is_none() {
            return Err(Refusal::IdempotencyKeyMissing);
        }
        if !terms.eligibility.all.is_empty() && claim.terms_version != campaign.version {
            return Err(Refusal::TermsChanged);
        }
        if !terms.eligibility.all_met(claim.conditions_met) {
            return Err(Refusal::NotEligible);
        }
        let face_minor = terms.voucher.kind.face_minor();
        let total_minor = held.face_minor + u64::from(face_minor);
        if held.vouchers >= terms.voucher.per_user
            || terms.per_user_total_minor.is_some_and(|most| total_minor > most)
        {
            return Err(Refusal::UserLimitReached);
        }
        if campaign.available_for_vouchers_minor() < u64::from(face_minor) {
            return Err(Refusal::BudgetExhausted);
        }

        let voucher = Voucher::new(
            claim.user,
            (seq, now_ms),
            terms.voucher.valid_until_ms(now_ms),
            claim.campaign,
            face_minor,
            newest_of_user,
        );
        let number = self.issue(voucher);
        Ok(Effect::Done(Outcome::Claimed { voucher: number, face_minor }))
    }

    /// Reserves the face of a new live voucher out of what is available. All vouchers of a campaign
    /// live equally long, so they expire in the order in which they are issued.
    pub(super) fn issue(&mut self, voucher: Voucher) -> VoucherNo {
        let number = VoucherNo(self.vouchers.push(voucher, &mut self.store));
        self.users.set(number.0, &self.vouchers, &mut self.store);

        let face_minor = u64::from(voucher.face_minor);
        let campaign = &mut self.campaigns[voucher.campaign.index()];
        let money = &mut campaign.money;
        shift(&mut money.available_minor, &mut money.reserved_minor, face_minor);
        campaign.live_face_minor += face_minor;
        if voucher.is_apology() {
            take(&mut campaign.set_aside.compensation_minor, face_minor);
            campaign.compensated.apologies += 1;
            campaign.compensated.apologies_minor += face_minor;
        } else {
            campaign.counts.claims += 1;
        }
        campaign.counts.live += 1;
        campaign.next_to_expire.get_or_insert(number);
        let before = campaign.last_issued.replace(number);
        campaign.assert_sound();
        if let Some(before) = before {
            self.vouchers[before.index()].set_next_in_campaign(number);
        }
        number
    }

    /// The first answer again, where a user may have one voucher and has it.
    pub(crate) fn claimed_before(&self, claim: &ClaimVoucher) -> Option<Effect> {
        let campaign = self.campaigns.get(claim.campaign.index())?;
        if campaign.definition.terms.voucher.per_user != 1 {
            return None;
        }
        let newest_of_user = self.users.newest(claim.user, &self.vouchers).map(VoucherNo);
        self.held_by(newest_of_user, claim).newest.map(|number| self.claimed_again(number))
    }

    fn claimed_again(&self, number: VoucherNo) -> Effect {
        let voucher = &self.vouchers[number.index()];
        let outcome = Outcome::Claimed { voucher: number, face_minor: voucher.face_minor };
        Effect::Repeat { seq: voucher.seq, at_ms: voucher.issued_at_ms, outcome }
    }

    fn held_by(&self, newest_of_user: Option<VoucherNo>, claim: &ClaimVoucher) -> Held {
        let mut held = Held { vouchers: 0, face_minor: 0, newest: None };
        let mut next = newest_of_user;
        while let Some(number) = next {
            let voucher = &self.vouchers[number.index()];
            if voucher.campaign == claim.campaign && !voucher.is_apology() {
                held.vouchers += 1;
                held.face_minor += u64::from(voucher.face_minor);
                held.newest = held.newest.or(Some(number));
            }
            next = voucher.previous_of_user();
        }
        held
    }

    /// Takes a live voucher back.
    pub(crate) fn revoke_voucher(
        &mut self,
        now_ms: u64,
        revoke: &RevokeVoucher,
    ) -> Result<Effect, Refusal> {
        let voucher = self.vouchers.get(revoke.voucher.index()).ok_or(Refusal::VoucherNotFound)?;
        match self.voucher_state_at(now_ms, voucher) {
            VoucherState::Live => {}
            VoucherState::Locked => return Err(Refusal::VoucherLocked),
            state => return Err(Refusal::VoucherNotLive(state)),
        }

        let face_minor = voucher.face_minor;
        self.unlock_if_over(revoke.voucher, now_ms);
        let voucher = &mut self.vouchers[revoke.voucher.index()];
        voucher.set_free(VoucherState::Revoked);
        let campaign = &mut self.campaigns[voucher.campaign.index()];
        campaign.end_live(u64::from(face_minor));
        campaign.counts.revoked += 1;
        campaign.assert_sound();
        Ok(Effect::Done(Outcome::Revoked { face_minor }))
    }
}
