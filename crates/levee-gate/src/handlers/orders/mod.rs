//! Orders: from the items that a user chose to their end.
//!
//! - `asked.rs`: what a request asks for, by which a repeat is known.
//! - `cart.rs`: what items cost, and who else can make them.
//! - `quote.rs`, `place.rs`: asking for offers, ordering.
//! - `show.rs`: an order, a user's orders, a payment.
//! - `end.rs`: cancellation, refunds, disputes.
//! - `words.rs`: orders as replies have them.

mod asked;
mod cart;
mod end;
mod place;
mod quote;
mod show;
mod words;

use std::sync::Arc;

use levee_api::outlet::OutletDocument;
use levee_api::port::{Answer as EngineAnswer, OrderView, Priority, Query};
use levee_api::problem::Code;
use levee_api::strict::parse;
use levee_api::types::{OrderNo, OutletId, UserKey, VoucherNo};

use crate::call::{Call, unexpected};
use crate::handlers::vouchers::{forged, user_in_header};
use crate::keys::Role;
use crate::outlets::{Listing, Menu};
use crate::trouble::Trouble;
use crate::worker::Worker;

pub(crate) use end::{cancel, refund, settle_dispute};
pub(crate) use place::place;
pub(crate) use quote::quote;
pub(crate) use show::{get, list, payment};
pub(crate) use words::{instant, is_over, order_body};

impl Worker {
    /// An order as it is now.
    pub(crate) async fn order_view(
        &self,
        priority: Priority,
        number: OrderNo,
    ) -> Result<Box<OrderView>, Trouble> {
        match self.query(priority, Query::Order(number)).await? {
            EngineAnswer::Order(view) => view.ok_or_else(|| Trouble::new(Code::OrderNotFound)),
            other => Err(unexpected(&other)),
        }
    }

    /// The menu whose places an order's lines are.
    pub(crate) async fn menu_of(
        &self,
        priority: Priority,
        view: &OrderView,
    ) -> Result<Arc<Menu>, Trouble> {
        let placed_at = self.outlets().by_number(view.moved_from.unwrap_or(view.outlet));
        match placed_at.filter(|listing| Some(listing.version) == view.outlet_version) {
            Some(listing) => Ok(Arc::clone(&listing.menu)),
            None => Ok(Arc::new(Menu::of(&self.document_of(priority, view.number).await?))),
        }
    }

    /// The outlet's document by which an order was placed.
    pub(crate) async fn document_of(
        &self,
        priority: Priority,
        number: OrderNo,
    ) -> Result<OutletDocument, Trouble> {
        match self.query(priority, Query::DocumentOf(number)).await? {
            EngineAnswer::Document(Some(document)) => {
                parse(&document).map_err(|error| unexpected(&error))
            }
            other => Err(unexpected(&other)),
        }
    }
}

/// The order in the path.
fn order_in_path(call: &Call) -> Result<OrderNo, Trouble> {
    let number = call.worker.hub.ports.codes.parse_order(call.param());
    number.ok_or_else(|| forged(call, Code::OrderNotFound))
}

/// The order in the path, for those who may see it: an app for its user, others all of them.
pub(crate) async fn order_seen(call: &Call) -> Result<Box<OrderView>, Trouble> {
    let number = order_in_path(call)?;
    let user = user_if_app(call)?;
    let view = call.worker.order_view(Priority::Status, number).await?;
    check_user(user, &view)?;
    Ok(view)
}

/// For whom an app asks.
fn user_if_app(call: &Call) -> Result<Option<UserKey>, Trouble> {
    let is_app = call.key.as_ref().is_some_and(|key| key.role == Role::App);
    is_app.then(|| user_in_header(call)).transpose()
}

fn check_user(user: Option<UserKey>, view: &OrderView) -> Result<(), Trouble> {
    match user {
        Some(user) if user != view.user => Err(Trouble::new(Code::OrderOfAnotherUser)),
        _ => Ok(()),
    }
}

/// Whether codes of vouchers are shown: whoever has one can use it.
pub(crate) fn sees_codes(call: &Call) -> bool {
    call.key.as_ref().is_some_and(|key| matches!(key.role, Role::App | Role::Operator))
}

/// The outlet that a body names.
async fn outlet_named(call: &Call, id: &str) -> Result<Arc<Listing>, Trouble> {
    let id = OutletId::new(id).ok_or_else(|| Trouble::new(Code::OutletNotFound))?;
    call.worker.outlet(&id).await
}

fn voucher_named(call: &Call, code: &str) -> Result<VoucherNo, Trouble> {
    let number = call.worker.hub.ports.codes.parse_voucher(code);
    number.ok_or_else(|| forged(call, Code::VoucherNotFound))
}
