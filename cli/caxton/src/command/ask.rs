//! `caxton ask`: sends one message, waits for the answer and prints its content.

use std::{io::IsTerminal as _, path::PathBuf, time::Duration};

use caxton_acl::Performative;
use serde_json::{Map, Value, json};

use super::{send::performative, text};
use crate::{
    class::Class,
    client::{self, Client, segment},
    content,
    events::Events,
    failure::{Exit, Failure, cannot},
    output::{Format, Output},
    problem::Problem,
    retry::Patience,
    time,
};

const EXAMPLES: &str = "\
The answer's content goes to stdout unchanged, so it can be piped. An answer that is `failure`, `refuse` or \
`not-understood` ends with exit code 1, no answer in time with 8. While the server says that it is full, the question is \
asked again within --timeout. With `-o json` the whole answering message is \
printed.

Examples:
  caxton ask echo hello
  caxton ask counter --file notes.txt > report.json
  git log | caxton ask summary - --timeout 2m
  caxton ask writer 'a poem' --stream
  caxton ask echo hello -o json";

/// The parameter that carries the name of the file that a content was read from.
const FILE_PARAMETER: &str = "file";

/// The arguments of `caxton ask`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Ask {
    /// The agent to ask
    #[arg(value_name = "AGENT", add = crate::complete::agents())]
    agent: String,
    /// The content: text, @FILE, or - for stdin
    #[arg(value_name = "CONTENT")]
    content: Option<String>,
    /// The communicative act
    #[arg(short, long, value_name = "ACT", default_value = "request", value_parser = performative)]
    performative: Performative,
    /// How long to wait for the answer
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time::duration)]
    timeout: Duration,
    /// What the question is promised: volatile, acked or durable
    #[arg(long, value_name = "CLASS", hide_possible_values = true)]
    class: Option<Class>,
    /// Do not try again when the server says that it is full
    #[arg(long)]
    no_retry: bool,
    /// Print the parts of the answer as they come; the question then names no protocol
    #[arg(long)]
    stream: bool,
    /// A file to send as the content, together with its name
    #[arg(long, value_name = "FILE", conflicts_with = "content")]
    file: Option<PathBuf>,
    /// A parameter of your own; may be repeated
    #[arg(long = "param", value_name = "X-NAME=VALUE", value_parser = content::parameter)]
    parameters: Vec<(String, String)>,
}

