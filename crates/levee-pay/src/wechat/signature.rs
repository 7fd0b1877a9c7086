//! Signatures of WeChat Pay's, on replies and notifications alike: over time, nonce and raw body,
//! each with a line feed behind it, by a key that `Wechatpay-Serial` names.

use http::HeaderMap;

use super::{SCHEME, Wechat};
use crate::error::Distrust;
use crate::keys::{KeyError, VerifyingKey};
use crate::port::{REPLAY_WINDOW_S, seconds, single};

pub(super) const SERIAL: &str = "wechatpay-serial";
const SIGNATURE: &str = "wechatpay-signature";
const SIGNATURE_TYPE: &str = "wechatpay-signature-type";
const TIMESTAMP: &str = "wechatpay-timestamp";
const NONCE: &str = "wechatpay-nonce";

/// What signatures begin with that are wrong on purpose.
const PROBE: &str = "WECHATPAY/SIGNTEST/";

/// What ids of public keys begin with; serial numbers of certificates are hex.
const PUBLIC_KEY: &str = "PUB_KEY_ID_";

/// A key of WeChat Pay's, with the name under which signatures refer to it.
#[derive(Clone, Debug)]
pub struct PlatformKey {
    id: String,
    key: VerifyingKey,
}

impl PlatformKey {
    /// From the text of a file: a platform certificate, or a public key with its id
    /// (`PUB_KEY_ID_...`), which stands beside it on the merchant's page.
    ///
    /// # Errors
    /// It is no key, or a public key without an id.
    pub fn from_text(text: &str, id: Option<&str>) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_text(text)?;
        let id = id.or(key.serial()).ok_or(KeyError::NoId)?.to_owned();
        Ok(Self { id, key })
    }

    /// Its id, if it is no certificate's.
    pub(super) fn public_key_id(&self) -> Option<&str> {
        Some(self.id.as_str()).filter(|id| id.starts_with(PUBLIC_KEY))
    }
}

/// Checks the signature, and only then the time in it: a time that nobody signed says nothing.
pub(super) fn check(
    wechat: &Wechat,
    headers: &HeaderMap,
    body: &[u8],
    now_s: u64,
) -> Result<(), Distrust> {
    let signature = single(headers, SIGNATURE)?;
    if signature.starts_with(PROBE) {
        return Err(Distrust::Probe);
    }
    if headers.contains_key(SIGNATURE_TYPE) && single(headers, SIGNATURE_TYPE)? != SCHEME {
        return Err(Distrust::Malformed(SIGNATURE_TYPE));
    }
    let (timestamp, nonce) = (single(headers, TIMESTAMP)?, single(headers, NONCE)?);
    let signed_s = seconds(timestamp).ok_or(Distrust::Malformed(TIMESTAMP))?;
    let serial = single(headers, SERIAL)?;
    let mut keys = wechat.config.platform_keys.iter();
    // As a number it may be written with zeros in front.
    let plain = serial.trim_start_matches('0');
    let is_it = |id: &str| id.trim_start_matches('0').eq_ignore_ascii_case(plain);
    let platform = keys.find(|platform| is_it(&platform.id));
    let platform = platform.ok_or(Distrust::UnknownKey)?;
    let message = [timestamp.as_bytes(), b"\n", nonce.as_bytes(), b"\n", body, b"\n"].concat();
    if !platform.key.verifies(&message, signature) {
        return Err(Distrust::Tampered);
    }
    if signed_s.abs_diff(now_s) > REPLAY_WINDOW_S {
        return Err(Distrust::TooOld);
    }
    Ok(())
}
