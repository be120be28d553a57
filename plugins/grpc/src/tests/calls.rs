//! Messages in and answers out.

use std::time::Duration;

use caxton_acl::Performative;
use caxton_plugin::{Code, testing::START_MS};
use caxton_proto::v1::{
    self, AskRequest, AskStreamRequest, Message, SendMessagesRequest,
    message_service_client::MessageServiceClient, send_outcome::Outcome,
};
use tonic::Request;
use tonic_types::StatusExt;

use super::bench::{Bench, answer, is, part, refusal};
use crate::Config;

fn question(text: &str) -> Message {
    Message {
        performative: v1::Performative::Request as i32,
        receiver: vec!["echo".to_owned()],
        content: Some(text.as_bytes().to_vec().into()),
        ..Message::default()
    }
}

fn ask(message: Message, deadline_ms: u64) -> Request<AskRequest> {
    let mut request = Request::new(AskRequest { message: Some(message) });
    request.set_timeout(Duration::from_millis(deadline_ms));
    request
}

#[tokio::test]
async fn a_question_gets_its_answer_in_the_callers_words() {
    let bench = Bench::new().await;
    bench.agents(|message| {
        assert_eq!(message.content.as_slice(), b"hi");
        vec![answer(message, Performative::Agree, ""), answer(message, Performative::Inform, "HI")]
    });
    let mut client = MessageServiceClient::new(bench.channel().await);
    let asked = Message {
        conversation_id: Some("talk-1".to_owned()),
        reply_with: Some("one".to_owned()),
        ..question("hi")
    };
    let response = client.ask(ask(asked, 10_000)).await.unwrap();
    let message = response.into_inner().message.unwrap();
    assert_eq!(message.performative(), v1::Performative::Inform);
    assert_eq!(message.content.as_deref(), Some(&b"HI"[..]));
    assert_eq!(message.sender.as_deref(), Some("echo@test"));
    assert_eq!(message.receiver, ["grpc@test"]);
    assert_eq!(
        (message.conversation_id.as_deref(), message.in_reply_to.as_deref()),
        (Some("talk-1"), Some("one"))
    );
}

#[tokio::test]
async fn the_calls_deadline_is_the_questions() {
    let bench = Bench::new().await;
    let mut client = MessageServiceClient::new(bench.channel().await);
    let status = client.ask(ask(question("hi"), 300)).await.unwrap_err();
    assert_eq!(refusal(&status), is(tonic::Code::DeadlineExceeded, Code::REPLY_TIMEOUT));
    let info = status.get_error_details().error_info().unwrap().clone();
    assert_eq!(info.metadata["name"], "reply-timeout");
    assert!(!info.metadata["conversation-id"].is_empty());
    let sent = bench.submitted(1).await;
    let reply_by = sent[0].head.reply_by_ms - START_MS;
    assert!((200..300).contains(&reply_by), "{reply_by}");
}

#[tokio::test]
async fn the_trace_goes_in_and_comes_out() {
    let bench = Bench::new().await;
    bench.agents(|message| vec![answer(message, Performative::Inform, "")]);
    let mut client = MessageServiceClient::new(bench.channel().await);
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut request = ask(question("hi"), 10_000);
    request.metadata_mut().insert("traceparent", trace.parse().unwrap());
    let response = client.ask(request).await.unwrap();
    assert_eq!(response.metadata().get("traceparent").unwrap(), trace);
    bench.fake.refuse_next(Code::MAILBOX_FULL);
    let mut request = ask(question("hi"), 10_000);
    request.metadata_mut().insert("traceparent", trace.parse().unwrap());
    let status = client.ask(request).await.unwrap_err();
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().metadata["trace-id"], "0af7651916cd43dd8448eb211c80319c");
}

