//! A drill as one page that needs nothing else: no script, no font, no other host.

mod charts;
mod frame;
mod opening;
mod ordering;
mod tables;

use std::fmt::Write as _;

use crate::festival::{Summary, acknowledged, grouped, money};
use frame::{short, short_ms};

const STYLE: &str = include_str!("style.css");

const CHECK: &str = "<svg class=\"mark\" viewBox=\"0 0 34 34\" aria-hidden=\"true\"><circle cx=\"17\" \
    cy=\"17\" r=\"16\" fill=\"currentColor\" opacity=\".16\"/><path d=\"M10 17.5l5 5L24.5 12\" \
    fill=\"none\" stroke=\"currentColor\" stroke-width=\"3\" stroke-linecap=\"round\" \
    stroke-linejoin=\"round\"/></svg>";

const CROSS: &str = "<svg class=\"mark\" viewBox=\"0 0 34 34\" aria-hidden=\"true\"><circle cx=\"17\" \
    cy=\"17\" r=\"16\" fill=\"currentColor\" opacity=\".16\"/><path d=\"M11.5 11.5l11 11M22.5 \
    11.5l-11 11\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"3\" \
    stroke-linecap=\"round\"/></svg>";

/// How orders were played.
const OUTSIDE: &str = "<p class=\"method\">Outlets' systems and the payment provider are played by \
    another process, over HTTP in both directions, with slow and silent systems, lost, late and \
    doubled callbacks and outages. When open orders have come to their end, what it says of every \
    payment and ticket is compared with the journal. Without pacing is a simulation of the same \
    kitchens and wishes, not a second drill. A hundredth of a second of real time is some seconds of \
    this day, so what messages take counts for more than it would.</p>";

/// The whole page.
#[must_use]
pub fn html(summary: &Summary) -> String {
    let mut page = String::with_capacity(200_000);
    write!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>{} &middot; Levee festival</title>\
         <style>{STYLE}</style></head><body><main>",
        escape(&summary.scenario)
    )
    .expect("memory");
    page += &head(summary);
    page += &tiles(summary);
    page += &card(
        "Users who came, and vouchers acknowledged",
        &format!(
            "Left: a minute of the day. Right: the same as a second of real time. Where the line \
             runs below the area, users were refused: {} of {} claims.",
            grouped(summary.claims.refused.into()),
            grouped(summary.claims.attempted.into())
        ),
        &charts::arrivals(summary),
    );
    page += &opening::section(summary);
    page += &ordering::section(summary);
    page += &card(
        "The day so far, beside the published totals",
        &format!(
            "The reference day's bookings are published for three hours; here they are scaled to \
             {} of the day.",
            percent(summary.scale)
        ),
        &charts::totals(summary),
    );
    page += &card(
        "How long users waited",
        "All requests, by the instant at which their users meant to send them. Logarithmic.",
        &charts::latencies(summary),
    );
    page += &card(
        "Where the budget is",
        "As the server told it four times a second; the last figures are also the audit's.",
        &charts::budget(summary),
    );
    page += "<div class=\"pair\">";
    page +=
        &card("Refusals", "Expected answers, each with a stable code.", &tables::refusals(summary));
    page += &card(
        "City tiers",
        "Vouchers as a share of users, used as a share of vouchers; latency of claims.",
        &tables::tiers(summary),
    );
    page += "</div>";
    page += &card(
        "Money, recounted from the journal alone",
        "Funded is the sum of the others.",
        &tables::campaigns(summary),
    );
    page += &method(summary);
    page + "</main></body></html>\n"
}

/// Text for a page.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(letter),
        }
    }
    out
}

/// A share of the whole as a percentage, with as many digits as it needs.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent >= 10.0 { format!("{percent:.0}%") } else { format!("{}%", short(percent)) }
}

/// How many times as fast: whole from ten on.
fn times(speed: f64) -> String {
    if speed >= 10.0 { grouped(crate::numbers::whole(speed).into()) } else { short(speed) }
}

/// What stands before an amount.
fn unit(currency: &str) -> String {
    if currency == "CNY" { "¥".to_owned() } else { format!("{currency} ") }
}

/// An amount of the audit in major units, for a short figure.
fn real_minor(minor: i128) -> f64 {
    crate::numbers::real(u64::try_from(minor).unwrap_or(0)) / 100.0
}

fn card(title: &str, note: &str, body: &str) -> String {
    format!(
        "<section class=\"card\"><h2>{}</h2><p>{}</p>{body}</section>",
        escape(title),
        escape(note)
    )
}

fn head(summary: &Summary) -> String {
    let line = format!(
        "{} hours in {} s of real time ({}× as fast), {} of the day's crowd: {} users, seed {}",
        summary.hours,
        summary.seconds,
        times(summary.speed),
        percent(summary.scale),
        grouped(summary.users.into()),
        summary.seed
    );
    let (class, mark) = if summary.ok { ("good", CHECK) } else { ("bad", CROSS) };
    let words = if summary.ok {
        let orders = summary.ordering.as_ref().map_or_else(String::new, |ordering| {
            format!(
                ", {} orders placed. The payment provider's account is the journal's, payment by \
                 payment, and no order was made twice or forgotten",
                grouped(ordering.orders.placed.into())
            )
        });
        format!(
            "<b>Every acknowledged {} was found exactly once.</b>{} claims and {} redemptions were \
             acknowledged{orders}; none was lost, none doubled, and the recounted money is the \
             server's, to the fen.",
            acknowledged(summary),
            grouped(summary.claims.acked.into()),
            grouped(summary.redemptions.acked.into())
        )
    } else {
        let items = summary.failures.iter().chain(summary.oddities.iter().take(5));
        let items: String = items.map(|item| format!("<li>{}</li>", escape(item))).collect();
        format!("<b>This drill failed.</b><ul>{items}</ul>")
    };
    format!(
        "<p class=\"over\">Levee festival</p><h1>{}</h1><p class=\"sub\">{}</p>\
         <div class=\"verdict {class}\">{mark}<div>{words}</div></div>",
        escape(&summary.scenario),
        escape(&line)
    )
}

