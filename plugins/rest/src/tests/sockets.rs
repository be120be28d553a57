//! Raw bytes over real sockets: framing, slow and broken clients, limits of connections, the end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use caxton_acl::Performative;
use caxton_plugin::{Code, Endpoint, Payload, Plugin, testing::FakeHost};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::bench::answer;
use crate::{Config, Rest};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    fake: FakeHost,
    rest: Arc<Rest>,
    address: SocketAddr,
}

async fn running(config: Config) -> Running {
    let fake = FakeHost::new();
    fake.answer("server.status", json!({"ready": true}));
    let config = Config { listen: "127.0.0.1:0".to_owned(), ..config };
    let rest = Arc::new(Rest::create(fake.host(), config).unwrap());
    rest.start().await.unwrap();
    let address = rest.address().unwrap();
    Running { fake, rest, address }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes and gives what comes back until the server closes.
    async fn raw(&self, bytes: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        rest_of(&mut stream).await
    }
}

/// What comes until the server closes; a connection that is reset ends there too.
async fn rest_of(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("the server did not close");
    if let Err(error) = read {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn serves_over_a_socket() {
    let server = running(Config::default()).await;
    let answer = server.raw("GET /v1/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("{\"ready\":true}"), "{answer}");
    assert_eq!(server.fake.claimed(), ["rest@test"]);
}

#[tokio::test]
async fn the_bound_address_stands_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let addr_file = folder.path().join("rest.addr");
    let server = running(Config { addr_file: addr_file.clone(), ..Config::default() }).await;
    assert_eq!(std::fs::read_to_string(addr_file).unwrap(), format!("{}\n", server.address));
    assert_ne!(server.address.port(), 0);
}

#[tokio::test]
async fn an_address_in_use_is_a_start_error_with_the_fix() {
    let server = running(Config::default()).await;
    let config = Config { listen: server.address.to_string(), ..Config::default() };
    let fake = FakeHost::new();
    let error = Rest::create(fake.host(), config).unwrap().start().await.unwrap_err();
    assert!(fake.claimed().is_empty());
    assert_eq!(error.code(), Code::PLUGIN_START_FAILED);
    assert!(error.message().starts_with(&format!("cannot listen on {}: ", server.address)), "{error}");
    assert!(error.message().ends_with("set `listen` to a free address, or port 0"), "{error}");
}

#[tokio::test]
async fn a_request_line_that_is_none_is_refused_and_the_connection_closed() {
    let server = running(Config::default()).await;
    for bytes in [
        "hello\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\0\r\n\r\n",
        "GET / HTTP/1.1\r\na : b\r\n\r\n",
    ] {
        let answer = server.raw(bytes).await;
        assert_eq!(status(&answer), "400", "{bytes:?}: {answer}");
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = running(Config::default()).await;
    let long = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(128 * 1024));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(1000));
    for bytes in [long, many] {
        // The server may close before everything was sent, so the answer can be lost with the reset.
        let mut stream = server.connect().await;
        let sent = stream.write_all(bytes.as_bytes()).await;
        let answer = rest_of(&mut stream).await;
        assert!(matches!(status(&answer), "431" | "") && (sent.is_err() || !answer.is_empty()), "{answer}");
    }
    let mut alive = server.connect().await;
    alive.write_all(b"GET /v1/status HTTP/1.0\r\n\r\n").await.unwrap();
    assert_eq!(status(&rest_of(&mut alive).await), "200");
}

#[tokio::test]
async fn a_smuggled_request_is_not_served() {
    let server = running(Config::default()).await;
    let smuggled = "0\r\n\r\nGET /v1/status HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for framing in [
        "content-length: 4\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 4",
        "content-length: 4\r\ncontent-length: 5",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: xchunked",
    ] {
        let head = format!(
            "POST /v1/agents HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{framing}"
        );
        let answer = server.raw(&format!("{head}\r\n\r\n{smuggled}")).await;
        assert_eq!(status(&answer), "400", "{framing}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{framing}: {answer}");
    }
    assert_eq!(server.fake.invocations(), []);
}

