//! Asks about webhooks: two names, few events, so that they often meet.

use proptest::prelude::*;

use crate::tests::request;
use crate::types::*;

#[derive(Clone, Debug)]
pub(super) enum WebhookAsk {
    Put { id: u8, document: u8 },
    Remove { id: u8 },
    Replay { id: u8, key: u64, beyond: bool },
    Dead { id: u8, back: u64, index: u32, error: usize },
    Retry { id: u8, key: u64, back: u64, index: u32 },
    Settle { id: u8, back: u64, index: u32 },
}

pub(super) fn webhook_ask() -> impl Strategy<Value = WebhookAsk> {
    let id = || 0..3_u8;
    let index = || 0..2_u32;
    prop_oneof![
        4 => (id(), 0..3_u8).prop_map(|(id, document)| WebhookAsk::Put { id, document }),
        1 => id().prop_map(|id| WebhookAsk::Remove { id }),
        2 => (id(), any::<u64>(), any::<bool>())
            .prop_map(|(id, key, beyond)| WebhookAsk::Replay { id, key, beyond }),
        6 => (id(), 0..4_u64, index(), prop_oneof![9 => Just(3), 1 => Just(0)])
            .prop_map(|(id, back, index, error)| WebhookAsk::Dead { id, back, index, error }),
        4 => (id(), any::<u64>(), 0..6_u64, index())
            .prop_map(|(id, key, back, index)| WebhookAsk::Retry { id, key, back, index }),
        3 => (id(), 0..6_u64, index())
            .prop_map(|(id, back, index)| WebhookAsk::Settle { id, back, index }),
    ]
}

impl WebhookAsk {
    pub(super) fn command(&self, last_seq: u64) -> Command {
        let named = |id: u8| WebhookId::new(["a", "b", "c"][usize::from(id)]).expect("an id");
        // One beyond the end now and then.
        let event = |back: u64, index| EventNo { seq: (last_seq + 1).saturating_sub(back), index };
        match *self {
            Self::Put { id, document } => {
                let len = if document == 2 { WEBHOOK_LEN_MAX + 1 } else { 3 };
                let (id, document) = (named(id), vec![document; len]);
                Command::PutWebhook(Box::new(PutWebhook { id, document }))
            }
            Self::Remove { id } => Command::RemoveWebhook(RemoveWebhook { id: named(id) }),
            Self::Replay { id, key, beyond } => Command::ReplayWebhook(Box::new(ReplayWebhook {
                request: request(key),
                id: named(id),
                after_seq: if beyond { last_seq + 1 } else { last_seq },
            })),
            Self::Dead { id, back, index, error } => {
                let (event, error) = (event(back, index), "e".repeat(error));
                let letter = DeadLetter { event, kind: 1, tries: 3, error };
                Command::RecordDeadLetter(Box::new(RecordDeadLetter { id: named(id), letter }))
            }
            Self::Retry { id, key, back, index } => {
                Command::RetryDeadLetter(Box::new(RetryDeadLetter {
                    request: request(key),
                    id: named(id),
                    event: event(back, index),
                }))
            }
            Self::Settle { id, back, index } => {
                let (id, event) = (named(id), event(back, index));
                Command::SettleDeadLetter(SettleDeadLetter { id, event })
            }
        }
    }
}