fn tiles(summary: &Summary) -> String {
    let (claims, redemptions) = (&summary.claims, &summary.redemptions);
    let campaign = summary.campaigns.iter().find(|found| found.id == summary.campaign);
    let funded = campaign.map_or(0, |found| found.money.funded_minor);
    let spent = campaign.map_or(0, |found| found.money.spent_minor);
    let count = |count: u64| grouped(count.into());
    let unit = unit(&summary.currency);
    let orders = summary.ordering.as_ref().map(|ordering| &ordering.orders);
    let (lost, doubled) = orders.map_or((0, 0), |o| (o.lost + o.wrong, o.doubled));
    let mut tiles = vec![
        (
            "Claims acknowledged",
            count(claims.acked),
            format!("{} repeats answered alike", count(claims.replayed)),
        ),
        (
            "Vouchers used",
            count(redemptions.acked),
            format!("{} rolled back", count(redemptions.rolled_back)),
        ),
        (
            "Lost and doubled",
            format!(
                "{} and {}",
                count(claims.lost + redemptions.lost + lost),
                count(claims.doubled + redemptions.doubled + doubled)
            ),
            format!("{} commands recounted", count(summary.audit.commands)),
        ),
        (
            "Peak",
            format!("{}/s", count(summary.peak_claims_per_s)),
            format!("claims in one second; {} requests/s", count(summary.peak_requests_per_s)),
        ),
        (
            "Claim latency, p99",
            short_ms(summary.latency_ms.claim.p99),
            format!(
                "p50 {}, p99.9 {}, longest {}",
                short_ms(summary.latency_ms.claim.p50),
                short_ms(summary.latency_ms.claim.p999),
                short_ms(summary.latency_ms.claim.max)
            ),
        ),
        (
            "Redemption latency, p99",
            short_ms(summary.latency_ms.redeem.p99),
            format!(
                "p50 {}, p99.9 {}, longest {}",
                short_ms(summary.latency_ms.redeem.p50),
                short_ms(summary.latency_ms.redeem.p999),
                short_ms(summary.latency_ms.redeem.max)
            ),
        ),
        (
            "Budget spent",
            format!("{unit}{}", short(real_minor(spent))),
            format!("of {}", money(funded, &summary.currency)),
        ),
        (
            "Made-up codes taken for real",
            count(summary.guesses.found),
            format!("of {} tried", count(summary.guesses.attempted)),
        ),
    ];
    if let Some(ordering) = &summary.ordering {
        tiles.extend(ordering::tiles(summary, ordering));
    }
    let tiles = tiles.iter().map(|(title, figure, note)| {
        format!(
            "<div class=\"tile\"><span>{}</span><b>{}</b><span>{}</span></div>",
            escape(title),
            escape(figure),
            escape(note)
        )
    });
    format!("<div class=\"tiles\">{}</div>", tiles.collect::<String>())
}

fn method(summary: &Summary) -> String {
    let broken = format!(
        "{} requests broke off, {} were never sent; {} effects reached nobody",
        grouped(summary.unknown.into()),
        grouped(summary.unsent.into()),
        grouped(summary.unacknowledged.into())
    );
    let odd = summary.oddities.iter().take(5).map(|odd| escape(odd)).collect::<Vec<_>>();
    let odd = if odd.is_empty() { "nothing".to_owned() } else { odd.join("<br>") };
    let facts = [
        ("Machine", escape(&summary.machine)),
        ("Command", format!("<code>{}</code>", escape(&summary.command))),
        ("Version", escape(&summary.version)),
        ("Broken off", escape(&broken)),
        ("Unexpected", odd),
    ];
    let facts = facts.iter().map(|(name, fact)| format!("<dt>{name}</dt><dd>{fact}</dd>"));
    format!(
        "<section class=\"card\"><h2>How this was measured</h2><p class=\"method\">Each user's \
         requests have instants drawn before the drill; each is sent at its instant whether or not \
         earlier ones were answered, and its latency counts from that instant, so a stall shows in \
         full. The server's clock runs {}× as fast, so that {} hours fit into {} seconds. Server \
         and crowd share one machine and talk HTTP over loopback, and an answer goes out only after \
         its effect is synced to disk. After the last answer the server is stopped, and everything \
         is recounted from its journal by code that shares no rule with it. Every answer that the \
         crowd holds is then looked up at the sequence number that it named: the same user, \
         voucher and amount must be there, once.</p>{}<dl>{}</dl></section>",
        times(summary.speed),
        summary.hours,
        summary.seconds,
        if summary.ordering.is_some() { OUTSIDE } else { "" },
        facts.collect::<String>()
    )
}

#[cfg(test)]
mod tests;
