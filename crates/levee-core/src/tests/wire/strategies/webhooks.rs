//! Everything about webhooks.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{id, request, text, user, voucher};
use crate::query::{Answer, Query};
use crate::types::*;

fn webhook_id() -> impl Strategy<Value = WebhookId> {
    "[a-z0-9-]{1,64}".prop_map(|text| WebhookId::new(&text).expect("of this form"))
}

fn event() -> impl Strategy<Value = EventNo> {
    any::<(u64, u32)>().prop_map(|(seq, index)| EventNo { seq, index })
}

fn letter() -> impl Strategy<Value = DeadLetter> {
    (event(), any::<(u8, u32)>(), text()).prop_map(|(event, (kind, tries), error)| DeadLetter {
        event,
        kind,
        tries,
        error,
    })
}

pub(super) fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        (webhook_id(), vec(any::<u8>(), 0..40)).prop_map(|(id, document)| {
            Command::PutWebhook(Box::new(PutWebhook { id, document }))
        }),
        webhook_id().prop_map(|id| Command::RemoveWebhook(RemoveWebhook { id })),
        (request(), webhook_id(), any::<u64>()).prop_map(|(request, id, after_seq)| {
            Command::ReplayWebhook(Box::new(ReplayWebhook { request, id, after_seq }))
        }),
        (webhook_id(), letter()).prop_map(|(id, letter)| {
            Command::RecordDeadLetter(Box::new(RecordDeadLetter { id, letter }))
        }),
        (request(), webhook_id(), event()).prop_map(|(request, id, event)| {
            Command::RetryDeadLetter(Box::new(RetryDeadLetter { request, id, event }))
        }),
        (webhook_id(), event())
            .prop_map(|(id, event)| { Command::SettleDeadLetter(SettleDeadLetter { id, event }) }),
    ]
}

pub(super) fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        any::<u32>().prop_map(|version| Outcome::WebhookPut { version }),
        Just(Outcome::WebhookRemoved),
        Just(Outcome::WebhookReplayed),
        Just(Outcome::DeadLetterRecorded),
        Just(Outcome::DeadLetterRetried),
        Just(Outcome::DeadLetterSettled),
    ]
}

pub(super) fn query() -> impl Strategy<Value = Query> {
    let subject = any::<(u8, u32)>().prop_map(|(kind, number)| match kind % 5 {
        0 => Subject::Voucher(VoucherNo(number)),
        1 => Subject::Redemption(RedemptionNo(number)),
        2 => Subject::Lock(LockNo(number)),
        3 => Subject::Order(OrderNo(number)),
        _ => Subject::Outlet(OutletNo(number)),
    });
    prop_oneof![
        (option::of(webhook_id()), any::<u32>())
            .prop_map(|(after, limit)| Query::Webhooks { after, limit }),
        vec(subject, 0..6).prop_map(Query::Known),
    ]
}

fn voucher_facts() -> impl Strategy<Value = VoucherFacts> {
    (voucher(), user(), id(), any::<u32>()).prop_map(|(voucher, user, campaign, face_minor)| {
        VoucherFacts { voucher, user, campaign, face_minor }
    })
}

fn known() -> impl Strategy<Value = Known> {
    let order = (user(), any::<[u64; 3]>(), option::of(voucher_facts()));
    let order = (order, option::of(super::orders::order_end()));
    prop_oneof![
        Just(Known::Nothing),
        voucher_facts().prop_map(Known::Voucher),
        (voucher_facts(), any::<bool>())
            .prop_map(|(voucher, is_over)| Known::Lock { voucher, is_over }),
        order.prop_map(|((user, [total_minor, discount_minor, payable_minor], voucher), end)| {
            Known::Order(OrderFacts {
                user,
                total_minor,
                discount_minor,
                payable_minor,
                voucher,
                end,
            })
        }),
        webhook_id().prop_map(|id| Known::Outlet(OutletId::new(id.as_str()).expect("as ids are"))),
    ]
}

pub(super) fn answer() -> impl Strategy<Value = Answer> {
    let numbers = any::<(u32, u64, u64)>();
    let webhook = (vec(any::<u8>(), 0..20), vec(letter(), 0..3), numbers);
    let webhook = webhook.prop_map(|(document, dead, (version, created_seq, dead_dropped))| {
        Webhook { document, version, created_seq, dead, dead_dropped }
    });
    prop_oneof![
        vec((webhook_id(), webhook), 0..3).prop_map(Answer::Webhooks),
        vec(known(), 0..4).prop_map(Answer::Known),
    ]
}
