//! Services for unit tests: they write down what they are asked.

use std::sync::{Mutex, OnceLock};

use caxton_abi::{
    Code, Envelope, Payload, Signal, Uid,
    port::{Outcome, RouteUpdate},
};
use caxton_core::{UnderWay, port::EndpointRef, store::Answer};
use tokio::runtime::{Builder, Runtime};

use super::{Failure, Services, State, host_table::Control};

/// Services that write down what they are asked.
#[derive(Default)]
pub(super) struct Recorder {
    claimed: Mutex<Vec<String>>,
    released: Mutex<Vec<u32>>,
    detached: Mutex<Vec<(u32, Code)>>,
    transferred: Mutex<Vec<u32>>,
    next_address: Mutex<u32>,
    senders: Mutex<Vec<u32>>,
    lent: Mutex<usize>,
    programmed: Mutex<usize>,
    answers: Mutex<Vec<(usize, Answer)>>,
    states: Mutex<Vec<String>>,
}

impl Recorder {
    pub(super) fn runtime() -> &'static Runtime {
        static RUNTIME: OnceLock<Runtime> = OnceLock::new();
        RUNTIME.get_or_init(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap())
    }
    pub(super) fn states(&self) -> Vec<String> {
        self.states.lock().unwrap().clone()
    }
    pub(super) fn senders(&self) -> Vec<u32> {
        self.senders.lock().unwrap().clone()
    }
    /// Submissions on threads that were lent.
    pub(super) fn lent(&self) -> usize {
        *self.lent.lock().unwrap()
    }
    pub(super) fn released(&self) -> Vec<u32> {
        self.released.lock().unwrap().clone()
    }
    /// Ends what waits: as many good outcomes as messages.
    pub(super) fn answer(&self) {
        for (count, answer) in std::mem::take(&mut *self.answers.lock().unwrap()) {
            answer(vec![Outcome::default(); count]);
        }
    }
    /// Forgets who waits, as a server that ends does.
    pub(super) fn forget(&self) {
        self.answers.lock().unwrap().clear();
    }
    pub(super) fn detached(&self) -> Vec<(u32, Code)> {
        self.detached.lock().unwrap().clone()
    }
    pub(super) fn transferred(&self) -> Vec<u32> {
        self.transferred.lock().unwrap().clone()
    }
    /// What [`Services::addresses`] answers from now on.
    pub(super) fn next_address(&self, address: u32) {
        *self.next_address.lock().unwrap() = address;
    }
    pub(super) fn programmed(&self) -> usize {
        *self.programmed.lock().unwrap()
    }
}

impl Services for Recorder {
    fn submit(&self, _plugin: &str, batch: Vec<Envelope>) -> Vec<Outcome> {
        self.senders.lock().unwrap().extend(batch.iter().map(|envelope| envelope.head.sender));
        vec![Outcome::default(); batch.len()]
    }
    fn submit_and_lend(&self, plugin: &str, batch: Vec<Envelope>) -> Vec<Outcome> {
        *self.lent.lock().unwrap() += 1;
        self.submit(plugin, batch)
    }
    fn submit_and_wait(&self, plugin: &str, batch: Vec<Envelope>, answer: Answer) {
        let outcomes = self.submit(plugin, batch);
        self.answers.lock().unwrap().push((outcomes.len(), answer));
    }
    fn claim(&self, _: &str, name: &str, _: EndpointRef) -> Result<u32, Failure> {
        let mut claimed = self.claimed.lock().unwrap();
        claimed.push(name.to_owned());
        Ok(claimed.len() as u32 * 10)
    }
    fn release(&self, address: u32) {
        self.released.lock().unwrap().push(address);
    }
    fn detach(&self, address: u32, code: Code) {
        self.detached.lock().unwrap().push((address, code));
    }
    fn transfer(&self, address: u32, _: EndpointRef, _: UnderWay) {
        self.transferred.lock().unwrap().push(address);
    }
    fn program(&self, routes: Vec<RouteUpdate>) {
        *self.programmed.lock().unwrap() += routes.len();
    }
    fn addresses(&self, names: &[&str]) -> Vec<u32> {
        match *self.next_address.lock().unwrap() {
            0 => vec![7; names.len() / 2],
            next => vec![next; names.len()],
        }
    }
    fn names(&self, _: &[u32]) -> Vec<String> {
        panic!("the table of names")
    }
    fn symbol(&self, text: &str) -> u32 {
        text.len() as u32
    }
    fn symbols(&self, symbols: &[u32]) -> Vec<String> {
        symbols.iter().map(ToString::to_string).collect()
    }
    fn platform(&self) -> String {
        "test".to_owned()
    }
    fn mint(&self) -> Uid {
        Uid { hi: 1, lo: 2 }
    }
    fn now_ns(&self) -> u64 {
        5
    }
    fn emit(&self, _: Vec<Signal>) {}
    fn log_level(&self, _: &str) -> u8 {
        3
    }
    fn log(&self, _: &str, _: u8, _: &str, _: &str, _: &str) {}
    fn control(&self, _: &str, verb: &str, request: Payload) -> Control {
        let verb = verb.to_owned();
        Box::pin(async move {
            tokio::task::yield_now().await;
            // Fails outside the server's runtime.
            let task = tokio::spawn(async move { request });
            match verb.as_str() {
                "panic" => panic!("in control"),
                _ => task.await.map_err(|_| Failure::new(Code::INTERNAL, "task")),
            }
        })
    }
    fn plugin_state(&self, plugin: &str, state: &State) {
        self.states.lock().unwrap().push(format!("{plugin} {}", state.as_str()));
    }
}
