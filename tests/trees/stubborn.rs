//! A service that is hard to end.

use crate::PROGRAM;

/// A main process with a daemon in a session of its own, with nothing in its environment, that ignores
/// what asks it to end: nobody but its supervisor finds it. Both hold the file that stands behind.
pub(crate) const MANNER: [&str; 4] = ["--scrub", "--ignore-term", "--main-stays", "--hold"];

pub(crate) fn service(hold: &str) -> Vec<String> {
    let words = [&[PROGRAM, "leaves_daemon"][..], &MANNER, &[hold]].concat();
    words.into_iter().map(str::to_owned).collect()
}
