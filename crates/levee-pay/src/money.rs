//! Amounts: integers of the smallest unit, and the decimals that Alipay wants, without floating
//! point on the way.

use std::fmt;

/// An ISO 4217 code: three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Renminbi, of which one minor unit is a fen.
    pub const CNY: Self = Self(*b"CNY");

    /// Reads `CNY` or, as Stripe writes it, `cny`; anything but three letters is none.
    #[must_use]
    pub fn new(code: &str) -> Option<Self> {
        let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
        let is_letters = bytes.iter().all(u8::is_ascii_alphabetic);
        is_letters.then(|| Self(bytes.map(|byte| byte.to_ascii_uppercase())))
    }

    /// The three letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("letters")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    /// In minor units after ISO 4217: fen, cents; yen where there is nothing smaller.
    pub amount_minor: u64,
    /// Of what.
    pub currency: Currency,
}

impl Money {
    /// So many fen.
    #[must_use]
    pub fn fen(amount_minor: u64) -> Self {
        Self { amount_minor, currency: Currency::CNY }
    }
}

/// Hundredths with a decimal point, `12.34`.
pub(crate) fn hundredths(amount_minor: u64) -> String {
    format!("{}.{:02}", amount_minor / 100, amount_minor % 100)
}

/// Reads `12`, `12.3` or `12.34`. A sign, a third digit behind the point, an exponent, or an amount
/// beyond `u64` is none.
pub(crate) fn parse_hundredths(text: &str) -> Option<u64> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, "00"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(rest) || rest.len() > 2 {
        return None;
    }
    let tenths = if rest.len() == 1 { 10 } else { 1 };
    let rest: u64 = rest.parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(rest * tenths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        for (text, minor) in [
            ("0.01", 1),
            ("0.10", 10),
            ("1.00", 100),
            ("12.34", 1_234),
            ("88.88", 8_888),
            // One more than a double can tell from its neighbour.
            ("90071992547409.93", 9_007_199_254_740_993),
            ("184467440737095516.15", u64::MAX),
        ] {
            assert_eq!(hundredths(minor), text);
            assert_eq!(parse_hundredths(text), Some(minor), "{text}");
        }
        for (text, minor) in [("12", Some(1_200)), ("12.3", Some(1_230)), ("007.5", Some(750))] {
            assert_eq!(parse_hundredths(text), minor, "{text}");
        }
        for text in [
            "", ".", "1.", ".5", "1.234", "-1.00", "+1.00", "1e2", "1,00", "1.0.0", " 1.00", "٣.00",
        ] {
            assert_eq!(parse_hundredths(text), None, "{text}");
        }
        assert_eq!(parse_hundredths("184467440737095516.16"), None);
    }

    #[test]
    fn a_currency_is_three_letters() {
        assert_eq!(Currency::new("cny"), Some(Currency::CNY));
        assert_eq!(Currency::new("CNY").map(|currency| currency.to_string()), Some("CNY".into()));
        for wrong in ["", "CN", "CNYY", "C1Y", "156", "€€€", "é1"] {
            assert_eq!(Currency::new(wrong), None, "{wrong}");
        }
    }
}
