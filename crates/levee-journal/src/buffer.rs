//! The reusable buffer in which a caller builds a record's payload, so that an append copies
//! nothing: the header's room stands in front of the payload from the start.

use std::io;

use crate::format::{HEADER, Head, SECTOR, encode_record, record_bytes};

/// A record in the making. Extend it with the payload, append it, clear it, use it again.
#[derive(Debug)]
pub struct RecordBuffer {
    /// Room for the header, then the payload; while sealed, the padding too.
    bytes: Vec<u8>,
}

impl RecordBuffer {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(0)
    }

    /// An empty buffer that takes this many bytes of payload without growing.
    #[must_use]
    pub fn with_capacity(payload_bytes: usize) -> Self {
        let mut bytes = Vec::with_capacity(HEADER + payload_bytes + SECTOR);
        bytes.resize(HEADER, 0);
        Self { bytes }
    }

    /// Forgets the payload and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.truncate(HEADER);
    }

    /// Adds bytes to the end of the payload.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The payload so far.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.bytes[HEADER..]
    }

    /// Length of the payload in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() - HEADER
    }

    /// Whether there is no payload yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes the record will take on disk.
    #[must_use]
    pub fn record_bytes(&self) -> u64 {
        record_bytes(self.len())
    }

    /// Adds padding and header and hands the finished record and its checksum to `write`; the
    /// payload is as before afterwards. None when the payload is longer than a record can say.
    pub(crate) fn sealed<R>(
        &mut self,
        head: &Head,
        write: impl FnOnce(&[u8], u32) -> R,
    ) -> Option<R> {
        let payload_bytes = u32::try_from(self.len()).ok()?;
        let unsealed = self.bytes.len();
        self.bytes.resize(unsealed.next_multiple_of(SECTOR), 0);
        let crc = encode_record(&mut self.bytes, head, payload_bytes);
        let result = write(&self.bytes, crc);
        self.bytes.truncate(unsealed);
        Some(result)
    }
}

impl Default for RecordBuffer {
    fn default() -> Self {
        Self::new()
    }
}

/// Writing adds to the payload and never fails.
impl io::Write for RecordBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
