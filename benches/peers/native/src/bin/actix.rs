//! actix: actors bound to an arbiter's thread, `do_send`, which does not heed the mailbox's bound; the windows of the
//! workloads do. There is an arbiter for each core. Agents that talk with each other share one, which is in actix's favour:
//! in pairs nothing crosses threads.

use std::thread;

use actix::{Actor, Addr, Arbiter, Context, Handler, Message, System as Runtime};
use peers::{
    Arguments, Failure,
    actors::{System, run},
    role::{Address, Letter, Role},
};

struct Agent(Role<Reference>);

impl Actor for Agent {
    type Context = Context<Self>;
}

#[derive(Clone)]
struct Reference(Addr<Agent>);

struct Post(Letter<Reference>);

impl Message for Post {
    type Result = ();
}

impl Handler<Post> for Agent {
    type Result = ();

    fn handle(&mut self, Post(letter): Post, _: &mut Context<Self>) {
        self.0.take(letter);
    }
}

impl Address for Reference {
    fn tell(&self, letter: Letter<Self>) {
        self.0.do_send(Post(letter));
    }
}

struct Actix(Vec<Arbiter>);

impl System for Actix {
    type Address = Reference;

    async fn spawn(&self, place: usize, mailbox: usize, role: Role<Reference>) -> Reference {
        let arbiter = &self.0[place % self.0.len()];
        Reference(Agent::start_in_arbiter(&arbiter.handle(), move |context| {
            context.set_mailbox_capacity(mailbox);
            Agent(role)
        }))
    }
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::read()?;
    let runtime = Runtime::new();
    let cores = thread::available_parallelism()?.get();
    let measured = runtime.block_on(async {
        let arbiters = (0..cores).map(|_| Arbiter::new()).collect();
        run(&Actix(arbiters), &arguments).await
    });
    measured?.print_and_exit()
}
