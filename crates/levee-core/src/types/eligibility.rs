//! Who may claim: conditions over attributes that the app states in the claim.
//!
//! A gate turns the stated attributes into one bit a condition ([`Eligibility::met`]), so that a
//! claim stays small; the rules decide over the bits. A claim names the version of the terms that
//! its bits were made with, and the rules refuse bits of another version.

use alloc::string::String;
use alloc::vec::Vec;

/// What one attribute must be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Test {
    /// A dotted version number not lower than this one: `6.10` is higher than `6.9`.
    AtLeast(String),
    /// One of these texts, byte for byte.
    OneOf(Vec<String>),
}

/// One condition over one attribute; an attribute that is not stated does not meet it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Condition {
    /// The attribute's name.
    pub attribute: String,
    /// What it must be.
    pub test: Test,
}

/// All conditions of a campaign; every one must hold. Empty: everyone may claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Eligibility {
    /// At most [`Self::CONDITIONS_MAX`].
    pub all: Vec<Condition>,
}

impl Eligibility {
    /// As many conditions as a claim has bits for.
    pub const CONDITIONS_MAX: usize = 16;

    /// One bit a condition, the first condition in the lowest bit, given a look-up by name.
    #[must_use]
    pub fn met<'a>(&self, attribute: impl Fn(&str) -> Option<&'a str>) -> u16 {
        self.all.iter().enumerate().fold(0, |bits, (place, condition)| {
            let holds =
                attribute(&condition.attribute).is_some_and(|value| match &condition.test {
                    Test::AtLeast(least) => version_at_least(value, least),
                    Test::OneOf(texts) => texts.iter().any(|text| text == value),
                });
            bits | (u16::from(holds) << place)
        })
    }

    /// Whether bits made by [`Self::met`] say that every condition holds.
    #[must_use]
    pub fn all_met(&self, bits: u16) -> bool {
        self.all.iter().enumerate().all(|(place, _)| bits >> place & 1 == 1)
    }
}

/// Compares dotted version numbers part by part; missing parts count as 0. Anything that is not
/// digits and dots is never at least anything.
fn version_at_least(value: &str, least: &str) -> bool {
    let Some(mut value) = parts(value) else { return false };
    let Some(mut least) = parts(least) else { return false };
    let len = value.len().max(least.len());
    value.resize(len, 0);
    least.resize(len, 0);
    value >= least
}

pub(super) fn parts(version: &str) -> Option<Vec<u64>> {
    version
        .split('.')
        .map(|part| {
            let digits = part.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_part() {
        for (value, least, expected) in [
            ("6.0", "6.0", true),
            ("6", "6.0", true),
            ("6.10", "6.9", true),
            ("5.99.99", "6", false),
            ("6.0.1", "6.0", true),
            ("6.0-beta", "6.0", false),
            ("", "6.0", false),
            ("99999999999999999999999", "6", false),
        ] {
            assert_eq!(version_at_least(value, least), expected, "{value} at least {least}");
        }
    }
}
