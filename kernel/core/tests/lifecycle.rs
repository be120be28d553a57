//! Illegal transitions of an agent's life do not compile.

#[test]
fn illegal_transitions_do_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/illegal/*.rs");
}
