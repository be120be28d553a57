//! The help of the program and of each command: every change of it is seen in a review.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use caxton_cli::arguments::Arguments;
use clap::{Command, CommandFactory as _};

/// Each command with its full name, the root first.
fn commands(name: &str, command: &Command, found: &mut Vec<(String, Command)>) {
    found.push((name.to_owned(), command.clone()));
    for inner in command.get_subcommands() {
        commands(&format!("{name} {}", inner.get_name()), inner, found);
    }
}

fn all() -> Vec<(String, Command)> {
    let mut root = Arguments::command().term_width(100);
    root.build();
    let mut found = Vec::new();
    commands("caxton", &root, &mut found);
    found.retain(|(name, _)| !name.contains(" help"));
    found
}

#[test]
fn help_of_every_command() {
    for (name, mut command) in all() {
        insta::assert_snapshot!(name.replace(' ', "-"), command.render_long_help().to_string());
    }
}

#[test]
fn every_help_shows_an_example() {
    for (name, mut command) in all() {
        let help = command.render_long_help().to_string();
        assert!(help.contains("Examples:\n  "), "{name} has no example");
    }
}

#[test]
fn examples_are_command_lines_that_parse() {
    for (name, mut command) in all() {
        let help = command.render_long_help().to_string();
        let Some((_, examples)) = help.split_once("Examples:\n") else { continue };
        for line in examples.lines().take_while(|line| line.starts_with("  ")) {
            let line = line.split(" && ").next().unwrap();
            let call = line.rsplit_once(" | ").map_or(line, |(_, call)| call).trim();
            let call = call.split(" > ").next().unwrap();
            let words = words(call);
            let parsed = Arguments::command().try_get_matches_from(&words);
            assert!(parsed.is_ok(), "{name}: {call}\n{}", parsed.unwrap_err());
        }
    }
}

/// Words as a shell splits them, with quotes; `$(…)` is one word.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let (mut quoted, mut nested) = (false, 0);
    for found in line.chars() {
        match found {
            '\'' => quoted = !quoted,
            ' ' if !quoted && nested == 0 => words.push(String::new()),
            _ => {
                nested += i32::from(found == '(') - i32::from(found == ')');
                words.last_mut().unwrap().push(found);
            }
        }
    }
    words
}
