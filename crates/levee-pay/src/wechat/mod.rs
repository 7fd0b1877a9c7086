//! WeChat Pay, interface v3 (<https://pay.weixin.qq.com/doc/v3/merchant/4012081606>): JSON, signed
//! either way with SHA-256 and RSA, notifications encrypted with AES-256-GCM.
//!
//! Payments are made as `native`: the answer has a link that WeChat opens from a QR code.

mod notify;
mod reply;
mod signature;

use std::fmt;

use http::{HeaderMap, Method, header};
use serde_json::{Value, json};

pub use signature::PlatformKey;

use crate::error::{Distrust, NotifyError, ReplyError, RequestError};
use crate::keys::SigningKey;
use crate::port::{
    Asked, BODY_LEN_MAX, Notification, Op, Order, Provider, Refund, Reply, Request, Stamp,
    SuccessReply, Trade, check_number, check_refund, check_text,
};
use crate::{ConfigError, Currency, Money, beijing, check_gateway};

/// Largest amount, in fen, that its integers of 32 bits hold.
const AMOUNT_MINOR_MAX: u64 = 2_147_483_647;

/// Names the way of signing in the `Authorization` header.
const SCHEME: &str = "WECHATPAY2-SHA256-RSA2048";

/// The key of notifications, which the merchant sets: 32 bytes of text.
#[derive(Clone)]
pub struct ApiV3Key([u8; 32]);

impl ApiV3Key {
    /// From its text; other lengths than 32 bytes are none.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        text.as_bytes().try_into().ok().map(Self)
    }
}

impl fmt::Debug for ApiV3Key {
    /// Never shows the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiV3Key").finish_non_exhaustive()
    }
}

/// What a merchant has from WeChat Pay.
#[derive(Debug)]
pub struct WechatConfig {
    /// `https://api.mch.weixin.qq.com`, without a path.
    pub gateway: String,
    /// The app's id, such as `wx` and 16 digits.
    pub app_id: String,
    /// The merchant's number.
    pub merchant_id: String,
    /// The serial number of the merchant's API certificate, in hex.
    pub merchant_serial: String,
    /// The private key of that certificate.
    pub merchant_key: SigningKey,
    /// WeChat Pay's keys, the one that replies shall be signed with first: a public key with its
    /// id, or certificates of the platform. More than one while they change.
    pub platform_keys: Vec<PlatformKey>,
    /// Keys of notifications; one, or the new and the old one while they change.
    pub api_v3_keys: Vec<ApiV3Key>,
}

/// The provider.
#[derive(Debug)]
pub struct Wechat {
    config: WechatConfig,
}

impl Wechat {
    /// Checks the configuration.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn new(config: WechatConfig) -> Result<Self, ConfigError> {
        check_gateway(&config.gateway, |path| path == "/")?;
        let plain =
            |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        for (field, id) in [
            ("app_id", &config.app_id),
            ("merchant_id", &config.merchant_id),
            ("merchant_serial", &config.merchant_serial),
        ] {
            ConfigError::check(plain(id), field, "must be letters and digits")?;
        }
        let problem = "must not be empty";
        ConfigError::check(!config.platform_keys.is_empty(), "platform_keys", problem)?;
        ConfigError::check(!config.api_v3_keys.is_empty(), "api_v3_keys", problem)?;
        Ok(Self { config })
    }

    /// A signed call; `path` with its query.
    fn request(
        &self,
        asked: Asked,
        stamp: &Stamp,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Request, RequestError> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let (nonce, timestamp) = (stamp.nonce_text(), stamp.now_s);
        let signed = format!("{method}\n{path}\n{timestamp}\n{nonce}\n{body}\n");
        let signature = self.config.merchant_key.sign(signed.as_bytes());
        let authorization = format!(
            "{SCHEME} mchid=\"{}\",nonce_str=\"{nonce}\",signature=\"{signature}\",\
             timestamp=\"{timestamp}\",serial_no=\"{}\"",
            self.config.merchant_id, self.config.merchant_serial
        );
        let url = format!("{}{path}", self.config.gateway.trim_end_matches('/'));
        let mut request = http::Request::builder()
            .method(method)
            .uri(url)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            // Calls without one are refused.
            .header(header::USER_AGENT, "levee")
            .header(header::AUTHORIZATION, authorization);
        // Asks for replies that are signed with this key and not with a certificate's.
        if let Some(id) = self.config.platform_keys[0].public_key_id() {
            request = request.header(signature::SERIAL, id);
        }
        let http = request.body(body.into_bytes()).map_err(|_| RequestError::Unwritable)?;
        Ok(Request { http, asked })
    }
}

