//! A running plugin: created with its configuration, started, drained and stopped, each within its deadline.
//!
//! Each step runs on a thread of its own, so that a plugin that blocks instead of waiting cannot hold the server up;
//! such a thread cannot be ended and is left behind. A future that waits too long is dropped, which cancels it.

use std::{
    future::Future,
    sync::{Arc, PoisonError, RwLock, Weak},
    thread::{self, ThreadId},
    time::Duration,
};

use caxton_abi::{
    Code, Payload, object,
    plugin::{CreateArgs, PResult, PluginBox},
    std_types::RResult::{RErr, ROk},
};
use caxton_core::port::{Endpoint, EndpointRef, RouterRef};
use serde::Deserialize;
use tokio::{runtime::Handle, sync::oneshot, time::timeout};

use super::{
    Deadlines, Failure, Inspection, Library, Services, State,
    calls::{Calls, Lease},
    desk::Desk,
    fence::{Counts, Fence},
    host_table::HostTable,
    ports::{EndpointPort, ExporterPort, ProtocolPort, RouterPort, StorePort},
};

/// How long an instance may take to be created: creation does no work yet, so it is not configurable.
const CREATE: Duration = Duration::from_secs(10);
/// How much longer than its deadline a step's thread is waited for, so that the step itself can answer.
const GRACE: Duration = Duration::from_millis(250);

/// The ports that this server knows.
const KNOWN_PORTS: [&str; 5] = ["endpoint/1", "router/1", "protocol/1", "exporter/1", "store/1"];

/// How an instance is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name of its table in the configuration.
    pub name: String,
    /// That table as a JSON object, without the server's own keys.
    pub config: String,
    /// Threads of its own runtime, when it has one; zero means one.
    pub worker_threads: u32,
    /// How long its steps may take.
    pub deadlines: Deadlines,
}

/// One instance of a plugin.
pub struct Instance {
    inspection: Inspection,
    deadlines: Deadlines,
    fence: Arc<Fence>,
    desk: Arc<Desk>,
    ports: Ports,
    calls: Calls,
    plugin: RwLock<Option<Arc<PluginBox>>>,
}

/// The ports that an instance offers.
#[derive(Clone, Default)]
pub struct Ports {
    /// Owns addresses.
    pub endpoint: Option<EndpointRef>,
    /// Resolves addresses.
    pub router: Option<RouterRef>,
    /// Watches conversations.
    pub protocol: Option<Arc<ProtocolPort>>,
    /// Takes signals.
    pub exporter: Option<Arc<ExporterPort>>,
    /// Keeps what is durable.
    pub store: Option<Arc<StorePort>>,
}

#[derive(Deserialize)]
struct HealthDocument {
    status: String,
    #[serde(default)]
    detail: String,
}

impl Instance {
    /// Creates an instance; called inside the server's runtime.
    ///
    /// # Errors
    /// The plugin's own, or that it does not offer what its manifest says, or that it took too long.
    pub async fn create(
        library: &Library,
        options: Options,
        services: Arc<dyn Services>,
    ) -> Result<Arc<Self>, Failure> {
        Self::create_beside(library, options, services, None, &[]).await
    }

    /// As [`Instance::create`], for the successor of an instance: it takes over the addresses that it claims until
    /// [`Instance::settle`]. The `older` ones may still wait for answers.
    ///
    /// # Errors
    /// As for [`Instance::create`].
    pub async fn create_beside(
        library: &Library,
        options: Options,
        services: Arc<dyn Services>,
        predecessor: Option<&Self>,
        older: &[Arc<Self>],
    ) -> Result<Arc<Self>, Failure> {
        let Options { name, config, worker_threads, deadlines } = options;
        let inspection = library.inspection().clone();
        let fence = Arc::new(Fence::new(&name, services.clone()));
        let provides = |port: &str| inspection.manifest.provides.iter().any(|known| known == port);
        // One thread stays with the plugin's own work, however long a turn takes.
        let lent_max = worker_threads.saturating_sub(1) as usize;
        let desk = Desk::new(services, fence.clone(), Handle::current(), provides("router/1"), lent_max);
        let desk = Arc::new(desk);
        if let Some(predecessor) = predecessor {
            let endpoint = |instance: &Arc<Self>| instance.ports.endpoint.as_ref().map(Arc::downgrade);
            let older: Vec<Weak<dyn Endpoint>> = older.iter().filter_map(endpoint).collect();
            desk.succeed(predecessor.desk.clone(), older);
        }
        let args = CreateArgs {
            instance: name.as_str().into(),
            config: config.into(),
            host: object::host(HostTable(desk.clone())),
            worker_threads,
        };
        let maker = library.clone();
        let created = step_thread(&name, "create", CREATE, move || maker.create(args)).await;
        let made = created.and_then(|made| made).and_then(|plugin| {
            let ports = ports_of(&plugin, &inspection, &fence)?;
            Ok((plugin, ports))
        });
        let (plugin, ports) = made.map_err(|failure| {
            let failure = told(&name, "could not be created", Code::PLUGIN_CREATE_FAILED, failure);
            fence.fail(&failure);
            failure
        })?;
        if let Some(endpoint) = &ports.endpoint {
            desk.set_endpoint(endpoint.clone());
        }
        fence.step(State::Created);
        let plugin = RwLock::new(Some(Arc::new(plugin)));
        Ok(Arc::new(Self { inspection, deadlines, fence, desk, ports, calls: Calls::default(), plugin }))
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        self.fence.name()
    }

