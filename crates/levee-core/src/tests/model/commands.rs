//! The model's opinion on each command.

use super::*;

impl Model {
    pub(super) fn by_id(&self, id: &CampaignId) -> Result<usize, Refusal> {
        let found = self.campaigns.iter().position(|campaign| campaign.definition.id == *id);
        found.ok_or(Refusal::CampaignNotFound)
    }

    /// Kind of business, campaign or order, and the app's own number.
    pub(super) fn reference(&self, command: &Command) -> Option<(&'static str, usize, String)> {
        let (kind, campaign, reference) = match command {
            Command::LockVoucher(lock) => {
                ("lock", self.vouchers.get(&lock.voucher.0)?.campaign, lock.reference)
            }
            Command::RedeemVoucher(redeem) => {
                let voucher = self.vouchers.get(&redeem.bill.voucher.0)?;
                ("redemption", voucher.campaign, redeem.reference)
            }
            Command::MoveBudget(budget) => {
                let kind = match budget.direction {
                    Direction::Fund => "funding",
                    Direction::Withdraw => "withdrawal",
                };
                (kind, self.by_id(&budget.campaign).ok()?, budget.reference)
            }
            // Counted by orders, not by campaigns.
            Command::RefundOrder(refund) => ("refund", refund.order.index(), refund.reference),
            _ => return None,
        };
        Some((kind, campaign, reference.as_str().into()))
    }

    /// What was said to this reference before.
    pub(super) fn said(&self, now: u64, command: &Command) -> Result<Option<Said>, Refusal> {
        let said = self.reference(command).and_then(|name| self.references.get(&name));
        let Some(said) = said else { return Ok(None) };
        if said.body != body(command) {
            return Err(Refusal::ReferenceReused);
        }
        if let Outcome::Redeemed { redemption, .. } = said.outcome
            && self.redemptions[&redemption.0].undone.is_some()
        {
            return Err(Refusal::ReferenceReused);
        }
        if let Outcome::Locked { lock, .. } = said.outcome
            && (!self.locks[&lock.0].held || self.lock_end(lock.0) <= now)
        {
            return Err(Refusal::ReferenceReused);
        }
        Ok(Some(said.clone()))
    }

    pub(super) fn replace(&mut self, replace: &ReplaceCampaign) -> Came {
        let number = self.by_id(&replace.definition.id)?;
        let campaign = &mut self.campaigns[number];
        if campaign.version != replace.version_seen {
            return Err(Refusal::VersionConflict);
        }
        let (new, old) = (&replace.definition.terms, &campaign.definition.terms);
        if campaign.state != CampaignState::Draft {
            if new.closes_at_ms < old.closes_at_ms {
                return Err(Refusal::TermsFrozen("closes_at"));
            }
            // The test changes nothing else but this.
            if new.voucher.min_spend_minor != old.voucher.min_spend_minor {
                return Err(Refusal::TermsFrozen("voucher.min_spend_minor"));
            }
        }
        campaign.definition = replace.definition.clone();
        campaign.version += 1;
        Ok(Ok(Outcome::CampaignReplaced { version: campaign.version }))
    }

    pub(super) fn budget(&mut self, now: u64, budget: &MoveBudget, command: &Command) -> Came {
        let number = self.by_id(&budget.campaign)?;
        if let Some(said) = self.said(now, command)? {
            return Ok(Err(said));
        }
        let free = self.free_minor(number);
        let campaign = &mut self.campaigns[number];
        let mut none = 0;
        let (part, limit) = match budget.purpose {
            Purpose::Vouchers => (&mut none, free),
            Purpose::Invites => (&mut campaign.aside.invites_minor, 0),
            Purpose::Envelopes => (&mut campaign.aside.envelopes_minor, 0),
            Purpose::Compensation => (&mut campaign.aside.compensation_minor, 0),
        };
        match budget.direction {
            Direction::Fund => {
                if u128::from(campaign.funded) + u128::from(budget.amount_minor) > 1 << 60 {
                    return Err(Refusal::AmountTooLarge);
                }
                campaign.funded += budget.amount_minor;
                *part += budget.amount_minor;
            }
            Direction::Withdraw => {
                if budget.amount_minor > limit.max(*part) {
                    return Err(Refusal::BudgetExhausted);
                }
                campaign.returned += budget.amount_minor;
                *part = part.saturating_sub(budget.amount_minor);
            }
        }
        Ok(Ok(Outcome::BudgetMoved(Box::new(self.money(number)))))
    }

