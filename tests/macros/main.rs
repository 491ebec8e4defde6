//! The compile errors of the attribute, with one file for each rule.

#[test]
fn mistakes() {
    let cases = trybuild::TestCases::new();
    cases.pass("macros/pass/*.rs");
    cases.compile_fail("macros/fail/*.rs");
    if cfg!(not(feature = "https")) {
        cases.compile_fail("macros/without_https/*.rs");
    }
}
