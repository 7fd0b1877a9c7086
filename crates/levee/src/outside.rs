//! Whom a server talks to outside: the sections `connect`, `sandbox` and `payments` of its
//! configuration.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail, ensure};
use levee_connect::connectors::{
    ConnectorsConfig, OutletsConfig, PAYMENTS_KNOWN_MAX, PaymentsConfig, Protocol, SandboxConfig,
};
use levee_connect::reach::Reach;
use levee_connect::sandbox::{LISTEN_DEFAULT, Secrets};
use levee_gate::{Provider, Signers};
use serde::Deserialize;

use crate::config::Config;
use crate::payments::{self, Payments};

/// The name of the sandbox's payment provider, in callbacks' paths and in replies.
pub(crate) const PROVIDER: &str = "sandbox";

/// What is paid with, if nothing else is said.
const CURRENCY_DEFAULT: &str = "CNY";

/// What --dev may call besides public addresses, if nothing else is said: this machine.
const ALLOW_DEV: [&str; 2] = ["127.0.0.0/8", "::1/128"];

/// For whatever a server calls: webhooks, outlets' systems, payment providers.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ConnectSection {
    /// Ranges and addresses that it may call though they are not public.
    allow: Option<Vec<String>>,
    /// Certificates of authorities, in PEM, that are believed besides the system's.
    authorities: Vec<PathBuf>,
}

/// The sandbox that stands in for payment providers, and for the systems of outlets which have
/// none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SandboxSection {
    /// `http://HOST:PORT`.
    url: String,
    /// The same file that the sandbox is started with; with --dev the well-known secrets.
    secret_file: Option<PathBuf>,
    /// Where its provider sends callbacks; without it, to the address on which this server listens.
    notify_url: Option<String>,
    /// What is paid with, as ISO 4217.
    currency: Option<String>,
}

/// Everybody outside, checked; without a section and --dev there is nobody.
pub(crate) struct Outside {
    sandbox: Option<Sandbox>,
    reach: Reach,
    /// New orders are paid at the first.
    payments: Vec<Payments>,
}

struct Sandbox {
    /// Without a slash at its end.
    url: String,
    secrets: Secrets,
    notify_url: Option<String>,
    currency: String,
    /// Nobody named it: it is there because of --dev.
    by_default: bool,
}

impl Outside {
    /// Reads what the sections name, and takes them. With `dev` and without a section of the sandbox
    /// it is that which `levee sandbox` starts.
    pub(crate) fn load(config: &mut Config, dev: bool) -> Result<Self> {
        let reach = match &config.connect.allow {
            Some(allow) => Reach::allowing(allow.iter().map(String::as_str)),
            None => Reach::allowing(ALLOW_DEV.into_iter().filter(|_| dev)),
        };
        let reach = reach.map_err(|text| {
            anyhow!(
                "connect.allow has {text:?}, and must list ranges such as \"10.0.0.0/8\" or addresses"
            )
        })?;
        let reach = believing(reach, &config.connect.authorities)?;
        let payments = payments::load(&config.payments)?;
        let sandbox = Sandbox::load(config.sandbox.take(), dev)?;
        // Payments are the sandbox's only where it is named, or where nobody else is.
        if let (Some(sandbox), Some(first)) = (&sandbox, payments.first()) {
            ensure!(
                sandbox.by_default || sandbox.currency == first.wire.currency.as_str(),
                "sandbox.currency is {}, and payments.{} is in {}: orders are paid in one currency",
                sandbox.currency,
                first.name,
                first.wire.currency
            );
        }
        Ok(Self { sandbox, payments, reach })
    }

    /// Whom the server may call.
    pub(crate) fn reach(&self) -> Reach {
        self.reach.clone()
    }

    /// Whose messages gates take.
    pub(crate) fn signers(&self) -> Signers {
        let sandbox = self.sandbox.iter();
        let sandbox = sandbox.filter(|one| !one.by_default || self.payments.is_empty());
        Signers {
            providers: sandbox.map(Sandbox::provider).collect(),
            wires: self.payments.iter().map(Payments::wire).collect(),
            new_orders: match (self.payments.first(), &self.sandbox) {
                (Some(payments), _) => Some(payments.name.clone()),
                (None, sandbox) => sandbox.as_ref().map(|_| PROVIDER.to_owned()),
            },
            sandbox_outlets: self.sandbox.as_ref().map(|sandbox| sandbox.secrets.outlets.clone()),
        }
    }

