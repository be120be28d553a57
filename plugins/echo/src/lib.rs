//! Plugin echo: an endpoint that answers each request and query-ref with its own content; the plugin to copy.
//!
//! It claims one address, `echo` unless configured otherwise. A request or query-ref gets an inform with the same
//! content; another act that asks for an answer gets not-understood; what asks for nothing gets nothing, so that two
//! echoes never talk for ever. It holds no messages, so draining has nothing to wait for.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use caxton_plugin::{
    Code, Endpoint, Envelope, Error, Host, Payload, Plugin, Ports, acl::Performative, reply,
};
use serde::Deserialize;
use tracing::{info, warn};

caxton_plugin::plugin!(Echo, "../plugin.json");

/// The plugin's table of the server's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The local name that it answers to.
    pub name: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { name: "echo".to_owned() }
    }
}

/// The plugin.
pub struct Echo {
    host: Host,
    config: Config,
    /// Zero until it is started.
    address: AtomicU32,
}

impl Plugin for Echo {
    type Config = Config;

    fn create(host: Host, config: Config) -> Result<Self, Error> {
        Ok(Self { host, config, address: AtomicU32::new(0) })
    }

    fn ports(self: &Arc<Self>) -> Ports {
        Ports::endpoint(self.clone())
    }

    async fn start(&self) -> Result<(), Error> {
        let address = self.host.claim(&self.config.name)?;
        self.address.store(address, Ordering::Relaxed);
        info!(name = self.host.name(address), "answering");
        Ok(())
    }

    async fn stop(&self) -> Result<(), Error> {
        self.host.release(self.address.swap(0, Ordering::Relaxed));
        Ok(())
    }
}

impl Endpoint for Echo {
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
        let answers = batch.iter().flat_map(answer).collect();
        for outcome in self.host.submit(answers) {
            if !outcome.code.is_none() {
                warn!(code = %outcome.code, "an answer was refused");
            }
        }
        vec![Code::NONE; batch.len()]
    }
}

/// What a message is answered with; nothing when it asks for nothing.
fn answer(message: &Envelope) -> Vec<Envelope> {
    match Performative::from_code(message.head.performative) {
        Some(Performative::Request | Performative::QueryRef) => {
            let mut answers = reply(message, Performative::Inform, message.content.clone());
            for answer in &mut answers {
                answer.head.encoding = message.head.encoding;
            }
            answers
        }
        Some(act) if act.expects_reply() => {
            let reason = format!("echo understands request and query-ref, not {act}");
            reply(message, Performative::NotUnderstood, Payload::from(reason))
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use caxton_plugin::{
        Header,
        testing::{FakeHost, block_on},
    };

    use super::*;

    fn started(fake: &FakeHost) -> Arc<Echo> {
        let echo = Arc::new(Echo::create(fake.host(), Config::default()).unwrap());
        block_on(echo.start()).unwrap();
        echo
    }

    fn message(fake: &FakeHost, act: Performative, content: &str) -> Envelope {
        let host = fake.host();
        let head = Header {
            sender: host.address("client").unwrap(),
            receiver: host.address("echo").unwrap(),
            performative: act.code(),
            reply_with: 5,
            encoding: 2,
            ..Header::default()
        };
        Envelope::new(head, Payload::from(content.as_bytes()))
    }

    #[test]
    fn claims_its_name_and_gives_it_back() {
        let fake = FakeHost::new();
        let echo = started(&fake);
        assert_eq!(fake.claimed(), ["echo@test"]);
        block_on(echo.stop()).unwrap();
        assert!(fake.claimed().is_empty());
    }

    #[test]
    fn answers_a_request_with_an_inform_of_the_same_content() {
        let fake = FakeHost::new();
        let echo = started(&fake);
        let request = message(&fake, Performative::Request, "count");
        assert_eq!(echo.deliver(vec![request.clone()]), [Code::NONE]);
        let [answer] = &fake.take_submitted()[..] else { panic!("one answer") };
        assert_eq!(answer.head.performative, Performative::Inform.code());
        assert_eq!(answer.head.receiver, request.head.sender);
        assert_eq!(answer.head.in_reply_to, 5);
        assert_eq!((answer.head.encoding, &answer.content), (2, &request.content));
    }

    #[test]
    fn does_not_understand_other_questions() {
        let fake = FakeHost::new();
        let echo = started(&fake);
        echo.deliver(vec![message(&fake, Performative::Cfp, "task")]);
        let [answer] = &fake.take_submitted()[..] else { panic!("one answer") };
        assert_eq!(answer.head.performative, Performative::NotUnderstood.code());
        assert_eq!(answer.content.as_slice(), b"echo understands request and query-ref, not cfp");
    }

    #[test]
    fn is_silent_on_what_asks_for_nothing() {
        let fake = FakeHost::new();
        let echo = started(&fake);
        for act in [Performative::Inform, Performative::NotUnderstood, Performative::Failure] {
            echo.deliver(vec![message(&fake, act, "")]);
        }
        assert!(fake.take_submitted().is_empty());
    }

    #[test]
    fn takes_the_message_even_when_the_answer_is_refused() {
        let fake = FakeHost::new();
        let echo = started(&fake);
        fake.refuse_next(Code::MAILBOX_FULL);
        let taken = echo.deliver(vec![message(&fake, Performative::Request, "x")]);
        assert_eq!(taken, [Code::NONE]);
    }

    #[test]
    fn its_manifest_is_valid() {
        let manifest = caxton_plugin::manifest::Manifest::parse(include_str!("../plugin.json")).unwrap();
        assert_eq!(manifest.name, "echo");
        assert_eq!(manifest.version, env!("CARGO_PKG_VERSION"));
    }
}
