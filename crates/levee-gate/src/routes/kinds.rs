//! What routes have in common: who may, what they take, and kinds from which others differ.

use hyper::Method;
use levee_api::port::LIST_MAX;
use levee_api::problem::Code;
use levee_api::types::Level;
use levee_api::wire::{
    BudgetBody, BudgetRequest, StateBody, StateRequest, TicketStepBody, TicketStepRequest,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{Handler, Idempotency, Input, Param, Route, Signature, UserHeader};
use crate::keys::Role;

pub(super) const ANY: &[Role] = &Role::ALL;
pub(super) const OPERATOR: &[Role] = &[Role::Operator];
pub(super) const WATCHERS: &[Role] = &[Role::Operator, Role::Viewer];
pub(super) const APP: &[Role] = &[Role::App];
pub(super) const OUTLET: &[Role] = &[Role::Outlet];
pub(super) const APP_OUTLET_OR_OPERATOR: &[Role] = &[Role::App, Role::Operator, Role::Outlet];
pub(super) const OPERATOR_OR_OUTLET: &[Role] = &[Role::Operator, Role::Outlet];
pub(super) const WATCHERS_OR_OUTLET: &[Role] = &[Role::Operator, Role::Outlet, Role::Viewer];
pub(super) const APP_OR_WATCHERS: &[Role] = &[Role::App, Role::Operator, Role::Viewer];
pub(super) const APP_OR_OPERATOR: &[Role] = &[Role::App, Role::Operator];

/// Far more than any request of the kind needs.
pub(super) const SMALL: Input = Input::Json { len_max: 16 * 1024 };
/// A campaign document keeps at most half of it.
/// What providers notify of: hundreds of bytes to a few thousand.
pub(super) const NOTIFICATION: Input = Input::Signed { len_max: 64 * 1024 };
pub(super) const DOCUMENT: Input = Input::Json { len_max: 64 * 1024 };
pub(super) const REASON: Input = Input::OptionalJson { len_max: 16 * 1024 };

pub(super) const PAGE: &[Param] = &[
    Param {
        name: "limit",
        about: "Most items of one page; 100 if absent.",
        range: Some((1, LIST_MAX as u64)),
    },
    Param { name: "after", about: "The `next` of the page before.", range: None },
];
pub(super) const OUTLETS: &[Param] = &[
    Param {
        name: "near",
        about: "A place as `lat,lng` in degrees, such as `31.2304,121.4737`.",
        range: None,
    },
    Param { name: "brand", about: "With `near`: only outlets of this brand.", range: None },
    Param {
        name: "all",
        about: "With `near`: `true` for those as well that take no orders now.",
        range: None,
    },
    Param {
        name: "limit",
        about: "With `near`: most outlets, up to 100; 20 if absent. Else most items of one page; 100 if absent.",
        range: Some((1, LIST_MAX as u64)),
    },
    Param { name: "after", about: "Without `near`: the `next` of the page before.", range: None },
];
pub(super) const STATEMENT: &[Param] = &[
    Param {
        name: "day",
        about: "A day in the outlet's time zone, such as `2026-02-06`; needed.",
        range: None,
    },
    PAGE[0],
    PAGE[1],
];
pub(super) const AFTER_SEQ: &[Param] = &[Param {
    name: "after",
    about: "Only what comes after this `seq`.",
    range: Some((0, u64::MAX)),
}];

pub(super) fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// A GET without a key, from which others differ.
pub(super) const OPEN: Route = Route {
    method: Method::GET,
    path: "",
    roles: &[],
    input: Input::Nothing,
    query: &[],
    idempotency: Idempotency::Unused,
    until: Level::Essential,
    if_match: false,
    user_header: UserHeader::Unused,
    signature: Signature::Unused,
    summary: "",
    status: 200,
    request: None,
    reply: None,
    reply_type: "application/json",
    codes: &[],
    handler: Handler::Health,
};

/// A change under an idempotency key.
pub(super) const CHANGE: Route =
    Route { method: Method::POST, input: SMALL, idempotency: Idempotency::Needed, ..OPEN };

/// Lists are the first that is given up: each costs as much as hundreds of look-ups.
pub(super) const LIST: Level = Level::Normal;
/// One user's or app's look at one thing goes on while anyone is let in at all.
pub(super) const LOOK_UP: Level = Level::Waiting;

/// A change of who is let in.
pub(super) const INTAKE: Route = Route { roles: OPERATOR, codes: &[Code::Unchanged], ..CHANGE };

/// A change of a campaign's state.
pub(super) const STATE: Route = Route {
    roles: OPERATOR,
    input: REASON,
    request: Some(schema::<StateRequest>),
    reply: Some(schema::<StateBody>),
    codes: &[Code::CampaignNotFound, Code::CampaignStateConflict],
    ..CHANGE
};

pub(super) const BUDGET: Route = Route {
    roles: OPERATOR,
    request: Some(schema::<BudgetRequest>),
    reply: Some(schema::<BudgetBody>),
    codes: &[
        Code::CampaignNotFound,
        Code::ReferenceReused,
        Code::AmountTooLarge,
        Code::BudgetExhausted,
    ],
    ..CHANGE
};

/// A change of whether an outlet takes orders.
pub(super) const OUTLET_CHANGE: Route =
    Route { roles: OPERATOR_OR_OUTLET, codes: &[Code::OutletNotFound, Code::Unchanged], ..CHANGE };

/// A user's look at an order of their own, or anybody's who may see all.
pub(super) const ORDER: Route = Route {
    roles: APP_OR_WATCHERS,
    until: LOOK_UP,
    user_header: UserHeader::NeededOfApps,
    codes: &[Code::OrderNotFound, Code::OrderOfAnotherUser],
    ..OPEN
};

/// A step of a ticket: its version makes a repeat harmless.
pub(super) const TICKET_STEP: Route = Route {
    roles: OUTLET,
    input: SMALL,
    method: Method::POST,
    signature: Signature::InsteadOfKey,
    request: Some(schema::<TicketStepRequest>),
    reply: Some(schema::<TicketStepBody>),
    codes: &[
        Code::OutletNotFound,
        Code::TicketNotFound,
        Code::OrderOfAnotherOutlet,
        Code::OrderStateConflict,
        Code::TicketVersionConflict,
    ],
    ..OPEN
};

pub(super) const CLAIM_CODES: &[Code] = &[
    Code::CampaignNotFound,
    Code::CampaignNotOpen,
    Code::CampaignClosed,
    Code::NotEligible,
    Code::UserLimitReached,
    Code::BudgetExhausted,
    Code::Waiting,
    Code::RateLimited,
];
