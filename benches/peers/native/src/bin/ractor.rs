//! ractor: actors with unbounded mailboxes, `cast`. Actors have no supervisors and no names. The windows of the workloads
//! bound what waits.

use peers::{
    Arguments, Failure,
    actors::{System, run},
    fail,
    role::{Address, Letter, Role},
};
use ractor::{Actor, ActorProcessingErr, ActorRef};

struct Agent;

#[derive(Clone)]
struct Reference(ActorRef<Letter<Reference>>);

impl Actor for Agent {
    type Msg = Letter<Reference>;
    type State = Role<Reference>;
    type Arguments = Role<Reference>;

    async fn pre_start(
        &self,
        _: ActorRef<Self::Msg>,
        role: Role<Reference>,
    ) -> Result<Role<Reference>, ActorProcessingErr> {
        Ok(role)
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        letter: Self::Msg,
        role: &mut Role<Reference>,
    ) -> Result<(), ActorProcessingErr> {
        role.take(letter);
        Ok(())
    }
}

impl Address for Reference {
    fn tell(&self, letter: Letter<Self>) {
        self.0.cast(letter).unwrap_or_else(|error| fail(error));
    }
}

struct Ractor;

impl System for Ractor {
    type Address = Reference;

    async fn spawn(&self, _place: usize, _mailbox: usize, role: Role<Reference>) -> Reference {
        let (agent, _) = Actor::spawn(None, Agent, role).await.unwrap_or_else(|error| fail(error));
        Reference(agent)
    }

    fn stop(&self, address: Reference) {
        address.0.stop(None);
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::read()?;
    // On a worker, as everything that an application starts.
    tokio::spawn(async move { run(&Ractor, &arguments).await }).await??.print_and_exit()
}
