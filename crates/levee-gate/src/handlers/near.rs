//! Outlets in numbers: what is near a place, and a list of all.

use levee_api::outlet::{Degrees, Fulfilment};
use levee_api::port::{Answer as EngineAnswer, LIST_MAX, OutletView, Priority, Query};
use levee_api::problem::Code;
use levee_api::types::NameHash;
use levee_api::wire::{NearBody, OutletItem, Page};

use super::outlets::body;
use crate::call::{Call, PAGE_DEFAULT, number_within, unexpected};
use crate::handlers::next_of_page;
use crate::keys::Role;
use crate::outlets::{Near, Place, is_open_at};
use crate::reply::{Answer, Reply};
use crate::trouble::Trouble;

/// Outlets of one search where the request does not say.
const NEAR_DEFAULT: u32 = 20;

/// Most outlets of one search: the engine looks at the kitchen of each.
const NEAR_MAX: u32 = 100;

/// What is looked for is one drink, in thousandths of a unit.
const ONE_UNIT: u32 = 1_000;

/// `GET /v1/outlets`
pub(crate) async fn list(call: &mut Call) -> Answer {
    let mut queries = call.queries()?;
    let near = queries.take("near");
    let (brand, all) = (queries.take("brand"), queries.take("all"));
    let (limit, after) = (queries.take("limit"), queries.take("after"));
    let Some(near) = near else {
        for (name, value) in [("brand", brand), ("all", all)] {
            if value.is_some() {
                return Err(Trouble::field(name, "goes with near alone"));
            }
        }
        return page(call, limit.as_deref(), after.as_deref()).await;
    };
    let place = place(&near).ok_or_else(|| Trouble::field("near", "must be lat,lng in degrees"))?;
    if after.is_some() {
        return Err(Trouble::field("after", "does not go with near"));
    }
    let all = match all.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Trouble::field("all", "must be true or false")),
    };
    let limit = number_within("limit", limit.as_deref(), NEAR_DEFAULT, NEAR_MAX)?;
    let found = find(call, place, brand.as_deref(), limit as usize, all).await?;
    let item = |(near, eta_ms): (Near, Option<u64>)| OutletItem::Near(near_body(&near, eta_ms));
    let items = found.into_iter().map(item).collect();
    Ok(Reply::json(200, &Page::<OutletItem> { items, next: None }))
}

/// `31.2304,121.4737`
fn place(text: &str) -> Option<Place> {
    let (lat, lng) = text.split_once(',')?;
    let degrees = |text: &str| text.trim().parse::<f64>().ok();
    Some(Place { lat: Degrees::new(degrees(lat)?)?, lng: Degrees::new(degrees(lng)?)? })
}

/// What is near, with when each could have a drink ready.
async fn find(
    call: &Call,
    place: Place,
    brand: Option<&str>,
    limit: usize,
    all: bool,
) -> Result<Vec<(Near, Option<u64>)>, Trouble> {
    call.worker.check_outlets_filled()?;
    let outlets = call.worker.outlets();
    let now_ms = call.worker.journal_ms();
    // Some of those that are open may be paused, which only the engine knows.
    let spare = if all { 0 } else { limit / 2 + 5 };
    let hash = brand.map(NameHash::of);
    let found = outlets.near_if(place, hash, limit + spare, |listing| {
        // Two brands may be alike when hashed.
        let is_theirs = brand.is_none_or(|brand| *listing.brand == *brand);
        is_theirs && (all || is_open_at(&listing.opening, now_ms))
    });
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let numbers = found.iter().map(|near| near.listing.number).collect();
    let query = Query::Etas { outlets: numbers, work: ONE_UNIT };
    let etas = match call.query(Priority::Browse, query).await? {
        EngineAnswer::Etas(etas) if etas.len() == found.len() => etas,
        other => return Err(unexpected(&other)),
    };
    let with_etas = found.into_iter().zip(etas);
    Ok(with_etas.filter(|(_, eta_ms)| all || eta_ms.is_some()).take(limit).collect())
}

fn near_body(near: &Near, eta_ms: Option<u64>) -> NearBody {
    let listing = &near.listing;
    let ways = [(listing.picks_up, Fulfilment::Pickup), (listing.delivers, Fulfilment::Delivery)];
    NearBody {
        id: listing.id.to_string(),
        brand: listing.brand.to_string(),
        name: listing.name.to_string(),
        lat: listing.place.lat,
        lng: listing.place.lng,
        distance_m: near.distance_m,
        fulfilment: ways.into_iter().filter(|(is_so, _)| *is_so).map(|(_, way)| way).collect(),
        eta_ms,
    }
}

/// All outlets, a page at a time. One whose document is put again meanwhile comes again.
async fn page(call: &Call, limit: Option<&str>, after: Option<&str>) -> Answer {
    if call.key.as_ref().is_some_and(|key| key.role == Role::App) {
        let detail = "Apps look for outlets near a place: the list of all has their documents.";
        return Err(Trouble::new(Code::Forbidden).with_detail(detail));
    }
    let limit = number_within("limit", limit, PAGE_DEFAULT, LIST_MAX)?;
    let after_seq = match after {
        None => 0,
        Some(text) => {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let seq = text.parse().ok().filter(|_| digits);
            seq.ok_or_else(|| Trouble::field("after", "is no next of a page of outlets"))?
        }
    };
    let views = outlets_after(call, after_seq, limit).await?;
    let last = views.last().map(|view| view.put_seq);
    let next = next_of_page(views.len(), limit, last, async |last: u64| {
        let more = outlets_after(call, last, 1).await?;
        Ok((!more.is_empty()).then(|| last.to_string()))
    })
    .await?;
    let item = |view| Ok(OutletItem::Listed(Box::new(body(&call.worker, view)?)));
    let items = views.iter().map(item).collect::<Result<_, Trouble>>()?;
    Ok(Reply::json(200, &Page::<OutletItem> { items, next }))
}

async fn outlets_after(
    call: &Call,
    after_seq: u64,
    limit: u32,
) -> Result<Vec<OutletView>, Trouble> {
    match call.query(Priority::Browse, Query::Outlets { after_seq, limit }).await? {
        EngineAnswer::Outlets(views) => Ok(views),
        other => Err(unexpected(&other)),
    }
}