impl Ask {
    /// Asks and prints the answer.
    ///
    /// # Errors
    /// No answer in time, an answer that says no, or a refusal of the server.
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let content = match (&self.file, &self.content) {
            (Some(path), _) => content::file(path)?,
            (None, Some(given)) => content::read(given)?,
            (None, None) => Vec::new(),
        };
        match output.format {
            _ if self.stream => self.ask_in_parts(client, output, content),
            Format::Json | Format::Jsonl => self.ask_document(client, output, content),
            Format::Table | Format::Wide | Format::Name => self.ask_raw(client, output, content),
        }
    }

    fn ask_raw(&self, client: &Client, output: &Output, content: Vec<u8>) -> Result<(), Failure> {
        let file = self.file_name().map(|name| format!("&file={}", segment(&name))).unwrap_or_default();
        let class = self.class.map(|class| format!("&class={}", class.as_str())).unwrap_or_default();
        let path = |left: Duration| {
            let (agent, act, millis) = (segment(&self.agent), self.performative, time::millis(left));
            format!("/v1/agents/{agent}/ask?performative={act}&timeout-ms={millis}{file}{class}")
        };
        let media_type = if std::str::from_utf8(&content).is_ok() {
            "text/plain; charset=utf-8"
        } else {
            "application/octet-stream"
        };
        let mut headers = vec![("content-type".to_owned(), media_type.to_owned())];
        headers.extend(self.parameters.iter().map(|(name, value)| (format!("X-Acl-{name}"), value.clone())));
        let answer = self
            .patience()
            .call(output, |left| client.ask_raw(&path(left), &headers, &content, left))
            .map_err(cannot(self.doing()))?;
        if !answer.conversation.is_empty() {
            output.note(&format!(
                "{} from {}, conversation {}",
                answer.performative, answer.sender, answer.conversation
            ));
        }
        output.bytes(&answer.body)
    }

    fn ask_document(&self, client: &Client, output: &Output, content: Vec<u8>) -> Result<(), Failure> {
        let message = self.message(content);
        let path = |left| format!("/v1/ask?timeout-ms={}", time::millis(left));
        let answer = self
            .patience()
            .call(output, |left| client.post_and_wait(&path(left), &message, left))
            .map_err(cannot(self.doing()))?;
        output.document(&answer)?;
        self.agreed(&answer)
    }

    /// Prints each part as it comes: its content, or the whole message in a line of JSON.
    fn ask_in_parts(&self, client: &Client, output: &Output, content: Vec<u8>) -> Result<(), Failure> {
        let path = format!("/v1/ask?timeout-ms={}", time::millis(self.timeout));
        let stream = client.post_for_events(&path, &self.message(content), self.timeout);
        let mut events = Events::new(stream.map_err(cannot(self.doing()))?);
        let broken = |why: String| {
            Failure::new(Exit::Failure, format!("cannot {}", self.doing()), why, "look with `caxton status`")
        };
        let mut last = Value::Null;
        while let Some(event) =
            events.read().map_err(|error| broken(format!("the answer broke off: {error}")))?
        {
            let document: Value = serde_json::from_str(&event.data).unwrap_or_default();
            match event.name.as_str() {
                "message" => {
                    if output.is_json() {
                        output.line(&document.to_string())?;
                    } else {
                        output.part(&content::of(&document))?;
                    }
                    last = document;
                }
                "problem" => {
                    let status = document.get("status").and_then(Value::as_u64).unwrap_or_default();
                    let problem =
                        Problem::of(u16::try_from(status).unwrap_or_default(), event.data.as_bytes());
                    return Err(Failure::of(&self.doing(), client::Error::Problem(Box::new(problem))));
                }
                "end" => {
                    if !output.is_json() && std::io::stdout().is_terminal() {
                        output.line("")?;
                    }
                    return self.agreed(&last);
                }
                _ => {}
            }
        }
        Err(broken("the answer ended before its last part".to_owned()))
    }

    fn message(&self, content: Vec<u8>) -> Value {
        let mut message = Map::new();
        message.insert("performative".to_owned(), json!(self.performative.as_str()));
        message.insert("receiver".to_owned(), json!([self.agent]));
        content::set(&mut message, content);
        let file = self.file_name().map(|name| (FILE_PARAMETER.to_owned(), name));
        let parameters = self.parameters.iter().cloned().chain(file);
        message.extend(parameters.map(|(name, value)| (format!("X-{name}"), json!(value))));
        if let Some(class) = self.class {
            message.insert("class".to_owned(), json!(class.as_str()));
        }
        Value::Object(message)
    }

    /// An answer that says no is a failure.
    fn agreed(&self, answer: &Value) -> Result<(), Failure> {
        let act = text(answer, "performative").to_ascii_lowercase();
        match act.as_str() {
            "failure" | "refuse" | "not-understood" => {
                let what = format!("`{}` answered {act}", self.agent);
                Err(Failure::new(Exit::Failure, what, text(answer, "content"), ""))
            }
            _ => Ok(()),
        }
    }

    fn patience(&self) -> Patience {
        Patience::new(self.timeout, !self.no_retry)
    }

    fn doing(&self) -> String {
        format!("ask `{}`", self.agent)
    }

    /// The file's name without its folder.
    fn file_name(&self) -> Option<String> {
        let name = self.file.as_ref()?.file_name()?;
        Some(name.to_string_lossy().into_owned())
    }
}
