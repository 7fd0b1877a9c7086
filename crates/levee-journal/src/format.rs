//! The bytes on disk: segment headers and records, encoded and decoded. No I/O here.
//!
//! Everything is little-endian. A segment is one header sector and then records; a record is a
//! 48-byte header, its payload, and zeros up to the next sector boundary.

use std::ops::Range;

/// Records and headers begin on multiples of this, so that no two share a sector.
pub(crate) const SECTOR: usize = 512;
/// Length of a record's header in bytes.
pub(crate) const HEADER: usize = 48;
/// The smallest segment allowed, in bytes.
pub(crate) const SEGMENT_BYTES_MIN: u64 = 64 * 1024;
/// The largest segment allowed, in bytes: a reader holds one in memory, whatever a file claims.
pub(crate) const SEGMENT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

const SEGMENT_MAGIC: [u8; 8] = *b"LEVEESEG";
const SEGMENT_VERSION: u16 = 1;
const SEGMENT_CRC: Range<usize> = 48..52;
/// 0xFE and 0xFF occur in no UTF-8 text, so no user's text can imitate a record.
const RECORD_MAGIC: [u8; 4] = [0xFE, b'L', b'V', 0xFF];
const RECORD_VERSION: u16 = 1;
const RECORD_CRC: Range<usize> = 36..40;

static ZEROS: [u8; 4096] = [0; 4096];

/// The 128-bit id of an installation; every segment of a journal carries it.
pub type InstallationId = [u8; 16];

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first record of a journal; its payload is what the caller gave at creation.
    Genesis,
    /// A batch of commands.
    Batch,
    /// Written at an orderly shutdown; no payload. Batches may follow after a restart.
    Closed,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Kind::Genesis => 1,
            Kind::Batch => 2,
            Kind::Closed => 3,
        }
    }

    fn from_code(code: u8) -> Option<Kind> {
        match code {
            1 => Some(Kind::Genesis),
            2 => Some(Kind::Batch),
            3 => Some(Kind::Closed),
            _ => None,
        }
    }
}

/// One record, its payload borrowed from the reader's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What the record is.
    pub kind: Kind,
    /// Sequence number of its first command; for a record without commands, that of the next one.
    pub first_seq: u64,
    /// How many commands it holds; they are numbered without gaps.
    pub count: u32,
    /// Journal time in milliseconds since the Unix epoch; never below that of an earlier record.
    pub time_ms: u64,
    /// The caller's bytes, unchanged.
    pub payload: &'a [u8],
}

impl Record<'_> {
    /// Copies the payload, so that the record can outlive the reader's buffer.
    #[must_use]
    pub fn to_owned(&self) -> OwnedRecord {
        OwnedRecord {
            kind: self.kind,
            first_seq: self.first_seq,
            count: self.count,
            time_ms: self.time_ms,
            payload: self.payload.to_vec(),
        }
    }
}

/// One record with its own payload; the fields mean what they mean in [`Record`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedRecord {
    /// What the record is.
    pub kind: Kind,
    /// Sequence number of its first command; for a record without commands, that of the next one.
    pub first_seq: u64,
    /// How many commands it holds.
    pub count: u32,
    /// Journal time in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The caller's bytes, unchanged.
    pub payload: Vec<u8>,
}

/// How many bytes a record with this much payload takes on disk, header and padding included.
#[must_use]
pub const fn record_bytes(payload_bytes: usize) -> u64 {
    (HEADER as u64 + payload_bytes as u64).next_multiple_of(SECTOR as u64)
}

/// What a record header says besides its length and checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) first_seq: u64,
    pub(crate) count: u32,
    pub(crate) time_ms: u64,
    pub(crate) previous_crc: u32,
}

