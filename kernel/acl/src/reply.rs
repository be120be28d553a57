//! The rules of a reply (SC00061): where it goes and what it copies.

use crate::{message::Message, performative::Performative};

impl Message {
    /// Makes the reply to this message: to `reply-to` if that is set, else to the sender; language, ontology, protocol
    /// and conversation-id are copied, `in-reply-to` takes this message's `reply-with`, and `reply_with` is the
    /// reply's own, fresh one. The server stamps the sender; content and deadline are the caller's.
    #[must_use]
    pub fn reply(&self, performative: Performative, reply_with: Option<String>) -> Self {
        let mut reply = Self::new(performative);
        reply.receiver = if self.reply_to.is_empty() {
            self.sender.iter().cloned().collect()
        } else {
            self.reply_to.clone()
        };
        reply.language.clone_from(&self.language);
        reply.ontology.clone_from(&self.ontology);
        reply.protocol.clone_from(&self.protocol);
        reply.conversation_id.clone_from(&self.conversation_id);
        reply.in_reply_to.clone_from(&self.reply_with);
        reply.reply_with = reply_with;
        reply
    }
}

#[cfg(test)]
mod tests {
    use crate::{Aid, Error, Message, Performative};

    fn call() -> Message {
        let mut call = Message::new(Performative::Cfp)
            .to(Aid::new("b@p").unwrap())
            .with_text("task")
            .in_conversation("fipa-contract-net", "c1");
        call.sender = Some(Aid::new("a@p").unwrap());
        call.language = Some("json".to_owned());
        call.encoding = Some("utf-8".to_owned());
        call.ontology = Some("work".to_owned());
        call.reply_with = Some("r1".to_owned());
        call.in_reply_to = Some("r0".to_owned());
        call.params = vec![("X-a".to_owned(), "1".to_owned())];
        call
    }

    #[test]
    fn a_reply_goes_to_the_sender_and_copies_the_context() {
        let mut expected = Message::new(Performative::Propose)
            .to(Aid::new("a@p").unwrap())
            .in_conversation("fipa-contract-net", "c1");
        expected.language = Some("json".to_owned());
        expected.ontology = Some("work".to_owned());
        expected.in_reply_to = Some("r1".to_owned());
        expected.reply_with = Some("r2".to_owned());
        let reply = call().reply(Performative::Propose, Some("r2".to_owned()));
        assert!(reply.same(&expected), "{reply:?}");
    }

    #[test]
    fn a_reply_goes_to_reply_to_when_that_is_set() {
        let mut call = call();
        call.reply_to = vec![Aid::new("c@p").unwrap(), Aid::new("d@p").unwrap()];
        assert_eq!(call.reply(Performative::Refuse, None).receiver, call.reply_to);
    }

    #[test]
    fn a_reply_to_nobody_cannot_be_sent() {
        let reply = Message::new(Performative::Request).reply(Performative::Agree, None);
        assert_eq!(reply.validate(), Err(Error::NoReceiver));
    }
}
