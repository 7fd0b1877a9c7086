//! Questions that change nothing. They ride in the engine's queue like commands, but the journal
//! never sees them.

mod codec;
mod orders;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::state::{Campaign, SetAside, State};
use crate::tables::{RedemptionState, Voucher};
use crate::types::{
    Action, Bill, Breaker, BreakerOf, CampaignId, CampaignNo, CampaignState, Compensated, Counts,
    Definition, Known, LockNo, Money, Operations, OrderNo, OutletId, OutletNo, RedemptionNo,
    Reference, Refusal, Subject, UserKey, VoucherNo, VoucherState, Webhook, WebhookId,
};

pub use orders::{OrderView, OutletView, PauseView, PayBy};

/// Longest list that one question is answered with.
pub const LIST_MAX: u32 = 1_000;

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// One campaign by its id.
    Campaign(CampaignId),
    /// Campaigns by id, after this one.
    Campaigns {
        /// From the first, if absent.
        after: Option<CampaignId>,
        /// At most [`LIST_MAX`].
        limit: u32,
    },
    /// One voucher.
    Voucher(VoucherNo),
    /// A user's vouchers, newest first.
    Wallet {
        /// Whose.
        user: UserKey,
        /// Older than this one; from the newest, if absent.
        before: Option<VoucherNo>,
        /// At most [`LIST_MAX`].
        limit: u32,
    },
    /// What a bill would get.
    Validate(Bill),
    /// Redemptions in the order of their making.
    Redemptions {
        /// From the first, if absent.
        after: Option<RedemptionNo>,
        /// At most [`LIST_MAX`].
        limit: u32,
    },
    /// What is set for the whole installation.
    Operations,
    /// One outlet by its id.
    Outlet(OutletId),
    /// One outlet by its number.
    OutletNumbered(OutletNo),
    /// Outlets in the order in which their documents were put: what a directory is filled from, and
    /// kept fresh.
    Outlets {
        /// Put after this sequence number.
        after_seq: u64,
        /// At most [`LIST_MAX`].
        limit: u32,
    },
    /// When an order could be ready at each of these outlets, if placed now and paid within a minute.
    Etas {
        /// At most [`LIST_MAX`] of them are looked at.
        outlets: Vec<OutletNo>,
        /// In thousandths of a unit.
        work: u32,
    },
    /// One order.
    Order(OrderNo),
    /// The outlet's document by which an order was placed: its lines are places of that menu.
    DocumentOf(OrderNo),
    /// A user's orders, newest first.
    Orders {
        /// Whose.
        user: UserKey,
        /// Older than this one of theirs; from the newest, if absent.
        before: Option<OrderNo>,
        /// At most [`LIST_MAX`].
        limit: u32,
    },
    /// What an outlet has to make, from paid to ready, oldest first.
    OpenOrders {
        /// Which outlet.
        outlet: OutletNo,
        /// From the first, if absent.
        after: Option<OrderNo>,
        /// At most [`LIST_MAX`].
        limit: u32,
    },
    /// An outlet's orders of some time, newest first.
    Statement {
        /// Which outlet.
        outlet: OutletNo,
        /// Placed from then on, in milliseconds since 1970.
        from_ms: u64,
        /// Placed before then.
        until_ms: u64,
        /// Older than this one; from the newest, if absent.
        before: Option<OrderNo>,
        /// At most [`LIST_MAX`].
        limit: u32,
    },
    /// Breakers that are not closed.
    Breakers {
        /// Outlets after this one; from the first, and those of vendors, if absent.
        after: Option<OutletNo>,
        /// Most outlets, at most [`LIST_MAX`].
        limit: u32,
    },
    /// Webhooks by id, with their secrets.
    Webhooks {
        /// From the first, if absent.
        after: Option<WebhookId>,
        /// At most [`LIST_MAX`].
        limit: u32,
    },
    /// What is fixed of these things; at most [`LIST_MAX`] are looked at.
    Known(Vec<Subject>),
    /// What is to be done outside: what a connector asks, from 0 on when it starts, and then for
    /// what has changed since.
    Undone {
        /// Changed after this change; changes count from 1 at each start of the engine.
        after_change: u64,
        /// Most orders, at most [`LIST_MAX`]; each comes with all of its actions.
        limit: u32,
    },
}

