//! Pauses between tries.

use std::time::Duration;

/// Half to the whole of a pause that doubles with each try, up to `longest`, by a number from 0 to 1
/// that is drawn: those who failed together do not come back together. `tries` is 0 for the first pause.
pub(crate) fn pause(first: Duration, longest: Duration, tries: u32, drawn: f64) -> Duration {
    let whole = first.saturating_mul(1 << tries.min(20)).min(longest);
    whole.mul_f64(0.5 + drawn.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let ms = Duration::from_millis;
        for (tries, drawn, expected_ms) in [
            (0, 0.0, 500),
            (0, 1.0, 1_000),
            (1, 1.0, 2_000),
            (1, 0.5, 1_500),
            (4, 0.0, 8_000),
            (9, 1.0, 512_000),
            (10, 1.0, 600_000),
            (u32::MAX, 1.0, 600_000),
            (0, 7.0, 1_000),
        ] {
            let paused = pause(ms(1_000), ms(600_000), tries, drawn);
            assert_eq!(paused, ms(expected_ms), "{tries} {drawn}");
        }
    }
}
