//! Reading on: a place in a journal from which whatever became durable since is read, piece by
//! piece, without going over a whole segment. For those who stay beside a live server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Access, Disk, DiskFile, RealDisk};
use crate::folder::{Folder, io_error};
use crate::format::{
    Decoded, HEADER, Head, OwnedRecord, SECTOR, SEGMENT_BYTES_MAX, decode_record, peek_record_bytes,
};
use crate::segment::{peek_first_seq, read_header};
use crate::{Kind, OpenError};

/// The first sequence number that a journal still has, archived segments included, as its first record
/// claims it; `None` where no record is left.
///
/// # Errors
/// As [`Follow::open`].
pub fn first_kept_seq(dir: &Path) -> Result<Option<u64>, OpenError> {
    let folder = Folder::new(Arc::new(RealDisk), dir);
    let Some(first) = folder.segments()?.first().copied() else {
        return Err(OpenError::NotCreated { dir: dir.to_path_buf() });
    };
    peek_first_seq(&folder, first)
}

/// How much is read at a time, in bytes; more where one record is longer. Little enough to be read
/// again where the end of what is durable lies within it.
const PIECE_BYTES: usize = 16 * 1024;

/// A place in a journal, archived segments included. Each record is verified as it is read: checksum,
/// chain, dense sequence numbers, time. What a crash left half-written is never looked at: only what
/// is durable is read.
#[derive(Debug)]
pub struct Follow {
    folder: Folder,
    ordinal: u64,
    segment: Option<Segment>,
    /// Where the next record begins in it.
    at: u64,
    /// Records with nothing from here on are passed over.
    from_seq: u64,
    last: Option<Last>,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    bytes: u64,
}

/// What the next record must agree with.
#[derive(Clone, Copy, Debug)]
struct Last {
    crc: u32,
    next_seq: u64,
    time_ms: u64,
}

