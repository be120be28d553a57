//! The bench: the routes over a scripted server, and agents that answer by a function.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use caxton_acl::Performative;
use caxton_plugin::{Code, Envelope, Header, Payload, testing::FakeHost};
use serde_json::Value;

use crate::{Config, app::App, shared::Shared};

/// The routes over a scripted server.
pub(super) struct Bench {
    pub(super) fake: FakeHost,
    pub(super) shared: Arc<Shared>,
    pub(super) app: App,
}

/// What came back.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Checks that it is a problem document and gives status and code.
    pub(super) fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json");
        let document = self.json();
        assert_eq!(document["status"], self.status.as_u16());
        let code = document["code"].as_str().unwrap().to_owned();
        assert_eq!(document["type"], format!("urn:caxton:error:{code}"));
        (self.status.as_u16(), code)
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(super) fn with(config: Config) -> Self {
        let fake = FakeHost::new();
        let shared = Arc::new(Shared::new(fake.host(), config));
        shared.asking.set_address(shared.host.claim("rest").unwrap());
        Self { app: App::new(shared.clone()), fake, shared }
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.app.answer(request).await;
        let (head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Reply { status: head.status, headers: head.headers, body }
    }

    pub(super) async fn call(&self, method: &str, path: &str, body: impl Into<Body>) -> Reply {
        let request = Request::builder().method(method).uri(path);
        self.send(request.header("content-type", "application/json").body(body.into()).unwrap()).await
    }

    /// Sends a request while agents answer each message that reaches them.
    pub(super) async fn answered(
        &self,
        request: impl Future<Output = Reply>,
        agents: impl FnMut(&Bench, &Envelope) -> Vec<Envelope>,
    ) -> Reply {
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
                    assert_eq!(self.shared.asking.deliver(answer), Code::NONE);
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
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
