//! Which columns a bill has, and what stands in them.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{BillError, BillKind, BillLine, BillOf};
use crate::money::parse_decimal;
use crate::{Currency, Money, beijing};

/// Where the columns are. What a bill of this kind does not have is none.
#[derive(Debug)]
pub(super) struct Columns {
    of: BillOf,
    kind: usize,
    number: usize,
    trade: usize,
    refund: usize,
    paid: usize,
    given_back: usize,
    at: usize,
    currency: Option<usize>,
    /// How a refund did, where a bill has such that are not done.
    refund_state: Option<usize>,
}

/// One record below the columns.
#[derive(Debug)]
pub(super) enum Line {
    Money(BillLine),
    /// Fees, payouts, and what is not done.
    Other,
    /// Sums follow.
    End,
}

impl Columns {
    /// None where these are not the names of columns yet.
    pub(super) fn find(names: &[String]) -> Result<Option<Self>, BillError> {
        let place = |wanted: &str| names.iter().position(|name| name == wanted);
        let one = |wanted: &'static str| place(wanted).ok_or(BillError::NoColumn(wanted));
        // Alipay names the unit behind it, in brackets of two kinds.
        let begins = |wanted: &'static str| {
            let found = names.iter().position(|name| name.starts_with(wanted));
            found.ok_or(BillError::NoColumn(wanted))
        };
        let first_of = |wanted: &'static str, older: &'static str| {
            place(wanted).or_else(|| place(older)).ok_or(BillError::NoColumn(wanted))
        };
        if place("支付宝交易号").is_some() {
            let paid = begins("订单金额")?;
            return Ok(Some(Self {
                of: BillOf::Alipay,
                kind: one("业务类型")?,
                number: one("商户订单号")?,
                trade: one("支付宝交易号")?,
                refund: begins("退款批次号")?,
                paid,
                given_back: paid,
                at: one("完成时间")?,
                currency: None,
                refund_state: None,
            }));
        }
        if place("微信订单号").is_some() {
            return Ok(Some(Self {
                of: BillOf::Wechat,
                kind: one("交易状态")?,
                number: one("商户订单号")?,
                trade: one("微信订单号")?,
                refund: one("商户退款单号")?,
                paid: first_of("订单金额", "总金额")?,
                given_back: first_of("申请退款金额", "退款金额")?,
                at: one("交易时间")?,
                currency: Some(one("货币种类")?),
                refund_state: Some(one("退款状态")?),
            }));
        }
        if place("reporting_category").is_some() {
            let paid = one("gross")?;
            return Ok(Some(Self {
                of: BillOf::Stripe,
                kind: one("reporting_category")?,
                number: one("payment_metadata[out_trade_no]")?,
                trade: one("payment_intent_id")?,
                refund: one("refund_metadata[out_refund_no]")?,
                paid,
                given_back: paid,
                at: first_of("created_utc", "created")?,
                currency: Some(one("currency")?),
                refund_state: None,
            }));
        }
        Ok(None)
    }

    pub(super) fn of(&self) -> BillOf {
        self.of
    }

    /// Whether a whole bill ends with sums.
    pub(super) fn has_an_end(&self) -> bool {
        self.of != BillOf::Stripe
    }

    pub(super) fn read(&self, place: u64, fields: &[String]) -> Result<Line, BillError> {
        let first = fields.first().map_or("", String::as_str);
        if first.starts_with('#') || first == "总交易单数" {
            return Ok(Line::End);
        }
        let text = |at: usize| fields.get(at).map_or("", String::as_str);
        let wrong = |column, at| BillError::Field { place, column, text: text(at).to_owned() };
        let kind = match (self.of, text(self.kind)) {
            (BillOf::Alipay, "交易") | (BillOf::Wechat, "SUCCESS") | (BillOf::Stripe, "charge") => {
                BillKind::Paid
            }
            (BillOf::Alipay, "退款") | (BillOf::Wechat, "REFUND") | (BillOf::Stripe, "refund") => {
                BillKind::Refunded
            }
            (_, "") => return Err(wrong("its kind", self.kind)),
            _ => return Ok(Line::Other),
        };
        if kind == BillKind::Refunded && self.refund_state.is_some_and(|at| text(at) != "SUCCESS") {
            return Ok(Line::Other);
        }
        let currency = match self.currency {
            Some(at) => Currency::new(text(at)).ok_or_else(|| wrong("the currency", at))?,
            None => Currency::CNY,
        };
        let amount_at = if kind == BillKind::Paid { self.paid } else { self.given_back };
        let amount = text(amount_at);
        // What went back has a minus sign, or none.
        let amount = if kind == BillKind::Refunded {
            amount.strip_prefix('-').unwrap_or(amount)
        } else {
            amount
        };
        let amount_minor = parse_decimal(amount, currency.decimals());
        let amount_minor = amount_minor.ok_or_else(|| wrong("the amount", amount_at))?;
        let at_s = self.instant(text(self.at)).ok_or_else(|| wrong("the time", self.at))?;
        let refund = if kind == BillKind::Refunded { text(self.refund) } else { "" };
        Ok(Line::Money(BillLine {
            place,
            kind,
            out_trade_no: text(self.number).to_owned(),
            trade_no: text(self.trade).to_owned(),
            out_refund_no: refund.to_owned(),
            money: Money { amount_minor, currency },
            at_s,
        }))
    }

    fn instant(&self, text: &str) -> Option<u64> {
        match self.of {
            BillOf::Alipay | BillOf::Wechat => beijing::read(text),
            BillOf::Stripe => {
                let civil = DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()?;
                let instant: Timestamp = civil.to_zoned(TimeZone::UTC).ok()?.timestamp();
                u64::try_from(instant.as_second()).ok()
            }
        }
    }
}
