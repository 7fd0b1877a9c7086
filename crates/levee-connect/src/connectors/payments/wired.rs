//! A provider with a protocol of its own, as `levee-pay` speaks it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use levee_api::code::Codes;
use levee_api::paying::PayLinks;
use levee_api::port::{OrderView, PayBy, Submit};
use levee_api::time::now_s;
use levee_api::trade::trade_of;
use levee_api::types::{
    Command, NameHash, OrderNo, OrderState, PaymentEvent, PaymentState, RecordPayment,
    RecordRefund, RefundResult,
};
use levee_pay::{
    BODY_LEN_MAX, Money, Order, Refund, Reply, Request, RequestError, Stamp, State, Trade,
};

use super::counter::{Counter, Turn};
use crate::connectors::teller::Lane;
use crate::connectors::{PaymentsConfig, WireConfig};
use crate::http::{Answer, Http, Trouble};

/// Providers' own numbers that are kept in mind; they are asked for again where they are not.
const TRADES_MAX: usize = 200_000;

/// A payment is made again, under the same number, only for so long after its order was placed.
/// Stripe forgets keys of repeats after a day, and would make another one.
const MADE_AGAIN_WITHIN_MS: u64 = 12 * 3_600 * 1_000;

/// A provider's answer to one call, or why there is none.
type Said = Result<Reply, Trouble>;

pub(super) struct Wired {
    name: NameHash,
    wire: WireConfig,
    notify_url: String,
    counter: Rc<Counter>,
    links: Arc<PayLinks>,
    /// By order: what Stripe needs to be told, and only says when a payment is made or asked for.
    trades: RefCell<HashMap<OrderNo, String>>,
}

/// What is asked for at one time, about one order.
pub(super) struct Ask<'a> {
    pub(super) http: &'a Http,
    pub(super) codes: &'a Codes,
    pub(super) order: &'a OrderView,
    /// The engine's time.
    pub(super) now_ms: u64,
    pub(super) lane: Lane,
    /// For the first call.
    pub(super) turn: RefCell<Option<Turn>>,
}

impl Ask<'_> {
    fn payment(&self) -> String {
        self.codes.payment(self.order.number)
    }

    fn may_be_made_again(&self) -> bool {
        self.now_ms < self.order.placed_at_ms.saturating_add(MADE_AGAIN_WITHIN_MS)
    }
}

impl Wired {
    pub(super) fn new(config: &PaymentsConfig, wire: WireConfig, submit: &Arc<dyn Submit>) -> Self {
        Self {
            name: NameHash::of(&config.name),
            counter: Counter::new(&config.name, wire.calls_per_s, Arc::clone(submit)),
            notify_url: config.notify_url.clone(),
            links: Arc::clone(&submit.vitals().outside.pay_links),
            trades: RefCell::default(),
            wire,
        }
    }

    pub(super) async fn turn(&self, lane: Lane) -> Turn {
        self.counter.turn(lane).await
    }

    /// Makes the payment; the same one again is the same payment. Where the provider may have forgotten
    /// by now that it was asked, it is looked for first.
    pub(super) async fn create(&self, ask: &Ask<'_>) -> Result<Command, Trouble> {
        let found = if ask.may_be_made_again() { None } else { Some(self.query(ask).await?) };
        let made = match found.filter(|found| found.state != State::Unknown) {
            Some(found) => found,
            None => self.make(ask).await?,
        };
        match made.state {
            State::Created | State::Pending => Ok(self.record(ask, PaymentEvent::Created)),
            State::Succeeded | State::Closed | State::Refunding | State::Refunded => {
                self.decided(ask, &made)
            }
            // It was made before, and something has become of it.
            State::Failed | State::Unknown => self.decided(ask, &self.query(ask).await?),
        }
    }

    /// What has become of the payment, once it is decided.
    pub(super) async fn look(&self, ask: &Ask<'_>) -> Result<Command, Trouble> {
        let may_be_paid = ask.order.state == OrderState::AwaitingPayment
            && matches!(
                ask.order.payment,
                Some(PaymentState::Created | PaymentState::Pending | PaymentState::Failed)
            );
        // After a start nobody knows how its user pays, until the provider says it again. One that it
        // does not know at all is being made meanwhile.
        let is_made = ask.order.trade.is_some();
        if may_be_paid
            && is_made
            && self.links.get(ask.order.number).is_none()
            && ask.may_be_made_again()
        {
            match self.make(ask).await {
                Ok(made) if matches!(made.state, State::Succeeded | State::Closed) => {
                    return self.decided(ask, &made);
                }
                // What it says to a repeat may be no; what has become of the payment is asked below.
                Ok(_) | Err(Trouble::Refused(_) | Trouble::Distrusted(_)) => {}
                Err(problem) => return Err(problem),
            }
        }
        self.decided(ask, &self.query(ask).await?)
    }

