//! Defines the layout of a capture file: the supervisor writes it, and the test process reads it.

use std::ops::Range;

const MIB: u64 = 1 << 20;
/// The number of bytes kept from the start.
pub(crate) const HEAD: u64 = MIB;
/// The least number of bytes kept from the end. Up to one mebibyte more is kept.
const TAIL: u64 = 64 * MIB;

/// Computes which bytes of a capture file of this size are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// The number of bytes that the service has printed.
    pub(crate) size: u64,
}

impl Layout {
    /// Returns the range of bytes that were given up. The range begins at [`HEAD`], and is empty until the file
    /// outgrows both kept parts.
    pub(crate) fn gap(self) -> Range<u64> {
        if self.size <= HEAD + TAIL {
            HEAD..HEAD
        } else {
            HEAD..(self.size - TAIL) / MIB * MIB
        }
    }

    /// Returns the line that replaces bytes that were given up, or an empty text if there are none.
    pub(crate) fn note_of(missing: u64) -> String {
        match missing {
            0 => String::new(),
            _ => format!("\n[… {missing} bytes are not kept …]\n"),
        }
    }

    /// Returns the first part of a range that is kept. A range that begins in the gap begins after the gap instead. If
    /// it also ends in the gap, the result is empty.
    pub(crate) fn clip(self, range: Range<u64>) -> Range<u64> {
        let gap = self.gap();
        let end = range.end.min(self.size);
        if gap.contains(&range.start) {
            gap.end..end.max(gap.end)
        } else if range.start < gap.start && !gap.is_empty() {
            range.start..end.min(gap.start)
        } else {
            range.start..end.max(range.start)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: u64 = HEAD + TAIL;

    fn clip(size: u64, range: Range<u64>) -> Range<u64> {
        Layout { size }.clip(range)
    }

    #[test]
    fn a_file_that_fits_has_no_gap() {
        for size in [0, 1, HEAD - 1, HEAD, HEAD + 1, FULL - 1, FULL] {
            assert!(Layout { size }.gap().is_empty(), "{size}");
            assert_eq!(clip(size, 0..size), 0..size, "{size}");
            assert_eq!(clip(size, size..size + 9), size..size, "{size}");
        }
        assert_eq!(clip(FULL, HEAD - 2..HEAD + 2), HEAD - 2..HEAD + 2);
    }

    #[test]
    fn the_gap_grows_by_whole_mebibytes() {
        let gap_at = |size| Layout { size }.gap();
        assert_eq!(gap_at(FULL + 1), HEAD..HEAD);
        assert_eq!(gap_at(FULL + MIB - 1), HEAD..HEAD);
        assert_eq!(gap_at(FULL + MIB), HEAD..2 * MIB);
        assert_eq!(gap_at(FULL + 5 * MIB + 7), HEAD..6 * MIB);
    }

    #[test]
    fn the_kept_end_is_never_shorter_than_promised() {
        for over in [1, MIB - 1, MIB, MIB + 1, 1000 * MIB + 3] {
            let size = FULL + over;
            let kept = size - Layout { size }.gap().end;
            assert!((TAIL..=TAIL + MIB).contains(&kept), "{size} keeps {kept}");
        }
    }

    #[test]
    fn a_range_ends_where_the_gap_begins() {
        let size = FULL + 3 * MIB;
        assert_eq!(clip(size, 0..10), 0..10);
        assert_eq!(clip(size, 0..HEAD), 0..HEAD);
        assert_eq!(clip(size, HEAD - 5..HEAD + 5), HEAD - 5..HEAD);
        assert_eq!(clip(size, 0..size), 0..HEAD);
    }

    #[test]
    fn a_range_that_begins_in_the_gap_begins_after_it() {
        let (size, after) = (FULL + 3 * MIB, 4 * MIB);
        assert_eq!(clip(size, HEAD..after + 5), after..after + 5);
        assert_eq!(clip(size, after - 1..after + 5), after..after + 5);
        assert_eq!(clip(size, after..after + 5), after..after + 5);
        assert_eq!(clip(size, HEAD..HEAD + 5), after..after);
        assert_eq!(clip(size, HEAD + 1..after), after..after);
    }

    #[test]
    fn a_range_ends_with_the_file() {
        let size = FULL + 3 * MIB;
        assert_eq!(clip(size, size - 4..size + 4), size - 4..size);
        assert_eq!(clip(size, size + 4..size + 8), size + 4..size + 4);
    }
}
