//! Signatures of webhooks after Standard Webhooks 1.0 (<https://www.standardwebhooks.com>): what
//! Levee sends to outlets and apps, and what outlets and payment providers send to it.
//!
//! Three headers: `webhook-id`, the same on every repeat of one message; `webhook-timestamp`, when
//! this try was sent, in whole seconds since 1970; `webhook-signature`, one or more of
//! `v1,<base64>` with spaces between them, so that a sender can change its secret. Signed is
//! `id.timestamp.body` with HMAC-SHA256, the body byte by byte as it travels.
//!
//! What must not live here: clocks (the caller says what time it is), and memory of ids: whether a
//! message was seen before is for whoever handles it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::HeaderMap;
use sha2::Sha256;

/// The header with a message's id.
pub const ID: &str = "webhook-id";

/// The header with the time of sending.
pub const TIMESTAMP: &str = "webhook-timestamp";

/// The header with the signatures.
pub const SIGNATURE: &str = "webhook-signature";

/// How far a time of sending may be from the receiver's clock, in seconds: the five minutes that
/// the specification's own libraries allow.
pub const REPLAY_WINDOW_S: u64 = 300;

/// Longest id of a message, in bytes.
pub const ID_LEN_MAX: usize = 255;

/// Shortest and longest key, in bytes, as the specification has it.
pub const SECRET_LEN: std::ops::RangeInclusive<usize> = 24..=64;

/// The well-known secret of outlets, for trying things out: the base64 says so in words.
pub const DEV_OUTLETS_SECRET: &str = "whsec_bGV2ZWUgZGV2IG91dGxldHMgc2VjcmV0";

/// The well-known secret of the payment provider, for trying things out.
pub const DEV_PAYMENTS_SECRET: &str = "whsec_bGV2ZWUgZGV2IHBheW1lbnQgc2VjcmV0";

/// Most signatures that are looked at: each costs a hash, and a change of secrets needs two.
const SIGNATURES_MAX: usize = 8;

/// What texts of secrets begin with.
pub(crate) const PREFIX: &str = "whsec_";
const VERSION: &str = "v1,";
const MAC_LEN: usize = 32;

/// What a secret must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a webhook secret is whsec_ and the base64 of 24 to 64 bytes")]
pub struct SecretError;

/// Why a message is not taken for its sender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// A header is not there.
    #[error("the header {0} is missing")]
    Missing(&'static str),
    /// A header is there twice, or is not what the specification says.
    #[error("the header {0} is malformed")]
    Malformed(&'static str),
    /// Sent too long ago, or by a clock that is wrong.
    #[error("webhook-timestamp is too far from this server's clock")]
    OutsideWindow,
    /// None of the signatures was made with this secret over this message.
    #[error("webhook-signature does not match")]
    Mismatch,
}

/// A secret that two sides share, with its HMAC state ready.
#[derive(Clone)]
pub struct WebhookSecret(Hmac<Sha256>);

impl fmt::Debug for WebhookSecret {
    /// Never shows the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSecret").finish_non_exhaustive()
    }
}