    /// What its file says.
    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.fence.state()
    }

    /// How often it was called.
    pub fn counts(&self) -> Counts {
        self.fence.counts()
    }

    /// The ports that it offers, as its manifest says.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Lets it begin.
    ///
    /// # Errors
    /// The plugin's own, or that it took too long; it is failed then.
    pub async fn start(&self) -> Result<(), Failure> {
        self.fence.step(State::Starting);
        let run = |plugin: Arc<PluginBox>| async move { plugin.start().await };
        let result = self.run("start", self.deadlines.start, run).await;
        self.conclude(result, "could not start", Code::PLUGIN_START_FAILED, State::Running)
    }

    /// Has it take no new work and finish what it holds.
    ///
    /// # Errors
    /// As for [`Instance::start`].
    pub async fn drain(&self) -> Result<(), Failure> {
        self.fence.step(State::Draining);
        let deadline = self.deadlines.drain;
        let millis = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        let run = move |plugin: Arc<PluginBox>| async move { plugin.drain(millis).await };
        let result = self.run("drain", deadline, run).await;
        self.conclude(result, "could not drain", Code::INTERNAL, State::Draining)
    }

    /// Ends it: gives its addresses back and drops the plugin's object. Also for an instance that failed.
    ///
    /// # Errors
    /// As for [`Instance::start`]; the addresses are given back all the same.
    pub async fn stop(&self) -> Result<(), Failure> {
        let callable = self.state().is_callable();
        let stopped = match callable {
            true => {
                let run = |plugin: Arc<PluginBox>| async move { plugin.stop().await };
                self.run("stop", self.deadlines.stop, run).await
            }
            false => Ok(()),
        };
        self.desk.clear();
        let result = match callable {
            true => self.conclude(stopped, "could not stop", Code::INTERNAL, State::Stopped),
            false => Ok(()),
        };
        self.discard().await;
        result
    }

    /// Drops the plugin's object and keeps the addresses: for an instance that failed, so that the next one can take
    /// them over.
    pub async fn discard(&self) {
        let plugin = self.plugin.write().unwrap_or_else(PoisonError::into_inner).take();
        // A destructor that blocks is left behind on its thread.
        let _ = step_thread(self.name(), "drop", self.deadlines.stop, move || drop(plugin)).await;
    }

    /// Loses the agents outside of the server that are attached by it: for an instance that failed.
    pub fn lose_attached(&self) {
        self.desk.lose_attached();
    }

    /// Keeps for good the addresses that were taken over from the instance before.
    pub fn settle(&self) {
        self.desk.settle();
    }

    /// Fails the instance when a call of a port lasts longer than it may; answers with the threads that are in one. A
    /// store may take as long as its disk does.
    pub fn expire(&self, longest: Duration) -> Vec<ThreadId> {
        if self.inspection.manifest.provides.iter().any(|port| port == "store/1") {
            return Vec::new();
        }
        self.fence.expire(longest)
    }

    /// Asks how it is and answers its state.
    pub fn health(&self) -> State {
        if !matches!(self.state(), State::Running | State::Degraded(_)) {
            return self.state();
        }
        let Some(plugin) = self.plugin() else { return self.state() };
        let document = self.fence.call(|| ROk(plugin.health()));
        let document = document.ok().and_then(|text| serde_json::from_str(text.as_str()).ok());
        match document {
            Some(HealthDocument { status, .. }) if status == "running" => self.fence.step(State::Running),
            Some(HealthDocument { detail, .. }) => self.fence.step(State::Degraded(detail)),
            None => self.fence.step(State::Degraded("its health cannot be read".to_owned())),
        };
        self.state()
    }

    /// Runs an operation of the plugin's own. The caller sets the deadline by dropping the future.
    ///
    /// # Errors
    /// The plugin's own; [`Code::PLUGIN_UNAVAILABLE`] when it is not running.
    pub async fn invoke(&self, verb: &str, request: Payload) -> Result<Payload, Failure> {
        self.fence.admit()?;
        let stopped =
            || Failure::new(Code::PLUGIN_UNAVAILABLE, format!("plugin `{}` is stopped", self.name()));
        let lease = Lease::new(self.plugin().ok_or_else(stopped)?);
        let answer = lease.plugin().ok_or_else(stopped)?.invoke(verb.into(), request).await;
        self.fence.judge(answer)
    }

    pub(super) fn fence(&self) -> &Fence {
        &self.fence
    }

    pub(super) fn calls(&self) -> &Calls {
        &self.calls
    }

    fn plugin(&self) -> Option<Arc<PluginBox>> {
        self.plugin.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs a step of the life cycle within its deadline.
    async fn run<F>(
        &self,
        step: &'static str,
        deadline: Duration,
        call: impl FnOnce(Arc<PluginBox>) -> F + Send + 'static,
    ) -> Result<(), Failure>
    where
        F: Future<Output = PResult<()>> + Send,
    {
        self.fence.admit()?;
        let unavailable = || Failure::new(Code::PLUGIN_UNAVAILABLE, "it is stopped");
        let plugin = self.plugin().ok_or_else(unavailable)?;
        let handle = Handle::current();
        let work = move || {
            handle.block_on(async move {
                match timeout(deadline, call(plugin)).await {
                    Ok(answer) => answer,
                    Err(_) => RErr(too_long(step, deadline).into()),
                }
            })
        };
        let answer = step_thread(self.name(), step, deadline, work).await?;
        self.fence.judge(answer)
    }

    /// Takes the next step of the life cycle, or fails the instance.
    fn conclude(
        &self,
        result: Result<(), Failure>,
        what: &str,
        code: Code,
        next: State,
    ) -> Result<(), Failure> {
        match result {
            Ok(()) => {
                self.fence.step(next);
                Ok(())
            }
            Err(failure) => {
                let failure = told(self.name(), what, code, failure);
                self.fence.fail(&failure);
                Err(failure)
            }
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.desk.clear();
    }
}

/// Runs a step on a thread of its own and waits for it a little longer than its deadline.
async fn step_thread<T: Send + 'static>(
    name: &str,
    step: &'static str,
    deadline: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let (done, result) = oneshot::channel();
    let run = move || {
        // The receiver is gone when the step took too long; nobody waits for its result then.
        let _ = done.send(work());
    };
    let spawned = thread::Builder::new().name(format!("{name}-{step}")).spawn(run);
    spawned.map_err(|error| Failure::new(Code::HOST_LIMIT, format!("no thread: {error}")))?;
    match timeout(deadline + GRACE, result).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(_)) => Err(Failure::new(Code::INTERNAL, format!("the server panicked in {step}"))),
        Err(_) => Err(too_long(step, deadline)),
    }
}

