//! Redemptions, for apps that take orders themselves.

use levee_api::port::{Answer as EngineAnswer, Priority, Query, RedemptionView, Reply as Said};
use levee_api::problem::Code;
use levee_api::time::Instant;
use levee_api::types::{Bill, Command, Outcome, RedeemVoucher, RedemptionNo, RollBackRedemption};
use levee_api::wire::{
    Page, ReasonRequest, RedemptionBody, RedemptionInfo, RedemptionRequest, RollbackBody,
    voucher_state,
};

use crate::call::{Call, unexpected};
use crate::handlers::next_of_page;
use crate::handlers::vouchers::{brand_hash, categories, forged, pseudonym, reference};
use crate::reply::{Answer, Reply};
use crate::trouble::Trouble;

/// `POST /v1/redemptions`
pub(crate) async fn redeem(call: &mut Call) -> Answer {
    let request = call.request_key()?;
    let body: RedemptionRequest = call.json().await?;
    let codes = &call.worker.hub.ports.codes;
    let voucher = codes.parse_voucher(&body.voucher_code);
    let voucher = voucher.ok_or_else(|| forged(call, Code::VoucherNotFound))?;
    let lock = body
        .lock
        .as_deref()
        .map(|id| codes.parse_lock(id).ok_or_else(|| forged(call, Code::LockNotFound)));
    let lock = lock.transpose()?;
    let order_minor = body.order_minor.get();
    let bill = Bill {
        voucher,
        user: pseudonym(call, &body.user_id),
        order_minor,
        brand: body.brand.as_ref().map(brand_hash),
        categories: categories(&body.categories)?,
    };
    let reference = reference(body.reference.as_str())?;
    call.worker.admit_user(Priority::Redeem, bill.user)?;
    let redeem = Command::RedeemVoucher(Box::new(RedeemVoucher { request, bill, lock, reference }));
    match call.command(Priority::Redeem, redeem).await? {
        Said::Done {
            seq,
            at_ms,
            outcome: Outcome::Redeemed { redemption, discount_minor, rollback_until_ms, .. },
            repeated,
        } => {
            // From the request and the outcome alone: a repeat has the same request.
            let redemption = RedemptionInfo {
                id: codes.redemption(redemption),
                voucher_code: codes.voucher(voucher),
                reference: body.reference.into(),
                order_minor,
                discount_minor,
                payable_minor: order_minor.saturating_sub(u64::from(discount_minor)),
                rollback_until: Instant { ms: rollback_until_ms },
                redeemed_at: Instant { ms: at_ms },
                state: None,
                campaign: None,
            };
            Ok(Reply::json(201, &RedemptionBody { redemption, seq }).repeated(repeated))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// `POST /v1/redemptions/{id}/rollback`
pub(crate) async fn roll_back(call: &mut Call) -> Answer {
    let request = call.request_key()?;
    let redemption = call.worker.hub.ports.codes.parse_redemption(call.param());
    let redemption = redemption.ok_or_else(|| forged(call, Code::RedemptionNotFound))?;
    let body: ReasonRequest = call.json().await?;
    let undo = RollBackRedemption { request, redemption, reason: body.reason.into() };
    match call.command(Priority::Redeem, Command::RollBackRedemption(Box::new(undo))).await? {
        Said::Done {
            seq, outcome: Outcome::RolledBack { voucher_state: state }, repeated, ..
        } => {
            let redemption = call.worker.hub.ports.codes.redemption(redemption);
            let body = RollbackBody { redemption, voucher_state: voucher_state(state), seq };
            Ok(Reply::json(200, &body).repeated(repeated))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// `GET /v1/redemptions`
pub(crate) async fn list(call: &mut Call) -> Answer {
    let (limit, after) = call.page()?;
    let codes = &call.worker.hub.ports.codes;
    let cursor = |id: &str| {
        let number = codes.parse_redemption(id);
        number.ok_or_else(|| Trouble::field("after", "is no redemption id"))
    };
    let after = after.as_deref().map(cursor).transpose()?;
    let views = redemptions(call, after, limit).await?;
    let last = views.last().map(|view| view.number);
    let next = next_of_page(views.len(), limit, last, async |last| {
        let more = redemptions(call, Some(last), 1).await?;
        Ok((!more.is_empty()).then(|| codes.redemption(last)))
    })
    .await?;
    let items = views.iter().map(|view| info(call, view)).collect();
    Ok(Reply::json(200, &Page::<RedemptionInfo> { items, next }))
}

async fn redemptions(
    call: &Call,
    after: Option<RedemptionNo>,
    limit: u32,
) -> Result<Vec<RedemptionView>, Trouble> {
    match call.query(Priority::Browse, Query::Redemptions { after, limit }).await? {
        EngineAnswer::Redemptions(views) => Ok(views),
        other => Err(unexpected(&other)),
    }
}

fn info(call: &Call, view: &RedemptionView) -> RedemptionInfo {
    let codes = &call.worker.hub.ports.codes;
    RedemptionInfo {
        id: codes.redemption(view.number),
        voucher_code: codes.voucher(view.voucher),
        reference: view.reference.as_str().to_owned(),
        order_minor: view.order_minor,
        discount_minor: view.discount_minor,
        payable_minor: view.order_minor.saturating_sub(u64::from(view.discount_minor)),
        rollback_until: Instant { ms: view.rollback_until_ms },
        redeemed_at: Instant { ms: view.at_ms },
        state: Some(if view.rolled_back { "rolled_back" } else { "redeemed" }.to_owned()),
        campaign: Some(view.definition.id.to_string()),
    }
}
