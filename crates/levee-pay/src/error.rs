//! What can be wrong: with a request before it is sent, with an answer, with a notification. Each
//! reason is a variant of its own, so that it can be counted.

#[cfg(doc)]
use crate::Order;

/// Why a request cannot be made. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A number of ours has another form than [`Order::out_trade_no`] says.
    #[error("numbers of payments and refunds are 6 to 32 letters, digits and underscores")]
    Number,
    /// The provider does not take this currency, or counts it in other units than ISO 4217.
    #[error("the provider does not take this currency")]
    Currency,
    /// Zero, more than the provider takes, or more back than was paid.
    #[error("the provider does not take this amount")]
    Amount,
    /// Empty, or longer than 40 characters, or with control characters.
    #[error("subject and reason have 1 to 40 characters")]
    Text,
    /// The provider must be told its own number, and it is not known: make the payment again under
    /// the same number of ours, which says it.
    #[error("the provider's own number is needed")]
    TradeNumber,
    /// The notify address, or a time, is none that can be written.
    #[error("an address or a time cannot be written")]
    Unwritable,
}

/// Why a message is not taken for the provider's, or not for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// A header or a field is missing, there twice, or not what the provider documents.
    #[error("{0} is missing or malformed")]
    Malformed(&'static str),
    /// No key or secret of the configuration made the signature over these bytes. Where signatures
    /// do not name their key (Alipay, Stripe), that covers foreign keys as well.
    #[error("the signature does not match")]
    Tampered,
    /// Signed too long ago, or by a clock that is wrong: a copy, maybe.
    #[error("the time in it is too far from this server's clock")]
    TooOld,
    /// The signature names a key that is not configured: the provider has changed keys, maybe.
    #[error("it is signed with a key that is not configured")]
    UnknownKey,
    /// WeChat Pay tests now and then whether wrong signatures are refused. No reason for alarm.
    #[error("it is a probe with a wrong signature")]
    Probe,
    /// Genuine, and meant for another app, or for test mode where this is live.
    #[error("it is about another app")]
    WrongApp,
    /// Genuine, and meant for another merchant.
    #[error("it is about another merchant")]
    WrongMerchant,
    /// Genuine, and what is encrypted in it opens with none of the keys.
    #[error("it cannot be decrypted")]
    Undecryptable,
}

impl Distrust {
    /// A short word for each, for counters.
    pub const NAMES: [&str; 8] = [
        "malformed",
        "tampered",
        "too_old",
        "unknown_key",
        "probe",
        "wrong_app",
        "wrong_merchant",
        "undecryptable",
    ];

    /// Its place in [`Self::NAMES`].
    #[must_use]
    pub fn place(self) -> usize {
        match self {
            Self::Malformed(_) => 0,
            Self::Tampered => 1,
            Self::TooOld => 2,
            Self::UnknownKey => 3,
            Self::Probe => 4,
            Self::WrongApp => 5,
            Self::WrongMerchant => 6,
            Self::Undecryptable => 7,
        }
    }

    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES[self.place()]
    }
}

/// Why an answer says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// It may not be the provider's.
    #[error(transparent)]
    Distrust(#[from] Distrust),
    /// It is about another payment, refund or amount.
    #[error("it is about another payment or refund")]
    OtherTrade,
    /// The provider does not do this; `code` is its own word, for people. What it was about is asked
    /// for again.
    #[error("refused with {code}: {message}")]
    Refused {
        /// The most exact code that it gives.
        code: String,
        /// Its text.
        message: String,
    },
    /// A refusal of a provider that signs its answers, without a good signature. Alipay and WeChat Pay
    /// leave those unsigned of requests that they could not read or verify; and anybody on the way
    /// could say so. Nothing follows from it; the code is for people, as a key may be wrong.
    #[error("refused without a good signature ({distrust}), with {code}: {message}")]
    Unsigned {
        /// What is wrong with the signature.
        distrust: Distrust,
        /// The most exact code that it gives.
        code: String,
        /// Its text.
        message: String,
    },
}

/// Why a notification is not handled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotifyError {
    /// It may not be the provider's, or is not for us. Answered with 401 and nothing else.
    #[error(transparent)]
    Distrust(#[from] Distrust),
    /// Genuine, and about something that nobody here waits for, such as a payment of other software
    /// in the same account. Answered as if it had been handled, or it would come for days.
    #[error("it is about something else: {0}")]
    OtherEvent(String),
}

impl NotifyError {
    /// A short word for counters.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Distrust(distrust) => distrust.name(),
            Self::OtherEvent(_) => "other_event",
        }
    }
}