    /// Sees that nothing can be paid any more. Where it was paid already, that is what is said.
    pub(super) async fn close(&self, ask: &Ask<'_>) -> Result<Command, Trouble> {
        self.links.remove(ask.order.number);
        let request = match self.wire.provider.close(&self.trade(ask), &stamp()) {
            Err(RequestError::TradeNumber) => {
                let found = self.find(ask).await?;
                if found.state == State::Succeeded || found.state == State::Closed {
                    return self.decided(ask, &found);
                }
                self.wire.provider.close(&self.trade(ask), &stamp())
            }
            request => request,
        };
        let closed = match self.call(ask, unsendable(request)?).await {
            // It does not fit the state of the payment, or somebody says so, which a question tells.
            Err(Trouble::Refused(why) | Trouble::Distrusted(why)) => {
                tracing::debug!(payment = ask.payment(), why, "is not closed");
                self.query(ask).await?
            }
            Ok(said) if said.state == State::Unknown => self.query(ask).await?,
            said => said?,
        };
        self.decided(ask, &closed)
    }

    /// Gives money back. It is asked for first: Stripe forgets the keys of repeats after a day, and
    /// what it has under our number already must not go back twice.
    pub(super) async fn refund(
        &self,
        ask: &Ask<'_>,
        number: u32,
        amount_minor: u64,
    ) -> Result<Command, Trouble> {
        let payment = ask.payment();
        let refund = |trade| Refund {
            out_refund_no: refund_number(&payment, number),
            trade,
            money: Money { amount_minor, currency: self.wire.currency },
            total_minor: ask.order.captured_minor,
            reason: None,
            notify_url: Some(self.notify_url.clone()),
        };
        let provider = &self.wire.provider;
        let request = match provider.refund_query(&refund(self.trade(ask)), &stamp()) {
            Err(RequestError::TradeNumber) => {
                self.find(ask).await?;
                provider.refund_query(&refund(self.trade(ask)), &stamp())
            }
            request => request,
        };
        let mut said = self.call(ask, unsendable(request)?).await?;
        if said.state == State::Unknown {
            let request = provider.refund(&refund(self.trade(ask)), &stamp());
            said = self.call(ask, unsendable(request)?).await?;
        }
        let expected = Money { amount_minor, currency: self.wire.currency };
        if let Some(other) = said.money.filter(|money| *money != expected) {
            return Err(Trouble::Malformed(format!(
                "refund {number} of {payment} is over {amount_minor} here and {} {} there",
                other.amount_minor, other.currency
            )));
        }
        let result = match said.state {
            State::Refunded => RefundResult::Done,
            State::Failed => RefundResult::Failed,
            // On its way, or nobody can say: the same number is asked for again.
            _ => return Err(Trouble::Open),
        };
        let order = ask.order.number;
        Ok(Command::RecordRefund(RecordRefund { order, refund: number, result }))
    }

    async fn make(&self, ask: &Ask<'_>) -> Said {
        let order = ask.order;
        let due_ms = order.due_ms.unwrap_or(order.placed_at_ms);
        let made = Order {
            out_trade_no: ask.payment(),
            money: Money { amount_minor: order.payable_minor, currency: self.wire.currency },
            subject: self.wire.subject.clone(),
            notify_url: self.notify_url.clone(),
            expires_at_s: due_ms / 1_000,
        };
        let request = self.wire.provider.create(&made, &stamp());
        let said = self.call(ask, unsendable(request)?).await?;
        if let Some(pay_by) = &said.pay_by {
            self.links.put(order.number, shown(pay_by));
        }
        Ok(said)
    }

    async fn query(&self, ask: &Ask<'_>) -> Said {
        let request = self.wire.provider.query(&self.trade(ask), &stamp());
        self.call(ask, unsendable(request)?).await
    }

    /// Finds out under which number the provider has the payment: by making it again while that is
    /// the same payment, and by a search afterwards.
    async fn find(&self, ask: &Ask<'_>) -> Said {
        if ask.may_be_made_again() {
            match self.make(ask).await {
                Ok(made) if self.is_the_one(ask) => return Ok(made),
                // Somebody else has made the one that was paid, under the same number of ours.
                Ok(_) => {}
                Err(problem @ (Trouble::Broken(_) | Trouble::Silent(_))) => return Err(problem),
                Err(problem) => {
                    tracing::debug!(payment = ask.payment(), %problem, "is not made again");
                }
            }
        }
        self.trades.borrow_mut().remove(&ask.order.number);
        let found = self.query(ask).await?;
        if found.trade_no.is_some() && self.is_the_one(ask) {
            Ok(found)
        } else {
            Err(Trouble::Open)
        }
    }

