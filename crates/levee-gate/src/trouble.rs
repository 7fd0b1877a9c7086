//! What goes wrong with a request, on its way to a problem document.

use bytes::Bytes;
use levee_api::port::Failure;
use levee_api::problem::{Code, Place, Problem};
use levee_api::strict::Malformed;
use levee_api::types::{Level, Refusal};

use crate::json;

/// A request's failure. Who made the request may see all of it.
#[derive(Debug)]
pub(crate) struct Trouble(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    detail: Option<String>,
    field: Option<String>,
    retry_after_ms: Option<u64>,
    allow: Option<String>,
    place: Option<Place>,
    close: bool,
}

/// When to try again what a brownout level gives up: levels hold for a while.
const LEVEL_RETRY_MS: u64 = 10_000;

impl Trouble {
    pub(crate) fn new(code: Code) -> Self {
        let retry_after_ms = match code {
            Code::Overloaded | Code::Unavailable => Some(1_000),
            // Room comes from an operator, not from waiting a moment.
            Code::StorageFull => Some(30_000),
            _ => None,
        };
        let inner = Inner {
            code,
            detail: None,
            field: None,
            retry_after_ms,
            allow: None,
            place: None,
            close: false,
        };
        Self(Box::new(inner))
    }

    /// A field of the request that is missing, unknown, doubled or wrong.
    pub(crate) fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        let mut trouble = Self::new(Code::InvalidField).with_detail(detail);
        trouble.0.field = Some(field.into());
        trouble
    }

    pub(crate) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// When to try again, in milliseconds.
    pub(crate) fn after_ms(mut self, ms: u64) -> Self {
        self.0.retry_after_ms = Some(ms);
        self
    }

    /// The place in the waiting room.
    pub(crate) fn with_place(mut self, place: Place) -> Self {
        self.0.place = Some(place);
        self
    }

    /// The route is given up at this level.
    pub(crate) fn given_up(level: Level) -> Self {
        let detail = format!(
            "The brownout level is {}: this is given up for a while so that the rest goes on. \
             GET /v1/intake says since when and why.",
            level.name()
        );
        Self::new(Code::Overloaded).with_detail(detail).after_ms(LEVEL_RETRY_MS)
    }

    /// The methods that the path takes, for 405.
    pub(crate) fn with_allow(mut self, methods: String) -> Self {
        self.0.allow = Some(methods);
        self
    }

    /// The connection cannot be used again.
    pub(crate) fn closing(mut self) -> Self {
        self.0.close = true;
        self
    }

    pub(crate) fn code(&self) -> Code {
        self.0.code
    }

    pub(crate) fn allow(&self) -> Option<&str> {
        self.0.allow.as_deref()
    }

    pub(crate) fn closes(&self) -> bool {
        self.0.close
    }

    /// Whole seconds for `Retry-After`.
    pub(crate) fn retry_after_s(&self) -> Option<u64> {
        self.0.retry_after_ms.map(|ms| ms.div_ceil(1_000))
    }

    pub(crate) fn problem(self, request_id: String) -> Problem {
        let Inner { code, detail, field, retry_after_ms, place, .. } = *self.0;
        Problem {
            kind: format!("/docs#{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status(),
            detail,
            code,
            request_id,
            retry_after_ms,
            field,
            place,
        }
    }

    pub(crate) fn body(self, request_id: String) -> Bytes {
        if let Inner {
            code: Code::Waiting,
            detail: None,
            field: None,
            place: Some(place),
            retry_after_ms: Some(ms),
            ..
        } = &*self.0
        {
            let mut out = Vec::with_capacity(json::WAITING_LEN_MAX);
            json::put_waiting(place, *ms, &request_id, &mut out);
            return out.into();
        }
        let json = serde_json::to_vec(&self.problem(request_id));
        json.expect("a problem has only string keys").into()
    }
}

impl From<Malformed> for Trouble {
    fn from(malformed: Malformed) -> Self {
        match malformed.field {
            Some(field) => Self::field(field, malformed.detail),
            None => Self::new(Code::BadRequest).with_detail(malformed.detail),
        }
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        let mut trouble = Self::new(Code::from(refusal));
        match refusal {
            Refusal::TermsFrozen(field) | Refusal::InvalidField(field) => {
                trouble.0.field = Some(field.to_owned());
            }
            Refusal::CampaignStateConflict(state) => {
                trouble = trouble.with_detail(format!("The campaign is {}.", state.name()));
            }
            Refusal::OrderStateConflict(state) => {
                trouble = trouble.with_detail(format!("The order is {}.", state.name()));
            }
            Refusal::VoucherNotLive(state) => {
                trouble = trouble.with_detail(format!("The voucher is {}.", state.name()));
            }
            _ => {}
        }
        trouble
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Overloaded => Self::new(Code::Overloaded),
            Failure::Expired => Self::new(Code::Overloaded).with_detail(
                "The request's time was over before its turn came; nothing was changed.",
            ),
            Failure::StorageFull => Self::new(Code::StorageFull),
            Failure::Stopping => Self::new(Code::Unavailable),
            Failure::Recovering => Self::new(Code::Unavailable)
                .with_detail("The engine still reads its journal; /readyz says how far it is."),
            Failure::Unreachable => Self::new(Code::Unavailable)
                .with_detail("This gate has no connection to the engine; nothing was changed."),
            Failure::Lost => Self::new(Code::Unavailable).with_detail(
                "The connection to the engine broke before its reply. Whether the request took \
                 effect is not known: repeat it with the same Idempotency-Key, or the same claim.",
            ),
            Failure::Quarantined => Self::new(Code::InternalError),
        }
    }
}
