//! The tables of a drill's page.

use std::fmt::Write as _;

use levee_api::problem::Code;

use super::escape;
use super::frame::short_ms;
use crate::festival::{Summary, grouped, money};
use crate::numbers::share;

fn count(count: u64) -> String {
    grouped(count.into())
}

fn percent(part: u64, all: u64) -> String {
    format!("{:.1}%", share(part, all) * 100.0)
}

/// What was turned down, and why.
pub(super) fn refusals(summary: &Summary) -> String {
    let mut rows: Vec<(&str, &str, u64)> = summary
        .refusals
        .iter()
        .flat_map(|(request, codes)| {
            codes.iter().map(|(code, count)| (request.as_str(), code.as_str(), *count))
        })
        .collect();
    if rows.is_empty() {
        return "<p>Nothing was refused.</p>".to_owned();
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.2));
    let mut out = String::from(
        "<table><thead><tr><th>Code</th><th class=\"left\">Request</th><th>Times</th></tr>\
         </thead><tbody>",
    );
    for (request, code, times) in rows {
        let known = Code::ALL.iter().find(|known| known.as_str() == code);
        let title = known.map_or("", |known| known.title());
        write!(
            out,
            "<tr><td><code>{}</code><small>{}</small></td><td class=\"left\">{}</td>\
             <td>{}</td></tr>",
            escape(code),
            escape(title),
            escape(&request.replace('_', " ")),
            count(times)
        )
        .expect("memory");
    }
    out + "</tbody></table>"
}

/// How users of each city tier fared.
pub(super) fn tiers(summary: &Summary) -> String {
    let mut out = String::from(
        "<table><thead><tr><th>Tier</th><th>Users</th><th>Vouchers</th><th>Used</th><th>p50</th>\
         <th>p99</th></tr></thead><tbody>",
    );
    for tier in &summary.tiers {
        write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&tier.name),
            count(tier.users),
            percent(tier.claims_acked, tier.users),
            percent(tier.redemptions_acked, tier.claims_acked),
            short_ms(tier.p50_ms),
            short_ms(tier.p99_ms)
        )
        .expect("memory");
    }
    out + "</tbody></table>"
}

/// Every campaign's buckets, as the audit recounted them.
pub(super) fn campaigns(summary: &Summary) -> String {
    let mut out = String::from(
        "<div class=\"wide\"><table><thead><tr><th>Campaign</th><th>Funded</th><th>Available</th>\
         <th>Reserved</th><th>In flight</th><th>Spent</th><th>Returned</th><th>Vouchers</th></tr>\
         </thead><tbody>",
    );
    for campaign in &summary.campaigns {
        let held = &campaign.money;
        write!(out, "<tr><td><code>{}</code></td>", escape(&campaign.id)).expect("memory");
        for minor in [
            held.funded_minor,
            held.available_minor,
            held.reserved_minor,
            held.in_flight_minor,
            held.spent_minor,
            held.returned_minor,
        ] {
            write!(out, "<td>{}</td>", escape(&money(minor, &summary.currency))).expect("memory");
        }
        write!(out, "<td>{}</td></tr>", count(campaign.counts.claims)).expect("memory");
    }
    out + "</tbody></table></div>"
}
