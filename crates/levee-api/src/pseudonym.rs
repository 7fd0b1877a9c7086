//! From the app's `user_id` to a keyed pseudonym: no raw user id ever enters the engine or the
//! journal, and without the key nobody can tell whose a pseudonym is.

use hmac::{Hmac, KeyInit, Mac};
use levee_core::types::{RequestKey, UserKey};
use sha2::{Digest, Sha256};

/// The installation's key, with its HMAC state ready.
#[derive(Clone)]
pub struct PseudonymKey(Hmac<Sha256>);

impl PseudonymKey {
    /// From the key's 32 bytes.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// HMAC-SHA256 of the id, cut to 128 bits.
    #[must_use]
    pub fn of(&self, user_id: &str) -> UserKey {
        let mut mac = self.0.clone();
        mac.update(user_id.as_bytes());
        UserKey(*mac.finalize().into_bytes().first_chunk().expect("32 bytes have 16"))
    }
}

/// Which key a journal was made with, without telling the key.
#[must_use]
pub fn fingerprint(purpose: &str, key: &[u8; 32]) -> [u8; 16] {
    let digest = Sha256::new().chain_update(purpose).chain_update(key).finalize();
    *digest.first_chunk().expect("32 bytes have 16")
}

/// The engine's key of one `Idempotency-Key`: keys of different API keys never meet.
#[must_use]
pub fn request_key(api_key_id: &str, idempotency_key: &str) -> RequestKey {
    let digest = Sha256::new()
        .chain_update(api_key_id.len().to_le_bytes())
        .chain_update(api_key_id)
        .chain_update(idempotency_key)
        .finalize();
    RequestKey(*digest.first_chunk().expect("32 bytes have 16"))
}
