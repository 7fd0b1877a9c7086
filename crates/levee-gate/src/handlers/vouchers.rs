//! Vouchers: showing, validating, locking, revoking, and a user's wallet.

use hyper::header::HeaderName;
use levee_api::port::{Answer as EngineAnswer, Priority, Query, Reply as Said, VoucherView};
use levee_api::problem::Code;
use levee_api::strict::{Name, UserId};
use levee_api::time::Instant;
use levee_api::types::{
    Bill, Categories, Command, LockVoucher, NameHash, Outcome, Reference, Refusal, ReleaseLock,
    RevokeVoucher, UserKey, VoucherKind, VoucherNo,
};
use levee_api::wire::{
    CategoryNames, LockBody, LockRef, LockRequest, ReasonRequest, ReleaseBody, RevocationBody,
    ValidateBody, ValidateRequest, VoucherBody, WalletBody, voucher_state,
};

use crate::call::{Call, unexpected};
use crate::handlers::next_of_page;
use crate::reply::{Answer, Reply};
use crate::trouble::Trouble;

const LEVEE_USER: HeaderName = HeaderName::from_static("levee-user");

const LOCK_MS_MIN: u64 = 1_000;
/// A lock keeps a voucher from expiring, so it must not outlive what it is held for by much.
const LOCK_MS_MAX: u64 = 7 * 24 * 3_600_000;

/// `GET /v1/vouchers/{code}`
pub(crate) async fn get(call: &mut Call) -> Answer {
    let number = voucher_in_path(call)?;
    match call.query(Priority::Browse, Query::Voucher(number)).await? {
        EngineAnswer::Voucher(Some(view)) => Ok(Reply::json(200, &body(call, &view))),
        EngineAnswer::Voucher(None) => Err(Trouble::new(Code::VoucherNotFound)),
        other => Err(unexpected(&other)),
    }
}

/// `POST /v1/vouchers/{code}/validate`
pub(crate) async fn validate(call: &mut Call) -> Answer {
    let voucher = voucher_in_path(call)?;
    let body: ValidateRequest = call.json().await?;
    let bill = Bill {
        voucher,
        user: pseudonym(call, &body.user_id),
        order_minor: body.order_minor.get(),
        brand: body.brand.as_ref().map(brand_hash),
        categories: categories(&body.categories)?,
    };
    call.worker.admit_user(Priority::Browse, bill.user)?;
    let body = match call.query(Priority::Browse, Query::Validate(bill)).await? {
        EngineAnswer::Validated(Ok(discount_minor)) => {
            ValidateBody { valid: true, discount_minor, reason: None }
        }
        EngineAnswer::Validated(Err(Refusal::VoucherNotFound)) => {
            return Err(Trouble::new(Code::VoucherNotFound));
        }
        EngineAnswer::Validated(Err(refusal)) => {
            ValidateBody { valid: false, discount_minor: 0, reason: Some(refusal.into()) }
        }
        other => return Err(unexpected(&other)),
    };
    Ok(Reply::json(200, &body))
}

