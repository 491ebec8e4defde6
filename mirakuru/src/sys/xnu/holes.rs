//! Clears a range of a file on a file system whose holes must consist of whole blocks.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// The alignment of holes on APFS (`F_PUNCHHOLE` of `fcntl(2)`).
const BLOCK: u64 = 4096;

/// Makes the range read as zeros. `punch` makes a hole of its whole blocks.
///
/// If the block at the beginning contains only zeros before the range, it becomes part of the hole. So consecutive
/// ranges leave no block on the disk.
pub(in crate::sys) fn forget(
    file: &File,
    range: &Range<u64>,
    punch: impl Fn(Range<u64>) -> io::Result<()>,
) -> io::Result<()> {
    let first = range.start / BLOCK * BLOCK;
    let mut before = vec![0; usize::try_from(range.start - first).unwrap_or_default()];
    file.read_exact_at(&mut before, first)?;
    let begin = if before.iter().all(|byte| *byte == 0) {
        first
    } else {
        first + BLOCK
    };
    let end = range.end / BLOCK * BLOCK;
    if begin >= end {
        return write_zeros(file, range.clone());
    }
    write_zeros(file, range.start..begin)?;
    write_zeros(file, end..range.end)?;
    punch(begin..end)
}

/// Writes less than two blocks of zeros.
fn write_zeros(file: &File, range: Range<u64>) -> io::Result<()> {
    let length = range.end.saturating_sub(range.start);
    let zeros = vec![0; usize::try_from(length).unwrap_or_default()];
    file.write_all_at(&zeros, range.start)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Clears ranges of a file of three blocks without zeros. Returns the holes, and whether the other bytes are
    /// unchanged.
    fn holes_of(ranges: &[(u64, u64)]) -> (Vec<(u64, u64)>, bool) {
        let file = tempfile::tempfile().expect("a temporary file");
        file.write_all_at(&[1; 3 * 4096], 0).expect("room");
        let holes = RefCell::new(Vec::new());
        let punch = |hole: Range<u64>| {
            let zeros = vec![0; usize::try_from(hole.end - hole.start).expect("small")];
            holes.borrow_mut().push((hole.start, hole.end));
            file.write_all_at(&zeros, hole.start)
        };
        for (begin, end) in ranges {
            forget(&file, &(*begin..*end), punch).expect("a file that can be written");
        }
        let mut bytes = [0; 3 * 4096];
        file.read_exact_at(&mut bytes, 0).expect("its size");
        let is_forgotten = |at: u64| {
            ranges
                .iter()
                .any(|(begin, end)| (*begin..*end).contains(&at))
        };
        let is_right = (0..)
            .zip(bytes)
            .all(|(at, byte)| byte == u8::from(!is_forgotten(at)));
        (holes.into_inner(), is_right)
    }

    #[test]
    fn a_hole_is_made_of_whole_blocks_and_the_rest_is_zeros() {
        assert_eq!(holes_of(&[(0, 8192)]), (vec![(0, 8192)], true));
        assert_eq!(holes_of(&[(100, 12_000)]), (vec![(4096, 8192)], true));
        assert_eq!(holes_of(&[(4000, 8200)]), (vec![(4096, 8192)], true));
        assert_eq!(holes_of(&[(100, 200)]), (vec![], true));
        assert_eq!(holes_of(&[(4000, 4200)]), (vec![], true));
    }

    #[test]
    fn consecutive_ranges_leave_no_block() {
        let ranges = [(0, 5000), (5000, 6000), (6000, 9000), (9000, 12_288)];
        let holes = vec![(0, 4096), (4096, 8192), (8192, 12_288)];
        assert_eq!(holes_of(&ranges), (holes, true));
    }
}
