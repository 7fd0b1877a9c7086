//! Amounts as Stripe counts them (<https://docs.stripe.com/currencies>): in minor units after
//! ISO 4217, with exceptions that cost a hundred times too much if they are overlooked.

use crate::error::RequestError;
use crate::{Currency, Money};

/// Most digits that Stripe takes: eight.
const AMOUNT_MAX: u64 = 99_999_999;

/// Counted by Stripe in other units than by ISO 4217, or not at all: ariary (whole ones at Stripe),
/// krónur and Ugandan shillings (hundredths at Stripe), and what has three or four decimals and is
/// not in [`THREE_DECIMALS`].
const OTHER_UNITS: &[&str] = &["CLF", "IQD", "ISK", "LYD", "MGA", "UGX", "UYW"];

/// Counted in thousandths, the last digit of which must be zero.
const THREE_DECIMALS: &[&str] = &["BHD", "JOD", "KWD", "OMR", "TND"];

/// Whether amounts mean the same at Stripe as here.
pub(super) fn check_currency(currency: Currency) -> Result<(), RequestError> {
    if OTHER_UNITS.contains(&currency.as_str()) { Err(RequestError::Currency) } else { Ok(()) }
}

/// The amount as it is sent.
pub(super) fn check(money: Money) -> Result<u64, RequestError> {
    let currency = money.currency;
    check_currency(currency)?;
    let is_round =
        !THREE_DECIMALS.contains(&currency.as_str()) || money.amount_minor.is_multiple_of(10);
    if !is_round || !(1..=AMOUNT_MAX).contains(&money.amount_minor) {
        return Err(RequestError::Amount);
    }
    Ok(money.amount_minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_as(code: &str, amount_minor: u64, expected: Result<u64, RequestError>) {
        let currency = Currency::new(code).expect("a code");
        assert_eq!(check(Money { amount_minor, currency }), expected, "{amount_minor} {code}");
    }

    #[test]
    fn units_are_those_of_iso_4217_or_refused() {
        for code in ["CNY", "USD", "EUR", "JPY", "KRW", "XOF"] {
            check_as(code, 2_500, Ok(2_500));
            check_as(code, 0, Err(RequestError::Amount));
            check_as(code, 99_999_999, Ok(99_999_999));
            check_as(code, 100_000_000, Err(RequestError::Amount));
        }
        for code in THREE_DECIMALS {
            check_as(code, 2_500, Ok(2_500));
            check_as(code, 2_501, Err(RequestError::Amount));
        }
        for code in OTHER_UNITS {
            check_as(code, 2_500, Err(RequestError::Currency));
        }
    }
}