impl Follow {
    /// Begins before the first record that reaches `seq`; the segment that holds it is gone over once.
    ///
    /// # Errors
    /// [`OpenError::NotCreated`] when there are no segments, [`OpenError::Missing`] when one is
    /// missing in the middle.
    pub fn open(dir: &Path, seq: u64) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(RealDisk), dir, seq)
    }

    /// [`Follow::open`] on another disk.
    ///
    /// # Errors
    /// As [`Follow::open`].
    pub fn open_on(disk: Arc<dyn Disk>, dir: &Path, seq: u64) -> Result<Self, OpenError> {
        let folder = Folder::new(disk, dir);
        let ordinals = folder.segments()?;
        let Some(first) = ordinals.first().copied() else {
            return Err(OpenError::NotCreated { dir: dir.to_path_buf() });
        };
        let mut ordinal = first;
        for later in ordinals.iter().rev().take_while(|later| **later > first) {
            if peek_first_seq(&folder, *later)?.is_some_and(|first_seq| first_seq <= seq) {
                ordinal = *later;
                break;
            }
        }
        let at = SECTOR as u64;
        Ok(Self { folder, ordinal, segment: None, at, from_seq: seq, last: None })
    }

    /// Hands over the records from here on up to the one that holds `up_to_seq`, which must be
    /// durable, until `take` says that it is enough.
    ///
    /// # Errors
    /// What is wrong with the journal, naming file and offset; [`OpenError::Removed`] when the first
    /// of them is no longer kept. The place is before what is wrong.
    pub fn read(
        &mut self,
        up_to_seq: u64,
        mut take: impl FnMut(OwnedRecord) -> bool,
    ) -> Result<(), OpenError> {
        if up_to_seq < self.from_seq {
            return Ok(());
        }
        let mut piece = Vec::new();
        while self.last.is_none_or(|last| last.next_seq <= up_to_seq) {
            let Some(read) = self.piece(&mut piece)? else { continue };
            let mut rest = &piece[..read];
            while !rest.is_empty() && self.last.is_none_or(|last| last.next_seq <= up_to_seq) {
                if peek_record_bytes(rest).is_some_and(|bytes| bytes > rest.len() as u64) {
                    // The next piece begins with it.
                    break;
                }
                match decode_record(rest) {
                    Decoded::Nothing => {
                        self.next_segment();
                        break;
                    }
                    Decoded::Bad(reason) => return Err(self.corrupt(reason.into())),
                    Decoded::Unknown { version } => {
                        let (file, offset) = (self.path(), self.at);
                        return Err(OpenError::UnknownVersion { file, offset, version });
                    }
                    Decoded::Record { head, crc, payload_bytes, bytes } => {
                        let payload = &rest[HEADER..][..payload_bytes];
                        rest = &rest[bytes..];
                        if let Some(record) = self.pass(&head, crc, bytes as u64, payload)?
                            && !take(record)
                        {
                            return Ok(());
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads what stands from here on, one whole record at least; `None` where another segment is
    /// next.
    fn piece(&mut self, piece: &mut Vec<u8>) -> Result<Option<usize>, OpenError> {
        if self.segment.is_none() {
            self.segment = Some(self.open_segment()?);
        }
        let Segment { path, file, bytes } = self.segment.as_ref().expect("opened above");
        let left = usize::try_from(bytes - self.at).expect("bounded by SEGMENT_BYTES_MAX");
        if left == 0 {
            self.next_segment();
            return Ok(None);
        }
        let read = |piece: &mut Vec<u8>, len: usize| {
            piece.resize(len, 0);
            file.read_exact_at(piece, self.at).map_err(io_error("read", path))
        };
        read(piece, left.min(PIECE_BYTES))?;
        if let Some(bytes) = peek_record_bytes(piece)
            && bytes > piece.len() as u64
        {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            // One that is too long for its segment is refused where it is decoded.
            read(piece, left.min(bytes))?;
            if bytes > left {
                let reason = "the record's length exceeds its segment";
                return Err(self.corrupt(reason.into()));
            }
        }
        Ok(Some(piece.len()))
    }

    fn open_segment(&self) -> Result<Segment, OpenError> {
        let (path, file) = self.folder.open_segment(self.ordinal, Access::Read)?;
        let header = read_header(&*file, &path, self.ordinal)?;
        let bytes = header.segment_bytes;
        if file.bytes().map_err(io_error("read", &path))? != bytes
            || !(SECTOR as u64..=SEGMENT_BYTES_MAX).contains(&bytes)
            || !bytes.is_multiple_of(SECTOR as u64)
        {
            let reason = format!("its header says that it is {bytes} bytes long");
            return Err(OpenError::Corrupt { file: path, offset: 0, reason });
        }
        Ok(Segment { path, file, bytes })
    }

    /// What is durable goes on there.
    fn next_segment(&mut self) {
        self.ordinal += 1;
        (self.segment, self.at) = (None, SECTOR as u64);
    }

    /// Goes over a record; it is handed over where it reaches what is asked for.
    fn pass(
        &mut self,
        head: &Head,
        crc: u32,
        bytes: u64,
        payload: &[u8],
    ) -> Result<Option<OwnedRecord>, OpenError> {
        let Head { kind, first_seq, count, time_ms, previous_crc } = *head;
        if self.last.is_none() && first_seq > self.from_seq.max(1) {
            return Err(OpenError::Removed { seq: self.from_seq, first_seq });
        }
        if let Some(last) = self.last {
            let reason = if previous_crc != last.crc {
                Some("this record does not follow the one before it".to_owned())
            } else if first_seq != last.next_seq {
                Some(format!("sequence {first_seq} stands where {} follows", last.next_seq))
            } else if time_ms < last.time_ms {
                Some(format!("time goes back from {} to {time_ms} ms", last.time_ms))
            } else {
                None
            };
            if let Some(reason) = reason {
                return Err(self.corrupt(reason));
            }
        }
        let next_seq = first_seq.saturating_add(count.into());
        self.last = Some(Last { crc, next_seq, time_ms });
        self.at += bytes;
        let is_asked_for = next_seq > self.from_seq && kind == Kind::Batch;
        Ok(is_asked_for.then(|| OwnedRecord {
            kind,
            first_seq,
            count,
            time_ms,
            payload: payload.to_vec(),
        }))
    }

    fn path(&self) -> PathBuf {
        let path = self.segment.as_ref().map(|segment| segment.path.clone());
        path.unwrap_or_else(|| self.folder.segment(self.ordinal))
    }

    fn corrupt(&self, reason: String) -> OpenError {
        OpenError::Corrupt { file: self.path(), offset: self.at, reason }
    }
}
