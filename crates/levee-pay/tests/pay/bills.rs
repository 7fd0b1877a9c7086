//! Bills: what is read of them, and what is wrong with those that are none.

use encoding_rs::GB18030;
use levee_pay::{BillError, BillKind, BillLine, BillOf, read_bill};

const ALIPAY: &str = "\
#支付宝业务明细查询
#账号：[20880000000000010156]
#起始日期：[2026年02月06日 00:00:00]   终止日期：[2026年02月07日 00:00:00]
#-----------------------------------------业务明细列表----------------------------------------
支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注
2026020622001\t,pay_1\t,交易,\"Tea, twice\",2026-02-06 09:00:00,2026-02-06 09:00:05,,,,,u***@example.com,38.00,38.00,0.00,0.00,0.00,0.00,0.00,,0.00,0.00,\t,-0.23,0.00,
2026020622001\t,pay_1\t,退款,Tea,2026-02-06 09:10:00,2026-02-06 09:10:02,,,,,u***@example.com,-10.00,-10.00,0.00,0.00,0.00,0.00,0.00,,0.00,0.00,pay_1_1\t,0.06,0.00,
2026020622002\t,other\t,分账,Tea,2026-02-06 09:10:00,2026-02-06 09:10:02,,,,,u***@example.com,-1.00,-1.00,0.00,0.00,0.00,0.00,0.00,,0.00,0.00,\t,0.00,0.00,
#-----------------------------------------业务明细列表结束------------------------------------
#交易合计：1笔，商家实收共28.00元，商家优惠共0.00元
";

const WECHAT: &str = "\
\u{feff}交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注
`2026-02-06 09:00:05,`wx1,`1900000001,`0,`,`42,`pay_1,`o1,`NATIVE,`SUCCESS,`OTHERS,`CNY,`38.00,`0.00,`0,`0,`0.00,`0.00,`,`,`Tea,`,`0.23000,`0.60%,`38.00,`0.00,`
`2026-02-06 09:10:02,`wx1,`1900000001,`0,`,`42,`pay_1,`o1,`NATIVE,`REFUND,`OTHERS,`CNY,`0.00,`0.00,`50,`pay_1_1,`10.00,`0.00,`ORIGINAL,`SUCCESS,`Tea,`,`-0.06000,`0.60%,`0.00,`10.00,`
`2026-02-06 09:11:02,`wx1,`1900000001,`0,`,`42,`pay_1,`o1,`NATIVE,`REFUND,`OTHERS,`CNY,`0.00,`0.00,`51,`pay_1_2,`5.00,`0.00,`ORIGINAL,`PROCESSING,`Tea,`,`0.00000,`0.60%,`0.00,`5.00,`
总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额
`3,`38.00,`10.00,`0.00,`0.17000,`38.00,`15.00
";

const STRIPE: &str = "\
balance_transaction_id,created_utc,created,currency,gross,fee,net,reporting_category,source_id,description,payment_intent_id,payment_metadata[out_trade_no],refund_metadata[out_refund_no]
txn_1,2026-02-06 01:00:05,2026-02-05 17:00:05,cny,38.00,1.40,36.60,charge,ch_1,Tea,pi_1,pay_1,
txn_2,2026-02-06 01:10:02,2026-02-05 17:10:02,cny,-10.00,0.00,-10.00,refund,re_1,,pi_1,pay_1,pay_1_1
txn_3,2026-02-06 02:00:00,2026-02-05 18:00:00,cny,-0.05,0.00,-0.05,fee,,,,,
";

fn read(bill: &[u8]) -> Result<(BillOf, Vec<BillLine>), BillError> {
    let mut lines = Vec::new();
    let of = read_bill(bill, |_, line| {
        lines.push(line);
        Ok::<_, BillError>(())
    })?;
    Ok((of, lines))
}

