//! docs/reference/cli.md: the commands, from the same tree as the help, and the exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fmt::Write as _;

use caxton_cli::arguments::Arguments;
use clap::{Command, CommandFactory as _};

/// Where the part that is made begins and ends.
const MARKS: [&str; 2] =
    ["<!-- commands: made by cli/caxton/tests/reference.rs -->\n", "<!-- end of commands -->\n"];

fn rows(name: &str, command: &Command, table: &mut String) {
    if !command.has_subcommands() {
        writeln!(table, "| `{name}` | {} |", command.get_about().unwrap()).unwrap();
        return;
    }
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        rows(&format!("{name} {}", inner.get_name()), inner, table);
    }
}

#[test]
fn reference_lists_every_command() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/cli.md");
    let mut table = "| command | what it does |\n|---|---|\n".to_owned();
    rows("caxton", &Arguments::command(), &mut table);
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once(MARKS[0]).unwrap();
    let (found, after) = rest.split_once(MARKS[1]).unwrap();
    if std::env::var_os("CAXTON_UPDATE").is_some() {
        std::fs::write(path, [before, MARKS[0], &table, MARKS[1], after].concat()).unwrap();
        return;
    }
    assert_eq!(found, table, "run with CAXTON_UPDATE=1");
}

#[test]
fn every_exit_code_stands_in_the_help_and_on_the_page() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/cli.md")).unwrap();
    let help = Arguments::command().render_long_help().to_string();
    let (_, help) = help.split_once("Exit codes:").unwrap();
    for code in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 130] {
        assert!(page.contains(&format!("\n| {code} | ")), "{code} is not on the page");
        assert!(help.contains(&format!(" {code} ")), "{code} is not in the help");
    }
}
