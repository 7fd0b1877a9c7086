//! Looks into a segment without reading all of it: its header and its first record.

use std::path::Path;

use crate::OpenError;
use crate::disk::{Access, DiskFile};
use crate::folder::{Folder, io_error};
use crate::format::{
    self, BadHeader, Decoded, InstallationId, Kind, SECTOR, SEGMENT_BYTES_MAX, SegmentHeader,
    decode_record, decode_segment_header, peek_record_bytes,
};

/// Reads and verifies the header of a segment.
pub(crate) fn read_header(
    file: &dyn DiskFile,
    path: &Path,
    ordinal: u64,
) -> Result<SegmentHeader, OpenError> {
    let corrupt = |offset: u64, reason: String| OpenError::Corrupt {
        file: path.to_path_buf(),
        offset,
        reason,
    };
    let bytes = file.bytes().map_err(io_error("read", path))?;
    if bytes < SECTOR as u64 {
        return Err(corrupt(bytes, "the file ends within its header".into()));
    }
    let mut sector = [0; SECTOR];
    file.read_exact_at(&mut sector, 0).map_err(io_error("read", path))?;
    match decode_segment_header(&sector) {
        Ok(header) if header.ordinal == ordinal => Ok(header),
        Ok(header) => {
            let reason = format!("its header says that it is segment {}", header.ordinal);
            Err(corrupt(0, reason))
        }
        Err(BadHeader::Damaged(reason)) => Err(corrupt(0, reason.into())),
        Err(BadHeader::Version(version)) => {
            Err(OpenError::UnknownVersion { file: path.to_path_buf(), offset: 0, version })
        }
    }
}

/// The first sequence number that a segment's first record claims, unverified; None when none
/// begins there.
pub(crate) fn peek_first_seq(folder: &Folder, ordinal: u64) -> Result<Option<u64>, OpenError> {
    let (path, file) = folder.open_segment(ordinal, Access::Read)?;
    let mut sector = [0; SECTOR];
    // A short file is the walk's to refuse.
    let read = file.read_at(&mut sector, SECTOR as u64).map_err(io_error("read", &path))?;
    Ok(format::peek_first_seq(&sector[..read]))
}

/// What a journal began with.
#[derive(Debug)]
pub(crate) struct Genesis {
    pub(crate) installation: InstallationId,
    pub(crate) payload: Vec<u8>,
}

/// Reads and verifies the genesis record, without the rest of segment 1, which must be there.
pub(crate) fn read_genesis(folder: &Folder) -> Result<Genesis, OpenError> {
    let (path, file) = folder.open_segment(1, Access::Read)?;
    let header = read_header(&*file, &path, 1)?;
    let mut sector = [0; SECTOR];
    let read = file.read_at(&mut sector, SECTOR as u64).map_err(io_error("read", &path))?;
    let rest = header.segment_bytes.min(SEGMENT_BYTES_MAX).saturating_sub(SECTOR as u64);
    let bytes = peek_record_bytes(&sector[..read]).filter(|bytes| *bytes <= rest);
    let corrupt = |reason: &str| OpenError::Corrupt {
        file: path.clone(),
        offset: SECTOR as u64,
        reason: reason.to_owned(),
    };
    let bytes = bytes.ok_or_else(|| corrupt("no genesis record begins here"))?;
    let mut record = vec![0; usize::try_from(bytes).expect("bounded by SEGMENT_BYTES_MAX above")];
    file.read_exact_at(&mut record, SECTOR as u64).map_err(io_error("read", &path))?;
    match decode_record(&record) {
        Decoded::Record { head, payload_bytes, .. } if head.kind == Kind::Genesis => {
            let payload = record[format::HEADER..][..payload_bytes].to_vec();
            Ok(Genesis { installation: header.installation, payload })
        }
        Decoded::Record { .. } => Err(corrupt("the journal does not begin with a genesis record")),
        Decoded::Unknown { version } => {
            Err(OpenError::UnknownVersion { file: path, offset: SECTOR as u64, version })
        }
        Decoded::Nothing => Err(corrupt("no genesis record begins here")),
        Decoded::Bad(reason) => Err(corrupt(reason)),
    }
}
