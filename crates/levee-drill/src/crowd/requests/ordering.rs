//! The bytes of requests about orders.

use std::io::Write as _;

use levee_api::time::Instant;

use super::Requests;
use crate::crowd::Op;
use crate::ledger::Code;
use crate::plan::{FestivalPlan, OrderScript};

/// What the user of a request about an order has so far.
#[derive(Clone, Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) voucher: Code,
    /// Counts what the user asks for anew; the same number again is the same request.
    pub(crate) step: u8,
    /// Wanted by then, in milliseconds since 1970.
    pub(crate) pickup_by_ms: Option<u64>,
    /// What is taken of a quote, and at which outlet.
    pub(crate) offer: Option<(&'a str, &'a str)>,
    /// What was placed.
    pub(crate) order: Option<Code>,
}

impl Requests {
    /// A quote, an order, a look at it or its end.
    pub(crate) fn order(
        &mut self,
        op: Op,
        plan: &FestivalPlan,
        user: u32,
        script: &OrderScript,
        wish: &Wish<'_>,
    ) -> &[u8] {
        let (seed, step) = (plan.seed(), wish.step);
        let order = wish.order.as_ref().map_or("", Code::as_str);
        self.body.clear();
        match op {
            Op::Look => {
                let common = &self.common;
                self.bytes.clear();
                write!(
                    self.bytes,
                    "GET /v1/orders/ord_{order} HTTP/1.1\r\n{common}levee-user: u{seed}-{user}\r\n\r\n"
                )
                .expect("memory");
                return &self.bytes;
            }
            Op::Cancel => {
                write!(
                    self.body,
                    "{{\"user_id\":\"u{seed}-{user}\",\"reason\":\"changed my mind\"}}"
                )
                .expect("memory");
                let path = format!("/v1/orders/ord_{order}/cancel");
                self.finish(&path, Some(&format!("end-{seed}-{user}")));
            }
            Op::Quote => {
                self.wanted(plan, user, script, wish);
                write!(self.body, ",\"allow_other_outlet\":{}}}", script.takes_offer)
                    .expect("memory");
                self.finish("/v1/orders/quote", Some(&format!("ask-{seed}-{user}-{step}")));
            }
            _ => {
                self.wanted(plan, user, script, wish);
                let how = if script.delivered { "delivery" } else { "pickup" };
                write!(
                    self.body,
                    ",\"expected_total_minor\":{},\"fulfilment\":\"{how}\",\
                     \"allow_other_outlet\":{}",
                    plan.total_minor(script),
                    script.takes_offer
                )
                .expect("memory");
                if let Some((offer, _)) = wish.offer {
                    write!(self.body, ",\"offer\":\"{offer}\"").expect("memory");
                }
                self.body.push(b'}');
                self.finish("/v1/orders", Some(&format!("buy-{seed}-{user}-{step}")));
            }
        }
        &self.bytes
    }

    /// Who wants what, where and by when: the beginning of a quote and of an order.
    fn wanted(&mut self, plan: &FestivalPlan, user: u32, script: &OrderScript, wish: &Wish<'_>) {
        let scenario = plan.scenario();
        let market = plan.market().expect("somebody orders");
        let outlet = &market.outlets()[script.outlet];
        let terms = scenario.outlets.as_ref().expect("somebody orders");
        let menu = &terms.brands[outlet.brand].menu;
        let place = wish.offer.map_or(outlet.id.as_str(), |(_, place)| place);
        let (seed, code) = (plan.seed(), wish.voucher.as_str());
        let body = &mut self.body;
        write!(
            body,
            "{{\"user_id\":\"u{seed}-{user}\",\"outlet_id\":\"{place}\",\"voucher_code\":\"{code}\",\
             \"items\":["
        )
        .expect("memory");
        for (place, line) in script.lines.iter().enumerate() {
            let (comma, sku) = (if place > 0 { "," } else { "" }, &menu[line.item].sku);
            write!(body, "{comma}{{\"sku\":\"{sku}\",\"quantity\":{}}}", line.quantity)
                .expect("memory");
        }
        body.push(b']');
        // An offer has its own time.
        if let (Some(ms), None) = (wish.pickup_by_ms, wish.offer) {
            write!(body, ",\"pickup_by\":\"{}\"", Instant { ms }).expect("memory");
        }
    }
}
