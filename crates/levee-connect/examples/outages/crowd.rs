//! What there is before a run, and the users who come in it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use levee_api::types::*;
use levee_core::Verdict;
use serde_json::json;
use tokio::time::sleep;

use crate::play::{Place, Plan, Wish};
use crate::rules::Rules;

/// A voucher pays so much of an order, and so much is left to pay.
pub(crate) const FACE_MINOR: u32 = 2_500;
const TOTAL_MINOR: u64 = 3_000;
pub(crate) const PAYABLE_MINOR: u64 = 500;

/// So many outlets of each neighbourhood may make each other's orders.
const NEIGHBOURS: usize = 4;

fn key(kind: u8, number: u64) -> [u8; 16] {
    let mut key = [kind; 16];
    key[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    key[8..12].copy_from_slice(&number.to_le_bytes()[..4]);
    key
}

/// A campaign with money for everyone, and all outlets.
pub(crate) fn open(rules: &Rules, plan: &Plan) -> HashMap<String, OutletNo> {
    let document = json!({
        "id": "festival", "name": "Festival", "currency": "CNY",
        "opens_at": "2020-01-01T00:00:00Z", "closes_at": "2100-01-01T00:00:00Z",
        "voucher": {"kind": "amount_off", "face_minor": FACE_MINOR, "valid_for": "P7D"},
    });
    let definition = levee_api::document::compile_json(document.to_string().as_bytes());
    let definition = definition.expect("a good campaign");
    let id = CampaignId::new("festival").expect("an id");
    let request = |number| RequestKey(key(1, number));
    rules.done(&Command::CreateCampaign(Box::new(CreateCampaign {
        request: request(1),
        definition,
    })));
    rules.done(&Command::MoveBudget(Box::new(MoveBudget {
        request: request(2),
        campaign: id.clone(),
        direction: Direction::Fund,
        purpose: Purpose::Vouchers,
        amount_minor: u64::from(FACE_MINOR) * plan.wishes.len() as u64,
        reference: Reference::new("all").expect("short"),
    })));
    let (change, reason) = (StateChange::Open, String::new());
    let open = ChangeCampaignState { request: request(3), campaign: id, change, reason };
    rules.done(&Command::ChangeCampaignState(Box::new(open)));
    let mut outlets = HashMap::new();
    for Place { id, vendor, stations, unit_ms, accept_within_ms } in &plan.places {
        let document = json!({
            "id": id, "brand": "tea", "vendor": vendor, "name": id, "lat": 31.23, "lng": 121.47,
            "stations": stations, "minutes_per_unit": 1.0, "pos": {"sandbox": true},
            "menu": [{"sku": "tea", "name": "Tea", "category": "tea", "price_minor": TOTAL_MINOR}],
        });
        let put = PutOutlet {
            id: OutletId::new(id).expect("an id"),
            document: document.to_string().into_bytes(),
            brand: NameHash::of("tea"),
            vendor: NameHash::of(vendor),
            stations: *stations,
            unit_ms: u32::try_from(*unit_ms).expect("minutes"),
            accept_within_ms: *accept_within_ms,
            ready_within_ms: 3_600_000,
            opening: Opening::default(),
        };
        let Outcome::OutletPut { outlet, .. } = rules.done(&Command::PutOutlet(Box::new(put)))
        else {
            panic!("another outcome")
        };
        outlets.insert(id.clone(), outlet);
    }
    outlets
}

/// Users come when they do, claim and order, whatever else there is. Nobody orders a second time.
pub(crate) async fn place_all(
    rules: Arc<Rules>,
    wishes: Vec<Wish>,
    places: usize,
) -> Vec<Option<OrderNo>> {
    let mut numbers = Vec::with_capacity(wishes.len());
    for (wish, number) in wishes.iter().zip(0_u64..) {
        let wait = wish.at_ms.saturating_sub(rules.now_ms());
        sleep(Duration::from_millis(wait)).await;
        numbers.push(place(&rules, wish, number, places));
    }
    numbers
}

/// The user of this number claims and orders; nothing where the order is refused.
pub(crate) fn place(rules: &Rules, wish: &Wish, number: u64, places: usize) -> Option<OrderNo> {
    let place = order_of(rules, wish, number, places);
    match rules.apply(&Command::PlaceOrder(Box::new(place))) {
        Verdict::Done(Outcome::OrderPlaced { order, .. }) => Some(order),
        Verdict::Refused(_) => None,
        other => panic!("an order was {other:?}"),
    }
}

/// The user of this number claims; what is ordered then.
pub(crate) fn order_of(rules: &Rules, wish: &Wish, number: u64, places: usize) -> PlaceOrder {
    let user = UserKey(key(2, number));
    let claim = ClaimVoucher {
        campaign: CampaignNo(0),
        terms_version: 1,
        conditions_met: 0,
        user,
        request: None,
    };
    let Outcome::Claimed { voucher, .. } = rules.done(&Command::ClaimVoucher(claim)) else {
        panic!("another outcome")
    };
    let outlet = |place: usize| OutletNo(u32::try_from(place).expect("outlets"));
    let others = (1..NEIGHBOURS)
        .map(|next| wish.place / NEIGHBOURS * NEIGHBOURS + (wish.place + next) % NEIGHBOURS);
    let others = others.filter(|other| *other < places && wish.moves).map(outlet);
    PlaceOrder {
        request: RequestKey(key(3, number)),
        asked: number,
        user,
        outlet: outlet(wish.place),
        outlet_version: 1,
        lines: vec![OrderLine { item: 0, quantity: 1 }],
        categories: Categories::default(),
        total_minor: TOTAL_MINOR,
        merchant_discount_minor: 0,
        voucher: Some(voucher),
        offer: None,
        ready_by_ms: Some(rules.now_ms() + wish.within_ms),
        courier_ms: None,
        work: wish.work,
        pay_within_ms: 15 * 60_000,
        others: others.take(OTHER_OUTLETS_MAX).collect(),
        campaign: None,
    }
}
