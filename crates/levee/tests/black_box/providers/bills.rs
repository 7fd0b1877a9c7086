//! Bills as the providers hand them out, of what stands in a provider's books, and what
//! `levee reconcile` makes of them when one place is changed.

use std::fs;

use serde_json::Value;

use super::stand_in::{Kind, StandIn};
use super::wires::{APP, yuan};
use crate::harness::{Place, levee, path, text};

/// A line of a bill, whoever's it is: a refund has a number.
#[derive(Clone, Debug)]
struct Line {
    payment: String,
    refund: Option<String>,
    minor: u64,
    is_in_dollars: bool,
}

impl Line {
    fn new(payment: &str, refund: Option<String>, minor: u64) -> Self {
        Self { payment: payment.to_owned(), refund, minor, is_in_dollars: false }
    }
}

/// What the books have, the unpaid left out.
fn lines(provider: &StandIn) -> Vec<Line> {
    let mut lines = Vec::new();
    for (number, one) in provider.books().payments.iter().filter(|(_, one)| one.is_paid) {
        lines.push(Line::new(number, None, one.amount));
        for (refund, minor, _) in &one.refunds {
            lines.push(Line::new(number, Some(refund.clone()), *minor));
        }
    }
    lines
}

fn bill(kind: Kind, lines: &[Line]) -> String {
    let rows = lines.iter().map(|line| row(kind, line));
    let rows: String = rows.map(|row| format!("{row}\r\n")).collect();
    match kind {
        Kind::Alipay => format!(
            "#支付宝业务明细查询\r\n#账号：[20880000000000010156]\r\n\
             #起始日期：[2026年02月06日 00:00:00]   终止日期：[2026年02月07日 00:00:00]\r\n\
             #-----------------------------------------业务明细列表------------------------------\r\n\
             支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,对方账户,订单金额（元）,\
             商家实收（元）,退款批次号/请求号,服务费（元）,备注\r\n{rows}\
             #-----------------------------------------业务明细列表结束--------------------------\r\n"
        ),
        Kind::Wechat => format!(
            "\u{feff}交易时间,公众账号ID,商户号,微信订单号,商户订单号,交易类型,交易状态,货币种类,\
             应结订单金额,微信退款单号,商户退款单号,退款金额,退款状态,商品名称,订单金额,\
             申请退款金额\r\n{rows}总交易单数,应结订单总金额\r\n`{},`0.00\r\n",
            lines.len()
        ),
        Kind::Stripe => format!(
            "balance_transaction_id,created_utc,currency,gross,fee,net,reporting_category,\
             payment_intent_id,payment_metadata[out_trade_no],refund_metadata[out_refund_no]\r\n\
             {rows}txn_9,2026-02-06 03:00:00,cny,-0.50,0.00,-0.50,fee,,,\r\n"
        ),
    }
}

fn row(kind: Kind, Line { payment, refund, minor, is_in_dollars }: &Line) -> String {
    let currency = if *is_in_dollars { "USD" } else { "CNY" };
    let (amount, back) = (yuan(*minor), refund.as_deref().unwrap_or_default());
    let sign = if refund.is_some() { "-" } else { "" };
    match kind {
        Kind::Alipay => {
            let what = if refund.is_some() { "退款" } else { "交易" };
            format!(
                "2026\t,{payment}\t,{what},\"Order, of tea\",2026-02-06 10:01:00,\
                 2026-02-06 10:02:00,u***@example.com,{sign}{amount},{sign}{amount},{back}\t,0.00,"
            )
        }
        Kind::Wechat => {
            let (what, state, paid, given_back) = match refund {
                Some(_) => ("REFUND", "SUCCESS", "0.00", amount.as_str()),
                None => ("SUCCESS", "", amount.as_str(), "0.00"),
            };
            format!(
                "`2026-02-06 10:02:00,`{APP},`1900000001,`42,`{payment},`NATIVE,`{what},`{currency},\
                 `{paid},`50,`{back},`{given_back},`{state},`Order,`{paid},`{given_back}"
            )
        }
        Kind::Stripe => {
            let what = if refund.is_some() { "refund" } else { "charge" };
            format!(
                "txn_1,2026-02-06 02:02:00,{currency},{sign}{amount},0.00,{sign}{amount},{what},pi_1,\
                 {payment},{back}"
            )
        }
    }
}

/// The kinds of exceptions that a bill leads to.
fn reconcile(place: &Place, bill: &str) -> Vec<String> {
    let (file, json) = (place.beside("bill.csv"), place.beside("reconciled.json"));
    fs::write(&file, bill).expect("written");
    let data = place.data();
    let output = levee(&[
        "reconcile",
        path(&file),
        "--data",
        path(&data),
        "--provider",
        "real",
        "--day",
        "2026-02-06",
        "--json",
        path(&json),
    ]);
    let said = text(&output);
    let report = fs::read_to_string(json).unwrap_or_else(|_| panic!("a report: {said}"));
    let report: Value = serde_json::from_str(&report).expect("JSON");
    let exceptions = report["exceptions"].as_array().expect("a list");
    assert_eq!(output.status.code(), Some(i32::from(!exceptions.is_empty())), "{said}");
    for exception in exceptions {
        let what = exception["what_to_do"].as_str().expect("text");
        assert!(said.contains(what), "{said}");
    }
    exceptions.iter().map(|one| one["wrong"].as_str().expect("text").to_owned()).collect()
}

type Change<'c> = &'c dyn Fn(&mut Vec<Line>);

/// The whole bill fits; and each of these changes is found, and nothing else. `unpaid` was ordered.
pub(super) fn check(place: &Place, provider: &StandIn, unpaid: &str) {
    let all = lines(provider);
    let paid = all.iter().position(|line| line.refund.is_none()).expect("something was paid");
    let back = all.iter().position(|line| line.refund.is_some()).expect("something went back");
    let changed = |change: Change<'_>| {
        let mut lines = all.clone();
        change(&mut lines);
        reconcile(place, &bill(provider.kind, &lines))
    };
    assert_eq!(changed(&|_| {}), [""; 0]);
    let others = |lines: &mut Vec<Line>| {
        lines.push(Line::new("shop-17", None, 5));
    };
    assert_eq!(changed(&others), [""; 0], "other software's");
    let refund = |number: &str| Some(format!("{}_{number}", all[back].payment));
    let new = |payment: &str, refund| Line::new(payment, refund, 3_800);
    let of = &all[back].payment;
    let changes: [(&str, Change<'_>); 9] = [
        ("paid_here_only", &|lines| _ = lines.remove(paid)),
        ("paid_there_only", &|lines| lines.push(new(unpaid, None))),
        ("paid_amount", &|lines| lines[paid].minor += 1),
        ("paid_twice", &|lines| lines.push(all[paid].clone())),
        ("refunded_here_only", &|lines| _ = lines.remove(back)),
        ("refunded_there_only", &|lines| lines.push(new(of, refund("9")))),
        ("refunded_there_only", &|lines| lines.push(new(of, Some("by hand".to_owned())))),
        ("refund_amount", &|lines| lines[back].minor -= 1),
        ("refunded_twice", &|lines| lines.push(all[back].clone())),
    ];
    for (wrong, change) in changes {
        assert_eq!(changed(change), [wrong], "{:?}", provider.kind);
    }
    if provider.kind != Kind::Alipay {
        let found = changed(&|lines| lines[back].is_in_dollars = true);
        assert_eq!(found, ["other_currency", "refunded_here_only"], "{:?}", provider.kind);
    }
}