/// What is so, at the moment of the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Query::Campaign`]; `None` when there is no such campaign.
    Campaign(Option<CampaignView>),
    /// To [`Query::Campaigns`].
    Campaigns(Vec<CampaignView>),
    /// To [`Query::Voucher`]; `None` when there is no such voucher.
    Voucher(Option<VoucherView>),
    /// To [`Query::Wallet`].
    Wallet(Vec<VoucherView>),
    /// To [`Query::Validate`]: the discount in minor units, or why there would be none.
    Validated(Result<u64, Refusal>),
    /// To [`Query::Redemptions`].
    Redemptions(Vec<RedemptionView>),
    /// To [`Query::Operations`].
    Operations(Operations),
    /// To [`Query::Outlet`] and [`Query::OutletNumbered`]; `None` when there is no such outlet.
    Outlet(Option<Box<OutletView>>),
    /// To [`Query::Outlets`].
    Outlets(Vec<OutletView>),
    /// To [`Query::Etas`]: in milliseconds from now, in the same order; `None` where the outlet takes
    /// no orders now, or none that is promised so far ahead.
    Etas(Vec<Option<u64>>),
    /// To [`Query::Order`]; `None` when there is no such order.
    Order(Option<Box<OrderView>>),
    /// To [`Query::DocumentOf`]; `None` when there is no such order.
    Document(Option<Vec<u8>>),
    /// To [`Query::Orders`], [`Query::OpenOrders`] and [`Query::Statement`].
    Orders(Vec<OrderView>),
    /// To [`Query::Breakers`]: vendors' first, then outlets' by number.
    Breakers(Vec<(BreakerOf, Breaker)>),
    /// To [`Query::Webhooks`].
    Webhooks(Vec<(WebhookId, Webhook)>),
    /// To [`Query::Known`], in the same order.
    Known(Vec<Known>),
    /// To [`Query::Undone`]; no actions where nothing has changed.
    Undone {
        /// By order, in the order in which they changed.
        actions: Vec<Action>,
        /// The last change among these, or the one asked after.
        change: u64,
    },
}

/// One campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignView {
    /// Its number.
    pub number: CampaignNo,
    /// Document and terms.
    pub definition: Arc<Definition>,
    /// Counts up with every replaced document, from 1.
    pub version: u32,
    /// With the closing time looked at.
    pub state: CampaignState,
    /// Milliseconds since 1970.
    pub created_at_ms: u64,
    /// Its buckets.
    pub money: Money,
    /// Parts of what is available.
    pub set_aside: SetAside,
    /// Its vouchers.
    pub counts: Counts,
    /// What it gave for orders that ended.
    pub compensated: Compensated,
}

/// One voucher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoucherView {
    /// Its number.
    pub number: VoucherNo,
    /// Whose.
    pub user: UserKey,
    /// Document and terms of its campaign.
    pub definition: Arc<Definition>,
    /// Sequence number of the claim.
    pub seq: u64,
    /// Whether it was given for an order that ended without its user's fault, and not for a claim.
    pub is_apology: bool,
    /// Largest discount, in minor units.
    pub face_minor: u32,
    /// With the time looked at.
    pub state: VoucherState,
    /// Milliseconds since 1970.
    pub valid_from_ms: u64,
    /// Milliseconds since 1970, grace included.
    pub valid_until_ms: u64,
    /// The lock that holds it, and until when.
    pub lock: Option<(LockNo, u64)>,
    /// The redemption that used it.
    pub redemption: Option<RedemptionNo>,
}

/// One redemption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedemptionView {
    /// Its number.
    pub number: RedemptionNo,
    /// The voucher used.
    pub voucher: VoucherNo,
    /// Document and terms of its campaign.
    pub definition: Arc<Definition>,
    /// Sequence number of the redemption.
    pub seq: u64,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// The bill before the discount.
    pub order_minor: u64,
    /// Taken off.
    pub discount_minor: u32,
    /// Milliseconds since 1970, grace included.
    pub rollback_until_ms: u64,
    /// The app's own number for the bill.
    pub reference: Reference,
    /// Whether it was undone.
    pub rolled_back: bool,
}

