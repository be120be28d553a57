//! Methods that are control operations.

use caxton_plugin::{Code, Error};
use caxton_proto::v1::{
    AgentManifest, DeployAgentRequest, GetAgentRequest, PutComponentRequest, RunContractNetRequest,
    Selection, agent_service_client::AgentServiceClient, component_service_client::ComponentServiceClient,
    contract_net_service_client::ContractNetServiceClient, server_service_client::ServerServiceClient,
};
use serde_json::{Value, json};
use tonic::transport::Channel;
use tonic_types::StatusExt;

use super::bench::{Bench, is, refusal};
use crate::Config;

fn agent() -> Value {
    json!({"kind":"caxton.agent/v1","name":"echo@test","state":"active","reason":null,"code":null,"component":"sha256:1",
        "capabilities":["x"],"groups":[],"since":"2026-11-20T12:00:00Z","mailbox":0,"received":10,"sent":8,"restarts":0,
        "recycled":0,"memory-bytes":1048576,"config":{"n":3},"restart":"on-failure","revision":2,"revisions":[],
        "of-a-newer-server":true})
}

fn get(name: &str) -> GetAgentRequest {
    GetAgentRequest { name: name.to_owned() }
}

#[tokio::test]
async fn a_method_is_an_operation_document_for_document() {
    let bench = Bench::new().await;
    bench.fake.answer("agents.get", agent());
    let mut client = AgentServiceClient::new(bench.channel().await);
    let found = client.get_agent(get("echo")).await.unwrap().into_inner().agent.unwrap();
    assert_eq!(
        (found.name.as_str(), found.memory_bytes, found.code.as_deref()),
        ("echo@test", 1_048_576, None)
    );
    assert_eq!(found.state(), caxton_proto::v1::AgentState::Active);
    assert_eq!(found.since.unwrap().seconds, 1_795_176_000);
    assert_eq!(bench.fake.invocations(), [("agents.get".to_owned(), r#"{"name":"echo"}"#.to_owned())]);
}

#[tokio::test]
async fn a_manifest_crosses_as_its_json() {
    let bench = Bench::new().await;
    bench.fake.answer("agents.deploy", agent());
    let mut client = AgentServiceClient::new(bench.channel().await);
    let config = prost_types::Value { kind: Some(prost_types::value::Kind::NumberValue(3.0)) };
    let manifest = AgentManifest {
        name: Some("echo".to_owned()),
        component: Some("sha256:1".to_owned()),
        capabilities: vec!["x".to_owned()],
        config: Some(config),
        restart: Some(1),
        ..AgentManifest::default()
    };
    client.deploy_agent(DeployAgentRequest { manifest: Some(manifest) }).await.unwrap();
    let (verb, request) = bench.fake.invocations().remove(0);
    let request: Value = serde_json::from_str(&request).unwrap();
    let expected =
        json!({"name":"echo","component":"sha256:1","capabilities":["x"],"config":3,"restart":"never"});
    assert_eq!((verb.as_str(), request), ("agents.deploy", expected));
}

#[tokio::test]
async fn a_refusal_of_the_operation_has_its_code_and_detail() {
    let bench = Bench::new().await;
    let detail = json!({"nearest": "echo", "list": [1]});
    bench.fake.fail("agents.get", Error::new(Code::AGENT_NOT_FOUND, "no agent `ecko`").with_detail(detail));
    let mut client = AgentServiceClient::new(bench.channel().await);
    let status = client.get_agent(get("ecko")).await.unwrap_err();
    assert_eq!(refusal(&status), is(tonic::Code::NotFound, Code::AGENT_NOT_FOUND));
    assert_eq!(status.message(), "no agent `ecko`");
    let info = status.get_error_details().error_info().unwrap().clone();
    assert_eq!((info.metadata["nearest"].as_str(), info.metadata["list"].as_str()), ("echo", "[1]"));
    assert_eq!(info.metadata["status"], "404");
}

#[tokio::test]
async fn an_operation_that_the_server_does_not_have_is_unimplemented() {
    let bench = Bench::new().await;
    let mut client = ContractNetServiceClient::new(bench.channel().await);
    let request =
        RunContractNetRequest { select: Some(Selection::Highest as i32), ..RunContractNetRequest::default() };
    let status = client.run_contract_net(request).await.unwrap_err();
    assert_eq!(refusal(&status), is(tonic::Code::Unimplemented, Code::CONTROL_UNKNOWN_VERB));
    assert_eq!(bench.fake.invocations()[0].1, r#"{"select":"highest"}"#);
}

#[tokio::test]
async fn a_number_that_the_contract_does_not_have_is_told_with_its_field() {
    let bench = Bench::new().await;
    let mut client = ContractNetServiceClient::new(bench.channel().await);
    let request = RunContractNetRequest { select: Some(77), ..RunContractNetRequest::default() };
    let status = client.run_contract_net(request).await.unwrap_err();
    assert_eq!(refusal(&status), is(tonic::Code::InvalidArgument, Code::CONTROL_REQUEST_INVALID));
    assert_eq!(status.get_error_details().bad_request().unwrap().field_violations[0].field, "select");
    assert!(bench.fake.invocations().is_empty());
}

#[tokio::test]
async fn an_answer_of_another_shape_is_our_fault() {
    let bench = Bench::new().await;
    bench.fake.answer("agents.get", json!({"kind":"caxton.agent/v1","mailbox":"many"}));
    let mut client = AgentServiceClient::new(bench.channel().await);
    let status = client.get_agent(get("echo")).await.unwrap_err();
    assert_eq!(refusal(&status), is(tonic::Code::Internal, Code::INTERNAL));
    assert!(status.message().contains("in `mailbox`"), "{}", status.message());
}

fn pieces(count: usize) -> impl tokio_stream::Stream<Item = PutComponentRequest> {
    tokio_stream::iter((0..count).map(|_| PutComponentRequest { chunk: vec![b'x'; 1000] }))
}

#[tokio::test]
async fn a_component_comes_in_pieces_up_to_its_bound() {
    let bench = Bench::with(Config { component_bytes_max: 5000, ..Config::default() }).await;
    let stored = json!({"kind":"caxton.component/v1","digest":"sha256:1","bytes":5000,"world":"agent","imports":[],"known":false});
    bench.fake.answer("components.put", stored);
    let mut client = ComponentServiceClient::new(bench.channel().await);
    let component = client.put_component(pieces(5)).await.unwrap().into_inner().component.unwrap();
    assert_eq!((component.bytes, bench.fake.invocations()[0].1.len()), (5000, 5000));
    let status = client.put_component(pieces(6)).await.unwrap_err();
    assert_eq!(refusal(&status), is(tonic::Code::ResourceExhausted, Code::BODY_TOO_LARGE));
    assert_eq!(bench.fake.invocations().len(), 1);
}

#[tokio::test]
async fn a_message_over_the_bound_is_refused_before_it_is_read() {
    let bench = Bench::with(Config { message_bytes_max: 1000, ..Config::default() }).await;
    let mut client = AgentServiceClient::new(bench.channel().await);
    let status = client.get_agent(get(&"x".repeat(2000))).await.unwrap_err();
    assert_eq!(refusal(&status), is(tonic::Code::ResourceExhausted, Code::BODY_TOO_LARGE));
    let mut client = ComponentServiceClient::new(bench.channel().await);
    let status = client.put_component(pieces(1)).await.unwrap_err();
    assert_eq!(refusal(&status), is(tonic::Code::ResourceExhausted, Code::BODY_TOO_LARGE));
}

/// Calls a path with any bytes as the message.
async fn raw(channel: Channel, path: &'static str, bytes: &'static [u8]) -> tonic::Status {
    struct Raw;
    impl tonic::codec::Codec for Raw {
        type Encode = &'static [u8];
        type Decode = ();
        type Encoder = Self;
        type Decoder = Self;
        fn encoder(&mut self) -> Self {
            Raw
        }
        fn decoder(&mut self) -> Self {
            Raw
        }
    }
    impl tonic::codec::Encoder for Raw {
        type Item = &'static [u8];
        type Error = tonic::Status;
        fn encode(
            &mut self,
            item: Self::Item,
            buffer: &mut tonic::codec::EncodeBuf<'_>,
        ) -> Result<(), tonic::Status> {
            bytes::BufMut::put_slice(buffer, item);
            Ok(())
        }
    }
    impl tonic::codec::Decoder for Raw {
        type Item = ();
        type Error = tonic::Status;
        fn decode(&mut self, _: &mut tonic::codec::DecodeBuf<'_>) -> Result<Option<()>, tonic::Status> {
            Ok(Some(()))
        }
    }
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    client.unary(tonic::Request::new(bytes), path.parse().unwrap(), Raw).await.unwrap_err()
}

#[tokio::test]
async fn bytes_that_are_no_message_are_the_clients_fault() {
    let bench = Bench::new().await;
    for path in [
        "/caxton.v1.AgentService/GetAgent",
        "/caxton.v1.MessageService/Ask",
        "/caxton.v1.EventService/WatchEvents",
    ] {
        let status = raw(bench.channel().await, path, &[0xff, 0xff, 0x01]).await;
        assert_eq!(
            refusal(&status),
            is(tonic::Code::InvalidArgument, Code::CONTROL_REQUEST_INVALID),
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_unknown_method_is_told_with_a_code() {
    let bench = Bench::new().await;
    for path in ["/caxton.v1.AgentService/Frobnicate", "/x/y"] {
        let status = raw(bench.channel().await, path, b"").await;
        assert_eq!(refusal(&status), is(tonic::Code::Unimplemented, Code::CONTROL_UNKNOWN_VERB));
        assert!(status.message().contains(path));
    }
}

#[tokio::test]
async fn a_request_without_members_is_an_empty_document() {
    let bench = Bench::new().await;
    bench.fake.answer(
        "server.health",
        json!({"kind":"caxton.health/v1","live":true,"ready":true,"draining":false,"waiting":[]}),
    );
    let mut client = ServerServiceClient::new(bench.channel().await);
    let health =
        client.get_health(caxton_proto::v1::GetHealthRequest {}).await.unwrap().into_inner().health.unwrap();
    assert!(health.ready);
    assert_eq!(bench.fake.invocations()[0].1, "{}");
}