#[tokio::test]
async fn a_head_that_does_not_arrive_is_cut_off() {
    let server = running(Config { header_timeout_ms: 50, ..Config::default() }).await;
    for start in ["", "GET /v1/sta", "GET /v1/status HTTP/1.1\r\nhost: localhost\r\n"] {
        let answer = server.raw(start).await;
        assert!(matches!(status(&answer), "" | "408"), "{start:?}: {answer}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_cut_off() {
    let server = running(Config { request_timeout_ms: 50, ..Config::default() }).await;
    let head = "POST /v1/agents HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{";
    let answer = server.raw(head).await;
    assert_eq!(status(&answer), "408", "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_refused_before_it_comes() {
    let server = running(Config { body_bytes_max: 1000, ..Config::default() }).await;
    let head = "POST /v1/agents HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1001\r\n\r\n";
    let answer = server.raw(head).await;
    assert_eq!(status(&answer), "413", "{answer}");
}

#[tokio::test]
async fn a_connection_over_the_limit_is_told_so() {
    let server = running(Config { connections_max: 1, ..Config::default() }).await;
    let mut first = server.connect().await;
    first.write_all(b"GET /v1/status HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut byte = [0];
    first.read_exact(&mut byte).await.unwrap();
    let mut second = server.connect().await;
    let answer = rest_of(&mut second).await;
    assert_eq!(status(&answer), "429", "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap()["code"], "CX0608");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let server = running(Config { request_timeout_ms: 50, ..Config::default() }).await;
    server.fake.answer("agents.list", json!("x".repeat(32 * 1024 * 1024)));
    let mut stream = server.connect().await;
    stream.write_all(b"GET /v1/agents HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut byte = [0];
    stream.read_exact(&mut byte).await.unwrap();
    assert_eq!(server.rest.drain(PATIENCE).await, Ok(()));
}

#[tokio::test]
async fn draining_finishes_what_runs_and_takes_nothing_new() {
    let server = running(Config::default()).await;
    let mut asking = server.connect().await;
    asking
        .write_all(b"POST /v1/agents/echo/ask HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\nhi")
        .await
        .unwrap();
    let question = loop {
        if let Some(question) = server.fake.take_submitted().pop() {
            break question;
        }
        tokio::task::yield_now().await;
    };
    let mut sending = server.connect().await;
    let head = "POST /v1/agents/echo/ask HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    sending.write_all(head.as_bytes()).await.unwrap();
    let mut begun = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    sending.read_exact(&mut begun).await.unwrap();
    let work = async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert_eq!(server.rest.deliver(vec![answer(&question, Performative::Inform, "ho")]), [Code::NONE]);
        sending.write_all(b"hi").await.unwrap();
        let late = loop {
            if let Some(question) = server.fake.take_submitted().pop() {
                break question;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(server.rest.deliver(vec![answer(&late, Performative::Inform, "ha")]), [Code::NONE]);
        let last = rest_of(&mut sending).await;
        assert!(last.contains("connection: close") && last.ends_with("ha"), "{last}");
        rest_of(&mut asking).await
    };
    let (drained, answer) = tokio::join!(server.rest.drain(PATIENCE), work);
    assert_eq!(drained, Ok(()));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("ho"), "{answer}");
}

#[tokio::test]
async fn while_the_whole_server_drains_health_is_answered_and_nothing_else() {
    let server = running(Config::default()).await;
    server.fake.answer("server.health", json!({"live": true, "ready": false, "draining": true}));
    let mut idle = server.connect().await;
    assert_eq!(server.rest.drain(PATIENCE).await, Ok(()));
    assert_eq!(rest_of(&mut idle).await, "", "an idle connection is closed at once");
    let ready = server.raw("GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(status(&ready) == "503" && ready.contains("\"draining\":true"), "{ready}");
    let live = server.raw("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(status(&live), "200", "{live}");
    let work = server.raw("GET /v1/status HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(status(&work) == "503" && work.contains("CX0903") && work.contains("retry-after: "), "{work}");
    server.rest.stop().await.unwrap();
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_next_instance_listens_on_the_same_socket_and_counts_on() {
    let server = running(Config::default()).await;
    let handed = server.rest.invoke("handover", Payload::EMPTY).await.unwrap();
    let handed: serde_json::Value = serde_json::from_slice(handed.as_slice()).unwrap();
    let config: Config = serde_json::from_value(handed).unwrap();
    let next = Arc::new(Rest::create(FakeHost::new().host(), config).unwrap());
    next.start().await.unwrap();
    assert_eq!(next.address(), Some(server.address));
    assert_eq!(server.rest.drain(PATIENCE).await, Ok(()));
    server.rest.stop().await.unwrap();
    let answer = server.raw("GET /nowhere HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert_eq!(status(&answer), "404", "{answer}");
}

#[tokio::test]
async fn what_is_not_done_by_the_deadline_is_ended_by_stop() {
    let server = running(Config::default()).await;
    server.fake.answer("agents.list", json!("x".repeat(32 * 1024 * 1024)));
    let mut slow = server.connect().await;
    slow.write_all(b"GET /v1/agents HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut byte = [0];
    slow.read_exact(&mut byte).await.unwrap();
    let error = server.rest.drain(Duration::from_millis(40)).await.unwrap_err();
    assert_eq!(error.to_string(), "1 connections were not done within 40 ms [CX0211]");
    server.rest.stop().await.unwrap();
    assert!(server.fake.claimed().is_empty());
}

#[tokio::test]
async fn who_still_waits_near_the_end_of_the_drain_is_told() {
    let server = running(Config::default()).await;
    let mut asking = server.connect().await;
    asking
        .write_all(b"POST /v1/agents/echo/ask HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n")
        .await
        .unwrap();
    while server.fake.take_submitted().is_empty() {
        tokio::task::yield_now().await;
    }
    let told = async { rest_of(&mut asking).await };
    let (drained, told) = tokio::join!(server.rest.drain(Duration::from_millis(400)), told);
    assert_eq!(drained, Ok(()));
    assert!(told.starts_with("HTTP/1.1 503 ") && told.contains("CX0903"), "{told}");
}
