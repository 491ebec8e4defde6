//! A service that is hard to end.

/// A main process with a daemon in a session of its own, with nothing in its environment, that ignores
/// what asks it to end. Both hold this file.
pub(crate) fn service(hold: &str) -> Vec<String> {
    let words = [
        env!("CARGO_BIN_EXE_leaves_daemon"),
        "--scrub",
        "--ignore-term",
        "--main-stays",
        "--hold",
        hold,
    ];
    words.map(str::to_owned).to_vec()
}
