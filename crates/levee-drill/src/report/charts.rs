//! The four charts of a drill.

use std::fmt::Write as _;

use super::frame::{Frame, Vertical, clock_time, linear_rows, short, short_ms};
use super::{escape, unit};
use crate::festival::{Summary, TimelinePoint, grouped};
use crate::numbers::real;

const HEIGHT: f64 = 300.0;

/// Takes one bucket of the budget out of a stretch of the day.
type Bucket = fn(&TimelinePoint) -> u64;

pub(super) fn width_hours(summary: &Summary) -> f64 {
    f64::from(summary.bucket_minutes) / 60.0
}

pub(super) fn most(values: impl Iterator<Item = f64>) -> f64 {
    values.filter(|value| value.is_finite()).fold(0.0, f64::max)
}

fn count(count: u64) -> String {
    grouped(count.into())
}

/// A legend: class of the sample and text.
pub(super) fn key(entries: &[(&str, &str)]) -> String {
    let entries = entries
        .iter()
        .map(|(class, text)| format!("<li><i class=\"{class}\"></i>{}</li>", escape(text)));
    format!("<ul class=\"key\">{}</ul>", entries.collect::<String>())
}

pub(super) fn hints(
    frame: &mut Frame,
    summary: &Summary,
    mut text: impl FnMut(&TimelinePoint) -> String,
) {
    let width = width_hours(summary);
    for point in &summary.timeline {
        let clock = clock_time(&summary.starts_at, point.hour);
        frame.hint(point.hour, point.hour + width, &format!("{clock}: {}", text(point)));
    }
}

/// Users who came and users who were told of a voucher, a minute of the day.
pub(super) fn arrivals(summary: &Summary) -> String {
    let minutes = f64::from(summary.bucket_minutes.max(1));
    let per_minute = |count: u64| real(count) / minutes;
    let points = &summary.timeline;
    let (end, rows) = linear_rows(most(points.iter().map(|point| per_minute(point.arrivals))));
    let description = "Users who came and vouchers acknowledged, a minute of the day";
    let mut frame = Frame::new(description, HEIGHT, summary.hours, Vertical::Linear(end));
    let real_per_s = summary.speed / 60.0;
    let rows: Vec<_> = rows
        .into_iter()
        .map(|value| (value, short(value), format!("{}/s", short(value * real_per_s))))
        .collect();
    frame.rows(&rows);
    let middle = width_hours(summary) / 2.0;
    let arrived: Vec<_> =
        points.iter().map(|point| (point.hour + middle, 0.0, per_minute(point.arrivals))).collect();
    frame.band("f-arrived", &stretched(summary, arrived));
    let acked: Vec<_> =
        points.iter().map(|point| (point.hour + middle, per_minute(point.claims_acked))).collect();
    frame.line("s-water", &acked);
    frame.clock(&summary.starts_at);
    hints(&mut frame, summary, |point| {
        format!(
            "{} users came, {} vouchers acknowledged, {} used",
            count(point.arrivals),
            count(point.claims_acked),
            count(point.redemptions_acked)
        )
    });
    let key = key(&[("b-arrived", "users who came"), ("stroke b-water", "vouchers acknowledged")]);
    key + &frame.finish()
}

/// Carries an area to both ends of the day.
fn stretched(summary: &Summary, mut points: Vec<(f64, f64, f64)>) -> Vec<(f64, f64, f64)> {
    if let (Some(first), Some(last)) = (points.first().copied(), points.last().copied()) {
        points.insert(0, (0.0, first.1, first.2));
        points.push((summary.hours, last.1, last.2));
    }
    points
}

/// Vouchers and redemptions so far, beside the published totals.
pub(super) fn totals(summary: &Summary) -> String {
    let width = width_hours(summary);
    let running = |counted: fn(&TimelinePoint) -> u64| {
        let mut sum = 0;
        let mut points = vec![(0.0, 0.0)];
        for point in &summary.timeline {
            sum += counted(point);
            points.push(((point.hour + width).min(summary.hours), real(sum)));
        }
        points
    };
    let acked = running(|point| point.claims_acked);
    let used = running(|point| point.redemptions_acked);
    let known = summary.known.iter().map(|point| real(point.scaled));
    // Room above the last of them for its label.
    let top = 1.2 * most(known.chain(acked.iter().map(|point| point.1)));
    let (end, rows) = linear_rows(top);
    let description = "Vouchers acknowledged so far, beside the published totals";
    let mut frame = Frame::new(description, HEIGHT, summary.hours, Vertical::Linear(end));
    let rows: Vec<_> = rows.into_iter().map(|value| (value, short(value), String::new())).collect();
    frame.rows(&rows);
    let area: Vec<_> = acked.iter().map(|(hour, value)| (*hour, 0.0, *value)).collect();
    frame.band("f-wash", &area);
    frame.line("s-gold", &used);
    frame.line("s-water", &acked);
    frame.clock(&summary.starts_at);
    for point in &summary.known {
        let (x, y) = (frame.x(point.hour), frame.y(real(point.scaled)));
        let floor = frame.floor();
        let total = short(real(point.total));
        // Beside the point, above the curve, where nothing else is.
        write!(
            frame.svg,
            "<line class=\"guide\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y:.1}\" y2=\"{floor:.1}\"/>\
             <circle class=\"known\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\"/>\
             <text class=\"strong\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{total}</text>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">by hour {}</text>",
            x - 4.0,
            y - 27.0,
            x - 4.0,
            y - 12.0,
            point.hour
        )
        .expect("memory");
    }
    let key = key(&[
        ("stroke b-water", "vouchers acknowledged so far"),
        ("stroke b-gold", "of them used"),
        ("dot", "published totals of the reference day, scaled"),
    ]);
    key + &frame.finish()
}

