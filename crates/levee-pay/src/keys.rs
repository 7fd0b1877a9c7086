//! Keys from files: RSA keys that sign and verify, in the forms in which providers hand them out.
//!
//! | file | holds |
//! |---|---|
//! | `BEGIN PRIVATE KEY` | PKCS#8: what WeChat Pay's certificate tool and `openssl genpkey` write |
//! | `BEGIN RSA PRIVATE KEY` | PKCS#1 |
//! | `BEGIN PUBLIC KEY` | a `SubjectPublicKeyInfo` |
//! | `BEGIN CERTIFICATE` | X.509; only its key and its serial number are used |
//! | base64 alone | as Alipay's page and key tool show it: PKCS#8, PKCS#1, or a public key |
//!
//! Certificates name a key and prove nothing here: an operator chose the file.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use rustls_pki_types::pem::{PemObject, SectionKind};

use crate::der;

/// What a key file must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is none, or it is in none of the forms.
    #[error("there is no key in PEM or base64")]
    NoKey,
    /// There is a second one: which is meant would be a guess.
    #[error("there is more than one key; give each a file of its own")]
    TwoKeys,
    /// A public one where a private one is needed, or the other way round.
    #[error("it is a key of another kind")]
    OtherKind,
    /// It is not RSA, or has less than 2048 or more than 4096 bits, or is damaged.
    #[error("it is no RSA key of 2048 to 4096 bits")]
    NotRsa,
    /// A public key has no number of its own, and the provider names keys by number.
    #[error("a public key needs the id under which the provider names it")]
    NoId,
}

/// The one section of a file; base64 alone is a section without a kind.
fn section(text: &str) -> Result<(Option<SectionKind>, Vec<u8>), KeyError> {
    let mut sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes());
    if let Some(first) = sections.next() {
        let (kind, der) = first.map_err(|_| KeyError::NoKey)?;
        return if sections.next().is_none() {
            Ok((Some(kind), der))
        } else {
            Err(KeyError::TwoKeys)
        };
    }
    let bare: String = text.split_ascii_whitespace().collect();
    let der = STANDARD.decode(bare).map_err(|_| KeyError::NoKey)?;
    if der.is_empty() { Err(KeyError::NoKey) } else { Ok((None, der)) }
}

/// A private key, which signs what we send. SHA-256 with RSA PKCS#1 v1.5 throughout: both Alipay's
/// `RSA2` and WeChat Pay's `SHA256-RSA2048` are that.
pub struct SigningKey(RsaKeyPair);

impl fmt::Debug for SigningKey {
    /// Never shows the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").finish_non_exhaustive()
    }
}

impl SigningKey {
    /// From the text of a key file.
    ///
    /// # Errors
    /// It holds no private RSA key, or more than one.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let (kind, der) = section(text)?;
        let pair = match kind {
            Some(SectionKind::PrivateKey) => RsaKeyPair::from_pkcs8(&der),
            Some(SectionKind::RsaPrivateKey) => RsaKeyPair::from_der(&der),
            None => RsaKeyPair::from_pkcs8(&der).or_else(|_| RsaKeyPair::from_der(&der)),
            Some(_) => return Err(KeyError::OtherKind),
        };
        pair.map(Self).map_err(|_| KeyError::NotRsa)
    }

    /// A signature in base64. The same message has the same signature: randomness only hides the
    /// key from whoever measures how long this takes.
    pub(crate) fn sign(&self, message: &[u8]) -> String {
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .expect("the buffer has the length of the key, and systems have randomness");
        STANDARD.encode(signature)
    }
}

/// A public key of a provider's.
#[derive(Clone)]
pub struct VerifyingKey {
    /// The serial number of its certificate, if it came in one.
    serial: Option<String>,
    key: UnparsedPublicKey<Vec<u8>>,
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("serial", &self.serial).finish_non_exhaustive()
    }
}

impl VerifyingKey {
    /// From the text of a key file or of a certificate.
    ///
    /// # Errors
    /// It holds no public RSA key, or more than one.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let (kind, der) = section(text)?;
        let (serial, key) = match kind {
            Some(SectionKind::PublicKey) | None => (None, der::rsa_key(&der)),
            Some(SectionKind::Certificate) => match der::certificate(&der) {
                Some((serial, key)) => (Some(serial), Some(key)),
                None => (None, None),
            },
            Some(_) => return Err(KeyError::OtherKind),
        };
        let key = key.ok_or(KeyError::NotRsa)?;
        check_bits(key)?;
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.to_vec());
        Ok(Self { serial, key })
    }

    /// The serial number of its certificate in capital hex digits, if it came in one.
    #[must_use]
    pub fn serial(&self) -> Option<&str> {
        self.serial.as_deref()
    }

    /// Whether a signature in base64 is this key's over this message.
    pub(crate) fn verifies(&self, message: &[u8], signature: &str) -> bool {
        let signature = STANDARD.decode(signature);
        signature.is_ok_and(|signature| self.key.verify(message, &signature).is_ok())
    }
}

/// Providers use 2048 bits; what is no key or too short a one is noticed at the start and not with
/// the first payment.
fn check_bits(key: &[u8]) -> Result<(), KeyError> {
    let len = der::modulus(key).map(<[u8]>::len).ok_or(KeyError::NotRsa)?;
    if (256..=512).contains(&len) { Ok(()) } else { Err(KeyError::NotRsa) }
}
