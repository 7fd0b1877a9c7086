//! Stripe's notifications (<https://docs.stripe.com/webhooks#verify-manually>): events, signed with
//! HMAC-SHA256 over time and raw body.

use std::fmt;

use http::HeaderMap;
use ring::hmac;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Stripe;
use super::reply::{Intent, Refund, money};
use crate::error::{Distrust, NotifyError};
use crate::port::{Notification, REPLAY_WINDOW_S, State, seconds, single};

const SIGNATURE: &str = "stripe-signature";

/// Most signatures that are looked at: Stripe sends one for each secret that is valid.
const SIGNATURES_MAX: usize = 8;

/// The secret of an endpoint, `whsec_...`; the text itself is the key.
#[derive(Clone)]
pub struct StripeSecret(hmac::Key);

impl StripeSecret {
    /// From its text; anything that does not begin with `whsec_`, or is shorter than 24 bytes, is
    /// none.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let good = text.starts_with("whsec_") && text.len() >= 24;
        good.then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes())))
    }
}

impl fmt::Debug for StripeSecret {
    /// Never shows the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StripeSecret").finish_non_exhaustive()
    }
}

#[derive(Debug, Deserialize)]
struct Event<'b> {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    /// In seconds since 1970.
    created: Option<u64>,
    livemode: bool,
    account: Option<String>,
    #[serde(borrow)]
    data: Data<'b>,
}

#[derive(Debug, Deserialize)]
struct Data<'b> {
    #[serde(borrow)]
    object: &'b RawValue,
}

pub(super) fn read(
    stripe: &Stripe,
    headers: &HeaderMap,
    body: &[u8],
    now_s: u64,
) -> Result<Notification, NotifyError> {
    check_signature(stripe, headers, body, now_s)?;
    let malformed = |_| Distrust::Malformed("body");
    let event: Event<'_> = serde_json::from_slice(body).map_err(malformed)?;
    if event.livemode != stripe.config.live {
        return Err(Distrust::WrongApp.into());
    }
    if event.account != stripe.config.account {
        return Err(Distrust::WrongMerchant.into());
    }
    let object = event.data.object.get();
    let mut notification = if event.kind.starts_with("payment_intent.") {
        payment(&serde_json::from_str(object).map_err(malformed)?)?
    } else if event.kind.starts_with("refund.") {
        refund(&serde_json::from_str(object).map_err(malformed)?)?
    } else {
        None
    }
    .ok_or(NotifyError::OtherEvent(event.kind))?;
    notification.id = event.id;
    notification.merchant_id = event.account;
    notification.occurred_s = event.created;
    Ok(notification)
}

/// Checks the signature, and only then the time in it: a time that nobody signed says nothing.
/// Comparing takes the same time however much of a signature is right.
fn check_signature(
    stripe: &Stripe,
    headers: &HeaderMap,
    body: &[u8],
    now_s: u64,
) -> Result<(), Distrust> {
    let malformed = Distrust::Malformed(SIGNATURE);
    let fields = single(headers, SIGNATURE)?.split(',').filter_map(|field| field.split_once('='));
    let mut times = fields.clone().filter(|(name, _)| *name == "t");
    let (timestamp, second) = (times.next().ok_or(malformed)?.1, times.next());
    let signed_s = seconds(timestamp).filter(|_| second.is_none()).ok_or(malformed)?;
    let message = [timestamp.as_bytes(), b".", body].concat();
    let signatures = fields.filter(|(name, _)| *name == "v1").take(SIGNATURES_MAX);
    let secrets = stripe.config.endpoint_secrets.iter();
    // Once, however many signatures there are.
    let tags: Vec<hmac::Tag> = secrets.map(|secret| hmac::sign(&secret.0, &message)).collect();
    let genuine = signatures
        .filter_map(|(_, hex)| bytes(hex))
        .any(|signature| tags.iter().any(|tag| is_same(tag.as_ref(), &signature)));
    if !genuine {
        return Err(Distrust::Tampered);
    }
    if signed_s.abs_diff(now_s) > REPLAY_WINDOW_S {
        return Err(Distrust::TooOld);
    }
    Ok(())
}

/// Whether they are the same, in the same time wherever they differ.
fn is_same(tag: &[u8], signature: &[u8]) -> bool {
    let differing = tag.iter().zip(signature).fold(0, |bits, (a, b)| bits | (a ^ b));
    tag.len() == signature.len() && std::hint::black_box(differing) == 0
}

/// Bytes from hex digits.
fn bytes(hex: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let byte = |pair: &[u8; 2]| u8::try_from(16 * digit(pair[0])? + digit(pair[1])?).ok();
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

/// None: a payment that is not ours.
fn payment(said: &Intent) -> Result<Option<Notification>, Distrust> {
    let Some(number) = said.number() else { return Ok(None) };
    let state = said.state();
    let amount = if state == State::Succeeded { said.amount_received } else { said.amount };
    Ok(Some(Notification {
        out_trade_no: number.to_owned(),
        trade_no: Some(said.id.clone()),
        out_refund_no: None,
        ..blank(state, money(amount, &said.currency)?)
    }))
}

/// None: a refund that is not ours.
fn refund(said: &Refund) -> Result<Option<Notification>, Distrust> {
    let Some((trade, number)) = said.numbers() else { return Ok(None) };
    Ok(Some(Notification {
        out_trade_no: trade.to_owned(),
        trade_no: said.payment_intent.clone(),
        out_refund_no: Some(number.to_owned()),
        ..blank(said.state(), money(said.amount, &said.currency)?)
    }))
}

/// Without numbers, and without what stands in the event around it.
fn blank(state: State, money: crate::Money) -> Notification {
    Notification {
        id: String::new(),
        out_trade_no: String::new(),
        trade_no: None,
        out_refund_no: None,
        state,
        money,
        is_sum: false,
        app_id: None,
        merchant_id: None,
        occurred_s: None,
    }
}
