//! Orders: where they stood over the day, how promises were kept, what kitchens and couriers went
//! through, and the same day without pacing.

use std::fmt::Write as _;

use super::charts::{hints, key, most, width_hours};
use super::frame::{Frame, Vertical, linear_rows, short};
use super::{card, escape, percent};
use crate::festival::{
    LatenessBin, OrderingSummary, OrdersPoint, OutletClass, PromiseGroup, Promises, Summary,
    grouped, money,
};
use crate::numbers::{real, share};

const HEIGHT: f64 = 260.0;

/// Part of a column's place that is left free, and that each of two bars takes.
const GAP: f64 = 0.16;
const BAR: f64 = (1.0 - 2.0 * GAP) / 2.0;

/// Takes one layer out of a stretch of the day.
type Layer = fn(&OrdersPoint) -> u64;

fn count(count: u64) -> String {
    grouped(count.into())
}

/// Milliseconds of the day, as people say them.
fn minutes(ms: u64) -> String {
    match ms {
        0..90_000 => format!("{} s", ms / 1_000),
        90_000..5_400_000 => format!("{} min", short(real(ms) / 60_000.0)),
        _ => format!("{} h", short(real(ms) / 3_600_000.0)),
    }
}

/// Title, figure and note of each.
pub(super) fn tiles(
    summary: &Summary,
    ordering: &OrderingSummary,
) -> [(&'static str, String, String); 4] {
    let (orders, without) = (&ordering.orders, &ordering.without_pacing);
    let paid_minor = ordering.payments.captured_minor;
    [
        (
            "Orders collected",
            count(orders.collected),
            format!(
                "of {} placed; {} moved to another outlet",
                count(orders.placed),
                count(orders.moved)
            ),
        ),
        (
            "Late by over five minutes",
            percent(orders.promises.late_over_5_min_share),
            format!("{} without pacing", percent(without.promises.late_over_5_min_share)),
        ),
        (
            "Busy outlets' time used",
            percent(ordering.outlets.utilisation_of_busy),
            format!("{} outlets, in hours with too many wishes", count(ordering.outlets.busy)),
        ),
        (
            "Paid by users",
            format!("{}{}", super::unit(&summary.currency), short(super::real_minor(paid_minor))),
            format!(
                "{} given back; {} differences from the provider's account",
                money(ordering.payments.refunded_minor, &summary.currency),
                count(
                    ordering.payments.differences.captured + ordering.payments.differences.refunded
                )
            ),
        ),
    ]
}

/// All cards; empty where nobody orders.
pub(super) fn section(summary: &Summary) -> String {
    let Some(ordering) = &summary.ordering else { return String::new() };
    let orders = &ordering.orders;
    let mut page = card(
        "Orders under way",
        &format!(
            "{} users wanted to order, {} orders were placed. Each crossed real sockets to a payment \
             provider and an outlet's system, and came back from there step by step.",
            count(orders.wanted),
            count(orders.placed)
        ),
        &(standing(summary, ordering) + &over(summary, ordering)),
    );
    page += &card(
        "Systems that did not answer",
        &format!(
            "Breakers opened {} times: while one is open its outlet is sold nothing, and what was sold \
             before waits, moves or is given back. Below them the orders that were promised for \
             that time, and those of them that were late by more than five minutes or never made.",
            count(ordering.outlets.breakers_opened)
        ),
        &(breakers(summary, ordering) + &kept(summary, ordering)),
    );
    page += &card(
        "Ready, against the promise",
        &format!(
            "Minutes between the promise and the moment at which an order was ready. With pacing a \
             kitchen promises what it can make; without, everything within the same fixed time. {} \
             of {} promises were missed by more than five minutes, and would have been {} of {}. {} orders \
             were promised anew because they were paid late, for {} later on average, and are judged by \
             that; the last row judges all by what was promised first.",
            percent(orders.promises.late_over_5_min_share),
            count(orders.promises.judged),
            percent(ordering.without_pacing.promises.late_over_5_min_share),
            count(ordering.without_pacing.promises.judged),
            count(orders.promised_anew.orders),
            minutes(orders.promised_anew.by_mean_ms)
        ),
        &(lateness(&orders.lateness) + &promises(&orders.promises_by)),
    );
    page += "<div class=\"pair\">";
    page += &card(
        "The same users without pacing",
        "A simulation of the same kitchens, in which every order is taken at once. It flatters that \
         day: all systems work, and everybody pays.",
        &without_pacing(ordering),
    );
    page += &card(
        "Payments and compensation",
        "By the journal, and by the payment provider's own account.",
        &payments(summary, ordering),
    );
    page += "</div>";
    page += &card(
        "Kitchens",
        &format!(
            "{} outlets, of which {} were wanted beyond what they can make in some hour. Shares of \
             the time that walk-ins leave in which stations made orders, by how much of it was \
             wanted. Above 100% orders took what walk-ins would have had, who wait in the same queue.",
            count(ordering.outlets.count),
            count(ordering.outlets.busy)
        ),
        &(classes(&ordering.outlets.classes) + &systems(ordering)),
    );
    page
}

fn standing(summary: &Summary, ordering: &OrderingSummary) -> String {
    let layers: [(&str, Layer); 4] = [
        ("f-flight", |point| point.awaiting),
        ("f-reserved", |point| point.in_line),
        ("f-spent", |point| point.making),
        ("f-ready", |point| point.ready),
    ];
    let key = key(&[
        ("b-flight", "to be paid"),
        ("b-reserved", "paid, not begun"),
        ("b-water", "being made"),
        ("b-ready", "ready, not collected"),
    ]);
    key + &stack(summary, ordering, "Orders under way, by state", &layers)
}

fn over(summary: &Summary, ordering: &OrderingSummary) -> String {
    let layers: [(&str, Layer); 2] =
        [("f-reserved", |point| point.collected), ("f-ended", |point| point.ended)];
    let key = key(&[("b-reserved", "collected so far"), ("b-red", "ended otherwise so far")]);
    "<h3>Orders that are over</h3>".to_owned()
        + &key
        + &stack(summary, ordering, "Orders that are over, by how they ended", &layers)
}

fn stack(
    summary: &Summary,
    ordering: &OrderingSummary,
    description: &str,
    layers: &[(&str, Layer)],
) -> String {
    let points = &ordering.orders.timeline;
    let sum = |point: &OrdersPoint| layers.iter().map(|(_, layer)| layer(point)).sum::<u64>();
    let (end, rows) = linear_rows(most(points.iter().map(|point| real(sum(point)))));
    let mut frame = Frame::new(description, HEIGHT, summary.hours, Vertical::Linear(end));
    let rows: Vec<_> = rows.into_iter().map(|value| (value, short(value), String::new())).collect();
    frame.rows(&rows);
    let width = width_hours(summary);
    let hour = |place: usize| (real(place as u64 + 1) * width).min(summary.hours);
    let mut below = vec![0; points.len()];
    for (class, layer) in layers {
        let mut band = vec![(0.0, 0.0, 0.0)];
        for (place, (point, below)) in points.iter().zip(&mut below).enumerate() {
            let above = *below + layer(point);
            band.push((hour(place), real(*below), real(above)));
            *below = above;
        }
        frame.band(class, &band);
    }
    frame.clock(&summary.starts_at);
    let mut places = points.iter();
    hints(&mut frame, summary, |_| {
        let point = places.next().copied().unwrap_or_default();
        format!(
            "{} to be paid, {} in line, {} being made, {} ready; {} collected, {} ended otherwise",
            count(point.awaiting),
            count(point.in_line),
            count(point.making),
            count(point.ready),
            count(point.collected),
            count(point.ended)
        )
    });
    frame.finish()
}

/// Outlets with an open breaker over the day, and bars for vendors above them.
fn breakers(summary: &Summary, ordering: &OrderingSummary) -> String {
    let points = &ordering.orders.timeline;
    let highest = most(points.iter().map(|point| real(point.breakers_open)));
    let vendors = &ordering.outlets.vendors_open;
    let mut names: Vec<&str> = vendors.iter().map(|open| open.vendor.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    // Room for the bars above the band.
    let lanes = real(names.len() as u64);
    let (end, rows) = linear_rows(highest * (1.0 + 0.2 * lanes));
    let description = "Outlets whose breaker was open over the day, and vendors'";
    let mut frame = Frame::new(description, HEIGHT, summary.hours, Vertical::Linear(end));
    let rows: Vec<_> = rows.into_iter().map(|value| (value, short(value), String::new())).collect();
    frame.rows(&rows);
    frame.band("f-flight", &steps(summary, points, |point| point.breakers_open));
    for (lane, name) in names.iter().enumerate() {
        let top = frame.y(end) + 24.0 * real(lane as u64);
        for open in vendors.iter().filter(|open| open.vendor == *name) {
            let from = frame.x(open.from_hour.min(summary.hours));
            let until = frame.x(open.until_hour.unwrap_or(summary.hours).min(summary.hours));
            write!(
                frame.svg,
                "<rect class=\"f-ended\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{:.1}\" \
                 height=\"16\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                (until - from).max(2.0),
                until + 6.0,
                top + 13.0,
                escape(name)
            )
            .expect("memory");
        }
    }
    frame.clock(&summary.starts_at);
    let mut places = points.iter();
    hints(&mut frame, summary, |_| {
        let point = places.next().copied().unwrap_or_default();
        format!("{} outlets with an open breaker", count(point.breakers_open))
    });
    let outlets = [("b-flight", "outlets whose breaker was open")];
    let both = [outlets[0], ("b-red", "a vendor's breaker was open")];
    key(if names.is_empty() { &outlets } else { &both }) + &frame.finish()
}

/// Orders by the time for which they were promised, and those that were late.
fn kept(summary: &Summary, ordering: &OrderingSummary) -> String {
    let points = &ordering.orders.timeline;
    let (end, rows) = linear_rows(most(points.iter().map(|point| real(point.promised))));
    let description = "Orders by the time for which they were promised, and those that were late";
    let mut frame = Frame::new(description, HEIGHT, summary.hours, Vertical::Linear(end));
    let rows: Vec<_> = rows.into_iter().map(|value| (value, short(value), String::new())).collect();
    frame.rows(&rows);
    frame.band("f-arrived", &steps(summary, points, |point| point.promised));
    frame.band("f-ended", &steps(summary, points, |point| point.late));
    frame.clock(&summary.starts_at);
    let mut places = points.iter();
    hints(&mut frame, summary, |_| {
        let point = places.next().copied().unwrap_or_default();
        format!(
            "{} orders were promised for this time, {} were late by over 5 minutes",
            count(point.promised),
            count(point.late)
        )
    });
    key(&[("b-arrived", "orders promised"), ("b-red", "late by over 5 minutes, or never made")])
        + &frame.finish()
}

/// An area of one figure for each stretch of the day.
fn steps(summary: &Summary, points: &[OrdersPoint], figure: Layer) -> Vec<(f64, f64, f64)> {
    let width = width_hours(summary);
    let ends = |(place, point): (usize, &OrdersPoint)| {
        let from = real(place as u64) * width;
        let above = real(figure(point));
        [(from, 0.0, above), ((from + width).min(summary.hours), 0.0, above)]
    };
    points.iter().enumerate().flat_map(ends).collect()
}

/// Two bars for each label.
fn columns(description: &str, rows: &[(String, f64, f64, String)]) -> String {
    let (end, lines) = linear_rows(most(rows.iter().map(|row| row.1.max(row.2))));
    let places = real(rows.len() as u64);
    let mut frame = Frame::new(description, HEIGHT, places, Vertical::Linear(end));
    let lines: Vec<_> = lines
        .into_iter()
        .map(|value| (value, format!("{}%", short(value)), String::new()))
        .collect();
    frame.rows(&lines);
    let (floor, text_y) = (frame.floor(), frame.floor() + 20.0);
    for (place, (label, first, second, hint)) in rows.iter().enumerate() {
        let from = real(place as u64);
        for (class, value, left) in
            [("f-spent", first, from + GAP), ("f-arrived", second, from + GAP + BAR)]
        {
            let (x, y) = (frame.x(left), frame.y(*value));
            let (width, height) = (frame.x(left + BAR) - x, floor - y);
            write!(
                frame.svg,
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
                 height=\"{height:.1}\"/>"
            )
            .expect("memory");
        }
        let x = frame.x(from + 0.5);
        write!(
            frame.svg,
            "<text x=\"{x:.1}\" y=\"{text_y:.1}\" text-anchor=\"middle\">{}</text>",
            escape(label)
        )
        .expect("memory");
        frame.hint(from, from + 1.0, hint);
    }
    let (left, right) = (frame.x(0.0), frame.x(places));
    write!(
        frame.svg,
        "<line class=\"axis\" x1=\"{left:.1}\" x2=\"{right:.1}\" y1=\"{floor}\" y2=\"{floor}\"/>"
    )
    .expect("memory");
    key(&[("b-water", "with pacing"), ("b-arrived", "without")]) + &frame.finish()
}

fn lateness(bins: &[LatenessBin]) -> String {
    let sum = |of: fn(&LatenessBin) -> u64| bins.iter().map(of).sum::<u64>();
    let (with, without) = (sum(|bin| bin.with_pacing), sum(|bin| bin.without_pacing));
    let last = bins.len().saturating_sub(1);
    let rows: Vec<_> = bins
        .iter()
        .enumerate()
        .map(|(place, bin)| {
            let (from, until) = (bin.from_minutes, bin.from_minutes + LatenessBin::MINUTES);
            let label = match place {
                0 => format!("< {until}"),
                _ if place == last => format!("≥ {from}"),
                _ => format!("{from}"),
            };
            let first = share(bin.with_pacing, with) * 100.0;
            let second = share(bin.without_pacing, without) * 100.0;
            let hint = format!(
                "{from} to {until} minutes after the promise: {} orders with pacing, {} without",
                count(bin.with_pacing),
                count(bin.without_pacing)
            );
            (label, first, second, hint)
        })
        .collect();
    columns("Minutes from the promise until an order was ready, shares of all orders", &rows)
}

fn promises(groups: &[PromiseGroup]) -> String {
    let rows: Vec<_> = groups
        .iter()
        .map(|PromiseGroup { orders, promises }| {
            let name = match *orders {
                "nothing_to_pay" => "With nothing left to pay",
                "to_be_paid" => "To be paid first: a promise counts on a minute for that",
                "promised_anew" => "Paid later, and promised anew when they were",
                "as_first_told" => "All of them, by what was promised first",
                "first_ten" => "The first ten at their outlet, whose kitchen is not known yet",
                "later_ones" => "Later ones there",
                other => other,
            };
            vec![
                name.to_owned(),
                count(promises.judged),
                percent(promises.late_share),
                percent(promises.late_over_5_min_share),
                minutes(promises.late_p90_ms),
            ]
        })
        .collect();
    table(&["Orders", "Judged", "Late", "By over 5 min", "Nine of ten by at most"], &rows)
}

fn classes(classes: &[OutletClass]) -> String {
    let rows: Vec<_> = classes
        .iter()
        .map(|class| {
            let wanted = match class.wanted_until {
                Some(until) if class.wanted_above > 0.0 => {
                    format!("{} to {}", percent(class.wanted_above), percent(until))
                }
                Some(until) => format!("up to {}", percent(until)),
                None => format!("above {}", percent(class.wanted_above)),
            };
            let label = format!("{wanted} wanted: {} outlets", count(class.outlets));
            let first = class.utilisation * 100.0;
            let second = class.utilisation_without_pacing * 100.0;
            let hint = format!("{label}; {first:.1}% used with pacing, {second:.1}% without");
            (label, first, second, hint)
        })
        .collect();
    columns("Use of stations with pacing and without, by how much outlets were wanted", &rows)
}

fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let cells = |tag: &str, cells: &mut dyn Iterator<Item = String>| {
        let cells: String = cells.map(|cell| format!("<{tag}>{}</{tag}>", escape(&cell))).collect();
        format!("<tr>{cells}</tr>")
    };
    let head = cells("th", &mut head.iter().map(|cell| (*cell).to_owned()));
    let rows: String = rows.iter().map(|row| cells("td", &mut row.iter().cloned())).collect();
    format!("<div class=\"wide\"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>")
}

fn systems(ordering: &OrderingSummary) -> String {
    let rows: Vec<_> = ordering
        .outlets
        .systems
        .iter()
        .map(|class| {
            let name = class.class.replace('_', " ");
            let hours = real(class.busy_ms) / 3_600_000.0;
            vec![name, count(class.outlets), count(class.stations), short(hours)]
        })
        .collect();
    let note = format!(
        "<p>{} orders were begun and then taken away. Couriers were called for {} orders: they \
         waited {} on average (nine of ten at most {}), and what was made waited {} for them (at \
         most {}).</p>",
        count(ordering.outlets.made_for_nothing),
        count(ordering.couriers.called),
        minutes(ordering.couriers.waited_mean_ms),
        minutes(ordering.couriers.waited_p90_ms),
        minutes(ordering.couriers.aged_mean_ms),
        minutes(ordering.couriers.aged_p90_ms)
    );
    let head = ["Systems of outlets", "With orders", "Stations", "Hours of making"];
    table(&head, &rows) + &note
}

fn without_pacing(ordering: &OrderingSummary) -> String {
    let (orders, without) = (&ordering.orders, &ordering.without_pacing);
    let row = |name: &str, with: String, without: String| vec![name.to_owned(), with, without];
    let both = |name: &str, of: &dyn Fn(&Promises) -> String| {
        row(name, of(&orders.promises), of(&without.promises))
    };
    let outlets = &ordering.outlets;
    let ends = |names: &[&str]| -> u64 {
        names.iter().map(|name| orders.ends.get(name).copied().unwrap_or(0)).sum()
    };
    let rows = [
        row("Orders taken", count(orders.placed), count(without.orders)),
        both("Late", &|promises| percent(promises.late_share)),
        both("Late by over 5 minutes", &|promises| percent(promises.late_over_5_min_share)),
        both("Nine of ten late by at most", &|promises| minutes(promises.late_p90_ms)),
        row("Use of stations", percent(outlets.utilisation), percent(without.utilisation)),
        row(
            "The same where more was wanted",
            percent(outlets.utilisation_of_busy),
            percent(without.utilisation_of_busy),
        ),
        row(
            "Cancelled or given up by users",
            count(ends(&["by_user"])),
            count(without.cancelled + without.given_up),
        ),
        row("Not made in time", count(ends(&["not_made"])), count(without.not_made)),
    ];
    table(&["", "With pacing", "Without"], &rows)
}

fn payments(summary: &Summary, ordering: &OrderingSummary) -> String {
    let (payments, given) = (&ordering.payments, &ordering.compensation);
    let amount = |minor: i128| money(minor, &summary.currency);
    let row = |name: &str, here: String, there: String| vec![name.to_owned(), here, there];
    let orders = &ordering.orders;
    let differ: u64 = payments.differences.counts().iter().map(|(count, _)| count).sum();
    let rows = [
        row(
            "Paid",
            amount(payments.captured_minor),
            amount(payments.captured_outside_minor.into()),
        ),
        row(
            "Given back",
            amount(payments.refunded_minor),
            amount(payments.refunded_outside_minor.into()),
        ),
        row("Differences of both sides", count(differ), String::new()),
        row("To be looked at", count(payments.disputed), String::new()),
        row("Orders given back", count(orders.refunded), String::new()),
        row("Vouchers as an apology", count(given.apologies), amount(given.apology_minor.into())),
        row("Paid to outlets", String::new(), amount(given.outlets_minor.into())),
        row("Not covered", String::new(), amount(given.unpaid_minor.into())),
    ];
    let ends = orders.ends.iter().map(|(end, times)| {
        let end = end.replace('_', " ");
        format!("{end} {}", count(*times))
    });
    let ends = ends.collect::<Vec<_>>().join(", ");
    let note = if ends.is_empty() {
        String::new()
    } else {
        format!("<p>Orders that ended without being collected: {}.</p>", escape(&ends))
    };
    table(&["", "Journal", "Provider, or amount"], &rows) + &note
}
