//! The bench: the plugin on a free port over a scripted server, clients, and agents that answer by a function.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use caxton_acl::Performative;
use caxton_plugin::{
    Code, Endpoint, Envelope, Extra, Header, Payload, Plugin,
    abi::std_types::{RArc, ROption, Tuple2},
    testing::FakeHost,
};
use tonic::{Status, transport::Channel};
use tonic_types::StatusExt;

use crate::{Config, Grpc};

/// The plugin over a scripted server.
pub(super) struct Bench {
    pub(super) fake: FakeHost,
    pub(super) grpc: Arc<Grpc>,
    pub(super) address: SocketAddr,
}

impl Bench {
    pub(super) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(super) async fn with(config: Config) -> Self {
        let listen = if config.listener == 0 { "127.0.0.1:0".to_owned() } else { config.listen };
        let fake = FakeHost::new();
        let grpc = Arc::new(Grpc::create(fake.host(), Config { listen, ..config }).unwrap());
        grpc.start().await.unwrap();
        let address = grpc.address().unwrap();
        Self { fake, grpc, address }
    }

    pub(super) async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    /// Lets agents answer each message that reaches them, for as long as the test runs.
    pub(super) fn agents(&self, mut agents: impl FnMut(&Envelope) -> Vec<Envelope> + Send + 'static) {
        let (fake, grpc) = (self.fake.clone(), self.grpc.clone());
        tokio::spawn(async move {
            loop {
                for message in fake.take_submitted() {
                    grpc.deliver(agents(&message));
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
    }

    /// The first messages that reach the bus, when there are so many.
    pub(super) async fn submitted(&self, count: usize) -> Vec<Envelope> {
        let mut found = Vec::new();
        while found.len() < count {
            found.extend(self.fake.take_submitted());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        found
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
        trace: asked.trace,
        performative: act.code(),
        ..Header::default()
    };
    Envelope::new(head, Payload::from(content.to_owned()))
}

/// The same, as a part that others follow.
pub(super) fn part(message: &Envelope, content: &str) -> Envelope {
    let mut part = answer(message, Performative::Inform, content);
    let params = vec![Tuple2("X-Partial".into(), "true".into())].into();
    part.extra = ROption::RSome(RArc::new(Extra { params, ..Extra::default() }));
    part
}

/// The status and the code of a refusal, which every one has.
pub(super) fn refusal(status: &Status) -> (tonic::Code, String) {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no code: {status:?}"));
    assert_eq!(info.domain, "caxton");
    assert!(!info.metadata["fix"].is_empty());
    (status.code(), info.reason.clone())
}

pub(super) fn is(code: tonic::Code, ours: Code) -> (tonic::Code, String) {
    (code, ours.to_string())
}
