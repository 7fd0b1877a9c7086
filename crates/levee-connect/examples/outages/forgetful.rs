//! A provider that makes as many payments under one number of ours as somebody asks for, once it has
//! forgotten that it was asked: Stripe, a day later. After an outage of hours nothing is made twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::{Request, Response};
use levee_api::code::Codes;
use levee_api::port::{Answer, OrderView, Query, Submit};
use levee_api::trade::trade_of;
use levee_api::types::{Command, NameHash, OrderNo, Outcome};
use levee_connect::connectors::{
    ConnectorsConfig, PAYMENTS_KNOWN_MAX, PaymentsConfig, Protocol, WireConfig,
};
use levee_connect::played::{Answering, Party, connect};
use levee_connect::reach::Reach;
use levee_pay::{Currency, Stripe, StripeConfig, StripeSecret};
use serde_json::{Value, json};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

use crate::cases::{kitchens, payments};
use crate::crowd::{open, order_of};
use crate::play::{Place, Plan, STARTS_AT_MS, Wish};
use crate::rules::Rules;

const HOUR: Duration = Duration::from_secs(3_600);

/// From then on a payment is not made a second time without a look.
const LOOKED_FOR_AFTER: Duration = Duration::from_secs(12 * 3_600);

/// For so long nobody hears anything of it.
const DARK: Duration = Duration::from_secs(13 * 3_600);

/// The side of the merchant's account. Until the outage is over no answer arrives; what was asked for
/// `lost` was made all the same.
struct Account {
    started: Instant,
    /// The number of ours whose first request arrived.
    lost: String,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Stripe's numbers by ours.
    intents: BTreeMap<String, Vec<String>>,
    /// When payments were asked for and arrived, by our numbers.
    asked: Vec<(Duration, String)>,
}

impl Inner {
    fn make(&mut self, number: &str) -> Value {
        let count: usize = self.intents.values().map(Vec::len).sum();
        let made = self.intents.entry(number.to_owned()).or_default();
        made.push(format!("pi_{count}"));
        intent(number, made.last().expect("just made"))
    }
}

fn intent(number: &str, id: &str) -> Value {
    json!({
        "id": id, "status": "requires_payment_method", "amount": 500, "amount_received": 0,
        "currency": "cny", "livemode": false, "client_secret": format!("{id}_secret"),
        "metadata": {"out_trade_no": number},
    })
}

impl Account {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self, request: &Request<Bytes>) -> Option<Value> {
        let (path, body) = (request.uri().path(), String::from_utf8_lossy(request.body()));
        let since = self.started.elapsed();
        let number = |text: &str| {
            let at = text.find("pay_").expect("our number");
            text[at..].chars().take_while(|one| one.is_alphanumeric() || *one == '_').collect()
        };
        let mut inner = self.inner();
        let query = request.uri().query().unwrap_or_default();
        let said = match path {
            "/v1/payment_intents" => {
                let number: String = number(&body);
                let is_first = !inner.intents.contains_key(&number);
                if since < DARK && !(is_first && number == self.lost) {
                    return None;
                }
                inner.asked.push((since, number.clone()));
                inner.make(&number)
            }
            "/v1/payment_intents/search" => {
                let number: String = number(query);
                let found = inner.intents.get(&number).into_iter().flatten();
                let found: Vec<Value> = found.map(|id| intent(&number, id)).collect();
                json!({ "data": found })
            }
            _ => {
                let id = path.rsplit('/').next().unwrap_or_default();
                let mut all = inner.intents.iter();
                let (number, _) = all.find(|(_, ids)| ids.iter().any(|one| one == id))?;
                intent(number, id)
            }
        };
        (since >= DARK).then_some(said)
    }
}

impl Party for Account {
    fn answer(&self, request: Request<Bytes>) -> Answering {
        let said = self.answered(&request);
        Box::pin(async move {
            let said = said?.to_string();
            Some(Response::builder().status(200).body(said.into()).expect("a good status"))
        })
    }
}

