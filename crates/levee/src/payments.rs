//! Payment providers: the sections `payments.NAME` of the configuration, with keys in files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail, ensure};
use levee_connect::connectors::WireConfig;
use levee_gate::Wire;
use levee_pay::{
    Alipay, AlipayConfig, ApiV3Key, Currency, KeyError, PlatformKey, Provider, SigningKey, Stripe,
    StripeConfig, StripeSecret, VerifyingKey, Wechat, WechatConfig,
};
use serde::Deserialize;

use crate::outside::PROVIDER;
use crate::secrets::check_private;

const ALIPAY_GATEWAY: &str = "https://openapi.alipay.com/gateway.do";
const WECHAT_GATEWAY: &str = "https://api.mch.weixin.qq.com";
const STRIPE_GATEWAY: &str = "https://api.stripe.com";

/// Longest name, in bytes.
const NAME_LEN_MAX: usize = 32;

/// What users see that they pay for, if nothing else is said.
const SUBJECT_DEFAULT: &str = "Order";
const SUBJECT_CHARS_MAX: usize = 40;

/// One provider. In each section `default` says that new orders are paid there, `subject` what their
/// users see, `calls_per_s` how many calls a second the provider takes of this merchant, and
/// `notify_url` where it sends notifications.
#[derive(Debug, Deserialize)]
#[serde(tag = "provider", rename_all = "snake_case")]
pub(crate) enum PaymentsSection {
    Alipay(AlipaySection),
    Wechat(WechatSection),
    Stripe(StripeSection),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlipaySection {
    gateway: Option<String>,
    notify_url: Option<String>,
    default: Option<bool>,
    subject: Option<String>,
    calls_per_s: Option<u32>,
    app_id: String,
    seller_id: String,
    /// Signs requests.
    app_key_file: PathBuf,
    /// Alipay's own public keys: one, or two while they change.
    alipay_key_files: Vec<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WechatSection {
    gateway: Option<String>,
    notify_url: Option<String>,
    default: Option<bool>,
    subject: Option<String>,
    calls_per_s: Option<u32>,
    app_id: String,
    merchant_id: String,
    /// Of the merchant's API certificate.
    merchant_serial: String,
    /// Signs requests.
    merchant_key_file: PathBuf,
    /// WeChat Pay's keys, the one that replies shall be signed with first.
    platform_keys: Vec<PlatformSection>,
    /// Open what notifications have sealed: one, or two while they change.
    api_v3_key_files: Vec<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlatformSection {
    file: PathBuf,
    /// `PUB_KEY_ID_...`; a certificate has its own.
    id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StripeSection {
    gateway: Option<String>,
    default: Option<bool>,
    subject: Option<String>,
    calls_per_s: Option<u32>,
    api_key_file: PathBuf,
    /// Secrets of the endpoint for notifications: one, or two while they change.
    endpoint_secret_files: Vec<PathBuf>,
    live: bool,
    /// Of Stripe Connect.
    account: Option<String>,
    /// ISO 4217.
    currency: String,
}

/// A provider, and how connectors deal with it.
#[derive(Debug)]
pub(crate) struct Payments {
    pub(crate) name: String,
    pub(crate) wire: WireConfig,
    pub(crate) notify_url: Option<String>,
    /// It has a dashboard in which this stands.
    pub(crate) is_told_elsewhere: bool,
}

impl Payments {
    /// What gates need of it.
    pub(crate) fn wire(&self) -> Wire {
        let WireConfig { provider, currency, .. } = &self.wire;
        Wire { name: self.name.clone(), provider: Arc::clone(provider), currency: *currency }
    }
}

/// Reads the sections and every file that they name; the first is where new orders are paid.
pub(crate) fn load(sections: &BTreeMap<String, PaymentsSection>) -> Result<Vec<Payments>> {
    let default = default_of(sections)?;
    let read = |(name, section): (&String, &PaymentsSection)| {
        check_name(name)?;
        one(name, section).with_context(|| format!("payments.{name}"))
    };
    let mut all = sections.iter().map(read).collect::<Result<Vec<_>>>()?;
    all.sort_by_key(|payments| Some(&payments.name) != default);
    if let Some(first) = all.first() {
        check_currencies(first, &all[1..])?;
    }
    Ok(all)
}

/// Orders have amounts without a currency: with two, so many fen could be paid with as many yen.
fn check_currencies(first: &Payments, others: &[Payments]) -> Result<()> {
    let is_other = |one: &&Payments| one.wire.currency != first.wire.currency;
    if let Some(other) = others.iter().find(is_other) {
        bail!(
            "payments.{} is in {}, and payments.{} in {}: orders are paid in one currency",
            first.name,
            first.wire.currency,
            other.name,
            other.wire.currency
        );
    }
    Ok(())
}

/// Which section is for new orders.
fn default_of(sections: &BTreeMap<String, PaymentsSection>) -> Result<Option<&String>> {
    let is_default = |section: &PaymentsSection| match section {
        PaymentsSection::Alipay(section) => section.default,
        PaymentsSection::Wechat(section) => section.default,
        PaymentsSection::Stripe(section) => section.default,
    };
    let mut defaults = sections.iter().filter(|(_, section)| is_default(section) == Some(true));
    match (defaults.next(), defaults.next()) {
        (Some((one, _)), Some((other, _))) => {
            bail!(
                "payments.{one} and payments.{other} have both default = true: new orders have one"
            )
        }
        (Some((one, _)), None) => Ok(Some(one)),
        (None, _) if sections.len() > 1 => {
            bail!("payments: say default = true in the section where new orders are to be paid")
        }
        (None, _) => Ok(sections.keys().next()),
    }
}

fn one(name: &str, section: &PaymentsSection) -> Result<Payments> {
    let (read, notify_url, subject, calls_per_s) = match section {
        PaymentsSection::Alipay(section) => {
            (alipay(section), &section.notify_url, &section.subject, section.calls_per_s)
        }
        PaymentsSection::Wechat(section) => {
            (wechat(section), &section.notify_url, &section.subject, section.calls_per_s)
        }
        PaymentsSection::Stripe(section) => {
            (stripe(section), &None, &section.subject, section.calls_per_s)
        }
    };
    let (provider, currency) = read?;
    let subject = subject.as_deref().unwrap_or(SUBJECT_DEFAULT);
    ensure!(
        (1..=SUBJECT_CHARS_MAX).contains(&subject.chars().count())
            && !subject.contains(char::is_control),
        "subject must have 1 to {SUBJECT_CHARS_MAX} characters"
    );
    ensure!(calls_per_s != Some(0), "calls_per_s must be at least 1; leave it out for no limit");
    if let Some(url) = notify_url {
        let parsed = url.parse::<hyper::Uri>().ok();
        let is_http = |url: &hyper::Uri| matches!(url.scheme_str(), Some("http" | "https"));
        ensure!(parsed.is_some_and(|url| is_http(&url)), "notify_url must be an address");
    }
    let wire = WireConfig { provider, currency, subject: subject.to_owned(), calls_per_s };
    let is_told_elsewhere = matches!(section, PaymentsSection::Stripe(_));
    Ok(Payments { name: name.to_owned(), wire, notify_url: notify_url.clone(), is_told_elsewhere })
}

/// It stands in a path.
fn check_name(name: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    ensure!(
        (1..=NAME_LEN_MAX).contains(&name.len()) && name.bytes().all(plain) && name != PROVIDER,
        "payments.{name}: the name of a provider is up to {NAME_LEN_MAX} small letters, digits and \
         dashes, and not {PROVIDER}"
    );
    Ok(())
}

type Read = (Arc<dyn Provider>, Currency);

fn alipay(section: &AlipaySection) -> Result<Read> {
    let alipay = Alipay::new(AlipayConfig {
        gateway: section.gateway.as_deref().unwrap_or(ALIPAY_GATEWAY).to_owned(),
        app_id: section.app_id.clone(),
        seller_id: section.seller_id.clone(),
        app_key: signing_key(&section.app_key_file)?,
        alipay_keys: all(&section.alipay_key_files, |file| key(file, VerifyingKey::from_text))?,
    })?;
    Ok((Arc::new(alipay), Currency::CNY))
}

fn wechat(section: &WechatSection) -> Result<Read> {
    let platform = |section: &PlatformSection| {
        key(&section.file, |text| PlatformKey::from_text(text, section.id.as_deref()))
    };
    let api_v3 = |file: &PathBuf| {
        let key = ApiV3Key::from_text(&secret(file)?);
        key.with_context(|| format!("{} must hold 32 bytes of text", file.display()))
    };
    let wechat = Wechat::new(WechatConfig {
        gateway: section.gateway.as_deref().unwrap_or(WECHAT_GATEWAY).to_owned(),
        app_id: section.app_id.clone(),
        merchant_id: section.merchant_id.clone(),
        merchant_serial: section.merchant_serial.clone(),
        merchant_key: signing_key(&section.merchant_key_file)?,
        platform_keys: all(&section.platform_keys, platform)?,
        api_v3_keys: all(&section.api_v3_key_files, api_v3)?,
    })?;
    Ok((Arc::new(wechat), Currency::CNY))
}

fn stripe(section: &StripeSection) -> Result<Read> {
    let endpoint = |file: &PathBuf| {
        let key = StripeSecret::from_text(&secret(file)?);
        key.with_context(|| format!("{} must hold whsec_ and more", file.display()))
    };
    let currency = Currency::new(&section.currency);
    let currency = currency.ok_or_else(|| anyhow!("currency must be three letters"))?;
    ensure!(
        Stripe::takes(currency),
        "Stripe counts {currency} in other units than ISO 4217: use another currency"
    );
    let stripe = Stripe::new(StripeConfig {
        gateway: section.gateway.as_deref().unwrap_or(STRIPE_GATEWAY).to_owned(),
        api_key: secret(&section.api_key_file)?,
        endpoint_secrets: all(&section.endpoint_secret_files, endpoint)?,
        live: section.live,
        account: section.account.clone(),
    })?;
    Ok((Arc::new(stripe), currency))
}

fn all<S, T>(sections: &[S], read: impl Fn(&S) -> Result<T>) -> Result<Vec<T>> {
    sections.iter().map(read).collect()
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// Text that is nobody else's business, without the line's end.
fn secret(file: &Path) -> Result<String> {
    check_private(file)?;
    Ok(read(file)?.trim_end().to_owned())
}

fn key<T>(file: &Path, from_text: impl Fn(&str) -> Result<T, KeyError>) -> Result<T> {
    from_text(&read(file)?).with_context(|| file.display().to_string())
}

fn signing_key(file: &Path) -> Result<SigningKey> {
    check_private(file)?;
    key(file, SigningKey::from_text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// The keys of `levee-pay`'s tests.
    const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../levee-pay/tests/pay/golden");

    const ALIPAY: &str = r#"
        [payments.alipay]
        provider = "alipay"
        app_id = "2021000000000001"
        seller_id = "2088000000000001"
        app_key_file = "FOLDER/merchant.pem"
        alipay_key_files = ["GOLDEN/provider.public.base64.txt", "GOLDEN/merchant.public.pem"]
    "#;
    const WECHAT: &str = r#"
        [payments.wechat]
        provider = "wechat"
        app_id = "wx0000000000000001"
        merchant_id = "1900000001"
        merchant_serial = "5F00AB"
        merchant_key_file = "FOLDER/merchant.pem"
        platform_keys = [
            { file = "GOLDEN/provider.public.pem", id = "PUB_KEY_ID_01" },
            { file = "GOLDEN/provider.certificate.pem" },
        ]
        api_v3_key_files = ["FOLDER/api-v3.txt"]
    "#;
    const STRIPE: &str = r#"
        [payments.stripe]
        provider = "stripe"
        api_key_file = "FOLDER/api-key.txt"
        endpoint_secret_files = ["FOLDER/endpoint.txt"]
        live = true
        currency = "USD"
    "#;

    #[derive(Deserialize)]
    struct Sections {
        payments: BTreeMap<String, PaymentsSection>,
    }

    /// Files as an operator has them, one of them open to others.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let key = fs::read_to_string(Path::new(GOLDEN).join("merchant.pkcs8.pem"));
        let key = key.expect("it is in the repository");
        for (name, text, mode) in [
            ("merchant.pem", key.as_str(), 0o600),
            ("open.pem", key.as_str(), 0o644),
            ("api-v3.txt", "0123456789abcdef0123456789abcdef\n", 0o600),
            ("api-key.txt", "sk_live_levee\n", 0o600),
            ("endpoint.txt", "whsec_the_secret_of_the_endpoint\n", 0o600),
        ] {
            let file = folder.path().join(name);
            fs::write(&file, text).expect("written");
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("changed");
        }
        folder
    }

    /// The names and currencies of what is read, or what is wrong.
    fn loaded(folder: &Path, toml: &str) -> Result<String, String> {
        let toml = toml.replace("FOLDER", &folder.display().to_string()).replace("GOLDEN", GOLDEN);
        let sections: Sections = toml::from_str(&toml).map_err(|error| error.to_string())?;
        let wires = load(&sections.payments).map_err(|error| format!("{error:#}"))?;
        let all = wires.iter().map(|one| format!("{} {}", one.name, one.wire.currency));
        Ok(all.collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn sections_are_read_with_their_files() {
        let folder = folder();
        let stripe = STRIPE.replace("live = true", "live = true\ndefault = true");
        let stripe = stripe.replace("USD", "CNY");
        let all = [ALIPAY, WECHAT, &stripe].concat();
        let expected = Ok("stripe CNY, alipay CNY, wechat CNY".to_owned());
        assert_eq!(loaded(folder.path(), &all), expected);
        assert_eq!(loaded(folder.path(), WECHAT), Ok("wechat CNY".to_owned()));
        assert_eq!(loaded(folder.path(), STRIPE), Ok("stripe USD".to_owned()));
        let mixed =
            [&STRIPE.replace("live = true", "live = true\ndefault = true"), WECHAT].concat();
        let mixed = loaded(folder.path(), &mixed);
        let expected = "payments.stripe is in USD, and payments.wechat in CNY";
        assert!(mixed.clone().is_err_and(|error| error.contains(expected)), "{mixed:?}");
        let none = loaded(folder.path(), &[ALIPAY, WECHAT].concat());
        assert!(none.clone().is_err_and(|error| error.contains("say default = true")), "{none:?}");
        let two = [&stripe, WECHAT, "default = true"].concat();
        let two = loaded(folder.path(), &two);
        assert!(two.clone().is_err_and(|error| error.contains("have both")), "{two:?}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let folder = folder();
        for (section, from, to, expected) in [
            (ALIPAY, "alipay]", "Alipay]", "payments.Alipay: the name of a provider is"),
            (ALIPAY, "alipay]", "sandbox]", "payments.sandbox: the name of a provider is"),
            (ALIPAY, "merchant.pem", "none.pem", "none.pem"),
            (ALIPAY, "merchant.pem", "open.pem", "can be read by others"),
            (ALIPAY, "merchant.pem", "api-v3.txt", "api-v3.txt: it is no RSA key"),
            (ALIPAY, "2021000000000001", "", "app_id must be digits"),
            (ALIPAY, "seller_id", "seller", "unknown field `seller`"),
            (ALIPAY, "= \"alipay\"", "= \"paypal\"", "unknown variant `paypal`"),
            (WECHAT, ", id = \"PUB_KEY_ID_01\"", "", "a public key needs the id"),
            (WECHAT, "api-v3.txt", "api-key.txt", "must hold 32 bytes of text"),
            (STRIPE, "endpoint.txt", "api-key.txt", "must hold whsec_ and more"),
            (STRIPE, "[\"FOLDER/endpoint.txt\"]", "[]", "endpoint_secrets must not be empty"),
            (STRIPE, "USD", "dollars", "currency must be three letters"),
            (STRIPE, "USD", "ISK", "Stripe counts ISK in other units"),
            (STRIPE, "live = true", "live = true\ncalls_per_s = 0", "must be at least 1"),
            (STRIPE, "live = true", "live = true\nsubject = \"\"", "subject must have 1 to 40"),
            (STRIPE, "live = true", "live = true\nnotify_url = \"\"", "unknown field `notify_url`"),
            (ALIPAY, "seller_id =", "notify_url = \"a\"\nseller_id =", "must be an address"),
            (STRIPE, "live = true", "gateway = \"ftp://a\"\nlive = true", "gateway must be"),
        ] {
            assert!(section.contains(from), "{from}");
            let error = loaded(folder.path(), &section.replace(from, to)).expect_err(to);
            assert!(error.contains(expected), "{to}: {error}");
            assert!(!error.contains("BEGIN") && !error.contains("sk_live"), "{error}");
        }
    }
}
