//! What the examples in `tests/` share: where this package's own program is.

use std::env;

/// The path of a program of this package, found at run time: in a nextest archive that was built
/// elsewhere `env!("CARGO_BIN_EXE_…")` would be the other machine's. Nextest says where it is
/// (`NEXTEST_BIN_EXE_name`; see its "Environment variables"); cargo builds it beside the tests' folder.
///
/// It is kept until the process ends.
///
/// # Panics
///
/// Where the test's own path is not known.
#[must_use]
pub fn own_binary(name: &str) -> &'static str {
    if let Ok(path) = env::var(format!("NEXTEST_BIN_EXE_{name}")) {
        return path.leak();
    }
    let test = env::current_exe().expect("the test's path");
    let built = test.ancestors().nth(2).expect("target/PROFILE/deps/TEST");
    built.join(name).display().to_string().leak()
}