impl WebhookSecret {
    /// From the text that people copy: `whsec_` and the key in base64.
    ///
    /// # Errors
    /// It is no such text, or the key is shorter or longer than [`SECRET_LEN`].
    pub fn from_text(text: &str) -> Result<Self, SecretError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(SecretError)?;
        Self::from_bytes(&STANDARD.decode(encoded).map_err(|_| SecretError)?)
    }

    /// From the key's own bytes.
    ///
    /// # Errors
    /// The key is shorter or longer than [`SECRET_LEN`].
    pub fn from_bytes(key: &[u8]) -> Result<Self, SecretError> {
        if !SECRET_LEN.contains(&key.len()) {
            return Err(SecretError);
        }
        Ok(Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length")))
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac
    }

    /// One signature, as it stands in the header.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp_s: u64, body: &[u8]) -> String {
        let mac = self.mac(id, &timestamp_s.to_string(), body).finalize().into_bytes();
        format!("{VERSION}{}", STANDARD.encode(mac))
    }

    /// The three headers of a message that is sent now.
    ///
    /// # Panics
    /// The id is none that [`Self::verify`] takes: 1 to [`ID_LEN_MAX`] visible ASCII characters
    /// without a full stop, which would make two readings of what is signed.
    #[must_use]
    pub fn headers(&self, id: &str, now_s: u64, body: &[u8]) -> [(&'static str, String); 3] {
        assert!(is_id(id), "{id:?} is no id of a webhook");
        let signature = self.sign(id, now_s, body);
        [(ID, id.to_owned()), (TIMESTAMP, now_s.to_string()), (SIGNATURE, signature)]
    }

    /// Checks a message as it was received and returns its id. `now_s` is the receiver's time in
    /// seconds since 1970, `window_s` how far the time of sending may be from it either way, mostly
    /// [`REPLAY_WINDOW_S`]. Signatures of other versions than `v1` are passed over, as the
    /// specification asks; comparing takes the same time however much of one is right.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify<'h>(
        &self,
        headers: &'h HeaderMap,
        body: &[u8],
        now_s: u64,
        window_s: u64,
    ) -> Result<&'h str, WebhookError> {
        let id = single(headers, ID)?;
        let timestamp = single(headers, TIMESTAMP)?;
        let signatures = single(headers, SIGNATURE)?;
        if !is_id(id) {
            return Err(WebhookError::Malformed(ID));
        }
        let sent_s = seconds(timestamp).ok_or(WebhookError::Malformed(TIMESTAMP))?;
        if sent_s.abs_diff(now_s) > window_s {
            return Err(WebhookError::OutsideWindow);
        }
        let mac = self.mac(id, timestamp, body);
        let ours = signatures.split(' ').filter_map(|one| one.strip_prefix(VERSION));
        let genuine = ours.take(SIGNATURES_MAX).any(|encoded| {
            let mut bytes = [0; MAC_LEN];
            let len = STANDARD.decode_slice(encoded, &mut bytes);
            len == Ok(MAC_LEN) && mac.clone().verify_slice(&bytes).is_ok()
        });
        if genuine { Ok(id) } else { Err(WebhookError::Mismatch) }
    }
}

/// The one value of a header. Two would let this check and a later reader see different ones.
fn single<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<&'h str, WebhookError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(WebhookError::Missing(name))?;
    match (values.next(), value.to_str()) {
        (None, Ok(text)) => Ok(text),
        _ => Err(WebhookError::Malformed(name)),
    }
}

fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'.';
    (1..=ID_LEN_MAX).contains(&id.len()) && id.bytes().all(plain)
}

