//! What a peer is started with: JSON, with keys in files.

use std::fs;
use std::path::{Path, PathBuf};

use levee_pay::{
    Alipay, AlipayConfig, ApiV3Key, PlatformKey, Provider, SigningKey, Stripe, StripeConfig,
    StripeSecret, VerifyingKey, Wechat, WechatConfig,
};
use serde::Deserialize;

use crate::{Providers, Result};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    alipay: Option<AlipaySection>,
    wechat: Option<WechatSection>,
    stripe: Option<StripeSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AlipaySection {
    gateway: String,
    app_id: String,
    seller_id: String,
    app_key: PathBuf,
    alipay_keys: Vec<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WechatSection {
    gateway: String,
    app_id: String,
    merchant_id: String,
    merchant_serial: String,
    merchant_key: PathBuf,
    /// Files, each with the id of its key if it is no certificate.
    platform_keys: Vec<(PathBuf, Option<String>)>,
    api_v3_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StripeSection {
    gateway: String,
    api_key: String,
    endpoint_secrets: Vec<String>,
    live: bool,
    account: Option<String>,
}

/// Reads it, and every key that it names.
pub(crate) fn load(file: &Path) -> Result<Providers> {
    let config: Config = serde_json::from_str(&fs::read_to_string(file)?)?;
    let mut providers = Providers::new();
    if let Some(section) = config.alipay {
        providers.insert("alipay".to_owned(), alipay(section)?);
    }
    if let Some(section) = config.wechat {
        providers.insert("wechat".to_owned(), wechat(section)?);
    }
    if let Some(section) = config.stripe {
        providers.insert("stripe".to_owned(), stripe(section)?);
    }
    Ok(providers)
}

fn alipay(section: AlipaySection) -> Result<Box<dyn Provider>> {
    let read = |file: &PathBuf| Result::Ok(VerifyingKey::from_text(&fs::read_to_string(file)?)?);
    let alipay = Alipay::new(AlipayConfig {
        gateway: section.gateway,
        app_id: section.app_id,
        seller_id: section.seller_id,
        app_key: SigningKey::from_text(&fs::read_to_string(section.app_key)?)?,
        alipay_keys: section.alipay_keys.iter().map(read).collect::<Result<_>>()?,
    })?;
    Ok(Box::new(alipay))
}

fn wechat(section: WechatSection) -> Result<Box<dyn Provider>> {
    let read = |(file, id): &(PathBuf, Option<String>)| {
        Result::Ok(PlatformKey::from_text(&fs::read_to_string(file)?, id.as_deref())?)
    };
    let key = |text: &String| ApiV3Key::from_text(text).ok_or("an API v3 key has 32 bytes");
    let wechat = Wechat::new(WechatConfig {
        gateway: section.gateway,
        app_id: section.app_id,
        merchant_id: section.merchant_id,
        merchant_serial: section.merchant_serial,
        merchant_key: SigningKey::from_text(&fs::read_to_string(section.merchant_key)?)?,
        platform_keys: section.platform_keys.iter().map(read).collect::<Result<_>>()?,
        api_v3_keys: section.api_v3_keys.iter().map(key).collect::<std::result::Result<_, _>>()?,
    })?;
    Ok(Box::new(wechat))
}

fn stripe(section: StripeSection) -> Result<Box<dyn Provider>> {
    let secret = |text: &String| StripeSecret::from_text(text).ok_or("no secret of an endpoint");
    let secrets = section.endpoint_secrets.iter().map(secret);
    let stripe = Stripe::new(StripeConfig {
        gateway: section.gateway,
        api_key: section.api_key,
        endpoint_secrets: secrets.collect::<std::result::Result<_, _>>()?,
        live: section.live,
        account: section.account,
    })?;
    Ok(Box::new(stripe))
}
