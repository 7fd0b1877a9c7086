//! Alipay's answers: `{"alipay_trade_query_response": {...}, "sign": "..."}`, where signed is the
//! inner object as it stands there, byte by byte.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Alipay, method};
use crate::Money;
use crate::error::{Distrust, ReplyError};
use crate::money::parse_hundredths;
use crate::port::{Asked, Op, PayBy, Reply, State, is_open};

/// What is read of an answer, whatever was asked.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    code: String,
    msg: String,
    sub_code: Option<String>,
    sub_msg: Option<String>,
    out_trade_no: Option<String>,
    trade_no: Option<String>,
    out_request_no: Option<String>,
    qr_code: Option<String>,
    trade_status: Option<String>,
    total_amount: Option<String>,
    /// With a query: when it was paid.
    send_pay_date: Option<String>,
    /// With a refund: whether this call moved money.
    fund_change: Option<String>,
    /// With a question about a refund: what went back by it.
    refund_amount: Option<String>,
    refund_status: Option<String>,
}

pub(super) fn read(
    alipay: &Alipay,
    asked: &Asked,
    status: u16,
    body: &str,
) -> Result<Reply, ReplyError> {
    if is_open(status) {
        return Ok(Reply::of(State::Unknown));
    }
    let (signed, answer) = open(alipay, asked, body)?;
    let code = answer.sub_code.as_deref().unwrap_or(&answer.code);
    // Alipay signs refusals as well, but not those of requests that it could not read.
    match (answer.code.as_str(), signed) {
        ("10000", true) => done(asked, answer),
        ("10000", false) => Err(Distrust::Tampered.into()),
        ("10003", true) => Ok(Reply::of(State::Pending)),
        ("10003" | "20000", _) => Ok(Reply::of(State::Unknown)),
        _ => match (asked.op, code) {
            _ if code.is_empty() || code.ends_with("SYSTEM_ERROR") || code.starts_with("isp.") => {
                Ok(Reply::of(State::Unknown))
            }
            // Nobody has scanned it: the module's head says what that means.
            (Op::Query, "ACQ.TRADE_NOT_EXIST") => Ok(Reply::of(State::Unknown)),
            (Op::Close, "ACQ.TRADE_NOT_EXIST") | (Op::Create, "ACQ.TRADE_HAS_CLOSE") if signed => {
                Ok(Reply::of(State::Closed))
            }
            // It was paid, or refunded, or closed: a query tells.
            (Op::Create, "ACQ.TRADE_HAS_SUCCESS")
            | (Op::Close, "ACQ.TRADE_STATUS_ERROR" | "ACQ.REASON_TRADE_STATUS_INVALID") => {
                Ok(Reply::of(State::Unknown))
            }
            _ => {
                let code = code.to_owned();
                let message = answer.sub_msg.unwrap_or(answer.msg);
                let distrust = Distrust::Malformed("sign");
                Err(if signed {
                    ReplyError::Refused { code, message }
                } else {
                    ReplyError::Unsigned { distrust, code, message }
                })
            }
        },
    }
}

/// Finds the answer and says whether it is signed. Of a name that is there twice the last counts,
/// for the signature and for what is read alike.
fn open(alipay: &Alipay, asked: &Asked, body: &str) -> Result<(bool, Answer), ReplyError> {
    let malformed = |_| Distrust::Malformed("body");
    let parts: BTreeMap<String, &RawValue> = serde_json::from_str(body).map_err(malformed)?;
    let name = format!("{}_response", method(asked.op).replace('.', "_"));
    let inner = parts.get(&name).or_else(|| parts.get("error_response"));
    let inner = inner.ok_or(Distrust::Malformed("body"))?.get();
    let signed = match parts.get("sign") {
        Some(signature) => {
            let signature: String = serde_json::from_str(signature.get()).map_err(malformed)?;
            if !alipay.verifies(inner, &signature) {
                return Err(Distrust::Tampered.into());
            }
            true
        }
        None => false,
    };
    Ok((signed, serde_json::from_str(inner).map_err(malformed)?))
}

/// What was asked for has been done, or was found.
fn done(asked: &Asked, answer: Answer) -> Result<Reply, ReplyError> {
    // Of a refund that it does not know, Alipay says nothing at all.
    let is_found = asked.op != Op::RefundQuery || answer.refund_status.is_some();
    if is_found {
        check_same(answer.out_trade_no.as_deref(), &asked.trade.out_trade_no)?;
    }
    let money = |text: Option<&str>, name| {
        let amount_minor = text.and_then(parse_hundredths);
        amount_minor.map(Money::fen).ok_or(Distrust::Malformed(name))
    };
    let mut reply = match asked.op {
        Op::Create => {
            let link = answer.qr_code.ok_or(Distrust::Malformed("qr_code"))?;
            Reply { pay_by: Some(PayBy::Link(link)), ..Reply::of(State::Created) }
        }
        Op::Query => {
            let status = answer.trade_status.as_deref().unwrap_or_default();
            let state = state(status, answer.send_pay_date.is_some());
            let paid = matches!(state, State::Succeeded | State::Refunded);
            let total = || money(answer.total_amount.as_deref(), "total_amount");
            Reply { money: paid.then(total).transpose()?, ..Reply::of(state) }
        }
        Op::Close => Reply::of(State::Closed),
        // `N` says that this call changed nothing: the money went with an earlier one, or will go.
        Op::Refund => match answer.fund_change.as_deref() {
            Some("Y") => Reply::of(State::Refunded),
            _ => Reply::of(State::Refunding),
        },
        // Without the word, Alipay does not know such a refund: it is asked for again.
        Op::RefundQuery => match answer.refund_status.as_deref() {
            Some("REFUND_SUCCESS") => {
                let number = asked.out_refund_no.as_deref().unwrap_or_default();
                check_same(answer.out_request_no.as_deref(), number)?;
                let back = money(answer.refund_amount.as_deref(), "refund_amount")?;
                Reply { money: Some(back), ..Reply::of(State::Refunded) }
            }
            _ => Reply::of(State::Unknown),
        },
    };
    reply.trade_no = answer.trade_no;
    Ok(reply)
}

/// Nothing else in an answer ties it to the question: an older one is signed as well.
fn check_same(said: Option<&str>, asked: &str) -> Result<(), ReplyError> {
    if said == Some(asked) { Ok(()) } else { Err(ReplyError::OtherTrade) }
}

/// A trade that was paid is closed, too, once all of it went back.
pub(super) fn state(trade_status: &str, was_paid: bool) -> State {
    match trade_status {
        "WAIT_BUYER_PAY" => State::Pending,
        "TRADE_SUCCESS" | "TRADE_FINISHED" => State::Succeeded,
        "TRADE_CLOSED" if was_paid => State::Refunded,
        "TRADE_CLOSED" => State::Closed,
        _ => State::Unknown,
    }
}
