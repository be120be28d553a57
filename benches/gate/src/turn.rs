//! The inner loop of a worker: an agent is taken from the run queue, handles its batch, and what it sends lies before the
//! next agent.

use caxton_abi::{Code, Envelope, Payload};
use caxton_acl::Performative;
use caxton_core::agent::Turn;

use crate::{
    Failure, Step,
    stage::{Role, Stage, content, message},
};

/// Messages that a source sends for each credit.
pub const CREDIT: u64 = 64;

/// Answers each message in its conversation. A batch of another size is a fault, after which the case runs dry.
#[derive(Clone)]
struct Echo {
    batch: usize,
}

impl Role for Echo {
    fn handle(&mut self, batch: &[Envelope], turn: &mut Turn) -> Result<(), Code> {
        if batch.len() != self.batch {
            return Err(Code::INTERNAL);
        }
        for asked in batch {
            let mut answer = message(0, asked.head.sender, Performative::Inform, &asked.content);
            answer.head.conversation = asked.head.conversation;
            answer.head.in_reply_to = asked.head.reply_with;
            turn.stage(answer)?;
        }
        Ok(())
    }
}

/// A turn that takes one message and answers it: each pair of agents has one between them.
pub fn one() -> Result<Step, Failure> {
    let mut stage = pairs(32, 1)?;
    Ok(Box::new(move || stage.turn(1)))
}

/// A turn that takes 64 messages and answers each.
pub fn batch() -> Result<Step, Failure> {
    let mut stage = pairs(1, 64)?;
    Ok(Box::new(move || stage.turn(64)))
}

/// Pairs of agents that send each other so many messages to and fro.
fn pairs(pairs: u32, batch: usize) -> Result<Stage, Failure> {
    let mut stage = Stage::new()?;
    let content = content();
    let mut first = Vec::new();
    for pair in 0..pairs {
        let here = stage.deploy(&format!("here-{pair}"), Echo { batch })?;
        let there = stage.deploy(&format!("there-{pair}"), Echo { batch })?;
        let new = || message(here, there, Performative::Inform, &content);
        first.extend(std::iter::repeat_with(new).take(batch));
    }
    stage.submit(first)?;
    Ok(stage)
}

/// Sends messages that each begin a conversation, so many for each credit.
#[derive(Clone)]
struct Source(Payload);

impl Role for Source {
    fn handle(&mut self, batch: &[Envelope], turn: &mut Turn) -> Result<(), Code> {
        for credit in batch {
            for _ in 0..CREDIT {
                turn.stage(message(0, credit.head.sender, Performative::Inform, &self.0))?;
            }
        }
        Ok(())
    }
}

/// Gives the sender of a full batch a credit.
#[derive(Clone)]
struct Sink;

impl Role for Sink {
    fn handle(&mut self, batch: &[Envelope], turn: &mut Turn) -> Result<(), Code> {
        match batch {
            [.., last] if batch.len() as u64 == CREDIT => {
                let credit = message(0, last.head.sender, Performative::Inform, &Payload::EMPTY);
                turn.stage(credit).map(|_| ())
            }
            _ => Err(Code::INTERNAL),
        }
    }
}

/// A turn that sends 64 messages, and one that takes them.
pub fn one_way() -> Result<Step, Failure> {
    let mut stage = Stage::new()?;
    let source = stage.deploy("source", Source(content()))?;
    let sink = stage.deploy("sink", Sink)?;
    stage.submit(vec![message(sink, source, Performative::Inform, &Payload::EMPTY)])?;
    Ok(Box::new(move || stage.turn(1).and_then(|()| stage.turn(CREDIT))))
}
