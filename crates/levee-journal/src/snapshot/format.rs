//! The bytes of a snapshot: head and blocks, encoded and decoded. No I/O here.
//!
//! Everything is little-endian and packed without gaps:
//!
//! ```text
//! head   magic 8, version u16, zero u16, genesis bytes u32, installation 16, last seq u64,
//!        time in ms u64, CRC32C u32, zero u32; then the genesis payload
//! block  magic 4, kind u8, zero 3, tag u32, payload bytes u32, ordinal u64, CRC32C u32, zero u32;
//!        then the payload
//! end    a block of its own kind; its payload: number of blocks before it u64, length of the
//!        whole file in bytes u64
//! ```
//!
//! A checksum is of all bytes of its head or block with the checksum itself taken as zero; a
//! block's begins with the value of the head's.

use std::ops::Range;

use crate::InstallationId;
use crate::format::{is_zero, u16_at, u32_at, u64_at};

/// The most payload of one block in bytes: a reader holds one in memory, whatever a file claims.
pub const BLOCK_BYTES_MAX: usize = 1024 * 1024;
/// The most payload of a genesis record that a head takes, in bytes.
pub(super) const GENESIS_BYTES_MAX: usize = 1024 * 1024;
/// Length of the head without the genesis payload, in bytes.
pub(super) const HEAD: usize = 56;
/// Length of a block's header in bytes.
pub(super) const BLOCK_HEAD: usize = 32;
/// Length of the end block's payload in bytes.
pub(super) const END_BYTES: usize = 16;

const HEAD_MAGIC: [u8; 8] = *b"LEVEESNP";
const VERSION: u16 = 1;
const HEAD_CRC: Range<usize> = 48..52;
/// As a record's magic, these bytes occur in no UTF-8 text.
const BLOCK_MAGIC: [u8; 4] = [0xFE, b'L', b'S', 0xFF];
const BLOCK_CRC: Range<usize> = 24..28;

/// What a snapshot is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotHead {
    /// The installation whose journal it stands for.
    pub installation: InstallationId,
    /// The last sequence number that it contains, 0 for none.
    pub last_seq: u64,
    /// Journal time of that, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The payload of the journal's genesis record, at most 1 MiB: what it says must be known
    /// when the first segments are gone.
    pub genesis: Vec<u8>,
}

/// One block, its payload borrowed from the reader's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// What the caller named it.
    pub tag: u32,
    /// The caller's bytes, unchanged.
    pub payload: &'a [u8],
}

/// Why a head is not accepted.
pub(super) enum BadHead {
    Version(u16),
    Damaged(&'static str),
}

/// The head with its genesis payload, and its checksum. The payload's length is the caller's to
/// check.
pub(super) fn encode_head(head: &SnapshotHead, genesis_bytes: u32) -> (Vec<u8>, u32) {
    let mut bytes = vec![0; HEAD];
    bytes[..8].copy_from_slice(&HEAD_MAGIC);
    bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..16].copy_from_slice(&genesis_bytes.to_le_bytes());
    bytes[16..32].copy_from_slice(&head.installation);
    bytes[32..40].copy_from_slice(&head.last_seq.to_le_bytes());
    bytes[40..48].copy_from_slice(&head.time_ms.to_le_bytes());
    bytes.extend_from_slice(&head.genesis);
    let crc = crc32c::crc32c(&bytes);
    bytes[HEAD_CRC].copy_from_slice(&crc.to_le_bytes());
    (bytes, crc)
}

/// How many bytes of genesis payload follow a head, unverified: only to know how much to read.
pub(super) fn peek_genesis_bytes(head: &[u8; HEAD]) -> Result<usize, BadHead> {
    if head[..8] != HEAD_MAGIC {
        return Err(BadHead::Damaged("this is no snapshot: its first bytes are not LEVEESNP"));
    }
    // A newer version may lay out the rest, and its checksum, in another way.
    let version = u16_at(head, 8);
    if version != VERSION {
        return Err(BadHead::Version(version));
    }
    match u32_at(head, 12) as usize {
        bytes if bytes > GENESIS_BYTES_MAX => {
            Err(BadHead::Damaged("the head's genesis payload is impossibly long"))
        }
        bytes => Ok(bytes),
    }
}

