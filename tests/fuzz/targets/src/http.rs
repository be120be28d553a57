//! Bodies thrown at the routes of the rest plugin, over a scripted server.

use std::{cell::OnceCell, time::Duration};

use caxton_plugin::{Plugin, testing::FakeHost};
use caxton_rest::{Config, Rest};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

/// The first byte of the input chooses one of these; the rest is the body.
const REQUESTS: &[(&str, &str, &str)] = &[
    ("POST", "/v1/messages", "application/json"),
    ("POST", "/v1/ask?timeout-ms=1", "application/json"),
    ("POST", "/v1/contract-nets", "application/json"),
    ("POST", "/v1/agents", "application/json"),
    ("POST", "/v1/agents/echo/ask?timeout-ms=1", "text/plain"),
    ("PUT", "/v1/components", "application/wasm"),
];

struct Bench {
    runtime: Runtime,
    fake: FakeHost,
    rest: Rest,
}

impl Bench {
    fn new() -> Self {
        let fake = FakeHost::new();
        fake.answer("agents.deploy", json!({}));
        fake.answer("components.put", json!({}));
        let rest = Rest::create(fake.host(), Config::default()).expect("the default configuration is good");
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime can be made");
        Self { runtime, fake, rest }
    }
}

thread_local! {
    static BENCH: OnceCell<Bench> = const { OnceCell::new() };
}

/// Every body gets an answer or a wait; a refusal is a problem document with a code, and none is the server's fault.
pub fn http_body(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else { return };
    let Some((method, path, media)) = REQUESTS.get(usize::from(*choice) % REQUESTS.len()) else { return };
    BENCH.with(|bench| {
        let Bench { runtime, fake, rest } = bench.get_or_init(Bench::new);
        let answer = rest.answer(method, path, media, body.to_vec());
        // Who waits for an agent would wait for long: there is none.
        let answered = runtime.block_on(async { tokio::time::timeout(Duration::ZERO, answer).await });
        fake.take_submitted();
        if let Ok(Some((status, answer))) = answered {
            judge(status, &answer);
        }
    });
}

fn judge(status: u16, answer: &[u8]) {
    if status < 400 {
        return;
    }
    assert!(status != 500, "{}", String::from_utf8_lossy(answer));
    let document: Value = serde_json::from_slice(answer).expect("a refusal is a document");
    let code = document.get("code").and_then(Value::as_str).unwrap_or_default();
    assert!(code.starts_with("CX0") && code != "CX0902", "{document}");
}
