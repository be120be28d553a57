//! The codecs of the edges, on a message such as a contract net's call.

use std::hint::black_box;

use caxton_acl::{Aid, DateTime, Message, Performative, from_json, from_string, to_json, to_string};

use crate::{Failure, Step, stage::CONTENT};

/// 2026-11-20T12:00:00Z.
const NOW_MS: u64 = 1_795_176_000_000;

/// Reads the string form (SC00070).
pub fn string_read() -> Result<Step, Failure> {
    let text = to_string(&call()?).map_err(|error| error.to_string())?;
    Ok(Box::new(move || read(from_string(black_box(&text), NOW_MS))))
}

/// Writes the string form.
pub fn string_write() -> Result<Step, Failure> {
    let call = call()?;
    Ok(Box::new(move || read(to_string(black_box(&call)))))
}

/// Reads the JSON form.
pub fn json_read() -> Result<Step, Failure> {
    let text = to_json(&call()?).map_err(|error| error.to_string())?;
    Ok(Box::new(move || read(from_json(black_box(&text), NOW_MS))))
}

/// Writes the JSON form.
pub fn json_write() -> Result<Step, Failure> {
    let call = call()?;
    Ok(Box::new(move || read(to_json(black_box(&call)))))
}

fn read<T>(done: Result<T, caxton_acl::Error>) -> Result<(), Failure> {
    done.map(|value| drop(black_box(value))).map_err(|error| error.to_string())
}

/// A call for proposals with everything that such a call has.
fn call() -> Result<Message, Failure> {
    let agent = |name: &str| Aid::new(name).map_err(|error| error.to_string());
    let mut call = Message::new(Performative::Cfp)
        .to(agent("bidder-1@caxton")?)
        .to(agent("bidder-2@caxton")?)
        .with_text(String::from_utf8_lossy(&CONTENT))
        .in_conversation("fipa-contract-net", "0190c0de-0000-7000-8000-000000000001");
    call.sender = Some(agent("initiator@caxton")?);
    call.reply_with = Some("1".to_owned());
    call.language = Some("fipa-sl".to_owned());
    call.reply_by = DateTime::from_ms(NOW_MS + 30_000);
    Ok(call)
}
