//! Fast 64-bit hashes of what is no secret and not an enemy's choice, by wide products folded in
//! two (as in wyhash, Wang Yi 2019). The same on every machine.

const SEEDS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03];

/// Mixes 16 bytes into a hash, so that every bit counts.
#[inline]
fn mix(hash: u64, word: &[u8; 16]) -> u64 {
    let word = u128::from_le_bytes(*word);
    let (low, high) = (lower(word) ^ hash ^ SEEDS[0], lower(word >> 64) ^ SEEDS[1]);
    let product = u128::from(low) * u128::from(high);
    lower(product) ^ lower(product >> 64)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn lower(word: u128) -> u64 {
    word as u64
}

/// The hash of a key that is a keyed or cryptographic hash already.
#[inline]
pub(crate) fn hash_of(key: &[u8; 16]) -> u64 {
    mix(0, key)
}

/// A digest of any bytes. Snapshots hold such digests: it never changes.
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    let mut hash = bytes.len() as u64;
    for chunk in bytes.chunks(16) {
        let mut word = [0; 16];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = mix(hash, &word);
    }
    hash
}