    pub(super) fn claim(&mut self, now: u64, claim: &ClaimVoucher) -> Came {
        let number = claim.campaign.index();
        let campaign = self.campaigns.get(number).ok_or(Refusal::CampaignNotFound)?;
        let terms = campaign.definition.terms.clone();
        let mine = self.vouchers.iter();
        let mine: Vec<(&u32, &Voucher)> = mine
            .filter(|(_, v)| v.campaign == number && v.user == claim.user && !v.apology)
            .collect();
        if let (1, [(voucher, had)]) = (terms.voucher.per_user, &mine[..]) {
            let outcome =
                Outcome::Claimed { voucher: VoucherNo(**voucher), face_minor: face(had.face) };
            let body = Command::ClaimVoucher(*claim);
            return Ok(Err(Said { body, seq: had.seq, at_ms: had.at_ms, outcome }));
        }
        match self.state_of(now, number) {
            CampaignState::Closed => return Err(Refusal::CampaignClosed),
            CampaignState::Open if now >= terms.opens_at_ms => {}
            _ => return Err(Refusal::CampaignNotOpen),
        }
        if terms.voucher.per_user > 1 && claim.request.is_none() {
            return Err(Refusal::IdempotencyKeyMissing);
        }
        let conditions = terms.eligibility.all.len();
        if conditions > 0 && claim.terms_version != campaign.version {
            return Err(Refusal::TermsChanged);
        }
        if (0..conditions).any(|place| claim.conditions_met & (1 << place) == 0) {
            return Err(Refusal::NotEligible);
        }
        let amount = u64::from(terms.voucher.kind.face_minor());
        let total: u64 = mine.iter().map(|(_, had)| had.face).sum::<u64>() + amount;
        if mine.len() >= usize::from(terms.voucher.per_user)
            || total > terms.per_user_total_minor.unwrap_or(u64::MAX)
        {
            return Err(Refusal::UserLimitReached);
        }
        if self.free_minor(number) < amount {
            return Err(Refusal::BudgetExhausted);
        }
        let voucher = count(self.vouchers.len());
        self.vouchers.insert(
            voucher,
            Voucher {
                user: claim.user,
                campaign: number,
                seq: self.seq + 1,
                at_ms: now,
                face: amount,
                apology: false,
                until_ms: now + terms.voucher.valid_for_ms,
                state: VoucherState::Live,
                lock: None,
                redemption: None,
                swept: false,
            },
        );
        Ok(Ok(Outcome::Claimed { voucher: VoucherNo(voucher), face_minor: face(amount) }))
    }

    fn of_user(&self, number: VoucherNo, user: UserKey) -> Result<&Voucher, Refusal> {
        let voucher = self.vouchers.get(&number.0).ok_or(Refusal::VoucherNotFound)?;
        if voucher.user == user { Ok(voucher) } else { Err(Refusal::VoucherOfAnotherUser) }
    }

    fn must_be_live(&self, now: u64, voucher: &Voucher) -> Result<(), Refusal> {
        match self.voucher_state(now, voucher) {
            VoucherState::Live => Ok(()),
            VoucherState::Locked => Err(Refusal::VoucherLocked),
            state => Err(Refusal::VoucherNotLive(state)),
        }
    }

    pub(super) fn let_go(&mut self, now: u64, number: u32) -> VoucherState {
        let voucher = self.locks[&number].voucher;
        let over = self.voucher_end(&self.vouchers[&voucher]) <= now;
        let state = if over { VoucherState::Expired } else { VoucherState::Live };
        let lock = self.locks.get_mut(&number).expect("known");
        lock.held = false;
        lock.released = Some((self.seq + 1, now, state));
        let voucher = self.vouchers.get_mut(&voucher).expect("known");
        voucher.state = state;
        voucher.lock = None;
        state
    }

