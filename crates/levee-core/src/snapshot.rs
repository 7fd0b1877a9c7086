//! Snapshots: the state as it was at one sequence number, in pages of the tables and a rest, copied
//! out while commands go on; and the state made anew from them.
//!
//! Indexes are not part of a snapshot; they follow from the records.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::handlers::USERS_PLANNED_MAX;
use crate::pacing::Experience;
use crate::state::{Campaign, Outage, SetAside, State};
use crate::tables::{Budgets, Capture, Chunk, LAYOUT, LockState, Pages};
use crate::types::{
    Breaker, CampaignNo, Compensated, DecodeError, Definition, LockNo, NameHash, Operations,
    Reader, Webhook, WebhookId, Wire,
};

/// How many tables there are, and how many there were before there were outlets.
const TABLES: usize = 9;
const TABLES_BEFORE_OUTLETS: usize = 5;

/// What a snapshot holds beside pages, as of its sequence number. Made in no time and encoded
/// elsewhere.
#[derive(Debug)]
pub struct Rest {
    last_seq: u64,
    last_ms: u64,
    rules_version: u16,
    users_planned: u32,
    /// First record and number of records, by table.
    spans: Vec<(u32, u32)>,
    pages: u64,
    campaigns: Vec<Campaign>,
    budgets: Budgets,
    outages: Vec<Outage>,
    operations: Operations,
    /// Breakers that are not closed.
    vendors: BTreeMap<NameHash, (String, Breaker)>,
    experience: Experience,
    webhooks: BTreeMap<WebhookId, Webhook>,
}

/// Why a snapshot does not make a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Records have another form in it.
    #[error("its records are of layout {0}, and this build reads layout {LAYOUT}")]
    Layout(u16),
    /// This build does not have its rules.
    #[error("it was made under rules {0}, which this build does not have")]
    Rules(u16),
    /// The rest cannot be read.
    #[error("what it holds beside records cannot be read: {0}")]
    Rest(#[from] DecodeError),
    /// Pages of no table, or twice the same.
    #[error("page {first} of table {table} is none that belongs there")]
    Pages {
        /// As it says.
        table: u8,
        /// As it says.
        first: u32,
    },
    /// Pages are missing.
    #[error("pages of table {table} are missing")]
    Incomplete {
        /// Which.
        table: u8,
    },
}

impl State {
    /// Takes a chunk of zeros in, for tables and indexes to grow into.
    pub fn give_chunk(&mut self, chunk: Chunk) {
        self.store.give(chunk);
    }

    /// How many chunks wait to be grown into.
    #[must_use]
    pub fn spare_chunks(&self) -> usize {
        self.store.spares()
    }

    /// Makes chunks in this way where none waits.
    pub fn make_chunks_with(&mut self, make: fn() -> Chunk) {
        self.store.make_with(make);
    }

    /// Begins a snapshot of what is so now. Until it ends, [`Self::take_pages`] gives what it needs.
    ///
    /// # Panics
    /// When one is running.
    pub fn begin_snapshot(&mut self) -> Rest {
        let mut spans = Vec::new();
        let mut pages = 0;
        for table in self.captures() {
            pages += u64::from(table.begin());
            spans.push(table.span());
        }
        Rest {
            last_seq: self.last_seq,
            last_ms: self.last_ms,
            rules_version: self.rules.version,
            users_planned: self.users.planned(),
            spans,
            pages,
            campaigns: self.campaigns.clone(),
            budgets: self.budgets.clone(),
            outages: self.outages.clone(),
            operations: self.operations.clone(),
            vendors: self.outlets.vendors.clone(),
            experience: self.experience,
            webhooks: self.webhooks.clone(),
        }
    }

    /// Copies up to `limit` pages out that nothing has copied yet. Returns whether the running
    /// snapshot now has all of its pages copied.
    pub fn sweep(&mut self, mut limit: u32) -> bool {
        let mut whole = true;
        for table in self.captures() {
            limit = table.sweep(limit);
            whole &= table.is_swept();
        }
        whole
    }

    /// Moves the pages that were copied since the last call to `out`.
    pub fn take_pages(&mut self, out: &mut Vec<Pages>) {
        for table in self.captures() {
            table.take_copies(out);
        }
    }

    /// The running snapshot is whole, or given up.
    pub fn end_snapshot(&mut self) {
        for table in self.captures() {
            table.end();
        }
    }

    /// The tables in the order of their numbers.
    fn captures(&mut self) -> [&mut dyn Capture; TABLES] {
        [
            &mut self.vouchers,
            &mut self.redemptions,
            &mut self.locks,
            &mut self.requests.rows,
            &mut self.references.rows,
            &mut self.outlets.rows,
            &mut self.outlets.texts.blocks,
            &mut self.orders.rows,
            &mut self.quotes.rows,
        ]
    }
}

impl Rest {
    /// The last sequence number that the snapshot holds.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Journal time of that, in milliseconds since 1970.
    #[must_use]
    pub fn last_ms(&self) -> u64 {
        self.last_ms
    }

