//! Signatures of webhooks after Standard Webhooks 1.0 (<https://www.standardwebhooks.com>): what
//! Levee sends to outlets and apps, and what outlets and payment providers send to it.
//!
//! Three headers: `webhook-id`, the same on every repeat of one message; `webhook-timestamp`, when
//! this try was sent, in whole seconds since 1970; `webhook-signature`, one or more of
//! `v1,<base64>` with spaces between them, so that a sender can change its secret. Signed is
//! `id.timestamp.body` with HMAC-SHA256, the body byte by byte as it travels.
//!
//! While a secret changes both sides know two: a sender signs with all that it has, and a receiver
//! takes what any of its own has signed, so neither has to change in the same moment as the other.
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

/// Most signatures that are looked at, and a change of secrets needs two.
const SIGNATURES_MAX: usize = 8;

/// Most secrets at once: each costs a hash, and a change needs two.
pub const SECRETS_MAX: usize = 4;

/// What texts of secrets begin with.
pub(crate) const PREFIX: &str = "whsec_";
const VERSION: &str = "v1,";
const MAC_LEN: usize = 32;

/// What a secret must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "webhook secrets are whsec_ and the base64 of 24 to 64 bytes, one or up to four with spaces"
)]
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

/// What two sides share: one secret or, while it changes, several, with their HMAC states ready.
#[derive(Clone)]
pub struct WebhookSecrets(Vec<Hmac<Sha256>>);

impl fmt::Debug for WebhookSecrets {
    /// Never shows a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSecrets").field("count", &self.0.len()).finish_non_exhaustive()
    }
}

impl WebhookSecrets {
    /// From the text that people copy: `whsec_` and the key in base64. Several have a space between
    /// them, [`SECRETS_MAX`] at most.
    ///
    /// # Errors
    /// It is no such text, or a key is shorter or longer than [`SECRET_LEN`].
    pub fn from_text(text: &str) -> Result<Self, SecretError> {
        let state = |one: &str| {
            let encoded = one.strip_prefix(PREFIX).ok_or(SecretError)?;
            state(&STANDARD.decode(encoded).map_err(|_| SecretError)?)
        };
        let states =
            text.split(' ').take(SECRETS_MAX + 1).map(state).collect::<Result<Vec<_>, _>>()?;
        if states.len() > SECRETS_MAX { Err(SecretError) } else { Ok(Self(states)) }
    }

    /// One, from the key's own bytes.
    ///
    /// # Errors
    /// The key is shorter or longer than [`SECRET_LEN`].
    pub fn from_bytes(key: &[u8]) -> Result<Self, SecretError> {
        Ok(Self(vec![state(key)?]))
    }

    /// The signed message under each secret.
    fn macs(&self, id: &str, timestamp: &str, body: &[u8]) -> Vec<Hmac<Sha256>> {
        let mut macs = self.0.clone();
        for mac in &mut macs {
            for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
                mac.update(part);
            }
        }
        macs
    }

    /// One signature for each secret, as they stand in the header.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp_s: u64, body: &[u8]) -> String {
        let macs = self.macs(id, &timestamp_s.to_string(), body).into_iter();
        let one = |mac: Hmac<Sha256>| STANDARD.encode(mac.finalize().into_bytes());
        macs.map(|mac| format!("{VERSION}{}", one(mac))).collect::<Vec<_>>().join(" ")
    }

    /// The three headers of a message that is sent now.
    ///
    /// # Panics
    /// The id is none that [`Self::verify`] takes: 1 to [`ID_LEN_MAX`] visible ASCII characters
    /// without a full stop, which would make two readings of what is signed.
    #[must_use]
    pub fn headers(&self, id: &str, now_s: u64, body: &[u8]) -> [(&'static str, String); 3] {
        assert!(is_id(id), "{id:?} is no id of a webhook");
        let signatures = self.sign(id, now_s, body);
        [(ID, id.to_owned()), (TIMESTAMP, now_s.to_string()), (SIGNATURE, signatures)]
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
        let macs = self.macs(id, timestamp, body);
        let signatures = signatures.split(' ').filter_map(|one| one.strip_prefix(VERSION));
        let genuine = signatures.take(SIGNATURES_MAX).any(|encoded| {
            let mut bytes = [0; MAC_LEN];
            let len = STANDARD.decode_slice(encoded, &mut bytes);
            let is_same = |mac: &Hmac<Sha256>| mac.clone().verify_slice(&bytes).is_ok();
            len == Ok(MAC_LEN) && macs.iter().any(is_same)
        });
        if genuine { Ok(id) } else { Err(WebhookError::Mismatch) }
    }
}

