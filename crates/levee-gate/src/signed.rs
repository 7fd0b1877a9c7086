//! Messages that are signed by whoever sends them, after Standard Webhooks, instead of coming with
//! an API key: callbacks of payment providers, and what outlets' systems say of tickets.

use hyper::header::{AUTHORIZATION, HeaderName};
use levee_api::problem::Code;
use levee_api::time::now_s;
use levee_api::webhook::{REPLAY_WINDOW_S, WebhookError, WebhookSecrets};

use crate::call::Call;
use crate::trouble::Trouble;

pub(crate) const WEBHOOK_ID: HeaderName = HeaderName::from_static(levee_api::webhook::ID);
pub(crate) const WEBHOOK_TIMESTAMP: HeaderName =
    HeaderName::from_static(levee_api::webhook::TIMESTAMP);
pub(crate) const WEBHOOK_SIGNATURE: HeaderName =
    HeaderName::from_static(levee_api::webhook::SIGNATURE);

// What providers with protocols of their own sign with.
pub(crate) const STRIPE_SIGNATURE: HeaderName = HeaderName::from_static("stripe-signature");
pub(crate) const WECHATPAY_SERIAL: HeaderName = HeaderName::from_static("wechatpay-serial");
pub(crate) const WECHATPAY_NONCE: HeaderName = HeaderName::from_static("wechatpay-nonce");
pub(crate) const WECHATPAY_TIMESTAMP: HeaderName = HeaderName::from_static("wechatpay-timestamp");
pub(crate) const WECHATPAY_SIGNATURE: HeaderName = HeaderName::from_static("wechatpay-signature");
pub(crate) const WECHATPAY_SIGNATURE_TYPE: HeaderName =
    HeaderName::from_static("wechatpay-signature-type");

/// The outlet whose signature it is.
pub(crate) const LEVEE_OUTLET: HeaderName = HeaderName::from_static("levee-outlet");

/// Whether a request says that it is signed. With an API key beside it, the key counts.
pub(crate) fn is_signed(call: &Call) -> bool {
    let headers = &call.head.headers;
    headers.contains_key(WEBHOOK_SIGNATURE) && !headers.contains_key(AUTHORIZATION)
}

/// Checks the signature over the body as it came. Whether a message was seen before is for the
/// rules: what these messages say has one effect at most.
pub(crate) fn check_signature(
    call: &Call,
    secret: &WebhookSecrets,
    body: &[u8],
) -> Result<(), Trouble> {
    let verified = verify(call, secret, body);
    verified.map_err(|error| unsigned(format!("It is not taken, since {error}.")))
}

/// As [`check_signature`], for who looks at the reason.
pub(crate) fn verify(
    call: &Call,
    secret: &WebhookSecrets,
    body: &[u8],
) -> Result<(), WebhookError> {
    secret.verify(&call.head.headers, body, now_s(), REPLAY_WINDOW_S).map(|_| ())
}

/// 401, with the reason.
pub(crate) fn unsigned(detail: impl Into<String>) -> Trouble {
    Trouble::new(Code::SignatureInvalid).with_detail(detail)
}
