//! Campaigns: documents, budgets, states.

use levee_core::types::{
    CampaignId, CampaignNo, CampaignState, ChangeCampaignState, CreateCampaign, Direction, Money,
    MoveBudget, ReplaceCampaign, StateChange,
};

use super::keys::{Names, ReferenceKind};
use super::ledger::Campaign;
use super::recount::Recount;
use super::terms::broken_promise;

impl Recount {
    /// Number and record of a campaign that a command names; a difference when there is none.
    fn named(&mut self, id: &CampaignId) -> Option<u32> {
        let number = self.by_id.get(id).copied();
        self.notes.check(number.is_some(), || format!("there is no campaign {id}"));
        number
    }

    pub(super) fn create(&mut self, ask: &CreateCampaign, number: CampaignNo) {
        let definition = &ask.definition;
        let expected = self.campaigns.len();
        self.notes.check(number.index() == expected, || {
            format!("campaign {number} stands where {expected} follows")
        });
        self.notes.check(!self.by_id.contains_key(&definition.id), || {
            format!("campaign {} exists already", definition.id)
        });
        if let Err(error) = definition.terms.check() {
            self.notes.note(format!("the terms are not sound: {error}"));
        }
        let Ok(place) = u32::try_from(expected) else { return };
        self.by_id.entry(definition.id.clone()).or_insert(place);
        self.campaigns.push(Campaign::new(definition.id.clone(), definition.terms.clone()));
    }

    pub(super) fn replace(&mut self, ask: &ReplaceCampaign, version: u32) {
        let definition = &ask.definition;
        let Some(number) = self.named(&definition.id) else { return };
        let campaign = &mut self.campaigns[CampaignNo(number).index()];
        let before = campaign.version;
        self.notes.check(ask.version_seen == before, || {
            format!("version {before} was replaced by somebody who saw {}", ask.version_seen)
        });
        self.notes.check(version == before.saturating_add(1), || {
            format!("version {version} follows {before}")
        });
        if let Err(error) = definition.terms.check() {
            self.notes.note(format!("the terms are not sound: {error}"));
        }
        let broken = if campaign.state == CampaignState::Draft {
            let other = campaign.terms.currency != definition.terms.currency;
            (other && campaign.money.funded_minor > 0).then_some("currency")
        } else {
            broken_promise(&campaign.terms, &definition.terms)
        };
        if let Some(field) = broken {
            self.notes.note(format!("{field} changed after users could rely on it"));
        }
        campaign.version = version;
        campaign.terms = definition.terms.clone();
    }

    pub(super) fn move_budget(&mut self, ask: &MoveBudget, names: Names, written: &Money) {
        let Some(number) = self.named(&ask.campaign) else { return };
        let (amount, purpose) = (i128::from(ask.amount_minor), ask.purpose);
        let campaign = &mut self.campaigns[CampaignNo(number).index()];
        self.notes.check(amount > 0, || "nothing is moved".into());
        let kind = match ask.direction {
            Direction::Fund => ReferenceKind::Funding,
            Direction::Withdraw => ReferenceKind::Withdrawal,
        };
        match ask.direction {
            Direction::Fund => {
                campaign.money.funded_minor += amount;
                campaign.money.available_minor += amount;
                if let Some(part) = campaign.part(purpose) {
                    *part += amount;
                }
            }
            Direction::Withdraw => {
                let free = campaign.free_minor();
                let may_take = campaign.part(purpose).map_or(free, |part| *part);
                self.notes.check(amount <= may_take, || {
                    format!("{amount} are withdrawn of {may_take} that are free for {purpose:?}")
                });
                campaign.money.available_minor -= amount;
                campaign.money.returned_minor += amount;
                if let Some(part) = campaign.part(purpose) {
                    *part -= amount;
                }
            }
        }
        if campaign.money_as_written().as_ref() != Some(written) {
            let recounted = &campaign.money;
            self.notes.note(format!("the journal says {written:?}, recounted {recounted:?}"));
        }
        self.reference(kind, number, &ask.reference, names.reference);
        self.check_sums(number);
    }

    pub(super) fn change_state(&mut self, ask: &ChangeCampaignState, state: CampaignState) {
        let Some(number) = self.named(&ask.campaign) else { return };
        let now_ms = self.now_ms;
        let campaign = &mut self.campaigns[CampaignNo(number).index()];
        let before = campaign.state_at(now_ms);
        let (allowed, expected) = match ask.change {
            StateChange::Open => {
                let in_time = now_ms < campaign.terms.closes_at_ms;
                (before == CampaignState::Draft && in_time, CampaignState::Open)
            }
            StateChange::Pause => (before == CampaignState::Open, CampaignState::Paused),
            StateChange::Resume => (before == CampaignState::Paused, CampaignState::Open),
            StateChange::Close => (before != CampaignState::Closed, CampaignState::Closed),
        };
        self.notes.check(allowed, || format!("{:?} of a campaign that is {before:?}", ask.change));
        self.notes.check(state == expected, || {
            format!("{:?} makes a campaign {expected:?}, not {state:?}", ask.change)
        });
        campaign.state = state;
    }
}
