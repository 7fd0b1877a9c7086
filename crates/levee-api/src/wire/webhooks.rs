//! Webhooks and their dead letters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hook::{EventKind, HookDocument};

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct WebhookBody {
    /// The operator's name for it.
    pub id: String,
    /// Counts up with every replaced document; the `ETag`.
    pub version: u32,
    /// It is told of what came after this `seq`.
    pub created_seq: u64,
    /// As given, without the secret.
    pub document: HookDocument,
    /// Dead letters on its list.
    pub dead: u64,
    /// Dead letters that the list had no room for; a replay still has them delivered.
    pub dead_dropped: u64,
    /// In replies to writes that changed something: the place in the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// A webhook that is no more.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct WebhookRemovedBody {
    /// Which.
    pub id: String,
    /// The place in the journal.
    pub seq: u64,
}

/// An event that could not be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct DeadLetterBody {
    /// Its `webhook-id`.
    pub message: String,
    /// The command that it came of.
    pub seq: u64,
    /// What it is of; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventKind>,
    /// What came of the last try.
    pub error: String,
    /// How often it was sent; 0 where it was given up for others before its turn came.
    pub tries: u32,
}

/// Has events delivered again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// All that came after this `seq`, and no later than the request; 0: all since the webhook was made.
    /// Refused where archived entries that it needs were deleted.
    pub after_seq: u64,
}

/// Has a dead letter delivered again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedeliverRequest {
    /// As the list of dead letters has it.
    pub message: String,
}

/// Events are on their way again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct ReplayBody {
    /// Of which webhook.
    pub id: String,
    /// The place in the journal; a replay goes up to here.
    pub seq: u64,
}