impl State {
    /// Answers a question as of `now_ms`.
    #[must_use]
    pub fn answer(&self, now_ms: u64, query: &Query) -> Answer {
        match query {
            Query::Campaign(id) => {
                let number = self.by_id.get(id).copied();
                Answer::Campaign(number.map(|number| self.campaign_view(now_ms, number)))
            }
            Query::Campaigns { after, limit } => {
                let later = self.by_id.iter().filter(|(id, _)| Some(*id) > after.as_ref());
                let numbers = later.take(bounded(*limit)).map(|(_, number)| *number);
                Answer::Campaigns(
                    numbers.map(|number| self.campaign_view(now_ms, number)).collect(),
                )
            }
            Query::Voucher(number) => {
                let known = number.0 < self.vouchers.len();
                Answer::Voucher(known.then(|| self.voucher_view(now_ms, *number)))
            }
            Query::Wallet { user, before, limit } => {
                Answer::Wallet(self.wallet(now_ms, *user, *before, bounded(*limit)))
            }
            Query::Validate(bill) => {
                let lock = self.vouchers.get(bill.voucher.index()).and_then(Voucher::lock);
                // A lock of the app's own: validation asks what the bill would get, locked or not.
                // What an order of ours holds, the app cannot use.
                let lock = lock.filter(|lock| self.locks[lock.index()].order().is_none());
                Answer::Validated(self.discount_at(now_ms, bill, self.lock_held_at(now_ms, lock)))
            }
            Query::Redemptions { after, limit } => {
                let first = after.map_or(0, |number| number.0.saturating_add(1));
                let numbers = (first..self.redemptions.len()).take(bounded(*limit));
                Answer::Redemptions(
                    numbers.map(|number| self.redemption_view(RedemptionNo(number))).collect(),
                )
            }
            Query::Operations => Answer::Operations(self.operations.clone()),
            Query::Outlet(id) => {
                let number = self.outlets.number(id);
                Answer::Outlet(number.map(|number| Box::new(self.outlet_view(now_ms, number))))
            }
            Query::OutletNumbered(number) => {
                let known = self.outlets.get(*number).is_some();
                Answer::Outlet(known.then(|| Box::new(self.outlet_view(now_ms, *number))))
            }
            Query::Outlets { after_seq, limit } => {
                let numbers = self.outlets.put_after(*after_seq).take(bounded(*limit));
                Answer::Outlets(numbers.map(|number| self.outlet_view(now_ms, number)).collect())
            }
            Query::Etas { outlets, work } => {
                let outlets = outlets.iter().take(LIST_MAX as usize);
                Answer::Etas(outlets.map(|outlet| self.eta_ms(now_ms, *outlet, *work)).collect())
            }
            Query::Order(number) => Answer::Order(self.order_view(now_ms, *number).map(Box::new)),
            Query::DocumentOf(number) => Answer::Document(self.document_of(*number)),
            Query::Orders { user, before, limit } => self.orders_of(now_ms, *user, *before, *limit),
            Query::OpenOrders { outlet, after, limit } => {
                self.open_orders(now_ms, *outlet, *after, *limit)
            }
            Query::Statement { outlet, from_ms, until_ms, before, limit } => {
                self.statement(now_ms, *outlet, *from_ms..*until_ms, *before, *limit)
            }
            Query::Breakers { after, limit } => self.breakers(*after, *limit),
            Query::Webhooks { after, limit } => {
                self.webhooks_after(after.as_ref(), bounded(*limit))
            }
            Query::Known(subjects) => {
                let subjects = subjects.iter().take(LIST_MAX as usize);
                Answer::Known(subjects.map(|subject| self.known(*subject)).collect())
            }
            Query::Undone { after_change, limit } => self.undone(*after_change, *limit),
        }
    }

    fn lock_held_at(&self, now_ms: u64, lock: Option<LockNo>) -> Option<LockNo> {
        lock.filter(|lock| self.is_held_at(now_ms, *lock))
    }

    fn definition(&self, campaign: CampaignNo) -> Arc<Definition> {
        Arc::clone(&self.campaigns[campaign.index()].definition)
    }

    fn campaign_view(&self, now_ms: u64, number: CampaignNo) -> CampaignView {
        let campaign: &Campaign = &self.campaigns[number.index()];
        CampaignView {
            number,
            definition: Arc::clone(&campaign.definition),
            version: campaign.version,
            state: campaign.state_at(now_ms),
            created_at_ms: campaign.created_at_ms,
            money: campaign.money,
            set_aside: campaign.set_aside,
            counts: campaign.counts,
            compensated: campaign.compensated,
        }
    }

    fn voucher_view(&self, now_ms: u64, number: VoucherNo) -> VoucherView {
        let voucher = &self.vouchers[number.index()];
        let lock = self.lock_held_at(now_ms, voucher.lock());
        VoucherView {
            number,
            user: voucher.user,
            definition: self.definition(voucher.campaign),
            seq: voucher.seq,
            is_apology: voucher.is_apology(),
            face_minor: voucher.face_minor,
            state: self.voucher_state_at(now_ms, voucher),
            valid_from_ms: voucher.issued_at_ms,
            valid_until_ms: self.voucher_end_ms(voucher),
            lock: lock.map(|lock| (lock, self.locks[lock.index()].until_ms)),
            redemption: voucher.redemption(),
        }
    }

    fn redemption_view(&self, number: RedemptionNo) -> RedemptionView {
        let redemption = &self.redemptions[number.index()];
        RedemptionView {
            number,
            voucher: redemption.voucher,
            definition: self.definition(self.vouchers[redemption.voucher.index()].campaign),
            seq: redemption.seq,
            at_ms: redemption.at_ms,
            order_minor: redemption.order_minor,
            discount_minor: redemption.discount_minor,
            rollback_until_ms: self.rollback_end_ms(redemption),
            reference: redemption.reference(),
            rolled_back: matches!(redemption.state(), RedemptionState::RolledBack(_)),
        }
    }

    fn wallet(
        &self,
        now_ms: u64,
        user: UserKey,
        before: Option<VoucherNo>,
        limit: usize,
    ) -> Vec<VoucherView> {
        let mut views = Vec::new();
        let mut next = self.users.newest(user, &self.vouchers).map(VoucherNo);
        while let Some(number) = next
            && views.len() < limit
        {
            if before.is_none_or(|before| number < before) {
                views.push(self.voucher_view(now_ms, number));
            }
            next = self.vouchers[number.index()].previous_of_user();
        }
        views
    }
}

fn bounded(limit: u32) -> usize {
    limit.min(LIST_MAX) as usize
}
