//! Routes of webhooks.

use hyper::Method;
use levee_api::hook::HookDocument;
use levee_api::problem::Code;
use levee_api::wire::{
    DeadLetterBody, Page, RedeliverRequest, ReplayBody, ReplayRequest, WebhookBody,
    WebhookRemovedBody,
};

use super::kinds::{CHANGE, LIST, LOOK_UP, OPEN, OPERATOR, PAGE, SMALL, schema};
use super::{Handler, Route};

pub(super) const PUT_WEBHOOK: Route = Route {
    method: Method::PUT,
    path: "/v1/webhooks/{id}",
    roles: OPERATOR,
    input: SMALL,
    summary: "Makes a webhook, or replaces its document; the same document again changes nothing",
    status: 201,
    request: Some(schema::<HookDocument>),
    reply: Some(schema::<WebhookBody>),
    codes: &[Code::WebhookLimitReached],
    handler: Handler::PutWebhook,
    ..OPEN
};

pub(super) const GET_WEBHOOK: Route = Route {
    path: "/v1/webhooks/{id}",
    roles: OPERATOR,
    until: LOOK_UP,
    summary: "Shows a webhook, without its secret",
    reply: Some(schema::<WebhookBody>),
    codes: &[Code::WebhookNotFound],
    handler: Handler::GetWebhook,
    ..OPEN
};

pub(super) const LIST_WEBHOOKS: Route = Route {
    path: "/v1/webhooks",
    roles: OPERATOR,
    query: PAGE,
    until: LIST,
    summary: "Lists webhooks by their id, without their secrets",
    reply: Some(schema::<Page<WebhookBody>>),
    handler: Handler::ListWebhooks,
    ..OPEN
};

pub(super) const REMOVE_WEBHOOK: Route = Route {
    method: Method::DELETE,
    path: "/v1/webhooks/{id}",
    roles: OPERATOR,
    summary: "Ends a webhook, with its dead letters",
    reply: Some(schema::<WebhookRemovedBody>),
    codes: &[Code::WebhookNotFound],
    handler: Handler::RemoveWebhook,
    ..OPEN
};

pub(super) const LIST_DEAD_LETTERS: Route = Route {
    path: "/v1/webhooks/{id}/dead",
    roles: OPERATOR,
    query: PAGE,
    until: LOOK_UP,
    summary: "Lists events that could not be delivered, in their order",
    reply: Some(schema::<Page<DeadLetterBody>>),
    codes: &[Code::WebhookNotFound],
    handler: Handler::ListDeadLetters,
    ..OPEN
};

pub(super) const REPLAY_WEBHOOK: Route = Route {
    path: "/v1/webhooks/{id}/replay",
    roles: OPERATOR,
    summary: "Delivers all events again that came after a seq",
    request: Some(schema::<ReplayRequest>),
    reply: Some(schema::<ReplayBody>),
    codes: &[Code::WebhookNotFound],
    handler: Handler::ReplayWebhook,
    ..CHANGE
};

pub(super) const REDELIVER_DEAD_LETTER: Route = Route {
    path: "/v1/webhooks/{id}/redeliver",
    roles: OPERATOR,
    summary: "Delivers a dead letter again; it leaves the list",
    request: Some(schema::<RedeliverRequest>),
    reply: Some(schema::<ReplayBody>),
    codes: &[Code::WebhookNotFound, Code::DeadLetterNotFound],
    handler: Handler::RedeliverDeadLetter,
    ..CHANGE
};
