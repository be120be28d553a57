//! One claimed address through a change of instances: messages go to the newest, answers that it does not know to those
//! that still drain.
//!
//! The core sees one endpoint and so keeps the order. Drained instances are held weakly: they end when they are done.

use std::sync::Weak;

use caxton_abi::{Code, Envelope, flags};
use caxton_core::port::{Endpoint, EndpointRef};

/// The instances behind an address.
pub(super) struct Line {
    pub(super) newest: EndpointRef,
    /// Those before it, the latest first.
    pub(super) older: Vec<Weak<dyn Endpoint>>,
}

impl Line {
    /// Offers an answer that the newest does not know to those before it.
    fn pass_on(&self, message: &Envelope) -> Code {
        let older = self.older.iter().filter_map(Weak::upgrade);
        let answers = older.filter_map(|older| older.deliver(vec![message.clone()]).first().copied());
        let knows = |code: &Code| !matches!(*code, Code::CONVERSATION_UNKNOWN | Code::PLUGIN_UNAVAILABLE);
        let code = answers.into_iter().find(knows).unwrap_or(Code::CONVERSATION_UNKNOWN);
        // What the platform tells of an undeliverable message need not be heard: that message is a dead letter already.
        let notice = message.head.flags & flags::PLATFORM != 0;
        if notice && code == Code::CONVERSATION_UNKNOWN { Code::NONE } else { code }
    }
}

impl Endpoint for Line {
    fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
        let mut codes = self.newest.deliver(batch.clone());
        for (message, code) in batch.iter().zip(codes.iter_mut()) {
            if *code == Code::CONVERSATION_UNKNOWN {
                *code = self.pass_on(message);
            }
        }
        codes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use caxton_abi::{Header, Payload};

    use super::*;

    /// Waits for answers to some numbers.
    struct Waits(Vec<u32>, Mutex<Vec<u32>>);

    impl Waits {
        fn on(numbers: &[u32]) -> Arc<Self> {
            Arc::new(Self(numbers.to_vec(), Mutex::default()))
        }
    }

    impl Endpoint for Waits {
        fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
            let take = |message: &Envelope| {
                let number = message.head.in_reply_to;
                self.1.lock().unwrap().push(number);
                if self.0.contains(&number) { Code::NONE } else { Code::CONVERSATION_UNKNOWN }
            };
            batch.iter().map(take).collect()
        }
    }

    fn answer(in_reply_to: u32, flags: u16) -> Envelope {
        Envelope::new(Header { in_reply_to, flags, ..Header::default() }, Payload::EMPTY)
    }

    fn older(waits: &Arc<Waits>) -> Weak<dyn Endpoint> {
        let endpoint: Arc<dyn Endpoint> = waits.clone();
        Arc::downgrade(&endpoint)
    }

    #[test]
    fn an_answer_reaches_the_instance_that_asked() {
        let (new, old, oldest) = (Waits::on(&[1]), Waits::on(&[2]), Waits::on(&[3]));
        let line = Line { newest: new, older: vec![older(&old), older(&oldest)] };
        let codes = line.deliver(vec![answer(1, 0), answer(2, 0), answer(3, 0), answer(4, 0)]);
        assert_eq!(codes, [Code::NONE, Code::NONE, Code::NONE, Code::CONVERSATION_UNKNOWN]);
        assert_eq!(*old.1.lock().unwrap(), [2, 3, 4]);
    }

    #[test]
    fn an_instance_that_ended_is_not_asked() {
        let (new, old) = (Waits::on(&[1]), Waits::on(&[2]));
        let line = Line { newest: new, older: vec![older(&old)] };
        drop(old);
        assert_eq!(line.deliver(vec![answer(2, 0)]), [Code::CONVERSATION_UNKNOWN]);
    }

    #[test]
    fn what_the_platform_tells_nobody_is_taken() {
        let line = Line { newest: Waits::on(&[]), older: Vec::new() };
        assert_eq!(line.deliver(vec![answer(1, flags::PLATFORM)]), [Code::NONE]);
    }
}