    /// The next effective command on a voucher lets go of its overdue lock.
    fn let_go_if_over(&mut self, now: u64, voucher: u32) {
        if let Some(lock) = self.vouchers[&voucher].lock
            && self.lock_end(lock) <= now
        {
            self.let_go(now, lock);
        }
    }

    pub(super) fn lock(&mut self, now: u64, lock: &LockVoucher, command: &Command) -> Came {
        self.of_user(lock.voucher, lock.user)?;
        if let Some(said) = self.said(now, command)? {
            return Ok(Err(said));
        }
        self.must_be_live(now, &self.vouchers[&lock.voucher.0])?;
        let until_ms = now + lock.ttl_ms;
        let number = self.hold(now, lock.voucher.0, until_ms);
        Ok(Ok(Outcome::Locked { lock: LockNo(number), until_ms }))
    }

    pub(super) fn hold(&mut self, now: u64, voucher: u32, until_ms: u64) -> u32 {
        self.let_go_if_over(now, voucher);
        let number = count(self.locks.len());
        let (held, of_order) = (true, false);
        let made = Lock { voucher, at_ms: now, until_ms, held, released: None, of_order };
        self.locks.insert(number, made);
        let voucher = self.vouchers.get_mut(&voucher).expect("known");
        voucher.state = VoucherState::Locked;
        voucher.lock = Some(number);
        number
    }

    pub(super) fn release(&mut self, now: u64, number: u32) -> Came {
        let lock = self.locks.get(&number).ok_or(Refusal::LockNotFound)?;
        if lock.of_order {
            return Err(Refusal::HeldByOrder);
        }
        if let Some((seq, at_ms, voucher_state)) = lock.released {
            let outcome = Outcome::Released { voucher_state };
            let body = Command::ReleaseLock(ReleaseLock { lock: LockNo(number) });
            return Ok(Err(Said { body, seq, at_ms, outcome }));
        }
        if !lock.held {
            return Err(Refusal::LockNotHeld);
        }
        Ok(Ok(Outcome::Released { voucher_state: self.let_go(now, number) }))
    }

    /// What a bill would get; `lock` is the one that the caller holds.
    pub(crate) fn discount(
        &self,
        now: u64,
        bill: &Bill,
        lock: Option<u32>,
    ) -> Result<u64, Refusal> {
        let voucher = self.of_user(bill.voucher, bill.user)?;
        let terms = &self.campaigns[voucher.campaign].definition.terms;
        let holder = voucher.lock.filter(|lock| self.lock_end(*lock) > now);
        match self.voucher_state(now, voucher) {
            VoucherState::Live | VoucherState::Locked if holder == lock => {}
            VoucherState::Locked if lock.is_none() => return Err(Refusal::VoucherLocked),
            VoucherState::Live | VoucherState::Locked => return Err(Refusal::LockNotHeld),
            state => return Err(Refusal::VoucherNotLive(state)),
        }
        if bill.order_minor > BILL_MINOR_MAX {
            return Err(Refusal::AmountTooLarge);
        }
        let rules = &terms.voucher;
        let brand_fits = rules.brands.iter().any(|name| bill.brand == Some(NameHash::of(name)));
        let category_fits = bill
            .categories
            .iter()
            .any(|stated| rules.categories.iter().any(|name| NameHash::of(name) == stated));
        let mut offset = 0;
        for zone in &terms.offsets {
            if zone.from_ms <= now {
                offset = i128::from(zone.minutes);
            }
        }
        let minute = (i128::from(now) / 60_000 + offset).rem_euclid(24 * 60);
        let hour_fits = rules.hours.iter().any(|part| {
            let (from, until) = (i128::from(part.from_minute), i128::from(part.until_minute));
            let length = (until - from).rem_euclid(24 * 60);
            length == 0 || (minute - from).rem_euclid(24 * 60) < length
        });
        if !(rules.brands.is_empty() || brand_fits)
            || !(rules.categories.is_empty() || category_fits)
            || !(rules.hours.is_empty() || hour_fits)
        {
            return Err(Refusal::VoucherNotApplicable);
        }
        let discount = match rules.kind {
            _ if voucher.apology => bill.order_minor.min(voucher.face),
            VoucherKind::AmountOff { face_minor } => bill.order_minor.min(u64::from(face_minor)),
            VoucherKind::PercentOff { percent, max_minor } => {
                (bill.order_minor * u64::from(percent) / 100).min(u64::from(max_minor))
            }
        };
        let least = if voucher.apology { 0 } else { rules.min_spend_minor };
        if bill.order_minor < least || discount == 0 {
            return Err(Refusal::MinSpendNotMet);
        }
        Ok(discount)
    }

