//! Connections that are slow, too many, or no gRPC, and the end of the listener's life.

use std::time::Duration;

use caxton_acl::Performative;
use caxton_plugin::{Code, Payload, Plugin};
use caxton_proto::v1::{AskRequest, Message, message_service_client::MessageServiceClient};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::bench::{Bench, answer, is, refusal};
use crate::Config;

fn question() -> AskRequest {
    let message = Message { performative: 19, receiver: vec!["echo".to_owned()], ..Message::default() };
    AskRequest { message: Some(message) }
}

async fn ended(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // Closed or reset: both are an end.
    let _ = stream.read_to_end(&mut rest).await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let bench = Bench::with(Config { header_timeout_ms: 50, ..Config::default() }).await;
    let mut silent = TcpStream::connect(bench.address).await.unwrap();
    ended(&mut silent).await;
    let mut slow = TcpStream::connect(bench.address).await.unwrap();
    slow.write_all(b"PRI * HTTP").await.unwrap();
    ended(&mut slow).await;
}

#[tokio::test]
async fn a_client_of_http_1_is_closed() {
    let bench = Bench::new().await;
    let mut stream = TcpStream::connect(bench.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    ended(&mut stream).await;
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_and_those_there_go_on() {
    let bench = Bench::with(Config { connections_max: 1, ..Config::default() }).await;
    bench.agents(|message| vec![answer(message, Performative::Inform, "")]);
    let mut client = MessageServiceClient::new(bench.channel().await);
    client.ask(question()).await.unwrap();
    let mut other = TcpStream::connect(bench.address).await.unwrap();
    ended(&mut other).await;
    client.ask(question()).await.unwrap();
}

#[tokio::test]
async fn a_drain_lets_calls_end_and_takes_no_new_connection() {
    let bench = Bench::new().await;
    let mut client = MessageServiceClient::new(bench.channel().await);
    let asked = tokio::spawn(async move { client.ask(question()).await });
    let sent = bench.submitted(1).await;
    let grpc = bench.grpc.clone();
    let drained = tokio::spawn(async move { grpc.drain(Duration::from_secs(60)).await });
    while TcpStream::connect(bench.address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    caxton_plugin::Endpoint::deliver(&*bench.grpc, vec![answer(&sent[0], Performative::Inform, "late")]);
    let message = asked.await.unwrap().unwrap().into_inner().message.unwrap();
    assert_eq!(message.content.as_deref(), Some(&b"late"[..]));
    assert_eq!(drained.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn who_still_waits_when_the_drain_is_over_is_told() {
    let bench = Bench::new().await;
    let mut client = MessageServiceClient::new(bench.channel().await);
    let asked = tokio::spawn(async move { client.ask(question()).await });
    bench.submitted(1).await;
    assert_eq!(bench.grpc.drain(Duration::from_millis(400)).await, Ok(()));
    let status = asked.await.unwrap().unwrap_err();
    assert_eq!(refusal(&status), is(tonic::Code::Unavailable, Code::SHUTTING_DOWN));
}

#[tokio::test]
async fn the_next_instance_listens_on_the_same_socket() {
    let old = Bench::new().await;
    let keys = old.grpc.invoke("handover", Payload::EMPTY).await.unwrap();
    let keys: Value = serde_json::from_slice(keys.as_slice()).unwrap();
    let config: Config = serde_json::from_value(keys).unwrap();
    assert!(config.reply_with > 0);
    let new = Bench::with(config).await;
    assert_eq!(new.address, old.address);
    old.grpc.drain(Duration::from_secs(60)).await.unwrap();
    old.grpc.stop().await.unwrap();
    new.agents(|message| vec![answer(message, Performative::Inform, "")]);
    MessageServiceClient::new(new.channel().await).ask(question()).await.unwrap();
    assert!(old.fake.claimed().is_empty());
}
