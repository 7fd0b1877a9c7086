//! The records of outlets, and the texts that belong to them. Hundreds of thousands of outlets have
//! documents of a few kilobytes each: they stand in pages like everything that grows, so a snapshot
//! copies them while the engine works.

use alloc::string::String;
use alloc::vec::Vec;

use bytemuck::{Pod, Zeroable};

use super::chunk::Store;
use super::rows::{NONE, some};
use super::table::Table;
use crate::pacing::Learned;
use crate::types::{
    Breaker, BreakerState, NameHash, Opening, OrderNo, OutletId, PutOutlet, Reader, Wire,
};

/// Stands for a pause that somebody must end.
const UNTIL_RESUMED: u64 = u64::MAX;

/// A breaker in a record.
const BROKEN: u8 = 1;
const DRAINS: u8 = 2;
const BY_HAND: u8 = 4;

/// One outlet. 256 bytes: 64 of them are its name, 80 what was learned of its kitchen.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Outlet {
    id: [u8; OutletId::LEN_MAX],
    /// 0 while it takes orders.
    paused_until_ms: u64,
    pub accept_within_ms: u64,
    pub ready_within_ms: u64,
    document: Span,
    /// The [`Past`] before it.
    past: Span,
    reason: Span,
    opening: Span,
    breaker_reason: Span,
    breaker_since_ms: u64,
    /// Sequence number of the document.
    pub put_seq: u64,
    /// Its kitchen, but for what is promised, which follows from orders and quotes.
    pub learned: Learned,
    brand: u32,
    vendor: u32,
    /// Counts up with every document, from 1.
    pub version: u32,
    /// The outlet's own figures.
    pub unit_ms: u32,
    newest_order: u32,
    pub stations: u16,
    id_len: u8,
    /// 0 while it is closed.
    breaker: u8,
    unused: [u8; 8],
}

impl Outlet {
    /// One that takes orders, or what a new document makes of the `before` one.
    pub(crate) fn of(
        put: &PutOutlet,
        seq: u64,
        before: Option<&Self>,
        texts: &mut Texts,
        store: &mut Store,
    ) -> Self {
        let name = put.id.as_str().as_bytes();
        let mut id = [0; OutletId::LEN_MAX];
        id[..name.len()].copy_from_slice(name);
        Self {
            id,
            paused_until_ms: before.map_or(0, |before| before.paused_until_ms),
            accept_within_ms: put.accept_within_ms,
            ready_within_ms: put.ready_within_ms,
            document: texts.push(&put.document, store),
            past: before.map_or(Span::zeroed(), |before| {
                let Self { put_seq, document, past, .. } = *before;
                texts.push(bytemuck::bytes_of(&Past { put_seq, document, before: past }), store)
            }),
            reason: before.map_or(Span::zeroed(), |before| before.reason),
            opening: {
                let mut bytes = Vec::new();
                if put.opening != Opening::default() {
                    put.opening.put(&mut bytes);
                }
                texts.push(&bytes, store)
            },
            put_seq: seq,
            learned: before.map_or(Learned::zeroed(), |before| before.learned),
            breaker_reason: before.map_or(Span::zeroed(), |before| before.breaker_reason),
            breaker_since_ms: before.map_or(0, |before| before.breaker_since_ms),
            brand: put.brand.0,
            vendor: put.vendor.0,
            version: before.map_or(0, |before| before.version) + 1,
            unit_ms: put.unit_ms,
            newest_order: before.map_or(NONE, |before| before.newest_order),
            stations: put.stations,
            id_len: u8::try_from(name.len()).expect("at most LEN_MAX"),
            breaker: before.map_or(0, |before| before.breaker),
            unused: [0; 8],
        }
    }

    pub(crate) fn id(&self) -> OutletId {
        let name = core::str::from_utf8(&self.id[..usize::from(self.id_len)]);
        name.ok().and_then(OutletId::new).expect("made of an id")
    }

    pub(crate) fn brand(&self) -> NameHash {
        NameHash(self.brand)
    }

    pub(crate) fn vendor(&self) -> NameHash {
        NameHash(self.vendor)
    }

    pub(crate) fn document(&self, texts: &Texts) -> Vec<u8> {
        texts.get(self.document)
    }

    /// The document that was the latest before a command took this sequence number; none where the
    /// outlet was not there yet.
    pub(crate) fn document_at(&self, seq: u64, texts: &Texts) -> Option<Vec<u8>> {
        let (mut put_seq, mut document, mut past) = (self.put_seq, self.document, self.past);
        while put_seq >= seq {
            if past.len == 0 {
                return None;
            }
            let bytes = texts.get(past);
            Past { put_seq, document, before: past } = bytemuck::pod_read_unaligned(&bytes);
        }
        Some(texts.get(document))
    }

    pub(crate) fn opening(&self, texts: &Texts) -> Opening {
        if self.opening.len == 0 {
            return Opening::default();
        }
        let bytes = texts.get(self.opening);
        Opening::get(&mut Reader::new(&bytes)).expect("kept from one")
    }

    /// The last order that was placed here.
    pub(crate) fn newest_order(&self) -> Option<OrderNo> {
        some(self.newest_order).map(OrderNo)
    }

    pub(crate) fn set_newest_order(&mut self, order: OrderNo) {
        self.newest_order = order.0;
    }

    /// Whether a command would put what is here already.
    pub(crate) fn is_as(&self, put: &PutOutlet, texts: &Texts) -> bool {
        self.brand() == put.brand
            && self.vendor() == put.vendor
            && self.stations == put.stations
            && self.unit_ms == put.unit_ms
            && self.accept_within_ms == put.accept_within_ms
            && self.ready_within_ms == put.ready_within_ms
            && self.document(texts) == put.document
            && self.opening(texts) == put.opening
    }

