//! From an author's [`Plugin`] to the library's boundary: creation, the life cycle, and the macro that exports it.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use caxton_abi::{
    BorrowingFfiFuture, Payload, object,
    plugin::{CreateArgs, PResult, PluginBox, PluginV1},
    port::{EndpointBox, ExporterBox, ProtocolBox, RouterBox, StoreBox},
    std_types::{
        ROption,
        RResult::{RErr, ROk},
        RString,
    },
};

use crate::{
    Error, Health, Host, Plugin, Ports, adapter, config,
    guard::{self, Guard},
    logging,
    manifest::Manifest,
    runtime::{Contained, OwnRuntime},
};

/// Exports a plugin: the type and the path of its manifest, from this source file.
///
/// ```ignore
/// caxton_plugin::plugin!(Echo, "../plugin.json");
/// ```
#[macro_export]
macro_rules! plugin {
    ($type:ty, $manifest:literal) => {
        $crate::abi::export_module!(::core::include_str!($manifest), $crate::export::create::<$type>);
    };
}

/// Creates an instance; what [`plugin!`](crate::plugin!) exports. Never unwinds.
pub fn create<P: Plugin>(args: CreateArgs, manifest: &'static str) -> PResult<PluginBox> {
    match guard::create(|| create_instance::<P>(args, manifest)) {
        Ok(plugin) => ROk(plugin),
        Err(error) => RErr(error.into()),
    }
}

fn create_instance<P: Plugin>(args: CreateArgs, manifest: &str) -> Result<PluginBox, Error> {
    let host = Host::new(args.host);
    logging::install(&host);
    let manifest = Manifest::parse(manifest)?;
    let config = config::read::<P::Config>(&manifest, &args.instance, &args.config)?;
    let runtime =
        manifest.runtime.then(|| OwnRuntime::new(&manifest.name, args.worker_threads)).transpose()?;
    let handle = runtime.as_ref().and_then(OwnRuntime::handle);
    let entered = handle.as_ref().map(tokio::runtime::Handle::enter);
    let plugin = Arc::new(P::create(host.clone(), config)?);
    let ports = plugin.ports();
    drop(entered);
    let guard = Arc::new(Guard::new(host, handle));
    let shared = Arc::new(Shared { guard, runtime: Mutex::new(runtime) });
    Ok(object::plugin(Instance { plugin: Some(plugin), ports, shared }))
}

/// What an instance and its ports share.
pub struct Shared {
    /// The fence around every call.
    pub guard: Arc<Guard>,
    /// Ends with the instance, even while the server still holds a port.
    runtime: Mutex<Option<OwnRuntime>>,
}

impl Shared {
    /// Shares a guard without a runtime; for tests of adapters.
    #[cfg(test)]
    pub(crate) fn new(guard: Arc<Guard>) -> Arc<Self> {
        Arc::new(Self { guard, runtime: Mutex::new(None) })
    }
}

/// A created plugin, as the boundary sees it.
struct Instance<P> {
    plugin: Option<Arc<P>>,
    ports: Ports,
    shared: Arc<Shared>,
}

impl<P: Plugin> Instance<P> {
    /// Calls an asynchronous method of the author's type.
    fn future<'a, T, F>(
        &'a self,
        operation: &'static str,
        method: impl FnOnce(&'a P) -> F + Send + 'a,
    ) -> BorrowingFfiFuture<'a, PResult<T>>
    where
        T: Send + 'a,
        F: Future<Output = Result<T, Error>> + Send + 'a,
    {
        let plugin = self.plugin.as_deref();
        let future = async move {
            match plugin {
                Some(plugin) => method(plugin).await,
                None => Err(Error::from(caxton_abi::Code::PLUGIN_UNAVAILABLE)),
            }
        };
        Contained::new(self.shared.guard.clone(), operation, future).into_ffi()
    }
}