fn config() -> ConnectorsConfig {
    let stripe = Stripe::new(StripeConfig {
        gateway: "https://api.stripe.com".to_owned(),
        api_key: "sk_test_levee".to_owned(),
        endpoint_secrets: vec![
            StripeSecret::from_text("whsec_levee_0123456789abcdef").expect("a secret"),
        ],
        live: false,
        account: None,
    });
    let wire = WireConfig {
        provider: Arc::new(stripe.expect("a good configuration")),
        currency: Currency::CNY,
        subject: "Milk tea".to_owned(),
        calls_per_s: None,
    };
    ConnectorsConfig {
        speed: 1.0,
        payments: vec![PaymentsConfig {
            name: "stripe".to_owned(),
            notify_url: "https://pay.example.com/v1/payments/stripe/notify".to_owned(),
            protocol: Protocol::Wire(wire),
        }],
        outlets: None,
        reach: Reach::allowing([]).expect("no range is wrong"),
        payments_known_max: PAYMENTS_KNOWN_MAX,
    }
}

async fn played() {
    let wish = Wish {
        at_ms: STARTS_AT_MS,
        place: 0,
        work: 1_000,
        within_ms: 48 * 3_600_000,
        moves: false,
    };
    let plan = Plan {
        seed: 1,
        places: vec![Place {
            id: "outlet-0".to_owned(),
            vendor: "till".to_owned(),
            stations: 2,
            unit_ms: 60_000,
            accept_within_ms: 600_000,
        }],
        wishes: vec![wish; 2],
        kitchens: kitchens(),
        payments: payments(),
        ends_at_ms: STARTS_AT_MS,
        kills_ms: Vec::new(),
    };
    let rules = Arc::new(Rules::new(STARTS_AT_MS));
    let codes = Arc::new(Codes::new(&[7; 32], 0));
    open(&rules, &plan);
    let placed = |number| {
        let mut place = order_of(&rules, &wish, number, 1);
        place.pay_within_ms = 24 * 3_600_000;
        match rules.done(&Command::PlaceOrder(Box::new(place))) {
            Outcome::OrderPlaced { order, .. } => order,
            other => panic!("an order was {other:?}"),
        }
    };
    let [first, second] = [0, 1].map(placed);
    let (lost, never) = (codes.payment(first), codes.payment(second));
    let (started, inner) = (Instant::now(), Mutex::default());
    let account = Arc::new(Account { started, lost: lost.clone(), inner });
    let life = async |lasting: Duration| {
        let (submit, party) = (Arc::clone(&rules) as Arc<dyn Submit>, Arc::clone(&account) as _);
        let local = LocalSet::new();
        local.spawn_local(connect(submit, Arc::clone(&codes), config(), party));
        local.run_until(sleep(lasting)).await;
    };
    let order = |number: OrderNo| -> OrderView {
        match rules.answer(&Query::Order(number)) {
            Answer::Order(Some(view)) => *view,
            other => panic!("order {number} is {other:?}"),
        }
    };
    life(HOUR / 60).await;
    assert_eq!([order(first).trade, order(second).trade], [None, None], "nobody knows");
    sleep(DARK).await;
    life(HOUR / 60).await;
    // The first is the one that was made, the second was made now, once.
    let trade = |id: &str| Some((NameHash::of("stripe"), trade_of(id)));
    assert_eq!([order(first).trade, order(second).trade], [trade("pi_0"), trade("pi_1")]);
    let inner = account.inner();
    let asked: Vec<&str> = inner.asked.iter().map(|(_, number)| &**number).collect();
    assert_eq!(asked, [&*lost, &*never], "{:?}", inner.asked);
    assert!(inner.asked[1].0 > LOOKED_FOR_AFTER);
}

#[test]
fn a_payment_of_which_nothing_is_known_for_hours_is_looked_for_before_it_is_made() {
    fastrand::seed(1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets");
    runtime.block_on(played());
}
