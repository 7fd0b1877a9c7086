//! Claims, locks, releases and revocations.

use levee_core::types::{
    CampaignNo, CampaignState, ClaimVoucher, DURATION_MS_MAX, LockNo, LockVoucher, Reference,
    UserKey, VoucherNo, VoucherState,
};

use super::keys::{Fingerprint, Names, ReferenceKind};
use super::recount::Recount;
use super::tables::{Lock, LockState, Voucher};
use super::terms::all_conditions_met;

impl Recount {
    pub(super) fn claim(
        &mut self,
        ask: &ClaimVoucher,
        names: Names,
        number: VoucherNo,
        face_minor: u32,
    ) {
        let now_ms = self.now_ms;
        if let Some(what) = self.vouchers.misnumbered(number.0) {
            self.notes.note(what);
        }
        let place = ask.campaign.index();
        let Some(campaign) = self.campaigns.get_mut(place) else {
            self.notes.note(format!("a claim of campaign {}, which does not exist", ask.campaign));
            self.vouchers.put(number.0, None);
            return;
        };
        let terms = &campaign.terms;
        let notes = &mut self.notes;
        let state = campaign.state_at(now_ms);
        notes.check(state == CampaignState::Open, || {
            format!("a claim of a campaign that is {state:?}")
        });
        notes.check(now_ms >= terms.opens_at_ms, || {
            format!("a claim {} ms before the opening", terms.opens_at_ms.saturating_sub(now_ms))
        });
        notes.check(terms.voucher.per_user <= 1 || ask.request.is_some(), || {
            "a claim without a request key, where a user may have several".into()
        });
        if !terms.eligibility.all.is_empty() {
            let (version, stated) = (campaign.version, ask.terms_version);
            notes.check(stated == version, || {
                format!("conditions of version {stated} were looked at, though {version} holds")
            });
            let (met, asked) = (ask.conditions_met, terms.eligibility.all.len());
            notes.check(all_conditions_met(terms, met), || {
                format!("conditions met are {met:#b} of {asked}")
            });
        }
        let promised = terms.voucher.kind.face_minor();
        notes.check(face_minor == promised, || {
            format!("a face of {face_minor}, where the terms say {promised}")
        });
        let held = campaign.users.give(ask.user, names, face_minor);
        let per_user = u32::from(terms.voucher.per_user);
        notes.check(held.vouchers <= per_user, || {
            format!("voucher {} of a user who may have {per_user}", held.vouchers)
        });
        if let Some(most) = terms.per_user_total_minor {
            notes.check(held.face_minor <= most, || {
                format!("{} for a user who may have {most}", held.face_minor)
            });
        }
        let free = campaign.free_minor();
        notes.check(i128::from(face_minor) <= free, || {
            format!("overspent: {face_minor} were promised and {free} were free")
        });
        let voucher = Voucher {
            user: ask.user,
            issued_at_ms: now_ms,
            valid_until_ms: now_ms.saturating_add(terms.voucher.valid_for_ms),
            campaign: ask.campaign.0,
            face_minor,
            is_apology: false,
            lock: None,
            state: VoucherState::Live,
        };
        if self.vouchers.put(number.0, Some(voucher)) {
            campaign.issue(face_minor);
        }
        self.check_sums(ask.campaign.0);
    }

    /// The voucher that a command names, by now: a lock whose time is over has let go of it, as it
    /// does before anything else is done with a voucher.
    pub(super) fn voucher_now(&mut self, number: VoucherNo) -> Option<Voucher> {
        let Some(voucher) = self.vouchers.get(number.0).copied() else {
            self.notes.note(format!("there is no voucher {number}"));
            return None;
        };
        if let Some(lock) = voucher.lock
            && self.lock_end_ms(lock).is_some_and(|end_ms| end_ms <= self.now_ms)
        {
            let to = self.state_when_let_go(&voucher);
            self.turn(number, to);
        }
        self.vouchers.get(number.0).copied()
    }

    /// What a voucher is once nothing holds it: expired if its time is over, else live.
    pub(super) fn state_when_let_go(&self, voucher: &Voucher) -> VoucherState {
        let is_over = self.voucher_end_ms(voucher) <= self.now_ms;
        if is_over { VoucherState::Expired } else { VoucherState::Live }
    }

