//! Mutations of valid bytes.

use crate::rounds::Rng;

/// Makes up to four changes: to a bit, a byte or a length, or more or fewer bytes.
pub(crate) fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.usize(..=4) {
        let at = rng.usize(..=bytes.len());
        let end = (at + rng.usize(..9)).min(bytes.len());
        match rng.u8(..7) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, rng.u8(..)),
            2 => drop(bytes.drain(at..end)),
            3 => bytes.extend_from_within(at..end),
            4 => {
                let length = [u32::MAX, 1 << 31, 1 << 16, 3][rng.usize(..4)].to_le_bytes();
                let end = bytes.len().min(at + 4);
                drop(bytes.splice(at..end, length));
            }
            5 if at < bytes.len() => bytes[at] = rng.u8(..),
            _ if at < bytes.len() => bytes[at] ^= 1 << rng.u8(..8),
            _ => {}
        }
    }
}
