//! What Levee and outlets' systems, and Levee and payment providers, say to each other as JSON.
//!
//! Ids are those of Levee: `tkt_`, `ord_`, `pay_` and what follows. Outlets' systems are asked under
//! the address that the outlet's document names; what they answer is signed the same way
//! ([`levee_api::webhook`]).

pub mod pay;
pub mod pos;

/// Longest id of a ticket, an order, an outlet, a payment or a vendor, in bytes.
pub const ID_LEN_MAX: usize = 64;

/// Whether a text may be such an id: 1 to [`ID_LEN_MAX`] letters, digits, dashes and underscores,
/// so that it can stand in a path as it is.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=ID_LEN_MAX).contains(&text.len()) && text.bytes().all(plain)
}
