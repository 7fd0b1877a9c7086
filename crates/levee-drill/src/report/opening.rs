//! The opening: levels, the waiting room, goodput and the gates, over its own stretch of the day.

use std::fmt::Write as _;

use super::charts::{key, most};
use super::frame::{Frame, Vertical, linear_rows, short, short_ms};
use super::{card, escape};
use crate::festival::{GateSummary, OverloadSummary, Summary, grouped};
use crate::numbers::real;

const HEIGHT: f64 = 200.0;

/// Height of the band of levels, in units of the drawing.
const BAND: f64 = 16.0;

/// What is shown is at least so many times as long as the surge.
const STRETCH: f64 = 8.0;

/// Of samples that lie this close, in real milliseconds, the highest is drawn: a gate reports ten
/// times a second, and a pause is in one of its reports only.
const TOGETHER_MS: u64 = 500;

/// Most points of one line.
const POINTS_MAX: u64 = 400;

/// The section; empty where nothing was seen of gates or nobody was to wait.
pub(super) fn section(summary: &Summary) -> String {
    let overload = &summary.overload;
    let (Some(opening_ms), false) = (overload.opening_ms, overload.room.is_empty()) else {
        return String::new();
    };
    let hours = hours_shown(summary, opening_ms);
    let limit = overload.limit_claims_per_s.unwrap_or(0);
    let note = format!(
        "Everyone at once, for {} of real time, before an engine that decides {} claims a second at \
         most. {} users waited: half of them {}, 99% at most {}. {} of them were let in within the \
         bound they were told first.",
        short_ms(real(opening_ms)),
        grouped(limit.into()),
        grouped(overload.waited.into()),
        short_ms(overload.wait_ms.p50),
        short_ms(overload.wait_ms.p99),
        overload.estimate_within_p90.map_or_else(|| "None".to_owned(), super::percent)
    );
    let mut body = "<h3>People in the waiting room, and the brownout level</h3>".to_owned();
    body += &room(summary, hours);
    body += "<h3>How long those waited who were let in, in real time</h3>";
    body += &waits(summary, hours);
    body += "<h3>Users who came and vouchers acknowledged, a second of real time</h3>";
    body += &goodput(summary, hours);
    body += "<h3>Each gate over the whole day: how late its event loop was, the worst of each half second</h3>";
    body += &gates(summary, |gate| &gate.loop_delay_ms, "Lateness of each gate's event loop");
    body += "<h3>And how long claims it let in took to the engine and back, p99</h3>";
    body += &gates(summary, |gate| &gate.queue_delay_p99_ms, "Queue delay of each gate, p99");
    body += &table(overload);
    card("The opening", &note, &body)
}

/// Hours of the day at real milliseconds after its start.
fn hour(summary: &Summary, at_ms: f64) -> f64 {
    at_ms / 3.6e6 * summary.speed
}

/// Up to when the room that the surge filled was empty again, and a little more.
fn hours_shown(summary: &Summary, opening_ms: u64) -> f64 {
    let after = summary.overload.room.iter().filter(|point| point.at_ms > opening_ms);
    let mut busy = after.skip_while(|point| point.people == 0);
    let empty_ms = busy.find(|point| point.people == 0).map_or(0, |point| point.at_ms);
    let least_ms = real(opening_ms) * STRETCH;
    hour(summary, least_ms.max(real(empty_ms) * 1.3)).min(summary.hours.max(0.1))
}

fn rows(frame: &mut Frame, values: &[f64], label: impl Fn(f64) -> String) {
    let rows: Vec<_> = values.iter().map(|value| (*value, label(*value), String::new())).collect();
    frame.rows(&rows);
}

