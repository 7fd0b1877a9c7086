//! How a journal uses its disk.

use crate::OpenError;
use crate::format::{SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};

/// How a journal uses its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Size of new segments in bytes: 64 KiB to 1 GiB, a multiple of 4,096. Existing segments
    /// keep theirs. It bounds the size of a record. Default: 64 MiB.
    pub segment_bytes: u64,
    /// Free disk space in bytes that new segments leave untouched. Default: 256 MiB.
    pub reserve_bytes: u64,
    /// The most bytes that all segments in `journal/` (not `archive/`) may take together; None
    /// for no limit of its own.
    pub quota_bytes: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 * 1024 * 1024,
            reserve_bytes: 256 * 1024 * 1024,
            quota_bytes: None,
        }
    }
}

impl Options {
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let allowed = SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX;
        if !allowed.contains(&self.segment_bytes) || !self.segment_bytes.is_multiple_of(4096) {
            let reason = format!(
                "segment_bytes is {}, but must be a multiple of 4096 from {SEGMENT_BYTES_MIN} to \
                 {SEGMENT_BYTES_MAX}",
                self.segment_bytes
            );
            return Err(OpenError::Options { reason });
        }
        Ok(())
    }
}
