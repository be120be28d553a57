//! The writer: a message as SC00070 text that JADE reads too.

use crate::{
    aid::Aid,
    error::Error,
    json::base64,
    message::{Content, Message},
    params::CONTENT_ENCODING,
};

/// Writes a message as SC00070 text, one parameter a line: the act in lower case, `reply-by` in UTC, content always
/// as a string, bytes as base64 with `:X-JADE-Encoding Base64`.
///
/// # Errors
/// What [`Message::validate`] refuses.
pub fn to_string(message: &Message) -> Result<String, Error> {
    message.validate()?;
    let mut out = format!("({}", message.performative);
    if let Some(sender) = &message.sender {
        out.push_str("\n :sender ");
        write_agent(&mut out, sender);
    }
    write_set(&mut out, "receiver", &message.receiver);
    if !message.reply_to.is_empty() {
        write_set(&mut out, "reply-to", &message.reply_to);
    }
    write_content(&mut out, message.content.as_ref());
    for (name, value) in message.tokens() {
        if let Some(value) = value {
            write_parameter(&mut out, name, value);
        }
    }
    if let Some(reply_by) = message.reply_by {
        out.push_str("\n :reply-by ");
        out.push_str(&reply_by.to_fipa());
    }
    for (name, value) in &message.params {
        write_parameter(&mut out, name, value);
    }
    out.push(')');
    Ok(out)
}

fn write_content(out: &mut String, content: Option<&Content>) {
    match content {
        Some(Content::Text(text)) => {
            out.push_str("\n :content ");
            write_string(out, text);
        }
        Some(Content::Bytes(bytes)) => {
            write_parameter(out, CONTENT_ENCODING, "Base64");
            out.push_str("\n :content ");
            write_string(out, &base64(bytes));
        }
        None => {}
    }
}

fn write_parameter(out: &mut String, name: &str, value: &str) {
    out.push_str("\n :");
    out.push_str(name);
    out.push(' ');
    write_value(out, value);
}

fn write_set(out: &mut String, name: &str, agents: &[Aid]) {
    out.push_str("\n :");
    out.push_str(name);
    out.push_str(" (set");
    for agent in agents {
        out.push(' ');
        write_agent(out, agent);
    }
    out.push(')');
}

/// Recursion is bounded: [`Message::validate`] has counted the levels of resolvers.
fn write_agent(out: &mut String, agent: &Aid) {
    out.push_str("(agent-identifier :name ");
    write_value(out, agent.name());
    if !agent.addresses.is_empty() {
        out.push_str(" :addresses (sequence");
        for address in &agent.addresses {
            out.push(' ');
            write_value(out, address);
        }
        out.push(')');
    }
    if !agent.resolvers.is_empty() {
        out.push_str(" :resolvers (sequence");
        for resolver in &agent.resolvers {
            out.push(' ');
            write_agent(out, resolver);
        }
        out.push(')');
    }
    for (name, value) in &agent.params {
        out.push_str(" :");
        out.push_str(name);
        out.push(' ');
        write_value(out, value);
    }
    out.push(')');
}

fn write_value(out: &mut String, value: &str) {
    if is_word(value) { out.push_str(value) } else { write_string(out, value) }
}

/// Quotes the text, or writes its byte length when a closing quote would read as an escape.
fn write_string(out: &mut String, text: &str) {
    if text.ends_with('\\') {
        out.push_str(&format!("#{}\"{text}", text.len()));
    } else {
        out.push('"');
        out.push_str(&text.replace('"', "\\\""));
        out.push('"');
    }
}

/// A word of SC00070, narrowed to visible ASCII without quotes, and not one that reads as a `:name`.
fn is_word(text: &str) -> bool {
    let starts_well =
        text.bytes().next().is_some_and(|byte| !matches!(byte, b'#' | b'0'..=b'9' | b'-' | b'@' | b':'));
    starts_well && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'(' | b')' | b'"'))
}
