//! What became of scripts, as text for people and as one JSON document.

use serde::Serialize;

use super::format::{Expect, Script};
use crate::config::{Source, json};

/// Characters of a content that the text shows.
const SHOWN_CHARS_MAX: usize = 400;

/// What became of all scripts of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// `caxton.test.report/v1`.
    pub kind: &'static str,
    /// The component's digest.
    pub component: String,
    /// Scripts that passed.
    pub passed: usize,
    /// Scripts that failed.
    pub failed: usize,
    /// Each script, in the order given.
    pub scripts: Vec<Played>,
}

/// What became of one script.
#[derive(Debug, Serialize)]
pub struct Played {
    /// The script's file.
    pub file: String,
    /// What it shows.
    pub description: String,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Everything that was said, in order.
    pub messages: Vec<Exchanged>,
    /// The agent's log lines and faults.
    pub log: Vec<String>,
}

/// How a script ended.
#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// Every step held.
    Passed,
    /// One did not.
    Failed(Failed),
}

/// The step that did not hold.
#[derive(Debug, Serialize)]
pub struct Failed {
    /// Its number from 1; absent before the first and after the last.
    pub step: Option<usize>,
    /// Its line in the file.
    pub line: Option<usize>,
    /// Its key.
    #[serde(rename = "step-kind")]
    pub kind: Option<&'static str>,
    /// What should have been.
    pub expected: String,
    /// What was.
    pub found: String,
}

/// A message of the exchange.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Exchanged {
    /// Milliseconds of virtual time since the script began.
    pub at_ms: u64,
    /// The script sent it.
    #[serde(skip)]
    pub to_agent: bool,
    /// The sender.
    pub from: String,
    /// The receiver.
    pub to: String,
    /// The act.
    pub performative: String,
    /// The content, read as UTF-8.
    pub content: String,
    /// The protocol's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// The script's name of the conversation, else its id.
    pub conversation: String,
    /// The number that an answer repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_with: Option<u32>,
    /// The number of the message that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<u32>,
}

impl Played {
    pub(super) fn new(source: &Source, script: &Script, outcome: Outcome) -> Self {
        Self {
            file: source.name.clone(),
            description: script.description.clone(),
            outcome,
            messages: Vec::new(),
            log: Vec::new(),
        }
    }

    /// True when every step held.
    pub fn has_passed(&self) -> bool {
        matches!(self.outcome, Outcome::Passed)
    }

    fn text(&self) -> String {
        let title =
            if self.description.is_empty() { String::new() } else { format!(": {}", self.description) };
        let Outcome::Failed(failed) = &self.outcome else { return format!("ok      {}{title}\n", self.file) };
        let mut text = format!("FAILED  {}{title}\n", self.file);
        let place = match (failed.step, failed.line, failed.kind) {
            (Some(step), Some(line), Some(kind)) => format!("step {step} ({kind}), line {line}"),
            _ if self.messages.is_empty() => "before the first step".to_owned(),
            _ => "outside of the steps".to_owned(),
        };
        text.push_str(&format!(
            "  at        {place}\n  expected  {}\n  found     {}\n",
            failed.expected, failed.found
        ));
        if !self.messages.is_empty() {
            text.push_str("  said so far\n");
        }
        for message in &self.messages {
            let direction = if message.to_agent { '>' } else { '<' };
            text.push_str(&format!("    {:>7} ms {direction} {}\n", message.at_ms, message.line()));
        }
        if !self.log.is_empty() {
            text.push_str("  log of the agent\n");
        }
        for line in self.log.iter().flat_map(|entry| entry.lines()) {
            text.push_str(&format!("    {line}\n"));
        }
        text
    }
}

impl Report {
    pub(super) fn new(component: String, scripts: Vec<Played>) -> Self {
        let passed = scripts.iter().filter(|played| played.has_passed()).count();
        Self { kind: "caxton.test.report/v1", component, passed, failed: scripts.len() - passed, scripts }
    }

    /// One line for each script, more for those that failed, and the sum.
    pub fn text(&self) -> String {
        let scripts: String = self.scripts.iter().map(Played::text).collect();
        format!("{scripts}{} passed, {} failed\n", self.passed, self.failed)
    }
}

impl Exchanged {
    /// The message in one line.
    pub fn line(&self) -> String {
        let mut content: String = self.content.chars().take(SHOWN_CHARS_MAX).collect();
        if content.len() < self.content.len() {
            content.push('…');
        }
        format!("{} -> {}  {} {content:?}", self.from, self.to, self.performative)
    }
}

/// An expectation in one line.
pub(super) fn expectation(expect: &Expect, agent: &str) -> String {
    let from = expect.from.as_deref().unwrap_or(agent);
    let to = expect.to.as_deref().unwrap_or("anybody");
    let act = expect.performative.map_or("any act".to_owned(), |act| act.0.to_string());
    let mut line = format!("{from} -> {to}  {act}");
    if let Some(content) = &expect.content {
        line.push_str(&format!(" {content:?}"));
    }
    if let Some(part) = &expect.content_contains {
        line.push_str(&format!(" with {part:?} in it"));
    }
    if let Some(value) = &expect.content_json {
        line.push_str(&format!(" with the value {}", json(value.clone())));
    }
    line
}
