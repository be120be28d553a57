//! What a script expects, held against what happened: messages, lines of the log, faults.

use caxton_abi::Envelope;
use caxton_acl::Performative;

use super::{
    format::{Expect, ExpectFault, ExpectLog},
    report::expectation,
    stage::Line,
    steps::{Held, Play, act, level_name, words, wrong},
};
use crate::config::json;

/// Lines of the log that a failure shows.
const LINES_SHOWN: usize = 5;

impl Play<'_> {
    pub(super) fn no_fault(&self) -> Held {
        match self.stage.broken.get(self.faults_seen) {
            Some(broken) => Err(wrong("no fault of the agent", words(broken))),
            None => Ok(()),
        }
    }

    pub(super) fn nothing(&self) -> Held {
        let Some(first) = self.waiting.front() else { return Ok(()) };
        let found = self.line(first);
        Err(wrong(
            "no further message",
            match self.waiting.len() {
                1 => found,
                count => format!("{found}, and {} more", count - 1),
            },
        ))
    }

    pub(super) fn expect(&mut self, expect: &Expect) -> Held {
        let expected = expectation(expect, &self.script.agent);
        let Some(passed) = self.waiting.pop_front() else {
            return Err(wrong(expected, "no message"));
        };
        let differs = self.differences(&passed.envelope, expect);
        if differs.is_empty() {
            return Ok(());
        }
        Err(wrong(expected, format!("{}: {}", self.line(&passed), differs.join("; "))))
    }

    /// Each key that does not match, in words.
    fn differences(&mut self, found: &Envelope, expect: &Expect) -> Vec<String> {
        let head = &found.head;
        let mut differs = Vec::new();
        let mut text = |key: &str, expected: &Option<String>, found: String| {
            if let Some(expected) = expected.as_ref().filter(|expected| **expected != found) {
                differs.push(format!("`{key}` is \"{found}\", expected \"{expected}\""));
            }
        };
        let from = expect.from.clone().unwrap_or_else(|| self.script.agent.clone());
        text("from", &Some(from), self.stage.name(head.sender));
        text("to", &expect.to, self.stage.name(head.receiver));
        text("performative", &expect.performative.map(|act| act.0.to_string()), act(head.performative));
        let symbol = |symbol: u32| self.stage.bus.directory().symbol_name(symbol).unwrap_or_default();
        text("protocol", &expect.protocol, symbol(head.protocol));
        text("ontology", &expect.ontology, symbol(head.ontology));
        text("language", &expect.language, symbol(head.language));
        let content = String::from_utf8_lossy(found.content.as_slice()).into_owned();
        text("content", &expect.content, content.clone());
        if let Some(part) = expect.content_contains.as_ref().filter(|part| !content.contains(*part)) {
            differs.push(format!("the content does not contain \"{part}\""));
        }
        if let Some(value) = &expect.content_json {
            let value = json(value.clone());
            match serde_json::from_str::<serde_json::Value>(&content) {
                Ok(found) if found == value => {}
                Ok(_) => differs.push(format!("the content is another value than {value}")),
                Err(error) => differs.push(format!("the content is not JSON: {error}")),
            }
        }
        if let Some(label) = &expect.conversation {
            let named = *self.conversations.entry(label.clone()).or_insert(head.conversation);
            if named != head.conversation {
                differs.push(format!("it is not in the conversation \"{label}\""));
            }
        }
        differs.extend(self.not_an_answer(found, expect.answers));
        differs
    }

    /// Why a message is not the answer that it should be.
    fn not_an_answer(&self, found: &Envelope, answers: Option<bool>) -> Option<String> {
        let head = &found.head;
        let asked: Vec<u32> = self
            .exchange
            .iter()
            .filter(|(passed, to_agent)| {
                let said = &passed.envelope.head;
                *to_agent && said.conversation == head.conversation && said.sender == head.receiver
            })
            .map(|(passed, _)| passed.envelope.head.reply_with)
            .collect();
        let asks = Performative::from_code(head.performative).is_some_and(Performative::expects_reply);
        let must = answers.unwrap_or(!asks && !asked.is_empty() && head.sender == self.stage.agent);
        let does = asked.contains(&head.in_reply_to);
        match (must, does) {
            (true, false) => Some(format!(
                "it answers nothing: its `in-reply-to` is {}, expected {}",
                number(head.in_reply_to),
                asked.iter().map(u32::to_string).collect::<Vec<_>>().join(" or ")
            )),
            (false, true) if answers == Some(false) => Some("it is an answer, expected none".to_owned()),
            _ => None,
        }
    }

    pub(super) fn expect_log(&mut self, expect: &ExpectLog) -> Held {
        let level = expect.level.map(|level| level as u8);
        let fits = |line: &Line| {
            line.text.contains(&expect.contains) && level.is_none_or(|level| line.level == level)
        };
        let fresh = self.stage.lines.get(self.lines_seen..).unwrap_or_default();
        match fresh.iter().position(fits) {
            Some(index) => {
                self.lines_seen += index + 1;
                Ok(())
            }
            None => {
                let level = level.map_or("", level_name);
                let shown: Vec<String> = fresh
                    .iter()
                    .take(LINES_SHOWN)
                    .map(|line| format!("{} \"{}\"", level_name(line.level), line.text))
                    .collect();
                let found = if shown.is_empty() { "no further line".to_owned() } else { shown.join(", ") };
                Err(wrong(
                    format!("a {level} line of the log with \"{}\"", expect.contains).replace("  ", " "),
                    found,
                ))
            }
        }
    }

    pub(super) fn expect_fault(&mut self, expect: &ExpectFault) -> Held {
        let expected = match (&expect.code, expect.contains.as_str()) {
            (Some(code), "") => format!("a fault {code}"),
            (Some(code), part) => format!("a fault {code} with \"{part}\""),
            (None, "") => "a fault".to_owned(),
            (None, part) => format!("a fault with \"{part}\""),
        };
        let Some(broken) = self.stage.broken.get(self.faults_seen) else {
            return Err(wrong(expected, "none"));
        };
        let named = |code: &String| {
            *code == broken.code.slug() || code.eq_ignore_ascii_case(&broken.code.to_string())
        };
        if expect.code.as_ref().is_some_and(|code| !named(code)) || !broken.text.contains(&expect.contains) {
            return Err(wrong(expected, words(broken)));
        }
        // The kernel hands the message out again to a fresh instance: the same fault again is the same one.
        let same = broken.clone();
        self.faults_seen +=
            self.stage.broken.iter().skip(self.faults_seen).take_while(|next| next.code == same.code).count();
        Ok(())
    }
}

fn number(number: u32) -> String {
    if number == 0 { "absent".to_owned() } else { number.to_string() }
}
