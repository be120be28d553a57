//! Plays one script: each step against the stage, up to the first that does not hold.

use std::{collections::BTreeMap, sync::Arc};

use caxton_abi::{Code, Envelope, Header, Payload, Uid};
use caxton_acl::Performative;
use caxton_core::{AgentSpec, agent::BodyFactory};

use super::{
    format::{Script, Send, Step, line_of},
    report::{Exchanged, Failed, Outcome, Played},
    stage::{Broken, Passed, Stage},
};
use crate::config::{Source, json};

/// Who speaks when a step does not say it.
const CLIENT: &str = "client";
/// Log lines and faults that a report shows.
const SHOWN_LINES_MAX: usize = 200;

/// What does not hold: expected against found.
pub(super) struct Wrong {
    expected: String,
    found: String,
}

pub(super) type Held = Result<(), Wrong>;

/// Expected against found.
pub(super) fn wrong(expected: impl Into<String>, found: impl Into<String>) -> Wrong {
    Wrong { expected: expected.into(), found: found.into() }
}

/// A script that is being played.
pub(super) struct Play<'a> {
    pub(super) script: &'a Script,
    pub(super) stage: Stage,
    /// Messages that no step has looked at.
    pub(super) waiting: std::collections::VecDeque<Passed>,
    /// Everything that was said, in order.
    pub(super) exchange: Vec<(Passed, bool)>,
    /// The script's names of conversations.
    pub(super) conversations: BTreeMap<String, Uid>,
    /// Faults that no step has looked at begin here.
    pub(super) faults_seen: usize,
    pub(super) lines_seen: usize,
    reply_with: u32,
}

/// Plays a script with a fresh agent.
pub(super) fn play(source: &Source, script: &Script, factory: Arc<dyn BodyFactory>) -> Played {
    let spec = AgentSpec { name: script.agent.clone(), config: script.config_json(), ..AgentSpec::default() };
    let failed = |step: Option<(usize, usize, &'static str)>, wrong: Wrong| Failed {
        step: step.map(|(number, ..)| number),
        line: step.map(|(_, line, _)| line),
        kind: step.map(|(.., kind)| kind),
        expected: wrong.expected,
        found: wrong.found,
    };
    let stage = match Stage::new(spec, factory) {
        Ok(stage) => stage,
        Err(why) => {
            let fault = failed(None, wrong(format!("an agent `{}`", script.agent), why));
            return Played::new(source, script, Outcome::Failed(fault));
        }
    };
    let mut play = Play {
        script,
        stage,
        waiting: Default::default(),
        exchange: Vec::new(),
        conversations: BTreeMap::new(),
        faults_seen: 0,
        lines_seen: 0,
        reply_with: 0,
    };
    let mut outcome = Outcome::Passed;
    if let Err(wrong) = play.begin() {
        outcome = Outcome::Failed(failed(None, wrong));
    } else {
        for (index, step) in script.steps.iter().enumerate() {
            if let Err(wrong) = play.step(step.get_ref()) {
                let place = (index + 1, line_of(&source.text, &step.span()), step.get_ref().kind());
                outcome = Outcome::Failed(failed(Some(place), wrong));
                break;
            }
        }
        if matches!(outcome, Outcome::Passed)
            && let Err(wrong) = play.end()
        {
            outcome = Outcome::Failed(failed(None, wrong));
        }
    }
    let mut played = Played::new(source, script, outcome);
    played.messages = play.exchange.iter().map(|(passed, to_agent)| play.shown(passed, *to_agent)).collect();
    played.log = play.log();
    played
}