fn state(key: &[u8]) -> Result<Hmac<Sha256>, SecretError> {
    if !SECRET_LEN.contains(&key.len()) {
        return Err(SecretError);
    }
    Ok(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
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

    fn secret() -> WebhookSecrets {
        WebhookSecrets::from_text(SECRET).expect("a secret")
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
        let other = WebhookSecrets::from_bytes(&[7; 32]).expect("a secret");
        let mismatch = Err(WebhookError::Mismatch);
        assert_eq!(other.verify(&headers, BODY, SENT_S, REPLAY_WINDOW_S), mismatch);
    }

    #[test]
    fn while_secrets_change_all_sign_and_any_is_taken() {
        let next = format!("whsec_{}", STANDARD.encode([7; 32]));
        let third = format!("whsec_{}", STANDARD.encode([8; 32]));
        let known = |texts: &[&str]| WebhookSecrets::from_text(&texts.join(" ")).expect("secrets");
        let both = known(&[SECRET, &next]);
        let signed = both.sign(MESSAGE, SENT_S, BODY);
        assert_eq!(signed.split(' ').next(), Some(GENUINE));
        assert_eq!(signed.split(' ').count(), 2);
        for (signs, takes, expected) in [
            (&both, known(&[SECRET]), Ok(MESSAGE)),
            (&both, known(&[&next]), Ok(MESSAGE)),
            (&both, known(&[&third, &next]), Ok(MESSAGE)),
            (&known(&[SECRET]), known(&[&next, SECRET]), Ok(MESSAGE)),
            (&known(&[&next]), known(&[&next, SECRET]), Ok(MESSAGE)),
            (&both, known(&[&third]), Err(WebhookError::Mismatch)),
            (&known(&[&third]), both.clone(), Err(WebhookError::Mismatch)),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in signs.headers(MESSAGE, SENT_S, BODY) {
                headers.insert(name, HeaderValue::from_str(&value).expect("a value"));
            }
            assert_eq!(takes.verify(&headers, BODY, SENT_S, REPLAY_WINDOW_S), expected);
        }
        for (texts, good) in [
            ([SECRET; 4].join(" "), true),
            ([SECRET; 5].join(" "), false),
            (format!("{SECRET}  {next}"), false),
            (format!(" {SECRET}"), false),
            (format!("{SECRET} "), false),
            (format!("{SECRET},{next}"), false),
            (format!("{SECRET} {}", &next[6..]), false),
        ] {
            assert_eq!(WebhookSecrets::from_text(&texts).is_ok(), good, "{texts}");
        }
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
            assert_eq!(WebhookSecrets::from_text(&text).is_ok(), good, "{text}");
        }
        for dev in [DEV_OUTLETS_SECRET, DEV_PAYMENTS_SECRET] {
            WebhookSecrets::from_text(dev).expect("a secret");
        }
        assert!(!format!("{:?}", secret()).contains("MfKQ"));
        let same = WebhookSecrets::from_bytes(&STANDARD.decode(&SECRET[6..]).expect("base64"));
        assert_eq!(same.expect("a secret").sign(MESSAGE, SENT_S, BODY), GENUINE);
    }
}
