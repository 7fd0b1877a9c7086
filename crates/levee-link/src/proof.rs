//! How gate and engine prove to each other that they know the shared key, without telling it.
//!
//! Each side names a random number; a proof is an HMAC over both and the side's name, so that it
//! holds for this one connection and this one direction.

use std::fmt;
use std::io;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A random number of one connection.
pub(crate) type Nonce = [u8; 16];

/// What both sides must know. Never shown.
#[derive(Clone)]
pub struct SharedKey(Hmac<Sha256>);

/// A key that is none.
#[derive(Debug, thiserror::Error)]
#[error("a shared key has 32 to 1024 bytes, this one has {0}")]
pub struct SharedKeyError(usize);

impl SharedKey {
    /// Shorter ones could be guessed.
    pub const LEN_MIN: usize = 32;
    /// Longer ones are another file.
    pub const LEN_MAX: usize = 1_024;

    /// From a file's text; white space around it does not count.
    ///
    /// # Errors
    /// It is too short or too long.
    pub fn new(text: &[u8]) -> Result<Self, SharedKeyError> {
        let text = text.trim_ascii();
        if !(Self::LEN_MIN..=Self::LEN_MAX).contains(&text.len()) {
            return Err(SharedKeyError(text.len()));
        }
        Ok(Self::of(text))
    }

    /// Where the socket's folder is the protection, both sides know the empty key.
    pub(crate) fn none() -> Self {
        Self::of(&[])
    }

    fn of(text: &[u8]) -> Self {
        Self(Hmac::new_from_slice(text).expect("HMAC takes keys of any length"))
    }

    pub(crate) fn prove(&self, side: Side, nonces: &Nonces) -> [u8; 32] {
        self.mac(side, nonces).finalize().into_bytes().into()
    }

    /// Whether the other side knows the key; takes the same time whatever is wrong.
    pub(crate) fn holds(&self, side: Side, nonces: &Nonces, proof: &[u8; 32]) -> bool {
        self.mac(side, nonces).verify_slice(proof).is_ok()
    }

    fn mac(&self, side: Side, nonces: &Nonces) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(match side {
            Side::Gate => b"levee link 1: gate",
            Side::Engine => b"levee link 1: engine",
        });
        mac.update(&nonces.gate);
        mac.update(&nonces.engine);
        mac
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey(..)")
    }
}

/// Whose proof it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Gate,
    Engine,
}

/// Both sides' random numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nonces {
    pub(crate) gate: Nonce,
    pub(crate) engine: Nonce,
}

pub(crate) fn nonce() -> io::Result<Nonce> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(io::Error::other)?;
    Ok(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_holds_for_one_key_one_side_and_one_connection() {
        let key = SharedKey::new(&[b'k'; 32]).expect("long enough");
        let nonces = Nonces { gate: [1; 16], engine: [2; 16] };
        let proof = key.prove(Side::Gate, &nonces);
        assert!(key.holds(Side::Gate, &nonces, &proof));
        assert!(!key.holds(Side::Engine, &nonces, &proof));
        assert!(!key.holds(Side::Gate, &Nonces { gate: [2; 16], engine: [1; 16] }, &proof));
        let other = SharedKey::new(&[b'l'; 32]).expect("long enough");
        assert!(!other.holds(Side::Gate, &nonces, &proof));
        assert!(!SharedKey::none().holds(Side::Gate, &nonces, &proof));
    }

    #[test]
    fn a_key_is_never_shown_and_never_short() {
        let key = SharedKey::new(b" 0123456789abcdef0123456789abcdef\n").expect("long enough");
        assert_eq!(format!("{key:?}"), "SharedKey(..)");
        let error = SharedKey::new(b"0123456789abcdef0123456789abcde\n").expect_err("too short");
        assert_eq!(error.to_string(), "a shared key has 32 to 1024 bytes, this one has 31");
    }
}
