//! Whom a server talks to outside: the sections `payments` and `outlets` of its configuration.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use levee_api::webhook::{DEV_OUTLETS_SECRET, DEV_PAYMENTS_SECRET, WebhookSecret};
use levee_connect::connectors::{ConnectorsConfig, OutletsConfig, PaymentsConfig};
use serde::Deserialize;

/// Where `levee sandbox` listens if nothing else is said.
const SANDBOX_DEFAULT: &str = "http://127.0.0.1:8480";

/// The name of the sandbox's payment provider, as callbacks' paths have it.
const SANDBOX: &str = "sandbox";

/// What is paid with, if nothing else is said.
const CURRENCY_DEFAULT: &str = "CNY";

/// Payment providers.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PaymentsSection {
    sandbox: Option<PaymentsSandbox>,
}

/// The sandbox's provider.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PaymentsSandbox {
    /// Payments are made at `{url}/payments`.
    url: String,
    /// Holds the secret that it signs with, as `whsec_` and base64; with --dev the well-known one.
    secret_file: Option<PathBuf>,
    /// Where it sends callbacks; without it, to the address on which this server listens.
    notify_url: Option<String>,
    /// ISO 4217.
    currency: Option<String>,
}

/// Outlets' systems.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OutletsSection {
    sandbox: Option<OutletsSandbox>,
}

/// The sandbox that stands in for the systems of outlets which have none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutletsSandbox {
    /// Tickets go to `{url}/{vendor}/{outlet_id}/tickets`.
    url: String,
    /// Holds the secret that both sides sign with, as `whsec_` and base64; with --dev the
    /// well-known one.
    secret_file: Option<PathBuf>,
}

/// Secrets of those outside whose messages a gate takes.
#[derive(Clone, Debug, Default)]
pub(crate) struct OutsideSecrets {
    pub(crate) payments: Option<WebhookSecret>,
    pub(crate) outlets: Option<WebhookSecret>,
}

/// Everybody outside, checked.
pub(crate) struct Outside {
    payments: PaymentsSection,
    outlets: OutletsSection,
    pub(crate) secrets: OutsideSecrets,
}

impl Outside {
    /// Reads what the sections name. With `dev`, what is not said is the sandbox as `levee sandbox`
    /// starts it.
    pub(crate) fn load(
        payments: PaymentsSection,
        outlets: OutletsSection,
        dev: bool,
    ) -> Result<Self> {
        let payments = PaymentsSection {
            sandbox: payments.sandbox.or_else(|| {
                dev.then(|| PaymentsSandbox {
                    url: format!("{SANDBOX_DEFAULT}/pay"),
                    secret_file: None,
                    notify_url: None,
                    currency: None,
                })
            }),
        };
        let outlets = OutletsSection {
            sandbox: outlets.sandbox.or_else(|| {
                dev.then(|| OutletsSandbox {
                    url: format!("{SANDBOX_DEFAULT}/pos"),
                    secret_file: None,
                })
            }),
        };
        let secret = |section: &str, file: Option<&Path>, well_known: &str| {
            let text = match (file, dev) {
                (Some(file), _) => fs::read_to_string(file)
                    .with_context(|| format!("{section}.secret_file: {}", file.display()))?,
                (None, true) => well_known.to_owned(),
                (None, false) => anyhow::bail!("{section}.secret_file is needed"),
            };
            WebhookSecret::from_text(text.trim())
                .with_context(|| format!("{section}.secret_file holds no such secret"))
        };
        let secrets = OutsideSecrets {
            payments: payments
                .sandbox
                .as_ref()
                .map(|it| {
                    secret("payments.sandbox", it.secret_file.as_deref(), DEV_PAYMENTS_SECRET)
                })
                .transpose()?,
            outlets: outlets
                .sandbox
                .as_ref()
                .map(|it| secret("outlets.sandbox", it.secret_file.as_deref(), DEV_OUTLETS_SECRET))
                .transpose()?,
        };
        if let Some(it) = &payments.sandbox {
            let currency = it.currency.as_deref().unwrap_or(CURRENCY_DEFAULT);
            ensure!(
                currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase()),
                "payments.sandbox.currency is {currency:?}, and must be three capital letters"
            );
            check_url("payments.sandbox.url", &it.url)?;
            it.notify_url
                .iter()
                .try_for_each(|url| check_url("payments.sandbox.notify_url", url))?;
        }
        outlets.sandbox.iter().try_for_each(|it| check_url("outlets.sandbox.url", &it.url))?;
        Ok(Self { payments, outlets, secrets })
    }

    /// What connectors are told. `address` is where this server listens, if it does.
    pub(crate) fn connectors(
        &self,
        speed: f64,
        address: Option<std::net::SocketAddr>,
    ) -> Result<ConnectorsConfig> {
        let payments = self.payments.sandbox.as_ref().map(|it| {
            let own =
                address.map(|address| format!("http://{address}/v1/payments/{SANDBOX}/notify"));
            let notify_url = it.notify_url.clone().or(own);
            anyhow::Ok(PaymentsConfig {
                name: SANDBOX.to_owned(),
                url: it.url.trim_end_matches('/').to_owned(),
                notify_url: notify_url
                    .context("payments.sandbox.notify_url is needed where no gate listens here")?,
                currency: it.currency.as_deref().unwrap_or(CURRENCY_DEFAULT).to_owned(),
            })
        });
        let outlets = self.outlets.sandbox.as_ref().zip(self.secrets.outlets.as_ref());
        Ok(ConnectorsConfig {
            speed,
            payments: payments.transpose()?,
            outlets: outlets.map(|(it, secret)| OutletsConfig {
                url: it.url.trim_end_matches('/').to_owned(),
                secret: secret.clone(),
            }),
        })
    }
}

/// Connections to others are plain HTTP: those of the sandbox, on the same machine or behind a proxy
/// that speaks TLS.
fn check_url(field: &str, url: &str) -> Result<()> {
    let parsed = url.parse::<hyper::Uri>().ok();
    let good = parsed.is_some_and(|url| url.scheme_str() == Some("http") && url.host().is_some());
    ensure!(good, "{field} is {url:?}, and must be an http address such as {SANDBOX_DEFAULT}/pay");
    Ok(())
}
