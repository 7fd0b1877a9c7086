//! Instants and durations as JSON has them: RFC 3339 in UTC with milliseconds, and ISO 8601.

use std::fmt;
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::civil::Date;
use jiff::fmt::temporal::SpanParser;
use jiff::tz::TimeZone;
use jiff::{SpanRelativeTo, Timestamp, Unit};
use levee_core::types::{DURATION_MS_MAX, INSTANT_MS_MAX, ZoneOffset};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Seconds since 1970 by the machine's clock: what signatures carry, however fast an engine's clock runs.
#[must_use]
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// An instant from 1970 to 2200, to the millisecond. Read from RFC 3339 with any offset.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("format" = "date-time"))]
pub struct Instant {
    /// Milliseconds since 1970.
    pub ms: u64,
}

impl TryFrom<String> for Instant {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not an instant such as 2026-02-06T00:00:00+08:00");
        let timestamp: Timestamp = text.parse().map_err(|_| wrong())?;
        let ms = u64::try_from(timestamp.as_millisecond()).map_err(|_| wrong())?;
        if ms > INSTANT_MS_MAX { Err(wrong()) } else { Ok(Self { ms }) }
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = i64::try_from(self.ms.min(INSTANT_MS_MAX)).expect("bounded");
        let timestamp = Timestamp::from_millisecond(ms).expect("within jiff's range");
        write!(f, "{timestamp:.3}")
    }
}

impl From<Instant> for String {
    fn from(instant: Instant) -> Self {
        instant.to_string()
    }
}

/// A length of time in ISO 8601, such as `PT24H` or `P7D`; a day has 24 hours. No months or years,
/// whose lengths differ.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("format" = "duration"))]
pub struct Duration {
    /// Milliseconds.
    pub ms: u64,
}

impl TryFrom<String> for Duration {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is not a duration such as PT24H or P7D, of at most ten years");
        let span = SpanParser::new().parse_span(&text).map_err(|_| wrong())?;
        if span.get_years() != 0 || span.get_months() != 0 {
            return Err(wrong());
        }
        let ms = span
            .total((Unit::Millisecond, SpanRelativeTo::days_are_24_hours()))
            .map_err(|_| wrong())?;
        // Durations are bounded well within what a float holds exactly.
        #[expect(clippy::cast_precision_loss, reason = "ten years in ms are below 2^53")]
        let most = DURATION_MS_MAX as f64;
        if !(0.0..=most).contains(&ms) || ms.fract() != 0.0 {
            return Err(wrong());
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
        Ok(Self { ms: ms as u64 })
    }
}

impl From<Duration> for String {
    /// Whole days as days, whole hours as hours, the rest in seconds and milliseconds.
    fn from(duration: Duration) -> Self {
        let Duration { ms } = duration;
        match ms {
            _ if ms != 0 && ms.is_multiple_of(86_400_000) => format!("P{}D", ms / 86_400_000),
            _ if ms != 0 && ms.is_multiple_of(3_600_000) => format!("PT{}H", ms / 3_600_000),
            _ if ms.is_multiple_of(1_000) => format!("PT{}S", ms / 1_000),
            _ => format!("PT{}.{:03}S", ms / 1_000, ms % 1_000),
        }
    }
}

/// The offsets of a time zone over a span of time, the first of them from 0 on.
///
/// # Errors
/// The name is not in the time zone database.
pub(crate) fn offsets(name: &str, from_ms: u64, until_ms: u64) -> Result<Vec<ZoneOffset>, String> {
    let zone = TimeZone::get(name)
        .map_err(|_| format!("{name:?} is not an IANA time zone such as Asia/Shanghai"))?;
    let at = |ms: u64| {
        let ms = i64::try_from(ms.min(INSTANT_MS_MAX)).expect("bounded");
        Timestamp::from_millisecond(ms).expect("within jiff's range")
    };
    let minutes = |offset: jiff::tz::Offset| {
        i16::try_from(offset.seconds() / 60).expect("offsets are less than two days")
    };
    let first = ZoneOffset { from_ms: 0, minutes: minutes(zone.to_offset(at(from_ms))) };
    let later = zone.following(at(from_ms)).map_while(|transition| {
        let from_ms = u64::try_from(transition.timestamp().as_millisecond()).ok()?;
        let minutes = minutes(transition.offset());
        (from_ms <= until_ms).then_some(ZoneOffset { from_ms, minutes })
    });
    Ok([first].into_iter().chain(later.take(200)).collect())
}

