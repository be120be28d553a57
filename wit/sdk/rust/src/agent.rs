//! An agent and how turns reach it: messages that answer a question resume it, all others begin a task.

use std::{cell::RefCell, future::Future, marker::PhantomData, pin::Pin, rc::Rc};

use serde::de::DeserializeOwned;

use crate::{
    AgentRef, Fault, Message, Performative, Reason,
    bindings::{caxton::agent::types as wire, exports::caxton::agent as exports},
    executor, log, names,
};

/// An instance's beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The agent's own number.
    pub agent: AgentRef,
    /// Its configuration as it was deployed.
    pub config: Vec<u8>,
    /// How many instances it had before this one.
    pub restarts: u32,
}

impl Start {
    /// Reads the configuration as JSON; an empty one reads as `{}`, so that defaults apply.
    ///
    /// # Errors
    /// A permanent fault `config-unreadable`, which fails the deployment if `init` returns it.
    pub fn config<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        let config: &[u8] = if self.config.is_empty() { b"{}" } else { &self.config };
        serde_json::from_slice(config).map_err(|error| {
            Fault::permanent("config-unreadable", format_args!("the agent's configuration: {error}"))
        })
    }
}

/// What an agent is. `handle` runs once for each message that no question waits for; many may run at once, each up to
/// its next `await`, so state that changes stands in a `Cell` or `RefCell` that is not held across an `await`.
pub trait Agent: Sized + 'static {
    /// Begins an instance. Called once; sends nothing that another agent answers before the deployment is done.
    ///
    /// # Errors
    /// A fault fails the deployment.
    fn init(start: Start) -> Result<Self, Fault>;

    /// Handles a message. It may await answers and times of later turns.
    ///
    /// # Errors
    /// A fault is logged and answered with a `failure` (a call for proposals with a `refuse`) if the message expects an
    /// answer. What was sent before the fault stays sent; a panic instead drops the whole turn.
    fn handle(&self, message: Message) -> impl Future<Output = Result<(), Fault>>;
}

/// The exports of the world, for one kind of agent. [`export!`](crate::export) names it.
pub struct Component<A>(PhantomData<A>);

impl<A: Agent> exports::lifecycle::Guest for Component<A> {
    fn init(start: exports::lifecycle::Start) -> Result<(), wire::Fault> {
        let start = Start { agent: start.self_, config: start.config, restarts: start.restarts };
        begin::<A>(start).map_err(Fault::into_wire)
    }
}

impl<A: Agent> exports::handler::Guest for Component<A> {
    fn handle(batch: Vec<wire::Message>) -> Result<(), wire::Fault> {
        turn(batch.into_iter().map(Message::new));
        Ok(())
    }
}

impl<A: Agent> exports::timers::Guest for Component<A> {
    fn on_timer(token: u32) -> Result<(), wire::Fault> {
        timer(token);
        Ok(())
    }
}

trait Handles {
    fn handle_boxed(self: Rc<Self>, message: Message) -> Pin<Box<dyn Future<Output = ()>>>;
}

impl<A: Agent> Handles for A {
    fn handle_boxed(self: Rc<Self>, message: Message) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move {
            let card = Card::of(&message);
            if let Err(fault) = self.handle(message).await {
                card.answer(fault);
            }
        })
    }
}

thread_local! {
    static AGENT: RefCell<Option<Rc<dyn Handles>>> = const { RefCell::new(None) };
}

pub(crate) fn begin<A: Agent>(start: Start) -> Result<(), Fault> {
    names::forget();
    executor::reset();
    let agent: Rc<dyn Handles> = Rc::new(A::init(start)?);
    AGENT.set(Some(agent));
    executor::run();
    executor::arm();
    Ok(())
}

pub(crate) fn turn(batch: impl Iterator<Item = Message>) {
    for message in batch {
        if let Some(message) = executor::route(message) {
            start(message);
        }
        executor::run();
    }
    executor::arm();
}

pub(crate) fn timer(token: u32) {
    if token == executor::TIMER_TOKEN {
        executor::ring();
        executor::run();
    }
    executor::arm();
}

fn start(message: Message) {
    let Some(agent) = AGENT.with_borrow(Clone::clone) else { return };
    match executor::room() {
        Ok(()) => executor::begin(agent.handle_boxed(message)),
        Err(fault) => Card::of(&message).answer(fault),
    }
}

/// What is needed to answer a message that was given away: the message without its content.
struct Card(Message);

impl Card {
    fn of(message: &Message) -> Self {
        Self(message.head())
    }

    fn answer(self, fault: Fault) {
        log::warn(format_args!("a message was not handled: {fault}"));
        let act = match self.0.performative() {
            _ if self.0.is_answer() => return,
            Performative::Cfp => Performative::Refuse,
            _ => Performative::Failure,
        };
        if let Err(fault) = self.0.reply(act).reason(&Reason::from(fault)).send() {
            log::error(format_args!("the fault could not be reported to the sender: {fault}"));
        }
    }
}
