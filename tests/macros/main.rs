//! What the attribute says of a mistake: one file per rule.

#[test]
fn mistakes() {
    let cases = trybuild::TestCases::new();
    cases.pass("macros/pass/*.rs");
    cases.compile_fail("macros/fail/*.rs");
    if cfg!(not(feature = "https")) {
        cases.compile_fail("macros/without_https/*.rs");
    }
}