#[test]
fn payments_and_refunds_are_read_and_nothing_else() {
    for (bill, expected, trade, first) in [
        (ALIPAY, BillOf::Alipay, "2026020622001", 6),
        (WECHAT, BillOf::Wechat, "42", 2),
        (STRIPE, BillOf::Stripe, "pi_1", 2),
    ] {
        let (of, lines) = read(bill.as_bytes()).unwrap();
        assert_eq!(of, expected);
        let shown = lines.iter().map(|line| {
            let BillLine { place, kind, out_trade_no, trade_no, out_refund_no, money, at_s } = line;
            assert_eq!(trade_no, trade);
            let minor = money.amount_minor;
            let currency = money.currency;
            let kind = if *kind == BillKind::Paid { "paid" } else { "refunded" };
            format!("{place} {kind} {out_trade_no} {out_refund_no:?} {minor} {currency} {at_s}")
        });
        let refund = first + 1;
        let all = [
            format!("{first} paid pay_1 \"\" 3800 CNY 1770339605"),
            format!("{refund} refunded pay_1 \"pay_1_1\" 1000 CNY 1770340202"),
        ];
        assert_eq!(shown.collect::<Vec<_>>(), all, "{of:?}");
        // With other ends of lines, the same.
        assert_eq!(read(bill.replace('\n', "\r\n").as_bytes()).unwrap().1, lines);
        // With and without a mark in front, and in the encoding in which Alipay hands it out.
        let plain = bill.trim_start_matches('\u{feff}');
        let (gb18030, _, is_lossy) = GB18030.encode(plain);
        assert!(!is_lossy);
        assert_eq!(gb18030 == plain.as_bytes(), expected == BillOf::Stripe, "others are Chinese");
        assert_eq!(read(&gb18030).unwrap().1, lines);
        assert_eq!(read(plain.as_bytes()).unwrap().1, lines);
        assert_eq!(read(format!("\u{feff}{plain}").as_bytes()).unwrap().1, lines);
    }
    let yen = STRIPE.replace("cny", "jpy").replace("38.00", "3800").replace("-10.00", "-1000");
    let (_, lines) = read(yen.as_bytes()).unwrap();
    assert_eq!(lines[0].money.amount_minor, 3_800);
    assert_eq!(lines[1].money.amount_minor, 1_000);
}

#[test]
fn what_is_no_whole_bill_is_named() {
    let cut = |bill: &str, mark: &str| bill.split(mark).next().unwrap().to_owned();
    let gb18030 = |bill: &str| GB18030.encode(bill).0.into_owned();
    // Two bills, one behind the other's head, and one byte that is no letter anywhere.
    let head = ALIPAY.find("2026020622001").unwrap();
    let mixed = [gb18030(&ALIPAY[..head]), ALIPAY[head..].replace("Tea", "茶").into_bytes()];
    let mixed_too = [ALIPAY.as_bytes()[..head].to_vec(), gb18030(&ALIPAY[head..])];
    let bad = |bill: Vec<u8>, at: &[u8]| {
        let place = bill.windows(at.len()).position(|window| window == at).unwrap();
        [&bill[..place], &b"\xff"[..], &bill[place..]].concat()
    };
    for (bill, expected) in [
        (mixed.concat(), "line 6 is not in GB18030"),
        (mixed_too.concat(), "line 6 is not in UTF-8"),
        (bad(ALIPAY.into(), b"2026-02-06 09:10:02"), "line 7 is not in UTF-8"),
        (bad(gb18030(ALIPAY), b"2026-02-06 09:10:02"), "line 7 is not in GB18030"),
        (bad(gb18030(ALIPAY), b"\n"), "line 1 is not in UTF-8 or GB18030"),
        (b"a,b\n1,2\n".to_vec(), "no line has the columns of a bill"),
        (Vec::new(), "no line has the columns of a bill"),
        (
            cut(ALIPAY, "#-----------------------------------------业务明细列表结束").into_bytes(),
            "it ends at line 8 without its last line",
        ),
        (cut(WECHAT, "总交易单数").into_bytes(), "it ends at line 4 without its last line"),
        (STRIPE.replace("gross", "net2").into_bytes(), "the column gross is missing"),
        (
            STRIPE.replace("payment_metadata[out_trade_no]", "metadata").into_bytes(),
            "the column payment_metadata[out_trade_no] is missing",
        ),
        (ALIPAY.replace("退款批次号", "批次").into_bytes(), "the column 退款批次号 is missing"),
        (WECHAT.replace("`38.00", "`38.0x").into_bytes(), "line 2: the amount is none: \"38.0x\""),
        (ALIPAY.replace("38.00", "-38.00").into_bytes(), "line 6: the amount is none: \"-38.00\""),
        (WECHAT.replace("`CNY", "`?").into_bytes(), "line 2: the currency is none: \"?\""),
        (STRIPE.replace("01:00:05", "25:00:05").into_bytes(), "line 2: the time is none"),
        (ALIPAY.replace("\"Tea, twice\"", "\"Tea").into_bytes(), "line 6: the amount is none"),
    ] {
        let error = read(&bill).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
}
