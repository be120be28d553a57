//! Streams: of operations that wait for news, of attached agents, of health; reflection.

use std::time::Duration;

use caxton_plugin::{Code, Error, Plugin};
use caxton_proto::v1::{
    AttachAcknowledge, AttachClose, AttachRequest, AttachSend, JobState, Message, OpenAttachmentRequest,
    WatchEventsRequest, WatchJobRequest, attach_request::Action, attach_response::Event,
    attachment_service_client::AttachmentServiceClient, event_service_client::EventServiceClient,
    job_service_client::JobServiceClient, send_outcome::Outcome,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::bench::{Bench, is, refusal};
use crate::Config;

fn events(first: u64) -> Value {
    let item = |sequence: u64| {
        json!({"sequence":sequence,"time":"2026-11-20T12:00:00Z","event":"agent.state","subject":"echo@test",
            "state":"active","from":"starting","revision":1,"code":null,"reason":null})
    };
    json!({"kind":"caxton.event.list/v1","items":[item(first), item(first + 1)],"next":first + 1,"lost":3})
}

#[tokio::test]
async fn each_item_of_a_list_comes_with_what_was_lost_before() {
    let bench = Bench::new().await;
    bench.fake.answer("events.list", events(7));
    let mut client = EventServiceClient::new(bench.channel().await);
    let request = WatchEventsRequest { after: 5, ..WatchEventsRequest::default() };
    let mut stream = client.watch_events(request).await.unwrap().into_inner();
    let mut found = Vec::new();
    for _ in 0..2 {
        let response = stream.message().await.unwrap().unwrap();
        found.push((response.event.unwrap().sequence, response.lost));
    }
    assert_eq!(found, [(7, 3), (8, 0)]);
    stream.message().await.unwrap();
    let asked: Vec<Value> =
        bench.fake.invocations().iter().map(|(_, request)| serde_json::from_str(request).unwrap()).collect();
    assert_eq!(asked[0], json!({"after": 5, "wait-ms": 30_000}));
    assert_eq!(asked[1], json!({"after": 8, "limit": 100, "wait-ms": 30_000}));
}

fn job(version: u64, ended: Option<&str>) -> Value {
    let state = if ended.is_some() { "completed" } else { "running" };
    json!({"kind":"caxton.job/v1","id":"7","agent":"a@test","state":state,"version":version,"created":"2026-11-20T12:00:00Z",
        "ended":ended,"expires":null,"items":{"total":1,"queued":0,"running":1,"done":0,"failed":0,"cancelled":0},
        "concurrency":1,"timeout-ms":1})
}

#[tokio::test]
async fn a_document_comes_with_each_version_until_it_has_ended() {
    let bench = Bench::new().await;
    bench.fake.answer("jobs.get", job(1, None));
    let mut client = JobServiceClient::new(bench.channel().await);
    let request = WatchJobRequest { id: "7".to_owned(), version: 0 };
    let mut stream = client.watch_job(request).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap().job.unwrap();
    assert_eq!((first.version, first.state()), (1, JobState::Running));
    bench.fake.answer("jobs.get", job(2, Some("2026-11-20T12:00:01Z")));
    let last = stream.message().await.unwrap().unwrap().job.unwrap();
    assert_eq!((last.version, last.state()), (2, JobState::Completed));
    assert!(stream.message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_stream_that_cannot_go_on_ends_with_its_code() {
    let bench = Bench::new().await;
    bench.fake.fail("jobs.get", Error::new(Code::JOB_UNKNOWN, "no job `7`"));
    let mut client = JobServiceClient::new(bench.channel().await);
    let request = WatchJobRequest { id: "7".to_owned(), version: 0 };
    let mut stream = client.watch_job(request).await.unwrap().into_inner();
    let status = stream.message().await.unwrap_err();
    assert_eq!(refusal(&status), is(tonic::Code::NotFound, Code::JOB_UNKNOWN));
}

#[tokio::test]
async fn more_streams_than_may_be_are_refused() {
    let bench = Bench::with(Config { streams_max: 1, ..Config::default() }).await;
    bench.fake.answer("jobs.get", job(1, None));
    let mut client = JobServiceClient::new(bench.channel().await);
    let request = WatchJobRequest { id: "7".to_owned(), version: 0 };
    let _first = client.watch_job(request.clone()).await.unwrap();
    let status = client.watch_job(request).await.unwrap_err();
    assert_eq!(refusal(&status), is(tonic::Code::ResourceExhausted, Code::TOO_MANY_WAITING));
}

#[tokio::test]
async fn a_drain_ends_streams_and_waits_for_nobody_else() {
    let bench = Bench::new().await;
    bench.fake.answer("jobs.get", job(1, None));
    let mut client = JobServiceClient::new(bench.channel().await);
    let request = WatchJobRequest { id: "7".to_owned(), version: 0 };
    let mut stream = client.watch_job(request).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    let grpc = bench.grpc.clone();
    let drained = tokio::spawn(async move { grpc.drain(Duration::from_secs(60)).await });
    let status = stream.message().await.unwrap_err();
    assert_eq!(refusal(&status), is(tonic::Code::Unavailable, Code::SHUTTING_DOWN));
    assert_eq!(drained.await.unwrap(), Ok(()));
}

fn health(ready: bool) -> Value {
    json!({"kind":"caxton.health/v1","live":true,"ready":ready,"draining":false,"waiting":[]})
}

#[tokio::test]
async fn health_follows_the_servers_readiness() {
    let bench = Bench::new().await;
    bench.fake.answer("server.health", health(true));
    let mut client = HealthClient::new(bench.channel().await);
    for service in ["", "caxton.v1.AgentService", "caxton.v1.MessageService"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        assert_eq!(client.check(request).await.unwrap().into_inner().status(), ServingStatus::Serving);
    }
    let mut watch = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    bench.fake.answer("server.health", health(false));
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    let found = client.check(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(found.status(), ServingStatus::NotServing);
    let unknown = client.check(HealthCheckRequest { service: "x".to_owned() }).await.unwrap_err();
    assert_eq!(refusal(&unknown), is(tonic::Code::NotFound, Code::NOT_FOUND));
}

#[tokio::test]
async fn who_watches_health_learns_of_the_drain() {
    let bench = Bench::new().await;
    bench.fake.answer("server.health", health(true));
    let mut client = HealthClient::new(bench.channel().await);
    let mut watch = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let grpc = bench.grpc.clone();
    let drained = tokio::spawn(async move { grpc.drain(Duration::from_secs(60)).await });
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert!(watch.message().await.is_err());
    assert_eq!(drained.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn reflection_lists_every_service() {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let bench = Bench::new().await;
    let mut client = ServerReflectionClient::new(bench.channel().await);
    let request = ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..ServerReflectionRequest::default()
    };
    let mut responses =
        client.server_reflection_info(tokio_stream::iter([request])).await.unwrap().into_inner();
    let response = responses.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = response else { panic!("{response:?}") };
    let names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    for service in caxton_proto::pool().services() {
        assert!(names.contains(&service.full_name().to_owned()), "{names:?}");
    }
    assert!(names.contains(&"grpc.health.v1.Health".to_owned()), "{names:?}");
}

/// A client that is an agent.
struct Agent {
    requests: mpsc::Sender<AttachRequest>,
    responses: Streaming<caxton_proto::v1::AttachResponse>,
}

impl Agent {
    async fn attach(bench: &Bench) -> Self {
        let attachment = json!({"kind":"caxton.attachment/v1","id":"secret","name":"buyer@test","capabilities":[],"groups":[],
            "lease-ms":5000,"since":"2026-11-20T12:00:00Z","queued":0,"received":0,"sent":0});
        bench.fake.answer("attachments.open", attachment.clone());
        bench.fake.answer("attachments.close", attachment);
        let (requests, stream) = mpsc::channel(8);
        let open = OpenAttachmentRequest { name: "buyer".to_owned(), ..OpenAttachmentRequest::default() };
        requests.send(AttachRequest { action: Some(Action::Open(open)) }).await.unwrap();
        let mut client = AttachmentServiceClient::new(bench.channel().await);
        let responses = client.attach(ReceiverStream::new(stream)).await.unwrap().into_inner();
        Self { requests, responses }
    }

    async fn says(&self, action: Action) {
        self.requests.send(AttachRequest { action: Some(action) }).await.unwrap();
    }

    async fn hears(&mut self) -> Event {
        self.responses.message().await.unwrap().unwrap().event.unwrap()
    }
}

fn came(sequences: &[u64]) -> Value {
    let items: Vec<Value> = sequences
        .iter()
        .map(|sequence| json!({"sequence":sequence,"message":{"performative":"cfp","sender":"a@test","receiver":["buyer@test"],"content":"x","X-a":"1"}}))
        .collect();
    json!({"kind":"caxton.message.list/v1","items":items,"next":sequences.last().copied().unwrap_or(0)})
}

/// What was asked of an operation, without what it was asked with in vain.
fn asked(bench: &Bench, verb: &str) -> Vec<Value> {
    let mut found: Vec<Value> = bench
        .fake
        .invocations()
        .into_iter()
        .filter(|(asked, _)| asked == verb)
        .map(|(_, request)| serde_json::from_str(&request).unwrap())
        .collect();
    found.dedup();
    found
}

#[tokio::test]
async fn an_attached_agent_receives_acknowledges_sends_and_leaves() {
    let bench = Bench::new().await;
    bench.fake.answer("attachments.receive", came(&[1, 2]));
    let mut agent = Agent::attach(&bench).await;
    let Event::Opened(opened) = agent.hears().await else { panic!("not opened") };
    assert_eq!(opened.name, "buyer@test");
    assert_eq!(asked(&bench, "attachments.open")[0], json!({"name":"buyer","lease-ms":5000}));
    for sequence in 1..=2 {
        let Event::Delivery(delivery) = agent.hears().await else { panic!("no delivery") };
        assert_eq!(delivery.sequence, sequence);
        let message = delivery.message.unwrap();
        assert_eq!((message.content.as_deref(), message.parameters["X-a"].as_str()), (Some(&b"x"[..]), "1"));
    }
    bench.fake.answer("attachments.receive", came(&[]));
    agent.says(Action::Acknowledge(AttachAcknowledge { sequence: 2 })).await;
    while asked(&bench, "attachments.receive").last().unwrap()["after"] != 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    bench.fake.answer(
        "attachments.send",
        json!({"kind":"caxton.accepted.list/v1","accepted":1,"duplicates":0,"refused":0,"items":[
            {"kind":"caxton.accepted/v1","status":202,"id":"1","class":"volatile","conversation-id":"c","receiver":["a@test"]}]}),
    );
    let bid = Message {
        performative: 13,
        receiver: vec!["a".to_owned()],
        content: Some(vec![0xff].into()),
        ..Message::default()
    };
    agent.says(Action::Send(AttachSend { number: 42, messages: vec![bid] })).await;
    let Event::Sent(sent) = agent.hears().await else { panic!("not sent") };
    assert_eq!(sent.number, 42);
    assert!(matches!(sent.items[0].outcome, Some(Outcome::Accepted(_))));
    let message = json!({"performative":"propose","receiver":["a"],"content-base64":"/w=="});
    assert_eq!(asked(&bench, "attachments.send"), [json!({"id":"secret","messages":[message]})]);
    agent.says(Action::Close(AttachClose {})).await;
    let Event::Closed(_) = agent.hears().await else { panic!("not closed") };
    assert!(agent.responses.message().await.unwrap().is_none());
    assert_eq!(asked(&bench, "attachments.close"), [json!({"id":"secret"})]);
}

#[tokio::test]
async fn an_agent_whose_stream_breaks_is_not_closed_but_left_to_its_lease() {
    let bench = Bench::new().await;
    bench.fake.answer("attachments.receive", came(&[]));
    let mut agent = Agent::attach(&bench).await;
    agent.hears().await;
    drop(agent);
    let mut before = usize::MAX;
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = bench.fake.invocations().len();
        if now == before {
            break;
        }
        before = now;
    }
    assert!(asked(&bench, "attachments.close").is_empty());
}

#[tokio::test]
async fn an_agent_is_detached_without_loss_when_the_transport_drains() {
    let bench = Bench::new().await;
    bench.fake.answer("attachments.receive", came(&[]));
    let mut agent = Agent::attach(&bench).await;
    agent.hears().await;
    let grpc = bench.grpc.clone();
    let drained = tokio::spawn(async move { grpc.drain(Duration::from_secs(60)).await });
    let status = agent.responses.message().await.unwrap_err();
    assert_eq!(refusal(&status), is(tonic::Code::Unavailable, Code::SHUTTING_DOWN));
    assert_eq!(asked(&bench, "attachments.close").len(), 1);
    drop(agent);
    assert_eq!(drained.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn a_stream_must_begin_with_open() {
    let bench = Bench::new().await;
    let mut client = AttachmentServiceClient::new(bench.channel().await);
    let close = AttachRequest { action: Some(Action::Close(AttachClose {})) };
    let status = client.attach(tokio_stream::iter([close])).await.unwrap_err();
    assert_eq!(refusal(&status), is(tonic::Code::InvalidArgument, Code::CONTROL_REQUEST_INVALID));
}

#[tokio::test]
async fn what_did_not_come_cannot_be_acknowledged() {
    let bench = Bench::new().await;
    bench.fake.answer("attachments.receive", came(&[]));
    let mut agent = Agent::attach(&bench).await;
    agent.hears().await;
    agent.says(Action::Acknowledge(AttachAcknowledge { sequence: 9 })).await;
    let status = agent.responses.message().await.unwrap_err();
    assert_eq!(refusal(&status), is(tonic::Code::InvalidArgument, Code::CONTROL_REQUEST_INVALID));
}
