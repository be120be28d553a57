//! What a terminal shows, stream by stream, for command lines that need no server: tests/cmd, written by trycmd.

#[test]
fn console_shows_what_is_written() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd").env("COLUMNS", "90").env("NO_COLOR", "1");
}
