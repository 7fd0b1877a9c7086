//! A drill in a dozen lines, for people.

use std::fmt::Write as _;

use super::{OrderingSummary, Promises, Summary};
use crate::numbers::real;

/// A count with separators: `1,234,567`.
#[must_use]
pub fn grouped(count: i128) -> String {
    let digits = count.unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if count < 0 { format!("-{text}") } else { text }
}

/// Minor units of a currency with two decimals as people write them: `¥1,234.50`, `EUR 1,234.50`.
#[must_use]
pub fn money(minor: i128, currency: &str) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let (whole, rest) = (minor.unsigned_abs() / 100, minor.unsigned_abs() % 100);
    let whole = grouped(i128::try_from(whole).unwrap_or(i128::MAX));
    let unit = if currency == "CNY" { "¥".to_owned() } else { format!("{currency} ") };
    format!("{sign}{unit}{whole}.{rest:02}")
}

fn count(count: u64) -> String {
    grouped(count.into())
}

impl Summary {
    /// The whole drill in about a dozen lines.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        write_text(self, &mut out).expect("memory");
        out
    }
}

fn write_text(summary: &Summary, out: &mut String) -> std::fmt::Result {
    let (claims, redemptions) = (&summary.claims, &summary.redemptions);
    writeln!(
        out,
        "{}: {} hours in {:.0} s ({:.0}x), {:.1}% of the day: {} users, seed {}",
        summary.scenario,
        summary.hours,
        summary.took_s,
        summary.speed,
        summary.scale * 100.0,
        count(summary.users.into()),
        summary.seed
    )?;
    writeln!(
        out,
        "  claims       {} acknowledged, {} repeats answered alike, {} refused{}",
        count(claims.acked),
        count(claims.replayed),
        count(claims.refused),
        refusals(summary, "claim")
    )?;
    writeln!(
        out,
        "  redemptions  {} acknowledged, {} repeats answered alike, {} refused{}, {} rolled back",
        count(redemptions.acked),
        count(redemptions.replayed),
        count(redemptions.refused),
        refusals(summary, "redemption"),
        count(redemptions.rolled_back)
    )?;
    writeln!(
        out,
        "  made-up codes {} tried, {} taken for real",
        count(summary.guesses.attempted),
        count(summary.guesses.found)
    )?;
    let mut latencies =
        vec![("claim", summary.latency_ms.claim), ("redemption", summary.latency_ms.redeem)];
    if summary.ordering.is_some() {
        latencies.push(("order", summary.latency_ms.order));
    }
    for (name, latency) in latencies {
        writeln!(
            out,
            "  {name:<12} p50 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, longest {:.1} ms",
            latency.p50, latency.p99, latency.p999, latency.max
        )?;
    }
    writeln!(
        out,
        "  peak         {} claims acknowledged in one second, {} requests/s",
        count(summary.peak_claims_per_s),
        count(summary.peak_requests_per_s)
    )?;
    if let Some(ordering) = &summary.ordering {
        write_orders(ordering, &summary.currency, out)?;
    }
    let overload = &summary.overload;
    if overload.waited > 0 {
        writeln!(
            out,
            "  waiting room {} users waited: p50 {:.0} ms, p99 {:.0} ms, longest {:.0} ms; {:.1}% \
             within the bound they were told",
            count(overload.waited),
            overload.wait_ms.p50,
            overload.wait_ms.p99,
            overload.wait_ms.max,
            overload.estimate_within_p90.unwrap_or(0.0) * 100.0
        )?;
    }
    if let Some(campaign) = summary.campaigns.iter().find(|found| found.id == summary.campaign) {
        let yuan = |minor| money(minor, &summary.currency);
        let held = &campaign.money;
        writeln!(
            out,
            "  money        {} funded = {} available + {} reserved + {} in flight + {} spent",
            yuan(held.funded_minor),
            yuan(held.available_minor),
            yuan(held.reserved_minor),
            yuan(held.in_flight_minor),
            yuan(held.spent_minor)
        )?;
    }
    if summary.unknown + summary.unsent > 0 {
        writeln!(
            out,
            "  broken off   {} requests without an answer, {} never sent; {} effects nobody was \
             told of",
            count(summary.unknown),
            count(summary.unsent),
            count(summary.unacknowledged)
        )?;
    }
    if !summary.kills.is_empty() {
        let longest = summary.kills.iter().copied().fold(0.0, f64::max);
        let kills = summary.kills.len();
        writeln!(out, "  kills        {kills} times kill -9, gone for {longest:.0} ms at most")?;
    }
    let audit = if summary.audit.ok { "no difference" } else { "DIFFERENCES" };
    writeln!(out, "  audit        {} commands recounted: {audit}", count(summary.audit.commands))?;
    if summary.ok {
        writeln!(
            out,
            "GOOD: every acknowledged {} was found exactly once, and the money adds up.",
            acknowledged(summary)
        )?;
    } else {
        writeln!(out, "FAILED:")?;
        summary.failures.iter().try_for_each(|failure| writeln!(out, "  - {failure}"))?;
        summary.oddities.iter().take(3).try_for_each(|oddity| writeln!(out, "    {oddity}"))?;
    }
    Ok(())
}

