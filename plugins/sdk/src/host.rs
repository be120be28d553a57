//! The server as a plugin's author sees it: one cheap handle, usable from any thread.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, RwLock},
};

use caxton_abi::{
    Envelope, Payload, Signal, Uid,
    host::HostBox,
    port::{AgentEntry, Outcome, RouteUpdate},
    std_types::{RSlice, RStr, RString, RVec},
};
use serde::Serialize;
use serde_json::Value;

use crate::Error;

/// Most texts that each cache of a [`Host`] keeps; a full cache is emptied. About 4 MB with names of 60 bytes.
pub const TEXTS_CACHED_MAX: usize = 65_536;

/// The server. Cloning counts a reference; methods never block unless they return a future.
#[derive(Clone)]
pub struct Host {
    shared: Arc<Shared>,
}

struct Shared {
    host: HostBox,
    platform: String,
    names: Texts,
    symbols: Texts,
}

/// A bounded cache from number to text. Numbers are never given to another text while the server runs.
#[derive(Default)]
struct Texts(RwLock<HashMap<u32, Arc<str>>>);

impl Texts {
    fn get(&self, number: u32) -> Option<Arc<str>> {
        self.0.read().ok()?.get(&number).cloned()
    }

    /// Keeps a text; the empty text means unknown and is not kept.
    fn keep(&self, number: u32, text: &str) {
        let Ok(mut texts) = self.0.write() else { return };
        if text.is_empty() {
            return;
        }
        if texts.len() >= TEXTS_CACHED_MAX {
            texts.clear();
        }
        texts.insert(number, text.into());
    }

    fn read(&self, number: u32, ask: impl FnOnce(RSlice<'_, u32>, &mut RVec<RString>)) -> String {
        if number == 0 {
            return String::new();
        }
        if let Some(text) = self.get(number) {
            return text.as_ref().to_owned();
        }
        let mut found = RVec::with_capacity(1);
        ask(RSlice::from_slice(&[number]), &mut found);
        let text: String = found.into_iter().next().map(Into::into).unwrap_or_default();
        self.keep(number, &text);
        text
    }
}

impl Host {
    /// Wraps what the server gave.
    pub fn new(host: HostBox) -> Self {
        let platform = host.platform().into();
        let (names, symbols) = (Texts::default(), Texts::default());
        Self { shared: Arc::new(Shared { host, platform, names, symbols }) }
    }

    /// Submits messages, in order, from addresses that this plugin claimed; answers with one outcome each. A sender of
    /// zero is stamped when exactly one address is claimed; another's address is refused
    /// ([`Code::SENDER_FORGED`](caxton_abi::Code::SENDER_FORGED)). Batches are cheaper than single messages.
    pub fn submit(&self, batch: Vec<Envelope>) -> Vec<Outcome> {
        let mut outcomes = RVec::with_capacity(batch.len());
        self.shared.host.submit(batch.into(), &mut outcomes);
        outcomes.into_vec()
    }

    /// As [`Host::submit`], and lends this thread to the server: it may run a short turn of an agent that the batch found
    /// idle, and call `deliver` with its answer, before it returns. So an answer may be there at once and no other thread
    /// was woken for it. For who waits for the answer; do not hold a lock that `deliver` takes. One thread of a plugin's
    /// runtime is never lent.
    pub fn submit_and_lend(&self, batch: Vec<Envelope>) -> Vec<Outcome> {
        let mut outcomes = RVec::with_capacity(batch.len());
        self.shared.host.submit_and_lend(batch.into(), &mut outcomes);
        outcomes.into_vec()
    }

    /// As [`Host::submit`], for messages of any class: answers when those that are durable
    /// ([`class::DURABLE`](caxton_abi::class::DURABLE)) are on disk.
    pub async fn submit_and_wait(&self, batch: Vec<Envelope>) -> Vec<Outcome> {
        self.shared.host.submit_and_wait(batch.into()).await.into_vec()
    }

    /// Claims a name, `local` or `local@platform`, for the endpoint port and returns its address.
    ///
    /// # Errors
    /// When the name is not valid, is taken, or the table of names is full.
    pub fn claim(&self, name: &str) -> Result<u32, Error> {
        self.shared.host.claim(RStr::from_str(name)).into_result().map_err(Error::from)
    }

