//! What the checks found, as text for people and as one JSON document.

use std::path::Path;

use serde::Serialize;

/// What became of a test.
#[derive(Debug, Serialize)]
pub struct Report {
    /// `caxton.plugin.test/v1`.
    pub kind: &'static str,
    /// The library.
    pub file: String,
    /// The plugin's name; empty when it could not be read.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The library fits this server.
    pub compatible: bool,
    /// Checks that passed.
    pub passed: usize,
    /// Checks that failed.
    pub failed: usize,
    /// Checks that could not be made.
    pub skipped: usize,
    /// Every check, in order.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Debug, Serialize)]
pub struct Check {
    /// What it is about: `file`, `configuration`, `life`, a port, or `verbs`.
    pub group: String,
    /// What must hold.
    pub name: String,
    /// The line of docs/spec/plugin.md.
    pub must: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Expected against found; empty when it passed.
    pub reason: String,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// It could not be made here; the reason says why.
    Skipped,
}

impl Report {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            kind: "caxton.plugin.test/v1",
            file: path.display().to_string(),
            name: String::new(),
            version: String::new(),
            compatible: false,
            passed: 0,
            failed: 0,
            skipped: 0,
            checks: Vec::new(),
        }
    }

    /// Adds a check with how it ended.
    pub(super) fn add(&mut self, group: &str, name: &str, must: u32, held: Result<(), String>) {
        match held {
            Ok(()) => self.push(group, name, must, Outcome::Passed, String::new()),
            Err(why) => self.failed(group, name, must, why),
        }
    }

    pub(super) fn failed(&mut self, group: &str, name: &str, must: u32, why: impl Into<String>) {
        self.push(group, name, must, Outcome::Failed, why.into());
    }

    pub(super) fn skip(&mut self, group: &str, name: &str, must: u32, why: &str) {
        self.push(group, name, must, Outcome::Skipped, why.to_owned());
    }

    fn push(&mut self, group: &str, name: &str, must: u32, outcome: Outcome, reason: String) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Skipped => self.skipped += 1,
        }
        self.checks.push(Check { group: group.to_owned(), name: name.to_owned(), must, outcome, reason });
    }

    /// The checks by group, each with its line of the specification, and the sum.
    pub fn text(&self) -> String {
        let mut text = format!("plugin {} {} ({})\n", self.name, self.version, self.file);
        let mut group = "";
        for check in &self.checks {
            if check.group != group {
                group = &check.group;
                text.push_str(&format!("{group}\n"));
            }
            let mark = match check.outcome {
                Outcome::Passed => "ok     ",
                Outcome::Failed => "FAILED ",
                Outcome::Skipped => "skipped",
            };
            text.push_str(&format!("  {mark} {:>2}  {}\n", check.must, check.name));
            if !check.reason.is_empty() {
                text.push_str(&format!("              {}\n", check.reason));
            }
        }
        let sum = format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped);
        text.push_str(&format!("{sum}; numbers are lines of docs/spec/plugin.md\n"));
        text
    }
}
