//! kameo: actors with bounded mailboxes, `tell` without waiting. Actors have no links and no names.

use kameo::{
    Actor,
    actor::{ActorRef, Spawn},
    mailbox,
    message::{Context, Message},
};
use peers::{
    Arguments, Failure,
    actors::{System, run},
    fail,
    role::{Address, Letter, Role},
};

#[derive(Actor)]
struct Agent(Role<Reference>);

#[derive(Clone)]
struct Reference(ActorRef<Agent>);

impl Message<Letter<Reference>> for Agent {
    type Reply = ();

    async fn handle(&mut self, letter: Letter<Reference>, _: &mut Context<Self, ()>) {
        self.0.take(letter);
    }
}

impl Address for Reference {
    fn tell(&self, letter: Letter<Self>) {
        self.0.tell(letter).try_send().unwrap_or_else(|error| fail(error));
    }
}

struct Kameo;

impl System for Kameo {
    type Address = Reference;

    async fn spawn(&self, _place: usize, mailbox: usize, role: Role<Reference>) -> Reference {
        Reference(Agent::spawn_with_mailbox(Agent(role), mailbox::bounded(mailbox)))
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::read()?;
    // On a worker, as everything that an application starts.
    tokio::spawn(async move { run(&Kameo, &arguments).await }).await??.print_and_exit()
}