impl Play<'_> {
    /// Has the agent made; what it says in `init` waits for the first step.
    fn begin(&mut self) -> Held {
        let passed = self.stage.settle();
        self.take(passed)?;
        match self.stage.failure() {
            Some(broken) => Err(wrong("an agent that starts", words(&broken))),
            None => Ok(()),
        }
    }

    fn take(&mut self, passed: Result<Vec<Passed>, String>) -> Held {
        let passed = passed.map_err(|why| wrong("an agent that comes to rest", why))?;
        for one in passed {
            self.exchange.push((one.clone(), false));
            self.waiting.push_back(one);
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Held {
        if !matches!(step, Step::ExpectFault(_)) {
            self.no_fault()?;
        }
        match step {
            Step::Send(send) => self.send(send),
            Step::Expect(expect) => self.expect(expect),
            Step::Advance(pause) => {
                let passed = self.stage.advance(pause.0);
                self.take(passed)
            }
            Step::ExpectNothing(_) => self.nothing(),
            Step::ExpectLog(expect) => self.expect_log(expect),
            Step::ExpectFault(expect) => self.expect_fault(expect),
        }
    }

    fn end(&mut self) -> Held {
        self.no_fault()?;
        if self.script.allow_extra { Ok(()) } else { self.nothing() }
    }

    fn send(&mut self, send: &Send) -> Held {
        let envelope = self.envelope(send).map_err(|why| wrong("a message that can be sent", why))?;
        self.exchange.push((Passed { at: self.stage.now, envelope: envelope.clone() }, true));
        let outcome =
            self.stage.bus.submit(vec![envelope], self.stage.now).into_iter().next().unwrap_or_default();
        if !outcome.code.is_none() {
            return Err(wrong(
                "a message that is accepted",
                format!("{} {}", outcome.code, outcome.code.slug()),
            ));
        }
        let passed = self.stage.settle();
        self.take(passed)
    }

    fn envelope(&mut self, send: &Send) -> Result<Envelope, String> {
        let bus = Arc::clone(&self.stage.bus);
        let directory = bus.directory();
        let sender = self.stage.endpoint(send.from.as_deref().unwrap_or(CLIENT))?;
        let receiver = match &send.to {
            None => self.stage.agent,
            Some(name) if *name == self.script.agent => self.stage.agent,
            Some(name) => self.stage.endpoint(name)?,
        };
        let symbol = |text: &Option<String>| text.as_deref().map_or(0, |text| directory.intern(text));
        self.reply_with = self.reply_with.saturating_add(1);
        let mut head = Header {
            id: bus.mint(self.stage.now),
            sender,
            receiver,
            performative: send.performative.map_or(0, |act| act.0.code()),
            protocol: symbol(&send.protocol),
            ontology: symbol(&send.ontology),
            language: symbol(&send.language),
            reply_with: self.reply_with,
            reply_by_ms: send.reply_by.map_or(0, |pause| self.stage.now.plus_millis(pause.0).millis()),
            ..Header::default()
        };
        if send.answers {
            let asked = self
                .exchange
                .iter()
                .rev()
                .find(|(passed, to_agent)| !to_agent && passed.envelope.head.receiver == sender);
            let asked = asked.map(|(passed, _)| passed.envelope.head).ok_or_else(|| {
                format!("`{}` has got no message that it could answer", self.stage.name(sender))
            })?;
            head.conversation = asked.conversation;
            head.in_reply_to = asked.reply_with;
            head.protocol = if head.protocol == 0 { asked.protocol } else { head.protocol };
        } else {
            head.conversation = match &send.conversation {
                Some(label) => {
                    let fresh = bus.mint(self.stage.now);
                    *self.conversations.entry(label.clone()).or_insert(fresh)
                }
                None => bus.mint(self.stage.now),
            };
        }
        let content = match (&send.content, &send.content_json) {
            (Some(text), _) => text.clone(),
            (None, Some(value)) => json(value.clone()).to_string(),
            (None, None) => String::new(),
        };
        Ok(Envelope::new(head, Payload::from(content)))
    }

    /// A message in one line.
    pub(super) fn line(&self, passed: &Passed) -> String {
        self.shown(passed, false).line()
    }

    fn shown(&self, passed: &Passed, to_agent: bool) -> Exchanged {
        let head = &passed.envelope.head;
        let symbol = |symbol: u32| self.stage.bus.directory().symbol_name(symbol);
        let named = self.conversations.iter().find(|(_, id)| **id == head.conversation);
        Exchanged {
            at_ms: passed.at.millis().saturating_sub(super::stage::BEGIN_MS),
            to_agent,
            from: self.stage.name(head.sender),
            to: self.stage.name(head.receiver),
            performative: act(head.performative),
            content: String::from_utf8_lossy(passed.envelope.content.as_slice()).into_owned(),
            protocol: symbol(head.protocol).filter(|_| head.protocol != 0),
            conversation: named.map_or_else(|| head.conversation.to_string(), |(label, _)| label.clone()),
            reply_with: Some(head.reply_with).filter(|number| *number != 0),
            in_reply_to: Some(head.in_reply_to).filter(|number| *number != 0),
        }
    }

    fn log(&self) -> Vec<String> {
        let lines =
            self.stage.lines.iter().map(|line| format!("{:<5} {}", level_name(line.level), line.text));
        let broken = self.stage.broken.iter().map(|broken| format!("fault {}", words(broken)));
        lines.chain(broken).take(SHOWN_LINES_MAX).collect()
    }
}

pub(super) fn words(broken: &Broken) -> String {
    let code: Code = broken.code;
    format!("{} {}: {}", code, code.slug(), broken.text)
}

pub(super) fn act(code: u8) -> String {
    Performative::from_code(code).map_or_else(|| format!("act {code}"), |act| act.to_string())
}

pub(super) fn level_name(level: u8) -> &'static str {
    match level {
        1 => "trace",
        2 => "debug",
        4 => "warn",
        5 => "error",
        _ => "info",
    }
}
