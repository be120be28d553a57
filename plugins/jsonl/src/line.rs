//! One signal as one JSON object.
//!
//! | key | meaning |
//! |---|---|
//! | `time` | RFC 3339, UTC, nine digits of the second |
//! | `time_ns` | the same, nanoseconds since the Unix epoch |
//! | `event` | a name of `caxton_plugin::EventName`, such as `message.accepted` |
//! | `level` | `trace`, `debug`, `info`, `warn`, `error` |
//! | `trace_id`, `span_id`, `parent_span_id` | as in the W3C trace context: 32, 16 and 16 hexadecimal digits |
//! | `message`, `conversation` | UUIDs |
//! | `performative`, `protocol`, `from`, `to` | texts; names of agents are `local@platform` |
//! | `reply_with`, `in_reply_to` | numbers |
//! | `code`, `reason` | such as `CX0301` and `mailbox-full` |
//! | `marks` | an array of `late`, `redelivered`, `platform`, `on-behalf`, `out-of-sequence` |
//! | `duration_ns`, `value`, `text` | what they mean depends on the event |
//!
//! The first four are in every line; the others only where the signal has them. The order is fixed.

use std::io;

use caxton_acl::{DateTime, Performative};
use caxton_plugin::{Code, Host, Signal, Uid, flags};
use serde::Serialize;

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    time_ns: u64,
    event: &'static str,
    level: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    performative: Option<&'static str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    protocol: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    from: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    to: String,
    #[serde(skip_serializing_if = "is_zero")]
    reply_with: u32,
    #[serde(skip_serializing_if = "is_zero")]
    in_reply_to: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    marks: Vec<&'static str>,
    #[serde(skip_serializing_if = "is_zero_long")]
    duration_ns: u64,
    #[serde(skip_serializing_if = "is_zero_long")]
    value: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    text: &'a str,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_zero_long(number: &u64) -> bool {
    *number == 0
}

/// Replaces the buffer's content by the signal's line, newline included. Text that is not UTF-8 is written with
/// replacement characters.
pub(crate) fn write(signal: &Signal, host: &Host, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    let text = String::from_utf8_lossy(signal.text.as_slice());
    serde_json::to_writer(&mut *buffer, &line(signal, host, &text))?;
    buffer.push(b'\n');
    Ok(())
}

fn line<'a>(signal: &Signal, host: &Host, text: &'a str) -> Line<'a> {
    let coded = Some(signal.code).filter(|code| !code.is_none());
    Line {
        time: time(signal.time_ns),
        time_ns: signal.time_ns,
        event: signal.name.as_str(),
        level: level(signal.level),
        trace_id: Some(signal.trace.trace)
            .filter(|id| !id.is_none())
            .map(|id| format!("{:032x}", id.to_u128())),
        span_id: span(signal.trace.span),
        parent_span_id: span(signal.parent_span),
        message: uid(signal.message),
        conversation: uid(signal.conversation),
        performative: Performative::from_code(signal.performative).map(Performative::as_str),
        protocol: host.symbol_text(signal.protocol),
        from: host.name(signal.sender),
        to: host.name(signal.receiver),
        reply_with: signal.reply_with,
        in_reply_to: signal.in_reply_to,
        code: coded.map(|code| code.to_string()),
        reason: coded.map(Code::slug),
        marks: flags::names(signal.flags),
        duration_ns: signal.duration_ns,
        value: signal.value,
        text,
    }
}

fn time(time_ns: u64) -> String {
    // The model's times end at milliseconds; the rest of the second is appended.
    let text = DateTime::from_ms(time_ns / 1_000_000).map(|moment| moment.to_string()).unwrap_or_default();
    format!("{}{:06}Z", text.trim_end_matches('Z'), time_ns % 1_000_000)
}

fn uid(id: Uid) -> Option<String> {
    Some(id).filter(|id| !id.is_none()).map(|id| id.to_string())
}

fn span(id: u64) -> Option<String> {
    Some(id).filter(|id| *id != 0).map(|id| format!("{id:016x}"))
}

fn level(level: u8) -> &'static str {
    match level {
        1 => "trace",
        2 => "debug",
        4 => "warn",
        5 => "error",
        _ => "info",
    }
}
