//! WeChat Pay's notifications: a signed envelope with an encrypted payment or refund in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::reply::{Amount, Transaction, check_owner, refund_state, state};
use super::{ApiV3Key, Wechat, signature};
use crate::beijing;
use crate::error::{Distrust, NotifyError};
use crate::port::Notification;

#[derive(Debug, Deserialize)]
struct Envelope {
    id: String,
    event_type: String,
    resource: Resource,
}

#[derive(Debug, Deserialize)]
struct Resource {
    algorithm: String,
    ciphertext: String,
    #[serde(default)]
    associated_data: String,
    nonce: String,
}

/// A refund, which names no app and is in renminbi.
#[derive(Debug, Deserialize)]
struct Refund {
    mchid: String,
    out_trade_no: String,
    transaction_id: String,
    out_refund_no: String,
    refund_status: String,
    /// Absent where nothing went back.
    success_time: Option<String>,
    amount: Amount,
}

pub(super) fn read(
    wechat: &Wechat,
    headers: &HeaderMap,
    body: &[u8],
    now_s: u64,
) -> Result<Notification, NotifyError> {
    signature::check(wechat, headers, body, now_s)?;
    let envelope: Envelope =
        serde_json::from_slice(body).map_err(|_| Distrust::Malformed("body"))?;
    let Envelope { id, event_type, resource } = envelope;
    if event_type.starts_with("TRANSACTION.") {
        payment(wechat, id, open(&wechat.config.api_v3_keys, &resource)?)
    } else if event_type.starts_with("REFUND.") {
        refund(wechat, id, &open(&wechat.config.api_v3_keys, &resource)?)
    } else {
        Err(NotifyError::OtherEvent(event_type))
    }
}

fn payment(wechat: &Wechat, id: String, said: Transaction) -> Result<Notification, NotifyError> {
    check_owner(wechat, &said)?;
    let amount = said.amount.ok_or(Distrust::Malformed("amount"))?;
    Ok(Notification {
        id,
        out_trade_no: said.out_trade_no,
        trade_no: said.transaction_id,
        out_refund_no: None,
        state: state(&said.trade_state),
        money: amount.money(amount.total)?,
        is_sum: false,
        app_id: Some(said.appid),
        occurred_s: said.success_time.as_deref().and_then(beijing::read_rfc_3339),
        merchant_id: Some(said.mchid),
    })
}

fn refund(wechat: &Wechat, id: String, said: &Refund) -> Result<Notification, NotifyError> {
    if said.mchid != wechat.config.merchant_id {
        return Err(Distrust::WrongMerchant.into());
    }
    let back = said.amount.refund.ok_or(Distrust::Malformed("amount"))?;
    Ok(Notification {
        id,
        out_trade_no: said.out_trade_no.clone(),
        trade_no: Some(said.transaction_id.clone()),
        out_refund_no: Some(said.out_refund_no.clone()),
        state: refund_state(&said.refund_status),
        money: said.amount.money(back)?,
        is_sum: false,
        app_id: None,
        merchant_id: Some(said.mchid.clone()),
        occurred_s: said.success_time.as_deref().and_then(beijing::read_rfc_3339),
    })
}

/// Decrypts with the first key that fits.
fn open<T: DeserializeOwned>(keys: &[ApiV3Key], resource: &Resource) -> Result<T, Distrust> {
    if resource.algorithm != "AEAD_AES_256_GCM" {
        return Err(Distrust::Malformed("algorithm"));
    }
    let sealed = STANDARD.decode(&resource.ciphertext);
    let sealed = sealed.map_err(|_| Distrust::Malformed("ciphertext"))?;
    for key in keys {
        let key = UnboundKey::new(&AES_256_GCM, &key.0).expect("the key has 32 bytes");
        let nonce = Nonce::try_assume_unique_for_key(resource.nonce.as_bytes());
        let nonce = nonce.map_err(|_| Distrust::Malformed("nonce"))?;
        let mut text = sealed.clone();
        let aad = Aad::from(resource.associated_data.as_bytes());
        if let Ok(plain) = LessSafeKey::new(key).open_in_place(nonce, aad, &mut text) {
            return serde_json::from_slice(plain).map_err(|_| Distrust::Malformed("resource"));
        }
    }
    Err(Distrust::Undecryptable)
}
