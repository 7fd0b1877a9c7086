//! Alipay's open platform, gateway 2.0 (<https://opendocs.alipay.com/common/02kf5q>), with public
//! keys: `RSA2` signatures over sorted parameters.
//!
//! Payments are made with `alipay.trade.precreate`: one signed call that answers with a link, which
//! a phone opens in Alipay's app and a till shows as a QR code. Of the other products, those for
//! pages and apps are signed in the user's browser or phone and answer nothing to the server.
//!
//! A precreated trade is unknown at Alipay until a user has scanned it. So a question about it is
//! open until then ([`State::Unknown`]), and closing it is done as soon as Alipay says that there is
//! none: whoever pays after that, before the code's own time is over, gets the money back.

mod notify;
mod reply;

use http::{HeaderMap, header};
use serde_json::{Value, json};

use crate::error::{Distrust, NotifyError, ReplyError, RequestError};
use crate::keys::{SigningKey, VerifyingKey};
use crate::money::hundredths;
use crate::port::{
    Asked, BODY_LEN_MAX, Notification, Op, Order, Provider, Refund, Reply, Request, Stamp,
    SuccessReply, Trade, check_number, check_refund, check_text,
};
use crate::{ConfigError, Currency, Money, beijing, check_gateway, form};

#[cfg(doc)]
use crate::State;

/// Largest amount, in fen: a hundred million yuan.
const AMOUNT_MINOR_MAX: u64 = 10_000_000_000;

/// What a merchant has from Alipay.
#[derive(Debug)]
pub struct AlipayConfig {
    /// `https://openapi.alipay.com/gateway.do`, or that of Alipay's sandbox.
    pub gateway: String,
    /// The app's id, 16 digits.
    pub app_id: String,
    /// The merchant's id (PID), 16 digits that begin with 2088; notifications name it.
    pub seller_id: String,
    /// Signs requests; Alipay was given its public half.
    pub app_key: SigningKey,
    /// Alipay's own public keys; one, or the old and the new one while they change.
    pub alipay_keys: Vec<VerifyingKey>,
}

/// The provider.
#[derive(Debug)]
pub struct Alipay {
    config: AlipayConfig,
}

impl Alipay {
    /// Checks the configuration.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn new(config: AlipayConfig) -> Result<Self, ConfigError> {
        check_gateway(&config.gateway, |_| true)?;
        let digits = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        ConfigError::check(digits(&config.app_id), "app_id", "must be digits")?;
        ConfigError::check(digits(&config.seller_id), "seller_id", "must be digits")?;
        ConfigError::check(!config.alipay_keys.is_empty(), "alipay_keys", "must not be empty")?;
        Ok(Self { config })
    }

    /// Whether one of Alipay's keys made a signature.
    fn verifies(&self, message: &str, signature: &str) -> bool {
        self.config.alipay_keys.iter().any(|key| key.verifies(message.as_bytes(), signature))
    }

    /// A signed call. As Alipay's own libraries do, what is common stands in the address, where the
    /// gateway finds the charset before it reads the body.
    fn request(
        &self,
        asked: Asked,
        stamp: &Stamp,
        notify_url: Option<&str>,
        content: &Value,
    ) -> Result<Request, RequestError> {
        let content = content.to_string();
        let timestamp = beijing::write(stamp.now_s).ok_or(RequestError::Unwritable)?;
        let mut common = vec![
            ("app_id", self.config.app_id.as_str()),
            ("charset", "utf-8"),
            ("format", "JSON"),
            ("method", method(asked.op)),
            ("sign_type", "RSA2"),
            ("timestamp", &timestamp),
            ("version", "1.0"),
        ];
        common.extend(notify_url.map(|url| ("notify_url", url)));
        let mut signed = common.clone();
        signed.push(("biz_content", &content));
        let signature = self.config.app_key.sign(sorted(signed).as_bytes());
        common.push(("sign", &signature));
        let http = http::Request::post(format!("{}?{}", self.config.gateway, form::write(common)))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded;charset=utf-8")
            .header(header::ACCEPT, "application/json")
            .body(form::write([("biz_content", content.as_str())]).into_bytes())
            .map_err(|_| RequestError::Unwritable)?;
        Ok(Request { http, asked })
    }
}

