//! One run: orders come, connectors work, those outside do what they do, and now and then everything
//! of Levee's is killed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use levee_api::code::Codes;
use levee_api::port::{Answer, OrderView, Query, Submit};
use levee_api::scenario::{Kitchens, Payments};
use levee_api::types::*;
use levee_api::vitals::Vitals;
use levee_connect::connectors::{
    ConnectorsConfig, OutletsConfig, PAYMENTS_KNOWN_MAX, PaymentsConfig, Protocol,
    SandboxConfig as Wire,
};
use levee_connect::played::{Outside, Party, connect};
use levee_connect::reach::Reach;
use levee_connect::sandbox::{SandboxConfig, Secrets, Stats};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::crowd::{open, place_all};
use crate::door::{Call, Door, PROVIDER, Seen, Watched};
use crate::rules::Rules;

/// 12:00 in Shanghai.
pub(crate) const STARTS_AT_MS: u64 = 1_770_350_400_000;

/// An outlet, and how it is called.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) id: String,
    pub(crate) vendor: String,
    pub(crate) stations: u16,
    pub(crate) unit_ms: u64,
    pub(crate) accept_within_ms: u64,
}

/// A wish to order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) at_ms: u64,
    pub(crate) place: usize,
    /// In thousandths of a unit.
    pub(crate) work: u32,
    /// Wanted after so long, at the latest.
    pub(crate) within_ms: u64,
    /// Others may make it.
    pub(crate) moves: bool,
}

/// What is to be played.
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) places: Vec<Place>,
    pub(crate) wishes: Vec<Wish>,
    pub(crate) kitchens: Kitchens,
    pub(crate) payments: Payments,
    /// Until then orders have come to their end.
    pub(crate) ends_at_ms: u64,
    /// When Levee is killed.
    pub(crate) kills_ms: Vec<u64>,
}

/// What became of one wish.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) number: OrderNo,
    pub(crate) view: OrderView,
    pub(crate) voucher: VoucherState,
    pub(crate) ready_ms: Option<u64>,
}

/// All that was seen.
pub(crate) struct Played {
    /// By wish; nothing where it was refused.
    pub(crate) orders: Vec<Option<Order>>,
    /// By outlet.
    pub(crate) calls: HashMap<String, Vec<Call>>,
    /// When breakers were changed, and whether to open.
    pub(crate) breakers: Vec<(u64, BreakerOf, bool)>,
    pub(crate) stats: Stats,
    /// What the provider has of each payment: captured and refunded.
    pub(crate) payments: HashMap<OrderNo, (u64, u64)>,
    /// How often each order was begun and made, over all outlets.
    pub(crate) made: HashMap<OrderNo, (u32, u32)>,
    pub(crate) money: Money,
    /// Calls to one outlet, to one vendor, and in all.
    pub(crate) most_at_once: [usize; 3],
    pub(crate) most_under_way: u64,
    pub(crate) most_parked: u64,
    pub(crate) undone: Vec<Action>,
}

#[derive(serde::Deserialize)]
struct PaymentLine {
    payment: String,
    captured_minor: u64,
    refunded_minor: u64,
}

#[derive(serde::Deserialize)]
struct TicketLine {
    order: String,
    begun_count: u32,
    made_count: u32,
}