    /// Gives a claimed address back; messages that still wait for it become dead letters.
    pub fn release(&self, address: u32) {
        self.shared.host.release(address);
    }

    /// Changes the forwarding table; for routers.
    pub fn program(&self, routes: Vec<RouteUpdate>) {
        self.shared.host.program(routes.into());
    }

    /// The address of a name; `None` when the name is not valid or the table of names is full.
    pub fn address(&self, name: &str) -> Option<u32> {
        self.addresses(&[name]).into_iter().next().filter(|address| *address != 0)
    }

    /// The addresses of names, one each; zero when the name is not valid or the table of names is full.
    pub fn addresses(&self, names: &[&str]) -> Vec<u32> {
        let names: Vec<RStr<'_>> = names.iter().map(|name| RStr::from_str(name)).collect();
        let mut found = RVec::with_capacity(names.len());
        self.shared.host.addresses(RSlice::from_slice(&names), &mut found);
        found.into_vec()
    }

    /// Claims the name of an agent outside of the server; the router learns its capabilities and groups.
    ///
    /// # Errors
    /// As for [`Host::claim`].
    pub fn attach(&self, name: &str, capabilities: &[String], groups: &[String]) -> Result<u32, Error> {
        let texts = |list: &[String]| list.iter().map(|text| text.as_str().into()).collect();
        let entry = AgentEntry {
            address: 0,
            name: name.into(),
            capabilities: texts(capabilities),
            groups: texts(groups),
            present: true,
        };
        self.shared.host.attach(entry).into_result().map_err(Error::from)
    }

    /// Gives the name of an attached agent back. With a code it was lost, and what it promised is void; with
    /// [`Code::NONE`](caxton_abi::Code::NONE) it left by itself.
    pub fn detach(&self, address: u32, code: caxton_abi::Code) {
        self.shared.host.detach(address, code);
    }

    /// The name of an address; empty for an unknown one. Cached.
    pub fn name(&self, address: u32) -> String {
        let host = &self.shared.host;
        self.shared.names.read(address, |addresses, out| host.names(addresses, out))
    }

    /// The names of addresses, one each; empty for unknown ones. Asks the server once for all.
    pub fn names(&self, addresses: &[u32]) -> Vec<String> {
        let mut found = RVec::with_capacity(addresses.len());
        self.shared.host.names(RSlice::from_slice(addresses), &mut found);
        found.into_iter().map(Into::into).collect()
    }

    /// The number of a protocol, ontology, language or encoding; zero when the table is full or the text empty.
    pub fn symbol(&self, text: &str) -> u32 {
        self.shared.host.symbol(RStr::from_str(text))
    }

    /// The text of a symbol; empty for zero and unknown ones. Cached.
    pub fn symbol_text(&self, symbol: u32) -> String {
        let host = &self.shared.host;
        self.shared.symbols.read(symbol, |symbols, out| host.symbols(symbols, out))
    }

    /// The name of this platform, the part of an agent's name after `@`.
    pub fn platform(&self) -> &str {
        &self.shared.platform
    }

    /// A fresh id (UUID version 7).
    pub fn mint(&self) -> Uid {
        self.shared.host.mint()
    }

    /// Nanoseconds since the Unix epoch, by the server's clock.
    pub fn now_ns(&self) -> u64 {
        self.shared.host.now_ns()
    }

    /// Milliseconds since the Unix epoch, by the server's clock.
    pub fn now_ms(&self) -> u64 {
        self.now_ns() / 1_000_000
    }

    /// Records signals.
    pub fn emit(&self, signals: Vec<Signal>) {
        self.shared.host.emit(signals.into());
    }

    /// The lowest level that is recorded for a target: 1 trace to 5 error, 6 off.
    pub fn log_level(&self, target: &str) -> u8 {
        self.shared.host.log_level(RStr::from_str(target))
    }

    /// Records a log line; authors use `tracing` instead, which ends here. `fields` is a JSON object or empty.
    pub fn log(&self, level: u8, target: &str, line: &str, fields: &str) {
        let [target, line, fields] = [target, line, fields].map(RStr::from_str);
        self.shared.host.log(level, target, line, fields);
    }

    /// Tells that this instance cannot go on; the server stops it and shows it as failed.
    pub fn report_fatal(&self, error: Error) {
        self.shared.host.report_fatal(error.into());
    }

