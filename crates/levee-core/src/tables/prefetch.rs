//! Asks the processor for memory that will be needed soon.

/// What a processor brings near at once.
const LINE_BYTES: usize = 64;

/// Begins to bring the cache line at `place` near; changes nothing, and does nothing on processors
/// that this build has no instruction for.
#[inline(always)]
pub(crate) fn prefetch<T>(place: &T) {
    prefetch_at(core::ptr::from_ref(place).cast());
}

/// As [`prefetch`], all cache lines of what begins with one.
#[inline(always)]
pub(crate) fn prefetch_all<T>(place: &T) {
    let start = core::ptr::from_ref(place).cast::<u8>();
    (0..size_of::<T>()).step_by(LINE_BYTES).for_each(|at| prefetch_at(start.wrapping_add(at)));
}

#[inline(always)]
#[allow(unsafe_code, reason = "the instruction has no safe form")]
fn prefetch_at(place: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads and writes nothing that the program can see, at any address. Every
        // x86_64 processor has SSE.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
