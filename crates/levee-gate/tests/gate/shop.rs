//! An outlet that takes orders, for tests of what becomes of them: those who speak to a gate about an
//! order, each as they would.

use std::time::{SystemTime, UNIX_EPOCH};

use levee_api::webhook::{DEV_OUTLETS_SECRET, DEV_PAYMENTS_SECRET, WebhookSecrets};
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::outlets::{outlet, put};
use crate::wire::Got;

/// With a secret of its own.
pub(crate) const POS_SECRET: &str = "whsec_bGV2ZWUgdGVzdCBvdXRsZXRzIHNlY3JldA==";

pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Header lines of a signed message.
pub(crate) fn signed(secret: &str, at_s: u64, body: &str) -> String {
    let secret = WebhookSecrets::from_text(secret).unwrap();
    let headers = secret.headers("msg_1", at_s, body.as_bytes());
    headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}

/// The outlets `sh-1` of the brand `dev`, `sh-2` of the same a few metres further, which delivers as
/// well and whose tickets go to the sandbox, and `x-1` of another.
pub(crate) fn shop() -> Bench {
    shop_at(Bench::new())
}

/// The same behind this gate.
pub(crate) fn shop_at(bench: Bench) -> Bench {
    let mut document = outlet("dev", 31.2304, 121.4737);
    document["pos"]["secret"] = json!(POS_SECRET);
    assert_eq!(put(&bench, "sh-1", "operator", &document).status, 201);
    let mut other = outlet("dev", 31.2310, 121.4740);
    other["pos"] = json!({"sandbox": true});
    other["fulfilment"] = json!(["pickup", "delivery"]);
    assert_eq!(put(&bench, "sh-2", "operator", &other).status, 201);
    let foreign = outlet("luckin", 31.2306, 121.4738);
    assert_eq!(put(&bench, "x-1", "operator", &foreign).status, 201);
    bench
}

/// An order of one grape for the user `u1` at `sh-1`.
pub(crate) fn grape() -> Value {
    json!({"user_id": "u1", "outlet_id": "sh-1", "items": [{"sku": "grape", "quantity": 1}]})
}

/// The object with these fields as well, or instead.
pub(crate) fn with(mut object: Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else { panic!("an object") };
    object.as_object_mut().unwrap().extend(fields);
    object
}

impl Bench {
    pub(crate) fn order(&self, key: &str, body: &Value) -> Got {
        self.post("/v1/orders", "app", key, &body.to_string())
    }

    /// An order that must be placed, as it was.
    #[track_caller]
    pub(crate) fn placed(&self, key: &str, body: &Value) -> Value {
        let got = self.order(key, body);
        assert_eq!(got.status, 201, "{got:?}");
        got.json()["order"].clone()
    }

    /// An order of `u1` as it is now.
    #[track_caller]
    pub(crate) fn shown(&self, order: &Value) -> Value {
        let line = format!("GET /v1/orders/{}", text(&order["id"]));
        let got = self.ask(&line, "app", "Levee-User: u1\r\n", "");
        assert_eq!(got.status, 200, "{got:?}");
        got.json()
    }

    /// A callback of the sandbox's provider.
    pub(crate) fn notify(&self, payment: &str, event: &str, captured_minor: Option<u64>) -> Got {
        let mut body = json!({"payment": payment, "trade": "T-1", "event": event});
        if let Some(minor) = captured_minor {
            body["captured_minor"] = json!(minor);
        }
        let body = body.to_string();
        let headers = signed(DEV_PAYMENTS_SECRET, now_s(), &body);
        self.ask("POST /v1/payments/sandbox/notify", "", &headers, &body)
    }

    /// Pays all of an order.
    #[track_caller]
    pub(crate) fn pay(&self, order: &Value) {
        let payment = text(&order["payment"]["id"]);
        let got = self.notify(payment, "succeeded", order["payable_minor"].as_u64());
        assert_eq!((got.status, got.body.as_str()), (200, "success"), "{got:?}");
    }

    /// A step of an order's ticket, signed by its outlet.
    pub(crate) fn step(&self, order: &Value, outlet: &str, step: &str, version: u64) -> Got {
        let ticket = self.ticket(order);
        let secret = if outlet == "sh-2" { DEV_OUTLETS_SECRET } else { POS_SECRET };
        let body = json!({"outlet_id": outlet, "version": version}).to_string();
        let headers = signed(secret, now_s(), &body) + &format!("Levee-Outlet: {outlet}\r\n");
        self.ask(&format!("POST /v1/tickets/{ticket}/{step}"), "", &headers, &body)
    }

    /// The id of an order's ticket, also before there is one.
    pub(crate) fn ticket(&self, order: &Value) -> String {
        let number = self.codes.parse_order(text(&order["id"])).unwrap();
        self.codes.ticket(number)
    }

    /// Takes a ticket through these steps, from version 1 on.
    #[track_caller]
    pub(crate) fn steps(&self, order: &Value, outlet: &str, steps: &[&str]) {
        for (version, step) in (1..).zip(steps) {
            let got = self.step(order, outlet, step, version);
            assert_eq!(got.status, 200, "{step}: {got:?}");
            assert_eq!(got.json()["ticket"]["version"], version + 1, "{step}");
        }
    }
}

#[track_caller]
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text: {value}"))
}