fn room(summary: &Summary, hours: f64) -> String {
    let overload = &summary.overload;
    let shown: Vec<_> = overload
        .room
        .iter()
        .map(|point| (hour(summary, real(point.at_ms)), real(point.people)))
        .filter(|(at, _)| *at <= hours)
        .collect();
    // Room above for the band of levels.
    let (end, values) = linear_rows(1.15 * most(shown.iter().map(|point| point.1)).max(1.0));
    let mut frame = Frame::new("People waiting", HEIGHT, hours, Vertical::Linear(end));
    rows(&mut frame, &values, short);
    let area: Vec<_> = shown.iter().map(|(at, people)| (*at, 0.0, *people)).collect();
    frame.band("f-wash", &area);
    frame.line("s-water", &shown);
    for (place, level) in overload.levels.iter().enumerate() {
        let next = overload.levels.get(place + 1);
        let from = hour(summary, real(level.at_ms)).min(hours);
        let until = next.map_or(hours, |next| hour(summary, real(next.at_ms)).min(hours));
        let (x, width) = (frame.x(from), frame.x(until) - frame.x(from));
        if width <= 0.0 {
            continue;
        }
        let (name, reason) = (escape(&level.level), escape(&level.reason));
        write!(
            frame.svg,
            "<rect class=\"f-{name}\" x=\"{x:.1}\" y=\"0\" width=\"{width:.1}\" height=\"{BAND}\">\
             <title>{name}: {reason}</title></rect>"
        )
        .expect("memory");
        if width > 60.0 {
            let (x, y) = (x + 6.0, BAND - 4.0);
            write!(frame.svg, "<text x=\"{x:.1}\" y=\"{y}\">{name}</text>").expect("memory");
        }
    }
    frame.clock(&summary.starts_at);
    let key = key(&[
        ("stroke b-water", "people waiting"),
        ("b-free", "normal"),
        ("b-lean", "lean"),
        ("b-waiting", "waiting"),
        ("b-essential", "essential"),
    ]);
    key + &frame.finish()
}

fn waits(summary: &Summary, hours: f64) -> String {
    let points = summary.overload.room.iter();
    let shown: Vec<_> = points
        .map(|point| (hour(summary, real(point.at_ms)), real(point.lag_ms)))
        .filter(|(at, _)| *at <= hours)
        .collect();
    let (end, values) = linear_rows(most(shown.iter().map(|point| point.1)).max(1.0));
    let mut frame = Frame::new("Waiting time", HEIGHT, hours, Vertical::Linear(end));
    rows(&mut frame, &values, short_ms);
    frame.line("s-gold", &shown);
    frame.clock(&summary.starts_at);
    key(&[("stroke b-gold", "since when those had waited who were let in")]) + &frame.finish()
}

fn goodput(summary: &Summary, hours: f64) -> String {
    let overload = &summary.overload;
    let per_s = |counts: &[u64]| -> Vec<(f64, f64)> {
        let points = counts.iter().zip(0_u64..);
        let points = points
            .map(|(count, tenth)| (hour(summary, real(tenth) * 100.0 + 50.0), real(*count) * 10.0));
        points.take_while(|(at, _)| *at <= hours).collect()
    };
    let (arrived, acked) = (per_s(&overload.arrivals_by_tenth), per_s(&overload.goodput_by_tenth));
    let limit = f64::from(overload.limit_claims_per_s.unwrap_or(0));
    let highest = most(arrived.iter().chain(&acked).map(|point| point.1)).max(limit).max(1.0);
    let (end, values) = linear_rows(highest);
    let mut frame = Frame::new("Users and vouchers a second", HEIGHT, hours, Vertical::Linear(end));
    rows(&mut frame, &values, |value| format!("{}/s", short(value)));
    let mut area: Vec<_> = arrived.iter().map(|(at, value)| (*at, 0.0, *value)).collect();
    if let Some(first) = area.first().copied() {
        area.insert(0, (0.0, 0.0, first.2));
    }
    frame.band("f-arrived", &area);
    if limit > 0.0 {
        frame.line("s-red", &[(0.0, limit), (hours, limit)]);
    }
    frame.line("s-water", &acked);
    frame.clock(&summary.starts_at);
    let key = key(&[
        ("b-arrived", "users who came"),
        ("stroke b-water", "vouchers acknowledged"),
        ("stroke b-red", "the engine's limit of claims, repeats included"),
    ]);
    key + &frame.finish()
}

