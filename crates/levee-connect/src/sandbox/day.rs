//! Times of the day at which something does not work. A day has 24 hours from its start on, and
//! every day is the same.

use super::draw::whole;

const DAY_MS: u64 = 86_400_000;
const HOUR_MS: f64 = 3_600_000.0;

/// A time of every day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    from_ms: u64,
    until_ms: u64,
}

impl Window {
    pub(super) fn new(from_hour: f64, hours: f64) -> Self {
        Self { from_ms: whole(from_hour * HOUR_MS), until_ms: whole((from_hour + hours) * HOUR_MS) }
    }

    /// When the window that a moment lies in is over; none where it lies in none.
    pub(super) fn over_ms(self, day_starts_at_ms: u64, now_ms: u64) -> Option<u64> {
        // Days before the first one count, too.
        let since = now_ms + DAY_MS - day_starts_at_ms % DAY_MS;
        let of_day = since % DAY_MS;
        let inside = (self.from_ms..self.until_ms).contains(&of_day);
        inside.then(|| now_ms + self.until_ms - of_day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTS_AT_MS: u64 = 1_770_336_000_000;

    #[track_caller]
    fn check(now_ms: u64, over_ms: Option<u64>) {
        let window = Window::new(3.0, 0.2);
        let expected = over_ms.map(|ms| STARTS_AT_MS + ms);
        assert_eq!(window.over_ms(STARTS_AT_MS, now_ms), expected, "{now_ms}");
    }

    #[test]
    fn windows_repeat_every_day() {
        let from = 3 * 3_600_000;
        check(STARTS_AT_MS, None);
        check(STARTS_AT_MS + from - 1, None);
        check(STARTS_AT_MS + from, Some(from + 720_000));
        check(STARTS_AT_MS + from + 719_999, Some(from + 720_000));
        check(STARTS_AT_MS + from + 720_000, None);
        check(STARTS_AT_MS + from + DAY_MS, Some(from + 720_000 + DAY_MS));
        // The day before.
        let before = STARTS_AT_MS - DAY_MS + from;
        let over = Window::new(3.0, 0.2).over_ms(STARTS_AT_MS, before);
        assert_eq!(over, Some(before + 720_000));
        assert_eq!(Window::new(0.0, 0.0).over_ms(STARTS_AT_MS, STARTS_AT_MS), None);
    }
}