#[tokio::test]
async fn a_refusal_says_code_fix_and_when_to_try_again() {
    let bench = Bench::new().await;
    let mut client = MessageServiceClient::new(bench.channel().await);
    bench.fake.refuse_next(Code::MAILBOX_FULL);
    let status = client.ask(ask(question("hi"), 10_000)).await.unwrap_err();
    assert_eq!(refusal(&status), is(tonic::Code::ResourceExhausted, Code::MAILBOX_FULL));
    let details = status.get_error_details();
    assert_eq!(details.retry_info().unwrap().retry_delay, Some(Duration::from_secs(1)));
    let forged = Message { sender: Some("boss".to_owned()), ..question("hi") };
    let status = client.ask(ask(forged, 10_000)).await.unwrap_err();
    assert_eq!(refusal(&status), is(tonic::Code::PermissionDenied, Code::SENDER_FORGED));
    let status = client.ask(Request::new(AskRequest { message: None })).await.unwrap_err();
    assert_eq!(refusal(&status), is(tonic::Code::InvalidArgument, Code::CONTROL_REQUEST_INVALID));
    assert_eq!(status.get_error_details().bad_request().unwrap().field_violations[0].field, "message");
}

#[tokio::test]
async fn each_message_of_a_list_has_its_outcome() {
    let bench = Bench::new().await;
    let mut client = MessageServiceClient::new(bench.channel().await);
    let bad = Message { receiver: Vec::new(), ..question("b") };
    let named = Message { class: Some(v1::DeliveryClass::Acked as i32), ..question("c") };
    let request = SendMessagesRequest { messages: vec![question("a"), bad, named] };
    let sent = client.send_messages(request).await.unwrap().into_inner();
    assert_eq!((sent.accepted, sent.duplicates, sent.refused), (2, 0, 1));
    let statuses: Vec<u32> = sent.items.iter().map(|item| item.status).collect();
    assert_eq!(statuses, [202, 400, 202]);
    let Some(Outcome::Refused(problem)) = &sent.items[1].outcome else { panic!("{:?}", sent.items) };
    assert_eq!((problem.code.as_str(), problem.title.as_str()), ("CX0303", "no-receiver"));
    let Some(Outcome::Accepted(accepted)) = &sent.items[2].outcome else { panic!("{:?}", sent.items) };
    assert_eq!(
        (accepted.class(), accepted.receiver.as_slice()),
        (v1::DeliveryClass::Acked, &["echo@test".to_owned()][..])
    );
    let status = client.send_messages(SendMessagesRequest::default()).await.unwrap_err();
    assert_eq!(refusal(&status), is(tonic::Code::InvalidArgument, Code::CONTROL_REQUEST_INVALID));
}

#[tokio::test]
async fn answers_come_in_parts_until_the_last() {
    let bench = Bench::new().await;
    bench.agents(|message| {
        vec![part(message, "1"), part(message, "2"), answer(message, Performative::Inform, "end")]
    });
    let mut client = MessageServiceClient::new(bench.channel().await);
    let mut stream =
        client.ask_stream(AskStreamRequest { message: Some(question("hi")) }).await.unwrap().into_inner();
    let mut found = Vec::new();
    while let Some(response) = stream.message().await.unwrap() {
        let content = response.message.unwrap().content.unwrap();
        found.push((String::from_utf8(content.to_vec()).unwrap(), response.last));
    }
    assert_eq!(found, [("1".to_owned(), false), ("2".to_owned(), false), ("end".to_owned(), true)]);
}

#[tokio::test]
async fn who_leaves_before_the_last_answer_cancels() {
    let bench = Bench::new().await;
    let mut client = MessageServiceClient::new(bench.channel().await);
    let stream = client.ask_stream(AskStreamRequest { message: Some(question("hi")) }).await.unwrap();
    let asked = bench.submitted(1).await;
    drop(stream);
    let cancelled = bench.submitted(1).await;
    assert_eq!(cancelled[0].head.performative, Performative::Cancel.code());
    assert_eq!(cancelled[0].head.conversation, asked[0].head.conversation);
}

#[tokio::test]
async fn more_who_wait_than_may_are_refused() {
    let bench = Bench::with(Config { waiting_max: 1, ..Config::default() }).await;
    let mut client = MessageServiceClient::new(bench.channel().await);
    let _first = client.ask_stream(AskStreamRequest { message: Some(question("hi")) }).await.unwrap();
    let status = client.ask(ask(question("hi"), 5000)).await.unwrap_err();
    assert_eq!(refusal(&status), is(tonic::Code::ResourceExhausted, Code::TOO_MANY_WAITING));
}
