//! WeChat Pay's answers.

use http::HeaderMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Wechat, signature};
use crate::error::{Distrust, ReplyError};
use crate::port::{Asked, Op, PayBy, Reply, State, is_open};
use crate::{Currency, Money};

/// A payment, in an answer and in a notification.
#[derive(Debug, Deserialize)]
pub(super) struct Transaction {
    pub(super) appid: String,
    pub(super) mchid: String,
    pub(super) out_trade_no: String,
    pub(super) transaction_id: Option<String>,
    pub(super) trade_state: String,
    /// Absent while nothing was paid.
    pub(super) success_time: Option<String>,
    /// Absent while nothing was paid.
    pub(super) amount: Option<Amount>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Amount {
    pub(super) total: u64,
    /// Absent: renminbi.
    currency: Option<String>,
    /// Of a refund.
    pub(super) refund: Option<u64>,
}

impl Amount {
    pub(super) fn money(&self, amount_minor: u64) -> Result<Money, Distrust> {
        let currency = self.currency.as_deref().map_or(Some(Currency::CNY), Currency::new);
        let currency = currency.ok_or(Distrust::Malformed("currency"))?;
        Ok(Money { amount_minor, currency })
    }
}

#[derive(Debug, Deserialize)]
struct Created {
    code_url: String,
}

#[derive(Debug, Deserialize)]
struct Refunded {
    out_trade_no: String,
    out_refund_no: String,
    transaction_id: Option<String>,
    status: String,
    amount: Amount,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    code: String,
    message: String,
}

pub(super) fn read(
    wechat: &Wechat,
    asked: &Asked,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    now_s: u64,
) -> Result<Reply, ReplyError> {
    if is_open(status) {
        return Ok(Reply::of(State::Unknown));
    }
    let signed = signature::check(wechat, headers, body, now_s);
    if !(200..300).contains(&status) {
        return refused(asked, body, signed);
    }
    signed?;
    match asked.op {
        Op::Create => {
            let created: Created = parse(body)?;
            Ok(Reply { pay_by: Some(PayBy::Link(created.code_url)), ..Reply::of(State::Created) })
        }
        Op::Query => paid(wechat, asked, parse(body)?),
        Op::Close => Ok(Reply::of(State::Closed)),
        Op::Refund | Op::RefundQuery => given_back(asked, parse(body)?),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Distrust> {
    serde_json::from_slice(body).map_err(|_| Distrust::Malformed("body"))
}

fn paid(wechat: &Wechat, asked: &Asked, said: Transaction) -> Result<Reply, ReplyError> {
    if said.out_trade_no != asked.trade.out_trade_no {
        return Err(ReplyError::OtherTrade);
    }
    check_owner(wechat, &said)?;
    let state = state(&said.trade_state);
    let mut reply = Reply { trade_no: said.transaction_id, ..Reply::of(state) };
    if matches!(state, State::Succeeded | State::Refunding) {
        let amount = said.amount.ok_or(Distrust::Malformed("amount"))?;
        reply.money = Some(amount.money(amount.total)?);
    }
    Ok(reply)
}

/// App and merchant are ours.
pub(super) fn check_owner(wechat: &Wechat, said: &Transaction) -> Result<(), Distrust> {
    if said.appid != wechat.config.app_id {
        return Err(Distrust::WrongApp);
    }
    if said.mchid != wechat.config.merchant_id {
        return Err(Distrust::WrongMerchant);
    }
    Ok(())
}

fn given_back(asked: &Asked, said: Refunded) -> Result<Reply, ReplyError> {
    let same = said.out_trade_no == asked.trade.out_trade_no
        && Some(&said.out_refund_no) == asked.out_refund_no.as_ref();
    if !same {
        return Err(ReplyError::OtherTrade);
    }
    let back = said.amount.refund.ok_or(Distrust::Malformed("amount"))?;
    Ok(Reply {
        trade_no: said.transaction_id,
        money: Some(said.amount.money(back)?),
        ..Reply::of(refund_state(&said.status))
    })
}

/// Refusals of requests that it cannot tell from forged ones come without a signature. They are for
/// people; what decides about a payment must be signed.
fn refused(asked: &Asked, body: &[u8], signed: Result<(), Distrust>) -> Result<Reply, ReplyError> {
    let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
    // Both spellings are in use.
    let state = match (asked.op, refusal.code.replace('_', "").as_str()) {
        (_, "SYSTEMERROR" | "BANKERROR" | "FREQUENCYLIMITED") => State::Unknown,
        // Somebody on the way has said it, and not WeChat Pay.
        (_, "") => State::Unknown,
        (Op::Create | Op::Close, "ORDERCLOSED") if signed.is_ok() => State::Closed,
        // Never made, and so never paid.
        (Op::Close, "ORDERNOTEXIST") if signed.is_ok() => State::Closed,
        // It was paid: a query tells how much.
        (Op::Create | Op::Close, "ORDERPAID") => State::Unknown,
        (Op::Query, "ORDERNOTEXIST") | (Op::RefundQuery, "RESOURCENOTEXISTS") => State::Unknown,
        _ => {
            let Refusal { code, message } = refusal;
            return Err(match signed {
                Ok(()) => ReplyError::Refused { code, message },
                Err(distrust) => ReplyError::Unsigned { distrust, code, message },
            });
        }
    };
    Ok(Reply::of(state))
}

pub(super) fn state(trade_state: &str) -> State {
    match trade_state {
        "SUCCESS" => State::Succeeded,
        // Paid, and there were refunds; whether of all of it only they say.
        "REFUND" => State::Refunding,
        "NOTPAY" => State::Created,
        "USERPAYING" | "ACCEPT" => State::Pending,
        "CLOSED" | "REVOKED" => State::Closed,
        "PAYERROR" => State::Failed,
        _ => State::Unknown,
    }
}

/// An abnormal refund waits for the merchant, who says on WeChat Pay's page where the money shall
/// go instead; it is not given up.
pub(super) fn refund_state(status: &str) -> State {
    match status {
        "SUCCESS" => State::Refunded,
        "PROCESSING" | "ABNORMAL" => State::Refunding,
        "CLOSED" => State::Failed,
        _ => State::Unknown,
    }
}