    /// `until_ms`: without one somebody must resume it.
    pub(crate) fn pause(
        &mut self,
        until_ms: Option<u64>,
        reason: &str,
        texts: &mut Texts,
        store: &mut Store,
    ) {
        self.paused_until_ms = until_ms.unwrap_or(UNTIL_RESUMED);
        self.reason = texts.push(reason.as_bytes(), store);
    }

    pub(crate) fn resume(&mut self) {
        (self.paused_until_ms, self.reason) = (0, Span::zeroed());
    }

    /// When the pause ends by itself, if it does; whether or not that is over.
    pub(crate) fn pause_ends_ms(&self) -> Option<u64> {
        let ends = self.paused_until_ms != 0 && self.paused_until_ms != UNTIL_RESUMED;
        ends.then_some(self.paused_until_ms)
    }

    /// Whether it takes no orders, as the clock has it.
    pub(crate) fn is_paused_at(&self, now_ms: u64) -> bool {
        self.paused_until_ms > now_ms
    }

    /// Why it is paused; empty while it takes orders.
    pub(crate) fn reason(&self, texts: &Texts) -> Vec<u8> {
        texts.get(self.reason)
    }

    /// Its own breaker, unless that is closed.
    pub(crate) fn breaker(&self, texts: &Texts) -> Option<Breaker> {
        self.is_broken().then(|| Breaker {
            state: if self.breaker & DRAINS == 0 {
                BreakerState::Open
            } else {
                BreakerState::Draining
            },
            by_hand: self.breaker & BY_HAND != 0,
            since_ms: self.breaker_since_ms,
            reason: String::from_utf8(texts.get(self.breaker_reason)).expect("kept from a text"),
        })
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.breaker != 0
    }

    pub(crate) fn set_breaker(
        &mut self,
        breaker: Option<&Breaker>,
        texts: &mut Texts,
        store: &mut Store,
    ) {
        let Some(breaker) = breaker else {
            // Its reason keeps its place, for the next one.
            (self.breaker, self.breaker_since_ms) = (0, 0);
            return;
        };
        let drains = if breaker.state == BreakerState::Draining { DRAINS } else { 0 };
        let by_hand = if breaker.by_hand { BY_HAND } else { 0 };
        self.breaker = BROKEN | drains | by_hand;
        self.breaker_since_ms = breaker.since_ms;
        self.breaker_reason = texts.replace(self.breaker_reason, breaker.reason.as_bytes(), store);
    }

    pub(crate) fn put_digest(&self, texts: &Texts, out: &mut Vec<u8>) {
        self.id().put(out);
        let Self { paused_until_ms, accept_within_ms, ready_within_ms, put_seq, .. } = self;
        for number in [paused_until_ms, accept_within_ms, ready_within_ms, put_seq] {
            number.put(out);
        }
        self.opening(texts).put(out);
        out.extend_from_slice(bytemuck::bytes_of(&self.learned));
        self.unit_ms.put(out);
        self.newest_order().put(out);
        self.document(texts).put(out);
        self.past.first.put(out);
        self.reason(texts).put(out);
        self.brand().put(out);
        self.vendor().put(out);
        self.version.put(out);
        self.stations.put(out);
        self.breaker(texts).put(out);
    }
}

/// A document that was replaced. Lines of orders are places of the menu by which they were placed,
/// and whoever sorts a menu anew must not change what earlier orders are for.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Past {
    put_seq: u64,
    document: Span,
    /// The one before it; of no length where it was the first.
    before: Span,
}

/// Where a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
struct Span {
    /// Number of its first block.
    first: u32,
    /// In bytes.
    len: u32,
}

const BLOCK_BYTES: usize = 256;

/// Texts in blocks, one after another. A text that was replaced stays; documents change seldom.
#[derive(Debug)]
pub(crate) struct Texts {
    pub(crate) blocks: Table<[u8; BLOCK_BYTES]>,
}

impl Texts {
    pub(crate) fn new(table: u8) -> Self {
        Self { blocks: Table::new(table) }
    }

    fn push(&mut self, text: &[u8], store: &mut Store) -> Span {
        let len = u32::try_from(text.len()).expect("texts are bounded");
        let first = self.blocks.len();
        for piece in text.chunks(BLOCK_BYTES) {
            let mut block = [0; BLOCK_BYTES];
            block[..piece.len()].copy_from_slice(piece);
            self.blocks.push(block, store);
        }
        Span { first, len }
    }

    /// Puts a text in the place of one that is not wanted any more, if there is room: what changes often
    /// must not grow.
    fn replace(&mut self, span: Span, text: &[u8], store: &mut Store) -> Span {
        let len = u32::try_from(text.len()).expect("texts are bounded");
        let blocks = |len: u32| (len as usize).div_ceil(BLOCK_BYTES);
        if blocks(len) > blocks(span.len) {
            return self.push(text, store);
        }
        for (place, piece) in (span.first as usize..).zip(text.chunks(BLOCK_BYTES)) {
            let mut block = [0; BLOCK_BYTES];
            block[..piece.len()].copy_from_slice(piece);
            self.blocks[place] = block;
        }
        Span { first: span.first, len }
    }

    fn get(&self, span: Span) -> Vec<u8> {
        let len = span.len as usize;
        let mut text = Vec::with_capacity(len);
        for place in (span.first as usize..).take(len.div_ceil(BLOCK_BYTES)) {
            let piece = BLOCK_BYTES.min(len - text.len());
            text.extend_from_slice(&self.blocks[place][..piece]);
        }
        text
    }
}
