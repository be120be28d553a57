//! Contract nets under the monitor: one initiator, ten bidders, and the protocols plugin behind its boundary.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use caxton_abi::{
    Code, Envelope, Extra, Header, Payload, Uid,
    plugin::CreateArgs,
    port::{Action, Observation, ProtocolBox},
    std_types::{RArc, ROption, RSlice, RVec},
};
use caxton_acl::Performative;
use caxton_core::{Protocol, agent::Turn};
use caxton_plugin::testing::FakeHost;
use caxton_protocols::Protocols;

use crate::{
    Failure, Step, boundary,
    stage::{Role, Stage, content, message},
};

const BIDDERS: u64 = 10;
/// Nets that go on at the same time.
const NETS: u64 = 8;
/// Messages of a step: for each net a call and a bid of each bidder, an acceptance or a rejection for each, and a result.
pub const MESSAGES: u64 = NETS * (3 * BIDDERS + 1);
const TOKEN: &str = "fipa-contract-net";
const MANIFEST: &str = include_str!("../../../plugins/protocols/plugin.json");
/// Milliseconds that bidders have; they always answer in time.
const REPLY_WITHIN_MS: u64 = 30_000;

/// Contract nets, several at a time; a step ends as many as there are.
pub fn nets() -> Result<Step, Failure> {
    let mut stage = Stage::new()?;
    let protocol = watch(&mut stage)?;
    let mut bidders = Vec::new();
    for number in 0..BIDDERS {
        bidders.push(stage.deploy(&format!("bidder-{number}"), Bidder)?);
    }
    let ended = Arc::new(AtomicU64::new(0));
    let initiator = Initiator {
        bidders,
        protocol,
        content: content(),
        ended: Arc::clone(&ended),
        ..Initiator::default()
    };
    let initiator = stage.deploy("initiator", initiator)?;
    let client = stage.client()?;
    stage.submit(vec![message(client, initiator, Performative::Request, &Payload::EMPTY)])?;
    let mut wanted = 0;
    Ok(Box::new(move || {
        wanted += NETS;
        while ended.load(Ordering::Relaxed) < wanted {
            // About a step's messages in as many turns as there are agents.
            stage.turn(MESSAGES / (BIDDERS + 1))?;
        }
        Ok(())
    }))
}

/// Sets the plugin up as the monitor; answers with the symbol of the protocol.
fn watch(stage: &mut Stage) -> Result<u32, Failure> {
    let host = FakeHost::new();
    let args = CreateArgs {
        instance: "protocols".into(),
        config: "{}".into(),
        host: host.boxed(),
        worker_threads: 0,
    };
    let plugin = boundary::created(caxton_plugin::export::create::<Protocols>(args, MANIFEST))?;
    let ROption::RSome(port) = plugin.protocol() else {
        return Err("the protocols plugin offers no protocol".to_owned());
    };
    stage.bus.set_protocol(1, Some(Arc::new(Port(port))));
    let symbol = stage.bus.directory().intern(TOKEN);
    // Both number names from one on, in the order in which the plugin asks for them.
    if symbol != host.host().symbol(TOKEN) || stage.bus.ams() != host.host().address("ams").unwrap_or(0) {
        return Err("the plugin's symbols are not those of the bus".to_owned());
    }
    Ok(symbol)
}

/// The plugin's port as the host calls it, without the host's own fence.
struct Port(ProtocolBox);

impl Protocol for Port {
    fn protocols(&self) -> Vec<String> {
        self.0.protocols().into_iter().map(Into::into).collect()
    }

    fn observe(&self, batch: &[Observation], now_ms: u64, out: &mut Vec<Action>) -> Result<(), Code> {
        let mut actions = RVec::new();
        let answer = self.0.observe(RSlice::from_slice(batch), now_ms, &mut actions);
        answer.into_result().map_err(|error| error.code)?;
        out.extend(actions);
        Ok(())
    }

    fn timers(&self, tokens: &[u64], now_ms: u64, out: &mut Vec<Action>) -> Result<(), Code> {
        let mut actions = RVec::new();
        let answer = self.0.timers(RSlice::from_slice(tokens), now_ms, &mut actions);
        answer.into_result().map_err(|error| error.code)?;
        out.extend(actions);
        Ok(())
    }

    fn describe(&self, _conversation: Uid) -> Option<String> {
        None
    }
}

/// Proposes for each call, and informs of the result when it is chosen.
#[derive(Clone)]
struct Bidder;

impl Role for Bidder {
    fn handle(&mut self, batch: &[Envelope], turn: &mut Turn) -> Result<(), Code> {
        for asked in batch {
            match Performative::from_code(asked.head.performative) {
                Some(Performative::Cfp) => {
                    let mut bid = answer(asked, Performative::Propose);
                    bid.head.reply_with = asked.head.reply_with;
                    turn.stage(bid)?;
                }
                Some(Performative::AcceptProposal) => {
                    turn.stage(answer(asked, Performative::Inform))?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Calls, takes the first bid when all are there, and calls again when the result came.
#[derive(Clone, Default)]
struct Initiator {
    bidders: Vec<u32>,
    protocol: u32,
    content: Payload,
    ended: Arc<AtomicU64>,
    next: u32,
    bids: BTreeMap<u32, Vec<u32>>,
}

impl Role for Initiator {
    fn handle(&mut self, batch: &[Envelope], turn: &mut Turn) -> Result<(), Code> {
        for got in batch {
            match Performative::from_code(got.head.performative) {
                Some(Performative::Request) => (0..NETS).try_for_each(|_| self.call(turn))?,
                Some(Performative::Propose) => self.bid(got, turn)?,
                Some(Performative::Inform) => {
                    self.ended.fetch_add(1, Ordering::Relaxed);
                    self.call(turn)?;
                }
                _ => return Err(Code::UNEXPECTED_ACT),
            }
        }
        Ok(())
    }
}

impl Initiator {
    fn call(&mut self, turn: &mut Turn) -> Result<(), Code> {
        self.next += 1;
        let head = Header {
            performative: Performative::Cfp.code(),
            protocol: self.protocol,
            reply_with: self.next,
            reply_by_ms: turn.now.plus_millis(REPLY_WITHIN_MS).millis(),
            ..Header::default()
        };
        turn.stage(to_all(&self.bidders, Envelope::new(head, self.content.clone()))).map(|_| ())
    }

    fn bid(&mut self, bid: &Envelope, turn: &mut Turn) -> Result<(), Code> {
        let number = bid.head.in_reply_to;
        let bids = self.bids.entry(number).or_default();
        bids.push(bid.head.sender);
        if bids.len() < self.bidders.len() {
            return Ok(());
        }
        let bids = self.bids.remove(&number).unwrap_or_default();
        let Some((winner, losers)) = bids.split_first() else { return Ok(()) };
        let mut accept = answer(bid, Performative::AcceptProposal);
        accept.head.receiver = *winner;
        accept.head.reply_with = number;
        turn.stage(accept)?;
        turn.stage(to_all(losers, answer(bid, Performative::RejectProposal))).map(|_| ())
    }
}

fn answer(asked: &Envelope, act: Performative) -> Envelope {
    let mut answer = message(0, asked.head.sender, act, &asked.content);
    answer.head.conversation = asked.head.conversation;
    answer.head.in_reply_to = asked.head.reply_with;
    answer.head.protocol = asked.head.protocol;
    answer
}

fn to_all(receivers: &[u32], mut message: Envelope) -> Envelope {
    message.head.receiver = 0;
    let extra = Extra { receivers: receivers.to_vec().into(), ..Extra::default() };
    message.extra = ROption::RSome(RArc::new(extra));
    message
}
