//! Key files.

use levee_pay::{KeyError, PlatformKey, SigningKey, VerifyingKey};

use crate::golden;

#[test]
fn private_keys_come_in_four_forms() {
    for (name, text, expected) in [
        ("PKCS#8", golden!("merchant.pkcs8.pem"), None),
        ("PKCS#1", golden!("merchant.pkcs1.pem"), None),
        ("bare PKCS#8", golden!("merchant.pkcs8.base64.txt"), None),
        ("bare PKCS#1", golden!("merchant.pkcs1.base64.txt"), None),
        ("nothing", "", Some(KeyError::NoKey)),
        ("words", "my private key!", Some(KeyError::NoKey)),
        ("a public key", golden!("merchant.public.pem"), Some(KeyError::OtherKind)),
        ("a certificate", golden!("provider.certificate.pem"), Some(KeyError::OtherKind)),
        ("a bare public key", golden!("merchant.public.base64.txt"), Some(KeyError::NotRsa)),
        ("1024 bits", golden!("short.pkcs8.pem"), Some(KeyError::NotRsa)),
        ("a curve", golden!("curve.pkcs8.pem"), Some(KeyError::NotRsa)),
        (
            "two",
            concat!(golden!("merchant.pkcs8.pem"), golden!("merchant.pkcs1.pem")),
            Some(KeyError::TwoKeys),
        ),
    ] {
        assert_eq!(SigningKey::from_text(text).err(), expected, "{name}");
    }
    let key = SigningKey::from_text(golden!("merchant.pkcs8.pem")).expect("a key");
    assert_eq!(format!("{key:?}"), "SigningKey { .. }");
}

#[test]
fn public_keys_come_in_three_forms() {
    for (name, text, expected) in [
        ("SPKI", golden!("provider.public.pem"), Ok(None)),
        ("bare SPKI", golden!("provider.public.base64.txt"), Ok(None)),
        (
            "a certificate",
            golden!("provider.certificate.pem"),
            Ok(Some("B6F2A1900000000000000000000000000C0FFEE")),
        ),
        ("nothing", "", Err(KeyError::NoKey)),
        ("a private key", golden!("provider.pkcs8.pem"), Err(KeyError::OtherKind)),
        ("a bare private key", golden!("provider.pkcs8.base64.txt"), Err(KeyError::NotRsa)),
        ("1024 bits", golden!("short.public.pem"), Err(KeyError::NotRsa)),
        ("a curve", golden!("curve.public.pem"), Err(KeyError::NotRsa)),
        (
            "two",
            concat!(golden!("provider.public.pem"), golden!("provider.certificate.pem")),
            Err(KeyError::TwoKeys),
        ),
    ] {
        let key = VerifyingKey::from_text(text);
        assert_eq!(key.as_ref().map(VerifyingKey::serial), expected.as_ref().copied(), "{name}");
    }
}

#[test]
fn a_damaged_key_is_none() {
    let good = golden!("provider.public.base64.txt");
    VerifyingKey::from_text(good).expect("a key");
    // Whatever the file has lost, it is refused and nothing panics.
    for len in 0..good.len() {
        assert!(VerifyingKey::from_text(&good[..len]).is_err(), "{len}");
    }
    let private = golden!("merchant.pkcs8.base64.txt");
    for len in 0..private.len() {
        assert!(SigningKey::from_text(&private[..len]).is_err(), "{len}");
    }
}

#[test]
fn a_platform_key_has_a_name() {
    let public = golden!("provider.public.pem");
    assert_eq!(PlatformKey::from_text(public, None).err(), Some(KeyError::NoId));
    PlatformKey::from_text(public, Some("PUB_KEY_ID_01")).expect("a key and its name");
    PlatformKey::from_text(golden!("provider.certificate.pem"), None).expect("named inside");
}
