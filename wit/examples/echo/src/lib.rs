//! Answers every message with its own content: the smallest agent, to copy and to test with.

use caxton_agent::{Agent, Fault, Message, Start};

struct Echo;

impl Agent for Echo {
    fn init(_: Start) -> Result<Self, Fault> {
        Ok(Self)
    }

    async fn handle(&self, message: Message) -> Result<(), Fault> {
        if message.is_answer() {
            return Ok(());
        }
        message.inform().content(message.content()).send().map(drop)
    }
}

caxton_agent::export!(Echo);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use caxton_agent::{Performative, testing::ScriptedHost};

    use super::*;

    #[test]
    fn answers_with_the_same_content() {
        let host = ScriptedHost::install();
        let client = host.agent("client");
        host.start::<Echo>("").unwrap();
        host.deliver(host.incoming(Performative::Request, client).content(b"\x00hi"));
        assert_eq!(host.sent()[0].content, b"\x00hi");
    }
}
