//! A guest that misbehaves on request: the first word of its configuration or of a message's content says how.
//! In a configuration that is a JSON object, the order stands behind the key `init`.

use std::{collections::HashMap, hint::black_box, time::Duration};

mod bindings {
    wit_bindgen::generate!({ path: "../../../wit/caxton", world: "timed-agent" });
}

use bindings::{
    caxton::agent::{
        bus, clock, log, state,
        types::{Draft, Extra, Fault, FaultKind, Instant, Message, Performative, Uid},
    },
    exports::caxton::agent::{handler, lifecycle, timers},
};

/// What `leak` never gives back.
const LEAKED_BYTES: usize = 64 << 10;

struct Hostile;

impl lifecycle::Guest for Hostile {
    fn init(start: lifecycle::Start) -> Result<(), Fault> {
        obey(order_of(&start.config), None)
    }
}

/// The order in a configuration: the bytes as they are, or what stands behind `init` in a JSON object.
fn order_of(config: &[u8]) -> &[u8] {
    if !config.starts_with(b"{") {
        return config;
    }
    let key = b"\"init\":\"";
    let found = config.windows(key.len()).position(|window| window == key);
    let Some(begin) = found.map(|at| at + key.len()) else { return b"" };
    let rest = &config[begin..];
    &rest[..rest.iter().position(|byte| *byte == b'"').unwrap_or(rest.len())]
}

impl handler::Guest for Hostile {
    fn handle(batch: Vec<Message>) -> Result<(), Fault> {
        batch.iter().try_for_each(|message| obey(&message.content, Some(message)))
    }
}

impl timers::Guest for Hostile {
    fn on_timer(token: u32) -> Result<(), Fault> {
        reply(None, format!("timer {token}").into_bytes())
    }
}

bindings::export!(Hostile with_types_in bindings);

fn obey(order: &[u8], message: Option<&Message>) -> Result<(), Fault> {
    let split = order.iter().position(|byte| *byte == b' ').unwrap_or(order.len());
    let (word, rest) = (&order[..split], order.get(split + 1..).unwrap_or(&[]));
    let text = String::from_utf8_lossy(rest);
    match word {
        b"" => Ok(()),
        b"echo" => reply(message, rest.to_vec()),
        b"leak" => {
            black_box(Vec::leak(vec![1u8; LEAKED_BYTES]));
            reply(message, rest.to_vec())
        }
        b"spin" => spin(),
        b"memory" => eat_memory(),
        b"recurse" => {
            black_box(recurse(1));
            Ok(())
        }
        b"recurse-wide" => {
            black_box(recurse_wide(1));
            Ok(())
        }
        b"panic" => panic!("{text}"),
        b"exit" => std::process::exit(7),
        b"fault" => {
            Err(Fault { kind: FaultKind::Permanent, code: "bank.no-money".into(), detail: text.into() })
        }
        b"sleep" => {
            std::thread::sleep(Duration::from_secs(3600));
            Ok(())
        }
        b"print" => {
            println!("{text}");
            Ok(())
        }
        b"flood" => flood(),
        b"log" => {
            log::emit(log::Level::Warn, &text);
            Ok(())
        }
        b"send" => send_many(message, number(&text)),
        b"send-half" => send_half(message),
        b"extra" => send_extra(message),
        b"put" => put(&text),
        b"get" => get(message, &text),
        b"timer" => {
            clock::set_timer(Instant { seconds: number(&text), nanos: 5 }, 9);
            Ok(())
        }
        b"timers-for-ever" => loop {
            clock::set_timer(Instant { seconds: 1, nanos: 0 }, 1);
        },
        b"world" => look_around(message),
        _ => Err(Fault { kind: FaultKind::Permanent, code: "order.unknown".into(), detail: text.into() }),
    }
}

fn number(text: &str) -> u32 {
    text.trim().parse().unwrap_or(0)
}

