//! Under which number a payment is known, as the rules take it.

use levee_core::types::TradeKey;
use sha2::{Digest, Sha256};

/// The key of a payment's number at a provider. The number is Levee's own id of the payment (`pay_`),
/// under which it is made there: a provider that was never asked, or knows of nothing, can be told
/// of by it as well. Where a provider makes more than one payment under it, the number is the
/// provider's own. Connectors and callbacks use the same.
#[must_use]
pub fn trade_of(payment: &str) -> TradeKey {
    let mut digest = Sha256::new();
    digest.update(b"payment ");
    digest.update(payment.as_bytes());
    let hash: [u8; 32] = digest.finalize().into();
    TradeKey(*hash.first_chunk().expect("32 bytes have 16"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payments_are_told_apart_and_the_key_never_changes() {
        assert_ne!(trade_of("pay_A"), trade_of("pay_B"));
        // Journals hold it.
        assert_eq!(trade_of("pay_A").to_string(), "993dfbb9188304b681a79aa03eeee8b5");
    }
}
