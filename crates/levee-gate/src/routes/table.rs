//! The table itself.

use hyper::Method;
use levee_api::document::CampaignDocument;
use levee_api::outlet::OutletDocument;
use levee_api::port::LIST_MAX;
use levee_api::problem::Code;
use levee_api::types::Level;
use levee_api::wire::{
    BatchLineBody, BudgetBody, BudgetRequest, CampaignBody, CancelRequest, CancelledBody,
    ClaimBody, ClaimRequest, DisputeBody, DrawBody, ImportLineBody, IntakeBody, LevelChangeBody,
    LevelRequest, LimitChangeBody, LimitsRequest, LiveFrame, LockBody, LockRequest, OrderBody,
    OrderPlacedBody, OrderRequest, OutletBody, OutletItem, OutletPausedBody, Page, PauseRequest,
    PaymentBody, PaymentNotice, QuoteBody, QuoteRequest, ReadyBody, ReasonRequest, RedemptionBody,
    RedemptionInfo, RedemptionRequest, RefundBody, RefundRequest, ReleaseBody, RevocationBody,
    RollbackBody, StaffingBody, StaffingRequest, StateBody, StateRequest, StatementBody,
    TicketBody, TicketStepBody, TicketStepRequest, TicketsFrame, ValidateBody, ValidateRequest,
    VoucherBody, WaitBody, WalkInsBody, WalkInsRequest, WalletBody,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{Handler, Idempotency, Input, Param, Route, Signature, UserHeader};
use crate::keys::Role;

const ANY: &[Role] = &Role::ALL;
const OPERATOR: &[Role] = &[Role::Operator];
const WATCHERS: &[Role] = &[Role::Operator, Role::Viewer];
const APP: &[Role] = &[Role::App];
const OUTLET: &[Role] = &[Role::Outlet];
const APP_OUTLET_OR_OPERATOR: &[Role] = &[Role::App, Role::Operator, Role::Outlet];
const OPERATOR_OR_OUTLET: &[Role] = &[Role::Operator, Role::Outlet];
const WATCHERS_OR_OUTLET: &[Role] = &[Role::Operator, Role::Outlet, Role::Viewer];
const APP_OR_WATCHERS: &[Role] = &[Role::App, Role::Operator, Role::Viewer];
const APP_OR_OPERATOR: &[Role] = &[Role::App, Role::Operator];

/// Far more than any request of the kind needs.
const SMALL: Input = Input::Json { len_max: 16 * 1024 };
/// A campaign document keeps at most half of it.
const DOCUMENT: Input = Input::Json { len_max: 64 * 1024 };
const REASON: Input = Input::OptionalJson { len_max: 16 * 1024 };

const PAGE: &[Param] = &[
    Param {
        name: "limit",
        about: "Most items of one page; 100 if absent.",
        range: Some((1, LIST_MAX as u64)),
    },
    Param { name: "after", about: "The `next` of the page before.", range: None },
];
const OUTLETS: &[Param] = &[
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
const STATEMENT: &[Param] = &[
    Param {
        name: "day",
        about: "A day in the outlet's time zone, such as `2026-02-06`; needed.",
        range: None,
    },
    PAGE[0],
    PAGE[1],
];
const AFTER_SEQ: &[Param] = &[Param {
    name: "after",
    about: "Only what comes after this `seq`.",
    range: Some((0, u64::MAX)),
}];

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// A GET without a key, from which others differ.
const OPEN: Route = Route {
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
const CHANGE: Route =
    Route { method: Method::POST, input: SMALL, idempotency: Idempotency::Needed, ..OPEN };

/// Lists are the first that is given up: each costs as much as hundreds of look-ups.
const LIST: Level = Level::Normal;
/// One user's or app's look at one thing goes on while anyone is let in at all.
const LOOK_UP: Level = Level::Waiting;

/// A change of who is let in.
const INTAKE: Route = Route { roles: OPERATOR, codes: &[Code::Unchanged], ..CHANGE };

/// A change of a campaign's state.
const STATE: Route = Route {
    roles: OPERATOR,
    input: REASON,
    request: Some(schema::<StateRequest>),
    reply: Some(schema::<StateBody>),
    codes: &[Code::CampaignNotFound, Code::CampaignStateConflict],
    ..CHANGE
};

const BUDGET: Route = Route {
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
const OUTLET_CHANGE: Route =
    Route { roles: OPERATOR_OR_OUTLET, codes: &[Code::OutletNotFound, Code::Unchanged], ..CHANGE };

/// A user's look at an order of their own, or anybody's who may see all.
const ORDER: Route = Route {
    roles: APP_OR_WATCHERS,
    until: LOOK_UP,
    user_header: UserHeader::NeededOfApps,
    codes: &[Code::OrderNotFound, Code::OrderOfAnotherUser],
    ..OPEN
};

/// A step of a ticket: its version makes a repeat harmless.
const TICKET_STEP: Route = Route {
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

const CLAIM_CODES: &[Code] = &[
    Code::CampaignNotFound,
    Code::CampaignNotOpen,
    Code::CampaignClosed,
    Code::NotEligible,
    Code::UserLimitReached,
    Code::BudgetExhausted,
    Code::Waiting,
    Code::RateLimited,
];

/// All of them, in the order of the documentation.
pub(crate) static ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        path: "/v1/campaigns",
        roles: OPERATOR,
        input: DOCUMENT,
        summary: "Makes a campaign, as a draft",
        status: 201,
        request: Some(schema::<CampaignDocument>),
        reply: Some(schema::<CampaignBody>),
        codes: &[Code::CampaignExists, Code::CampaignLimitReached],
        handler: Handler::CreateCampaign,
        ..CHANGE
    },
    Route {
        path: "/v1/campaigns",
        roles: ANY,
        query: PAGE,
        until: LIST,
        summary: "Lists campaigns by their id",
        reply: Some(schema::<Page<CampaignBody>>),
        handler: Handler::ListCampaigns,
        ..OPEN
    },
    Route {
        path: "/v1/campaigns/{id}",
        roles: ANY,
        until: LOOK_UP,
        summary: "Shows a campaign: document, state, money, counts",
        reply: Some(schema::<CampaignBody>),
        codes: &[Code::CampaignNotFound],
        handler: Handler::GetCampaign,
        ..OPEN
    },
    Route {
        path: "/v1/campaigns/{id}/draw",
        roles: ANY,
        summary: "Shows what fixes the order of those who are there before the opening",
        reply: Some(schema::<DrawBody>),
        codes: &[Code::CampaignNotFound],
        handler: Handler::GetDraw,
        ..OPEN
    },
    Route {
        method: Method::PUT,
        path: "/v1/campaigns/{id}",
        roles: OPERATOR,
        input: DOCUMENT,
        idempotency: Idempotency::Unused,
        if_match: true,
        summary: "Replaces a campaign's document",
        request: Some(schema::<CampaignDocument>),
        reply: Some(schema::<CampaignBody>),
        codes: &[
            Code::CampaignNotFound,
            Code::TermsFrozen,
            Code::VersionConflict,
            Code::PreconditionRequired,
        ],
        handler: Handler::ReplaceCampaign,
        ..OPEN
    },
    Route {
        path: "/v1/campaigns/{id}/fund",
        summary: "Adds to a campaign's budget",
        handler: Handler::Fund,
        ..BUDGET
    },
    Route {
        path: "/v1/campaigns/{id}/withdraw",
        summary: "Takes what is available out of a campaign's budget",
        handler: Handler::Withdraw,
        ..BUDGET
    },
    Route {
        path: "/v1/campaigns/{id}/open",
        summary: "Opens a draft: claims are taken from opens_at on",
        handler: Handler::Open,
        ..STATE
    },
    Route {
        path: "/v1/campaigns/{id}/pause",
        summary: "Stops claims for a while; vouchers can be used",
        handler: Handler::Pause,
        ..STATE
    },
    Route {
        path: "/v1/campaigns/{id}/resume",
        summary: "Takes claims again",
        handler: Handler::Resume,
        ..STATE
    },
    Route {
        path: "/v1/campaigns/{id}/close",
        summary: "Stops claims for good; vouchers can be used",
        handler: Handler::Close,
        ..STATE
    },
    Route {
        method: Method::POST,
        path: "/v1/campaigns/{id}/claims",
        roles: APP,
        input: SMALL,
        idempotency: Idempotency::ByTerms,
        summary: "Gives a user the campaign's voucher, once",
        status: 201,
        request: Some(schema::<ClaimRequest>),
        reply: Some(schema::<ClaimBody>),
        codes: CLAIM_CODES,
        handler: Handler::Claim,
        ..OPEN
    },
    Route {
        path: "/wait/{pass}",
        summary: "Shows a place in the waiting room: a page, or JSON for `Accept: application/json`",
        reply: Some(schema::<WaitBody>),
        reply_type: "text/html",
        codes: &[Code::PassNotFound],
        handler: Handler::Wait,
        ..OPEN
    },
    Route {
        method: Method::POST,
        path: "/v1/campaigns/{id}/claims/batch",
        roles: APP,
        input: Input::Ndjson,
        summary: "Claims for up to 10,000 users: a claim a line, answered by a line each",
        request: Some(schema::<ClaimRequest>),
        reply: Some(schema::<BatchLineBody>),
        reply_type: "application/x-ndjson",
        codes: &[Code::CampaignNotFound],
        handler: Handler::ClaimBatch,
        ..OPEN
    },
    Route {
        path: "/v1/vouchers/{code}",
        roles: APP,
        until: LOOK_UP,
        summary: "Shows a voucher",
        reply: Some(schema::<VoucherBody>),
        codes: &[Code::VoucherNotFound],
        handler: Handler::GetVoucher,
        ..OPEN
    },
    Route {
        method: Method::POST,
        path: "/v1/vouchers/{code}/validate",
        roles: APP,
        input: SMALL,
        until: LOOK_UP,
        summary: "Says what a voucher would take off a bill; changes nothing",
        request: Some(schema::<ValidateRequest>),
        reply: Some(schema::<ValidateBody>),
        codes: &[Code::VoucherNotFound],
        handler: Handler::Validate,
        ..OPEN
    },
    Route {
        path: "/v1/vouchers/{code}/lock",
        roles: APP,
        summary: "Holds a voucher for an order",
        status: 201,
        request: Some(schema::<LockRequest>),
        reply: Some(schema::<LockBody>),
        codes: &[
            Code::VoucherNotFound,
            Code::VoucherOfAnotherUser,
            Code::VoucherLocked,
            Code::VoucherNotLive,
            Code::ReferenceReused,
        ],
        handler: Handler::Lock,
        ..CHANGE
    },
    Route {
        path: "/v1/vouchers/{code}/revoke",
        roles: OPERATOR,
        summary: "Takes a live voucher back",
        request: Some(schema::<ReasonRequest>),
        reply: Some(schema::<RevocationBody>),
        codes: &[Code::VoucherNotFound, Code::VoucherLocked, Code::VoucherNotLive],
        handler: Handler::Revoke,
        ..CHANGE
    },
    Route {
        method: Method::DELETE,
        path: "/v1/locks/{id}",
        roles: APP,
        summary: "Lets go of a voucher",
        reply: Some(schema::<ReleaseBody>),
        codes: &[Code::LockNotFound, Code::LockNotHeld, Code::HeldByOrder],
        handler: Handler::Release,
        ..OPEN
    },
    Route {
        path: "/v1/wallet",
        roles: APP,
        query: PAGE,
        user_header: UserHeader::Needed,
        until: LOOK_UP,
        summary: "Shows what a user has, newest first",
        reply: Some(schema::<WalletBody>),
        handler: Handler::Wallet,
        ..OPEN
    },
    Route {
        path: "/v1/redemptions",
        roles: APP,
        summary: "Uses a voucher on a bill",
        status: 201,
        request: Some(schema::<RedemptionRequest>),
        reply: Some(schema::<RedemptionBody>),
        codes: &[
            Code::VoucherNotFound,
            Code::VoucherOfAnotherUser,
            Code::VoucherLocked,
            Code::VoucherNotLive,
            Code::VoucherNotApplicable,
            Code::MinSpendNotMet,
            Code::LockNotFound,
            Code::LockNotHeld,
            Code::HeldByOrder,
            Code::ReferenceReused,
            Code::AmountTooLarge,
        ],
        handler: Handler::Redeem,
        ..CHANGE
    },
    Route {
        path: "/v1/redemptions",
        roles: APP_OR_OPERATOR,
        query: PAGE,
        until: LIST,
        summary: "Lists redemptions in the order in which they were made",
        reply: Some(schema::<Page<RedemptionInfo>>),
        handler: Handler::ListRedemptions,
        ..OPEN
    },
    Route {
        path: "/v1/redemptions/{id}/rollback",
        roles: APP,
        summary: "Undoes a redemption: the voucher is live again, or expired if its time is over",
        request: Some(schema::<ReasonRequest>),
        reply: Some(schema::<RollbackBody>),
        codes: &[Code::RedemptionNotFound, Code::RollbackWindowOver, Code::HeldByOrder],
        handler: Handler::RollBack,
        ..CHANGE
    },
    Route {
        method: Method::PUT,
        path: "/v1/outlets/{id}",
        roles: OPERATOR_OR_OUTLET,
        input: DOCUMENT,
        summary: "Makes an outlet, or replaces its document; the same document again changes nothing",
        status: 201,
        request: Some(schema::<OutletDocument>),
        reply: Some(schema::<OutletBody>),
        codes: &[Code::OutletLimitReached],
        handler: Handler::PutOutlet,
        ..OPEN
    },
    Route {
        method: Method::POST,
        path: "/v1/outlets/import",
        roles: OPERATOR,
        input: Input::NdjsonOrCsv,
        summary: "Puts up to 300,000 outlets: a document with its id a line, or a row a document, answered by a line each",
        request: Some(schema::<OutletDocument>),
        reply: Some(schema::<ImportLineBody>),
        reply_type: "application/x-ndjson",
        codes: &[Code::OutletLimitReached],
        handler: Handler::ImportOutlets,
        ..OPEN
    },
    Route {
        path: "/v1/outlets",
        roles: APP_OR_WATCHERS,
        query: OUTLETS,
        until: LOOK_UP,
        summary: "Finds outlets near a place, nearest first, with when they could have a drink ready; without `near`, and not for apps, lists all in the order in which their documents were put",
        reply: Some(schema::<Page<OutletItem>>),
        handler: Handler::ListOutlets,
        ..OPEN
    },
    Route {
        path: "/v1/outlets/{id}",
        roles: WATCHERS_OR_OUTLET,
        until: LOOK_UP,
        summary: "Shows an outlet: document, and whether it takes orders now",
        reply: Some(schema::<OutletBody>),
        codes: &[Code::OutletNotFound],
        handler: Handler::GetOutlet,
        ..OPEN
    },
    Route {
        path: "/v1/outlets/{id}/pause",
        summary: "Stops an outlet from taking orders for a while; orders that it has go on",
        request: Some(schema::<PauseRequest>),
        reply: Some(schema::<OutletPausedBody>),
        handler: Handler::PauseOutlet,
        ..OUTLET_CHANGE
    },
    Route {
        path: "/v1/outlets/{id}/resume",
        summary: "Has a paused outlet take orders again",
        request: Some(schema::<ReasonRequest>),
        reply: Some(schema::<OutletPausedBody>),
        handler: Handler::ResumeOutlet,
        ..OUTLET_CHANGE
    },
    Route {
        path: "/v1/outlets/{id}/staffing",
        summary: "Says how many make at an outlet from now on",
        request: Some(schema::<StaffingRequest>),
        reply: Some(schema::<StaffingBody>),
        codes: &[Code::OutletNotFound],
        handler: Handler::SetStaffing,
        ..OUTLET_CHANGE
    },
    Route {
        path: "/v1/outlets/{id}/walk-ins",
        summary: "Says that an outlet has work for customers of another channel",
        request: Some(schema::<WalkInsRequest>),
        reply: Some(schema::<WalkInsBody>),
        codes: &[Code::OutletNotFound],
        handler: Handler::RecordWalkIns,
        ..OUTLET_CHANGE
    },
    Route {
        path: "/v1/outlets/{id}/statement",
        roles: OPERATOR_OR_OUTLET,
        query: STATEMENT,
        until: LIST,
        summary: "Shows what an outlet is due for one day: totals, and its orders in pages, newest first",
        reply: Some(schema::<StatementBody>),
        codes: &[Code::OutletNotFound],
        handler: Handler::GetStatement,
        ..OPEN
    },
    Route {
        path: "/v1/orders/quote",
        roles: APP,
        until: LOOK_UP,
        summary: "Asks where and when something can be made and what it costs, and holds what is offered for three minutes",
        status: 201,
        request: Some(schema::<QuoteRequest>),
        reply: Some(schema::<QuoteBody>),
        codes: &[
            Code::OutletNotFound,
            Code::NoOffers,
            Code::OfferExpired,
            Code::VoucherNotFound,
            Code::VoucherOfAnotherUser,
            Code::VoucherLocked,
            Code::VoucherNotLive,
            Code::VoucherNotApplicable,
            Code::MinSpendNotMet,
            Code::RateLimited,
        ],
        handler: Handler::Quote,
        ..CHANGE
    },
    Route {
        path: "/v1/orders",
        roles: APP,
        until: LOOK_UP,
        summary: "Orders something: its kitchen keeps the time, and its voucher is locked, for the quarter of an hour in which it may be paid",
        status: 201,
        request: Some(schema::<OrderRequest>),
        reply: Some(schema::<OrderPlacedBody>),
        codes: &[
            Code::CampaignNotFound,
            Code::OutletNotFound,
            Code::OutletPaused,
            Code::OutletBusy,
            Code::OfferExpired,
            Code::OfferOfAnotherOrder,
            Code::PriceChanged,
            Code::VoucherNotFound,
            Code::VoucherOfAnotherUser,
            Code::VoucherLocked,
            Code::VoucherNotLive,
            Code::VoucherNotApplicable,
            Code::MinSpendNotMet,
            Code::RateLimited,
        ],
        handler: Handler::PlaceOrder,
        ..CHANGE
    },
    Route {
        path: "/v1/orders",
        roles: APP,
        query: PAGE,
        user_header: UserHeader::Needed,
        until: LOOK_UP,
        summary: "Lists a user's orders, newest first",
        reply: Some(schema::<Page<OrderBody>>),
        codes: &[Code::RateLimited],
        handler: Handler::ListOrders,
        ..OPEN
    },
    Route {
        path: "/v1/orders/{id}",
        summary: "Shows an order with its payment and its ticket",
        reply: Some(schema::<OrderBody>),
        handler: Handler::GetOrder,
        ..ORDER
    },
    Route {
        path: "/v1/orders/{id}/events",
        until: LIST,
        summary: "Streams an order: an event `order` with the whole order as its data, now and after every change, and an event `closed` with a reason once it is over or the stream must end",
        reply: Some(schema::<OrderBody>),
        reply_type: "text/event-stream",
        handler: Handler::FollowOrder,
        ..ORDER
    },
    Route {
        path: "/v1/orders/{id}/cancel",
        roles: APP_OUTLET_OR_OPERATOR,
        summary: "Ends an order before it is collected: what was paid is given back, and the voucher; users only until it is being made",
        request: Some(schema::<CancelRequest>),
        reply: Some(schema::<CancelledBody>),
        codes: &[
            Code::OrderNotFound,
            Code::OrderOfAnotherUser,
            Code::OrderOfAnotherOutlet,
            Code::OrderStateConflict,
            Code::RateLimited,
        ],
        handler: Handler::CancelOrder,
        ..CHANGE
    },
    Route {
        path: "/v1/orders/{id}/refunds",
        roles: OPERATOR_OR_OUTLET,
        summary: "Gives money back without ending the order, also after it was collected",
        status: 201,
        request: Some(schema::<RefundRequest>),
        reply: Some(schema::<RefundBody>),
        codes: &[
            Code::OrderNotFound,
            Code::OrderOfAnotherOutlet,
            Code::RefundTooLarge,
            Code::ReferenceReused,
        ],
        handler: Handler::RefundOrder,
        ..CHANGE
    },
    Route {
        path: "/v1/orders/{id}/settle-dispute",
        roles: OPERATOR,
        summary: "Says that somebody has seen to money which a provider took and should not have",
        request: Some(schema::<ReasonRequest>),
        reply: Some(schema::<DisputeBody>),
        codes: &[Code::OrderNotFound, Code::Unchanged],
        handler: Handler::SettleDispute,
        ..CHANGE
    },
    Route {
        path: "/v1/payments/{id}",
        summary: "Shows a payment",
        reply: Some(schema::<PaymentBody>),
        codes: &[Code::PaymentNotFound, Code::OrderOfAnotherUser],
        handler: Handler::GetPayment,
        ..ORDER
    },
    Route {
        method: Method::POST,
        path: "/v1/payments/{provider}/notify",
        input: SMALL,
        signature: Signature::Needed,
        summary: "Takes a provider's callback about a payment; answered `success`, also where it says nothing new",
        request: Some(schema::<PaymentNotice>),
        reply_type: "text/plain; charset=utf-8",
        codes: &[Code::NotFound, Code::PaymentNotFound, Code::TradeConflict],
        handler: Handler::NotifyPayment,
        ..OPEN
    },
    Route {
        path: "/v1/tickets/{id}/accept",
        summary: "Says that the outlet will make it",
        handler: Handler::AcceptTicket,
        ..TICKET_STEP
    },
    Route {
        path: "/v1/tickets/{id}/reject",
        summary: "Says that the outlet will not make it: another outlet does where the order allows that, else it ends",
        handler: Handler::RejectTicket,
        ..TICKET_STEP
    },
    Route {
        path: "/v1/tickets/{id}/start",
        summary: "Says that the outlet begins to make it",
        handler: Handler::StartTicket,
        ..TICKET_STEP
    },
    Route {
        path: "/v1/tickets/{id}/ready",
        summary: "Says that it can be collected",
        handler: Handler::FinishTicket,
        ..TICKET_STEP
    },
    Route {
        path: "/v1/tickets/{id}/collect",
        summary: "Says that it was collected",
        handler: Handler::CollectTicket,
        ..TICKET_STEP
    },
    Route {
        path: "/v1/outlets/{id}/tickets",
        roles: WATCHERS_OR_OUTLET,
        query: PAGE,
        summary: "Lists what an outlet has to make, oldest first",
        reply: Some(schema::<Page<TicketBody>>),
        codes: &[Code::OutletNotFound],
        handler: Handler::ListTickets,
        ..OPEN
    },
    Route {
        path: "/v1/outlets/{id}/tickets/events",
        roles: WATCHERS_OR_OUTLET,
        until: LIST,
        summary: "Streams what an outlet has to make: an event `tickets` with all of it as its data, now and after every change, and an event `closed` with a reason where the stream must end",
        reply: Some(schema::<TicketsFrame>),
        reply_type: "text/event-stream",
        codes: &[Code::OutletNotFound],
        handler: Handler::FollowTickets,
        ..OPEN
    },
    Route {
        path: "/v1/intake",
        roles: ANY,
        summary: "Shows who is let in: brownout level, limit of claims, waiting room, gates",
        reply: Some(schema::<IntakeBody>),
        handler: Handler::GetIntake,
        ..OPEN
    },
    Route {
        path: "/v1/intake/level",
        summary: "Sets the brownout level by hand; no rule changes it until it is released",
        request: Some(schema::<LevelRequest>),
        reply: Some(schema::<LevelChangeBody>),
        handler: Handler::SetLevel,
        ..INTAKE
    },
    Route {
        path: "/v1/intake/level/release",
        summary: "Gives the brownout level back to the rules; it stays until one of them changes it",
        request: Some(schema::<ReasonRequest>),
        reply: Some(schema::<LevelChangeBody>),
        handler: Handler::ReleaseLevel,
        ..INTAKE
    },
    Route {
        path: "/v1/intake/limits",
        summary: "Sets the most claims that are decided in a second, or lifts that limit",
        request: Some(schema::<LimitsRequest>),
        reply: Some(schema::<LimitChangeBody>),
        handler: Handler::SetLimits,
        ..INTAKE
    },
    Route {
        path: "/v1/live",
        roles: WATCHERS,
        until: LIST,
        summary: "Streams what the installation does: an event `frame` every 250 ms, with a frame as its data, and an event `closed` with a reason where the stream must end",
        reply: Some(schema::<LiveFrame>),
        reply_type: "text/event-stream",
        handler: Handler::Live,
        ..OPEN
    },
    Route {
        path: "/v1/audit/export",
        roles: OPERATOR,
        query: AFTER_SEQ,
        summary: "Streams the journal, a command with its outcome a line",
        reply_type: "application/x-ndjson",
        handler: Handler::AuditExport,
        ..OPEN
    },
    Route {
        path: "/healthz",
        summary: "Says that the process lives",
        handler: Handler::Health,
        ..OPEN
    },
    Route {
        path: "/readyz",
        summary: "Says whether commands are taken; 503 with the same body if not",
        reply: Some(schema::<ReadyBody>),
        handler: Handler::Ready,
        ..OPEN
    },
    Route {
        path: "/metrics",
        summary: "What engine and gate count and measure, for Prometheus; with a viewer's or operator's key also the campaigns' money",
        reply_type: "text/plain; version=0.0.4; charset=utf-8",
        handler: Handler::Metrics,
        ..OPEN
    },
    Route {
        path: "/openapi.json",
        summary: "This interface as an OpenAPI 3.1 document",
        handler: Handler::OpenApi,
        ..OPEN
    },
    Route {
        path: "/docs",
        summary: "This interface for reading",
        reply_type: "text/html; charset=utf-8",
        handler: Handler::Docs,
        ..OPEN
    },
    Route {
        path: "/",
        summary: "Where to find what",
        reply_type: "text/html; charset=utf-8",
        handler: Handler::Home,
        ..OPEN
    },
];
