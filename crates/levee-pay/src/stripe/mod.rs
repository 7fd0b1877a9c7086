//! Stripe (<https://docs.stripe.com/api>): payment intents, as forms with an `Idempotency-Key`.
//! Replies are JSON and not signed, TLS vouches for them; notifications (webhooks) are.
//!
//! Stripe has no way to ask by our number that is sure to know of a payment made a moment ago. So
//! closing and giving back need Stripe's own number, and whoever has lost it makes the payment again:
//! under the same key that is answered as it was the first time.

mod amount;
mod notify;
mod reply;

use std::fmt;

use http::{HeaderMap, HeaderValue, Method, header};

pub use notify::StripeSecret;

use crate::error::{Distrust, NotifyError, ReplyError, RequestError};
use crate::port::{
    Asked, BODY_LEN_MAX, Notification, Op, Order, Provider, Refund, Reply, Request, Stamp,
    SuccessReply, Trade, check_number, check_refund, check_text,
};
use crate::{ConfigError, Currency, check_gateway, form};

/// The version of the interface that is asked for, whatever the account's own is.
const VERSION: &str = "2024-06-20";

/// Our numbers, in the metadata of payment intents and refunds.
const TRADE: &str = "out_trade_no";
const REFUND: &str = "out_refund_no";

/// What a merchant has from Stripe.
pub struct StripeConfig {
    /// `https://api.stripe.com`, without a path.
    pub gateway: String,
    /// A secret or restricted key, `sk_...` or `rk_...`.
    pub api_key: String,
    /// Secrets of the endpoint for notifications; one, or several while they change.
    pub endpoint_secrets: Vec<StripeSecret>,
    /// Whether this is about real money: notifications of the other mode are refused.
    pub live: bool,
    /// The account that notifications must name, where they come through a platform of Stripe
    /// Connect. Without it they must name none.
    pub account: Option<String>,
}

impl fmt::Debug for StripeConfig {
    /// Never shows the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StripeConfig").field("gateway", &self.gateway).finish_non_exhaustive()
    }
}

/// The provider.
#[derive(Debug)]
pub struct Stripe {
    config: StripeConfig,
}

impl Stripe {
    /// Checks the configuration.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn new(config: StripeConfig) -> Result<Self, ConfigError> {
        check_gateway(&config.gateway, |path| path == "/")?;
        let plain = |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
        ConfigError::check(plain(&config.api_key), "api_key", "must be a key of Stripe's")?;
        let account = config.account.as_deref();
        ConfigError::check(account.is_none_or(plain), "account", "must be an account's id")?;
        let secrets = &config.endpoint_secrets;
        ConfigError::check(!secrets.is_empty(), "endpoint_secrets", "must not be empty")?;
        Ok(Self { config })
    }

    /// Whether payments in a currency can be made: Stripe counts some of them in other units than
    /// ISO 4217, and what it then says would be read as a hundred times as much.
    #[must_use]
    pub fn takes(currency: Currency) -> bool {
        amount::check_currency(currency).is_ok()
    }

    /// A call. `key` makes a repeat of it the same call.
    fn request(&self, asked: Asked, path: &str, call: &Call<'_>) -> Result<Request, RequestError> {
        let mut url = format!("{}{path}", self.config.gateway.trim_end_matches('/'));
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", self.config.api_key))
            .map_err(|_| RequestError::Unwritable)?;
        bearer.set_sensitive(true);
        let mut request = http::Request::builder()
            .header(header::AUTHORIZATION, bearer)
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, "levee")
            .header("stripe-version", VERSION);
        if let Some(account) = &self.config.account {
            request = request.header("stripe-account", account);
        }
        let body = match call {
            Call::Get { query } => {
                if !query.is_empty() {
                    url = format!("{url}?{}", form::write(query.iter().copied()));
                }
                String::new()
            }
            Call::Post { key, fields } => {
                request = request
                    .method(Method::POST)
                    .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .header("idempotency-key", *key);
                form::write(fields.iter().copied())
            }
        };
        let http = request.uri(url).body(body.into_bytes());
        Ok(Request { http: http.map_err(|_| RequestError::Unwritable)?, asked })
    }
}

enum Call<'c> {
    Get { query: &'c [(&'c str, &'c str)] },
    Post { key: &'c str, fields: &'c [(&'c str, &'c str)] },
}

