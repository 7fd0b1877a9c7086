//! The wires of payment providers: [`Alipay`], [`Wechat`] and [`Stripe`] behind one port.
//!
//! A [`Provider`] builds requests, reads replies, verifies notifications and knows how to
//! acknowledge them. Connectors send what it builds; gates ask it about what arrives.
//!
//! What must not live here: sockets, clocks and nonces (callers bring them), retries and paces
//! (connectors), what an order is owed (the rules), anything of Levee's own crates.

mod alipay;
mod beijing;
mod bill;
mod der;
mod error;
mod form;
mod keys;
mod money;
mod port;
mod stripe;
mod wechat;

pub use alipay::{Alipay, AlipayConfig};
pub use bill::{BillError, BillKind, BillLine, BillOf, read_bill};
pub use error::{Distrust, NotifyError, ReplyError, RequestError};
pub use keys::{KeyError, SigningKey, VerifyingKey};
pub use money::{Currency, Money};
pub use port::{
    Asked, BODY_LEN_MAX, Notification, Op, Order, PayBy, Provider, REPLAY_WINDOW_S, Refund, Reply,
    Request, Stamp, State, SuccessReply, Trade,
};
pub use stripe::{Stripe, StripeConfig, StripeSecret};
pub use wechat::{ApiV3Key, PlatformKey, Wechat, WechatConfig};

/// What is wrong with the configuration of a provider.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct ConfigError {
    /// The field of the configuration.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl ConfigError {
    pub(crate) fn check(
        good: bool,
        field: &'static str,
        problem: &'static str,
    ) -> Result<(), Self> {
        if good { Ok(()) } else { Err(Self { field, problem }) }
    }
}

/// The https address that a provider is reached at; `path` is what it may have behind the host. What
/// stands in for a provider on this machine may be reached without TLS: keys and secrets travel in
/// requests.
pub(crate) fn check_gateway(url: &str, path: fn(&str) -> bool) -> Result<(), ConfigError> {
    let uri = url.parse::<http::Uri>().ok().filter(|uri| {
        let is_safe = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]")),
            _ => false,
        };
        is_safe && uri.query().is_none() && !url.contains(['#', '@']) && path(uri.path())
    });
    ConfigError::check(uri.is_some(), "gateway", "must be the provider's https address")
}