    pub(super) fn redeem(&mut self, now: u64, redeem: &RedeemVoucher, command: &Command) -> Came {
        self.of_user(redeem.bill.voucher, redeem.bill.user)?;
        if let Some(said) = self.said(now, command)? {
            return Ok(Err(said));
        }
        let discount = self.discount(now, &redeem.bill, redeem.lock.map(|lock| lock.0))?;
        if redeem.lock.is_some_and(|lock| self.locks[&lock.0].of_order) {
            return Err(Refusal::HeldByOrder);
        }
        let (number, bill) = (redeem.bill.voucher.0, redeem.bill.order_minor);
        let redemption = self.use_up(now, number, bill, discount, false);
        let made = &self.redemptions[&redemption];
        let rest = self.vouchers[&number].face - discount;
        Ok(Ok(Outcome::Redeemed {
            redemption: RedemptionNo(redemption),
            discount_minor: face(discount),
            rest_minor: face(rest),
            rollback_until_ms: made.until_ms,
        }))
    }

    pub(super) fn use_up(
        &mut self,
        now: u64,
        number: u32,
        bill: u64,
        discount: u64,
        of_order: bool,
    ) -> u32 {
        self.let_go_if_over(now, number);
        let redemption = count(self.redemptions.len());
        let voucher = self.vouchers.get_mut(&number).expect("known");
        if let Some(lock) = voucher.lock.take() {
            self.locks.get_mut(&lock).expect("known").held = false;
        }
        voucher.state = VoucherState::Redeemed;
        voucher.redemption = Some(redemption);
        let within = self.campaigns[voucher.campaign].definition.terms.voucher.rollback_within_ms;
        self.redemptions.insert(
            redemption,
            Redemption {
                voucher: number,
                seq: self.seq + 1,
                at_ms: now,
                bill,
                discount,
                until_ms: now + within,
                settled: within == 0 && !of_order,
                swept: false,
                undone: None,
                of_order,
            },
        );
        redemption
    }

    pub(super) fn undo(&mut self, now: u64, number: u32) -> Came {
        let redemption = self.redemptions.get(&number).ok_or(Refusal::RedemptionNotFound)?;
        if redemption.of_order {
            return Err(Refusal::HeldByOrder);
        }
        if let Some((seq, at_ms, voucher_state)) = redemption.undone {
            let outcome = Outcome::RolledBack { voucher_state };
            let body = Command::Tick(Tick { limit: 0 });
            return Ok(Err(Said { body, seq, at_ms, outcome }));
        }
        if redemption.settled || self.undo_end(redemption) <= now {
            return Err(Refusal::RollbackWindowOver);
        }
        Ok(Ok(Outcome::RolledBack { voucher_state: self.roll_back(now, number) }))
    }

    pub(super) fn roll_back(&mut self, now: u64, number: u32) -> VoucherState {
        let redemption = &self.redemptions[&number];
        let over = self.voucher_end(&self.vouchers[&redemption.voucher]) <= now;
        let voucher_state = if over { VoucherState::Expired } else { VoucherState::Live };
        let voucher = self.vouchers.get_mut(&redemption.voucher).expect("known");
        voucher.state = voucher_state;
        voucher.redemption = None;
        let redemption = self.redemptions.get_mut(&number).expect("known");
        redemption.undone = Some((self.seq + 1, now, voucher_state));
        voucher_state
    }

    pub(super) fn revoke(&mut self, now: u64, number: u32) -> Came {
        let voucher = self.vouchers.get(&number).ok_or(Refusal::VoucherNotFound)?;
        self.must_be_live(now, voucher)?;
        let face_minor = face(voucher.face);
        self.let_go_if_over(now, number);
        self.vouchers.get_mut(&number).expect("known").state = VoucherState::Revoked;
        Ok(Ok(Outcome::Revoked { face_minor }))
    }
}
