//! The bench: the plugin over a scripted server, and agents that answer by a function.

use std::{sync::Arc, time::Duration};

use caxton_acl::Performative;
use caxton_plugin::{
    Code, Endpoint, Envelope, Error, Header, Payload, Plugin,
    testing::{FakeHost, block_on},
};
use serde_json::Value;

use crate::{Config, Gateway, shared::Shared};

/// The plugin, started.
pub(super) struct Bench {
    pub(super) fake: FakeHost,
    pub(super) plugin: Arc<Gateway>,
    pub(super) shared: Arc<Shared>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Reply(pub(super) Result<Value, Error>);

impl Reply {
    pub(super) fn json(&self) -> Value {
        self.0.clone().unwrap()
    }

    /// The status and the code of a refusal.
    pub(super) fn problem(&self) -> (u16, String) {
        let code = self.code();
        (code.entry().unwrap().http_status, code.to_string())
    }

    pub(super) fn code(&self) -> Code {
        self.0.as_ref().unwrap_err().code()
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(super) fn with(config: Config) -> Self {
        let fake = FakeHost::new();
        let plugin = Arc::new(Gateway::create(fake.host(), config).unwrap());
        block_on(plugin.start()).unwrap();
        Self { fake, shared: plugin.shared.clone(), plugin }
    }

    pub(super) async fn call(&self, verb: &str, request: impl ToString) -> Reply {
        let answer = self.plugin.invoke(verb, Payload::from(request.to_string())).await;
        Reply(answer.map(|answer| serde_json::from_slice(answer.as_slice()).unwrap()))
    }

    /// Calls while agents answer each message that reaches them.
    pub(super) async fn answered<T>(
        &self,
        request: impl Future<Output = T>,
        agents: impl FnMut(&Bench, &Envelope) -> Vec<Envelope>,
    ) -> T {
        tokio::select! {
            reply = request => reply,
            () = self.play(agents) => unreachable!("agents play for ever"),
        }
    }

    /// Lets agents answer for ever. Time is virtual, so waiting costs none.
    async fn play(&self, mut agents: impl FnMut(&Bench, &Envelope) -> Vec<Envelope>) {
        loop {
            for message in self.fake.take_submitted() {
                for answer in agents(self, &message) {
                    assert_eq!(self.deliver(answer), Code::NONE);
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(super) fn deliver(&self, message: Envelope) -> Code {
        self.plugin.deliver(vec![message])[0]
    }

    /// The name of an address without its platform.
    pub(super) fn local(&self, address: u32) -> String {
        self.shared.host.name(address).trim_end_matches("@test").to_owned()
    }
}

/// The answer that a message's receiver gives.
pub(super) fn answer(message: &Envelope, act: Performative, content: &str) -> Envelope {
    let asked = &message.head;
    let head = Header {
        conversation: asked.conversation,
        sender: asked.receiver,
        receiver: asked.sender,
        in_reply_to: asked.reply_with,
        reply_with: asked.reply_with + 1000,
        performative: act.code(),
        ..Header::default()
    };
    Envelope::new(head, Payload::from(content.to_owned()))
}

pub(super) fn act(message: &Envelope) -> Performative {
    Performative::from_code(message.head.performative).unwrap()
}