/// A day such as `2026-02-06` in a time zone, in milliseconds since 1970. Where clocks change it has
/// 23 or 25 hours.
///
/// # Errors
/// It is no such day of 1970 to 2199, or the zone is not in the time zone database.
pub fn day_ms(zone: &str, day: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("{day:?} is not a day such as 2026-02-06");
    let zone = TimeZone::get(zone).map_err(|_| format!("{zone:?} is not an IANA time zone"))?;
    let date: Date = day.parse().map_err(|_| wrong())?;
    // Other ways to write it would be taken, too.
    if date.to_string() != day {
        return Err(wrong());
    }
    let start_ms = |date: Date| {
        let start = date.to_zoned(zone.clone()).map_err(|_| wrong())?;
        let ms = u64::try_from(start.timestamp().as_millisecond()).map_err(|_| wrong())?;
        if ms > INSTANT_MS_MAX { Err(wrong()) } else { Ok(ms) }
    };
    Ok(start_ms(date)?..start_ms(date.tomorrow().map_err(|_| wrong())?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_with_any_offset_and_shown_in_utc() {
        for (text, shown) in [
            ("2026-02-06T00:00:00+08:00", "2026-02-05T16:00:00.000Z"),
            ("2026-02-05T16:00:00.123Z", "2026-02-05T16:00:00.123Z"),
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
        ] {
            let instant = Instant::try_from(text.to_owned()).expect(text);
            assert_eq!(instant.to_string(), shown);
        }
        for wrong in ["", "2026-02-06", "tomorrow", "1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z"]
        {
            assert!(Instant::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_have_no_months() {
        for (text, ms) in [
            ("P7D", 604_800_000),
            ("PT24H", 86_400_000),
            ("P1W", 604_800_000),
            ("PT0S", 0),
            ("PT1.5S", 1_500),
            ("P1DT1H", 90_000_000),
        ] {
            assert_eq!(Duration::try_from(text.to_owned()), Ok(Duration { ms }), "{text}");
        }
        for wrong in ["", "7D", "P1M", "P1Y", "-P1D", "P", "P9999999D", "P99999999999999999999D"] {
            assert!(Duration::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn days_are_those_of_the_time_zone() {
        let shanghai = day_ms("Asia/Shanghai", "2026-02-06").expect("a day");
        assert_eq!(Instant { ms: shanghai.start }.to_string(), "2026-02-05T16:00:00.000Z");
        assert_eq!(shanghai.end - shanghai.start, 24 * 3_600_000);
        for (day, hours) in [("2026-03-29", 23), ("2026-10-25", 25)] {
            let berlin = day_ms("Europe/Berlin", day).expect("a day");
            assert_eq!(berlin.end - berlin.start, hours * 3_600_000, "{day}");
        }
        for wrong in [
            "",
            "2026-02-30",
            "20260206",
            "2026-2-6",
            "2026-02-06T00:00",
            "1969-12-30",
            "9999-12-31",
        ] {
            assert!(day_ms("UTC", wrong).is_err(), "{wrong}");
        }
        assert!(day_ms("Mars/Olympus", "2026-02-06").is_err());
    }

    #[test]
    fn offsets_follow_the_clock_changes() {
        let berlin = offsets("Europe/Berlin", 1_767_225_600_000, 1_798_761_600_000).expect("known");
        assert_eq!(berlin.iter().map(|offset| offset.minutes).collect::<Vec<_>>(), [60, 120, 60]);
        let shanghai = offsets("Asia/Shanghai", 0, INSTANT_MS_MAX).expect("known");
        assert_eq!(shanghai.last().map(|offset| offset.minutes), Some(480));
        assert!(offsets("Mars/Olympus", 0, 1).is_err());
    }
}