impl Provider for Alipay {
    fn create(&self, order: &Order, stamp: &Stamp) -> Result<Request, RequestError> {
        check_number(&order.out_trade_no)?;
        check_text(&order.subject)?;
        let expires = beijing::write(order.expires_at_s).ok_or(RequestError::Unwritable)?;
        let content = json!({
            "out_trade_no": order.out_trade_no,
            "total_amount": amount(order.money)?,
            "subject": order.subject,
            "time_expire": expires,
        });
        let trade = Trade { out_trade_no: order.out_trade_no.clone(), trade_no: None };
        let asked = Asked::new(Op::Create, &trade);
        self.request(asked, stamp, Some(&order.notify_url), &content)
    }

    fn query(&self, trade: &Trade, stamp: &Stamp) -> Result<Request, RequestError> {
        check_number(&trade.out_trade_no)?;
        let content = json!({ "out_trade_no": trade.out_trade_no });
        self.request(Asked::new(Op::Query, trade), stamp, None, &content)
    }

    fn close(&self, trade: &Trade, stamp: &Stamp) -> Result<Request, RequestError> {
        check_number(&trade.out_trade_no)?;
        let content = json!({ "out_trade_no": trade.out_trade_no });
        self.request(Asked::new(Op::Close, trade), stamp, None, &content)
    }

    fn refund(&self, refund: &Refund, stamp: &Stamp) -> Result<Request, RequestError> {
        check_refund(refund)?;
        let mut content = json!({
            "out_trade_no": refund.trade.out_trade_no,
            "refund_amount": amount(refund.money)?,
            "out_request_no": refund.out_refund_no,
        });
        if let Some(reason) = &refund.reason {
            content["refund_reason"] = json!(reason);
        }
        self.request(Asked::about(Op::Refund, refund), stamp, None, &content)
    }

    fn refund_query(&self, refund: &Refund, stamp: &Stamp) -> Result<Request, RequestError> {
        check_refund(refund)?;
        let content = json!({
            "out_trade_no": refund.trade.out_trade_no,
            "out_request_no": refund.out_refund_no,
        });
        self.request(Asked::about(Op::RefundQuery, refund), stamp, None, &content)
    }

    fn read_reply(
        &self,
        asked: &Asked,
        status: u16,
        _headers: &HeaderMap,
        body: &[u8],
        _now_s: u64,
    ) -> Result<Reply, ReplyError> {
        reply::read(self, asked, status, text(body)?)
    }

    fn verify(
        &self,
        _headers: &HeaderMap,
        body: &[u8],
        now_s: u64,
    ) -> Result<Notification, NotifyError> {
        notify::read(self, text(body)?, now_s)
    }

    /// `success`, and not a byte more.
    fn success_reply(&self) -> SuccessReply {
        SuccessReply { status: 200, body: "success" }
    }
}

/// The name of an operation at the gateway.
fn method(op: Op) -> &'static str {
    match op {
        Op::Create => "alipay.trade.precreate",
        Op::Query => "alipay.trade.query",
        Op::Close => "alipay.trade.close",
        Op::Refund => "alipay.trade.refund",
        Op::RefundQuery => "alipay.trade.fastpay.refund.query",
    }
}

/// `name=value` with `&` between them, in the order of names: what is signed.
fn sorted<T: AsRef<str>>(mut fields: Vec<(T, T)>) -> String {
    fields.sort_by(|(a, _), (b, _)| a.as_ref().cmp(b.as_ref()));
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", name.as_ref(), value.as_ref()))
        .collect();
    pairs.join("&")
}

/// Yuan with two decimals.
fn amount(money: Money) -> Result<String, RequestError> {
    if money.currency != Currency::CNY {
        return Err(RequestError::Currency);
    }
    if !(1..=AMOUNT_MINOR_MAX).contains(&money.amount_minor) {
        return Err(RequestError::Amount);
    }
    Ok(hundredths(money.amount_minor))
}

fn text(body: &[u8]) -> Result<&str, Distrust> {
    let text = std::str::from_utf8(body).ok().filter(|text| text.len() <= BODY_LEN_MAX);
    text.ok_or(Distrust::Malformed("body"))
}
