//! The port: what every payment provider is asked for, and what it says.

use std::fmt;

use http::HeaderMap;

use crate::Money;
use crate::error::{Distrust, NotifyError, ReplyError, RequestError};

/// Longest reply or notification that is read, in bytes.
pub const BODY_LEN_MAX: usize = 256 * 1024;

/// How far the time in a signature may be from ours, in seconds: what WeChat Pay and Stripe ask of
/// those who verify.
pub const REPLAY_WINDOW_S: u64 = 300;

/// What stays the same however a payment is made. Nothing here opens a connection or looks at a
/// clock: a request is built, the caller sends it, and what came back is read.
///
/// Asking again for the same thing under the same numbers has one effect, at every provider: that is
/// what their own numbers are for, and callers rely on it. Stripe forgets after a day, or later, that
/// it was asked: before a payment is made or money given back again, callers ask whether it was.
pub trait Provider: fmt::Debug + Send + Sync {
    /// Makes a payment that a user can then pay.
    ///
    /// # Errors
    /// The order is none that this provider takes.
    fn create(&self, order: &Order, stamp: &Stamp) -> Result<Request, RequestError>;

    /// Asks what has become of a payment.
    ///
    /// # Errors
    /// The numbers are none that this provider takes.
    fn query(&self, trade: &Trade, stamp: &Stamp) -> Result<Request, RequestError>;

    /// Sees that a payment cannot be paid any more.
    ///
    /// # Errors
    /// The numbers are none that this provider takes.
    fn close(&self, trade: &Trade, stamp: &Stamp) -> Result<Request, RequestError>;

    /// Gives money back.
    ///
    /// # Errors
    /// The refund is none that this provider takes.
    fn refund(&self, refund: &Refund, stamp: &Stamp) -> Result<Request, RequestError>;

    /// Asks what has become of a refund.
    ///
    /// # Errors
    /// The numbers are none that this provider takes.
    fn refund_query(&self, refund: &Refund, stamp: &Stamp) -> Result<Request, RequestError>;

    /// Reads the answer to a request. An answer that leaves open what has happened, or that the
    /// provider has not signed where it signs, is [`State::Unknown`] or an error, and never
    /// [`State::Failed`]: it is asked again.
    ///
    /// # Errors
    /// It is not taken for the provider's, is about something else, or is a refusal.
    fn read_reply(
        &self,
        asked: &Asked,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
        now_s: u64,
    ) -> Result<Reply, ReplyError>;

    /// Checks a notification over its raw body and reads it. App and merchant are compared with the
    /// configuration here; amount and currency are for the caller to compare with the order.
    ///
    /// # Errors
    /// It is not taken, and why.
    fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now_s: u64,
    ) -> Result<Notification, NotifyError>;

    /// What a notification is answered with once its effect is durable, so that the provider does
    /// not say it again.
    fn success_reply(&self) -> SuccessReply;

    /// The number that tells a payment from every other at this provider: ours, where each of ours is
    /// taken once.
    fn distinct<'t>(&self, trade: &'t Trade) -> &'t str {
        &trade.out_trade_no
    }
}

/// The moment and the randomness that go into a request.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// Seconds since 1970.
    pub now_s: u64,
    /// Fresh for each request.
    pub nonce: [u8; 16],
}

impl Stamp {
    /// The nonce as text.
    pub(crate) fn nonce_text(&self) -> String {
        self.nonce.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A payment that is to be made.
#[derive(Clone, Debug)]
pub struct Order {
    /// Our number of it: 6 to 32 ASCII letters, digits and underscores.
    pub out_trade_no: String,
    /// To be paid; at least one minor unit.
    pub money: Money,
    /// What the user sees, 1 to 40 characters: Alipay and WeChat Pay take no more than that in
    /// every script.
    pub subject: String,
    /// Where notifications go; unused by Stripe, whose endpoints stand in its dashboard.
    pub notify_url: String,
    /// When it can no longer be paid, in seconds since 1970; Stripe has no such time.
    pub expires_at_s: u64,
}

/// A payment that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Our number.
    pub out_trade_no: String,
    /// The provider's number, as it said in a reply or notification.
    pub trade_no: Option<String>,
}

/// Money that is to go back.
#[derive(Clone, Debug)]
pub struct Refund {
    /// Our number of it, like that of a payment. The same number is the same refund.
    pub out_refund_no: String,
    /// What was paid.
    pub trade: Trade,
    /// To be given back; at least one minor unit.
    pub money: Money,
    /// The whole payment, in minor units of the same currency.
    pub total_minor: u64,
    /// Why, for the user; 1 to 40 characters.
    pub reason: Option<String>,
    /// Where notifications of it go, for WeChat Pay alone.
    pub notify_url: Option<String>,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// [`Provider::create`]
    Create,
    /// [`Provider::query`]
    Query,
    /// [`Provider::close`]
    Close,
    /// [`Provider::refund`]
    Refund,
    /// [`Provider::refund_query`]
    RefundQuery,
}

/// What was asked, so that an answer about something else is noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What for.
    pub op: Op,
    /// About which payment.
    pub trade: Trade,
    /// About which refund, by our number.
    pub out_refund_no: Option<String>,
}

