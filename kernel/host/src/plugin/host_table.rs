//! What a plugin may ask of the server: the table that it receives, over the services that the server implements.
//!
//! The table keeps a panic of the server's own code from crossing into the plugin, and runs control operations inside the
//! server's runtime wherever they are polled: a plugin polls them on threads of its own. Who asks, and what it may, is
//! [`Desk`]'s part.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use caxton_abi::{
    BorrowingFfiFuture, Code, Envelope, Payload, Signal, Uid,
    host::HostV1,
    plugin::{PResult, PluginError},
    port::{AgentEntry, Outcome, RouteUpdate},
    std_types::{
        RResult::{self, RErr, ROk},
        RSlice, RStr, RString, RVec,
    },
};
use caxton_core::{UnderWay, port::EndpointRef, store::Answer};

use super::{Failure, State, desk::Desk};

/// A control operation under way.
pub type Control = Pin<Box<dyn Future<Output = Result<Payload, Failure>> + Send>>;

/// What the server does for plugins. Called from any thread, plugins' own among them; methods must not block and must
/// not call a plugin back while they hold a lock that another of them takes.
pub trait Services: Send + Sync {
    /// Submits messages whose senders were checked; one outcome each, in order.
    fn submit(&self, plugin: &str, batch: Vec<Envelope>) -> Vec<Outcome>;
    /// As [`Services::submit`]; may run an agent on the calling thread, which no port's call of a plugin is on.
    fn submit_and_lend(&self, plugin: &str, batch: Vec<Envelope>) -> Vec<Outcome> {
        self.submit(plugin, batch)
    }
    /// As [`Services::submit`], for messages of any class: the answer is called when those that are durable are on disk.
    fn submit_and_wait(&self, plugin: &str, batch: Vec<Envelope>, answer: Answer);
    /// Claims a name for a plugin's endpoint.
    ///
    /// # Errors
    /// When the name is not valid or is taken.
    fn claim(&self, plugin: &str, name: &str, endpoint: EndpointRef) -> Result<u32, Failure>;
    /// Gives a claimed address back.
    fn release(&self, address: u32);
    /// Claims a name for an agent outside of the server, and tells the router of it.
    ///
    /// # Errors
    /// As for [`Services::claim`], and when its labels are not valid.
    fn attach(&self, plugin: &str, entry: AgentEntry, endpoint: EndpointRef) -> Result<u32, Failure> {
        self.claim(plugin, &entry.name, endpoint)
    }
    /// Changes what the router knows of an address that goes over to the next instance as an attached agent.
    ///
    /// # Errors
    /// When its labels are not valid.
    fn relabel(&self, _address: u32, _entry: AgentEntry) -> Result<(), Failure> {
        Ok(())
    }
    /// Gives the address of an attached agent back; with a code it was lost.
    fn detach(&self, address: u32, _code: Code) {
        self.release(address);
    }
    /// Hands a claimed address to another endpoint of the same plugin.
    fn transfer(&self, address: u32, endpoint: EndpointRef, under_way: UnderWay);
    /// Changes the forwarding table, for a plugin that provides a router.
    fn program(&self, routes: Vec<RouteUpdate>);
    /// The addresses of names, one each; zero when a name is not valid or the table is full.
    fn addresses(&self, names: &[&str]) -> Vec<u32>;
    /// The names of addresses, one each; empty for unknown ones.
    fn names(&self, addresses: &[u32]) -> Vec<String>;
    /// The symbol of a text; zero when the table is full or the text empty.
    fn symbol(&self, text: &str) -> u32;
    /// The texts of symbols, one each; empty for unknown ones.
    fn symbols(&self, symbols: &[u32]) -> Vec<String>;
    /// The platform's name.
    fn platform(&self) -> String;
    /// A fresh id.
    fn mint(&self) -> Uid;
    /// Nanoseconds since the Unix epoch.
    fn now_ns(&self) -> u64;
    /// Records signals.
    fn emit(&self, signals: Vec<Signal>);
    /// The lowest level that is recorded for a target: 1 trace to 5 error, 6 off.
    fn log_level(&self, target: &str) -> u8;
    /// Records a log line of a plugin.
    fn log(&self, plugin: &str, level: u8, target: &str, line: &str, fields: &str);
    /// Runs a control operation. The future is polled inside the server's runtime.
    fn control(&self, plugin: &str, verb: &str, request: Payload) -> Control;
    /// Tells that a plugin took a step of its life cycle.
    fn plugin_state(&self, plugin: &str, state: &State);
}

/// The desk as it crosses the boundary.
pub struct HostTable(pub Arc<Desk>);