    /// What connectors are told. `address` is where this server listens, if it does.
    pub(crate) fn connectors(
        &self,
        speed: f64,
        address: Option<SocketAddr>,
    ) -> Result<ConnectorsConfig> {
        let mut payments = Vec::new();
        for one in &self.payments {
            let Payments { name, wire, notify_url, is_told_elsewhere } = one;
            // Providers reach nobody's loopback; what stands in for them in a test may.
            let own = address.filter(|address| address.ip().is_loopback());
            let own = own.map(|address| own_url(address, name));
            let notify_url = notify_url.clone().or(own);
            let notify_url = notify_url.or_else(|| is_told_elsewhere.then(String::new));
            payments.push(PaymentsConfig {
                name: name.clone(),
                notify_url: notify_url.with_context(|| {
                    format!(
                        "payments.{name}.notify_url is needed: the address of \
                         /v1/payments/{name}/notify, as the provider reaches it"
                    )
                })?,
                protocol: Protocol::Wire(wire.clone()),
            });
        }
        let reach = self.reach();
        let (outlets, payments_known_max) = (None, PAYMENTS_KNOWN_MAX);
        let config =
            ConnectorsConfig { speed, payments: Vec::new(), outlets, reach, payments_known_max };
        let Some(sandbox) = &self.sandbox else {
            return Ok(ConnectorsConfig { outlets: None, payments, ..config });
        };
        let has_others = !payments.is_empty();
        match sandbox.notify_url.clone().or(address.map(|address| own_url(address, PROVIDER))) {
            _ if sandbox.by_default && has_others => {}
            Some(notify_url) => payments.push(PaymentsConfig {
                name: PROVIDER.to_owned(),
                notify_url,
                protocol: Protocol::Sandbox(SandboxConfig {
                    url: format!("{}/pay", sandbox.url),
                    currency: sandbox.currency.clone(),
                }),
            }),
            // Nobody has asked for payments, and where callbacks would go is not known.
            None if sandbox.by_default => {}
            None => bail!("sandbox.notify_url is needed where no gate listens on a port here"),
        }
        let outlets = Some(OutletsConfig {
            url: format!("{}/pos", sandbox.url),
            secret: sandbox.secrets.outlets.clone(),
        });
        Ok(ConnectorsConfig { outlets, payments, ..config })
    }
}

fn own_url(address: SocketAddr, provider: &str) -> String {
    format!("http://{address}/v1/payments/{provider}/notify")
}

/// Reads the files of authorities.
fn believing(reach: Reach, files: &[PathBuf]) -> Result<Reach> {
    let mut pems = Vec::new();
    for file in files {
        let said = || format!("connect.authorities: {}", file.display());
        let pem = std::fs::read(file).with_context(said)?;
        // Each by itself, so that the one that is wrong is named.
        Reach::default().believing(&pem).map_err(|wrong| anyhow!("{} {wrong}", said()))?;
        pems.extend(pem);
        pems.push(b'\n');
    }
    if pems.is_empty() { Ok(reach) } else { reach.believing(&pems).map_err(|wrong| anyhow!(wrong)) }
}

impl Sandbox {
    fn load(section: Option<SandboxSection>, dev: bool) -> Result<Option<Self>> {
        let by_default = || SandboxSection {
            url: format!("http://{LISTEN_DEFAULT}"),
            secret_file: None,
            notify_url: None,
            currency: None,
        };
        let is_named = section.is_some();
        let Some(section) = section.or_else(|| dev.then(by_default)) else {
            return Ok(None);
        };
        let secrets = match &section.secret_file {
            Some(file) => crate::sandbox::secrets(file)?,
            None => {
                ensure!(dev, "sandbox.secret_file is needed: the well-known secrets are for --dev");
                Secrets::dev()
            }
        };
        check_url("sandbox.url", &section.url)?;
        section.notify_url.iter().try_for_each(|url| check_url("sandbox.notify_url", url))?;
        let currency = section.currency.unwrap_or_else(|| CURRENCY_DEFAULT.to_owned());
        ensure!(
            currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase()),
            "sandbox.currency is {currency:?}, and must be three capital letters"
        );
        let url = section.url.trim_end_matches('/').to_owned();
        let (notify_url, by_default) = (section.notify_url, !is_named);
        Ok(Some(Self { url, secrets, notify_url, currency, by_default }))
    }

    fn provider(&self) -> Provider {
        Provider {
            name: PROVIDER.to_owned(),
            url: format!("{}/pay", self.url),
            secret: self.secrets.payments.clone(),
        }
    }
}

/// Connections to the sandbox are plain HTTP.
fn check_url(field: &str, url: &str) -> Result<()> {
    let parsed = url.parse::<hyper::Uri>().ok();
    let good = parsed.is_some_and(|url| url.scheme_str() == Some("http") && url.host().is_some());
    ensure!(
        good,
        "{field} is {url:?}, and must be an http address, such as http://{LISTEN_DEFAULT}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_has_no_authority_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("vendor-ca.pem");
        let check = |expected: &str| {
            let error =
                believing(Reach::default(), std::slice::from_ref(&file)).expect_err(expected);
            let said = format!("{error:#}");
            let named = format!("connect.authorities: {}", file.display());
            assert!(said.starts_with(&named) && said.contains(expected), "{said}");
        };
        check("No such file");
        std::fs::write(&file, "not a certificate").expect("a place for it");
        check("has no certificate");
    }
}
