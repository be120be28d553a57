//! The rules of a reply (SC00061), on envelopes.

use caxton_abi::{Envelope, Extra, Header, Payload, std_types::RArc};
use caxton_acl::Performative;

/// Makes the reply to a message: from the address that received it, to each `reply-to` or else to the sender, one
/// envelope each. Language, ontology, protocol, conversation and trace are copied, `in_reply_to` takes the message's
/// `reply_with`. The reply's own `reply_with` stays zero; set it when the reply asks for an answer.
pub fn reply(message: &Envelope, performative: Performative, content: Payload) -> Vec<Envelope> {
    let asked = &message.head;
    let head = Header {
        conversation: asked.conversation,
        trace: asked.trace,
        sender: asked.receiver,
        in_reply_to: asked.reply_with,
        protocol: asked.protocol,
        ontology: asked.ontology,
        language: asked.language,
        performative: performative.code(),
        ..Header::default()
    };
    let reply_to = message.extra.as_ref().map(|extra| extra.reply_to.as_slice()).unwrap_or_default();
    let receivers = if reply_to.is_empty() { std::slice::from_ref(&asked.sender) } else { reply_to };
    let extra = (receivers.len() > 1)
        .then(|| RArc::new(Extra { receivers: receivers.to_vec().into(), ..Extra::default() }));
    let to = |receiver: &u32| Envelope {
        head: Header { receiver: *receiver, ..head },
        content: content.clone(),
        extra: extra.clone().into(),
    };
    receivers.iter().map(to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Envelope {
        let head = Header {
            sender: 7,
            receiver: 3,
            reply_with: 11,
            protocol: 2,
            ontology: 4,
            language: 5,
            encoding: 6,
            reply_by_ms: 99,
            ..Header::default()
        };
        Envelope::new(head, Payload::EMPTY)
    }

    #[test]
    fn a_reply_goes_to_the_sender_and_copies_the_context() {
        let replies = reply(&request(), Performative::Agree, Payload::from(vec![1]));
        let expected = Header {
            sender: 3,
            receiver: 7,
            in_reply_to: 11,
            protocol: 2,
            ontology: 4,
            language: 5,
            performative: 2,
            ..Header::default()
        };
        assert_eq!(replies.len(), 1);
        assert_eq!(replies[0].head, expected);
        assert_eq!(replies[0].content.as_slice(), [1]);
    }

    #[test]
    fn a_reply_goes_to_every_reply_to_when_that_is_set() {
        let mut request = request();
        let extra = Extra { reply_to: vec![8, 9].into(), ..Extra::default() };
        request.extra = Some(RArc::new(extra)).into();
        let replies = reply(&request, Performative::Agree, Payload::EMPTY);
        let receivers: Vec<u32> = replies.iter().map(|reply| reply.head.receiver).collect();
        assert_eq!(receivers, [8, 9]);
    }
}