pub(crate) fn play(plan: &Plan) -> Played {
    fastrand::seed(plan.seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets");
    runtime.block_on(played(plan))
}

async fn played(plan: &Plan) -> Played {
    let rules = Arc::new(Rules::new(STARTS_AT_MS));
    let codes = Arc::new(Codes::new(&[7; 32], 0));
    let outlets = open(&rules, plan);
    let ready = Arc::new(Mutex::new(HashMap::new()));
    let door: Arc<dyn Party> = Arc::new(Door {
        rules: Arc::clone(&rules),
        codes: Arc::clone(&codes),
        outlets,
        ready: Arc::clone(&ready),
    });
    let outside = Outside::start(sandbox(plan), &door).expect("it can be played");
    let seen = Arc::new(Mutex::new(Seen::default()));
    let watched: Arc<dyn Party> = Arc::new(Watched {
        outside: outside.clone(),
        rules: Arc::clone(&rules),
        codes: Arc::clone(&codes),
        seen: Arc::clone(&seen),
    });
    let placing =
        tokio::spawn(place_all(Arc::clone(&rules), plan.wishes.clone(), plan.places.len()));
    let watch = Rc::new(RefCell::new(Watch::default()));
    let ends = plan.kills_ms.iter().copied().chain([plan.ends_at_ms]);
    for (life, until_ms) in ends.enumerate() {
        if life > 0 {
            rules.kill();
        }
        let local = LocalSet::new();
        let until = Instant::now() + Duration::from_millis(until_ms.saturating_sub(rules.now_ms()));
        let submit: Arc<dyn Submit> = Arc::clone(&rules) as _;
        local.spawn_local(connect(submit, Arc::clone(&codes), config(), Arc::clone(&watched)));
        local.spawn_local(look(Arc::clone(&rules), Rc::clone(&watch)));
        // With it end all of its tasks, whatever they wait for.
        local.run_until(sleep_until(until)).await;
    }
    let numbers = placing.await.expect("no panic");
    let orders = numbers.into_iter().map(|number| {
        let number = number?;
        let Answer::Order(Some(view)) = rules.answer(&Query::Order(number)) else {
            panic!("order {number} is not there")
        };
        let voucher = view.voucher.expect("each has one");
        let Answer::Voucher(Some(voucher)) = rules.answer(&Query::Voucher(voucher)) else {
            panic!("its voucher is not there")
        };
        let ready = ready.lock().unwrap_or_else(PoisonError::into_inner);
        let ready_ms = ready.get(&number).copied();
        Some(Order { number, view: *view, voucher: voucher.state, ready_ms })
    });
    let orders = orders.collect();
    let lines = async |path: &str| {
        let request = hyper::Request::get(path).body(bytes::Bytes::new()).expect("a path");
        outside.answer(request).await.expect("it answers").into_body()
    };
    let payments = lines("/payments.ndjson").await;
    let payments = read::<PaymentLine>(&payments).map(|line| {
        let order = codes.parse_payment(&line.payment).expect("Levee's own");
        (order, (line.captured_minor, line.refunded_minor))
    });
    let mut made = HashMap::<OrderNo, (u32, u32)>::new();
    for line in read::<TicketLine>(&lines("/tickets.ndjson").await) {
        if let Some(order) = codes.parse_order(&line.order) {
            let made = made.entry(order).or_default();
            *made = (made.0 + line.begun_count, made.1 + line.made_count);
        }
    }
    let Answer::Undone { actions, .. } =
        rules.answer(&Query::Undone { after_change: 0, limit: u32::MAX })
    else {
        panic!("another answer")
    };
    let Answer::Campaign(Some(campaign)) =
        rules.answer(&Query::Campaign(CampaignId::new("festival").expect("an id")))
    else {
        panic!("the campaign is there")
    };
    let watch = watch.take();
    let Seen { calls, most, .. } =
        std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    Played {
        orders,
        calls,
        breakers: rules.breaker_changes(),
        stats: outside.stats(),
        payments: payments.collect(),
        made,
        money: campaign.money,
        most_at_once: most,
        most_under_way: watch.most_under_way,
        most_parked: watch.most_parked,
        undone: actions,
    }
}

fn read<T: serde::de::DeserializeOwned>(lines: &[u8]) -> impl Iterator<Item = T> {
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).expect("the sandbox's own"))
}

pub(crate) fn config() -> ConnectorsConfig {
    let wire = Wire { url: "http://127.0.0.1:8480/pay".to_owned(), currency: "CNY".to_owned() };
    ConnectorsConfig {
        speed: 1.0,
        payments: vec![PaymentsConfig {
            name: PROVIDER.to_owned(),
            notify_url: format!("http://127.0.0.1:8080/v1/payments/{PROVIDER}/notify"),
            protocol: Protocol::Sandbox(wire),
        }],
        outlets: Some(OutletsConfig {
            url: "http://127.0.0.1:8480/pos".to_owned(),
            secret: Secrets::dev().outlets,
        }),
        reach: Reach::allowing([]).expect("no range is wrong"),
        payments_known_max: PAYMENTS_KNOWN_MAX,
    }
}

/// What is seen from moment to moment.
#[derive(Default)]
struct Watch {
    most_under_way: u64,
    most_parked: u64,
}

impl Watch {
    fn look(&mut self, rules: &Rules) {
        let Vitals { outside, .. } = rules.vitals();
        self.most_under_way = self.most_under_way.max(outside.under_way.load(Relaxed));
        self.most_parked = self.most_parked.max(outside.parked.load(Relaxed));
    }
}

/// Ticks, as an engine does, and looks.
async fn look(rules: Arc<Rules>, watch: Rc<RefCell<Watch>>) {
    loop {
        rules.tick();
        watch.borrow_mut().look(&rules);
        sleep(Duration::from_millis(500)).await;
    }
}

/// The sandbox as a plan has it; its addresses are nobody's.
pub(crate) fn sandbox(plan: &Plan) -> SandboxConfig {
    SandboxConfig {
        listen: "127.0.0.1:0".to_owned(),
        levee: "http://127.0.0.1:8080".to_owned(),
        speed: 1.0,
        epoch_ms: Some(STARTS_AT_MS),
        day_starts_at_ms: STARTS_AT_MS,
        seed: plan.seed,
        kitchens: plan.kitchens.clone(),
        payments: plan.payments.clone(),
        secrets: Secrets::dev(),
        connections_max: 1,
    }
}
