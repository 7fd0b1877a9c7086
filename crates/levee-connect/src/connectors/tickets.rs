//! Outlets' point-of-sale systems: tickets are sent and cancelled.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use levee_api::outlet::{ItemDocument, OutletDocument};
use levee_api::port::{OrderView, OutletView};
use levee_api::time::now_s;
use levee_api::types::{Command, MoveTicket, OrderLine, OrderNo, OutletNo, TicketStep};
use levee_api::webhook::WebhookSecrets;
use serde::Serialize;
use tokio::time::Instant;

use super::OutletsConfig;
use super::carrier::Undone;
use super::engine::Engine;
use crate::http::{Http, Trouble};
use crate::wire::pos::{Cancel, Item, Ticket};

/// What was read of an outlet is read again after this time.
const KNOWN_FOR: Duration = Duration::from_secs(1);

/// Outlets that are kept in mind.
const KNOWN_MAX: usize = 20_000;

/// Where an outlet's tickets go, and what its menu says.
pub(super) struct Target {
    outlet_id: String,
    /// Without the last slash.
    url: String,
    secret: WebhookSecrets,
    vendor: Rc<str>,
    number: OutletNo,
    /// Of the document.
    version: u32,
    document: OutletDocument,
    view: OutletView,
    read_at: Instant,
}

/// The outlets that were asked for.
pub(super) struct Outlets {
    sandbox: Option<OutletsConfig>,
    known: RefCell<HashMap<OutletNo, Rc<Target>>>,
}

impl Outlets {
    pub(super) fn new(sandbox: Option<OutletsConfig>) -> Self {
        Self { sandbox, known: RefCell::default() }
    }

    /// Where an outlet's tickets go; why not, in words.
    pub(super) async fn target(
        &self,
        engine: &Engine,
        number: OutletNo,
    ) -> Result<Rc<Target>, String> {
        let known = self.known.borrow().get(&number).cloned();
        if let Some(known) = known.filter(|known| known.read_at.elapsed() < KNOWN_FOR) {
            return Ok(known);
        }
        let view = engine.outlet(number).await.map_err(|failure| format!("{failure:?}"))?;
        let view = view.ok_or_else(|| format!("there is no outlet {number}"))?;
        let target = Rc::new(self.read(*view)?);
        let mut known = self.known.borrow_mut();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(number, Rc::clone(&target));
        Ok(target)
    }

    /// Whether an outlet's document names this vendor.
    pub(super) fn is_of(&self, view: &OutletView, vendor: &str) -> bool {
        let document = serde_json::from_slice::<OutletDocument>(&view.document);
        document.is_ok_and(|document| document.vendor.as_str() == vendor)
    }

    fn read(&self, view: OutletView) -> Result<Target, String> {
        let outlet_id = view.id.as_str().to_owned();
        let document: OutletDocument = serde_json::from_slice(&view.document)
            .map_err(|error| format!("the document of outlet {outlet_id}: {error}"))?;
        let (url, secret) = match (&document.pos.url, &document.pos.secret) {
            (Some(url), Some(secret)) => (url.trim_end_matches('/').to_owned(), secret.webhook()),
            _ => {
                let sandbox = self.sandbox.as_ref();
                let sandbox = sandbox.ok_or_else(|| {
                    format!("outlet {outlet_id} is the sandbox's, and none is configured")
                })?;
                let url = format!("{}/{}/{outlet_id}", sandbox.url, document.vendor.as_str());
                (url, sandbox.secret.clone())
            }
        };
        let vendor = Rc::from(document.vendor.as_str());
        let read_at = Instant::now();
        let OutletView { number, version, .. } = view;
        Ok(Target { outlet_id, url, secret, vendor, number, version, document, view, read_at })
    }
}

impl Target {
    /// Whose system it is: those of one vendor share what its servers take.
    pub(super) fn vendor(&self) -> &Rc<str> {
        &self.vendor
    }

    /// Its number.
    pub(super) fn outlet(&self) -> OutletNo {
        self.view.number
    }

    /// As the engine has it, some moments ago.
    pub(super) fn view(&self) -> &OutletView {
        &self.view
    }

    /// Whether anybody answers; what, is no matter, unless it is that nobody can.
    pub(super) async fn look(&self, http: &Http) -> Result<(), Trouble> {
        let url = format!("{}/ready", self.url);
        somebody(http.send(Method::GET, &url, &[], Bytes::new()).await)
    }

