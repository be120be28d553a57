//! From an author's ports to the boundary's: vectors and slices converted, every call guarded.

use std::sync::Arc;

use caxton_abi::{
    Code, Envelope, Signal, Uid, object,
    plugin::PResult,
    port::{
        Action, AgentEntry, EndpointBox, EndpointV1, ExporterBox, ExporterV1, Observation, ProtocolBox,
        ProtocolV1, RouteUpdate, RouterBox, RouterV1, StoreBox, StoreEntry, StoreOp, StoreV1, Unresolved,
    },
    std_types::{
        RResult::{RErr, ROk},
        RSlice, RString, RVec,
    },
};

use crate::{Endpoint, Error, Exporter, Protocol, Router, Store, export::Shared};

/// An author's port with the instance that it belongs to.
struct Port<T: ?Sized> {
    port: Option<Arc<T>>,
    shared: Arc<Shared>,
}

impl<T: ?Sized> Port<T> {
    fn new(port: Arc<T>, shared: Arc<Shared>) -> Self {
        Self { port: Some(port), shared }
    }

    fn call<R>(&self, operation: &str, code: impl FnOnce(&T) -> R) -> Result<R, Error> {
        let port = self.port.as_deref().ok_or(Error::from(Code::PLUGIN_UNAVAILABLE))?;
        self.shared.guard.call(operation, || code(port))
    }
}

/// The author's object may end with this last reference, so it is dropped guarded and inside the runtime.
impl<T: ?Sized> Drop for Port<T> {
    fn drop(&mut self) {
        self.shared.guard.discard("drop", self.port.take());
    }
}

/// Adapts an endpoint.
pub fn endpoint(port: Arc<dyn Endpoint>, shared: Arc<Shared>) -> EndpointBox {
    object::endpoint(Port::new(port, shared))
}

/// Adapts a router.
pub fn router(port: Arc<dyn Router>, shared: Arc<Shared>) -> RouterBox {
    object::router(Port::new(port, shared))
}

/// Adapts a protocol.
pub fn protocol(port: Arc<dyn Protocol>, shared: Arc<Shared>) -> ProtocolBox {
    object::protocol(Port::new(port, shared))
}

/// Adapts an exporter.
pub fn exporter(port: Arc<dyn Exporter>, shared: Arc<Shared>) -> ExporterBox {
    object::exporter(Port::new(port, shared))
}

/// Adapts a store.
pub fn store(port: Arc<dyn Store>, shared: Arc<Shared>) -> StoreBox {
    object::store(Port::new(port, shared))
}

/// Appends what a call gave, or tells its error.
fn append<T>(result: Result<Vec<T>, Error>, out: &mut RVec<T>) -> PResult<()> {
    match result {
        Ok(items) => {
            out.extend(items);
            ROk(())
        }
        Err(error) => RErr(error.into()),
    }
}

fn crossed<T>(result: Result<T, Error>) -> PResult<T> {
    match result {
        Ok(value) => ROk(value),
        Err(error) => RErr(error.into()),
    }
}

impl EndpointV1 for Port<dyn Endpoint> {
    fn deliver(&self, batch: RVec<Envelope>, out: &mut RVec<Code>) -> PResult<()> {
        append(self.call("deliver", |port| port.deliver(batch.into_vec())), out)
    }
}

impl RouterV1 for Port<dyn Router> {
    fn agents_changed(&self, changes: RSlice<'_, AgentEntry>, out: &mut RVec<RouteUpdate>) -> PResult<()> {
        append(self.call("agents_changed", |port| port.agents_changed(changes.as_slice())), out)
    }

    fn resolve(&self, waiting: RSlice<'_, Unresolved>, out: &mut RVec<RouteUpdate>) -> PResult<()> {
        append(self.call("resolve", |port| port.resolve(waiting.as_slice())), out)
    }
}

impl ProtocolV1 for Port<dyn Protocol> {
    fn protocols(&self) -> RVec<RString> {
        let tokens = self.call("protocols", |port| port.protocols()).unwrap_or_default();
        tokens.into_iter().map(RString::from).collect()
    }

    fn observe(&self, batch: RSlice<'_, Observation>, now_ms: u64, out: &mut RVec<Action>) -> PResult<()> {
        let mut actions = Vec::new();
        let result = self.call("observe", |port| port.observe(batch.as_slice(), now_ms, &mut actions));
        append(result.map(|()| actions), out)
    }

