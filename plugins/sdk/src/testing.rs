//! A server in memory for a plugin's unit tests: records what the plugin does, answers what the test says.
//!
//! ```
//! use caxton_plugin::{Envelope, Header, Payload, testing::FakeHost};
//!
//! let fake = FakeHost::new();
//! let host = fake.host();
//! let address = host.claim("echo").unwrap();
//! host.submit(vec![Envelope::new(Header::default(), Payload::from(b"hi".as_slice()))]);
//! assert_eq!(fake.take_submitted()[0].head.sender, address);
//! ```

use std::{
    collections::{BTreeMap, VecDeque},
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use caxton_abi::{
    BorrowingFfiFuture, Code, Envelope, Payload, Signal, Uid, class,
    host::HostV1,
    object,
    plugin::{PResult, PluginError},
    port::{Outcome, RouteUpdate},
    std_types::{
        RResult::{self, RErr, ROk},
        RSlice, RStr, RString, RVec,
    },
};
use serde_json::Value;

use crate::{Error, Host};

/// The platform's name of every [`FakeHost`].
pub const PLATFORM: &str = "test";
/// Where the clock of a [`FakeHost`] begins: 2026-01-01T00:00:00Z in milliseconds.
pub const START_MS: u64 = 1_767_225_600_000;

/// A server in memory. Clones share their state.
#[derive(Clone, Default)]
pub struct FakeHost {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    now_ms: u64,
    minted: u64,
    names: Vec<String>,
    symbols: Vec<String>,
    name_queries: usize,
    claimed: Vec<u32>,
    refusals: VecDeque<Code>,
    submitted: Vec<Envelope>,
    programmed: Vec<RouteUpdate>,
    signals: Vec<Signal>,
    lines: Vec<LogLine>,
    muted: Vec<String>,
    fatal: Vec<Error>,
    answers: BTreeMap<String, Result<Value, Error>>,
    /// Answers that are given once each, before those above.
    queued: BTreeMap<String, VecDeque<Value>>,
    invocations: Vec<(String, String)>,
}

/// A log line that reached the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// 1 trace to 5 error.
    pub level: u8,
    /// The module that wrote it.
    pub target: String,
    /// The text.
    pub line: String,
    /// A JSON object, or empty.
    pub fields: String,
}

impl FakeHost {
    /// Makes a server on platform [`PLATFORM`] whose clock stands at [`START_MS`].
    pub fn new() -> Self {
        let fake = Self::default();
        fake.lock().now_ms = START_MS;
        fake
    }

    /// What a plugin is created with.
    pub fn host(&self) -> Host {
        Host::new(self.boxed())
    }

    /// The same as it crosses the boundary.
    pub fn boxed(&self) -> caxton_abi::host::HostBox {
        object::host(self.clone())
    }

    /// Moves the clock on.
    pub fn advance_ms(&self, millis: u64) {
        self.lock().now_ms += millis;
    }

    /// Refuses the next message with the code; several calls queue up, one message each. `Code::NONE` accepts one.
    pub fn refuse_next(&self, code: Code) {
        self.lock().refusals.push_back(code);
    }

    /// Answers a control operation from now on.
    pub fn answer(&self, verb: &str, answer: Value) {
        self.lock().answers.insert(verb.to_owned(), Ok(answer));
    }

    /// Answers a control operation with each of these once, in order, and then never again: it waits for ever.
    pub fn answer_once_each(&self, verb: &str, answers: impl IntoIterator<Item = Value>) {
        self.lock().queued.entry(verb.to_owned()).or_default().extend(answers);
    }

    /// Fails a control operation from now on.
    pub fn fail(&self, verb: &str, error: Error) {
        self.lock().answers.insert(verb.to_owned(), Err(error));
    }

    /// Takes the messages accepted so far, in order.
    pub fn take_submitted(&self) -> Vec<Envelope> {
        std::mem::take(&mut self.lock().submitted)
    }

    /// Takes the forwarding changes so far, in order.
    pub fn take_programmed(&self) -> Vec<RouteUpdate> {
        std::mem::take(&mut self.lock().programmed)
    }

    /// The signals recorded so far.
    pub fn signals(&self) -> Vec<Signal> {
        self.lock().signals.clone()
    }

    /// The log lines so far.
    pub fn lines(&self) -> Vec<LogLine> {
        self.lock().lines.clone()
    }

    /// Records no more lines of a target.
    pub fn mute(&self, target: &str) {
        self.lock().muted.push(target.to_owned());
    }

    /// The names that are claimed now.
    pub fn claimed(&self) -> Vec<String> {
        let state = self.lock();
        state.claimed.iter().map(|address| state.name(*address)).collect()
    }

    /// The fatal errors reported so far.
    pub fn fatal_errors(&self) -> Vec<Error> {
        self.lock().fatal.clone()
    }

    /// The control operations so far: verb and request.
    pub fn invocations(&self) -> Vec<(String, String)> {
        self.lock().invocations.clone()
    }