impl Provider for Wechat {
    fn create(&self, order: &Order, stamp: &Stamp) -> Result<Request, RequestError> {
        check_number(&order.out_trade_no)?;
        check_text(&order.subject)?;
        let expires = beijing::write_rfc_3339(order.expires_at_s);
        let body = json!({
            "appid": self.config.app_id,
            "mchid": self.config.merchant_id,
            "description": order.subject,
            "out_trade_no": order.out_trade_no,
            "time_expire": expires.ok_or(RequestError::Unwritable)?,
            "notify_url": order.notify_url,
            "amount": { "total": fen(order.money)?, "currency": "CNY" },
        });
        let trade = Trade { out_trade_no: order.out_trade_no.clone(), trade_no: None };
        let asked = Asked::new(Op::Create, &trade);
        self.request(asked, stamp, Method::POST, "/v3/pay/transactions/native", Some(&body))
    }

    fn query(&self, trade: &Trade, stamp: &Stamp) -> Result<Request, RequestError> {
        check_number(&trade.out_trade_no)?;
        let (number, merchant) = (&trade.out_trade_no, &self.config.merchant_id);
        let path = format!("/v3/pay/transactions/out-trade-no/{number}?mchid={merchant}");
        self.request(Asked::new(Op::Query, trade), stamp, Method::GET, &path, None)
    }

    fn close(&self, trade: &Trade, stamp: &Stamp) -> Result<Request, RequestError> {
        check_number(&trade.out_trade_no)?;
        let path = format!("/v3/pay/transactions/out-trade-no/{}/close", trade.out_trade_no);
        let body = json!({ "mchid": self.config.merchant_id });
        self.request(Asked::new(Op::Close, trade), stamp, Method::POST, &path, Some(&body))
    }

    fn refund(&self, refund: &Refund, stamp: &Stamp) -> Result<Request, RequestError> {
        check_refund(refund)?;
        let back = fen(refund.money)?;
        let mut body = json!({
            "out_trade_no": refund.trade.out_trade_no,
            "out_refund_no": refund.out_refund_no,
            "amount": { "refund": back, "total": refund.total_minor, "currency": "CNY" },
        });
        for (name, text) in [("reason", &refund.reason), ("notify_url", &refund.notify_url)] {
            if let Some(text) = text {
                body[name] = json!(text);
            }
        }
        let asked = Asked::about(Op::Refund, refund);
        self.request(asked, stamp, Method::POST, "/v3/refund/domestic/refunds", Some(&body))
    }

    fn refund_query(&self, refund: &Refund, stamp: &Stamp) -> Result<Request, RequestError> {
        check_refund(refund)?;
        let path = format!("/v3/refund/domestic/refunds/{}", refund.out_refund_no);
        self.request(Asked::about(Op::RefundQuery, refund), stamp, Method::GET, &path, None)
    }

    fn read_reply(
        &self,
        asked: &Asked,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
        now_s: u64,
    ) -> Result<Reply, ReplyError> {
        check_len(body)?;
        reply::read(self, asked, status, headers, body, now_s)
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

    /// No content: only failures have something to say.
    fn success_reply(&self) -> SuccessReply {
        SuccessReply { status: 204, body: "" }
    }
}

fn fen(money: Money) -> Result<u64, RequestError> {
    if money.currency != Currency::CNY {
        return Err(RequestError::Currency);
    }
    let amount = Some(money.amount_minor).filter(|fen| (1..=AMOUNT_MINOR_MAX).contains(fen));
    amount.ok_or(RequestError::Amount)
}

fn check_len(body: &[u8]) -> Result<(), Distrust> {
    if body.len() <= BODY_LEN_MAX { Ok(()) } else { Err(Distrust::Malformed("body")) }
}