    fn timers(&self, tokens: RSlice<'_, u64>, now_ms: u64, out: &mut RVec<Action>) -> PResult<()> {
        let mut actions = Vec::new();
        let result = self.call("timers", |port| port.timers(tokens.as_slice(), now_ms, &mut actions));
        append(result.map(|()| actions), out)
    }

    fn snapshot(&self) -> PResult<RVec<u8>> {
        crossed(self.call("snapshot", |port| port.snapshot().into()))
    }

    fn restore(&self, snapshot: RSlice<'_, u8>) -> PResult<()> {
        crossed(self.call("restore", |port| port.restore(snapshot.as_slice())).flatten())
    }

    fn describe(&self, conversation: Uid) -> PResult<RString> {
        let found = self.call("describe", |port| port.describe(conversation));
        let text = |found: Option<serde_json::Value>| found.map(|document| document.to_string());
        crossed(found.map(|found| text(found).unwrap_or_default().into()))
    }
}

impl ExporterV1 for Port<dyn Exporter> {
    fn export(&self, batch: RSlice<'_, Signal>) -> PResult<()> {
        crossed(self.call("export", |port| port.export(batch.as_slice())).flatten())
    }

    fn flush(&self) -> PResult<()> {
        crossed(self.call("flush", |port| port.flush()).flatten())
    }
}

impl StoreV1 for Port<dyn Store> {
    fn write(&self, changes: RSlice<'_, StoreOp>) -> PResult<()> {
        crossed(self.call("write", |port| port.write(changes.as_slice())).flatten())
    }

    fn get(&self, key: RSlice<'_, u8>, out: &mut RVec<StoreEntry>) -> PResult<()> {
        let found = self.call("get", |port| port.get(key.as_slice())).flatten();
        let entry = |value| StoreEntry { key: key.as_slice().to_vec().into(), value };
        append(found.map(|value| value.into_iter().map(entry).collect()), out)
    }

    fn read(
        &self,
        from: RSlice<'_, u8>,
        until: RSlice<'_, u8>,
        entries_max: u32,
        bytes_max: u64,
        out: &mut RVec<StoreEntry>,
    ) -> PResult<()> {
        let read =
            self.call("read", |port| port.read(from.as_slice(), until.as_slice(), entries_max, bytes_max));
        append(read.flatten(), out)
    }

    fn reopen(&self) -> PResult<()> {
        crossed(self.call("reopen", |port| port.reopen()).flatten())
    }
}

#[cfg(test)]
mod tests {
    use caxton_abi::{Header, Payload};

    use super::*;
    use crate::{guard::Guard, testing::FakeHost};

    struct Watcher;

    impl Protocol for Watcher {
        fn protocols(&self) -> Vec<String> {
            vec!["fipa-request".to_owned()]
        }
        fn observe(&self, batch: &[Observation], _now_ms: u64, out: &mut Vec<Action>) {
            out.extend(batch.iter().map(|seen| {
                let envelope = seen.envelope.clone();
                Action {
                    kind: caxton_abi::port::action::SEND,
                    flags: 0,
                    code: Code::NONE,
                    index: 0,
                    token: 0,
                    time_ms: 0,
                    envelope,
                    text: RString::new(),
                }
            }));
        }
        fn timers(&self, _tokens: &[u64], _now_ms: u64, _out: &mut Vec<Action>) {
            panic!("no timers");
        }
        fn snapshot(&self) -> Vec<u8> {
            vec![7]
        }
        fn restore(&self, _snapshot: &[u8]) -> Result<(), Error> {
            Err(Error::new(Code::INTERNAL, "another version"))
        }
        fn describe(&self, conversation: Uid) -> Option<serde_json::Value> {
            (!conversation.is_none()).then(|| serde_json::json!({"state": "open"}))
        }
    }

    fn watcher() -> ProtocolBox {
        let guard = Arc::new(Guard::new(FakeHost::new().host(), None));
        protocol(Arc::new(Watcher), Shared::new(guard))
    }

