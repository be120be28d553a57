//! Load on Caxton's gRPC: `grpc-load URL AGENT IN_FLIGHT SECONDS`, such as `grpc-load http://127.0.0.1:8401 echo 16 3`, asks
//! an agent that echoes, and prints calls in a second and their latencies.
//!
//! The messages are the part of `proto/caxton/v1/messages.proto` that is needed, written by hand.

use std::time::Duration;

use peers::{
    CONTENT_BYTES, Failure,
    calls::{self, Call},
};
use tonic::codegen::{Bytes, http::uri::PathAndQuery};

/// `PERFORMATIVE_REQUEST`.
const REQUEST: i32 = 19;

#[derive(Clone, PartialEq, prost::Message)]
struct Ask {
    #[prost(message, optional, tag = "1")]
    message: Option<AclMessage>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AclMessage {
    #[prost(int32, tag = "1")]
    performative: i32,
    #[prost(string, repeated, tag = "3")]
    receiver: Vec<String>,
    #[prost(bytes = "bytes", optional, tag = "5")]
    content: Option<Bytes>,
    #[prost(string, optional, tag = "9")]
    protocol: Option<String>,
}

/// The question that HTTP asks too: a request under the protocol of requests.
#[derive(Clone)]
struct Question(Ask);

impl Call for Question {
    type Question = Ask;
    type Answer = Ask;

    fn path(&self) -> PathAndQuery {
        PathAndQuery::from_static("/caxton.v1.MessageService/Ask")
    }

    fn question(&self) -> Ask {
        self.0.clone()
    }

    fn is_answered(&self, answer: &Ask) -> bool {
        let content = answer.message.as_ref().and_then(|message| message.content.as_ref());
        content.is_some_and(|content| content.len() == CONTENT_BYTES)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [url, agent, in_flight, seconds] = words.as_slice() else {
        return Err("usage: grpc-load URL AGENT IN_FLIGHT SECONDS".into());
    };
    let message = AclMessage {
        performative: REQUEST,
        receiver: vec![agent.clone()],
        content: Some(Bytes::from(vec![b'x'; CONTENT_BYTES])),
        protocol: Some("fipa-request".into()),
    };
    let question = Question(Ask { message: Some(message) });
    let span = Duration::from_secs_f64(seconds.parse()?);
    calls::load(url.clone(), question, in_flight.parse()?, span).await?.print();
    Ok(())
}
