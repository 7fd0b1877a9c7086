//! Reads and verifies records across segments, and decides between a torn tail and corruption.
//! Recovery and readers share this one walk; it never writes.

use std::ops::Range;
use std::path::PathBuf;

use crate::OpenError;
use crate::disk::Access;
use crate::folder::{Folder, io_error};
use crate::format::{
    Decoded, HEADER, Head, InstallationId, Kind, Record, SECTOR, SEGMENT_BYTES_MAX, decode_record,
    first_whole_record, is_zero, len_without_zeros,
};
use crate::segment::{peek_first_seq, read_header};

/// Bytes after the last whole record: the remains of an append that a crash interrupted. It was
/// never acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The segment that it begins in.
    pub file: PathBuf,
    /// Where it begins, in bytes from the start of the file.
    pub offset: u64,
    /// How many bytes from there to the last one that is not zero, over all segments.
    pub bytes: u64,
    /// What was wrong with it.
    pub reason: String,
}

/// Where a walk ends although bytes may follow.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// Only where the records end; what follows is examined.
    None,
    /// After the record that holds this sequence number.
    Seq(u64),
    /// At this offset of the segment with this number: an appender's position.
    Position { ordinal: u64, offset: u64 },
}

/// What the next record must agree with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    pub(crate) crc: u32,
    pub(crate) next_seq: u64,
    pub(crate) time_ms: u64,
    pub(crate) kind: Kind,
}

/// The place of a whole record.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Index into [`Walk::segments`].
    pub(crate) segment: usize,
    /// From its header to the end of its padding.
    pub(crate) bytes: Range<u64>,
}

/// Bytes to be zeroed before anything is appended.
#[derive(Clone, Debug)]
pub(crate) struct Dirt {
    pub(crate) ordinal: u64,
    pub(crate) bytes: Range<u64>,
}

/// A segment as the walk has seen it; zero and None where it has not been there yet.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) ordinal: u64,
    pub(crate) bytes: u64,
    /// The sequence number after its last record; None when it has no records.
    pub(crate) next_seq: Option<u64>,
}

/// A position in a journal and everything that must hold from there on.
#[derive(Debug)]
pub(crate) struct Walk {
    folder: Folder,
    pub(crate) segments: Vec<Segment>,
    index: usize,
    /// Where the walk began.
    pub(crate) start: usize,
    /// The whole current segment, once it is loaded.
    buffer: Vec<u8>,
    is_loaded: bool,
    path: PathBuf,
    at: usize,
    bound: Bound,
    /// The first sequence number that the caller needs; missing records before it are no error.
    from_seq: Option<u64>,
    done: bool,
    pub(crate) chain: Option<Chain>,
    pub(crate) installation: Option<InstallationId>,
    pub(crate) first_seq: Option<u64>,
    pub(crate) last: Option<Place>,
    pub(crate) torn: Option<TornTail>,
    pub(crate) dirt: Vec<Dirt>,
}

impl Walk {
    /// A walk over all segments from the first.
    pub(crate) fn new(folder: Folder) -> Result<Self, OpenError> {
        let segments = folder.segments()?;
        let segments = segments
            .into_iter()
            .map(|ordinal| Segment { ordinal, bytes: 0, next_seq: None })
            .collect();
        Ok(Self {
            folder,
            segments,
            index: 0,
            start: 0,
            buffer: Vec::new(),
            is_loaded: false,
            path: PathBuf::new(),
            at: 0,
            bound: Bound::None,
            from_seq: None,
            done: false,
            chain: None,
            installation: None,
            first_seq: None,
            last: None,
            torn: None,
            dirt: Vec::new(),
        })
    }

    pub(crate) fn set_bound(&mut self, bound: Bound) {
        self.bound = bound;
    }

    /// Goes to the last segment whose first record begins with `seq` or before, without reading
    /// those before it. Whether the records from `seq` on are there, the walk finds out.
    pub(crate) fn seek(&mut self, seq: u64) -> Result<(), OpenError> {
        self.from_seq = Some(seq);
        let begins_in_time = |first_seq: u64| first_seq <= seq;
        for index in (1..self.segments.len()).rev() {
            if !peek_first_seq(&self.folder, self.segments[index].ordinal)?
                .is_some_and(begins_in_time)
            {
                continue;
            }
            // Only a whole record is a place to begin: of one that a crash interrupted any part
            // may be there, also a wrong number.
            self.load(index)?;
            (self.index, self.start, self.at) = (index, index, SECTOR);
            match decode_record(&self.buffer[SECTOR..]) {
                Decoded::Record { head, .. } if begins_in_time(head.first_seq) => return Ok(()),
                _ => self.is_loaded = false,
            }
        }
        (self.index, self.start, self.at) = (0, 0, 0);
        Ok(())
    }

