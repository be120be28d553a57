//! The form of a script: a TOML file with an agent's configuration and the steps of an exchange, every key checked.

use std::{ops::Range, sync::Arc};

use caxton_abi::Code;
use caxton_acl::Performative;
use serde::Deserialize;
use toml::{Spanned, Value};

use crate::config::{Fault, Source, json};

/// Steps of one script.
const STEPS_MAX: usize = 10_000;
/// Milliseconds by which one step may move the time: a week.
const ADVANCE_MS_MAX: u64 = 7 * 24 * 3_600_000;

/// A script: who the agent is, and what is said to it and expected of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Script {
    /// What it shows.
    #[serde(default)]
    pub description: String,
    /// The agent's configuration.
    #[serde(default)]
    pub config: Option<Value>,
    /// The agent's name.
    #[serde(default = "agent")]
    pub agent: String,
    /// What the agent may do.
    #[serde(default)]
    pub grants: Vec<String>,
    /// Messages that no step expects are no fault.
    #[serde(default)]
    pub allow_extra: bool,
    /// What happens, in order.
    #[serde(default, rename = "step")]
    pub steps: Vec<Spanned<Step>>,
}

fn agent() -> String {
    "agent".to_owned()
}

/// One step; a table with exactly one of these keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Somebody sends the agent a message.
    Send(Box<Send>),
    /// The next message that was sent.
    Expect(Box<Expect>),
    /// Time passes, for example `2s`.
    Advance(Pause),
    /// Nothing was sent that no step expected.
    ExpectNothing(Always),
    /// The agent wrote a line.
    ExpectLog(ExpectLog),
    /// The agent trapped or returned a fault.
    ExpectFault(ExpectFault),
}

/// A message to the agent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Send {
    /// Who sends it.
    pub from: Option<String>,
    /// The receiver; the agent when absent.
    pub to: Option<String>,
    /// The act.
    pub performative: Option<Act>,
    /// The content as text.
    pub content: Option<String>,
    /// The content as a value, sent as JSON.
    pub content_json: Option<Value>,
    /// The protocol's name.
    pub protocol: Option<String>,
    /// The ontology's name.
    pub ontology: Option<String>,
    /// The content language's name.
    pub language: Option<String>,
    /// How long the answer may take, for example `2s`.
    pub reply_by: Option<Pause>,
    /// The script's name of the conversation; a new one when absent.
    pub conversation: Option<String>,
    /// It answers the last message that the sender got: its conversation, protocol and `in-reply-to` are that one's.
    pub answers: bool,
}

/// A message of the agent. What is absent is not looked at.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expect {
    /// The sender; the agent when absent.
    pub from: Option<String>,
    /// The receiver.
    pub to: Option<String>,
    /// The act.
    pub performative: Option<Act>,
    /// The content, exactly.
    pub content: Option<String>,
    /// A part of the content.
    pub content_contains: Option<String>,
    /// The content as JSON, equal as a value.
    pub content_json: Option<Value>,
    /// The protocol's name.
    pub protocol: Option<String>,
    /// The ontology's name.
    pub ontology: Option<String>,
    /// The content language's name.
    pub language: Option<String>,
    /// The script's name of the conversation; names it when the name is new.
    pub conversation: Option<String>,
    /// Whether it answers a message of its receiver: repeats its `reply-with` as `in-reply-to`. When absent, every act
    /// that asks for nothing must do so in a conversation in which its receiver asked.
    pub answers: Option<bool>,
}

/// A line of the agent's log.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExpectLog {
    /// `trace`, `debug`, `info`, `warn` or `error`.
    pub level: Option<Level>,
    /// A part of the line.
    pub contains: String,
}

/// A trap or a returned fault.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExpectFault {
    /// Its code, such as `trap-unreachable` or `CX0432`.
    pub code: Option<String>,
    /// A part of what it says.
    pub contains: String,
}

/// A level of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// 1
    Trace = 1,
    /// 2
    Debug,
    /// 3
    Info,
    /// 4
    Warn,
    /// 5
    Error,
}

/// `true`, the only value that such a step can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "bool")]
pub struct Always;

impl TryFrom<bool> for Always {
    type Error = &'static str;
    fn try_from(flag: bool) -> Result<Self, Self::Error> {
        if flag { Ok(Self) } else { Err("expected `true`: leave the step out instead") }
    }
}

/// A communicative act by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Act(pub Performative);

impl TryFrom<String> for Act {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|error: caxton_acl::Error| error.to_string())
    }
}

/// A length of time in milliseconds: `250ms`, `2s`, `5m`, `1h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pause(pub u64);