    /// How many pages the snapshot has.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// The binary form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        LAYOUT.put(&mut out);
        self.last_seq.put(&mut out);
        self.last_ms.put(&mut out);
        self.rules_version.put(&mut out);
        self.users_planned.put(&mut out);
        // Without outlets the snapshot is one of builds that knew none, and they can read it.
        let (before, later) = self.spans.split_at(TABLES_BEFORE_OUTLETS);
        let is_as_before = later.iter().all(|span| *span == (0, 0));
        let spans = if is_as_before { before } else { &self.spans };
        spans.len().put(&mut out);
        for (first, len) in spans {
            first.put(&mut out);
            len.put(&mut out);
        }
        self.campaigns.len().put(&mut out);
        self.campaigns.iter().for_each(|campaign| campaign.put(&mut out));
        self.budgets.put(&mut out);
        self.outages.len().put(&mut out);
        for outage in &self.outages {
            outage.from_ms.put(&mut out);
            outage.until_ms.put(&mut out);
        }
        // What was never set is not written: builds that know no settings can read it then.
        let compensated = self.campaigns.iter().map(|campaign| campaign.compensated);
        let has_compensated = compensated.clone().any(|sums| sums != Compensated::default());
        let has_webhooks = !self.webhooks.is_empty();
        let has_taught = self.experience.lessons > 0 || has_webhooks;
        let has_vendors = !self.vendors.is_empty() || has_taught;
        if self.operations != Operations::default() || has_compensated || has_vendors {
            self.operations.put(&mut out);
        }
        if has_compensated || has_vendors {
            compensated.for_each(|sums| sums.put(&mut out));
        }
        if has_vendors {
            self.vendors.len().put(&mut out);
            for (vendor, breaker) in self.vendors.values() {
                vendor.put(&mut out);
                breaker.put(&mut out);
            }
        }
        if has_taught {
            let Experience { unit_times, series, start, lessons } = self.experience;
            for real in [unit_times, series, start] {
                real.to_bits().put(&mut out);
            }
            lessons.put(&mut out);
        }
        if has_webhooks {
            self.webhooks.len().put(&mut out);
            for (id, webhook) in &self.webhooks {
                id.put(&mut out);
                webhook.put(&mut out);
            }
        }
        out
    }
}

/// A campaign with everything of it but what follows from its document.
impl Wire for Campaign {
    fn put(&self, out: &mut Vec<u8>) {
        let Self { definition, version, state, created_at_ms, money, set_aside, counts, .. } = self;
        definition.put(out);
        version.put(out);
        state.put(out);
        created_at_ms.put(out);
        money.put(out);
        set_aside.invites_minor.put(out);
        set_aside.envelopes_minor.put(out);
        set_aside.compensation_minor.put(out);
        counts.put(out);
        self.live_face_minor.put(out);
        self.locked_face_minor.put(out);
        self.open_rests_minor.put(out);
        self.next_to_expire.put(out);
        self.last_issued.put(out);
        self.next_to_settle.put(out);
        self.last_redeemed.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            definition: Arc::new(Definition::get(reader)?),
            version: Wire::get(reader)?,
            state: Wire::get(reader)?,
            created_at_ms: Wire::get(reader)?,
            money: Wire::get(reader)?,
            set_aside: SetAside {
                invites_minor: Wire::get(reader)?,
                envelopes_minor: Wire::get(reader)?,
                compensation_minor: Wire::get(reader)?,
            },
            counts: Wire::get(reader)?,
            // Stands at the end, where there is any.
            compensated: Compensated::default(),
            live_face_minor: Wire::get(reader)?,
            locked_face_minor: Wire::get(reader)?,
            open_rests_minor: Wire::get(reader)?,
            next_to_expire: Wire::get(reader)?,
            last_issued: Wire::get(reader)?,
            next_to_settle: Wire::get(reader)?,
            last_redeemed: Wire::get(reader)?,
        })
    }
}

/// A state in the making.
#[derive(Debug)]
pub struct Restore {
    state: State,
    users_planned: u32,
}

