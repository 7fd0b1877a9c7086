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

    /// Digits behind the point, after ISO 4217.
    pub(crate) fn decimals(self) -> u32 {
        match self.as_str() {
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF"
            | "UGX" | "UYI" | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            "CLF" | "UYW" => 4,
            _ => 2,
        }
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
    parse_decimal(text, 2)
}

/// The same with so many digits behind the point at most; zeros may follow.
pub(crate) fn parse_decimal(text: &str, decimals: u32) -> Option<u64> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(rest) {
        return None;
    }
    let rest = rest.trim_end_matches('0');
    let missing = decimals.checked_sub(u32::try_from(rest.len()).ok()?)?;
    let rest = if rest.is_empty() { 0 } else { rest.parse::<u64>().ok()? * 10_u64.pow(missing) };
    whole.parse::<u64>().ok()?.checked_mul(10_u64.pow(decimals))?.checked_add(rest)
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
            "", ".", "1.", ".5", "1.234", "1.001", "-1.00", "+1.00", "1e2", "1,00", "1.0.0",
            " 1.00", "٣.00",
        ] {
            assert_eq!(parse_hundredths(text), None, "{text}");
        }
        assert_eq!(parse_hundredths("184467440737095516.16"), None);
        for (text, decimals, minor) in [
            ("1200", 0, Some(1_200)),
            ("1200.00", 0, Some(1_200)),
            ("1200.50", 0, None),
            ("1.5", 3, Some(1_500)),
            ("1.500000", 2, Some(150)),
            ("1.0005", 3, None),
        ] {
            assert_eq!(parse_decimal(text, decimals), minor, "{text} with {decimals}");
        }
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
