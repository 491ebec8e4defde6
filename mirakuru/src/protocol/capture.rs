//! Defines the layout of a capture file: the supervisor writes it, and the test process reads it.

const MIB: u64 = 1 << 20;
/// Kept from the start.
pub(crate) const HEAD: u64 = MIB;
/// Kept from the end, and up to one mebibyte more.
const TAIL: u64 = 64 * MIB;

/// Where the kept end begins in a file of this size; behind [`HEAD`] until then nothing was lost.
pub(crate) fn kept_from(size: u64) -> u64 {
    if size <= HEAD + TAIL {
        HEAD
    } else {
        (size - TAIL) / MIB * MIB
    }
}
