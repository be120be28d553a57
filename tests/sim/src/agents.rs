//! Scripted agents: they do what a message's content says, and fail when it says so.

use caxton_abi::{Envelope, Uid};
use caxton_core::agent::{AgentBody, BodyFactory, Fault, LogLine, Start, TimerChange, TrapKind, Turn};

use crate::shared::{INFORM, Shared, SharedRef, open};

/// Memory of a new instance.
const FRESH_BYTES: u64 = 100;

/// Makes scripted instances; some do not start.
pub(crate) struct Factory(pub(crate) SharedRef);

struct Script {
    shared: SharedRef,
    address: u32,
    /// It leaks a byte for each message.
    bytes: u64,
}

impl BodyFactory for Factory {
    fn instantiate(&self) -> Result<Box<dyn AgentBody>, Fault> {
        if bad_start(&mut open(&self.0)) {
            return Err(trap("no room"));
        }
        Ok(Box::new(Script { shared: self.0.clone(), address: 0, bytes: FRESH_BYTES }))
    }

    fn digest(&self) -> &str {
        "sha256:script"
    }
}

fn bad_start(shared: &mut Shared) -> bool {
    let percent = shared.bad_starts;
    shared.chance.percent(percent)
}

impl AgentBody for Script {
    fn init(&mut self, start: &Start, turn: &mut Turn) -> Result<(), Fault> {
        self.address = start.address;
        let shared = self.shared.clone();
        let mut shared = open(&shared);
        if bad_start(&mut shared) {
            self.stage(shared.ghost(self.address), turn);
            return Err(if shared.chance.percent(50) { trap("in init") } else { fault() });
        }
        if shared.chance.percent(20) && !shared.resting {
            let hello = shared.draft(self.address, turn.now);
            self.stage(hello, turn);
        }
        Ok(())
    }

    fn handle(&mut self, batch: &[Envelope], turn: &mut Turn) -> Result<(), Fault> {
        let shared = self.shared.clone();
        let mut shared = open(&shared);
        self.bytes += batch.len() as u64;
        batch.iter().for_each(|message| shared.hand(message));
        batch.iter().try_for_each(|message| self.obey(message, turn, &mut shared))
    }

    fn timer(&mut self, token: u32, turn: &mut Turn) -> Result<(), Fault> {
        let shared = self.shared.clone();
        let mut shared = open(&shared);
        match token % 8 {
            0 => {
                self.stage(shared.ghost(self.address), turn);
                Err(trap("in a timer"))
            }
            1 => {
                self.stage(shared.ghost(self.address), turn);
                Err(fault())
            }
            _ if shared.resting => Ok(()),
            _ => {
                let message = shared.draft(self.address, turn.now);
                self.stage(message, turn);
                Ok(())
            }
        }
    }

    fn memory_bytes(&self) -> u64 {
        self.bytes
    }

    fn memory_bytes_max(&self) -> u64 {
        FRESH_BYTES + 16
    }
}

impl Script {
    fn obey(&self, message: &Envelope, turn: &mut Turn, shared: &mut Shared) -> Result<(), Fault> {
        let text = String::from_utf8_lossy(message.content.as_slice()).into_owned();
        let command = text.split(' ').nth(2).unwrap_or_default();
        let makes_messages = !shared.resting;
        match command {
            "reply" if makes_messages => {
                let mut reply = shared.message(self.address, message.head.sender, "-", "work");
                reply.head.performative = INFORM;
                reply.head.conversation = message.head.conversation;
                reply.head.in_reply_to = message.head.reply_with;
                reply.head.protocol = message.head.protocol;
                self.stage(reply, turn);
            }
            "fan" if makes_messages => {
                for _ in 0..=shared.chance.below(3) {
                    let draft = shared.draft(self.address, turn.now);
                    self.stage(draft, turn);
                }
            }
            "timer" => self.change_timers(turn, shared),
            "log" => turn.logs.push(LogLine { level: 3, text: "seen".to_owned() }),
            "put" => {
                turn.puts.insert("n".to_owned(), Some(text.as_bytes().into()));
            }
            "trap" => return self.fail(turn, shared, trap("always")),
            "fault" => return self.fail(turn, shared, fault()),
            "trap-once" => return self.fail_once(message.head.id, turn, shared, trap("once")),
            "fault-once" => return self.fail_once(message.head.id, turn, shared, fault()),
            _ => {}
        }
        Ok(())
    }

    fn fail(&self, turn: &mut Turn, shared: &mut Shared, fault: Fault) -> Result<(), Fault> {
        self.stage(shared.ghost(self.address), turn);
        turn.timers.push(TimerChange::Set { token: 9_999, at: turn.now });
        Err(fault)
    }

    fn fail_once(&self, id: Uid, turn: &mut Turn, shared: &mut Shared, fault: Fault) -> Result<(), Fault> {
        if shared.failed_once.insert(id) { self.fail(turn, shared, fault) } else { Ok(()) }
    }

    fn change_timers(&self, turn: &mut Turn, shared: &mut Shared) {
        let token = shared.chance.below(24) as u32;
        let change = if shared.chance.percent(20) {
            TimerChange::Cancel { token }
        } else {
            TimerChange::Set { token, at: turn.now.plus_millis(shared.chance.next() % 200) }
        };
        turn.timers.push(change);
    }

    /// A full outbox or mailbox is a refusal that a guest sees at once; it then sends less.
    fn stage(&self, message: Envelope, turn: &mut Turn) {
        let _sent_or_not = turn.stage(message).is_ok();
    }
}

fn trap(message: &str) -> Fault {
    Fault::Trapped {
        kind: TrapKind::Unreachable,
        message: message.to_owned(),
        frames: vec!["script".to_owned()],
    }
}

fn fault() -> Fault {
    Fault::Returned { code: "script.fault".to_owned(), detail: "as told".to_owned() }
}