    /// Whether what is known here is the payment that the order knows, if it knows one.
    fn is_the_one(&self, ask: &Ask<'_>) -> bool {
        let trade = self.heard(ask);
        let known = trade_of(self.wire.provider.distinct(&trade));
        ask.order.trade.is_none_or(|(_, trade)| trade == known)
    }

    /// One call, in its turn.
    async fn call(&self, ask: &Ask<'_>, request: Request) -> Said {
        let turn = match ask.turn.take() {
            Some(turn) => turn,
            None => self.turn(ask.lane).await,
        };
        let Request { http, asked } = request;
        let answer = match ask.http.forward(http.map(Bytes::from), BODY_LEN_MAX).await {
            Ok(Answer { status, retry_after, body, .. })
                if status >= 500 || status == 429 || status == 409 =>
            {
                // 409 is that the same call is under way on another connection.
                turn.ended(status == 409, retry_after);
                return Err(Trouble::status(status, &body, retry_after));
            }
            Ok(answer) => {
                turn.ended(true, Duration::ZERO);
                answer
            }
            Err(problem) => {
                turn.ended(false, Duration::ZERO);
                return Err(problem);
            }
        };
        let Answer { status, headers, body, .. } = answer;
        let said = self.wire.provider.read_reply(&asked, status, &headers, &body, now_s())?;
        if let Some(trade_no) = &said.trade_no {
            self.keep_trade(ask.order.number, trade_no);
        }
        Ok(said)
    }

    /// What is to be asked for: the payment that the order knows. The provider's number is left out
    /// where the one that is known here is another's.
    fn trade(&self, ask: &Ask<'_>) -> Trade {
        let mut trade = self.heard(ask);
        trade.trade_no.take_if(|_| !self.is_the_one(ask));
        trade
    }

    /// The payment of which the provider spoke last.
    fn heard(&self, ask: &Ask<'_>) -> Trade {
        let trade_no = self.trades.borrow().get(&ask.order.number).cloned();
        Trade { out_trade_no: ask.payment(), trade_no }
    }

    fn keep_trade(&self, order: OrderNo, trade_no: &str) {
        let mut trades = self.trades.borrow_mut();
        if trades.len() >= TRADES_MAX {
            trades.clear();
        }
        trades.insert(order, trade_no.to_owned());
    }

    /// What the provider says of a payment, as the rules take it.
    fn decided(&self, ask: &Ask<'_>, said: &Reply) -> Result<Command, Trouble> {
        let event = match said.state {
            // What went back was paid before.
            State::Succeeded | State::Refunding | State::Refunded => {
                let money = said.money.ok_or(Trouble::Open)?;
                // Of another currency nothing was to be paid: the rules put it on record as disputed.
                let is_ours = money.currency == self.wire.currency;
                let captured_minor = if is_ours { money.amount_minor } else { 0 };
                PaymentEvent::Succeeded { captured_minor }
            }
            State::Closed => PaymentEvent::Closed,
            State::Failed => PaymentEvent::Failed,
            State::Created | State::Pending | State::Unknown => return Err(Trouble::Open),
        };
        if event != PaymentEvent::Failed {
            self.links.remove(ask.order.number);
        }
        Ok(self.record(ask, event))
    }

    fn record(&self, ask: &Ask<'_>, event: PaymentEvent) -> Command {
        let trade = self.heard(ask);
        let (order, trade) = (ask.order.number, trade_of(self.wire.provider.distinct(&trade)));
        Command::RecordPayment(RecordPayment { order, provider: self.name, trade, event })
    }
}

/// Under which a refund is known at the provider, on every try.
fn refund_number(payment: &str, number: u32) -> String {
    format!("{payment}_{number}")
}

/// A request that cannot be made is tried again all the same: an operator may set another currency,
/// or another subject.
fn unsendable(request: Result<Request, RequestError>) -> Result<Request, Trouble> {
    request.map_err(|problem| Trouble::Refused(problem.to_string()))
}

fn shown(pay_by: &levee_pay::PayBy) -> PayBy {
    match pay_by {
        levee_pay::PayBy::Link(link) => PayBy::Link(link.clone()),
        levee_pay::PayBy::ClientSecret(secret) => PayBy::ClientSecret(secret.clone()),
    }
}

fn stamp() -> Stamp {
    Stamp { now_s: now_s(), nonce: std::array::from_fn(|_| fastrand::u8(..)) }
}