    #[test]
    fn a_protocol_keeps_its_meaning_across_the_boundary() {
        let protocol = watcher();
        assert_eq!(protocol.protocols().as_slice(), ["fipa-request"]);
        assert_eq!(protocol.snapshot().unwrap().as_slice(), [7]);
        assert_eq!(protocol.describe(Uid::NONE).unwrap().as_str(), "");
        assert_eq!(protocol.describe(Uid { hi: 1, lo: 0 }).unwrap().as_str(), r#"{"state":"open"}"#);
    }

    #[test]
    fn actions_come_back_in_order() {
        let seen = |sender| Observation {
            kind: caxton_abi::port::observed::MESSAGE,
            code: Code::NONE,
            envelope: Envelope::new(Header { sender, ..Header::default() }, caxton_abi::Payload::EMPTY),
            spared: RVec::new(),
        };
        let mut out = RVec::new();
        let batch = [seen(1), seen(2)];
        watcher().observe(RSlice::from_slice(&batch), 0, &mut out).unwrap();
        let senders: Vec<u32> = out.iter().map(|action| action.envelope.head.sender).collect();
        assert_eq!(senders, [1, 2]);
    }

    #[test]
    fn an_authors_error_and_a_panic_both_cross_as_errors() {
        let protocol = watcher();
        let refused = protocol.restore(RSlice::from_slice(&[])).unwrap_err();
        assert_eq!(refused.message.as_str(), "another version");
        let panicked = protocol.timers(RSlice::from_slice(&[1]), 0, &mut RVec::new()).unwrap_err();
        assert_eq!(panicked.code, Code::PLUGIN_PANICKED);
    }

    /// A store with one entry, which is full for changes that put and panics for others.
    struct OneEntry;

    impl Store for OneEntry {
        fn write(&self, changes: &[StoreOp]) -> Result<(), Error> {
            match changes {
                [] => Ok(()),
                [change, ..] if change.kind == caxton_abi::port::store_op::PUT => {
                    Err(Error::new(Code::STORE_FULL, "no room").retryable())
                }
                [..] => panic!("only puts"),
            }
        }
        fn get(&self, key: &[u8]) -> Result<Option<Payload>, Error> {
            Ok((key == b"key").then(|| Payload::from(b"value".as_slice())))
        }
        fn read(
            &self,
            from: &[u8],
            until: &[u8],
            entries_max: u32,
            bytes_max: u64,
        ) -> Result<Vec<StoreEntry>, Error> {
            let asked = format!("{from:?} {until:?} {entries_max} {bytes_max}");
            Ok(vec![StoreEntry { key: b"key".to_vec().into(), value: Payload::from(asked) }])
        }
        fn reopen(&self) -> Result<(), Error> {
            Err(Error::new(Code::STORE_FAILED, "damaged"))
        }
    }

    fn one_entry() -> StoreBox {
        let guard = Arc::new(Guard::new(FakeHost::new().host(), None));
        store(Arc::new(OneEntry), Shared::new(guard))
    }

    #[test]
    fn a_stores_entries_cross_with_their_keys() {
        let (store, mut out) = (one_entry(), RVec::new());
        store.get(RSlice::from_slice(b"key"), &mut out).unwrap();
        store.get(RSlice::from_slice(b"other"), &mut out).unwrap();
        store.read(RSlice::from_slice(b"a"), RSlice::from_slice(b""), 3, 4, &mut out).unwrap();
        let found: Vec<(&[u8], &[u8])> =
            out.iter().map(|entry| (entry.key.as_slice(), entry.value.as_slice())).collect();
        assert_eq!(found, [(b"key".as_slice(), b"value".as_slice()), (b"key", b"[97] [] 3 4")]);
    }

    #[test]
    fn a_stores_errors_keep_code_and_mark_and_its_panic_poisons() {
        let store = one_entry();
        let change = |kind| StoreOp { kind, ..StoreOp::default() };
        let write = |changes: &[StoreOp]| {
            let written = store.write(RSlice::from_slice(changes));
            written.into_result().map_err(|error| (error.code, Error::from(error).is_retryable()))
        };
        assert_eq!(write(&[]), Ok(()));
        assert_eq!(write(&[change(1)]), Err((Code::STORE_FULL, true)));
        assert_eq!(store.reopen().unwrap_err().code, Code::STORE_FAILED);
        assert_eq!(write(&[change(2)]), Err((Code::PLUGIN_PANICKED, false)));
        assert_eq!(write(&[]), Err((Code::PLUGIN_PANICKED, false)));
    }
}
