//! Reads one snapshot from its head to its end, and verifies each byte on the way.

use std::path::PathBuf;

use super::error::io_error;
use super::format::{
    BLOCK_HEAD, BadHead, Block, BlockHead, BlockKind, HEAD, check_block, decode_block_head,
    decode_end, decode_head, peek_genesis_bytes,
};
use super::{SnapshotError, SnapshotHead};
use crate::disk::DiskFile;

/// A pass over the blocks of a snapshot, in the order in which they were written.
///
/// It holds one block in memory, and reads it with one call, together with the header of the next:
/// the checksum then runs over what the processor has at hand.
#[derive(Debug)]
pub struct SnapshotReader {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    head: SnapshotHead,
    head_crc: u32,
    file_bytes: u64,
    /// Where the next block begins.
    at: u64,
    /// The header of the next block; it was read together with what is before it.
    next: [u8; BLOCK_HEAD],
    blocks: u64,
    /// A payload, and behind it the next block's header.
    buffer: Vec<u8>,
    /// The end block was verified, or a call failed.
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reading,
    Ended,
    Failed,
}

impl SnapshotReader {
    pub(super) fn open(
        file: Box<dyn DiskFile>,
        path: PathBuf,
        last_seq: u64,
    ) -> Result<Self, SnapshotError> {
        let damaged =
            |reason: String| SnapshotError::Damaged { file: path.clone(), offset: 0, reason };
        let bad = |bad: BadHead| match bad {
            BadHead::Version(version) => {
                SnapshotError::UnknownVersion { file: path.clone(), version }
            }
            BadHead::Damaged(reason) => damaged(reason.to_owned()),
        };
        let file_bytes = file.bytes().map_err(io_error("measure", &path))?;
        let cut = || damaged("the file ends within its head".to_owned());
        if file_bytes < HEAD as u64 {
            return Err(cut());
        }
        let mut fixed = [0; HEAD];
        file.read_exact_at(&mut fixed, 0).map_err(io_error("read", &path))?;
        let head_bytes = HEAD + peek_genesis_bytes(&fixed).map_err(bad)?;
        let at = head_bytes as u64;
        if file_bytes < at + BLOCK_HEAD as u64 {
            return Err(cut());
        }
        let mut bytes = vec![0; head_bytes + BLOCK_HEAD];
        file.read_exact_at(&mut bytes, 0).map_err(io_error("read", &path))?;
        let (head, head_crc) = decode_head(&bytes[..head_bytes]).map_err(bad)?;
        if head.last_seq != last_seq {
            return Err(damaged(format!("its head says that it is of sequence {}", head.last_seq)));
        }
        let mut next = [0; BLOCK_HEAD];
        next.copy_from_slice(&bytes[head_bytes..]);
        Ok(Self {
            file,
            path,
            head,
            head_crc,
            file_bytes,
            at,
            next,
            blocks: 0,
            buffer: Vec::new(),
            state: State::Reading,
        })
    }

    /// What the snapshot is of.
    #[must_use]
    pub fn head(&self) -> &SnapshotHead {
        &self.head
    }

    /// The next block, verified. None only after the end block was verified: all blocks that were
    /// written have then been returned.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`] or [`SnapshotError::Io`], then [`SnapshotError::Failed`] at every
    /// further call; what was returned before must not be used.
    pub fn next_block(&mut self) -> Result<Option<Block<'_>>, SnapshotError> {
        match self.state {
            State::Reading => {}
            State::Ended => return Ok(None),
            State::Failed => return Err(SnapshotError::Failed { file: self.path.clone() }),
        }
        // Until all went well.
        self.state = State::Failed;
        let head = decode_block_head(&self.next).map_err(|reason| self.damaged(reason))?;
        if head.ordinal != self.blocks {
            return Err(self
                .damaged(&format!("block {} stands where {} follows", head.ordinal, self.blocks)));
        }
        let payload_bytes = head.payload_bytes as usize;
        let behind = self.at + (BLOCK_HEAD + payload_bytes) as u64;
        let read_bytes = match head.kind {
            BlockKind::Data => payload_bytes + BLOCK_HEAD,
            BlockKind::End => payload_bytes,
        };
        if self.file_bytes < self.at + (BLOCK_HEAD + read_bytes) as u64 {
            return Err(self.damaged("the file ends before its end block: it was cut"));
        }
        // The buffer only grows, so that its memory is cleared once.
        if self.buffer.len() < read_bytes {
            self.buffer.resize(read_bytes, 0);
        }
        let from = self.at + BLOCK_HEAD as u64;
        let read = self.file.read_exact_at(&mut self.buffer[..read_bytes], from);
        read.map_err(io_error("read", &self.path))?;
        if !check_block(&self.next, self.head_crc, &self.buffer[..payload_bytes]) {
            return Err(self.damaged("the block's checksum does not match its bytes"));
        }
        if head.kind == BlockKind::End {
            self.check_end(behind)?;
            self.state = State::Ended;
            return Ok(None);
        }
        self.next.copy_from_slice(&self.buffer[payload_bytes..read_bytes]);
        self.at = behind;
        self.blocks += 1;
        self.state = State::Reading;
        let BlockHead { tag, .. } = head;
        Ok(Some(Block { tag, payload: &self.buffer[..payload_bytes] }))
    }

    fn check_end(&self, behind: u64) -> Result<(), SnapshotError> {
        let (blocks, file_bytes) = decode_end(&self.buffer);
        if (blocks, file_bytes) != (self.blocks, behind) {
            return Err(self.damaged(&format!(
                "the end block tells of {blocks} blocks in {file_bytes} bytes, but {} blocks in \
                 {behind} bytes stand here",
                self.blocks
            )));
        }
        if self.file_bytes != behind {
            return Err(self.damaged(&format!(
                "{} bytes follow the end block",
                self.file_bytes.saturating_sub(behind)
            )));
        }
        Ok(())
    }

    fn damaged(&self, reason: &str) -> SnapshotError {
        SnapshotError::Damaged {
            file: self.path.clone(),
            offset: self.at,
            reason: reason.to_owned(),
        }
    }
}