/// `POST /v1/vouchers/{code}/lock`
pub(crate) async fn lock(call: &mut Call) -> Answer {
    let request = call.request_key()?;
    let voucher = voucher_in_path(call)?;
    let body: LockRequest = call.json().await?;
    if !(LOCK_MS_MIN..=LOCK_MS_MAX).contains(&body.ttl.ms) {
        return Err(Trouble::field("ttl", "must be from PT1S to P7D"));
    }
    let user = pseudonym(call, &body.user_id);
    call.worker.admit_user(Priority::Redeem, user)?;
    let lock = Command::LockVoucher(Box::new(LockVoucher {
        request,
        voucher,
        user,
        ttl_ms: body.ttl.ms,
        reference: reference(body.reference.as_str())?,
    }));
    match call.command(Priority::Redeem, lock).await? {
        Said::Done { seq, outcome: Outcome::Locked { lock, until_ms }, repeated, .. } => {
            let id = call.worker.hub.ports.codes.lock(lock);
            let lock = LockRef { id, until: Instant { ms: until_ms } };
            Ok(Reply::json(201, &LockBody { lock, seq }).repeated(repeated))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// `DELETE /v1/locks/{id}`
pub(crate) async fn release(call: &mut Call) -> Answer {
    let lock = call.worker.hub.ports.codes.parse_lock(call.param());
    let lock = lock.ok_or_else(|| forged(call, Code::LockNotFound))?;
    let release = Command::ReleaseLock(ReleaseLock { lock });
    match call.command(Priority::Redeem, release).await? {
        Said::Done {
            seq, outcome: Outcome::Released { voucher_state: state }, repeated, ..
        } => {
            let lock = call.worker.hub.ports.codes.lock(lock);
            let body = ReleaseBody { lock, voucher_state: voucher_state(state), seq };
            Ok(Reply::json(200, &body).repeated(repeated))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// `POST /v1/vouchers/{code}/revoke`
pub(crate) async fn revoke(call: &mut Call) -> Answer {
    let request = call.request_key()?;
    let voucher = voucher_in_path(call)?;
    let body: ReasonRequest = call.json().await?;
    let revoke = RevokeVoucher { request, voucher, reason: body.reason.into() };
    match call.command(Priority::Status, Command::RevokeVoucher(Box::new(revoke))).await? {
        Said::Done { seq, outcome: Outcome::Revoked { face_minor }, repeated, .. } => {
            let voucher = call.worker.hub.ports.codes.voucher(voucher);
            let body = RevocationBody { voucher, released_minor: face_minor, seq };
            Ok(Reply::json(200, &body).repeated(repeated))
        }
        Said::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// `GET /v1/wallet`
pub(crate) async fn wallet(call: &mut Call) -> Answer {
    let user = user_in_header(call)?;
    let (limit, after) = call.page()?;
    call.worker.admit_user(Priority::Browse, user)?;
    let cursor = |code: &str| {
        let number = call.worker.hub.ports.codes.parse_voucher(code);
        number.ok_or_else(|| Trouble::field("after", "is no voucher code"))
    };
    let before = after.as_deref().map(cursor).transpose()?;
    let views = vouchers_of(call, user, before, limit).await?;
    let last = views.last().map(|view| view.number);
    let next = next_of_page(views.len(), limit, last, async |last| {
        let more = vouchers_of(call, user, Some(last), 1).await?;
        Ok((!more.is_empty()).then(|| call.worker.hub.ports.codes.voucher(last)))
    })
    .await?;
    let wallet = WalletBody {
        vouchers: views.iter().map(|view| body(call, view)).collect(),
        envelopes: Vec::new(),
        invites: Vec::new(),
        rewards: Vec::new(),
        next,
    };
    Ok(Reply::json(200, &wallet))
}

async fn vouchers_of(
    call: &Call,
    user: UserKey,
    before: Option<VoucherNo>,
    limit: u32,
) -> Result<Vec<VoucherView>, Trouble> {
    match call.query(Priority::Browse, Query::Wallet { user, before, limit }).await? {
        EngineAnswer::Wallet(views) => Ok(views),
        other => Err(unexpected(&other)),
    }
}

fn body(call: &Call, view: &VoucherView) -> VoucherBody {
    let codes = &call.worker.hub.ports.codes;
    let voucher = &view.definition.terms.voucher;
    VoucherBody {
        code: codes.voucher(view.number),
        campaign: view.definition.id.to_string(),
        kind: "claim".to_owned(),
        state: voucher_state(view.state),
        face_minor: view.face_minor,
        percent: match voucher.kind {
            VoucherKind::AmountOff { .. } => None,
            VoucherKind::PercentOff { percent, .. } => Some(percent),
        },
        min_spend_minor: voucher.min_spend_minor,
        valid_from: Instant { ms: view.valid_from_ms },
        valid_until: Instant { ms: view.valid_until_ms },
        lock: view.lock.map(|(lock, until_ms)| LockRef {
            id: codes.lock(lock),
            until: Instant { ms: until_ms },
        }),
        redemption: view.redemption.map(|redemption| codes.redemption(redemption)),
        order: None,
    }
}

fn voucher_in_path(call: &Call) -> Result<VoucherNo, Trouble> {
    let number = call.worker.hub.ports.codes.parse_voucher(call.param());
    number.ok_or_else(|| forged(call, Code::VoucherNotFound))
}

/// A code or an id that this installation never made: mistyped or guessed. The engine is not asked.
pub(crate) fn forged(call: &Call, code: Code) -> Trouble {
    call.worker.lane().stats.forged_codes.add(1);
    Trouble::new(code)
}

/// Whom `Levee-User` names.
pub(crate) fn user_in_header(call: &Call) -> Result<UserKey, Trouble> {
    let missing = || Trouble::field("Levee-User", "the header must name the user");
    let value = call.header(&LEVEE_USER)?.ok_or_else(missing)?;
    let text = str::from_utf8(value).map_err(|_| Trouble::field("Levee-User", "must be UTF-8"))?;
    let user =
        UserId::try_from(text.to_owned()).map_err(|detail| Trouble::field("Levee-User", detail))?;
    Ok(pseudonym(call, &user))
}

pub(crate) fn pseudonym(call: &Call, user: &UserId) -> UserKey {
    call.worker.hub.ports.pseudonyms.of(user.as_str())
}

pub(crate) fn brand_hash(brand: &Name) -> NameHash {
    NameHash::of(brand.as_str())
}

pub(crate) fn categories(names: &CategoryNames) -> Result<Categories, Trouble> {
    let hashes: Vec<NameHash> = names.as_slice().iter().map(brand_hash).collect();
    Categories::new(&hashes).ok_or_else(|| Trouble::field("categories", "are too many"))
}

pub(crate) fn reference(text: &str) -> Result<Reference, Trouble> {
    Reference::new(text).ok_or_else(|| Trouble::field("reference", "is too long"))
}
