//! Numbers with decimals that are kept exactly: work in thousandths, places in ten-millionths of a
//! degree.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number with up to three decimals, from `LEAST` to `MOST` thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal<const LEAST: u32, const MOST: u32>(u32);

impl<const LEAST: u32, const MOST: u32> Decimal<LEAST, MOST> {
    /// `None` when it is out of bounds.
    #[must_use]
    pub fn of_thousandths(thousandths: u32) -> Option<Self> {
        (LEAST..=MOST).contains(&thousandths).then_some(Self(thousandths))
    }

    /// In thousandths.
    #[must_use]
    pub fn thousandths(self) -> u32 {
        self.0
    }
}

/// A number of thousandths as it is written.
fn shown(thousandths: u32) -> f64 {
    f64::from(thousandths) / 1_000.0
}

impl<const LEAST: u32, const MOST: u32> Serialize for Decimal<LEAST, MOST> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(shown(self.0))
    }
}

impl<'de, const LEAST: u32, const MOST: u32> Deserialize<'de> for Decimal<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        let thousandths = (number * 1_000.0).round();
        let is_within = (f64::from(LEAST)..=f64::from(MOST)).contains(&thousandths);
        // What has no more than three decimals is the number next to its thousandths.
        #[expect(clippy::float_cmp, reason = "both are the nearest number to the same decimals")]
        let is_exact = is_within && thousandths / 1_000.0 == number;
        if !is_exact {
            return Err(D::Error::custom(format!(
                "{number} is no number from {} to {} with at most three decimals",
                shown(LEAST),
                shown(MOST)
            )));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
        Ok(Self(thousandths as u32))
    }
}

impl<const LEAST: u32, const MOST: u32> JsonSchema for Decimal<LEAST, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Decimal{LEAST}To{MOST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "number", "minimum": shown(LEAST), "maximum": shown(MOST), "multipleOf": 0.001,
        })
    }
}

/// An angle of up to `MOST` degrees either way, rounded to ten-millionths of a degree: about a
/// centimetre on the ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Degrees<const MOST: i32>(i32);

/// So many parts make a degree.
const PARTS: f64 = 1e7;

impl<const MOST: i32> Degrees<MOST> {
    /// `None` when it is out of bounds, or no number.
    #[must_use]
    pub fn new(degrees: f64) -> Option<Self> {
        let most = f64::from(MOST);
        #[expect(clippy::cast_possible_truncation, reason = "180e7 is within 32 bits")]
        (-most..=most).contains(&degrees).then(|| Self((degrees * PARTS).round() as i32))
    }

    /// In degrees.
    #[must_use]
    pub fn degrees(self) -> f64 {
        f64::from(self.0) / PARTS
    }
}

impl<const MOST: i32> Serialize for Degrees<MOST> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.degrees())
    }
}

impl<'de, const MOST: i32> Deserialize<'de> for Degrees<MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let degrees = f64::deserialize(deserializer)?;
        Self::new(degrees)
            .ok_or_else(|| D::Error::custom(format!("{degrees} is not within -{MOST} to {MOST}")))
    }
}

impl<const MOST: i32> JsonSchema for Degrees<MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Degrees{MOST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "number", "minimum": -MOST, "maximum": MOST})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a number of work; expects its thousandths and how it is written again.
    #[track_caller]
    fn check(text: &str, expected: Option<(u32, &str)>) {
        let read: Option<Decimal<1, 100_000>> = serde_json::from_str(text).ok();
        let written = read.map(|read| serde_json::to_string(&read).expect("a number"));
        let got = read.map(Decimal::thousandths).zip(written);
        let expected = expected.map(|(thousandths, text)| (thousandths, text.to_owned()));
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn work_has_three_decimals() {
        check("1", Some((1_000, "1.0")));
        check("1.0", Some((1_000, "1.0")));
        check("0.001", Some((1, "0.001")));
        check("0.333", Some((333, "0.333")));
        check("100", Some((100_000, "100.0")));
        check("99.999", Some((99_999, "99.999")));
        for wrong in ["0", "0.0001", "0.3335", "100.001", "-1", "1e300", "\"1\"", "null"] {
            check(wrong, None);
        }
    }

    #[test]
    fn every_thousandth_is_read_as_it_was_written() {
        for thousandths in 1..=100_000 {
            let decimal = Decimal::<1, 100_000>::of_thousandths(thousandths).expect("within");
            let text = serde_json::to_string(&decimal).expect("a number");
            assert_eq!(serde_json::from_str::<Decimal<1, 100_000>>(&text).ok(), Some(decimal));
        }
    }

    #[test]
    fn places_are_kept_to_a_centimetre() {
        for (text, written) in [
            ("31.2304", Some("31.2304")),
            ("-0.00000004", Some("0.0")),
            ("121.473701234", Some("121.4737012")),
            ("180", Some("180.0")),
            ("180.0000001", None),
            ("-181", None),
        ] {
            let read: Option<Degrees<180>> = serde_json::from_str(text).ok();
            let got = read.map(|read| serde_json::to_string(&read).expect("a number"));
            assert_eq!(got.as_deref(), written, "{text}");
        }
    }
}
