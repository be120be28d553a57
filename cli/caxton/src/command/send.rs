//! `caxton send`: sends one message and does not wait.

use caxton_acl::Performative;
use serde_json::{Map, Value, json};

use super::text;
use crate::{
    client::Client,
    content,
    failure::{Exit, Failure, cannot},
    output::{Format, Output, fields},
};

const EXAMPLES: &str = "\
The server answers when it has accepted the message; whether an agent then took it is seen with \
`caxton conversation show` and `caxton get dead-letters`.

Examples:
  caxton send echo -c hello
  caxton send echo -p request -c @task.txt --protocol fipa-request --reply-by +5s
  echo hello | caxton send echo -c - --param X-file=hello.txt -o name";

/// The arguments of `caxton send`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Send {
    /// The receivers; a name without `@` belongs to the server's platform
    #[arg(value_name = "AGENT", required = true)]
    receivers: Vec<String>,
    /// The communicative act
    #[arg(short, long, value_name = "ACT", default_value = "inform", value_parser = performative)]
    performative: Performative,
    /// The content: text, @FILE, or - for stdin
    #[arg(short, long, value_name = "CONTENT")]
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
        let message = self.message()?;
        let doing = format!("send to `{}`", self.receivers.join("`, `"));
        let accepted = client.post("/v1/messages", &message).map_err(cannot(doing))?;
        match output.format {
            Format::Json | Format::Jsonl => output.document(&accepted)?,
            Format::Name => output.line(&text(&accepted, "conversation-id"))?,
            Format::Table | Format::Wide => output.line(&fields(&[
                ("message", text(&accepted, "id")),
                ("conversation", text(&accepted, "conversation-id")),
                ("receiver", text(&accepted, "receiver")),
            ]))?,
        }
        all_accepted(&accepted)
    }

    fn message(&self) -> Result<Value, Failure> {
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
        ];
        for (key, value) in texts {
            if let Some(value) = value {
                message.insert(key.to_owned(), json!(value));
            }
        }
        message.extend(self.parameters.iter().map(|(name, value)| (format!("X-{name}"), json!(value))));
        Ok(Value::Object(message))
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
