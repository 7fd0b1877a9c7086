//! Both sides of the edge: what outlets and the payment provider say to Levee, as a gate takes it, and
//! what Levee says to them, as it is seen here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::{Request, Response};
use levee_api::code::Codes;
use levee_api::port::{Answer, Query};
use levee_api::trade::trade_of;
use levee_api::types::{
    Command, MoveTicket, NameHash, OrderNo, OrderState, Outcome, OutletId, OutletNo, PaymentEvent,
    RecordPayment, TicketStep,
};
use levee_connect::played::{Answering, Outside, Party};
use levee_connect::wire::pay::{ACKNOWLEDGED, Callback, PaymentEvent as Told};
use levee_connect::wire::pos::{StepRequest, Ticket};
use levee_core::Verdict;
use serde_json::json;
use tokio::time::sleep;

use crate::rules::Rules;

/// How long a request or an answer is on its way: whoever is killed may not hear of what it did.
const WAY: Duration = Duration::from_millis(20);

/// The provider's name.
pub(crate) const PROVIDER: &str = "sandbox";

/// Takes what outlets and the provider say.
pub(crate) struct Door {
    pub(crate) rules: Arc<Rules>,
    pub(crate) codes: Arc<Codes>,
    pub(crate) outlets: HashMap<String, OutletNo>,
    /// When orders were ready.
    pub(crate) ready: Arc<Mutex<HashMap<OrderNo, u64>>>,
}

impl Party for Door {
    fn answer(&self, request: Request<Bytes>) -> Answering {
        let answer = match request.uri().path().split('/').collect::<Vec<_>>()[..] {
            ["", "v1", "tickets", ticket, step] => self.step(ticket, step, request.body()),
            ["", "v1", "payments", PROVIDER, "notify"] => self.notify(request.body()),
            _ => (404, Bytes::new()),
        };
        Box::pin(async move {
            sleep(WAY).await;
            let (status, body) = answer;
            Some(Response::builder().status(status).body(body).expect("a good status"))
        })
    }
}

impl Door {
    fn step(&self, ticket: &str, step: &str, body: &[u8]) -> (u16, Bytes) {
        let Ok(said) = serde_json::from_slice::<StepRequest>(body) else {
            return (400, Bytes::new());
        };
        let (Some(order), Some(outlet)) =
            (self.codes.parse_ticket(ticket), self.outlets.get(&said.outlet_id).copied())
        else {
            return (404, Bytes::new());
        };
        let step = match step {
            "accept" => TicketStep::Accept,
            "reject" => TicketStep::Reject,
            "start" => TicketStep::Start,
            "ready" => TicketStep::Ready,
            _ => TicketStep::Collect,
        };
        let command =
            Command::MoveTicket(MoveTicket { order, outlet, version: said.version, step });
        let (state, version) = match self.rules.apply(&command) {
            Verdict::Done(Outcome::OrderChanged(change))
            | Verdict::Repeat { outcome: Outcome::OrderChanged(change), .. } => {
                (change.state, change.version)
            }
            Verdict::Done(Outcome::OrderMoved(moved))
            | Verdict::Repeat { outcome: Outcome::OrderMoved(moved), .. } => {
                (OrderState::Rejected, moved.version)
            }
            _ => return (409, Bytes::new()),
        };
        if state == OrderState::Ready {
            let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
            ready.entry(order).or_insert_with(|| self.rules.now_ms());
        }
        let now = json!({ "ticket": { "id": ticket, "state": state.name(), "version": version } });
        (200, now.to_string().into())
    }

    fn notify(&self, body: &[u8]) -> (u16, Bytes) {
        let Ok(said) = serde_json::from_slice::<Callback>(body) else { return (400, Bytes::new()) };
        let Some(order) = self.codes.parse_payment(&said.payment) else {
            return (404, Bytes::new());
        };
        let event = match (said.event, said.captured_minor) {
            (Told::Succeeded, Some(captured_minor)) => PaymentEvent::Succeeded { captured_minor },
            (Told::Pending, None) => PaymentEvent::Pending,
            (Told::Failed, None) => PaymentEvent::Failed,
            (Told::Closed, None) => PaymentEvent::Closed,
            _ => return (400, Bytes::new()),
        };
        let trade = trade_of(&self.codes.payment(order));
        let provider = NameHash::of(PROVIDER);
        match self.rules.apply(&Command::RecordPayment(RecordPayment {
            order,
            provider,
            trade,
            event,
        })) {
            Verdict::Done(_) | Verdict::Repeat { .. } => (200, Bytes::from_static(ACKNOWLEDGED)),
            Verdict::Refused(_) => (409, Bytes::new()),
        }
    }
}

/// A call to an outlet's system, as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) at_ms: u64,
    /// The order and its work in thousandths, where it is a ticket.
    pub(crate) ticket: Option<(OrderNo, u32)>,
    /// How long its kitchen takes for a unit, as was learned by then.
    pub(crate) pace_ms: u64,
}

/// Lets everything through to those outside, and keeps what went to outlets.
pub(crate) struct Watched {
    pub(crate) outside: Outside,
    pub(crate) rules: Arc<Rules>,
    pub(crate) codes: Arc<Codes>,
    pub(crate) seen: Arc<Mutex<Seen>>,
}

/// What went to outlets.
#[derive(Default)]
pub(crate) struct Seen {
    /// By outlet.
    pub(crate) calls: HashMap<String, Vec<Call>>,
    /// Calls under way: of an outlet, of a vendor, and in all.
    now: HashMap<String, usize>,
    /// The most that there were of each of these kinds.
    pub(crate) most: [usize; 3],
}

/// A call that is under way until it is dropped, as by a kill.
struct UnderWay {
    seen: Arc<Mutex<Seen>>,
    of: [String; 3],
}

impl UnderWay {
    fn new(seen: &Arc<Mutex<Seen>>, vendor: &str, outlet: &str) -> Self {
        let of = [format!("{vendor}/{outlet}"), vendor.to_owned(), String::new()];
        let mut now = seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, of) in of.iter().enumerate() {
            let count = now.now.entry(of.clone()).or_default();
            *count += 1;
            let count = *count;
            now.most[place] = now.most[place].max(count);
        }
        Self { seen: Arc::clone(seen), of }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for of in &self.of {
            if let Some(count) = seen.now.get_mut(of) {
                *count -= 1;
            }
        }
    }
}

impl Party for Watched {
    fn answer(&self, request: Request<Bytes>) -> Answering {
        let mut under_way = None;
        if let ["", "pos", vendor, outlet, what, ..] =
            request.uri().path().split('/').collect::<Vec<_>>()[..]
        {
            let ticket = serde_json::from_slice::<Ticket>(request.body());
            let ticket = ticket.ok().filter(|_| what == "tickets");
            let ticket = ticket.map(|ticket| {
                (self.codes.parse_order(&ticket.order).expect("Levee's own"), ticket.work)
            });
            let id = OutletId::new(outlet).expect("Levee's own");
            let Answer::Outlet(Some(view)) = self.rules.answer(&Query::Outlet(id)) else {
                panic!("an outlet is not there")
            };
            let call = Call { at_ms: self.rules.now_ms(), ticket, pace_ms: view.pace_ms };
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.calls.entry(outlet.to_owned()).or_default().push(call);
            drop(seen);
            under_way = Some(UnderWay::new(&self.seen, vendor, outlet));
        }
        let outside = self.outside.clone();
        Box::pin(async move {
            sleep(WAY).await;
            let answer = outside.answer(request).await;
            sleep(WAY).await;
            drop(under_way);
            answer
        })
    }
}
