//! The webhook's document: where the app's back end is told of events, and of which.

use levee_core::types::{EventNo, PutWebhook, WEBHOOK_LEN_MAX, WebhookId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::outlet::{Secret, URL_LEN_MAX, is_address};
use crate::strict::{Malformed, wrong};

/// Tries of one event where the document does not say: over about seventeen minutes.
pub const TRIES_DEFAULT: u32 = 12;

/// Most tries of one event: over about a day.
pub const TRIES_MAX: u32 = 150;

macro_rules! events {
    ($($variant:ident $name:literal)*) => {
        /// What an event is of. Names are stable.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
        )]
        pub enum EventKind {
            $(#[doc = $name] #[serde(rename = $name)] $variant,)*
        }

        impl EventKind {
            /// All of them. A place in this list never changes: dead letters name it.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The public name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

events! {
    VoucherClaimed "voucher.claimed"
    VoucherRedeemed "voucher.redeemed"
    VoucherRolledBack "voucher.rolled_back"
    VoucherExpired "voucher.expired"
    VoucherRevoked "voucher.revoked"
    OrderPlaced "order.placed"
    OrderPaid "order.paid"
    OrderAccepted "order.accepted"
    OrderReady "order.ready"
    OrderCollected "order.collected"
    OrderCancelled "order.cancelled"
    OrderExpired "order.expired"
    OrderRejected "order.rejected"
    OrderMoved "order.moved"
    RefundSucceeded "refund.succeeded"
    RefundFailed "refund.failed"
}

impl EventKind {
    /// The place in [`Self::ALL`].
    ///
    /// # Panics
    /// Never: every kind is in the list, and the list is short.
    #[must_use]
    pub fn number(self) -> u8 {
        let place = Self::ALL.iter().position(|kind| *kind == self);
        place.and_then(|place| u8::try_from(place).ok()).expect("a short list of all kinds")
    }
}

/// A webhook as its operator describes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HookDocument {
    /// Where events are sent; http or https, without a query.
    #[schemars(length(max = URL_LEN_MAX))]
    pub url: String,
    /// Which events; at least one, none twice.
    #[schemars(length(min = 1, max = EventKind::ALL.len()))]
    pub events: Vec<EventKind>,
    /// Signs what is sent (Standard Webhooks). Written and never shown: replies leave it out, and a
    /// document without it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// How often an event is sent before it is a dead letter; 1 to 150.
    #[serde(default = "tries_default")]
    #[schemars(range(min = 1, max = TRIES_MAX))]
    pub tries: u32,
}

fn tries_default() -> u32 {
    TRIES_DEFAULT
}

impl HookDocument {
    /// The document as others may see it.
    #[must_use]
    pub fn without_secret(mut self) -> Self {
        self.secret = None;
        self
    }
}

/// From the document to what the engine takes.
///
/// # Errors
/// The first field that is wrong.
///
/// # Panics
/// Never: a document has only string keys.
pub fn compile(id: &WebhookId, document: &HookDocument) -> Result<PutWebhook, Malformed> {
    if !is_address(&document.url) {
        let detail =
            format!("must be an http or https address without query, of {URL_LEN_MAX} bytes");
        return Err(wrong("url", detail));
    }
    if document.events.is_empty() {
        return Err(wrong("events", "must list at least one event"));
    }
    let mut seen = document.events.clone();
    seen.sort_unstable();
    seen.dedup();
    if seen.len() != document.events.len() {
        return Err(wrong("events", "must not list one twice"));
    }
    if document.secret.is_none() {
        return Err(wrong("secret", "is needed: it is never shown, so it is given anew"));
    }
    if !(1..=TRIES_MAX).contains(&document.tries) {
        return Err(wrong("tries", format!("must be from 1 to {TRIES_MAX}")));
    }
    let json = serde_json::to_vec(document).expect("a document has only string keys");
    if json.len() > WEBHOOK_LEN_MAX {
        return Err(wrong("url", format!("the document is over {WEBHOOK_LEN_MAX} bytes")));
    }
    Ok(PutWebhook { id: id.clone(), document: json })
}

/// The id of a message, the same at every repeat: `{webhook}_{seq}_{index}`.
#[must_use]
pub fn message_id(webhook: &WebhookId, event: EventNo) -> String {
    format!("{webhook}_{}_{}", event.seq, event.index)
}

/// The event of a message of this webhook; `None` for any other text.
#[must_use]
pub fn parse_message_id(webhook: &WebhookId, text: &str) -> Option<EventNo> {
    let (seq, index) = text.strip_prefix(webhook.as_str())?.strip_prefix('_')?.split_once('_')?;
    let event = EventNo { seq: seq.parse().ok()?, index: index.parse().ok()? };
    // One text for one event.
    (message_id(webhook, event) == text).then_some(event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strict::parse;

    fn id() -> WebhookId {
        WebhookId::new("app").expect("an id")
    }

    /// The field that is wrong; none where the whole is good.
    #[track_caller]
    fn check(json: &str, expected: Option<&str>) {
        let compiled =
            parse::<HookDocument>(json.as_bytes()).and_then(|document| compile(&id(), &document));
        let field = compiled.err().map(|malformed| malformed.field.expect("it names a field"));
        assert_eq!(field.as_deref(), expected, "{json}");
    }

    #[test]
    fn a_wrong_document_names_its_field() {
        let whole = |url: &str, events: &str, rest: &str| {
            format!(r#"{{"url": "{url}", "events": [{events}]{rest}}}"#)
        };
        let secret = r#", "secret": "four-and-twenty-bytes-24""#;
        let (url, event) = ("https://app.example/levee", r#""order.paid""#);
        check(&whole(url, event, secret), None);
        check(&whole(url, event, &format!("{secret}, \"tries\": 150")), None);
        for wrong in ["ftp://a", "https://a/?b", "http://user:word@a/", ""] {
            check(&whole(wrong, event, secret), Some("url"));
        }
        check(&whole(url, "", secret), Some("events"));
        check(&whole(url, &format!("{event}, {event}"), secret), Some("events"));
        check(&whole(url, r#""order.eaten""#, secret), Some("events[0]"));
        check(&whole(url, event, ""), Some("secret"));
        check(&whole(url, event, r#", "secret": "short""#), Some("secret"));
        check(&whole(url, event, &format!("{secret}, \"tries\": 0")), Some("tries"));
        check(&whole(url, event, &format!("{secret}, \"tries\": 151")), Some("tries"));
        check(&whole(url, event, &format!("{secret}, \"colour\": 1")), Some("colour"));
        check(&format!(r#"{{"events": [{event}]{secret}}}"#), Some("url"));
    }

    #[test]
    fn a_message_is_known_by_one_text() {
        let event = EventNo { seq: 12, index: 3 };
        assert_eq!(message_id(&id(), event), "app_12_3");
        assert_eq!(parse_message_id(&id(), "app_12_3"), Some(event));
        for other in ["", "app", "app_12", "app_012_3", "app_12_+3", "apps_12_3", "app_12_3_"] {
            assert_eq!(parse_message_id(&id(), other), None, "{other}");
        }
    }

    #[test]
    fn kinds_have_their_names_everywhere() {
        for kind in EventKind::ALL {
            let json = serde_json::to_string(kind).expect("a text");
            assert_eq!(json, format!("\"{}\"", kind.name()));
            assert_eq!(EventKind::ALL[usize::from(kind.number())], *kind);
        }
    }
}