impl<P: Plugin> PluginV1 for Instance<P> {
    fn start<'a>(&'a self) -> BorrowingFfiFuture<'a, PResult<()>> {
        self.future("start", |plugin| plugin.start())
    }

    fn drain<'a>(&'a self, deadline_ms: u64) -> BorrowingFfiFuture<'a, PResult<()>> {
        self.future("drain", move |plugin| plugin.drain(Duration::from_millis(deadline_ms)))
    }

    fn stop<'a>(&'a self) -> BorrowingFfiFuture<'a, PResult<()>> {
        self.future("stop", |plugin| plugin.stop())
    }

    fn health(&self) -> RString {
        let health = self.shared.guard.call("health", || self.plugin.as_ref().map(|p| p.health()));
        let (status, detail) = match health {
            Ok(Some(Health::Running)) => ("running", String::new()),
            Ok(Some(Health::Degraded(detail))) => ("degraded", detail),
            Ok(None) => ("failed", String::new()),
            Err(error) => ("failed", error.to_string()),
        };
        serde_json::json!({"status": status, "detail": detail}).to_string().into()
    }

    fn endpoint(&self) -> ROption<EndpointBox> {
        self.ports.endpoint.clone().map(|port| adapter::endpoint(port, self.shared.clone())).into()
    }

    fn router(&self) -> ROption<RouterBox> {
        self.ports.router.clone().map(|port| adapter::router(port, self.shared.clone())).into()
    }

    fn protocol(&self) -> ROption<ProtocolBox> {
        self.ports.protocol.clone().map(|port| adapter::protocol(port, self.shared.clone())).into()
    }

    fn exporter(&self) -> ROption<ExporterBox> {
        self.ports.exporter.clone().map(|port| adapter::exporter(port, self.shared.clone())).into()
    }

    fn invoke<'a>(&'a self, verb: RString, request: Payload) -> BorrowingFfiFuture<'a, PResult<Payload>> {
        // The verb lives as long as the call, which the author's future may borrow.
        let plugin = self.plugin.as_deref();
        let future = async move {
            match plugin {
                Some(plugin) => plugin.invoke(verb.as_str(), request).await,
                None => Err(Error::from(caxton_abi::Code::PLUGIN_UNAVAILABLE)),
            }
        };
        Contained::new(self.shared.guard.clone(), "invoke", future).into_ffi()
    }

    fn store(&self) -> ROption<StoreBox> {
        self.ports.store.clone().map(|port| adapter::store(port, self.shared.clone())).into()
    }
}

/// The author's objects are dropped first and inside the runtime, the runtime after them.
impl<P> Drop for Instance<P> {
    fn drop(&mut self) {
        let ports = std::mem::take(&mut self.ports);
        self.shared.guard.discard("drop", (ports, self.plugin.take()));
        let runtime = self.shared.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(runtime);
    }
}

#[cfg(test)]
mod tests {
    use caxton_abi::{Code, Envelope, Header, std_types::RVec};
    use serde::Deserialize;

    use super::*;
    use crate::{
        Endpoint,
        testing::{FakeHost, block_on},
    };

