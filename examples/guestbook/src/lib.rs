//! Finds the program of this package, for its tests.

use std::env;

/// Returns the path of a program of this package.
///
/// The path is determined at run time. In a nextest archive that another machine built, `env!("CARGO_BIN_EXE_…")` would
/// be a path on that machine. Nextest sets `NEXTEST_BIN_EXE_name` (see its "Environment variables"). Cargo builds the
/// program into the parent of the tests' directory.
///
/// # Panics
///
/// Panics if the path of the test binary is unknown.
#[must_use]
pub fn own_binary(name: &str) -> &'static str {
    if let Ok(path) = env::var(format!("NEXTEST_BIN_EXE_{name}")) {
        return path.leak();
    }
    let test = env::current_exe().expect("the test's path");
    let built = test.ancestors().nth(2).expect("target/PROFILE/deps/TEST");
    built.join(name).display().to_string().leak()
}
