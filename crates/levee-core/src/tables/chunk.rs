//! The memory of tables and indexes: chunks of 2 MiB, all alike, so that an engine can make them
//! ready in the background and any table can take the next one.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytemuck::Pod;

/// Size and alignment of a chunk in bytes: a huge page, so that one entry of the processor's
/// address cache covers it.
pub const CHUNK_BYTES: usize = 1 << 21;

#[repr(C, align(2097152))]
struct HugePage([u8; CHUNK_BYTES]);

/// 2 MiB of memory; zeros, until a table or an index has put something there.
pub struct Chunk(Box<HugePage>);

impl Chunk {
    /// Asks the allocator, and touches all of it.
    #[must_use]
    pub fn new() -> Self {
        Self::new_advised(|_| {})
    }

    /// As [`Self::new`], but `advise` sees the [`CHUNK_BYTES`] bytes before they are touched, and can
    /// tell the system what pages to give for them. It must not read them.
    #[must_use]
    #[allow(unsafe_code, reason = "no safe way puts two mebibytes of zeros straight onto the heap")]
    pub fn new_advised(advise: impl FnOnce(*mut u8)) -> Self {
        let mut page = Box::<HugePage>::new_uninit();
        advise(page.as_mut_ptr().cast());
        // SAFETY: the pointer is that of a whole allocation of this type, and all bytes being zero is
        // one of its values: it is an array of bytes.
        let page = unsafe {
            page.as_mut_ptr().write_bytes(0, 1);
            page.assume_init()
        };
        Self(page)
    }

    /// All of it.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0.0
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0.0
    }

    pub(super) fn rows<T: Pod>(&self) -> &[T] {
        bytemuck::cast_slice(&self.0.0)
    }

    pub(super) fn rows_mut<T: Pod>(&mut self) -> &mut [T] {
        bytemuck::cast_slice_mut(&mut self.0.0)
    }
}

impl Default for Chunk {
    fn default() -> Self {
        Self::new()
    }
}

/// Where tables get their chunks from.
#[derive(Default)]
pub(crate) struct Store {
    spares: Vec<Chunk>,
    /// Makes a chunk where no spare is left.
    make: Option<fn() -> Chunk>,
}

impl Store {
    /// Takes a chunk of zeros in.
    pub(crate) fn give(&mut self, chunk: Chunk) {
        self.spares.push(chunk);
    }

    /// Takes a chunk in that was in use.
    pub(super) fn give_back(&mut self, mut chunk: Chunk) {
        chunk.bytes_mut().fill(0);
        self.spares.push(chunk);
    }

    pub(crate) fn spares(&self) -> usize {
        self.spares.len()
    }

    pub(crate) fn make_with(&mut self, make: fn() -> Chunk) {
        self.make = Some(make);
    }

    /// A chunk of zeros.
    pub(super) fn take(&mut self) -> Chunk {
        let spare = self.spares.pop();
        spare.unwrap_or_else(|| self.make.map_or_else(Chunk::new, |make| make()))
    }
}

impl core::fmt::Debug for Store {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} spare chunks", self.spares.len())
    }
}