#[inline(never)]
fn spin() -> Result<(), Fault> {
    let mut turns: u64 = 0;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn eat_memory() -> Result<(), Fault> {
    let mut eaten = Vec::new();
    loop {
        eaten.push(black_box(vec![1u8; 1 << 20]));
    }
}

/// Overflows the stack that the engine keeps.
#[inline(never)]
#[allow(unconditional_recursion, reason = "the point of it")]
fn recurse(depth: u64) -> u64 {
    recurse(black_box(depth) + 1) + black_box(1)
}

/// Overflows the stack that the compiler keeps in the memory.
#[inline(never)]
#[allow(unconditional_recursion, reason = "the point of it")]
fn recurse_wide(depth: u64) -> u64 {
    let frame = black_box([depth; 512]);
    recurse_wide(depth + 1) + frame[0]
}

fn flood() -> Result<(), Fault> {
    for line in 0..100_000 {
        println!("line {line}");
    }
    Ok(())
}

fn draft(message: Option<&Message>, content: Vec<u8>) -> Draft {
    Draft {
        to: message.map_or(1, |message| message.sender),
        performative: Performative::Inform,
        conversation: message.map_or(Uid { a: 0, b: 0, c: 0, d: 0 }, |message| message.conversation),
        reply_with: 0,
        in_reply_to: message.map_or(0, |message| message.reply_with),
        reply_by: Instant { seconds: 0, nanos: 0 },
        protocol: message.map_or(0, |message| message.protocol),
        ontology: 0,
        language: 0,
        encoding: 0,
        content,
        extra: None,
    }
}

fn reply(message: Option<&Message>, content: Vec<u8>) -> Result<(), Fault> {
    bus::send(&[draft(message, content)]).map(|_| ())
}

fn send_many(message: Option<&Message>, count: u32) -> Result<(), Fault> {
    (0..count).try_for_each(|index| reply(message, index.to_string().into_bytes()))
}

/// Sends one good message, then a batch of which the second is refused; then tells the refusal's code.
fn send_half(message: Option<&Message>) -> Result<(), Fault> {
    reply(message, b"first".to_vec())?;
    let refused =
        bus::send(&[draft(message, b"second".to_vec()), Draft { to: 0, ..draft(message, Vec::new()) }]);
    reply(message, refused.map_or_else(|fault| fault.code, |_| "accepted".into()).into_bytes())
}

/// Sends on every rare parameter that came.
fn send_extra(message: Option<&Message>) -> Result<(), Fault> {
    let extra = message.and_then(|message| message.extra.as_ref()).map(|extra| Extra {
        receivers: extra.receivers.clone(),
        reply_to: extra.reply_to.clone(),
        params: extra.params.clone(),
    });
    bus::send(&[Draft { extra, ..draft(message, Vec::new()) }]).map(|_| ())
}

/// `key value` writes, `key` alone removes, `key *bytes` writes as many bytes.
fn put(text: &str) -> Result<(), Fault> {
    let (key, value) = text.split_once(' ').map_or((text, None), |(key, value)| (key, Some(value)));
    let value = value.map(|value| match value.strip_prefix('*') {
        Some(count) => vec![b'x'; number(count) as usize],
        None => value.as_bytes().to_vec(),
    });
    state::put(&[(key.to_owned(), value)])
}

fn get(message: Option<&Message>, key: &str) -> Result<(), Fault> {
    let value = state::get(key)?;
    reply(message, value.unwrap_or_else(|| b"nothing".to_vec()))
}

/// Tells what of the host it can see.
fn look_around(message: Option<&Message>) -> Result<(), Fault> {
    let map: HashMap<u32, u32> = (0..10).map(|key| (key, key)).collect();
    let wall =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let seen = format!(
        "args {} vars {} file {} map {} wall {wall} input {:?}",
        std::env::args().count(),
        std::env::vars().count(),
        std::fs::read("/etc/passwd").is_ok(),
        map.len(),
        std::io::read_to_string(std::io::stdin()).map(|text| text.len()).ok(),
    );
    reply(message, seen.into_bytes())
}