    /// How often names of addresses were asked for.
    pub fn name_queries(&self) -> usize {
        self.lock().name_queries
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn mint(&mut self) -> Uid {
        self.minted += 1;
        Uid { hi: 0x0190_0000_0000_7000, lo: 0x8000_0000_0000_0000 | self.minted }
    }

    fn address(&mut self, name: &str) -> u32 {
        if name.is_empty() || name.contains([' ', '(', ')']) {
            return 0;
        }
        let full = if name.contains(['@', ':']) { name.to_owned() } else { format!("{name}@{PLATFORM}") };
        intern(&mut self.names, &full)
    }

    fn name(&self, address: u32) -> String {
        text_of(&self.names, address)
    }

    /// Takes a message, or refuses it; one that is durable only from a caller that waits.
    fn accept(&mut self, mut envelope: Envelope, waits: bool) -> Outcome {
        if envelope.head.class == class::DURABLE && !waits {
            return Outcome { id: envelope.head.id, code: Code::CLASS_NEEDS_WAIT };
        }
        let code = self.refusals.pop_front().unwrap_or_default();
        if !code.is_none() {
            return Outcome { id: Uid::NONE, code };
        }
        match (self.claimed.as_slice(), envelope.head.sender) {
            ([only], 0) => envelope.head.sender = *only,
            (claimed, sender) if claimed.contains(&sender) => {}
            _ => return Outcome { id: Uid::NONE, code: Code::SENDER_FORGED },
        }
        if envelope.head.id.is_none() {
            envelope.head.id = self.mint();
        }
        let id = envelope.head.id;
        self.submitted.push(envelope);
        Outcome { id, code }
    }
}

fn intern(texts: &mut Vec<String>, text: &str) -> u32 {
    let index = texts.iter().position(|known| known == text).unwrap_or_else(|| {
        texts.push(text.to_owned());
        texts.len() - 1
    });
    index as u32 + 1
}

fn text_of(texts: &[String], number: u32) -> String {
    let index = (number as usize).wrapping_sub(1);
    texts.get(index).cloned().unwrap_or_default()
}

impl HostV1 for FakeHost {
    fn submit(&self, batch: RVec<Envelope>, out: &mut RVec<Outcome>) {
        let mut state = self.lock();
        out.extend(batch.into_iter().map(|envelope| state.accept(envelope, false)));
    }

    fn submit_and_wait<'a>(&'a self, batch: RVec<Envelope>) -> BorrowingFfiFuture<'a, RVec<Outcome>> {
        let mut state = self.lock();
        let outcomes = batch.into_iter().map(|envelope| state.accept(envelope, true)).collect();
        BorrowingFfiFuture::new(std::future::ready(outcomes))
    }

    fn claim(&self, name: RStr<'_>) -> RResult<u32, PluginError> {
        let mut state = self.lock();
        match state.address(name.as_str()) {
            0 => RErr(Error::new(Code::NAME_INVALID, format!("not a name: `{name}`")).into()),
            address => {
                state.claimed.push(address);
                ROk(address)
            }
        }
    }

    fn release(&self, address: u32) {
        self.lock().claimed.retain(|claimed| *claimed != address);
    }

    fn program(&self, routes: RVec<RouteUpdate>) {
        self.lock().programmed.extend(routes);
    }

    fn addresses(&self, names: RSlice<'_, RStr<'_>>, out: &mut RVec<u32>) {
        let mut state = self.lock();
        out.extend(names.iter().map(|name| state.address(name.as_str())));
    }

    fn names(&self, addresses: RSlice<'_, u32>, out: &mut RVec<RString>) {
        let mut state = self.lock();
        state.name_queries += 1;
        out.extend(addresses.iter().map(|address| RString::from(state.name(*address))));
    }

    fn symbol(&self, text: RStr<'_>) -> u32 {
        if text.is_empty() {
            return 0;
        }
        intern(&mut self.lock().symbols, text.as_str())
    }

    fn symbols(&self, symbols: RSlice<'_, u32>, out: &mut RVec<RString>) {
        let state = self.lock();
        out.extend(symbols.iter().map(|symbol| RString::from(text_of(&state.symbols, *symbol))));
    }

    fn platform(&self) -> RString {
        PLATFORM.into()
    }

    fn mint(&self) -> Uid {
        self.lock().mint()
    }

    fn now_ns(&self) -> u64 {
        self.lock().now_ms * 1_000_000
    }

    fn emit(&self, signals: RVec<Signal>) {
        self.lock().signals.extend(signals);
    }

    fn log_level(&self, target: RStr<'_>) -> u8 {
        if self.lock().muted.iter().any(|muted| muted == target.as_str()) { 6 } else { 1 }
    }

    fn log(&self, level: u8, target: RStr<'_>, line: RStr<'_>, fields: RStr<'_>) {
        let [target, line, fields] = [target, line, fields].map(|text| text.as_str().to_owned());
        self.lock().lines.push(LogLine { level, target, line, fields });
    }

    fn report_fatal(&self, error: PluginError) {
        self.lock().fatal.push(error.into());
    }

    fn invoke<'a>(&'a self, verb: RString, request: Payload) -> BorrowingFfiFuture<'a, PResult<Payload>> {
        let mut state = self.lock();
        let text = String::from_utf8_lossy(request.as_slice()).into_owned();
        state.invocations.push((verb.as_str().to_owned(), text));
        if let Some(queue) = state.queued.get_mut(verb.as_str()) {
            return match queue.pop_front() {
                Some(answer) => {
                    BorrowingFfiFuture::new(std::future::ready(ROk(Payload::from(answer.to_string()))))
                }
                None => BorrowingFfiFuture::new(std::future::pending()),
            };
        }
        let answer = state
            .answers
            .get(verb.as_str())
            .cloned()
            .unwrap_or_else(|| Err(Error::unknown_verb(verb.as_str())));
        let result = answer.map(|answer| Payload::from(answer.to_string()));
        BorrowingFfiFuture::new(std::future::ready(match result {
            Ok(answer) => ROk(answer),
            Err(error) => RErr(error.into()),
        }))
    }
}

/// Runs a future to its end on this thread; for tests of methods that return futures.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
