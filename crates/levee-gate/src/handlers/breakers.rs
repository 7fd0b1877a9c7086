//! Breakers of outlets and vendors: set by hand, and listed.

use levee_api::port::{Answer as EngineAnswer, Priority, Query, Reply as Said};
use levee_api::types::{
    BreakerOf, ChangeBreaker, Command, Outcome, OutletNo, RequestKey, VENDOR_LEN_MAX,
};
use levee_api::wire::{BreakerBody, BreakerChangeBody, BreakerRequest, Page};

use super::outlets::own_listing;
use crate::call::{Call, unexpected};
use crate::reply::{Answer, Reply};
use crate::trouble::Trouble;

/// `POST /v1/outlets/{id}/breaker`
pub(crate) async fn set_outlets(call: &mut Call) -> Answer {
    let request = call.request_key()?;
    let body: BreakerRequest = call.json().await?;
    let outlet = own_listing(call).await?;
    let said = set(call, request, BreakerOf::Outlet(outlet.number), &body).await?;
    answer(said, &body, |body| body.outlet = Some(outlet.id.to_string()))
}

/// `POST /v1/vendors/{vendor}/breaker`
pub(crate) async fn set_vendors(call: &mut Call) -> Answer {
    let request = call.request_key()?;
    let body: BreakerRequest = call.json().await?;
    let vendor = call.param().to_owned();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !(1..=VENDOR_LEN_MAX).contains(&vendor.len()) || !vendor.bytes().all(plain) {
        let detail = "must be 1 to 64 letters, digits, - and _, as in outlets' documents";
        return Err(Trouble::field("vendor", detail));
    }
    let said = set(call, request, BreakerOf::Vendor(vendor.clone()), &body).await?;
    answer(said, &body, |body| body.vendor = Some(vendor))
}

async fn set(
    call: &mut Call,
    request: RequestKey,
    of: BreakerOf,
    body: &BreakerRequest,
) -> Result<Said, Trouble> {
    let change = ChangeBreaker {
        request: Some(request),
        of,
        state: body.state.into(),
        by_hand: true,
        reason: body.reason.clone().into(),
    };
    call.command(Priority::Status, Command::ChangeBreaker(Box::new(change))).await
}

fn answer(said: Said, body: &BreakerRequest, name: impl FnOnce(&mut BreakerChangeBody)) -> Answer {
    match said {
        Said::Done { seq, outcome: Outcome::BreakerChanged { before }, repeated, .. } => {
            let (before, state) = (before.into(), body.state);
            let mut body = BreakerChangeBody { outlet: None, vendor: None, before, state, seq };
            name(&mut body);
            Ok(Reply::json(200, &body).repeated(repeated))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// `GET /v1/breakers`
pub(crate) async fn list(call: &mut Call) -> Answer {
    let (limit, after) = call.page()?;
    let after = match after {
        Some(text) => {
            let number = text.parse().ok().map(OutletNo);
            Some(number.ok_or_else(|| Trouble::field("after", "is no cursor of this list"))?)
        }
        None => None,
    };
    let breakers = match call.query(Priority::Browse, Query::Breakers { after, limit }).await? {
        EngineAnswer::Breakers(breakers) => breakers,
        other => return Err(unexpected(&other)),
    };
    let (mut items, mut last, mut outlets) = (Vec::new(), None, 0_u32);
    for (of, breaker) in breakers {
        let mut body = BreakerBody::from(breaker);
        match of {
            BreakerOf::Outlet(number) => {
                let listing = call.worker.outlet_numbered(Priority::Browse, number).await?;
                body.outlet = Some(listing.id.to_string());
                outlets += 1;
                last = Some(number);
            }
            BreakerOf::Vendor(vendor) => body.vendor = Some(vendor),
        }
        items.push(body);
    }
    let next = last.filter(|_| outlets >= limit).map(|last| last.0.to_string());
    Ok(Reply::json(200, &Page { items, next }))
}