/// Decodes a head with its genesis payload; returns its checksum too.
pub(super) fn decode_head(bytes: &[u8]) -> Result<(SnapshotHead, u32), BadHead> {
    let crc = u32_at(bytes, HEAD_CRC.start);
    let head = crc32c::crc32c(&bytes[..HEAD_CRC.start]);
    let head = crc32c::crc32c_append(head, &[0; 4]);
    if crc != crc32c::crc32c_append(head, &bytes[HEAD_CRC.end..]) {
        return Err(BadHead::Damaged("the head's checksum does not match its bytes"));
    }
    if !is_zero(&bytes[10..12]) || !is_zero(&bytes[52..HEAD]) {
        return Err(BadHead::Damaged("the head has bytes that this version knows nothing of"));
    }
    let mut installation = InstallationId::default();
    installation.copy_from_slice(&bytes[16..32]);
    let head = SnapshotHead {
        installation,
        last_seq: u64_at(bytes, 32),
        time_ms: u64_at(bytes, 40),
        genesis: bytes[HEAD..].to_vec(),
    };
    Ok((head, crc))
}

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockKind {
    Data,
    /// The last one of a file.
    End,
}

/// What a block's header says besides its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockHead {
    pub(super) kind: BlockKind,
    pub(super) tag: u32,
    pub(super) payload_bytes: u32,
    pub(super) ordinal: u64,
}

/// The header of a block whose payload is these pieces, one behind the other.
pub(super) fn encode_block_head(
    head: &BlockHead,
    head_crc: u32,
    pieces: &[&[u8]],
) -> [u8; BLOCK_HEAD] {
    let mut bytes = [0; BLOCK_HEAD];
    bytes[..4].copy_from_slice(&BLOCK_MAGIC);
    bytes[4] = match head.kind {
        BlockKind::Data => 1,
        BlockKind::End => 2,
    };
    bytes[8..12].copy_from_slice(&head.tag.to_le_bytes());
    bytes[12..16].copy_from_slice(&head.payload_bytes.to_le_bytes());
    bytes[16..24].copy_from_slice(&head.ordinal.to_le_bytes());
    let crc = crc32c::crc32c_append(head_crc, &bytes);
    let crc = pieces.iter().fold(crc, |crc, piece| crc32c::crc32c_append(crc, piece));
    bytes[BLOCK_CRC].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// What a block's header says, unverified but for its form; `check_block` follows when the
/// payload is there.
pub(super) fn decode_block_head(bytes: &[u8; BLOCK_HEAD]) -> Result<BlockHead, &'static str> {
    if bytes[..4] != BLOCK_MAGIC {
        return Err("no block begins here");
    }
    let kind = match bytes[4] {
        1 => BlockKind::Data,
        2 => BlockKind::End,
        _ => return Err("the block is of a kind that this version knows nothing of"),
    };
    if !is_zero(&bytes[5..8]) || !is_zero(&bytes[28..]) {
        return Err("the block's header has bytes that this version knows nothing of");
    }
    let payload_bytes = u32_at(bytes, 12);
    let is_possible = match kind {
        BlockKind::Data => payload_bytes as usize <= BLOCK_BYTES_MAX,
        BlockKind::End => payload_bytes as usize == END_BYTES,
    };
    if !is_possible {
        return Err("the block's length is impossible");
    }
    Ok(BlockHead { kind, tag: u32_at(bytes, 8), payload_bytes, ordinal: u64_at(bytes, 16) })
}

/// Whether a block's checksum matches its bytes and the file's head.
pub(super) fn check_block(bytes: &[u8; BLOCK_HEAD], head_crc: u32, payload: &[u8]) -> bool {
    let crc = crc32c::crc32c_append(head_crc, &bytes[..BLOCK_CRC.start]);
    let crc = crc32c::crc32c_append(crc, &[0; 4]);
    let crc = crc32c::crc32c_append(crc, &bytes[BLOCK_CRC.end..]);
    u32_at(bytes, BLOCK_CRC.start) == crc32c::crc32c_append(crc, payload)
}

/// The end block's payload.
pub(super) fn encode_end(blocks: u64, file_bytes: u64) -> [u8; END_BYTES] {
    let mut payload = [0; END_BYTES];
    payload[..8].copy_from_slice(&blocks.to_le_bytes());
    payload[8..].copy_from_slice(&file_bytes.to_le_bytes());
    payload
}

/// Number of blocks and length of the file that an end block's payload names.
pub(super) fn decode_end(payload: &[u8]) -> (u64, u64) {
    (u64_at(payload, 0), u64_at(payload, 8))
}
