//! What each route does: one file a subject.

mod batch;
mod breakers;
mod campaigns;
mod claims;
mod export;
mod follow;
mod import;
mod intake;
mod live;
mod near;
pub(crate) mod orders;
mod outlets;
pub(crate) mod payments;
mod redemptions;
mod statement;
mod tickets;
mod vouchers;
mod watching;
mod webhooks;

use crate::call::Call;
use crate::reply::Answer;
use crate::routes::{Handler, ROUTES};
use crate::trouble::Trouble;

/// Answers a request that passed all checks which hold for its route.
pub(crate) async fn answer(call: &mut Call) -> Answer {
    match ROUTES[call.route].handler {
        // In place: the others' futures are larger, and moved to the heap for that.
        Handler::Claim => claims::claim(call).await,
        handler => Box::pin(other(handler, call)).await,
    }
}

async fn other(handler: Handler, call: &mut Call) -> Answer {
    match handler {
        Handler::Claim => claims::claim(call).await,
        Handler::CreateCampaign => campaigns::create(call).await,
        Handler::ReplaceCampaign => campaigns::replace(call).await,
        Handler::Wait => watching::wait(call),
        Handler::GetDraw => campaigns::draw(call).await,
        Handler::GetCampaign => campaigns::get(call).await,
        Handler::ListCampaigns => campaigns::list(call).await,
        Handler::Fund | Handler::Withdraw => campaigns::move_budget(call, handler).await,
        Handler::Open | Handler::Pause | Handler::Resume | Handler::Close => {
            campaigns::change_state(call, handler).await
        }
        Handler::ClaimBatch => batch::claim_batch(call).await,
        Handler::GetVoucher => vouchers::get(call).await,
        Handler::Validate => vouchers::validate(call).await,
        Handler::Lock => vouchers::lock(call).await,
        Handler::Release => vouchers::release(call).await,
        Handler::Revoke => vouchers::revoke(call).await,
        Handler::Wallet => vouchers::wallet(call).await,
        Handler::Redeem => redemptions::redeem(call).await,
        Handler::ListRedemptions => redemptions::list(call).await,
        Handler::RollBack => redemptions::roll_back(call).await,
        Handler::GetIntake => intake::get(call).await,
        Handler::SetLevel => intake::set_level(call).await,
        Handler::ReleaseLevel => intake::release_level(call).await,
        Handler::SetLimits => intake::set_limits(call).await,
        // Rare, and large enough to make room for all others larger.
        Handler::PutOutlet => Box::pin(outlets::put(call)).await,
        Handler::GetOutlet => outlets::get(call).await,
        Handler::ImportOutlets => import::import(call).await,
        Handler::PauseOutlet => outlets::pause(call).await,
        Handler::ResumeOutlet => outlets::resume(call).await,
        Handler::ListOutlets => Box::pin(near::list(call)).await,
        Handler::SetStaffing => outlets::set_staffing(call).await,
        Handler::RecordWalkIns => outlets::record_walk_ins(call).await,
        Handler::SetOutletBreaker => breakers::set_outlets(call).await,
        Handler::SetVendorBreaker => breakers::set_vendors(call).await,
        Handler::ListBreakers => breakers::list(call).await,
        Handler::Quote => orders::quote(call).await,
        Handler::PlaceOrder => orders::place(call).await,
        Handler::GetOrder => orders::get(call).await,
        Handler::ListOrders => orders::list(call).await,
        Handler::FollowOrder => follow::order(call).await,
        Handler::CancelOrder => orders::cancel(call).await,
        Handler::RefundOrder => orders::refund(call).await,
        Handler::SettleDispute => orders::settle_dispute(call).await,
        Handler::GetPayment => orders::payment(call).await,
        Handler::NotifyPayment => payments::notify(call).await,
        Handler::AcceptTicket
        | Handler::RejectTicket
        | Handler::StartTicket
        | Handler::FinishTicket
        | Handler::CollectTicket => tickets::step(call, handler).await,
        Handler::ListTickets => tickets::list(call).await,
        Handler::FollowTickets => follow::tickets(call).await,
        Handler::GetStatement => statement::get(call).await,
        Handler::PutWebhook => webhooks::put(call).await,
        Handler::GetWebhook => webhooks::get(call).await,
        Handler::ListWebhooks => webhooks::list(call).await,
        Handler::RemoveWebhook => webhooks::remove(call).await,
        Handler::ListDeadLetters => webhooks::dead(call).await,
        Handler::ReplayWebhook => webhooks::replay(call).await,
        Handler::RedeliverDeadLetter => webhooks::redeliver(call).await,
        Handler::Live => live::listen(call),
        Handler::AuditExport => export::export(call).await,
        Handler::Health => Ok(watching::health()),
        Handler::Ready => Ok(watching::ready(call)),
        Handler::Metrics => Ok(watching::metrics(call).await),
        Handler::OpenApi => Ok(watching::openapi(call)),
        Handler::Docs => Ok(watching::docs(call)),
        Handler::Home => Ok(watching::home()),
    }
}

/// The cursor of a list's next page: only a full page may have one, and only if something follows.
pub(crate) async fn next_of_page<T, F>(
    len: usize,
    limit: u32,
    last: Option<T>,
    more: F,
) -> Result<Option<String>, Trouble>
where
    F: AsyncFnOnce(T) -> Result<Option<String>, Trouble>,
{
    match last {
        Some(last) if len >= limit as usize => more(last).await,
        _ => Ok(None),
    }
}
