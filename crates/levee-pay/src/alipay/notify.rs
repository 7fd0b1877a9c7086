//! Alipay's notifications: a form, signed over all its sorted fields but `sign` and `sign_type`
//! (<https://opendocs.alipay.com/common/02mse7>).

use super::{Alipay, reply, sorted};
use crate::error::{Distrust, NotifyError};
use crate::money::parse_hundredths;
use crate::port::{Notification, REPLAY_WINDOW_S, State};
use crate::{Money, beijing, form};

/// How old a notification may be, in seconds. Alipay repeats one for a day and does not say whether
/// a repeat is signed anew; what a copy says within that time has one effect at most.
const AGE_MAX_S: u64 = 26 * 3_600;

/// The one kind that is about payments.
const TRADE: &str = "trade_status_sync";

pub(super) fn read(alipay: &Alipay, body: &str, now_s: u64) -> Result<Notification, NotifyError> {
    let fields = form::read(body.as_bytes()).ok_or(Distrust::Malformed("body"))?;
    let find = |name: &'static str| {
        let found = fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).ok_or(Distrust::Malformed(name))
    };
    // Whoever could choose SHA-1 would.
    if find("sign_type")? != "RSA2" {
        return Err(Distrust::Malformed("sign_type").into());
    }
    let signed = fields.iter().filter(|(name, _)| name != "sign" && name != "sign_type");
    let signed = sorted(signed.map(|(name, value)| (name, value)).collect());
    if !alipay.verifies(&signed, find("sign")?) {
        return Err(Distrust::Tampered.into());
    }

    let sent_s = beijing::read(find("notify_time")?).ok_or(Distrust::Malformed("notify_time"))?;
    if sent_s.saturating_add(AGE_MAX_S) < now_s || now_s.saturating_add(REPLAY_WINDOW_S) < sent_s {
        return Err(Distrust::TooOld.into());
    }
    let app_id = find("app_id")?;
    if app_id != alipay.config.app_id {
        return Err(Distrust::WrongApp.into());
    }
    let kind = find("notify_type")?;
    if kind != TRADE {
        return Err(NotifyError::OtherEvent(kind.to_owned()));
    }
    let seller_id = find("seller_id")?;
    if seller_id != alipay.config.seller_id {
        return Err(Distrust::WrongMerchant.into());
    }
    // Once money goes back, that is what it is about, and says how much went back so far.
    let refund = find("out_biz_no").ok().filter(|_| find("gmt_refund").is_ok());
    let amount_name = if refund.is_some() { "refund_fee" } else { "total_amount" };
    let amount_minor =
        parse_hundredths(find(amount_name)?).ok_or(Distrust::Malformed(amount_name))?;
    let state = match refund {
        Some(_) => State::Refunded,
        None => reply::state(find("trade_status")?, find("gmt_payment").is_ok()),
    };
    Ok(Notification {
        id: find("notify_id")?.to_owned(),
        out_trade_no: find("out_trade_no")?.to_owned(),
        trade_no: Some(find("trade_no")?.to_owned()),
        out_refund_no: refund.map(str::to_owned),
        state,
        money: Money::fen(amount_minor),
        is_sum: refund.is_some(),
        app_id: Some(app_id.to_owned()),
        merchant_id: Some(seller_id.to_owned()),
        occurred_s: ["gmt_refund", "gmt_close", "gmt_payment"]
            .into_iter()
            .find_map(|name| find(name).ok())
            // Some of them have milliseconds.
            .and_then(|text| beijing::read(text.split('.').next()?)),
    })
}