    /// Sends a ticket; the outlet ignores what is not newer than what it has.
    pub(super) async fn send(
        &self,
        http: &Http,
        ids: Ids<'_>,
        order: &OrderView,
        earlier: Option<&OutletDocument>,
        now_ms: u64,
    ) -> Result<Command, Trouble> {
        let menu = &earlier.unwrap_or(&self.document).menu;
        let due_ms = order.due_ms.unwrap_or(order.promised_at_ms);
        // Once it has the ticket it has no longer than that.
        let accept_by_ms = due_ms.min(now_ms.saturating_add(self.view.accept_within_ms));
        let items = order.lines.iter().map(|line| item(menu, line));
        let ticket = Ticket {
            ticket: ids.ticket.to_owned(),
            order: ids.order.to_owned(),
            version: order.version,
            outlet_id: self.outlet_id.clone(),
            items: items.collect(),
            work: order.work,
            ready_at: instant(order.promised_at_ms),
            courier_at: order.courier_at_ms.map(instant),
            accept_by: instant(accept_by_ms),
        };
        self.call(http, "tickets", &format!("{}.{}", ids.ticket, order.version), &ticket).await?;
        Ok(step(order.number, order.outlet, order.version, TicketStep::Send))
    }

    /// Tells the outlet that a ticket is not to be made any more.
    pub(super) async fn cancel(
        &self,
        http: &Http,
        ids: Ids<'_>,
        (order, outlet, version): (OrderNo, OutletNo, u32),
        reason: &str,
    ) -> Result<Command, Trouble> {
        let cancel = Cancel { ticket: ids.ticket.to_owned(), version, reason: reason.to_owned() };
        let path = format!("tickets/{}/cancel", ids.ticket);
        self.call(http, &path, &format!("{}.{version}", ids.ticket), &cancel).await?;
        Ok(step(order, outlet, version, TicketStep::Withdraw))
    }

    async fn call(
        &self,
        http: &Http,
        path: &str,
        message: &str,
        body: &impl Serialize,
    ) -> Result<(), Trouble> {
        let body = serde_json::to_vec(body).expect("plain data");
        // The same on every repeat; a signed id has no full stop in it.
        let id = format!("msg_{}", message.replace('.', "-"));
        // Real time: the other side's clock is real, whatever the engine's is.
        let headers = self.secret.headers(&id, now_s(), &body);
        let url = format!("{}/{path}", self.url);
        http.send(Method::POST, &url, &headers, body.into()).await.map(|_| ())
    }

    /// The document by whose menu an order's lines go, where that is not the one that is known here.
    pub(super) async fn earlier_document(
        &self,
        engine: &Engine,
        order: &OrderView,
    ) -> Result<Option<OutletDocument>, Undone> {
        let is_own = order.moved_from.is_none() && order.outlet == self.number;
        if is_own && order.outlet_version == Some(self.version) {
            return Ok(None);
        }
        let document = engine.document_of(order.number).await.map_err(|_| Undone::Engine)?;
        let document = document.and_then(|document| serde_json::from_slice(&document).ok());
        if document.is_none() {
            tracing::warn!(order = %order.number, "its menu cannot be read: items have no names");
        }
        Ok(document)
    }
}

/// Whether an answer shows that tickets would be, too. Nothing has to stand at the address that is
/// looked at: some refuse what they do not know, others send it to a page.
fn somebody(looked: Result<Bytes, Trouble>) -> Result<(), Trouble> {
    match looked {
        Err(Trouble::Redirect { .. }) => Ok(()),
        Err(Trouble::Status { status, .. }) if status < 500 && status != 429 => Ok(()),
        looked => looked.map(|_| ()),
    }
}

/// A line of the menu, as people read it.
fn item(menu: &[ItemDocument], line: &OrderLine) -> Item {
    let item = menu.get(usize::from(line.item));
    let (sku, name) = item.map_or_else(
        || (format!("item-{}", line.item), String::new()),
        |item| (item.sku.as_str().to_owned(), item.name.clone()),
    );
    Item { sku, name, quantity: line.quantity.into() }
}

/// An order's ids, as they look outside.
#[derive(Clone, Copy)]
pub(super) struct Ids<'a> {
    pub(super) order: &'a str,
    pub(super) ticket: &'a str,
}

fn step(order: OrderNo, outlet: OutletNo, version: u32, step: TicketStep) -> Command {
    Command::MoveTicket(MoveTicket { order, outlet, version, step })
}

fn instant(ms: u64) -> levee_api::time::Instant {
    levee_api::time::Instant { ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_answers_is_there_whatever_is_said() {
        let status = |status| Err(Trouble::status(status, b"", Duration::ZERO));
        let to = "https://till.example/login".to_owned();
        for (looked, expected) in [
            (Ok(Bytes::new()), true),
            (status(404), true),
            (status(401), true),
            (Err(Trouble::Redirect { status: 302, to }), true),
            (status(429), false),
            (status(503), false),
            (Err(Trouble::Silent(Duration::ZERO)), false),
            (Err(Trouble::Broken("refused".into())), false),
        ] {
            let said = format!("{looked:?}");
            assert_eq!(somebody(looked).is_ok(), expected, "{said}");
        }
    }
}
