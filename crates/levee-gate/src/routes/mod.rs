//! The one table of routes: what is served, to whom, and within which limits.
//!
//! The router, the checks of roles, types and sizes, the OpenAPI document and `/docs` are all made
//! from it, so none of them can say what another does not do.

mod kinds;
mod ordering;
mod table;
mod webhooks;

use std::collections::HashMap;

use hyper::Method;
use levee_api::problem::Code;
use levee_api::types::Level;
use schemars::{Schema, SchemaGenerator};

use crate::keys::Role;

pub(crate) use table::ROUTES;

/// A type's schema for the OpenAPI document.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// Which function answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handler {
    Health,
    Ready,
    Metrics,
    OpenApi,
    Docs,
    Home,
    CreateCampaign,
    ReplaceCampaign,
    GetCampaign,
    GetDraw,
    Wait,
    ListCampaigns,
    Fund,
    Withdraw,
    Open,
    Pause,
    Resume,
    Close,
    Claim,
    ClaimBatch,
    GetVoucher,
    Validate,
    Lock,
    Release,
    Revoke,
    Wallet,
    Redeem,
    ListRedemptions,
    RollBack,
    GetIntake,
    SetLevel,
    ReleaseLevel,
    SetLimits,
    PutOutlet,
    ImportOutlets,
    GetOutlet,
    PauseOutlet,
    ResumeOutlet,
    ListOutlets,
    SetStaffing,
    RecordWalkIns,
    SetOutletBreaker,
    SetVendorBreaker,
    ListBreakers,
    Quote,
    PlaceOrder,
    GetOrder,
    ListOrders,
    FollowOrder,
    CancelOrder,
    RefundOrder,
    SettleDispute,
    GetPayment,
    NotifyPayment,
    AcceptTicket,
    RejectTicket,
    StartTicket,
    FinishTicket,
    CollectTicket,
    ListTickets,
    FollowTickets,
    GetStatement,
    PutWebhook,
    GetWebhook,
    ListWebhooks,
    RemoveWebhook,
    ListDeadLetters,
    ReplayWebhook,
    RedeliverDeadLetter,
    Live,
    AuditExport,
}

/// What a request brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Nothing; a body is not looked at.
    Nothing,
    /// A JSON object of at most so many bytes.
    Json { len_max: usize },
    /// A JSON object, which may be left out.
    OptionalJson { len_max: usize },
    /// At most so many bytes in the form of whoever has signed them.
    Signed { len_max: usize },
    /// One JSON object a line.
    Ndjson,
    /// One JSON object a line, or a spreadsheet with one in each row.
    NdjsonOrCsv,
}

/// Whether a request names itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idempotency {
    /// It changes nothing, or is idempotent by nature.
    Unused,
    /// It must.
    Needed,
    /// The campaign's terms decide.
    ByTerms,
}

/// Whether a request is signed by whoever sends it, after Standard Webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signature {
    /// Nobody looks at a signature.
    Unused,
    /// It must be; it has no API key.
    Needed,
    /// It may be, in place of an API key.
    InsteadOfKey,
}

/// Whether a request names a user in `Levee-User`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserHeader {
    /// Nobody looks at it.
    Unused,
    /// It must.
    Needed,
    /// An app must.
    NeededOfApps,
}

/// A parameter of the query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Param {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Its range, if it is a number.
    pub(crate) range: Option<(u64, u64)>,
}

/// One thing that a gate does.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// Who may; empty: everyone, without a key.
    pub(crate) roles: &'static [Role],
    pub(crate) input: Input,
    pub(crate) query: &'static [Param],
    pub(crate) idempotency: Idempotency,
    /// The highest brownout level at which it is still served.
    pub(crate) until: Level,
    /// Needs `If-Match`.
    pub(crate) if_match: bool,
    pub(crate) user_header: UserHeader,
    pub(crate) signature: Signature,
    pub(crate) summary: &'static str,
    /// Of a good answer; a repeated claim has 200.
    pub(crate) status: u16,
    pub(crate) request: Option<SchemaOf>,
    pub(crate) reply: Option<SchemaOf>,
    /// Of the answer, where it is not JSON.
    pub(crate) reply_type: &'static str,
    /// Error codes beside those that every route of its kind has.
    pub(crate) codes: &'static [Code],
    pub(crate) handler: Handler,
}

impl Route {
    /// Up to which brownout level it is served, for people; none where it always is.
    pub(crate) fn level_note(&self) -> Option<String> {
        let beyond = Level::ALL.into_iter().find(|level| *level > self.until)?;
        Some(format!("At the level {} and above: 503 overloaded.", beyond.name()))
    }

