//! From the edge into a mailbox: what a client's message costs until it lies before its agent.

use caxton_abi::{Code, Envelope, Payload};
use caxton_acl::Performative;
use caxton_core::agent::Turn;

use crate::{
    Failure, Step,
    stage::{Role, Stage, content, message},
};

/// Never gets a turn, so its mailbox only fills.
#[derive(Clone)]
struct Idle;

impl Role for Idle {
    fn handle(&mut self, _batch: &[Envelope], _turn: &mut Turn) -> Result<(), Code> {
        Ok(())
    }
}

/// One message at a time.
pub fn one() -> Result<Step, Failure> {
    ingest(1)
}

/// 64 messages at once.
pub fn batch() -> Result<Step, Failure> {
    ingest(64)
}

fn ingest(count: usize) -> Result<Step, Failure> {
    let mut stage = Stage::new()?;
    let client = stage.client()?;
    let agent = stage.deploy("agent", Idle)?;
    let content: Payload = content();
    Ok(Box::new(move || {
        let new = || message(client, agent, Performative::Inform, &content);
        stage.submit(std::iter::repeat_with(new).take(count).collect())
    }))
}