    /// The next record, to be looked at with [`Walk::record`]; None at the end and after an error.
    pub(crate) fn next(&mut self) -> Result<Option<Found>, OpenError> {
        let found = self.next_verified();
        if !matches!(found, Ok(Some(_))) {
            self.done = true;
        }
        found
    }

    /// The record that [`Walk::next`] found.
    pub(crate) fn record(&self, found: &Found) -> Record<'_> {
        Record {
            kind: found.head.kind,
            first_seq: found.head.first_seq,
            count: found.head.count,
            time_ms: found.head.time_ms,
            payload: &self.buffer[found.payload.clone()],
        }
    }

    fn next_verified(&mut self) -> Result<Option<Found>, OpenError> {
        loop {
            if self.done || self.is_at_bound() {
                return Ok(None);
            }
            if self.index == self.segments.len() {
                self.check_end()?;
                return Ok(None);
            }
            if !self.is_loaded {
                self.load(self.index)?;
                self.at = SECTOR;
            }
            let rest = &self.buffer[self.at..];
            if rest.is_empty() {
                self.next_segment();
                continue;
            }
            match decode_record(rest) {
                Decoded::Nothing if is_zero(rest) => self.next_segment(),
                Decoded::Nothing => {
                    self.classify("bytes that belong to no record follow the last record")?;
                }
                Decoded::Bad(reason) => self.classify(reason)?,
                Decoded::Unknown { version } => {
                    let offset = self.at as u64;
                    return Err(OpenError::UnknownVersion {
                        file: self.path.clone(),
                        offset,
                        version,
                    });
                }
                Decoded::Record { head, crc, payload_bytes, bytes } => {
                    self.check_follows(&head)?;
                    return Ok(Some(self.advance(head, crc, payload_bytes, bytes)));
                }
            }
        }
    }

    fn is_at_bound(&self) -> bool {
        match self.bound {
            Bound::None => false,
            Bound::Seq(seq) => self.chain.is_some_and(|chain| chain.next_seq > seq),
            Bound::Position { ordinal, offset } => {
                self.segments.get(self.index).is_some_and(|segment| {
                    segment.ordinal > ordinal
                        || (segment.ordinal == ordinal && self.at as u64 >= offset)
                })
            }
        }
    }

    fn next_segment(&mut self) {
        self.index += 1;
        // The memory is kept as it is: clearing it would cost as much as reading the next one.
        self.is_loaded = false;
        self.at = 0;
    }

    /// Called when a journal without any record ends. When the first segments are gone, that is
    /// not a journal to begin anew.
    fn check_end(&self) -> Result<(), OpenError> {
        let Some(first) = self.segments.first() else { return Ok(()) };
        if self.chain.is_none() && first.ordinal != 1 {
            return Err(OpenError::Corrupt {
                file: self.folder.segment(first.ordinal),
                offset: SECTOR as u64,
                reason: "no segment holds a record, and those before this one are gone".into(),
            });
        }
        Ok(())
    }

    /// A whole record is never a torn tail: when it does not follow, something else is wrong.
    fn check_follows(&self, head: &Head) -> Result<(), OpenError> {
        let next_seq = head.first_seq.checked_add(head.count.into());
        let reason = match &self.chain {
            _ if head.first_seq == 0 || next_seq.is_none() => {
                format!("sequence {} with {} commands is impossible", head.first_seq, head.count)
            }
            None => match self.check_first(head)? {
                Some(reason) => reason,
                None => return Ok(()),
            },
            Some(chain) if head.previous_crc != chain.crc => {
                "this record does not follow the one before it: records between them are \
                 missing, or it is another journal's"
                    .to_owned()
            }
            Some(chain) if head.first_seq != chain.next_seq => {
                format!("sequence {} stands where {} follows", head.first_seq, chain.next_seq)
            }
            Some(chain) if head.time_ms < chain.time_ms => {
                format!("time goes back from {} to {} ms", chain.time_ms, head.time_ms)
            }
            Some(_) if head.kind == Kind::Genesis => "a second genesis record".to_owned(),
            Some(_) => return Ok(()),
        };
        Err(self.corrupt(reason))
    }

    /// The first record of a walk has none before it to follow. Says what is wrong with it.
    fn check_first(&self, head: &Head) -> Result<Option<String>, OpenError> {
        let is_genesis = head.kind == Kind::Genesis
            && head.first_seq == 1
            && head.count == 0
            && head.previous_crc == 0;
        let from_the_beginning = self.start == 0 && self.segments[0].ordinal == 1;
        let reason = if from_the_beginning {
            if self.index == 0 && is_genesis {
                return Ok(None);
            }
            "the journal does not begin with a genesis record".to_owned()
        } else if head.kind == Kind::Genesis {
            "a genesis record stands in the middle".to_owned()
        } else {
            match self.from_seq {
                Some(seq) if self.start == 0 && head.first_seq > seq => {
                    return Err(OpenError::Removed { seq, first_seq: head.first_seq });
                }
                _ => return Ok(None),
            }
        };
        Ok(Some(reason))
    }

    fn advance(&mut self, head: Head, crc: u32, payload_bytes: usize, bytes: usize) -> Found {
        let payload = self.at + HEADER;
        let next_seq = head.first_seq.saturating_add(head.count.into());
        self.chain = Some(Chain { crc, next_seq, time_ms: head.time_ms, kind: head.kind });
        self.first_seq.get_or_insert(head.first_seq);
        self.segments[self.index].next_seq = Some(next_seq);
        let start = self.at as u64;
        self.at += bytes;
        self.last = Some(Place { segment: self.index, bytes: start..self.at as u64 });
        Found { head, payload: payload..payload + payload_bytes }
    }

    /// Decides what a bad place is: corruption when any whole record lies behind it, else a torn
    /// tail, with which the walk ends.
    fn classify(&mut self, reason: &'static str) -> Result<(), OpenError> {
        let (first, offset, file) = (self.index, self.at, self.path.clone());
        let mut from = self.at;
        let mut bytes = 0;
        let mut bytes_before = 0;
        loop {
            if let Some(good) = first_whole_record(&self.buffer, from) {
                let reason = format!(
                    "{reason}; since a whole record follows in {} at offset {good}, this is no \
                     interrupted append",
                    self.path.display()
                );
                return Err(OpenError::Corrupt { file, offset: offset as u64, reason });
            }
            let dirty = len_without_zeros(&self.buffer[from..]);
            if dirty > 0 {
                let end = (from + dirty).next_multiple_of(SECTOR);
                let ordinal = self.segments[self.index].ordinal;
                self.dirt.push(Dirt { ordinal, bytes: from as u64..end as u64 });
                bytes = bytes_before + dirty as u64;
            }
            bytes_before += (self.buffer.len() - from) as u64;
            self.next_segment();
            if self.index == self.segments.len() {
                break;
            }
            self.load(self.index)?;
            from = SECTOR;
        }
        if self.chain.is_none() && self.segments[first].ordinal != 1 {
            return Err(OpenError::Corrupt { file, offset: offset as u64, reason: reason.into() });
        }
        self.torn =
            Some(TornTail { file, offset: offset as u64, bytes, reason: reason.to_owned() });
        self.done = true;
        Ok(())
    }

    /// Reads a whole segment and verifies its header.
    fn load(&mut self, index: usize) -> Result<(), OpenError> {
        let ordinal = self.segments[index].ordinal;
        let (path, file) = self.folder.open_segment(ordinal, Access::Read)?;
        let len = file.bytes().map_err(io_error("read", &path))?;
        let header = read_header(&*file, &path, ordinal)?;
        let corrupt =
            |offset: u64, reason: String| OpenError::Corrupt { file: path.clone(), offset, reason };
        if *self.installation.get_or_insert(header.installation) != header.installation {
            return Err(corrupt(0, "it belongs to another installation".into()));
        }
        if len != header.segment_bytes {
            let reason = format!(
                "the file is {len} bytes long where its header says {}",
                header.segment_bytes
            );
            return Err(corrupt(len.min(header.segment_bytes), reason));
        }
        if len > SEGMENT_BYTES_MAX || !len.is_multiple_of(SECTOR as u64) {
            return Err(corrupt(0, format!("a segment cannot be {len} bytes long")));
        }
        let len = usize::try_from(len).expect("bounded by SEGMENT_BYTES_MAX above");
        if self.buffer.len() != len {
            self.buffer = vec![0; len];
        }
        file.read_exact_at(&mut self.buffer, 0).map_err(io_error("read", &path))?;
        self.is_loaded = true;
        self.segments[index].bytes = header.segment_bytes;
        self.path = path;
        Ok(())
    }

    fn corrupt(&self, reason: String) -> OpenError {
        OpenError::Corrupt { file: self.path.clone(), offset: self.at as u64, reason }
    }
}

/// A verified record; its payload is in the walk's buffer until the next step.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) head: Head,
    payload: Range<usize>,
}