impl TryFrom<String> for Pause {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.chars().take_while(char::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor = match unit {
            "ms" => Some(1),
            "s" => Some(1_000),
            "m" => Some(60_000),
            "h" => Some(3_600_000),
            _ => None,
        };
        let millis = number.parse::<u64>().ok().zip(factor).and_then(|(number, by)| number.checked_mul(by));
        match millis.filter(|millis| *millis <= ADVANCE_MS_MAX) {
            Some(millis) => Ok(Self(millis)),
            None => {
                Err(format!("`{text}` is no length of time: write `250ms`, `2s`, `5m` or `1h`, at most 168h"))
            }
        }
    }
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// What is wrong and where.
    pub fn read(source: &Source) -> Result<Self, Box<Fault>> {
        let script: Self = toml::from_str(&source.text).map_err(|error| {
            let fault = Fault::new(Code::CONFIG_INVALID, error.message().trim());
            Box::new(match error.span() {
                Some(span) => fault.at(source, span),
                None => fault,
            })
        })?;
        if script.steps.len() > STEPS_MAX {
            let what = format!("the script has {} steps, at most {STEPS_MAX} are taken", script.steps.len());
            return Err(Box::new(Fault::new(Code::CONFIG_INVALID, what)));
        }
        for step in &script.steps {
            script
                .check(step.get_ref())
                .map_err(|what| Box::new(Fault::new(Code::CONFIG_INVALID, what).at(source, step.span())))?;
        }
        Ok(script)
    }

    /// What the types alone do not say.
    fn check(&self, step: &Step) -> Result<(), String> {
        match step {
            Step::Send(send) => {
                if send.performative.is_none() {
                    return Err("`send` has no `performative`: name the act, for example \"request\"".into());
                }
                if send.content.is_some() && send.content_json.is_some() {
                    return Err("`send` has both `content` and `content-json`: leave one out".into());
                }
                if send.answers && send.conversation.is_some() {
                    return Err("`send` has both `answers` and `conversation`: leave one out".into());
                }
                if send.from.as_deref() == Some(self.agent.as_str()) {
                    return Err(format!(
                        "`send` is from `{}`, the agent itself: it speaks for itself",
                        self.agent
                    ));
                }
                Ok(())
            }
            Step::Expect(_)
            | Step::Advance(_)
            | Step::ExpectNothing(_)
            | Step::ExpectLog(_)
            | Step::ExpectFault(_) => Ok(()),
        }
    }

    /// The configuration as the agent gets it.
    pub fn config_json(&self) -> Vec<u8> {
        match &self.config {
            None => b"{}".to_vec(),
            Some(value) => json(value.clone()).to_string().into_bytes(),
        }
    }
}

impl Step {
    /// Its key.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Send(_) => "send",
            Self::Expect(_) => "expect",
            Self::Advance(_) => "advance",
            Self::ExpectNothing(_) => "expect-nothing",
            Self::ExpectLog(_) => "expect-log",
            Self::ExpectFault(_) => "expect-fault",
        }
    }
}

/// The line of a place in a text, from 1.
pub fn line_of(text: &Arc<str>, span: &Range<usize>) -> usize {
    text.get(..span.start).map_or(1, |before| before.matches('\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Script, String> {
        let source = Source { name: "t.toml".to_owned(), text: Arc::from(text) };
        Script::read(&source).map_err(|fault| fault.to_string())
    }

    #[test]
    fn every_step_of_the_form_is_read() {
        let script = read(
            "description = \"d\"\nconfig = { a = 1 }\nagent = \"x\"\n\
             [[step]]\nsend = { from = \"c\", performative = \"request\", content = \"Ada\" }\n\
             [[step]]\nexpect = { to = \"c\", performative = \"inform\", content-json = { n = 1 } }\n\
             [[step]]\nadvance = \"2s\"\n[[step]]\nexpect-nothing = true\n\
             [[step]]\nexpect-log = { level = \"info\", contains = \"g\" }\n\
             [[step]]\nexpect-fault = { code = \"trap-unreachable\" }\n",
        )
        .unwrap();
        let kinds: Vec<_> = script.steps.iter().map(|step| step.get_ref().kind()).collect();
        assert_eq!(kinds, ["send", "expect", "advance", "expect-nothing", "expect-log", "expect-fault"]);
        assert_eq!(script.config_json(), b"{\"a\":1}");
    }

    #[test]
    fn an_unknown_key_is_refused_at_its_place() {
        let why = read("[[step]]\nexpect = { too = \"c\" }\n").unwrap_err();
        assert!(why.contains("unknown field `too`") && why.contains("t.toml:2:12"), "{why}");
    }

    #[test]
    fn an_unknown_act_and_an_unknown_step_name_what_there_is() {
        let act = read("[[step]]\nsend = { performative = \"informs\" }\n").unwrap_err();
        assert!(act.contains("informs") && act.contains("inform"), "{act}");
        let step = read("[[step]]\nsent = { performative = \"inform\" }\n").unwrap_err();
        assert!(step.contains("`sent`") && step.contains("expect-log"), "{step}");
    }

    #[test]
    fn lengths_of_time_have_a_unit_and_a_bound() {
        let millis = |text: &str| Pause::try_from(text.to_owned()).map(|pause| pause.0).ok();
        assert_eq!([millis("250ms"), millis("2s"), millis("1h")], [Some(250), Some(2_000), Some(3_600_000)]);
        assert_eq!([millis("2"), millis("s"), millis("169h"), millis("99999999999999999999h")], [None; 4]);
    }

    #[test]
    fn a_message_needs_an_act() {
        let why = read("[[step]]\nsend = { from = \"c\" }\n").unwrap_err();
        assert!(why.contains("no `performative`"), "{why}");
    }
}
