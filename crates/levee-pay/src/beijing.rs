//! Instants as Alipay and WeChat Pay write them: the time of day in Beijing, which is eight hours
//! ahead of UTC all year.

use jiff::civil::DateTime;
use jiff::tz::{TimeZone, offset};
use jiff::{Timestamp, Zoned};

const FORMAT: &str = "%Y-%m-%d %H:%M:%S";
const RFC_3339: &str = "%Y-%m-%dT%H:%M:%S+08:00";

/// Seconds since 1970 as Alipay writes them.
pub(crate) fn write(at_s: u64) -> Option<String> {
    Some(there(at_s)?.strftime(FORMAT).to_string())
}

/// Seconds since 1970 as WeChat Pay writes them.
pub(crate) fn write_rfc_3339(at_s: u64) -> Option<String> {
    Some(there(at_s)?.strftime(RFC_3339).to_string())
}

fn there(at_s: u64) -> Option<Zoned> {
    let instant = Timestamp::from_second(i64::try_from(at_s).ok()?).ok()?;
    Some(instant.to_zoned(TimeZone::fixed(offset(8))))
}

/// Reads what Alipay wrote.
pub(crate) fn read(text: &str) -> Option<u64> {
    let there = DateTime::strptime(FORMAT, text).ok()?;
    let instant = there.to_zoned(TimeZone::fixed(offset(8))).ok()?.timestamp();
    u64::try_from(instant.as_second()).ok()
}

/// Reads what WeChat Pay wrote, with whichever offset.
pub(crate) fn read_rfc_3339(text: &str) -> Option<u64> {
    u64::try_from(text.parse::<Timestamp>().ok()?.as_second()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beijing_is_eight_hours_ahead() {
        for (at_s, text) in [
            (0, "1970-01-01 08:00:00"),
            (1_770_307_200, "2026-02-06 00:00:00"),
            (1_709_222_399, "2024-02-29 23:59:59"),
        ] {
            assert_eq!(write(at_s).as_deref(), Some(text));
            assert_eq!(read(text), Some(at_s));
        }
        for text in ["", "2026-02-30 00:00:00", "2026-02-06", "1969-12-31 00:00:00", "now"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(write(u64::MAX), None);
        let text = write_rfc_3339(1_770_307_200);
        assert_eq!(text.as_deref(), Some("2026-02-06T00:00:00+08:00"));
        assert_eq!(read_rfc_3339("2026-02-06T00:00:00+08:00"), Some(1_770_307_200));
        assert_eq!(read_rfc_3339("2026-02-05T16:00:00.5Z"), Some(1_770_307_200));
        assert_eq!(read_rfc_3339("2026-02-06"), None);
    }
}