    const MANIFEST: &str = r#"{"name":"sample","version":"1.0.0","runtime":true,
        "config":{"properties":{"mode":{"type":"string"}}}}"#;

    #[derive(Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Config {
        mode: String,
    }

    struct Sample {
        host: Host,
        mode: String,
    }

    struct TellsWhenDropped(Host);
    impl Drop for TellsWhenDropped {
        fn drop(&mut self) {
            self.0.log(3, "sample", "the task ended", "");
        }
    }

    impl Plugin for Sample {
        type Config = Config;

        fn create(host: Host, config: Config) -> Result<Self, Error> {
            assert!(config.mode != "panic-in-create", "as asked");
            Ok(Self { host, mode: config.mode })
        }

        fn ports(self: &Arc<Self>) -> Ports {
            Ports::endpoint(self.clone())
        }

        async fn start(&self) -> Result<(), Error> {
            tokio::task::yield_now().await;
            let held = TellsWhenDropped(self.host.clone());
            tokio::spawn(async move {
                let _held = held;
                std::future::pending::<()>().await;
            });
            tokio::spawn(async {}).await.map_err(|_| Error::from(Code::INTERNAL))
        }

        fn health(&self) -> Health {
            Health::Degraded(self.mode.clone())
        }

        async fn invoke(&self, verb: &str, request: Payload) -> Result<Payload, Error> {
            tokio::task::yield_now().await;
            match verb {
                "same" => Ok(request),
                other => Err(Error::unknown_verb(other)),
            }
        }
    }

    impl Endpoint for Sample {
        fn deliver(&self, batch: Vec<Envelope>) -> Vec<Code> {
            assert!(self.mode != "panic-in-deliver", "as asked");
            vec![Code::NONE; batch.len()]
        }
    }

    fn sample(fake: &FakeHost, config: &str) -> PResult<PluginBox> {
        let args = CreateArgs {
            instance: "sample".into(),
            config: config.into(),
            host: fake.boxed(),
            worker_threads: 0,
        };
        create::<Sample>(args, MANIFEST)
    }

    #[test]
    fn starts_inside_its_own_runtime() {
        let plugin = sample(&FakeHost::new(), "").unwrap();
        assert_eq!(block_on(plugin.start()), ROk(()));
    }

    #[test]
    fn its_tasks_end_with_it_even_while_the_server_holds_a_port() {
        let fake = FakeHost::new();
        let plugin = sample(&fake, "").unwrap();
        let _endpoint = plugin.endpoint();
        block_on(plugin.start()).unwrap();
        drop(plugin);
        assert!(fake.lines().iter().any(|line| line.line == "the task ended"));
    }

    #[test]
    fn a_panic_in_create_is_an_error() {
        let Err(error) = sample(&FakeHost::new(), r#"{"mode":"panic-in-create"}"#).into_result() else {
            panic!("created")
        };
        assert_eq!(error.code, Code::PLUGIN_PANICKED);
        assert!(error.message.as_str().ends_with("as asked"), "{error:?}");
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        let Err(error) = sample(&FakeHost::new(), r#"{"mood":"x"}"#).into_result() else { panic!("created") };
        assert_eq!(error.code, Code::PLUGIN_CONFIG_INVALID);
    }

    #[test]
    fn a_panic_in_a_port_poisons_the_whole_instance() {
        let fake = FakeHost::new();
        let plugin = sample(&fake, r#"{"mode":"panic-in-deliver"}"#).unwrap();
        let endpoint = plugin.endpoint().unwrap();
        let batch = || RVec::from(vec![Envelope::new(Header::default(), Payload::EMPTY)]);
        let first = endpoint.deliver(batch(), &mut RVec::new()).unwrap_err();
        let RErr(second) = block_on(plugin.start()) else { panic!("called again") };
        assert_eq!((first.code, second.code), (Code::PLUGIN_PANICKED, Code::PLUGIN_PANICKED));
        assert_eq!(fake.fatal_errors().len(), 1);
    }

    #[test]
    fn health_is_a_document() {
        let plugin = sample(&FakeHost::new(), r#"{"mode":"no upstream"}"#).unwrap();
        assert_eq!(plugin.health().as_str(), r#"{"detail":"no upstream","status":"degraded"}"#);
    }

    #[test]
    fn an_operation_of_its_own_takes_and_gives_bytes() {
        let plugin = sample(&FakeHost::new(), "").unwrap();
        let answer = block_on(plugin.invoke("same".into(), Payload::from(vec![1, 2])));
        assert_eq!(answer.unwrap().as_slice(), [1, 2]);
        let error = block_on(plugin.invoke("other".into(), Payload::EMPTY)).unwrap_err();
        assert_eq!(error.code, Code::CONTROL_UNKNOWN_VERB);
    }

    #[test]
    fn ports_that_it_does_not_have_are_absent() {
        let plugin = sample(&FakeHost::new(), "").unwrap();
        assert!(plugin.router().is_none() && plugin.protocol().is_none());
        assert!(plugin.exporter().is_none());
    }
}
