//! Where an outlet's tickets go: its point-of-sale system, or the sandbox that stands in for one.

use std::fmt;

use hyper::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::strict::{Malformed, wrong};
use crate::webhook::{PREFIX, SECRET_LEN, SECRETS_MAX, SecretError, WebhookSecrets};

/// Longest address in bytes.
pub(crate) const URL_LEN_MAX: usize = 512;

/// Either `url` and `secret`, or `{"sandbox": true}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PosDocument {
    /// Tickets are sent to `{url}/tickets`; http or https, without a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = URL_LEN_MAX))]
    pub url: Option<String>,
    /// Signs what is sent either way (Standard Webhooks). Written and never shown: replies leave it
    /// out, and a document without it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// `true`: the sandbox of the installation makes its drinks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<bool>,
}

/// What both ends of a signature know: `whsec_` and the base64 of 24 to 64 bytes, as in Standard
/// Webhooks, or 24 to 64 bytes of text. Up to four of the former, with a space between them, all
/// sign and all count, so that a secret can change. It does not show itself in messages and logs.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(
    with = "String",
    extend("minLength" = Secret::LEN_MIN, "maxLength" = Secret::LEN_MAX, "writeOnly" = true)
)]
pub struct Secret(String);

impl Secret {
    /// Shorter ones can be guessed.
    pub const LEN_MIN: usize = *SECRET_LEN.start();
    /// Longest in bytes: the longest keys in base64, each with a space behind it but the last.
    pub const LEN_MAX: usize =
        SECRETS_MAX * (PREFIX.len() + SECRET_LEN.end().div_ceil(3) * 4 + 1) - 1;

    /// As given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What signatures are made with.
    #[must_use]
    pub fn webhook(&self) -> WebhookSecrets {
        key(&self.0).expect("checked when it was made")
    }
}

/// Whoever begins with `whsec_` means base64, also where it is none.
fn key(text: &str) -> Result<WebhookSecrets, SecretError> {
    if text.starts_with(PREFIX) {
        WebhookSecrets::from_text(text)
    } else {
        WebhookSecrets::from_bytes(text.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl TryFrom<String> for Secret {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match key(&text) {
            Ok(_) => Ok(Self(text)),
            // Says nothing of the text itself.
            Err(_) => {
                Err("must be whsec_ and the base64 of 24 to 64 bytes (while it changes, up to four with \
                     spaces between them), or 24 to 64 bytes of text"
                    .to_owned())
            }
        }
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        secret.0
    }
}

impl PosDocument {
    pub(super) fn check(&self) -> Result<(), Malformed> {
        let Self { url, secret, sandbox } = self;
        if sandbox.is_some() {
            let other = [("pos.url", url.is_some()), ("pos.secret", secret.is_some())];
            if let Some((field, _)) = other.iter().find(|(_, is_there)| *is_there) {
                return Err(wrong(*field, "does not belong to a sandbox"));
            }
            if *sandbox == Some(false) {
                return Err(wrong("pos.sandbox", "must be true, or be left out"));
            }
            return Ok(());
        }
        let url = url.as_ref().ok_or_else(|| wrong("pos.url", "is needed, or sandbox: true"))?;
        if !is_address(url) {
            return Err(wrong(
                "pos.url",
                format!("must be an http or https address without query, of {URL_LEN_MAX} bytes"),
            ));
        }
        if secret.is_none() {
            return Err(wrong("pos.secret", "is needed: it is never shown, so it is given anew"));
        }
        Ok(())
    }
}

pub(crate) fn is_address(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    // A password in an address would be shown with it.
    let has_password = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    let is_plain = uri.query().is_none() && !url.contains('#');
    url.len() <= URL_LEN_MAX && is_http && uri.host().is_some() && is_plain && !has_password
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The field that is wrong; none where the whole is good.
    #[track_caller]
    fn check(json: &str, expected: Option<&str>) {
        let pos: PosDocument = serde_json::from_str(json).expect(json);
        let field = pos.check().err().and_then(|malformed| malformed.field);
        assert_eq!(field.as_deref(), expected, "{json}");
    }

    #[test]
    fn it_is_a_url_with_a_secret_or_the_sandbox() {
        let with =
            |url: &str| format!(r#"{{"url": "{url}", "secret": "four-and-twenty-bytes-24"}}"#);
        check(&with("https://pos.example/levee"), None);
        check(&with("http://127.0.0.1:8480"), None);
        for wrong in [
            "",
            "pos.example",
            "/tickets",
            "ftp://a",
            "https://a/?b=c",
            "http://a/#b",
            "http://user:word@a/",
        ] {
            check(&with(wrong), Some("pos.url"));
        }
        check(&with(&format!("http://a/{}", "b".repeat(512))), Some("pos.url"));
        check(r#"{"url": "https://a"}"#, Some("pos.secret"));
        check(r#"{"secret": "four-and-twenty-bytes-24"}"#, Some("pos.url"));
        check("{}", Some("pos.url"));
        check(r#"{"sandbox": true}"#, None);
        check(r#"{"sandbox": false}"#, Some("pos.sandbox"));
        check(r#"{"sandbox": true, "url": "https://a"}"#, Some("pos.url"));
        check(r#"{"sandbox": true, "secret": "four-and-twenty-bytes-24"}"#, Some("pos.secret"));
    }

    #[test]
    fn a_secret_is_base64_or_its_own_bytes() {
        let raw = "0123456789abcdefghijklmn";
        let base64 = "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u";
        for (text, is_good) in [
            (base64, true),
            (raw, true),
            (&"x".repeat(64), true),
            ("too-short-for-a-key", false),
            (&"x".repeat(65), false),
            ("whsec_0123456789abcdefghijklmn!", false),
            ("whsec_MfKQ9r8GKYqrTwjU", false),
            (&format!("{base64} {base64}"), true),
            (&format!("{base64} {raw}"), false),
        ] {
            assert_eq!(Secret::try_from(text.to_owned()).is_ok(), is_good, "{text}");
        }
        let signs = |text: &str| {
            let secret = Secret::try_from(text.to_owned()).expect("good");
            secret.webhook().sign("msg_1", 1, b"body")
        };
        assert_eq!(signs(raw), signs(base64));
    }

    #[test]
    fn secrets_are_not_shown_in_messages() {
        let text = "four-and-twenty-bytes-24";
        let secret = Secret::try_from(text.to_owned()).expect("long enough");
        assert!(!format!("{secret:?}").contains("twenty"));
        for wrong in ["short", &"x".repeat(257)] {
            let message = Secret::try_from(wrong.to_owned()).expect_err("out of bounds");
            assert!(!message.contains(wrong));
        }
    }
}