impl Asked {
    pub(crate) fn new(op: Op, trade: &Trade) -> Self {
        Self { op, trade: trade.clone(), out_refund_no: None }
    }

    pub(crate) fn about(op: Op, refund: &Refund) -> Self {
        let out_refund_no = Some(refund.out_refund_no.clone());
        Self { op, trade: refund.trade.clone(), out_refund_no }
    }
}

/// What is to be sent: method, absolute address, headers and body, exactly so, for they are signed.
#[derive(Debug)]
pub struct Request {
    /// The HTTP request.
    pub http: http::Request<Vec<u8>>,
    /// Goes back into [`Provider::read_reply`] with the answer.
    pub asked: Asked,
}

/// What a payment or a refund is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody has paid yet.
    Created,
    /// A user has done something, and the result takes a while.
    Pending,
    /// It was paid.
    Succeeded,
    /// The payment was turned down, or the refund was given up, for good.
    Failed,
    /// It was not paid and cannot be paid any more.
    Closed,
    /// Money is on its way back. Of a payment: it was paid, and refunds of it say how far they are.
    Refunding,
    /// The refund is done. Of a payment: all of it went back.
    Refunded,
    /// Nobody can say: ask again.
    Unknown,
}

/// How a user pays.
#[derive(Clone, PartialEq, Eq)]
pub enum PayBy {
    /// An address that the provider's app opens, as a link or from a QR code.
    Link(String),
    /// What Stripe's components in a page or app are given.
    ClientSecret(String),
}

impl fmt::Debug for PayBy {
    /// Never shows the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(link) => f.debug_tuple("Link").field(link).finish(),
            Self::ClientSecret(_) => f.debug_tuple("ClientSecret").finish_non_exhaustive(),
        }
    }
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Of the payment; of the refund, where that was asked for.
    pub state: State,
    /// The provider's number of the payment, once it has one.
    pub trade_no: Option<String>,
    /// Where the payment was paid, what was paid; with a refund, what goes back.
    pub money: Option<Money>,
    /// How the user pays, when it was made.
    pub pay_by: Option<PayBy>,
}

impl Reply {
    pub(crate) fn of(state: State) -> Self {
        Self { state, trade_no: None, money: None, pay_by: None }
    }
}

/// What a notification says, after all checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The provider's id of it, for logs. Repeats have the same at Stripe and WeChat Pay.
    pub id: String,
    /// Our number of the payment.
    pub out_trade_no: String,
    /// The provider's.
    pub trade_no: Option<String>,
    /// Our number of the refund that this is about; otherwise it is about the payment.
    pub out_refund_no: Option<String>,
    /// Of the payment, or of the refund.
    pub state: State,
    /// What the payment is over, or the refund. For the caller to compare with the order.
    pub money: Money,
    /// Of a refund: `money` is what went back by it and all before it, as Alipay says it.
    pub is_sum: bool,
    /// The app that it names; it was compared with the configuration.
    pub app_id: Option<String>,
    /// The merchant or seller that it names; it was compared with the configuration.
    pub merchant_id: Option<String>,
    /// When it happened by the provider's clock, in seconds since 1970, where it says so.
    pub occurred_s: Option<u64>,
}

/// What a notification is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuccessReply {
    /// HTTP status.
    pub status: u16,
    /// Exactly these bytes.
    pub body: &'static str,
}

/// The one value of a header. Two would let this check and a later reader see different ones.
pub(crate) fn single<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<&'h str, Distrust> {
    let mut values = headers.get_all(name).iter();
    match (values.next().map(http::HeaderValue::to_str), values.next()) {
        (Some(Ok(text)), None) => Ok(text),
        _ => Err(Distrust::Malformed(name)),
    }
}

/// Statuses that leave open what has happened, whoever on the way has said them.
pub(crate) fn is_open(status: u16) -> bool {
    status >= 500 || matches!(status, 408 | 425 | 429)
}

/// The number in the form in which numbers are written: `+5` and `05` are other texts for the same.
pub(crate) fn seconds(text: &str) -> Option<u64> {
    text.parse().ok().filter(|seconds: &u64| seconds.to_string() == text)
}

pub(crate) fn check_number(number: &str) -> Result<(), RequestError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let good = (6..=32).contains(&number.len()) && number.bytes().all(plain);
    if good { Ok(()) } else { Err(RequestError::Number) }
}

pub(crate) fn check_text(text: &str) -> Result<(), RequestError> {
    let good = (1..=40).contains(&text.chars().count()) && !text.contains(char::is_control);
    if good { Ok(()) } else { Err(RequestError::Text) }
}

/// Our numbers, and no more back than was paid.
pub(crate) fn check_refund(refund: &Refund) -> Result<(), RequestError> {
    check_number(&refund.out_refund_no)?;
    check_number(&refund.trade.out_trade_no)?;
    refund.reason.as_deref().map_or(Ok(()), check_text)?;
    let good = (1..=refund.total_minor).contains(&refund.money.amount_minor);
    if good { Ok(()) } else { Err(RequestError::Amount) }
}