/// Quantiles of latency over the day.
pub(super) fn latencies(summary: &Summary) -> String {
    let points = &summary.timeline;
    let measured: Vec<_> = points.iter().filter(|point| point.p50_ms > 0.0).collect();
    let least = measured.iter().map(|point| point.p50_ms).fold(f64::INFINITY, f64::min);
    let top = most(measured.iter().map(|point| point.p999_ms));
    let decade = |ms: f64, up: bool| {
        let power = ms.clamp(0.001, 1e6).log10();
        10_f64.powf(if up { power.ceil() } else { power.floor() })
    };
    let least = decade(if least.is_finite() { least } else { 1.0 }, false);
    let top = decade(top.max(least * 1.01), true);
    let description = "Latency from the intended instant, by quantile, over the day";
    let vertical = Vertical::Logarithmic(least, top);
    let mut frame = Frame::new(description, HEIGHT, summary.hours, vertical);
    let mut rows = Vec::new();
    let mut value = least;
    while value <= top * 1.001 {
        rows.push((value, short_ms(value), String::new()));
        value *= 10.0;
    }
    frame.rows(&rows);
    let middle = width_hours(summary) / 2.0;
    let series = |quantile: fn(&TimelinePoint) -> f64| -> Vec<(f64, f64)> {
        let value = |point: &TimelinePoint| match quantile(point) {
            ms if ms > 0.0 => ms,
            _ => f64::NAN,
        };
        points.iter().map(|point| (point.hour + middle, value(point))).collect()
    };
    let (p50, p99) = (series(|point| point.p50_ms), series(|point| point.p99_ms));
    let p999 = series(|point| point.p999_ms);
    let band: Vec<_> = p50.iter().zip(&p999).map(|(low, high)| (low.0, low.1, high.1)).collect();
    frame.band("f-wash", &band);
    frame.line("s-red", &p999);
    frame.line("s-gold", &p99);
    frame.line("s-water", &p50);
    frame.clock(&summary.starts_at);
    hints(&mut frame, summary, |point| {
        format!(
            "p50 {}, p99 {}, p99.9 {}, {} requests",
            short_ms(point.p50_ms),
            short_ms(point.p99_ms),
            short_ms(point.p999_ms),
            count(point.requests)
        )
    });
    let key = key(&[
        ("stroke b-water", "p50: half are faster"),
        ("stroke b-gold", "p99"),
        ("stroke b-red", "p99.9"),
    ]);
    key + &frame.finish()
}

/// Where the budget is, over the day.
pub(super) fn budget(summary: &Summary) -> String {
    let unit = unit(&summary.currency);
    let yuan = |minor: u64| real(minor) / 100.0;
    let points = &summary.timeline;
    let whole = |point: &TimelinePoint| {
        point.spent_minor + point.in_flight_minor + point.reserved_minor + point.budget_left_minor
    };
    let (end, rows) = linear_rows(most(points.iter().map(|point| yuan(whole(point)))));
    let description = "The campaign's budget over the day: spent, in flight, reserved, available";
    let mut frame = Frame::new(description, HEIGHT, summary.hours, Vertical::Linear(end));
    let rows: Vec<_> = rows
        .into_iter()
        .map(|value| (value, format!("{unit}{}", short(value)), String::new()))
        .collect();
    frame.rows(&rows);
    let width = width_hours(summary);
    let mut below: Vec<u64> = vec![0; points.len()];
    let layers: [(&str, Bucket); 4] = [
        ("f-spent", |point| point.spent_minor),
        ("f-flight", |point| point.in_flight_minor),
        ("f-reserved", |point| point.reserved_minor),
        ("f-free", |point| point.budget_left_minor),
    ];
    for (class, bucket) in layers {
        let mut layer = Vec::new();
        for (point, below) in points.iter().zip(&mut below) {
            let above = *below + bucket(point);
            layer.push((point.hour + width, yuan(*below), yuan(above)));
            *below = above;
        }
        if let Some(first) = points.first() {
            // Before the first voucher everything was available.
            let all = yuan(whole(first));
            let start = if class == "f-free" { (0.0, 0.0, all) } else { (0.0, 0.0, 0.0) };
            layer.insert(0, start);
        }
        frame.band(class, &layer);
    }
    frame.clock(&summary.starts_at);
    hints(&mut frame, summary, |point| {
        let amount = |minor: u64| format!("{unit}{}", short(yuan(minor)));
        format!(
            "{} spent, {} in flight, {} reserved, {} available",
            amount(point.spent_minor),
            amount(point.in_flight_minor),
            amount(point.reserved_minor),
            amount(point.budget_left_minor)
        )
    });
    let key = key(&[
        ("b-water", "spent: vouchers used"),
        ("b-flight", "in flight: vouchers locked for an order"),
        ("b-reserved", "reserved: vouchers users hold, and rests that can return"),
        ("b-free", "available"),
    ]);
    key + &frame.finish()
}