fn crossed<T>(result: Option<Result<T, Failure>>) -> PResult<T> {
    match result {
        Some(Ok(value)) => ROk(value),
        Some(Err(failure)) => RErr(failure.into()),
        None => RErr(panicked().into()),
    }
}

fn panicked() -> Failure {
    Failure::new(Code::INTERNAL, "the server panicked in this request")
}

fn append(outcomes: Option<Vec<Outcome>>, count: usize, out: &mut RVec<Outcome>) {
    let refused = Outcome { id: Uid::NONE, code: Code::INTERNAL };
    out.extend(outcomes.unwrap_or_else(|| vec![refused; count]));
}

fn texts(found: Option<Vec<String>>, count: usize, out: &mut RVec<RString>) {
    let mut found = found.unwrap_or_default();
    found.resize(count, String::new());
    out.extend(found.into_iter().map(RString::from));
}

impl HostV1 for HostTable {
    fn submit(&self, batch: RVec<Envelope>, out: &mut RVec<Outcome>) {
        let count = batch.len();
        let outcomes = self.0.guarded("submit", || self.0.submit(batch.into_vec()));
        append(outcomes, count, out);
    }

    fn submit_and_lend(&self, batch: RVec<Envelope>, out: &mut RVec<Outcome>) {
        let count = batch.len();
        let outcomes = self.0.guarded("submit", || self.0.submit_and_lend(batch.into_vec()));
        append(outcomes, count, out);
    }

    fn claim(&self, name: RStr<'_>) -> RResult<u32, PluginError> {
        crossed(self.0.guarded("claim", || self.0.claim(name.as_str())))
    }

    fn release(&self, address: u32) {
        self.0.guarded("release", || self.0.release(address));
    }

    fn attach(&self, entry: AgentEntry) -> RResult<u32, PluginError> {
        crossed(self.0.guarded("attach", || self.0.attach(entry)))
    }

    fn detach(&self, address: u32, code: Code) {
        self.0.guarded("detach", || self.0.detach(address, code));
    }

    fn program(&self, routes: RVec<RouteUpdate>) {
        self.0.guarded("program", || self.0.program(routes.into_vec()));
    }

    fn addresses(&self, names: RSlice<'_, RStr<'_>>, out: &mut RVec<u32>) {
        let asked: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
        let found = self.0.guarded("addresses", || self.0.services.addresses(&asked));
        let mut found = found.unwrap_or_default();
        found.resize(names.len(), 0);
        out.extend(found);
    }

    fn names(&self, addresses: RSlice<'_, u32>, out: &mut RVec<RString>) {
        let found = self.0.guarded("names", || self.0.services.names(addresses.as_slice()));
        texts(found, addresses.len(), out);
    }

    fn symbol(&self, text: RStr<'_>) -> u32 {
        self.0.guarded("symbol", || self.0.services.symbol(text.as_str())).unwrap_or_default()
    }

    fn symbols(&self, symbols: RSlice<'_, u32>, out: &mut RVec<RString>) {
        let found = self.0.guarded("symbols", || self.0.services.symbols(symbols.as_slice()));
        texts(found, symbols.len(), out);
    }

    fn platform(&self) -> RString {
        self.0.guarded("platform", || self.0.services.platform()).unwrap_or_default().into()
    }

    fn mint(&self) -> Uid {
        self.0.guarded("mint", || self.0.services.mint()).unwrap_or_default()
    }

    fn now_ns(&self) -> u64 {
        self.0.guarded("now_ns", || self.0.services.now_ns()).unwrap_or_default()
    }

    fn emit(&self, signals: RVec<Signal>) {
        self.0.guarded("emit", || self.0.services.emit(signals.into_vec()));
    }

    fn log_level(&self, target: RStr<'_>) -> u8 {
        self.0.guarded("log_level", || self.0.services.log_level(target.as_str())).unwrap_or(6)
    }

    fn log(&self, level: u8, target: RStr<'_>, line: RStr<'_>, fields: RStr<'_>) {
        self.0.guarded("log", || {
            let [target, line, fields] = [&target, &line, &fields].map(|text| text.as_str());
            self.0.services.log(self.0.fence.name(), level, target, line, fields);
        });
    }

    fn report_fatal(&self, error: PluginError) {
        self.0.guarded("report_fatal", || self.0.fence.fail(&Failure::from(error)));
    }

