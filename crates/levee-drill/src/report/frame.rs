//! The frame of a chart: where values are on the paper, axes with round labels, and paths.

use std::fmt::Write as _;

use crate::numbers::{real, whole};

/// Units of the drawing.
pub(super) const WIDTH: f64 = 1_040.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 66.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 30.0;

/// How values of the vertical axis are placed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Vertical {
    /// From 0 to this.
    Linear(f64),
    /// Between these, both above 0.
    Logarithmic(f64, f64),
}

/// One chart while it is drawn.
pub(super) struct Frame {
    height: f64,
    hours: f64,
    vertical: Vertical,
    /// What was drawn so far.
    pub(super) svg: String,
}

/// A round step for an axis: 1, 2 or 5 times a power of ten, so that `count` steps reach `most`.
pub(super) fn round_step(most: f64, count: f64) -> f64 {
    let least = (most / count).max(1e-9);
    let power = 10_f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= least * 0.999_999);
    factor.unwrap_or(10.0) * power
}

/// A number in few characters: `950`, `1.5k`, `12M`.
pub(super) fn short(value: f64) -> String {
    let (scaled, unit) = match value {
        _ if value >= 999.5e6 => (value / 1e9, "bn"),
        _ if value >= 999.5e3 => (value / 1e6, "M"),
        _ if value >= 999.5 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let digits = match scaled {
        _ if scaled >= 99.95 || (scaled - scaled.round()).abs() < 0.005 => 0,
        _ if scaled >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{scaled:.digits$}");
    let text =
        if digits == 2 && text.ends_with('0') { text[..text.len() - 1].to_owned() } else { text };
    text + unit
}

/// Milliseconds in few characters: `0.1 ms`, `10 ms`, `1 s`.
pub(super) fn short_ms(ms: f64) -> String {
    if ms >= 999.5 { format!("{} s", short(ms / 1_000.0)) } else { format!("{} ms", short(ms)) }
}

impl Frame {
    /// An empty chart. The description is for those who cannot see it.
    pub(super) fn new(description: &str, height: f64, hours: f64, vertical: Vertical) -> Self {
        let description = super::escape(description);
        let svg = format!(
            "<div class=\"plot\"><svg class=\"chart\" viewBox=\"0 0 {WIDTH} {height}\" \
             role=\"img\" aria-label=\"{description}\">"
        );
        Self { height, hours: hours.max(1e-3), vertical, svg }
    }

    /// Where an hour of the day is.
    pub(super) fn x(&self, hour: f64) -> f64 {
        LEFT + (hour / self.hours).clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    /// Where a value is.
    pub(super) fn y(&self, value: f64) -> f64 {
        let part = match self.vertical {
            Vertical::Linear(most) if most > 0.0 => value / most,
            Vertical::Linear(_) => 0.0,
            Vertical::Logarithmic(least, most) => {
                (value.max(least) / least).ln() / (most / least).ln()
            }
        };
        self.floor() - part.clamp(0.0, 1.0) * (self.floor() - TOP)
    }

    /// The bottom of the drawing area.
    pub(super) fn floor(&self) -> f64 {
        self.height - BOTTOM
    }

    /// Horizontal lines with labels on the left and, where the second text is not empty, on the
    /// right.
    pub(super) fn rows(&mut self, rows: &[(f64, String, String)]) {
        for (value, left, right) in rows {
            let y = self.y(*value);
            let (end, text_y) = (WIDTH - RIGHT, y + 4.0);
            let label_x = LEFT - 9.0;
            write!(
                self.svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{end}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text x=\"{label_x}\" y=\"{text_y:.1}\" text-anchor=\"end\">{left}</text>"
            )
            .expect("memory");
            if !right.is_empty() {
                let label_x = end + 9.0;
                write!(self.svg, "<text x=\"{label_x}\" y=\"{text_y:.1}\">{right}</text>")
                    .expect("memory");
            }
        }
    }

    /// The hours below, by the day's own clock.
    pub(super) fn clock(&mut self, starts_at: &str) {
        let first_minute = minute_of_day(starts_at);
        let minutes = self.hours * 60.0;
        let every = [5, 10, 15, 30, 60, 120, 180, 360, 720];
        let every = every.into_iter().find(|every| minutes <= 13.0 * f64::from(*every));
        let every = every.unwrap_or(1_440);
        let (y, text_y) = (self.floor(), self.floor() + 20.0);
        let end = WIDTH - RIGHT;
        write!(self.svg, "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{end}\" y1=\"{y}\" y2=\"{y}\"/>")
            .expect("memory");
        let mut after = 0_u32;
        while f64::from(after) <= minutes + 1e-9 {
            let x = self.x(f64::from(after) / 60.0);
            let minute = (first_minute + after) % 1_440;
            write!(
                self.svg,
                "<line class=\"axis\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y}\" y2=\"{:.1}\"/>\
                 <text x=\"{x:.1}\" y=\"{text_y:.1}\" text-anchor=\"middle\">{:02}:{:02}</text>",
                y + 5.0,
                minute / 60,
                minute % 60
            )
            .expect("memory");
            after += every;
        }
    }

    /// A line through points; a value that is no number interrupts it.
    pub(super) fn line(&mut self, class: &str, points: &[(f64, f64)]) {
        let mut path = String::new();
        let mut pen_down = false;
        for (hour, value) in points {
            if !value.is_finite() {
                pen_down = false;
                continue;
            }
            let letter = if pen_down { 'L' } else { 'M' };
            write!(path, "{letter}{:.1} {:.1}", self.x(*hour), self.y(*value)).expect("memory");
            pen_down = true;
        }
        write!(self.svg, "<path class=\"line {class}\" d=\"{path}\"/>").expect("memory");
    }

    /// What lies between two values at each hour.
    pub(super) fn band(&mut self, class: &str, points: &[(f64, f64, f64)]) {
        let points: Vec<_> =
            points.iter().filter(|(_, low, high)| low.is_finite() && high.is_finite()).collect();
        let mut path = String::new();
        for (place, (hour, _, high)) in points.iter().enumerate() {
            let letter = if place == 0 { 'M' } else { 'L' };
            write!(path, "{letter}{:.1} {:.1}", self.x(*hour), self.y(*high)).expect("memory");
        }
        for (hour, low, _) in points.iter().rev() {
            write!(path, "L{:.1} {:.1}", self.x(*hour), self.y(*low)).expect("memory");
        }
        let close = if path.is_empty() { "" } else { "Z" };
        write!(self.svg, "<path class=\"{class}\" d=\"{path}{close}\"/>").expect("memory");
    }

    /// A stretch of the day that says more when it is pointed at.
    pub(super) fn hint(&mut self, from: f64, until: f64, text: &str) {
        let (x, width) = (self.x(from), self.x(until) - self.x(from));
        let (height, text) = (self.floor() - TOP, super::escape(text));
        write!(
            self.svg,
            "<rect class=\"hit\" x=\"{x:.1}\" y=\"{TOP}\" width=\"{width:.1}\" \
             height=\"{height:.1}\"><title>{text}</title></rect>"
        )
        .expect("memory");
    }

    /// The whole chart.
    pub(super) fn finish(mut self) -> String {
        self.svg.push_str("</svg></div>");
        self.svg
    }
}

/// Minutes since midnight of an instant such as `2026-02-06T08:00:00+08:00`; 0 for anything else.
fn minute_of_day(starts_at: &str) -> u32 {
    let number = |from: usize| starts_at.get(from..from + 2)?.parse::<u32>().ok();
    number(11).zip(number(14)).map_or(0, |(hour, minute)| hour * 60 + minute)
}

/// The clock's time at an hour of the day.
pub(super) fn clock_time(starts_at: &str, hour: f64) -> String {
    let minute = (u64::from(minute_of_day(starts_at)) + whole(hour * 60.0)) % 1_440;
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// Rows of a linear axis from 0 to beyond `most`, and where it ends.
pub(super) fn linear_rows(most: f64) -> (f64, Vec<f64>) {
    let step = round_step(most, 4.0);
    let count = whole((most / step).ceil()).max(1);
    (real(count) * step, (0..=count).map(|place| real(place) * step).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, expected) in [
            (0.0, "0"),
            (0.1, "0.1"),
            (7.25, "7.25"),
            (950.0, "950"),
            (1_500.0, "1.5k"),
            (12_000.0, "12k"),
            (12_340.0, "12.3k"),
            (999_900.0, "1M"),
            (1_250_000.0, "1.25M"),
            (3e9, "3bn"),
        ] {
            assert_eq!(short(value), expected);
        }
        assert_eq!((short_ms(0.5), short_ms(2_500.0)), ("0.5 ms".into(), "2.5 s".into()));
    }

    #[test]
    fn axes_have_round_steps() {
        for (most, end, rows) in [(9.0, 10.0, 3), (400.0, 400.0, 5), (0.0, 1e-9, 2)] {
            let (found, values) = linear_rows(most);
            assert!((found - end).abs() <= end * 1e-6, "{most}: {found}");
            assert_eq!(values.len(), rows, "{most}");
        }
        assert_eq!(clock_time("2026-02-06T08:30:00+08:00", 1.5), "10:00");
        assert_eq!(clock_time("?", 1.0), "01:00");
    }
}