fn too_long(step: &str, deadline: Duration) -> Failure {
    let text = format!("{step} did not finish within {} ms", deadline.as_millis());
    Failure::new(Code::PLUGIN_TIMED_OUT, text)
}

/// Says which plugin failed at what. Codes of the plugin range tell more than the step's own and stay.
fn told(name: &str, what: &str, code: Code, failure: Failure) -> Failure {
    let Failure { code: inner, message, .. } = failure;
    let text = format!("plugin `{name}` {what}: {message}");
    match inner {
        Code::NONE => Failure::new(code, text),
        Code(200..300) => Failure::new(inner, text),
        other => Failure::new(code, format!("{text} [{other}]")),
    }
}

/// Takes the ports that the manifest names.
fn ports_of(plugin: &PluginBox, inspection: &Inspection, fence: &Arc<Fence>) -> Result<Ports, Failure> {
    let mut ports = Ports::default();
    for provided in &inspection.manifest.provides {
        let fence = fence.clone();
        let offered = match provided.as_str() {
            "endpoint/1" => {
                let port = plugin.endpoint().into_option();
                ports.endpoint = port.map(|port| Arc::new(EndpointPort { port, fence }) as _);
                ports.endpoint.is_some()
            }
            "router/1" => {
                let port = plugin.router().into_option();
                ports.router = port.map(|port| Arc::new(RouterPort { port, fence }) as _);
                ports.router.is_some()
            }
            "protocol/1" => {
                let port = plugin.protocol().into_option();
                ports.protocol = port.map(|port| Arc::new(ProtocolPort { port, fence }));
                ports.protocol.is_some()
            }
            "exporter/1" => {
                let port = plugin.exporter().into_option();
                ports.exporter = port.map(|port| Arc::new(ExporterPort { port, fence }));
                ports.exporter.is_some()
            }
            "store/1" => {
                let port = plugin.store().into_option();
                ports.store = port.map(|port| Arc::new(StorePort { port, fence }));
                ports.store.is_some()
            }
            other => return Err(unknown_port(other)),
        };
        if !offered {
            let text = format!("its manifest provides {provided}, but it offers no such port");
            return Err(Failure::new(Code::PLUGIN_CREATE_FAILED, text));
        }
    }
    Ok(ports)
}

fn unknown_port(port: &str) -> Failure {
    let text = format!("its manifest provides {port}, this server knows {}", KNOWN_PORTS.join(", "));
    Failure::new(Code::PLUGIN_ABI_MISMATCH, text)
}