impl Provider for Stripe {
    fn create(&self, order: &Order, _stamp: &Stamp) -> Result<Request, RequestError> {
        check_number(&order.out_trade_no)?;
        check_text(&order.subject)?;
        let amount = amount::check(order.money)?.to_string();
        let currency = order.money.currency.as_str().to_ascii_lowercase();
        let key = format!("create_{}", order.out_trade_no);
        let fields = [
            ("amount", amount.as_str()),
            ("currency", &currency),
            ("description", &order.subject),
            ("automatic_payment_methods[enabled]", "true"),
            ("metadata[out_trade_no]", &order.out_trade_no),
        ];
        let trade = Trade { out_trade_no: order.out_trade_no.clone(), trade_no: None };
        let call = Call::Post { key: &key, fields: &fields };
        self.request(Asked::new(Op::Create, &trade), "/v1/payment_intents", &call)
    }

    /// By Stripe's number, where it is known; otherwise a search, which finds a new payment only
    /// after a minute or so, and says nothing until then.
    fn query(&self, trade: &Trade, _stamp: &Stamp) -> Result<Request, RequestError> {
        check_number(&trade.out_trade_no)?;
        let asked = Asked::new(Op::Query, trade);
        if trade.trade_no.is_some() {
            let path = format!("/v1/payment_intents/{}", intent(trade)?);
            return self.request(asked, &path, &Call::Get { query: &[] });
        }
        let search = format!("metadata['{TRADE}']:'{}'", trade.out_trade_no);
        let query = [("query", search.as_str())];
        self.request(asked, "/v1/payment_intents/search", &Call::Get { query: &query })
    }

    fn close(&self, trade: &Trade, _stamp: &Stamp) -> Result<Request, RequestError> {
        check_number(&trade.out_trade_no)?;
        let path = format!("/v1/payment_intents/{}/cancel", intent(trade)?);
        let key = format!("close_{}", trade.out_trade_no);
        let fields = [("cancellation_reason", "abandoned")];
        let call = Call::Post { key: &key, fields: &fields };
        self.request(Asked::new(Op::Close, trade), &path, &call)
    }

    fn refund(&self, refund: &Refund, _stamp: &Stamp) -> Result<Request, RequestError> {
        check_refund(refund)?;
        let amount = amount::check(refund.money)?.to_string();
        let key = format!("refund_{}", refund.out_refund_no);
        let fields = [
            ("payment_intent", intent(&refund.trade)?),
            ("amount", &amount),
            ("metadata[out_trade_no]", &refund.trade.out_trade_no),
            ("metadata[out_refund_no]", &refund.out_refund_no),
        ];
        let call = Call::Post { key: &key, fields: &fields };
        self.request(Asked::about(Op::Refund, refund), "/v1/refunds", &call)
    }

    /// The newest hundred refunds of the payment, among which ours is found by its number.
    fn refund_query(&self, refund: &Refund, _stamp: &Stamp) -> Result<Request, RequestError> {
        check_refund(refund)?;
        let query = [("payment_intent", intent(&refund.trade)?), ("limit", "100")];
        let asked = Asked::about(Op::RefundQuery, refund);
        self.request(asked, "/v1/refunds", &Call::Get { query: &query })
    }

    fn read_reply(
        &self,
        asked: &Asked,
        status: u16,
        _headers: &HeaderMap,
        body: &[u8],
        _now_s: u64,
    ) -> Result<Reply, ReplyError> {
        check_len(body)?;
        reply::read(self, asked, status, body)
    }

    fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now_s: u64,
    ) -> Result<Notification, NotifyError> {
        check_len(body)?;
        notify::read(self, headers, body, now_s)
    }

    fn success_reply(&self) -> SuccessReply {
        SuccessReply { status: 200, body: "" }
    }

    /// Its own: two payments may have the same number of ours in their metadata.
    fn distinct<'t>(&self, trade: &'t Trade) -> &'t str {
        trade.trade_no.as_deref().unwrap_or(&trade.out_trade_no)
    }
}

/// Stripe's number, in a form that cannot lead to another address.
fn intent(trade: &Trade) -> Result<&str, RequestError> {
    let id = trade.trade_no.as_deref().ok_or(RequestError::TradeNumber)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let good = (1..=255).contains(&id.len()) && id.bytes().all(plain);
    if good { Ok(id) } else { Err(RequestError::TradeNumber) }
}

fn check_len(body: &[u8]) -> Result<(), Distrust> {
    if body.len() <= BODY_LEN_MAX { Ok(()) } else { Err(Distrust::Malformed("body")) }
}