/// What stands at a sector boundary where a record may begin.
pub(crate) enum Decoded {
    /// The whole sector is zero: nothing was written here.
    Nothing,
    /// A whole record with a matching checksum; `bytes` includes the padding.
    Record { head: Head, crc: u32, payload_bytes: usize, bytes: usize },
    /// A whole record with a matching checksum whose version, kind or flags are unknown here.
    Unknown { version: u16 },
    /// Neither zeros nor a whole record.
    Bad(&'static str),
}

/// Decodes what stands at the start of `at`, which reaches to the end of the segment.
pub(crate) fn decode_record(at: &[u8]) -> Decoded {
    let Some(sector) = at.get(..SECTOR) else {
        return Decoded::Bad("the segment ends within a sector");
    };
    if sector[..RECORD_MAGIC.len()] != RECORD_MAGIC {
        if is_zero(sector) {
            return Decoded::Nothing;
        }
        return Decoded::Bad("no record begins here, yet the bytes are not zero");
    }
    // u32 fits usize on every target that has files of this size.
    let payload_bytes = u32_at(sector, 8) as usize;
    let Some(bytes) = (HEADER + payload_bytes).checked_next_multiple_of(SECTOR) else {
        return Decoded::Bad("the record's length is impossible");
    };
    let Some(record) = at.get(..bytes) else {
        return Decoded::Bad("the record's length exceeds its segment");
    };
    let crc = u32_at(sector, RECORD_CRC.start);
    if crc != checksum(record, RECORD_CRC) {
        return Decoded::Bad("the record's checksum does not match its bytes");
    }
    // Only now: an unknown version with a good checksum is a newer format, not damage.
    let version = u16_at(sector, 4);
    let reserved_is_zero = sector[7] == 0 && is_zero(&sector[40..HEADER]);
    let (Some(kind), RECORD_VERSION, true) =
        (Kind::from_code(sector[6]), version, reserved_is_zero)
    else {
        return Decoded::Unknown { version };
    };
    let head = Head {
        kind,
        first_seq: u64_at(sector, 16),
        count: u32_at(sector, 12),
        time_ms: u64_at(sector, 24),
        previous_crc: u32_at(sector, 32),
    };
    Decoded::Record { head, crc, payload_bytes, bytes }
}

/// Where the first whole record at or after `from` begins, whatever its version.
pub(crate) fn first_whole_record(segment: &[u8], from: usize) -> Option<usize> {
    (from..segment.len()).step_by(SECTOR).find(|at| {
        matches!(decode_record(&segment[*at..]), Decoded::Record { .. } | Decoded::Unknown { .. })
    })
}

/// The first sequence number that a record header claims, unverified: only to choose where to
/// begin reading. None where no record begins.
pub(crate) fn peek_first_seq(at: &[u8]) -> Option<u64> {
    (at.len() >= HEADER && at[..RECORD_MAGIC.len()] == RECORD_MAGIC).then(|| u64_at(at, 16))
}

/// How many bytes on disk a record header claims, unverified: only to know how much to read. None
/// where no record begins.
pub(crate) fn peek_record_bytes(at: &[u8]) -> Option<u64> {
    (at.len() >= HEADER && at[..RECORD_MAGIC.len()] == RECORD_MAGIC)
        .then(|| record_bytes(u32_at(at, 8) as usize))
}

/// Fills the header of a record whose payload and padding stand behind it; returns its checksum.
///
/// `record` begins with `HEADER` bytes of room and is a multiple of `SECTOR` long.
pub(crate) fn encode_record(record: &mut [u8], head: &Head, payload_bytes: u32) -> u32 {
    debug_assert!(record.len().is_multiple_of(SECTOR));
    record[..HEADER].fill(0);
    record[..4].copy_from_slice(&RECORD_MAGIC);
    record[4..6].copy_from_slice(&RECORD_VERSION.to_le_bytes());
    record[6] = head.kind.code();
    record[8..12].copy_from_slice(&payload_bytes.to_le_bytes());
    record[12..16].copy_from_slice(&head.count.to_le_bytes());
    record[16..24].copy_from_slice(&head.first_seq.to_le_bytes());
    record[24..32].copy_from_slice(&head.time_ms.to_le_bytes());
    record[32..36].copy_from_slice(&head.previous_crc.to_le_bytes());
    let crc = checksum(record, RECORD_CRC);
    record[RECORD_CRC].copy_from_slice(&crc.to_le_bytes());
    crc
}

/// What the first sector of a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) ordinal: u64,
    pub(crate) segment_bytes: u64,
    pub(crate) installation: InstallationId,
}

