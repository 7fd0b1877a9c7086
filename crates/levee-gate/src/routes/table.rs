//! The table itself.

use hyper::Method;
use levee_api::document::CampaignDocument;
use levee_api::outlet::OutletDocument;
use levee_api::problem::Code;
use levee_api::wire::{
    BatchLineBody, BreakerBody, BreakerChangeBody, BreakerRequest, CampaignBody, ClaimBody,
    ClaimRequest, DrawBody, ImportLineBody, IntakeBody, LevelChangeBody, LevelRequest,
    LimitChangeBody, LimitsRequest, LiveFrame, LockBody, LockRequest, OutletBody, OutletItem,
    OutletPausedBody, Page, PauseRequest, ReadyBody, ReasonRequest, RedemptionBody, RedemptionInfo,
    RedemptionRequest, ReleaseBody, RevocationBody, RollbackBody, StaffingBody, StaffingRequest,
    ValidateBody, ValidateRequest, VoucherBody, WaitBody, WalkInsBody, WalkInsRequest, WalletBody,
};

use super::kinds::{
    AFTER_SEQ, ANY, APP, APP_OR_OPERATOR, APP_OR_WATCHERS, BUDGET, CHANGE, CLAIM_CODES, DOCUMENT,
    INTAKE, LIST, LOOK_UP, OPEN, OPERATOR, OPERATOR_OR_OUTLET, OUTLET_CHANGE, OUTLETS, PAGE, SMALL,
    STATE, WATCHERS, WATCHERS_OR_OUTLET, schema,
};
use super::ordering::{
    ACCEPT_TICKET, CANCEL_ORDER, COLLECT_TICKET, FINISH_TICKET, FOLLOW_ORDER, FOLLOW_TICKETS,
    GET_ORDER, GET_PAYMENT, GET_STATEMENT, LIST_ORDERS, LIST_TICKETS, NOTIFY_PAYMENT, PLACE_ORDER,
    QUOTE, REFUND_ORDER, REJECT_TICKET, SETTLE_DISPUTE, START_TICKET,
};
use super::webhooks::{
    GET_WEBHOOK, LIST_DEAD_LETTERS, LIST_WEBHOOKS, PUT_WEBHOOK, REDELIVER_DEAD_LETTER,
    REMOVE_WEBHOOK, REPLAY_WEBHOOK,
};
use super::{Handler, Idempotency, Input, Route, UserHeader};

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
        path: "/v1/outlets/{id}/breaker",
        roles: OPERATOR,
        summary: "Opens, drains or closes an outlet's breaker by hand",
        request: Some(schema::<BreakerRequest>),
        reply: Some(schema::<BreakerChangeBody>),
        handler: Handler::SetOutletBreaker,
        ..OUTLET_CHANGE
    },
    Route {
        path: "/v1/vendors/{vendor}/breaker",
        roles: OPERATOR,
        summary: "Opens, drains or closes by hand the breaker of all outlets of a vendor",
        request: Some(schema::<BreakerRequest>),
        reply: Some(schema::<BreakerChangeBody>),
        codes: &[Code::Unchanged],
        handler: Handler::SetVendorBreaker,
        ..CHANGE
    },
    Route {
        path: "/v1/breakers",
        roles: WATCHERS,
        query: PAGE,
        until: LOOK_UP,
        summary: "Lists breakers that are not closed: those of vendors with the first page, then outlets'",
        reply: Some(schema::<Page<BreakerBody>>),
        handler: Handler::ListBreakers,
        ..OPEN
    },
    GET_STATEMENT,
    QUOTE,
    PLACE_ORDER,
    LIST_ORDERS,
    GET_ORDER,
    FOLLOW_ORDER,
    CANCEL_ORDER,
    REFUND_ORDER,
    SETTLE_DISPUTE,
    GET_PAYMENT,
    NOTIFY_PAYMENT,
    ACCEPT_TICKET,
    REJECT_TICKET,
    START_TICKET,
    FINISH_TICKET,
    COLLECT_TICKET,
    LIST_TICKETS,
    FOLLOW_TICKETS,
    PUT_WEBHOOK,
    GET_WEBHOOK,
    LIST_WEBHOOKS,
    REMOVE_WEBHOOK,
    LIST_DEAD_LETTERS,
    REPLAY_WEBHOOK,
    REDELIVER_DEAD_LETTER,
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
