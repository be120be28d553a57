//! `caxton send`: sends messages and does not wait for answers.

use std::time::Duration;

use caxton_acl::Performative;
use serde_json::{Map, Value, json};

use super::{lines::Pump, text};
use crate::{
    class::Class,
    client::Client,
    content,
    failure::{Exit, Failure, cannot},
    output::{Format, Output, fields},
    retry::Patience,
    time,
};

const EXAMPLES: &str = "\
The server answers when it has accepted the message; whether an agent then took it is seen with \
`caxton conversation show` and `caxton get dead-letters`. A durable message is accepted when it is on disk. While the \
server says that it is full, sending is tried again for --timeout.

With --lines each line of stdin is the content of a message. They are sent in lists, and one outcome is printed for each \
line: the message's id, and the status of HTTP with what it means. A line that is sent again because the server was full \
may come behind later ones. With --id, line N gets an id made of it and N: run again with the same input, it sends \
nothing twice.

Examples:
  caxton send echo -c hello
  caxton send echo -c 'pay 17' --class durable --id 0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b
  cat tasks.txt | caxton send worker --lines --class durable
  caxton send echo -p request -c @task.txt --protocol fipa-request --reply-by +5s
  echo hello | caxton send echo -c - --param X-file=hello.txt -o name";

/// The arguments of `caxton send`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Send {
    /// The receivers; a name without `@` belongs to the server's platform
    #[arg(value_name = "AGENT", required = true, add = crate::complete::agents())]
    receivers: Vec<String>,
    /// The communicative act
    #[arg(short, long, value_name = "ACT", default_value = "inform", value_parser = performative)]
    performative: Performative,
    /// The content: text, @FILE, or - for stdin
    #[arg(short, long, value_name = "CONTENT", conflicts_with = "lines")]
    content: Option<String>,
    /// The interaction protocol, as fipa-request
    #[arg(long, value_name = "NAME")]
    protocol: Option<String>,
    /// The conversation to go on with; without it the server makes a new one
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
    /// When the answer is due: a time such as 2026-11-20T12:00:00Z, or +2s
    #[arg(long, value_name = "TIME")]
    reply_by: Option<String>,
    /// A label that the answer has to carry
    #[arg(long, value_name = "LABEL")]
    reply_with: Option<String>,
    /// The label that this message answers
    #[arg(long, value_name = "LABEL")]
    in_reply_to: Option<String>,
    /// The language of the content
    #[arg(long, value_name = "NAME")]
    language: Option<String>,
    /// The ontology of the content
    #[arg(long, value_name = "NAME")]
    ontology: Option<String>,
    /// A parameter of your own; may be repeated
    #[arg(long = "param", value_name = "X-NAME=VALUE", value_parser = content::parameter)]
    parameters: Vec<(String, String)>,
    /// What the message is promised: volatile, acked or durable
    #[arg(long, value_name = "CLASS", hide_possible_values = true)]
    class: Option<Class>,
    /// The message's own id, a UUID: sent again with it, the message is not delivered twice
    #[arg(long, value_name = "UUID", value_parser = uuid)]
    id: Option<String>,
    /// Send each line of stdin as a message
    #[arg(long)]
    lines: bool,
    /// How long to go on while the server says that it is full
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time::duration)]
    timeout: Duration,
    /// Do not try again when the server says that it is full
    #[arg(long)]
    no_retry: bool,
}

/// Checks the form of a UUID for clap; the server reads it.
fn uuid(text: &str) -> Result<String, String> {
    let digits = text.chars().filter(char::is_ascii_hexdigit).count();
    let hyphens = text.match_indices('-').map(|(at, _)| at);
    let grouped = hyphens.clone().eq([8, 13, 18, 23]);
    let plain = hyphens.count() == 0;
    if digits == 32 && (plain && text.len() == 32 || grouped && text.len() == 36) {
        return Ok(text.to_owned());
    }
    Err(format!("expected a UUID such as 0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b, found `{text}`"))
}

/// Reads an act for clap; the error names the nearest one.
pub(super) fn performative(text: &str) -> Result<Performative, caxton_acl::Error> {
    text.parse()
}

impl Send {
    /// Sends.
    ///
    /// # Errors
    /// When the content cannot be read, or the server refuses the message.
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let doing = format!("send to `{}`", self.receivers.join("`, `"));
        let mut message = self.message()?;
        if self.lines {
            let pump =
                Pump { message, id: self.id.clone(), within: self.timeout, again: !self.no_retry, doing };
            return pump.run(std::io::stdin().lock(), client, output);
        }
        if let Some(id) = &self.id {
            message.insert("id".to_owned(), json!(id));
        }
        let message = Value::Object(message);
        let patience = Patience::new(self.timeout, !self.no_retry);
        let accepted =
            patience.call(output, |_| client.post("/v1/messages", &message)).map_err(cannot(doing))?;
        match output.format {
            Format::Json | Format::Jsonl => output.document(&accepted)?,
            Format::Name => output.line(&text(&accepted, "conversation-id"))?,
            Format::Table | Format::Wide => output.line(&fields(&[
                ("message", text(&accepted, "id")),
                ("conversation", text(&accepted, "conversation-id")),
                ("receiver", text(&accepted, "receiver")),
                ("class", text(&accepted, "class")),
            ]))?,
        }
        if accepted.get("duplicate") == Some(&Value::Bool(true)) {
            output.note("it was accepted before and is not delivered twice");
        }
        all_accepted(&accepted)
    }

    /// The message without its id.
    fn message(&self) -> Result<Map<String, Value>, Failure> {
        let mut message = Map::new();
        message.insert("performative".to_owned(), json!(self.performative.as_str()));
        message.insert("receiver".to_owned(), json!(self.receivers));
        if let Some(given) = &self.content {
            content::set(&mut message, content::read(given)?);
        }
        let texts = [
            ("protocol", &self.protocol),
            ("conversation-id", &self.conversation),
            ("reply-by", &self.reply_by),
            ("reply-with", &self.reply_with),
            ("in-reply-to", &self.in_reply_to),
            ("language", &self.language),
            ("ontology", &self.ontology),
            ("class", &self.class.map(|class| class.as_str().to_owned())),
        ];
        for (key, value) in texts {
            if let Some(value) = value {
                message.insert(key.to_owned(), json!(value));
            }
        }
        message.extend(self.parameters.iter().map(|(name, value)| (format!("X-{name}"), json!(value))));
        Ok(message)
    }
}

/// One message may be accepted for some of its receivers and refused for others.
fn all_accepted(accepted: &Value) -> Result<(), Failure> {
    let refused = accepted.get("refused").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let Some(first) = refused.first() else { return Ok(()) };
    let of = |refusal| format!("`{}`: {}", text(refusal, "receiver"), text(refusal, "reason"));
    let why = refused.iter().map(of).collect::<Vec<_>>().join(", ");
    let what = "the message was accepted for some receivers only";
    Err(Failure::new(Exit::Failure, what, why, "check the names with `caxton get agents`")
        .coded(&text(first, "code")))
}
