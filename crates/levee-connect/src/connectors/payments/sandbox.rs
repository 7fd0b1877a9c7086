//! The sandbox's protocol.

use levee_api::port::OrderView;
use levee_api::trade::trade_of;
use levee_api::types::{
    Command, NameHash, OrderNo, PaymentEvent, RecordPayment, RecordRefund, RefundResult,
};

use crate::connectors::{PaymentsConfig, SandboxConfig};
use crate::http::{Http, Trouble};
use crate::wire::pay::{
    CreatePayment, PaymentCreated, PaymentNow, PaymentState, RefundReply, RefundRequest,
    RefundState,
};

/// A provider that speaks the sandbox's protocol.
pub(super) struct Sandbox {
    name: NameHash,
    notify_url: String,
    config: SandboxConfig,
}

impl Sandbox {
    pub(super) fn new(config: &PaymentsConfig, sandbox: SandboxConfig) -> Self {
        let (name, notify_url) = (NameHash::of(&config.name), config.notify_url.clone());
        Self { name, notify_url, config: sandbox }
    }

    fn url(&self, payment: &str, what: &str) -> String {
        format!("{}/payments/{payment}{what}", self.config.url)
    }

    fn record(&self, order: OrderNo, payment: &str, event: PaymentEvent) -> Command {
        let provider = self.name;
        Command::RecordPayment(RecordPayment { order, provider, trade: trade_of(payment), event })
    }

    /// What the provider says of a payment, as the rules take it.
    fn said(&self, order: OrderNo, payment: &str, now: &PaymentNow) -> Result<Command, Trouble> {
        check_same(payment, &now.payment)?;
        let event = match now.state {
            PaymentState::Created | PaymentState::Pending => return Err(Trouble::Open),
            PaymentState::Succeeded => {
                PaymentEvent::Succeeded { captured_minor: now.captured_minor }
            }
            PaymentState::Failed => PaymentEvent::Failed,
            PaymentState::Closed => PaymentEvent::Closed,
        };
        Ok(self.record(order, payment, event))
    }

    /// Makes the payment; the same one again is the same payment.
    pub(super) async fn create(
        &self,
        http: &Http,
        payment: &str,
        order: &OrderView,
    ) -> Result<Command, Trouble> {
        let body = CreatePayment {
            payment: payment.to_owned(),
            amount_minor: order.payable_minor,
            currency: self.config.currency.clone(),
            notify_url: self.notify_url.clone(),
        };
        let url = format!("{}/payments", self.config.url);
        let made: PaymentCreated = http.post(&url, &body).await?;
        check_same(payment, &made.payment)?;
        Ok(self.record(order.number, payment, PaymentEvent::Created))
    }

    /// What has become of the payment, once it is decided.
    pub(super) async fn look(
        &self,
        http: &Http,
        payment: &str,
        order: OrderNo,
    ) -> Result<Command, Trouble> {
        let now: PaymentNow = http.get(&self.url(payment, "")).await?;
        self.said(order, payment, &now)
    }

    /// Sees that nothing can be paid any more. Where it was paid already, that is what is said.
    pub(super) async fn close(
        &self,
        http: &Http,
        payment: &str,
        order: OrderNo,
    ) -> Result<Command, Trouble> {
        let mut now: PaymentNow = http.post(&self.url(payment, "/close"), &()).await?;
        // Asked to close it, the provider says that nothing can come of it any more.
        if now.state == PaymentState::Failed {
            now.state = PaymentState::Closed;
        }
        self.said(order, payment, &now)
    }

    /// Gives money back. What is not known to be done is asked for again under the same number.
    pub(super) async fn refund(
        &self,
        http: &Http,
        payment: &str,
        order: OrderNo,
        (refund, amount_minor): (u32, u64),
    ) -> Result<Command, Trouble> {
        let body = RefundRequest { refund, amount_minor };
        let reply: RefundReply = http.post(&self.url(payment, "/refunds"), &body).await?;
        let result = match reply.state {
            RefundState::Done => RefundResult::Done,
            RefundState::Failed => RefundResult::Failed,
        };
        Ok(Command::RecordRefund(RecordRefund { order, refund, result }))
    }
}

/// An answer about another payment is none.
fn check_same(asked: &str, said: &str) -> Result<(), Trouble> {
    if asked == said {
        return Ok(());
    }
    Err(Trouble::Malformed(format!("asked for {asked}, answered for {said}")))
}