/// One line a gate; the congested ones are red and wide.
fn gates(summary: &Summary, values: fn(&GateSummary) -> &Vec<f64>, description: &str) -> String {
    let gates = &summary.overload.gates;
    let top = most(gates.iter().flat_map(|gate| values(gate).iter().copied())).clamp(2.0, 1e6);
    let top = 10_f64.powf(top.log10().ceil());
    let mut frame = Frame::new(description, HEIGHT, summary.hours, Vertical::Logarithmic(1.0, top));
    let mut decades = vec![1.0];
    while decades.last().is_some_and(|last| last * 9.99 < top) {
        decades.push(decades[decades.len() - 1] * 10.0);
    }
    rows(&mut frame, &decades, short_ms);
    const CALM: [(&str, &str); 3] =
        [("s-water", "stroke b-water"), ("s-gold", "stroke b-gold"), ("s-soft", "stroke b-soft")];
    let mut legend = Vec::new();
    let mut lines = Vec::new();
    for (place, gate) in gates.iter().enumerate() {
        let (line, sample) =
            if gate.congested { ("s-red wide-line", "stroke b-red") } else { CALM[place % 3] };
        let congested = if gate.congested { ", congested" } else { "" };
        legend.push((
            sample,
            format!("{} (region {}, tier {}{congested})", gate.name, gate.region, gate.tier),
        ));
        lines.push((gate.congested, line, thinned(summary, gate, values(gate))));
    }
    // The congested ones above the others.
    lines.sort_by_key(|(congested, ..)| *congested);
    lines.iter().for_each(|(_, class, points)| frame.line(class, points));
    frame.clock(&summary.starts_at);
    let legend: Vec<_> = legend.iter().map(|(class, text)| (*class, text.as_str())).collect();
    key(&legend) + &frame.finish()
}

fn thinned(summary: &Summary, gate: &GateSummary, values: &[f64]) -> Vec<(f64, f64)> {
    let together_ms = TOGETHER_MS.max(u64::from(summary.seconds) * 1_000 / POINTS_MAX);
    let points: Vec<_> = gate.at_ms.iter().copied().zip(values.iter().copied()).collect();
    points
        .chunk_by(|a, b| a.0 / together_ms == b.0 / together_ms)
        .map(|chunk| {
            let middle_ms = u64::midpoint(chunk[0].0, chunk[chunk.len() - 1].0);
            (hour(summary, real(middle_ms)), most(chunk.iter().map(|point| point.1)))
        })
        .filter(|(at, _)| *at <= summary.hours)
        .collect()
}

fn table(overload: &OverloadSummary) -> String {
    let mut rows = String::new();
    for gate in &overload.gates {
        let at = |values: &[f64], percent: usize| {
            let mut sorted = values.to_vec();
            sorted.sort_by(f64::total_cmp);
            sorted.get(sorted.len() * percent / 100).copied().unwrap_or(0.0)
        };
        let congested = if gate.congested { "<small>congested</small>" } else { "" };
        write!(
            rows,
            "<tr><td>{}{congested}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td>{}</td><td>{}</td></tr>",
            escape(&gate.name),
            escape(&gate.region),
            escape(&gate.tier),
            grouped(gate.arrived.into()),
            grouped(gate.admitted.into()),
            grouped(gate.told_to_wait.into()),
            short_ms(at(&gate.loop_delay_ms, 90)),
            short_ms(at(&gate.queue_delay_p99_ms, 50)),
        )
        .expect("memory");
    }
    format!(
        "<div class=\"wide\"><table><thead><tr><th>Gate</th><th>Region</th><th>Tier</th>\
         <th>Claims that came</th><th>let in</th><th>told to wait</th>\
         <th>Loop late, p90 of looks</th><th>Queue delay p99, median of looks</th></tr></thead>\
         <tbody>{rows}</tbody></table></div>"
    )
}