    /// The state as the clock has it: an end that no tick has recorded is an end.
    pub(super) fn state_now(&self, voucher: &Voucher) -> VoucherState {
        match voucher.state {
            VoucherState::Live => self.state_when_let_go(voucher),
            state => state,
        }
    }

    pub(super) fn check_owner(&mut self, number: VoucherNo, voucher: &Voucher, user: UserKey) {
        self.notes.check(voucher.user == user, || format!("voucher {number} is another user's"));
    }

    pub(super) fn reference(
        &mut self,
        kind: ReferenceKind,
        scope: u32,
        reference: &Reference,
        text: Fingerprint,
    ) {
        let is_new = self.references.is_new(kind, scope, text);
        self.notes.check(is_new, || format!("{kind:?} reference {reference:?} was used already"));
    }

    pub(super) fn lock(&mut self, ask: &LockVoucher, names: Names, number: LockNo, until_ms: u64) {
        let now_ms = self.now_ms;
        self.notes.check((1..=DURATION_MS_MAX).contains(&ask.ttl_ms), || {
            format!("a lock for {} ms", ask.ttl_ms)
        });
        let expected = now_ms.saturating_add(ask.ttl_ms);
        self.notes.check(until_ms == expected, || {
            format!("lock {number} ends at {until_ms}, asked for was {expected}")
        });
        let Some(voucher) = self.voucher_now(ask.voucher) else {
            self.hold(number, ask.voucher, until_ms, None);
            return;
        };
        self.check_owner(ask.voucher, &voucher, ask.user);
        let state = self.state_now(&voucher);
        self.notes.check(state == VoucherState::Live, || {
            format!("voucher {} was locked, though it was {state:?}", ask.voucher)
        });
        self.reference(ReferenceKind::Lock, voucher.campaign, &ask.reference, names.reference);

        self.hold(number, ask.voucher, until_ms, None);
    }

    pub(super) fn release(&mut self, number: LockNo, stated: VoucherState) {
        let Some((lock, voucher)) = self.held(number) else { return };
        self.notes.check(lock.order.is_none(), || format!("lock {number} is an order's"));
        let expected = self.state_when_let_go(&voucher);
        self.notes.check(stated == expected, || {
            format!("voucher {} is {expected:?} when let go, not {stated:?}", lock.voucher)
        });
        self.turn(lock.voucher, or_expected(stated, expected));
        self.check_sums(voucher.campaign);
    }

    /// A lock that is still held, and its voucher; a difference when there is none.
    pub(super) fn held(&mut self, number: LockNo) -> Option<(Lock, Voucher)> {
        let Some(lock) = self.locks.get(number.0).copied() else {
            self.notes.note(format!("there is no lock {number}"));
            return None;
        };
        self.notes.check(lock.state == LockState::Held, || {
            format!("lock {number} held nothing any more: {:?}", lock.state)
        });
        let voucher = self.vouchers.get(lock.voucher.0).copied()?;
        (lock.state == LockState::Held).then_some((lock, voucher))
    }

    /// Moves a voucher, its money and its campaign's counts to another state than redeemed. A lock
    /// that held it lets go.
    pub(super) fn turn(&mut self, number: VoucherNo, to: VoucherState) {
        let Some(voucher) = self.vouchers.get_mut(number.0) else { return };
        self.campaigns[CampaignNo(voucher.campaign).index()].turn(voucher, to);
        if let Some(lock) = voucher.lock.take().and_then(|lock| self.locks.get_mut(lock.0)) {
            lock.state = LockState::LetGo;
        }
    }

    pub(super) fn revoke(&mut self, number: VoucherNo, face_minor: u32) {
        let Some(voucher) = self.voucher_now(number) else { return };
        let state = self.state_now(&voucher);
        self.notes.check(state == VoucherState::Live, || {
            format!("voucher {number} was revoked, though it was {state:?}")
        });
        let face = voucher.face_minor;
        self.notes.check(face_minor == face, || {
            format!("revoking gives {face_minor} back, and the face is {face}")
        });
        self.turn(number, VoucherState::Revoked);
        self.check_sums(voucher.campaign);
    }
}

/// The journal's word, where it can be one.
pub(super) fn or_expected(stated: VoucherState, expected: VoucherState) -> VoucherState {
    if matches!(stated, VoucherState::Live | VoucherState::Expired) { stated } else { expected }
}
