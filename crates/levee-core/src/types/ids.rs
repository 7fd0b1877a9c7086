//! Numbers and keys by which commands name things.
//!
//! Numbers are dense and count from zero, so a number leads to its record without a look-up. They
//! never leave the installation: clients see the codes and ids that the gates make of them.

use alloc::string::String;
use core::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(bytemuck::Pod, bytemuck::Zeroable)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[repr(transparent)]
        pub struct $name(pub u32);

        impl $name {
            /// The number as a place in a table.
            #[must_use]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number!(
    /// A campaign, in the order of creation.
    CampaignNo
);
number!(
    /// A voucher, in the order of issue over all campaigns.
    VoucherNo
);
number!(
    /// A redemption, in the order of redeeming over all campaigns.
    RedemptionNo
);
number!(
    /// A lock on a voucher, in the order of locking over all campaigns.
    LockNo
);
number!(
    /// An outlet, in the order in which they were first put.
    OutletNo
);
number!(
    /// An order, in the order of placing. An order has one payment and one ticket, so it is their
    /// number, too.
    OrderNo
);

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(bytemuck::Pod, bytemuck::Zeroable)]
        #[repr(transparent)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

number!(
    /// A quote, in the order of asking.
    QuoteNo
);

key!(
    /// A user, as the keyed pseudonym that the gate made of the app's `user_id`. Uniformly
    /// distributed, because it is the output of a keyed hash.
    UserKey
);
key!(
    /// One `Idempotency-Key` of one API key, hashed by the gate. Uniformly distributed.
    RequestKey
);
key!(
    /// The number under which a provider knows a payment, hashed by whoever talks to the provider.
    /// It is the same in everything that the provider says of that payment. Uniformly distributed.
    TradeKey
);

/// A brand's or category's name, hashed to 32 bits so that hot commands keep their size.
///
/// Names come from the operator's documents and the app's own orders, not from users; two names of
/// one campaign that collide are refused when the campaign is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct NameHash(pub u32);

impl NameHash {
    /// FNV-1a over the name's bytes, folded to 32 bits (Fowler, Noll, Vo).
    #[must_use]
    pub fn of(name: &str) -> Self {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for byte in name.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let folded = (hash ^ (hash >> 32)) & 0xffff_ffff;
        Self(u32::try_from(folded).expect("masked to 32 bits"))
    }
}

/// The caller's own number for a thing (an order, a transfer), unique per campaign and kind of
/// command. 1 to [`Reference::LEN_MAX`] bytes, which stand in the command itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    len: u8,
    bytes: [u8; Self::LEN_MAX],
}

impl Reference {
    /// Longest reference in bytes; keeps the redemption command within 128 bytes.
    pub const LEN_MAX: usize = 48;

    /// `None` when the text is empty or longer than [`Self::LEN_MAX`] bytes.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let len = u8::try_from(text.len()).ok()?;
        if len == 0 || text.len() > Self::LEN_MAX {
            return None;
        }
        let mut bytes = [0; Self::LEN_MAX];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Some(Self { len, bytes })
    }

    /// The text as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..usize::from(self.len)])
            .expect("made from a string, or checked when decoded")
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Reference {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        pub struct $name(String);

        impl $name {
            /// Longest name in bytes.
            pub const LEN_MAX: usize = 64;

            /// `None` when the text is not `[a-z0-9-]{1,64}`.
            #[must_use]
            pub fn new(text: &str) -> Option<Self> {
                let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
                let fits = (1..=Self::LEN_MAX).contains(&text.len()) && text.bytes().all(letter);
                fits.then(|| Self(text.into()))
            }

            /// The text as given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The operator's name of a campaign: `[a-z0-9-]{1,64}`.
    CampaignId
);
name!(
    /// The operator's name of a webhook: `[a-z0-9-]{1,64}`.
    WebhookId
);
name!(
    /// The operator's name of an outlet: `[a-z0-9-]{1,64}`.
    OutletId
);