impl Restore {
    /// Begins with an empty state and the rest of a snapshot, whose pages hold at most `bytes_max`
    /// bytes: no memory is taken for more pages. The index is made for as many users as were
    /// planned, at most as many as funding plans for.
    ///
    /// # Errors
    /// The rest is none of this build.
    ///
    /// # Panics
    /// When the state is not empty.
    pub fn new(mut state: State, rest: &[u8], bytes_max: u64) -> Result<Self, RestoreError> {
        assert_eq!(state.last_seq, 0, "a snapshot is put into an empty state");
        let mut reader = Reader::new(rest);
        let reader = &mut reader;
        let layout = u16::get(reader)?;
        if layout != LAYOUT {
            return Err(RestoreError::Layout(layout));
        }
        state.last_seq = Wire::get(reader)?;
        state.last_ms = Wire::get(reader)?;
        let version = u16::get(reader)?;
        state.rules = state.book.get(version).ok_or(RestoreError::Rules(version))?;
        let users_planned = u32::get(reader)?;
        let mut spans = Vec::new();
        for _ in 0..usize::get(reader)? {
            spans.push((u32::get(reader)?, u32::get(reader)?));
        }
        state.campaigns = Vec::get(reader)?;
        state.budgets = Wire::get(reader)?;
        for _ in 0..usize::get(reader)? {
            let (from_ms, until_ms) = (Wire::get(reader)?, Wire::get(reader)?);
            state.outages.push(Outage { from_ms, until_ms });
        }
        // Ends here where nothing was ever set, and in snapshots of builds that knew no settings.
        if reader.remaining() > 0 {
            state.operations = Wire::get(reader)?;
        }
        if reader.remaining() > 0 {
            for campaign in &mut state.campaigns {
                campaign.compensated = Wire::get(reader)?;
            }
        }
        if reader.remaining() > 0 {
            // A list that is there is not empty, unless something comes after it.
            for _ in 0..usize::get(reader)?.max(usize::from(reader.remaining() == 0)) {
                let vendor = String::get(reader)?;
                let breaker = Wire::get(reader)?;
                state.outlets.vendors.insert(NameHash::of(&vendor), (vendor, breaker));
            }
        }
        if reader.remaining() > 0 {
            let Experience { unit_times, series, start, lessons } = &mut state.experience;
            for real in [unit_times, series, start] {
                *real = f64::from_bits(Wire::get(reader)?);
            }
            *lessons = Wire::get(reader)?;
        }
        if reader.remaining() > 0 {
            // Nor is this one.
            for _ in 0..usize::get(reader)?.max(1) {
                let (id, webhook) = Wire::get(reader)?;
                state.webhooks.insert(id, webhook);
            }
        }
        let wrong = |what| RestoreError::Rest(DecodeError { what, offset: reader.offset() });
        let in_order = |(first, len): &(u32, u32)| first <= len && *len < u32::MAX;
        let is_known = matches!(spans.len(), TABLES_BEFORE_OUTLETS | TABLES);
        if reader.remaining() > 0 || !is_known || !spans.iter().all(in_order) {
            return Err(wrong("list of tables"));
        }
        spans.resize(TABLES, (0, 0));
        let bytes = state.captures().into_iter().zip(&spans);
        let bytes = bytes.map(|(table, span)| table.bytes_of(*span)).sum::<u64>();
        // A plan counts those who have vouchers besides those who may come.
        let planned_max = USERS_PLANNED_MAX + u64::from(spans[0].1);
        if bytes > bytes_max || u64::from(users_planned) > planned_max {
            return Err(wrong("list of tables"));
        }
        let State {
            vouchers,
            redemptions,
            locks,
            requests,
            references,
            outlets,
            orders,
            quotes,
            store,
            ..
        } = &mut state;
        vouchers.begin_restore(spans[0], store);
        redemptions.begin_restore(spans[1], store);
        locks.begin_restore(spans[2], store);
        requests.rows.begin_restore(spans[3], store);
        references.rows.begin_restore(spans[4], store);
        outlets.rows.begin_restore(spans[5], store);
        outlets.texts.blocks.begin_restore(spans[6], store);
        orders.rows.begin_restore(spans[7], store);
        quotes.rows.begin_restore(spans[8], store);
        for (number, campaign) in (0..).zip(&state.campaigns) {
            state.by_id.insert(campaign.definition.id.clone(), CampaignNo(number));
        }
        Ok(Self { state, users_planned })
    }

    /// Puts pages in, in any order.
    ///
    /// # Errors
    /// They belong nowhere, or are there.
    pub fn put(&mut self, table: u8, first: u32, bytes: &[u8]) -> Result<(), RestoreError> {
        let wrong = RestoreError::Pages { table, first };
        let mut tables = self.state.captures();
        let table = tables.get_mut(usize::from(table)).ok_or(wrong)?;
        if table.put_pages(first, bytes) { Ok(()) } else { Err(wrong) }
    }

    /// Makes what follows from the records, and the state is there.
    ///
    /// # Errors
    /// Pages are missing.
    pub fn finish(mut self) -> Result<State, RestoreError> {
        for (number, table) in (0..).zip(self.state.captures()) {
            if !table.end_restore() {
                return Err(RestoreError::Incomplete { table: number });
            }
        }
        let State {
            vouchers,
            users,
            locks,
            requests,
            references,
            outlets,
            orders,
            quotes,
            store,
            held,
            ..
        } = &mut self.state;
        users.plan(self.users_planned as usize, vouchers, store);
        users.rebuild(vouchers, store);
        requests.rebuild(store);
        references.rebuild(store);
        outlets.rebuild(orders.promised().chain(quotes.promised()));
        orders.rebuild(store);
        quotes.rebuild();
        for (lock, number) in locks.iter().zip(0..) {
            if lock.state() == LockState::Held {
                held.put(0, lock.until_ms, LockNo(number));
            }
        }
        self.state.settle_all_held();
        Ok(self.state)
    }
}