    fn invoke<'a>(&'a self, verb: RString, request: Payload) -> BorrowingFfiFuture<'a, PResult<Payload>> {
        let _entered = self.0.handle.enter();
        let control =
            self.0.guarded("invoke", || self.0.services.control(self.0.fence.name(), verb.as_str(), request));
        BorrowingFfiFuture::new(Served { desk: self.0.clone(), control })
    }

    fn submit_and_wait<'a>(&'a self, batch: RVec<Envelope>) -> BorrowingFfiFuture<'a, RVec<Outcome>> {
        let count = batch.len();
        let waiting = self.0.guarded("submit_and_wait", || self.0.submit_and_wait(batch.into_vec()));
        BorrowingFfiFuture::new(async move {
            match waiting {
                Some(outcomes) => outcomes.await.into(),
                None => vec![Outcome { id: Uid::NONE, code: Code::INTERNAL }; count].into(),
            }
        })
    }
}

/// A control operation that runs inside the server's runtime on every poll and on drop; a panic in it is answered.
struct Served {
    desk: Arc<Desk>,
    control: Option<Control>,
}

impl Served {
    fn discard(&mut self) {
        let control = self.control.take();
        let _entered = self.desk.handle.enter();
        self.desk.guarded("invoke", || drop(control));
    }
}

impl Future for Served {
    type Output = PResult<Payload>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<PResult<Payload>> {
        let this = &mut *self;
        let Some(control) = this.control.as_mut() else {
            return Poll::Ready(RErr(panicked().into()));
        };
        let entered = this.desk.handle.enter();
        let polled = this.desk.guarded("invoke", || control.as_mut().poll(context));
        drop(entered);
        let result = match polled {
            Some(Poll::Pending) => return Poll::Pending,
            Some(Poll::Ready(result)) => Some(result),
            None => None,
        };
        this.discard();
        Poll::Ready(crossed(result))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.discard();
    }
}

#[cfg(test)]
mod tests {
    use caxton_abi::{host::HostBox, object};

    use super::*;
    use crate::plugin::{fence::Fence, recorder::Recorder};

    fn table() -> HostBox {
        table_of(&Arc::new(Recorder::default()))
    }

    fn table_of(recorder: &Arc<Recorder>) -> HostBox {
        let recorder = Arc::clone(recorder);
        let fence = Arc::new(Fence::new("sample", recorder.clone()));
        let handle = Recorder::runtime().handle().clone();
        object::host(HostTable(Arc::new(Desk::new(recorder, fence, handle, false, 1))))
    }

    /// Polls on a thread that knows no runtime, as a plugin's threads do.
    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        let mut context = Context::from_waker(std::task::Waker::noop());
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return value;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_control_operation_runs_in_the_servers_runtime_wherever_it_is_polled() {
        let answer = block_on(table().invoke("agents.list".into(), Payload::from(vec![1])));
        assert_eq!(answer.unwrap().as_slice(), [1]);
    }

    #[test]
    fn a_panic_of_a_control_operation_is_answered() {
        let error = block_on(table().invoke("panic".into(), Payload::EMPTY)).unwrap_err();
        assert_eq!(error.code, Code::INTERNAL);
    }

    #[test]
    fn a_panic_of_the_server_does_not_cross() {
        let mut names = RVec::new();
        table().names(RSlice::from_slice(&[1, 2]), &mut names);
        assert_eq!(names.as_slice(), ["", ""]);
    }

    #[test]
    fn a_short_answer_is_filled_up() {
        let mut addresses = RVec::new();
        let asked = [RStr::from_str("a"), RStr::from_str("b")];
        table().addresses(RSlice::from_slice(&asked), &mut addresses);
        assert_eq!(addresses.as_slice(), [7, 0]);
    }

    /// A message in the name of an address that nobody claimed.
    fn forged() -> RVec<Envelope> {
        let head = caxton_abi::Header { sender: 5, ..Default::default() };
        RVec::from(vec![Envelope::new(head, Payload::EMPTY)])
    }

    #[test]
    fn a_submission_waits_until_it_is_answered() {
        let recorder = Arc::new(Recorder::default());
        let table = table_of(&recorder);
        let mut waiting = std::pin::pin!(table.submit_and_wait(forged()));
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        recorder.answer();
        let outcomes = block_on(waiting);
        assert_eq!(outcomes.as_slice(), [Outcome { id: Uid::NONE, code: Code::SENDER_FORGED }]);
        assert!(recorder.senders().is_empty());
    }

    #[test]
    fn who_gave_a_submission_up_leaves_nothing_behind() {
        let recorder = Arc::new(Recorder::default());
        let table = table_of(&recorder);
        drop(table.submit_and_wait(forged()));
        recorder.answer();
        assert_eq!(Arc::strong_count(&recorder), 3);
    }
}