/// What was looked up in the journal.
#[must_use]
pub(crate) fn acknowledged(summary: &Summary) -> &'static str {
    if summary.ordering.is_some() { "claim, redemption and order" } else { "claim and redemption" }
}

/// Orders in five lines.
fn write_orders(ordering: &OrderingSummary, currency: &str, out: &mut String) -> std::fmt::Result {
    let (orders, without) = (&ordering.orders, &ordering.without_pacing);
    writeln!(
        out,
        "  orders       {} placed, {} collected, {} cancelled, {} rejected, {} expired, {} open; {} \
         moved, {} given back; {} lost, {} doubled",
        count(orders.placed),
        count(orders.collected),
        count(orders.cancelled),
        count(orders.rejected),
        count(orders.expired),
        count(orders.open + orders.refunding),
        count(orders.moved),
        count(orders.refunded),
        count(orders.lost + orders.wrong),
        count(orders.doubled)
    )?;
    let late = |promises: &Promises| {
        format!(
            "{:.1}% late, {:.1}% by over 5 min",
            promises.late_share * 100.0,
            promises.late_over_5_min_share * 100.0
        )
    };
    writeln!(
        out,
        "  promises     {}; {} moved by {:.0} s when they were paid; without pacing {}; outlets were busy \
         {} times, {} of {} offers taken",
        late(&orders.promises),
        count(orders.promised_anew.orders),
        real(orders.promised_anew.by_mean_ms) / 1_000.0,
        late(&without.promises),
        count(orders.refused_busy),
        count(orders.offers_taken),
        count(orders.offers)
    )?;
    let outlets = &ordering.outlets;
    writeln!(
        out,
        "  kitchens     {} outlets, {} wanted beyond what they can make: {:.0}% used then (without \
         pacing {:.0}%); {} orders made for nothing",
        count(outlets.count),
        count(outlets.busy),
        outlets.utilisation_of_busy * 100.0,
        without.utilisation_of_busy * 100.0,
        count(outlets.made_for_nothing)
    )?;
    let payments = &ordering.payments;
    writeln!(
        out,
        "  payments     {} paid, {} given back; the provider says {} and {}",
        money(payments.captured_minor, currency),
        money(payments.refunded_minor, currency),
        money(payments.captured_outside_minor.into(), currency),
        money(payments.refunded_outside_minor.into(), currency)
    )?;
    writeln!(
        out,
        "  couriers     {} called: waited {:.1} min on average, drinks waited {:.1} min",
        count(ordering.couriers.called),
        real(ordering.couriers.waited_mean_ms) / 60_000.0,
        real(ordering.couriers.aged_mean_ms) / 60_000.0
    )
}

/// The codes of one kind of request, the most frequent first.
fn refusals(summary: &Summary, request: &str) -> String {
    let Some(codes) = summary.refusals.get(request) else { return String::new() };
    let mut codes: Vec<(&String, &u64)> = codes.iter().collect();
    codes.sort_by(|a, b| b.1.cmp(a.1));
    let codes: Vec<String> =
        codes.iter().take(3).map(|(code, times)| format!("{code} {}", count(**times))).collect();
    format!(" ({})", codes.join(", "))
}
