//! Routes of ordering: quotes, orders, payments, tickets, statements.

use hyper::Method;
use levee_api::problem::Code;
use levee_api::wire::{
    CancelRequest, CancelledBody, DisputeBody, OrderBody, OrderPlacedBody, OrderRequest, Page,
    PaymentBody, PaymentNotice, QuoteBody, QuoteRequest, ReasonRequest, RefundBody, RefundRequest,
    StatementBody, TicketBody, TicketsFrame,
};

use super::kinds::{
    APP, APP_OUTLET_OR_OPERATOR, CHANGE, LIST, LOOK_UP, NOTIFICATION, OPEN, OPERATOR,
    OPERATOR_OR_OUTLET, ORDER, PAGE, STATEMENT, TICKET_STEP, WATCHERS_OR_OUTLET, schema,
};
use super::{Handler, Route, Signature, UserHeader};

pub(super) const GET_STATEMENT: Route = Route {
    path: "/v1/outlets/{id}/statement",
    roles: OPERATOR_OR_OUTLET,
    query: STATEMENT,
    until: LIST,
    summary: "Shows what an outlet is due for one day: totals, and its orders in pages, newest first",
    reply: Some(schema::<StatementBody>),
    codes: &[Code::OutletNotFound],
    handler: Handler::GetStatement,
    ..OPEN
};

pub(super) const QUOTE: Route = Route {
    path: "/v1/orders/quote",
    roles: APP,
    until: LOOK_UP,
    summary: "Asks where and when something can be made and what it costs, and holds what is offered for three minutes",
    status: 201,
    request: Some(schema::<QuoteRequest>),
    reply: Some(schema::<QuoteBody>),
    codes: &[
        Code::OutletNotFound,
        Code::OutletChanged,
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
};

pub(super) const PLACE_ORDER: Route = Route {
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
        Code::OutletChanged,
        Code::OutletPaused,
        Code::OutletUnreachable,
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
};

pub(super) const LIST_ORDERS: Route = Route {
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
};

pub(super) const GET_ORDER: Route = Route {
    path: "/v1/orders/{id}",
    summary: "Shows an order with its payment and its ticket",
    reply: Some(schema::<OrderBody>),
    handler: Handler::GetOrder,
    ..ORDER
};

pub(super) const FOLLOW_ORDER: Route = Route {
    path: "/v1/orders/{id}/events",
    until: LIST,
    summary: "Streams an order: an event `order` with the whole order as its data, now and after every change, and an event `closed` with a reason once it is over or the stream must end",
    reply: Some(schema::<OrderBody>),
    reply_type: "text/event-stream",
    handler: Handler::FollowOrder,
    ..ORDER
};

pub(super) const CANCEL_ORDER: Route = Route {
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
};

pub(super) const REFUND_ORDER: Route = Route {
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
};

pub(super) const SETTLE_DISPUTE: Route = Route {
    path: "/v1/orders/{id}/settle-dispute",
    roles: OPERATOR,
    summary: "Says that somebody has seen to money which a provider took and should not have, or does not give back; what it does not give back is tried again",
    request: Some(schema::<ReasonRequest>),
    reply: Some(schema::<DisputeBody>),
    codes: &[Code::OrderNotFound, Code::Unchanged],
    handler: Handler::SettleDispute,
    ..CHANGE
};

pub(super) const GET_PAYMENT: Route = Route {
    path: "/v1/payments/{id}",
    summary: "Shows a payment",
    reply: Some(schema::<PaymentBody>),
    codes: &[Code::PaymentNotFound, Code::OrderOfAnotherUser],
    handler: Handler::GetPayment,
    ..ORDER
};

pub(super) const NOTIFY_PAYMENT: Route = Route {
    method: Method::POST,
    path: "/v1/payments/{provider}/notify",
    input: NOTIFICATION,
    signature: Signature::Needed,
    summary: "Takes a provider's callback about a payment, in the provider's own form and with its own success reply, also where it says nothing new; the schema is that of the sandbox",
    request: Some(schema::<PaymentNotice>),
    reply_type: "text/plain; charset=utf-8",
    codes: &[Code::NotFound, Code::PaymentNotFound, Code::TradeConflict],
    handler: Handler::NotifyPayment,
    ..OPEN
};

pub(super) const ACCEPT_TICKET: Route = Route {
    path: "/v1/tickets/{id}/accept",
    summary: "Says that the outlet will make it",
    handler: Handler::AcceptTicket,
    ..TICKET_STEP
};

pub(super) const REJECT_TICKET: Route = Route {
    path: "/v1/tickets/{id}/reject",
    summary: "Says that the outlet will not make it: another outlet does where the order allows that, else it ends",
    handler: Handler::RejectTicket,
    ..TICKET_STEP
};

pub(super) const START_TICKET: Route = Route {
    path: "/v1/tickets/{id}/start",
    summary: "Says that the outlet begins to make it",
    handler: Handler::StartTicket,
    ..TICKET_STEP
};

pub(super) const FINISH_TICKET: Route = Route {
    path: "/v1/tickets/{id}/ready",
    summary: "Says that it can be collected",
    handler: Handler::FinishTicket,
    ..TICKET_STEP
};

pub(super) const COLLECT_TICKET: Route = Route {
    path: "/v1/tickets/{id}/collect",
    summary: "Says that it was collected",
    handler: Handler::CollectTicket,
    ..TICKET_STEP
};

pub(super) const LIST_TICKETS: Route = Route {
    path: "/v1/outlets/{id}/tickets",
    roles: WATCHERS_OR_OUTLET,
    query: PAGE,
    summary: "Lists what an outlet has to make, oldest first",
    reply: Some(schema::<Page<TicketBody>>),
    codes: &[Code::OutletNotFound],
    handler: Handler::ListTickets,
    ..OPEN
};

pub(super) const FOLLOW_TICKETS: Route = Route {
    path: "/v1/outlets/{id}/tickets/events",
    roles: WATCHERS_OR_OUTLET,
    until: LIST,
    summary: "Streams what an outlet has to make: an event `tickets` with all of it as its data, now and after every change, and an event `closed` with a reason where the stream must end",
    reply: Some(schema::<TicketsFrame>),
    reply_type: "text/event-stream",
    codes: &[Code::OutletNotFound],
    handler: Handler::FollowTickets,
    ..OPEN
};