    /// Runs a control operation, for example `agents.list`: a JSON document in, one out.
    ///
    /// # Errors
    /// The operation's own; [`Code::CONTROL_UNKNOWN_VERB`](caxton_abi::Code::CONTROL_UNKNOWN_VERB) for a verb that this
    /// server does not have.
    pub fn invoke<T: Serialize + ?Sized>(
        &self,
        verb: &str,
        request: &T,
    ) -> impl Future<Output = Result<Value, Error>> + Send + use<T> {
        let request = serde_json::to_vec(request);
        let (host, verb) = (self.clone(), verb.to_owned());
        async move {
            let answer = host.invoke_raw(&verb, Payload::from(request?)).await?;
            if answer.is_empty() {
                return Ok(Value::Null);
            }
            Ok(serde_json::from_slice(answer.as_slice())?)
        }
    }

    /// Runs a control operation with bytes in and out, for what is not JSON, for example a component.
    ///
    /// # Errors
    /// As for [`Host::invoke`].
    pub async fn invoke_raw(&self, verb: &str, request: Payload) -> Result<Payload, Error> {
        let answer = self.shared.host.invoke(verb.into(), request).await;
        answer.into_result().map_err(Error::from)
    }
}

#[cfg(test)]
mod tests {
    use caxton_abi::{Code, Header};

    use super::*;
    use crate::testing::{FakeHost, block_on};

    #[test]
    fn a_name_is_asked_once() {
        let fake = FakeHost::new();
        let host = fake.host();
        let address = host.address("echo").unwrap();
        assert_eq!(host.name(address), "echo@test");
        assert_eq!(host.name(address), "echo@test");
        assert_eq!(fake.name_queries(), 1);
    }

    #[test]
    fn an_unknown_address_has_no_name_and_is_asked_again() {
        let fake = FakeHost::new();
        let host = fake.host();
        assert_eq!(host.name(99), "");
        assert_eq!(host.name(99), "");
        assert_eq!(fake.name_queries(), 2);
    }

    #[test]
    fn a_full_cache_is_emptied_and_goes_on() {
        let texts = Texts::default();
        for number in 1..=TEXTS_CACHED_MAX as u32 + 1 {
            texts.keep(number, "x");
        }
        assert_eq!(texts.0.read().unwrap().len(), 1);
    }

    #[test]
    fn each_message_gets_its_outcome() {
        let fake = FakeHost::new();
        let host = fake.host();
        host.claim("echo").unwrap();
        fake.refuse_next(Code::MAILBOX_FULL);
        let batch = vec![Envelope::new(Header::default(), Payload::EMPTY); 2];
        let codes: Vec<Code> = host.submit(batch).iter().map(|outcome| outcome.code).collect();
        assert_eq!(codes, [Code::MAILBOX_FULL, Code::NONE]);
    }

    #[test]
    fn a_control_operation_takes_and_gives_documents() {
        let fake = FakeHost::new();
        fake.answer("agents.list", serde_json::json!(["a"]));
        let host = fake.host();
        let answer = block_on(host.invoke("agents.list", &serde_json::json!({"all": true})));
        assert_eq!(answer.unwrap(), serde_json::json!(["a"]));
        assert_eq!(fake.invocations(), [("agents.list".to_owned(), r#"{"all":true}"#.to_owned())]);
    }

    #[test]
    fn messages_of_any_class_are_answered_one_by_one_in_memory() {
        let fake = FakeHost::new();
        let host = fake.host();
        host.claim("echo").unwrap();
        fake.refuse_next(Code::STORE_FULL);
        let durable = Header { class: caxton_abi::class::DURABLE, ..Header::default() };
        let message = || Envelope::new(durable, Payload::EMPTY);
        let outcomes = block_on(host.submit_and_wait(vec![message(), message()]));
        let codes: Vec<Code> = outcomes.iter().map(|outcome| outcome.code).collect();
        assert_eq!(codes, [Code::STORE_FULL, Code::NONE]);
        assert_eq!(fake.take_submitted().len(), 1);
    }

    #[test]
    fn an_unknown_operation_is_refused_with_its_code() {
        let host = FakeHost::new().host();
        let error = block_on(host.invoke("nope", &())).unwrap_err();
        assert_eq!(error.code(), Code::CONTROL_UNKNOWN_VERB);
    }
}
