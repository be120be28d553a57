//! Bare tokio tasks behind bounded channels: no actor framework at all, the least that a message between two tasks costs.
//! There is no supervision, no registry and no lifecycle.

use peers::{
    Arguments, Failure,
    actors::{System, run},
    fail,
    role::{Address, Letter, Role},
};
use tokio::sync::mpsc;

#[derive(Clone)]
struct Task(mpsc::Sender<Letter<Task>>);

impl Address for Task {
    fn tell(&self, letter: Letter<Self>) {
        self.0.try_send(letter).unwrap_or_else(|error| fail(error));
    }
}

struct Tasks;

impl System for Tasks {
    type Address = Task;

    async fn spawn(&self, _place: usize, mailbox: usize, mut role: Role<Task>) -> Task {
        let (sender, mut letters) = mpsc::channel(mailbox);
        tokio::spawn(async move {
            while let Some(letter) = letters.recv().await {
                role.take(letter);
            }
        });
        Task(sender)
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::read()?;
    // On a worker, as everything that an application starts.
    tokio::spawn(async move { run(&Tasks, &arguments).await }).await??.print_and_exit()
}
