//! Asks the processor for memory that will be needed soon.

/// Begins to bring the cache line at `place` near; changes nothing, and does nothing on processors
/// that this build has no instruction for.
#[inline(always)]
#[allow(unsafe_code, reason = "the instruction has no safe form")]
pub(crate) fn prefetch<T>(place: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads and writes nothing that the program can see, at any address; this
        // one is that of a live reference besides. Every x86_64 processor has SSE.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(place).cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
