//! Campaigns: documents, budgets, states.

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::{ReferenceKind, reference_key};
use crate::state::{CAMPAIGNS_MAX, Campaign, Effect, SetAside, State, shift, take};
use crate::types::{
    CampaignId, CampaignNo, CampaignState, ChangeCampaignState, Compensated, Counts,
    CreateCampaign, Direction, Money, MoveBudget, Outcome, Refusal, ReplaceCampaign, StateChange,
};

/// Most that one campaign may ever be funded with: sums stay far inside 64 bits.
const FUNDED_MINOR_MAX: u64 = 1 << 60;

/// Users for whom the index gets room when money comes in: 8 bytes each, a tenth of a second for as
/// many as this. What goes beyond grows it a segment at a time.
pub(crate) const USERS_PLANNED_MAX: u64 = 1 << 27;

impl State {
    pub(crate) fn campaign_no(&self, id: &CampaignId) -> Result<CampaignNo, Refusal> {
        self.by_id.get(id).copied().ok_or(Refusal::CampaignNotFound)
    }

    pub(crate) fn create_campaign(
        &mut self,
        now_ms: u64,
        create: &CreateCampaign,
    ) -> Result<Effect, Refusal> {
        let definition = &create.definition;
        if self.by_id.contains_key(&definition.id) {
            return Err(Refusal::CampaignExists);
        }
        if self.campaigns.len() >= CAMPAIGNS_MAX {
            return Err(Refusal::CampaignLimitReached);
        }
        // The gate named the field already; terms that reach this place unchecked are a fault.
        assert_eq!(definition.terms.check(), Ok(()), "terms are checked before they are sent");

        let number = u32::try_from(self.campaigns.len()).expect("fewer than CAMPAIGNS_MAX");
        let campaign = CampaignNo(number);
        self.by_id.insert(definition.id.clone(), campaign);
        self.campaigns.push(Campaign {
            definition: Arc::new(definition.clone()),
            version: 1,
            state: CampaignState::Draft,
            created_at_ms: now_ms,
            money: Money::default(),
            set_aside: SetAside::default(),
            counts: Counts::default(),
            compensated: Compensated::default(),
            live_face_minor: 0,
            locked_face_minor: 0,
            open_rests_minor: 0,
            next_to_expire: None,
            last_issued: None,
            next_to_settle: None,
            last_redeemed: None,
        });
        Ok(Effect::Done(Outcome::CampaignCreated { campaign }))
    }

    pub(crate) fn replace_campaign(
        &mut self,
        replace: &ReplaceCampaign,
    ) -> Result<Effect, Refusal> {
        let definition = &replace.definition;
        let number = self.campaign_no(&definition.id)?;
        let campaign = &mut self.campaigns[number.index()];
        if campaign.version != replace.version_seen {
            return Err(Refusal::VersionConflict);
        }
        if campaign.state != CampaignState::Draft {
            let open = &campaign.definition.terms;
            if let Some(field) = definition.terms.frozen_difference(open) {
                return Err(Refusal::TermsFrozen(field));
            }
        } else if campaign.definition.terms.currency != definition.terms.currency
            && campaign.money.funded_minor > 0
        {
            return Err(Refusal::TermsFrozen("currency"));
        }
        assert_eq!(definition.terms.check(), Ok(()), "terms are checked before they are sent");

        campaign.version += 1;
        campaign.definition = Arc::new(definition.clone());
        Ok(Effect::Done(Outcome::CampaignReplaced { version: campaign.version }))
    }

    pub(crate) fn move_budget(
        &mut self,
        now_ms: u64,
        seq: u64,
        budget: &MoveBudget,
        body: u64,
    ) -> Result<Effect, Refusal> {
        let number = self.campaign_no(&budget.campaign)?;
        let kind = match budget.direction {
            Direction::Fund => ReferenceKind::Funding,
            Direction::Withdraw => ReferenceKind::Withdrawal,
        };
        let key = reference_key(kind, number, &budget.reference);
        if let Some(repeat) = self.answered(key, body)? {
            return Ok(repeat);
        }
        let campaign = &mut self.campaigns[number.index()];
        let amount = budget.amount_minor;
        match budget.direction {
            Direction::Fund => {
                let funded = campaign.money.funded_minor.checked_add(amount);
                if funded.is_none_or(|funded| funded > FUNDED_MINOR_MAX) {
                    return Err(Refusal::AmountTooLarge);
                }
                campaign.money.funded_minor += amount;
                campaign.money.available_minor += amount;
                if let Some(part) = campaign.set_aside.part(budget.purpose) {
                    *part += amount;
                }
            }
            Direction::Withdraw => {
                let free = campaign.available_for_vouchers_minor();
                let part = campaign.set_aside.part(budget.purpose);
                if amount > part.as_deref().copied().unwrap_or(free) {
                    return Err(Refusal::BudgetExhausted);
                }
                if let Some(part) = part {
                    take(part, amount);
                }
                let money = &mut campaign.money;
                shift(&mut money.available_minor, &mut money.returned_minor, amount);
            }
        }
        campaign.assert_sound();
        let money = campaign.money;
        let face = u64::from(campaign.definition.terms.voucher.kind.face_minor());
        // As many users as there may be vouchers, besides those who have some. Before the campaign is
        // open: in its rush the index grows a segment at a time.
        if campaign.state == CampaignState::Draft && budget.direction == Direction::Fund {
            let users = (campaign.available_for_vouchers_minor() / face).min(USERS_PLANNED_MAX);
            let users = usize::try_from(users).expect("bounded") + self.users.len();
            self.users.plan(users, &self.vouchers, &mut self.store);
        }

        let outcome = Outcome::BudgetMoved(Box::new(money));
        self.remember(key, body, (seq, now_ms), &outcome);
        Ok(Effect::Done(outcome))
    }

    pub(crate) fn change_campaign_state(
        &mut self,
        now_ms: u64,
        change: &ChangeCampaignState,
    ) -> Result<Effect, Refusal> {
        let number = self.campaign_no(&change.campaign)?;
        let campaign = &mut self.campaigns[number.index()];
        let is = campaign.state_at(now_ms);
        let over = now_ms >= campaign.definition.terms.closes_at_ms;
        let state = match (change.change, is) {
            // It would be closed as soon as it was open.
            (StateChange::Open, CampaignState::Draft) if over => {
                return Err(Refusal::CampaignClosed);
            }
            (StateChange::Open, CampaignState::Draft)
            | (StateChange::Resume, CampaignState::Paused) => CampaignState::Open,
            (StateChange::Pause, CampaignState::Open) => CampaignState::Paused,
            (
                StateChange::Close,
                CampaignState::Draft | CampaignState::Open | CampaignState::Paused,
            ) => CampaignState::Closed,
            _ => return Err(Refusal::CampaignStateConflict(is)),
        };
        campaign.state = state;
        Ok(Effect::Done(Outcome::CampaignStateChanged { state }))
    }
}

impl Campaign {
    /// The state as the clock has it: an open campaign whose time is over is closed.
    pub(crate) fn state_at(&self, now_ms: u64) -> CampaignState {
        match self.state {
            CampaignState::Open | CampaignState::Paused
                if now_ms >= self.definition.terms.closes_at_ms =>
            {
                CampaignState::Closed
            }
            state => state,
        }
    }
}