/// Why a segment's first sector is not accepted.
pub(crate) enum BadHeader {
    /// The checksum is right, the version is not ours.
    Version(u16),
    Damaged(&'static str),
}

pub(crate) fn encode_segment_header(header: &SegmentHeader) -> [u8; SECTOR] {
    let mut sector = [0; SECTOR];
    sector[..8].copy_from_slice(&SEGMENT_MAGIC);
    sector[8..10].copy_from_slice(&SEGMENT_VERSION.to_le_bytes());
    sector[16..24].copy_from_slice(&header.segment_bytes.to_le_bytes());
    sector[24..32].copy_from_slice(&header.ordinal.to_le_bytes());
    sector[32..48].copy_from_slice(&header.installation);
    let crc = checksum(&sector, SEGMENT_CRC);
    sector[SEGMENT_CRC].copy_from_slice(&crc.to_le_bytes());
    sector
}

pub(crate) fn decode_segment_header(sector: &[u8; SECTOR]) -> Result<SegmentHeader, BadHeader> {
    if sector[..8] != SEGMENT_MAGIC {
        return Err(BadHeader::Damaged("this is no segment: its first bytes are not LEVEESEG"));
    }
    if u32_at(sector, SEGMENT_CRC.start) != checksum(sector, SEGMENT_CRC) {
        return Err(BadHeader::Damaged("the segment header's checksum does not match its bytes"));
    }
    let version = u16_at(sector, 8);
    if version != SEGMENT_VERSION {
        return Err(BadHeader::Version(version));
    }
    let mut installation = InstallationId::default();
    installation.copy_from_slice(&sector[32..48]);
    Ok(SegmentHeader {
        ordinal: u64_at(sector, 24),
        segment_bytes: u64_at(sector, 16),
        installation,
    })
}

/// Whether all bytes are zero; by comparison with a block of zeros, which is a `memcmp`.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(ZEROS.len()).all(|chunk| *chunk == ZEROS[..chunk.len()])
}

/// Length of `bytes` without the zeros at its end.
pub(crate) fn len_without_zeros(bytes: &[u8]) -> usize {
    let mut len = bytes.len();
    for chunk in bytes.rchunks(ZEROS.len()) {
        if *chunk != ZEROS[..chunk.len()] {
            let last = chunk.iter().rposition(|byte| *byte != 0);
            return len - chunk.len() + last.map_or(0, |last| last + 1);
        }
        len -= chunk.len();
    }
    0
}

/// CRC32C of `bytes` with the four bytes of the checksum itself taken as zero.
fn checksum(bytes: &[u8], crc: Range<usize>) -> u32 {
    let head = crc32c::crc32c(&bytes[..crc.start]);
    let head = crc32c::crc32c_append(head, &[0; 4]);
    crc32c::crc32c_append(head, &bytes[crc.end..])
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

/// Makes a record one of another version, with a checksum that matches.
#[cfg(test)]
pub(crate) fn set_version(record: &mut [u8], version: u16) {
    record[4..6].copy_from_slice(&version.to_le_bytes());
    let crc = checksum(record, RECORD_CRC);
    record[RECORD_CRC].copy_from_slice(&crc.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_takes_whole_sectors() {
        let cases = [(0, 512), (464, 512), (465, 1_024), (976, 1_024), (65_536, 66_048)];
        for (payload_bytes, expected) in cases {
            assert_eq!(record_bytes(payload_bytes), expected, "payload of {payload_bytes}");
        }
    }

    #[test]
    fn zeros_at_the_end_do_not_count() {
        for (len, last) in [(0, None), (9_000, None), (9_000, Some(0)), (9_000, Some(8_999))] {
            let mut bytes = vec![0; len];
            if let Some(last) = last {
                bytes[last] = 1;
            }
            assert_eq!(len_without_zeros(&bytes), last.map_or(0, |last| last + 1));
            assert_eq!(is_zero(&bytes), last.is_none());
        }
    }

    #[test]
    fn an_unknown_version_is_no_damage() {
        let mut sector = vec![0; SECTOR];
        let head = Head { kind: Kind::Batch, first_seq: 1, count: 0, time_ms: 1, previous_crc: 0 };
        encode_record(&mut sector, &head, 0);
        set_version(&mut sector, 9);
        assert!(matches!(decode_record(&sector), Decoded::Unknown { version: 9 }));
    }
}
