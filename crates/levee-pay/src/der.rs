//! As much of DER as finds the RSA key in a public key or in a certificate. Files that an operator
//! put there are read with it, never anything that came over a connection.

/// Types of values.
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// `rsaEncryption`, 1.2.840.113549.1.1.1.
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// What is left to be read.
struct Reader<'d>(&'d [u8]);

impl<'d> Reader<'d> {
    /// The type and content of the next value, which has a definite length below 16 MiB.
    fn any(&mut self) -> Option<(u8, &'d [u8])> {
        let (&kind, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut len = usize::from(first);
        if first >= 0x80 {
            let count = usize::from(first & 0x7f);
            if !(1..=3).contains(&count) {
                return None;
            }
            let (bytes, after) = rest.split_at_checked(count)?;
            len = bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
            rest = after;
        }
        let (content, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((kind, content))
    }

    fn next(&mut self, kind: u8) -> Option<&'d [u8]> {
        self.any().filter(|(found, _)| *found == kind).map(|(_, content)| content)
    }
}

/// The PKCS#1 `RSAPublicKey` inside a `SubjectPublicKeyInfo` (RFC 5280, 4.1); none where it is
/// something else, or has something behind it.
pub(crate) fn rsa_key(spki: &[u8]) -> Option<&[u8]> {
    let mut outer = Reader(spki);
    let key = rsa_key_in(outer.next(SEQUENCE)?)?;
    outer.0.is_empty().then_some(key)
}

fn rsa_key_in(spki: &[u8]) -> Option<&[u8]> {
    let mut spki = Reader(spki);
    if Reader(spki.next(SEQUENCE)?).next(OBJECT_ID)? != RSA_ENCRYPTION {
        return None;
    }
    // The count of unused bits comes first.
    spki.next(BIT_STRING)?.strip_prefix(&[0])
}

/// The modulus of a PKCS#1 `RSAPublicKey`, without zeros in front.
pub(crate) fn modulus(key: &[u8]) -> Option<&[u8]> {
    let modulus = Reader(Reader(key).next(SEQUENCE)?).next(INTEGER)?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    Some(&modulus[zeros..])
}

/// The serial number, in capital hex digits without zeros in front, and the RSA key of an X.509
/// certificate.
pub(crate) fn certificate(der: &[u8]) -> Option<(String, &[u8])> {
    let mut signed = Reader(Reader(der).next(SEQUENCE)?);
    let mut body = Reader(signed.next(SEQUENCE)?);
    body.next(VERSION)?;
    let serial: String = body.next(INTEGER)?.iter().map(|byte| format!("{byte:02X}")).collect();
    // Signature algorithm, issuer, validity, subject.
    for _ in 0..4 {
        body.next(SEQUENCE)?;
    }
    let key = rsa_key_in(body.next(SEQUENCE)?)?;
    Some((serial.trim_start_matches('0').to_owned(), key))
}