/// Digits only: `+5` and `05` would be other texts for the same time.
fn seconds(text: &str) -> Option<u64> {
    text.parse().ok().filter(|seconds: &u64| seconds.to_string() == text)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    // The vector in the tests of the specification's own libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const MESSAGE: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SENT_S: u64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const GENUINE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const OTHER: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA=";

    fn secret() -> WebhookSecret {
        WebhookSecret::from_text(SECRET).expect("a secret")
    }

    /// Headers as lines of `name: value`; a name alone takes the genuine value.
    fn headers(lines: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| {
                let genuine = match line {
                    ID => MESSAGE,
                    TIMESTAMP => "1614265330",
                    _ => GENUINE,
                };
                (line, genuine)
            });
            let name = hyper::header::HeaderName::from_bytes(name.as_bytes()).expect("a name");
            headers.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        headers
    }

    #[track_caller]
    fn check(lines: &str, expected: Result<&str, WebhookError>) {
        let headers = headers(lines);
        assert_eq!(secret().verify(&headers, BODY, SENT_S, REPLAY_WINDOW_S), expected, "{lines}");
    }

    #[test]
    fn the_published_vector_is_made_and_taken() {
        assert_eq!(secret().sign(MESSAGE, SENT_S, BODY), GENUINE);
        let mut made = HeaderMap::new();
        for (name, value) in secret().headers(MESSAGE, SENT_S, BODY) {
            made.insert(name, HeaderValue::from_str(&value).expect("a value"));
        }
        assert_eq!(secret().verify(&made, BODY, SENT_S, 0), Ok(MESSAGE));
    }

    #[test]
    fn headers_are_read_strictly() {
        let all = "webhook-id\nwebhook-timestamp\n";
        check("webhook-id\nwebhook-timestamp\nwebhook-signature", Ok(MESSAGE));
        for (signature, expected) in [
            (format!("{OTHER} {GENUINE}"), Ok(MESSAGE)),
            (format!("v1a,AAAA v2,{GENUINE} {GENUINE}"), Ok(MESSAGE)),
            (OTHER.to_owned(), Err(WebhookError::Mismatch)),
            (GENUINE.replace("v1,", "v2,"), Err(WebhookError::Mismatch)),
            (GENUINE.replace("v1,", ""), Err(WebhookError::Mismatch)),
            (GENUINE.replace('=', ""), Err(WebhookError::Mismatch)),
            (format!("{GENUINE}AAAA"), Err(WebhookError::Mismatch)),
            ("v1,".to_owned(), Err(WebhookError::Mismatch)),
            (format!("{}{GENUINE}", format!("{OTHER} ").repeat(7)), Ok(MESSAGE)),
            (format!("{}{GENUINE}", format!("{OTHER} ").repeat(8)), Err(WebhookError::Mismatch)),
        ] {
            check(&format!("{all}webhook-signature: {signature}"), expected);
        }
        let rest = "webhook-timestamp\nwebhook-signature\n";
        check(rest, Err(WebhookError::Missing(ID)));
        check("webhook-id\nwebhook-signature", Err(WebhookError::Missing(TIMESTAMP)));
        check("webhook-id\nwebhook-timestamp", Err(WebhookError::Missing(SIGNATURE)));
        let malformed = Err(WebhookError::Malformed(ID));
        check(&format!("webhook-id\nwebhook-id\n{rest}"), malformed);
        check(&format!("webhook-id: a.b\n{rest}"), malformed);
        check(&format!("webhook-id: a b\n{rest}"), malformed);
        check(&format!("webhook-id: \u{e4}\n{rest}"), malformed);
        check(&format!("webhook-id: {}\n{rest}", "a".repeat(256)), malformed);
        check(&format!("webhook-id: {}\n{rest}", "a".repeat(255)), Err(WebhookError::Mismatch));
        for wrong in ["now", "-1", "+1614265330", "01614265330", "1614265330.0"] {
            let lines = format!("webhook-id\nwebhook-timestamp: {wrong}\nwebhook-signature");
            check(&lines, Err(WebhookError::Malformed(TIMESTAMP)));
        }
    }

    #[test]
    fn a_message_is_good_for_five_minutes_either_way_and_for_its_own_bytes() {
        let headers = headers("webhook-id\nwebhook-timestamp\nwebhook-signature");
        let verify = |body: &[u8], now_s| secret().verify(&headers, body, now_s, REPLAY_WINDOW_S);
        for (now_s, expected) in [
            (SENT_S - 301, Err(WebhookError::OutsideWindow)),
            (SENT_S - 300, Ok(MESSAGE)),
            (SENT_S + 300, Ok(MESSAGE)),
            (SENT_S + 301, Err(WebhookError::OutsideWindow)),
            (0, Err(WebhookError::OutsideWindow)),
            (u64::MAX, Err(WebhookError::OutsideWindow)),
        ] {
            assert_eq!(verify(BODY, now_s), expected, "{now_s}");
        }
        assert_eq!(verify(br#"{"test":2432232314}"#, SENT_S), Err(WebhookError::Mismatch));
        assert_eq!(verify(b"", SENT_S), Err(WebhookError::Mismatch));
        let other = WebhookSecret::from_bytes(&[7; 32]).expect("a secret");
        let mismatch = Err(WebhookError::Mismatch);
        assert_eq!(other.verify(&headers, BODY, SENT_S, REPLAY_WINDOW_S), mismatch);
    }

    #[test]
    fn secrets_have_24_to_64_bytes() {
        for (text, good) in [
            (SECRET.to_owned(), true),
            ("whsec_".to_owned(), false),
            (SECRET.replace("whsec_", ""), false),
            (SECRET.replace("whsec_", "WHSEC_"), false),
            (format!("{SECRET}="), false),
            (format!("whsec_{}", STANDARD.encode([1; 23])), false),
            (format!("whsec_{}", STANDARD.encode([1; 64])), true),
            (format!("whsec_{}", STANDARD.encode([1; 65])), false),
        ] {
            assert_eq!(WebhookSecret::from_text(&text).is_ok(), good, "{text}");
        }
        for dev in [DEV_OUTLETS_SECRET, DEV_PAYMENTS_SECRET] {
            WebhookSecret::from_text(dev).expect("a secret");
        }
        assert!(!format!("{:?}", secret()).contains("MfKQ"));
        let same = WebhookSecret::from_bytes(&STANDARD.decode(&SECRET[6..]).expect("base64"));
        assert_eq!(same.expect("a secret").sign(MESSAGE, SENT_S, BODY), GENUINE);
    }
}
