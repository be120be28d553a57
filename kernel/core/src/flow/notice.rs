//! Who is told of a message that came to nothing: the protocol that watches it, else its sender by a failure of the
//! platform (SC00023: the AMS answers for agents that are not there).

use std::{collections::BTreeMap, fmt::Write};

use caxton_abi::{Code, Envelope, Header, Payload, TraceContext, Uid, flags, port::observed};

use super::{
    Flow, Notice,
    monitor::{observation, port_of},
};
use crate::{act, agent::Directory, names::symbols};

impl Flow<'_> {
    /// Tells protocols and senders of everything undeliverable so far.
    pub(super) fn tell(&mut self) {
        let mut by_port = BTreeMap::<u32, Vec<Notice>>::new();
        let mut unwatched = Vec::new();
        for notice in std::mem::take(&mut self.notices) {
            match port_of(self, &notice.envelope.head) {
                Some(port) => by_port.entry(port).or_default().push(notice),
                None => unwatched.push(notice),
            }
        }
        for (port, notices) in by_port {
            let observations: Vec<_> = notices
                .iter()
                .map(|notice| observation(observed::UNDELIVERABLE, notice.envelope.clone(), notice.code))
                .collect();
            match self.ask(port, &observations) {
                Ok(actions) => actions.iter().for_each(|action| self.act(port, action)),
                Err(_) => unwatched.extend(notices),
            }
        }
        self.send_failures(unwatched);
    }

    /// The failure that a sender gets; none for what must not be answered.
    pub(super) fn failure(&self, lost: &Envelope, code: Code) -> Option<Envelope> {
        let head = &lost.head;
        let silent = head.flags & (flags::PLATFORM | flags::ON_BEHALF) != 0
            || matches!(head.performative, act::FAILURE | act::NOT_UNDERSTOOD);
        if silent || head.sender == 0 || head.sender == self.bus.ams {
            return None;
        }
        let answer = Header {
            conversation: head.conversation,
            trace: TraceContext { ..head.trace },
            sender: self.bus.ams,
            receiver: head.sender,
            in_reply_to: head.reply_with,
            protocol: head.protocol,
            language: symbols::JSON,
            performative: act::FAILURE,
            flags: flags::PLATFORM,
            ..Header::default()
        };
        let receiver = self.bus.lookup.name_of(head.receiver).unwrap_or_default();
        Some(Envelope::new(answer, reason(code, head.id, &receiver)))
    }
}

/// `{"reason":"mailbox-full","code":"CX0301",…}`: what a preview shows comes first.
fn reason(code: Code, message: Uid, receiver: &str) -> Payload {
    let (meaning, fix) = code.entry().map_or(("", ""), |entry| (entry.meaning, entry.fix));
    let json = format!(
        r#"{{"reason":{},"code":"{code}","meaning":{},"fix":{},"message":"{message}","receiver":{}}}"#,
        quoted(code.slug()),
        quoted(meaning),
        quoted(fix),
        quoted(receiver),
    );
    Payload::from(json)
}

/// A JSON string (RFC 8259).
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                // Writing to a string cannot fail.
                let _written = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_code_meaning_fix_message_and_receiver() {
        let payload = reason(Code::MAILBOX_FULL, Uid::from_u128(1), "b\"ob@x");
        assert_eq!(
            std::str::from_utf8(payload.as_slice()).unwrap(),
            "{\"reason\":\"mailbox-full\",\"code\":\"CX0301\",\"meaning\":\"the receiver's mailbox is full\",\
             \"fix\":\"send again later, or more slowly\",\
             \"message\":\"00000000-0000-0000-0000-000000000001\",\"receiver\":\"b\\\"ob@x\"}"
        );
    }
}