    /// All error codes that it may answer with.
    pub(crate) fn all_codes(&self) -> Vec<Code> {
        let mut codes = vec![Code::BadRequest];
        if !self.query.is_empty()
            || self.input != Input::Nothing
            || self.user_header != UserHeader::Unused
        {
            codes.push(Code::InvalidField);
        }
        if !self.roles.is_empty() {
            codes.extend([Code::Unauthorized, Code::Forbidden]);
        }
        if self.signature != Signature::Unused {
            codes.push(Code::SignatureInvalid);
        }
        if self.input != Input::Nothing {
            codes.extend([Code::RequestTimeout, Code::ContentTooLarge]);
        }
        if !matches!(self.input, Input::Nothing | Input::Signed { .. }) {
            codes.push(Code::UnsupportedMediaType);
        }
        if self.idempotency == Idempotency::Needed {
            codes.extend([Code::IdempotencyKeyMissing, Code::IdempotencyKeyReused]);
        }
        if self.idempotency == Idempotency::ByTerms {
            codes.extend([Code::IdempotencyKeyMissing, Code::IdempotencyKeyReused]);
        }
        if !self.roles.is_empty() || self.signature != Signature::Unused {
            codes.extend([Code::InternalError, Code::Overloaded, Code::Unavailable]);
            if self.method != Method::GET {
                codes.push(Code::StorageFull);
            }
        }
        codes.extend(self.codes);
        codes.sort_by_key(|code| Code::ALL.iter().position(|other| other == code));
        codes.dedup();
        codes
    }
}

/// The routes of one path.
type Methods = Vec<usize>;

/// What a path and a method lead to.
#[derive(Debug)]
pub(crate) enum Found<'p> {
    /// The route by its place in the table, and the path's parameter, if it has one.
    Route(usize, &'p str),
    /// The path takes these methods.
    OtherMethods(String),
    /// No such path.
    Nothing,
}

/// The table, ready to be searched.
#[derive(Debug)]
pub(crate) struct Router(matchit::Router<Methods>);

impl Router {
    pub(crate) fn new() -> Self {
        let mut paths: HashMap<&str, Methods> = HashMap::new();
        for (place, route) in ROUTES.iter().enumerate() {
            paths.entry(route.path).or_default().push(place);
        }
        let mut router = matchit::Router::new();
        for (path, methods) in paths {
            router.insert(path, methods).expect("the table has no two paths that match the same");
        }
        Self(router)
    }

    /// HEAD is answered as GET; hyper leaves the body out.
    pub(crate) fn find<'p>(&self, method: &Method, path: &'p str) -> Found<'p> {
        let Ok(found) = self.0.at(path) else { return Found::Nothing };
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let place = found.value.iter().find(|place| ROUTES[**place].method == *method);
        if let Some(place) = place {
            let param = found.params.iter().next().map_or("", |(_, value)| value);
            return Found::Route(*place, param);
        }
        let mut allowed: Vec<&str> =
            found.value.iter().map(|place| ROUTES[*place].method.as_str()).collect();
        if allowed.contains(&"GET") {
            allowed.push("HEAD");
        }
        allowed.sort_unstable();
        Found::OtherMethods(allowed.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &Method, path: &str, expected: Result<(Handler, &str), &str>) {
        let found = match Router::new().find(method, path) {
            Found::Route(place, param) => Ok((ROUTES[place].handler, param)),
            Found::OtherMethods(methods) => Err(methods),
            Found::Nothing => Err(String::new()),
        };
        let expected = expected.map_err(str::to_owned);
        assert_eq!(found, expected, "{method} {path}");
    }

    #[test]
    fn paths_and_methods_are_told_apart() {
        check(&Method::GET, "/healthz", Ok((Handler::Health, "")));
        check(&Method::HEAD, "/healthz", Ok((Handler::Health, "")));
        check(&Method::POST, "/healthz", Err("GET, HEAD"));
        check(&Method::POST, "/v1/campaigns/a/claims", Ok((Handler::Claim, "a")));
        check(&Method::GET, "/v1/campaigns/a", Ok((Handler::GetCampaign, "a")));
        check(&Method::DELETE, "/v1/campaigns/a", Err("GET, HEAD, PUT"));
        for path in ["/v1", "/healthz/", "/v1/campaigns/", "//healthz", "/v1/campaigns/a/b", "*"] {
            check(&Method::GET, path, Err(""));
        }
    }

    #[test]
    fn every_handler_has_one_route() {
        for (place, route) in ROUTES.iter().enumerate() {
            let same = ROUTES.iter().position(|other| other.handler == route.handler);
            assert_eq!(same, Some(place), "{:?}", route.handler);
        }
    }
}
