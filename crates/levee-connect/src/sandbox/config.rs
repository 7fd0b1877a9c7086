//! What a sandbox is started with.

use std::io;

use hyper::Uri;
use levee_api::scenario::{FieldError, Kitchens, Payments};
use levee_api::webhook::{DEV_OUTLETS_SECRET, DEV_PAYMENTS_SECRET, SecretError, WebhookSecrets};

/// Where it listens if nothing else is said.
pub const LISTEN_DEFAULT: &str = "127.0.0.1:8480";

/// Most connections that are open at once, if nothing else is said. A black hole holds its own.
pub const CONNECTIONS_MAX_DEFAULT: usize = 16_384;

/// Everything that a sandbox needs to know.
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// `host:port`; port 0 takes a free one.
    pub listen: String,
    /// Where Levee is, as `http://host:port`.
    pub levee: String,
    /// How many times faster than real time the day runs; above 0 and at most 1,000,000.
    pub speed: f64,
    /// What its clock shows at the start, in milliseconds since 1970; real time where there is none.
    pub epoch_ms: Option<u64>,
    /// When the day starts that the scenario counts hours from, in milliseconds since 1970.
    pub day_starts_at_ms: u64,
    /// What everything is drawn by.
    pub seed: u64,
    /// How outlets behave.
    pub kitchens: Kitchens,
    /// How the payment provider behaves.
    pub payments: Payments,
    /// What both sides sign with.
    pub secrets: Secrets,
    /// Most connections that are open at once; more wait until one is closed.
    pub connections_max: usize,
}

/// What outlets and the payment provider share with Levee.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// Of all outlets.
    pub outlets: WebhookSecrets,
    /// Of the payment provider.
    pub payments: WebhookSecrets,
}

impl Secrets {
    /// From their texts.
    ///
    /// # Errors
    /// One of them is no secret.
    pub fn from_texts(outlets: &str, payments: &str) -> Result<Self, SecretError> {
        Ok(Self {
            outlets: WebhookSecrets::from_text(outlets)?,
            payments: WebhookSecrets::from_text(payments)?,
        })
    }

    /// The well-known ones.
    #[must_use]
    pub fn dev() -> Self {
        Self::from_texts(DEV_OUTLETS_SECRET, DEV_PAYMENTS_SECRET).expect("a test reads them")
    }
}

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Its address is not to be had.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// Which.
        listen: String,
        /// Why.
        source: io::Error,
    },
    /// The system gives no thread or no timer.
    #[error("cannot start: {0}")]
    System(io::Error),
    /// No address of Levee.
    #[error("{0:?} is no address such as http://127.0.0.1:8080")]
    Levee(String),
    /// The speed is out of its range.
    #[error("the speed must be above 0 and at most 1000000")]
    Speed,
    /// A value of the scenario is wrong.
    #[error(transparent)]
    Field(#[from] FieldError),
}

impl SandboxConfig {
    /// Whether it can be played; the address of Levee as it is used.
    pub(super) fn check(&self) -> Result<String, SandboxError> {
        self.kitchens.check()?;
        self.payments.check()?;
        if !(self.speed > 0.0 && self.speed <= 1e6) {
            return Err(SandboxError::Speed);
        }
        let address = self.levee.trim_end_matches('/');
        let has_path = |uri: &Uri| uri.path_and_query().is_some_and(|path| path != "/");
        if is_http(address).is_none_or(|uri| has_path(&uri)) {
            return Err(SandboxError::Levee(self.levee.clone()));
        }
        Ok(address.to_owned())
    }
}

/// An address that the sandbox can send to: no TLS, it is for rehearsals.
pub(super) fn is_http(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    (uri.scheme_str() == Some("http") && uri.host().is_some_and(|host| !host.is_empty()))
        .then_some(uri)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::tests::config;

    #[track_caller]
    fn check(change: impl FnOnce(&mut SandboxConfig), expected: &str) {
        let mut config = config("http://127.0.0.1:8080");
        change(&mut config);
        let said = match config.check() {
            Ok(address) => address,
            Err(error) => error.to_string(),
        };
        assert!(said.contains(expected), "{expected} is not in: {said}");
    }

    #[test]
    fn what_cannot_be_played_is_named() {
        check(|_| (), "http://127.0.0.1:8080");
        check(|config| config.levee = "http://localhost:80/".to_owned(), "http://localhost:80");
        for wrong in
            ["", "127.0.0.1:8080", "https://127.0.0.1", "http://", "http://a/v1", "http://a?b"]
        {
            check(|config| config.levee = wrong.to_owned(), "is no address");
        }
        for wrong in [0.0, -1.0, f64::NAN, 2e6] {
            check(|config| config.speed = wrong, "speed");
        }
        check(|config| config.kitchens.rejected = 2.0, "kitchens.rejected");
        check(|config| config.payments.never = -1.0, "payments.never");
        assert!(Secrets::from_texts("whsec_", DEV_PAYMENTS_SECRET).is_err());
    }
}
