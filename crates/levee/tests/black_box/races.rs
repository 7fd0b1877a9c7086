//! Everyone at once for the same thing.

use levee_api::client::Raw;
use serde_json::{Value, json};

use crate::harness::{Place, SMALL_SEGMENTS, at_once, run};

#[test]
fn a_thousand_users_race_for_a_hundred_vouchers() {
    let place = Place::new(SMALL_SEGMENTS);
    let server = place.start();
    run(async {
        server.open_campaign("race", 2_500, 250_000).await;
        let answers = at_once(&server, 64, 1_000, |number| {
            let path = "/v1/campaigns/race/claims".to_owned();
            (path, None, json!({"user_id": format!("user-{number}")}))
        })
        .await;
        assert_eq!(count(&answers, 201), 100);
        assert_eq!(count(&answers, 409), 900);
        let refused = answers.iter().find(|raw| raw.status == 409).expect("900 of them");
        assert_eq!(json_of(refused)["code"], "budget_exhausted");
        let campaign = server.campaign("race").await;
        assert_eq!(campaign.counts.claims, 100);
        assert_eq!(campaign.money.available_minor, 0);
        assert_eq!(campaign.money.reserved_minor, 250_000);
    });
    server.stop();
    place.audit_is_clean();
}

#[test]
fn parallel_repeats_have_one_effect_and_equal_bodies() {
    let place = Place::new(SMALL_SEGMENTS);
    let server = place.start();
    run(async {
        server.open_campaign("one", 2_500, 25_000).await;
        let claims = at_once(&server, 32, 200, |_| {
            ("/v1/campaigns/one/claims".to_owned(), None, json!({"user_id": "u"}))
        })
        .await;
        one_effect(&claims, 201, 200);
        let code = json_of(&claims[0])["voucher"]["code"].as_str().expect("a code").to_owned();

        let redeem = |reference: &str| {
            json!({"voucher_code": code, "user_id": "u", "order_minor": 1_800,
                   "reference": reference})
        };
        // The same request key; other keys for the same bill; other bills.
        let body = redeem("bill-1");
        let same_key = at_once(&server, 32, 100, move |_| {
            ("/v1/redemptions".to_owned(), Some("key".to_owned()), body.clone())
        })
        .await;
        one_effect(&same_key, 201, 201);
        let body = redeem("bill-1");
        let same_bill = at_once(&server, 32, 100, move |number| {
            ("/v1/redemptions".to_owned(), Some(format!("key-{number}")), body.clone())
        })
        .await;
        assert!(same_bill.iter().all(|raw| raw.status == 201 && raw.replayed()));
        assert!(same_bill.iter().all(|raw| raw.body == same_key[0].body));
        let bodies: Vec<Value> =
            (0..100).map(|number| redeem(&format!("other-{number}"))).collect();
        let other_bills = at_once(&server, 32, 100, move |number| {
            let key = format!("other-{number}");
            ("/v1/redemptions".to_owned(), Some(key), bodies[number].clone())
        })
        .await;
        assert_eq!(count(&other_bills, 409), 100);
        assert_eq!(json_of(&other_bills[0])["code"], "voucher_not_live");

        let id = json_of(&same_key[0])["redemption"]["id"].as_str().expect("an id").to_owned();
        let rollbacks = at_once(&server, 32, 200, move |number| {
            let path = format!("/v1/redemptions/{id}/rollback");
            (path, Some(format!("back-{number}")), json!({"reason": "order cancelled"}))
        })
        .await;
        one_effect(&rollbacks, 200, 200);

        let campaign = server.campaign("one").await;
        assert_eq!((campaign.counts.claims, campaign.counts.vouchers_live), (1, 1));
        assert_eq!((campaign.money.spent_minor, campaign.money.reserved_minor), (0, 2_500));
    });
    server.stop();
    place.audit_is_clean();
}

#[test]
fn of_many_bills_one_gets_the_voucher() {
    let place = Place::new(SMALL_SEGMENTS);
    let server = place.start();
    run(async {
        server.open_campaign("bills", 2_500, 25_000).await;
        let claim = at_once(&server, 1, 1, |_| {
            ("/v1/campaigns/bills/claims".to_owned(), None, json!({"user_id": "u"}))
        })
        .await;
        let code = json_of(&claim[0])["voucher"]["code"].clone();
        let redemptions = at_once(&server, 32, 200, move |number| {
            let reference = format!("bill-{number}");
            let body = json!({"voucher_code": code, "user_id": "u", "order_minor": 9_900,
                              "reference": reference});
            ("/v1/redemptions".to_owned(), Some(reference), body)
        })
        .await;
        assert_eq!((count(&redemptions, 201), count(&redemptions, 409)), (1, 199));
        assert_eq!(server.campaign("bills").await.money.spent_minor, 2_500);
    });
}

/// One answer is the first, with this status; all others repeat it, with that status.
#[track_caller]
fn one_effect(answers: &[Raw], first: u16, repeated: u16) {
    let firsts = answers.iter().filter(|raw| !raw.replayed()).collect::<Vec<_>>();
    assert_eq!(firsts.len(), 1, "one of {} had the effect", answers.len());
    assert_eq!(firsts[0].status, first, "{:?}", firsts[0]);
    for raw in answers {
        assert!(raw.status == repeated || raw.status == first, "{raw:?}");
        assert_eq!(raw.body, firsts[0].body);
    }
}

fn count(answers: &[Raw], status: u16) -> usize {
    answers.iter().filter(|raw| raw.status == status).count()
}

fn json_of(raw: &Raw) -> Value {
    serde_json::from_slice(&raw.body).expect("JSON")
}
