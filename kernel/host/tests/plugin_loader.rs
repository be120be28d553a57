//! Loads real libraries, good and bad: each bad one ends with a short coded error, and the server lives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use caxton_abi::{
    Code, Envelope, Header, Payload, Signal, Uid, handshake,
    plugin::{PluginError, error_flags},
    port::{Outcome, RouteUpdate},
};
use caxton_core::{UnderWay, port::EndpointRef, store::Answer};
use caxton_host::config::plugins;
use caxton_host::plugin::{
    Deadlines, Failure, Instance, Library, LoadError, Options, Services, State, host_table::Control, inspect,
    load,
};
use tokio::{sync::watch, task::JoinSet};

/// The library of `tests/plugins`, built once into a target folder of its own.
fn unruly() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/plugins");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("unruly");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--target-dir"])
            .arg(&target)
            .current_dir(source.canonicalize().unwrap())
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("CARGO_BUILD_TARGET_DIR")
            .status()
            .unwrap();
        assert!(built.success(), "tests/plugins does not build");
        target.join("debug/libcaxton_unruly.so")
    })
}

/// A copy of the library with bytes changed: every occurrence, or the one at an offset of the handshake.
struct Patched {
    folder: tempfile::TempDir,
    bytes: Vec<u8>,
}

impl Patched {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), bytes: fs::read(unruly()).unwrap() }
    }

    fn replace(mut self, from: &[u8], to: &[u8]) -> Self {
        assert_eq!(from.len(), to.len());
        let found: Vec<usize> = memmem(&self.bytes, from);
        assert!(!found.is_empty(), "{:?} is not in the library", String::from_utf8_lossy(from));
        for at in found {
            self.bytes[at..at + to.len()].copy_from_slice(to);
        }
        self
    }

    fn handshake(mut self, offset: usize, bytes: &[u8]) -> Self {
        let start = memmem(&self.bytes, &handshake::MAGIC)
            .into_iter()
            .find(|at| handshake::Handshake::parse(&self.bytes[*at..]).is_ok())
            .unwrap();
        self.bytes[start + offset..start + offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn path(&self) -> PathBuf {
        let path = self.folder.path().join("plugin.so");
        let fresh = self.folder.path().join("plugin.so.new");
        fs::write(&fresh, &self.bytes).unwrap();
        fs::rename(&fresh, &path).unwrap();
        path
    }

    fn refusal(&self) -> LoadError {
        load(&self.path(), None).unwrap_err()
    }
}

fn memmem(text: &[u8], part: &[u8]) -> Vec<usize> {
    // The first byte alone is compared at each place: the library has some megabytes.
    let first = |(at, byte): (usize, &u8)| (*byte == part[0]).then_some(at);
    text.iter().enumerate().filter_map(first).filter(|at| text[*at..].starts_with(part)).collect()
}

/// Offsets in the handshake; see `caxton_abi::handshake`.
const ABI_MAJOR_AT: usize = 12;
const PANIC_UNWIND_AT: usize = 16;
const TARGET_AT: usize = 24 + handshake::TEXT_BYTES_MAX;
const SYMBOL_AT: usize = 24 + 2 * handshake::TEXT_BYTES_MAX;

/// A server in memory.
#[derive(Default)]
struct Server {
    states: Mutex<Vec<String>>,
    lines: Mutex<Vec<String>>,
    released: Mutex<Vec<u32>>,
    endpoint: Mutex<Option<EndpointRef>>,
}

impl Services for Server {
    fn submit(&self, _: &str, batch: Vec<Envelope>) -> Vec<Outcome> {
        vec![Outcome::default(); batch.len()]
    }
    fn submit_and_wait(&self, plugin: &str, batch: Vec<Envelope>, answer: Answer) {
        answer(self.submit(plugin, batch));
    }
    fn claim(&self, _: &str, _: &str, endpoint: EndpointRef) -> Result<u32, Failure> {
        *self.endpoint.lock().unwrap() = Some(endpoint);
        Ok(7)
    }
    fn release(&self, address: u32) {
        self.released.lock().unwrap().push(address);
    }
    fn transfer(&self, _: u32, endpoint: EndpointRef, _: UnderWay) {
        *self.endpoint.lock().unwrap() = Some(endpoint);
    }
    fn program(&self, _: Vec<RouteUpdate>) {}
    fn addresses(&self, names: &[&str]) -> Vec<u32> {
        vec![0; names.len()]
    }
    fn names(&self, addresses: &[u32]) -> Vec<String> {
        vec![String::new(); addresses.len()]
    }
    fn symbol(&self, _: &str) -> u32 {
        0
    }
    fn symbols(&self, symbols: &[u32]) -> Vec<String> {
        vec![String::new(); symbols.len()]
    }
    fn platform(&self) -> String {
        "test".to_owned()
    }
    fn mint(&self) -> Uid {
        Uid::NONE
    }
    fn now_ns(&self) -> u64 {
        0
    }
    fn emit(&self, _: Vec<Signal>) {}
    fn log_level(&self, _: &str) -> u8 {
        3
    }
    fn log(&self, plugin: &str, level: u8, target: &str, line: &str, fields: &str) {
        let text = format!("{plugin} {level} {target}: {line} {fields}");
        self.lines.lock().unwrap().push(text.trim_end().to_owned());
    }
    fn control(&self, _: &str, _: &str, request: Payload) -> Control {
        Box::pin(async { Ok(request) })
    }
    fn plugin_state(&self, plugin: &str, state: &State) {
        self.states.lock().unwrap().push(format!("{plugin} {}", state.as_str()));
    }
}

/// Long enough on a busy machine.
const PATIENT: Duration = Duration::from_secs(60);
/// Short enough to wait for a plugin that never starts.
const IMPATIENT: Duration = Duration::from_millis(50);

async fn create(
    library: &Library,
    server: &Arc<Server>,
    config: &str,
    start: Duration,
) -> Result<Arc<Instance>, Failure> {
    let options = Options {
        name: "sample".to_owned(),
        config: config.to_owned(),
        worker_threads: 1,
        deadlines: Deadlines { start, drain: PATIENT, stop: PATIENT },
    };
    Instance::create(library, options, server.clone()).await
}

fn library() -> Library {
    load(unruly(), None).unwrap()
}

async fn with_mode(mode: &str) -> (Arc<Server>, Result<Arc<Instance>, Failure>) {
    let server = Arc::new(Server::default());
    let config = format!(r#"{{"mode":"{mode}"}}"#);
    let instance = create(&library(), &server, &config, PATIENT).await;
    (server, instance)
}

async fn started(mode: &str) -> (Arc<Server>, Arc<Instance>, Result<(), Failure>) {
    let (server, instance) = with_mode(mode).await;
    let instance = instance.unwrap();
    let result = instance.start().await;
    (server, instance, result)
}

fn batch(count: usize) -> Vec<Envelope> {
    vec![Envelope::new(Header::default(), Payload::EMPTY); count]
}

#[test]
fn inspection_shows_what_the_file_says() {
    let seen = inspect(unruly()).unwrap();
    assert_eq!(seen.manifest.title(), "`unruly` 0.1.0");
    assert_eq!(seen.manifest.provides, ["endpoint/1"]);
    assert!(seen.manifest.config.properties.contains_key("mode"));
    assert_eq!((seen.abi_major, seen.abi_minor), (caxton_abi::ABI_MAJOR, caxton_abi::ABI_MINOR));
    assert_eq!(seen.target, handshake::TARGET);
    assert_eq!(seen.symbol, "caxton_module_caxton_unruly");
    assert!(seen.panic_unwind);
    assert_eq!(seen.sha256.len(), 64);
}

#[test]
fn libc_is_not_a_plugin() {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let libc = maps.split_whitespace().find(|word| word.ends_with("/libc.so.6")).unwrap();
    let error = load(Path::new(libc), None).unwrap_err();
    assert_eq!(error.code(), Code::PLUGIN_NO_HANDSHAKE);
    assert_eq!(
        error.to_string(),
        format!(
            "{libc} is not a Caxton plugin: it has no section `.caxton`: \
             point `library` at a library built with the plugin SDK"
        )
    );
}

#[test]
fn a_text_file_is_not_a_plugin() {
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let error = load(&text, None).unwrap_err();
    assert_eq!(error.code(), Code::PLUGIN_NOT_A_LIBRARY);
    assert!(error.to_string().contains("is a text file, expected an ELF shared library for"), "{error}");
}

#[test]
fn another_major_of_the_boundary_is_refused_with_both_versions() {
    let error = Patched::new().handshake(ABI_MAJOR_AT, &[3, 0, 0, 0]).refusal();
    assert_eq!(error.code(), Code::PLUGIN_ABI_MISMATCH);
    assert_eq!(
        error.to_string(),
        format!(
            "plugin `unruly` 0.1.0 speaks abi 3.0, this server speaks {}.{}: install a plugin built for this server",
            caxton_abi::ABI_MAJOR,
            caxton_abi::ABI_MINOR
        )
    );
}

#[test]
fn another_minor_of_the_boundary_loads() {
    let patched = Patched::new().handshake(ABI_MAJOR_AT + 2, &[9, 0]);
    assert_eq!(load(&patched.path(), None).unwrap().inspection().abi_minor, 9);
}

#[test]
fn another_target_is_refused_with_both() {
    let error = Patched::new().handshake(TARGET_AT, b"m68k-unknown-linux-gnu\0").refusal();
    assert_eq!(error.code(), Code::PLUGIN_NOT_A_LIBRARY);
    let both = format!("is built for m68k-unknown-linux-gnu, this server for {}", handshake::TARGET);
    assert!(error.to_string().contains(&both), "{error}");
}

#[test]
fn a_plugin_that_aborts_on_panic_is_refused() {
    let error = Patched::new().handshake(PANIC_UNWIND_AT, &[0]).refusal();
    assert_eq!(error.code(), Code::PLUGIN_PANIC_ABORT);
}

#[test]
fn a_damaged_handshake_is_refused() {
    let error = Patched::new().handshake(0, b"caxton").refusal();
    assert_eq!(error.code(), Code::PLUGIN_NO_HANDSHAKE);
}

#[test]
fn a_library_that_does_not_export_its_module_is_refused() {
    let error = Patched::new().handshake(SYMBOL_AT, b"caxton_module_other\0").refusal();
    assert_eq!(error.code(), Code::PLUGIN_LOAD_FAILED);
    assert!(error.to_string().contains("it does not export `caxton_module_other`"), "{error}");
}

#[test]
fn a_library_with_another_description_of_types_is_refused() {
    let error =
        Patched::new().replace(b"abi stable library for Rust", b"ABI stable library for Rust").refusal();
    assert_eq!(error.code(), Code::PLUGIN_LAYOUT_MISMATCH);
    assert!(error.to_string().len() < 600, "{error}");
}

#[test]
fn other_bytes_than_the_configured_digest_are_refused() {
    let digest = inspect(unruly()).unwrap().sha256;
    assert!(load(unruly(), Some(&format!("sha256:{digest}"))).is_ok());
    let error = load(unruly(), Some(&"0".repeat(64))).unwrap_err();
    assert_eq!(error.code(), Code::PLUGIN_DIGEST_MISMATCH);
    assert!(error.to_string().contains(&digest), "{error}");
}

#[tokio::test]
async fn a_replaced_file_at_the_same_path_is_the_new_library() {
    let server = Arc::new(Server::default());
    let mut patched = Patched::new();
    let old = load(&patched.path(), None).unwrap();
    patched = patched.replace(b"\"mode\": {", b"\"mood\": {");
    let new = load(&patched.path(), None).unwrap();
    let config = r#"{"mode":"well-behaved"}"#;
    assert!(create(&old, &server, config, PATIENT).await.is_ok());
    let error = create(&new, &server, config, PATIENT).await.err().unwrap();
    assert!(error.message.contains("did you mean `mood`?"), "{error}");
}

#[tokio::test]
async fn a_plugin_goes_through_its_life() {
    let (server, instance, result) = started("well-behaved").await;
    assert_eq!(result, Ok(()));
    assert_eq!(instance.health(), State::Running);
    let endpoint = instance.ports().endpoint.clone().unwrap();
    assert_eq!(endpoint.deliver(batch(2)), [Code::NONE, Code::NONE]);
    let same = instance.invoke("same", Payload::from(vec![1, 2])).await.unwrap();
    assert_eq!(same.as_slice(), [1, 2]);
    instance.drain().await.unwrap();
    instance.stop().await.unwrap();
    assert_eq!(endpoint.deliver(batch(1)), [Code::PLUGIN_UNAVAILABLE]);
    assert_eq!(*server.released.lock().unwrap(), [7]);
    let states = ["created", "starting", "running", "draining", "stopped"];
    assert_eq!(*server.states.lock().unwrap(), states.map(|state| format!("sample {state}")));
}

#[tokio::test]
async fn its_events_reach_the_log() {
    let (server, instance, result) = started("well-behaved").await;
    assert_eq!((result, instance.state()), (Ok(()), State::Running));
    let lines = server.lines.lock().unwrap();
    assert_eq!(*lines, [r#"sample 3 caxton_unruly: started {"address":7}"#]);
}

#[tokio::test]
async fn a_panic_in_create_is_a_failure_and_another_instance_works() {
    let (server, result) = with_mode("panic-in-create").await;
    let failure = result.err().unwrap();
    assert_eq!(failure.code, Code::PLUGIN_PANICKED);
    assert!(failure.message.contains("create panicked as configured"), "{failure}");
    assert!(failure.message.contains("src/lib.rs:"), "{failure}");
    assert_eq!(*server.states.lock().unwrap(), ["sample failed"]);
    assert_eq!(started("well-behaved").await.2, Ok(()));
}

#[tokio::test]
async fn a_panic_in_start_is_a_failure() {
    let (_, instance, result) = started("panic-in-start").await;
    assert_eq!(result.unwrap_err().code, Code::PLUGIN_PANICKED);
    assert_eq!(instance.state().as_str(), "failed");
}

#[tokio::test]
async fn a_panic_in_a_call_fails_the_instance_and_is_logged() {
    let (server, instance, result) = started("panic-in-deliver").await;
    assert_eq!(result, Ok(()));
    let endpoint = server.endpoint.lock().unwrap().clone().unwrap();
    assert_eq!(endpoint.deliver(batch(2)), [Code::PLUGIN_PANICKED; 2]);
    assert_eq!(endpoint.deliver(batch(1)), [Code::PLUGIN_UNAVAILABLE]);
    let State::Failed { code, reason } = instance.state() else { panic!("{:?}", instance.state()) };
    assert_eq!(code, Code::PLUGIN_PANICKED);
    assert!(reason.contains("deliver panicked as configured"), "{reason}");
    let lines = server.lines.lock().unwrap();
    assert!(lines.iter().any(|line| line.contains("deliver panicked as configured")), "{lines:?}");
}

#[tokio::test]
async fn a_panic_in_a_task_of_its_own_is_logged_and_it_goes_on() {
    let (server, instance, result) = started("panic-in-a-task").await;
    assert_eq!((result, instance.state()), (Ok(()), State::Running));
    let lines = server.lines.lock().unwrap();
    assert!(lines.iter().any(|line| line.contains("task panicked as configured")), "{lines:?}");
}

#[tokio::test]
async fn a_panic_in_a_destructor_is_contained() {
    let (server, instance, result) = started("panic-when-dropped").await;
    assert_eq!(result, Ok(()));
    instance.stop().await.unwrap();
    *server.endpoint.lock().unwrap() = None;
    drop(instance);
    assert_eq!(started("well-behaved").await.2, Ok(()));
}

#[tokio::test]
async fn a_plugin_that_cannot_start_says_why() {
    let (_, instance, result) = started("fail-in-start").await;
    assert_eq!(
        result.unwrap_err().to_string(),
        "plugin `sample` could not start: port 1 is not free [CX0901] [CX0209]"
    );
    assert_eq!(instance.state().as_str(), "failed");
}

#[tokio::test]
async fn a_plugin_that_waits_for_ever_is_cancelled() {
    refuses_to_wait("hang-in-start").await;
}

#[tokio::test]
async fn a_plugin_that_blocks_for_ever_is_left_behind() {
    refuses_to_wait("block-in-start").await;
}

async fn refuses_to_wait(mode: &str) {
    let server = Arc::new(Server::default());
    let config = format!(r#"{{"mode":"{mode}"}}"#);
    let instance = create(&library(), &server, &config, IMPATIENT).await.unwrap();
    let failure = instance.start().await.unwrap_err();
    assert_eq!(failure.code, Code::PLUGIN_TIMED_OUT);
    assert_eq!(failure.message, "plugin `sample` could not start: start did not finish within 50 ms");
    assert_eq!(instance.state().as_str(), "failed");
}

#[tokio::test]
async fn a_plugin_that_cannot_go_on_is_failed() {
    let (_, instance, _) = started("fatal").await;
    let reason = "lost its store".to_owned();
    assert_eq!(instance.state(), State::Failed { code: Code::INTERNAL, reason });
}

#[tokio::test]
async fn a_wrong_configuration_names_the_key_and_the_nearest() {
    let server = Arc::new(Server::default());
    let failure = create(&library(), &server, r#"{"mdoe":"x"}"#, PATIENT).await.err().unwrap();
    assert_eq!(
        failure.to_string(),
        "plugin `sample` could not be created: configuration of plugin `sample`: key `mdoe`: \
         there is no such key; did you mean `mode`? [CX0207]"
    );
}

#[tokio::test]
async fn a_wrong_value_names_the_key() {
    let server = Arc::new(Server::default());
    let failure = create(&library(), &server, r#"{"mode":7}"#, PATIENT).await.err().unwrap();
    assert_eq!(failure.code, Code::PLUGIN_CONFIG_INVALID);
    assert!(failure.message.contains("key `mode`: "), "{failure}");
}

/// A server that goes on.
fn goes_on() -> watch::Sender<bool> {
    watch::Sender::new(false)
}

async fn waiting(instance: &Arc<Instance>, count: &str) {
    let server = goes_on();
    loop {
        let found = instance.serve("unruly.waiting", Payload::EMPTY, server.subscribe()).await.unwrap();
        if found.as_slice() == count.as_bytes() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Callers that wait in the plugin until something ends them.
async fn callers(instance: &Arc<Instance>, server: &watch::Sender<bool>, count: usize) -> JoinSet<Code> {
    let mut callers = JoinSet::new();
    for _ in 0..count {
        let (instance, stops) = (Arc::clone(instance), server.subscribe());
        callers.spawn(
            async move { instance.serve("unruly.wait", Payload::EMPTY, stops).await.unwrap_err().code },
        );
    }
    waiting(instance, &count.to_string()).await;
    callers
}

#[tokio::test]
async fn an_operation_is_answered_as_the_plugin_says() {
    let (_, instance, _) = started("well-behaved").await;
    let server = goes_on();
    let same = instance.serve("unruly.same", Payload::from(vec![1, 2]), server.subscribe()).await.unwrap();
    assert_eq!(same.as_slice(), [1, 2]);
    let refused = instance.serve("unruly.refuse", Payload::EMPTY, server.subscribe()).await.unwrap_err();
    let crossed = PluginError::from(refused);
    assert_eq!((crossed.code, crossed.flags), (Code::JOBS_FULL, error_flags::RETRYABLE));
    assert_eq!(crossed.message, "refused as asked");
    assert_eq!(crossed.detail, r#"{"context":"as asked","line":7}"#);
    let unknown = instance.serve("unruly.fly", Payload::EMPTY, server.subscribe()).await.unwrap_err();
    assert_eq!(unknown.code, Code::CONTROL_UNKNOWN_VERB);
}

#[tokio::test]
async fn callers_wait_without_threads_and_one_that_leaves_is_cancelled() {
    let (_, instance, _) = started("well-behaved").await;
    let server = goes_on();
    let threads = || fs::read_dir("/proc/self/task").unwrap().count();
    let before = threads();
    let mut waits = callers(&instance, &server, 300).await;
    assert!(threads() <= before + 2, "{} threads, {before} before", threads());
    waits.abort_all();
    while waits.join_next().await.is_some() {}
    waiting(&instance, "0").await;
    assert_eq!(instance.state(), State::Running);
}

#[tokio::test]
async fn who_waits_is_told_when_the_instance_drains_and_when_the_server_stops() {
    let server = goes_on();
    let (_, instance, _) = started("well-behaved").await;
    let waits = callers(&instance, &server, 3).await;
    instance.drain().await.unwrap();
    assert_eq!(waits.join_all().await, [Code::PLUGIN_UNAVAILABLE; 3]);
    let refused = instance.serve("unruly.same", Payload::EMPTY, server.subscribe()).await.unwrap_err();
    assert_eq!(refused.to_string(), "plugin `sample` is draining: ask again when it runs [CX0214]");

    let (_, instance, _) = started("well-behaved").await;
    let waits = callers(&instance, &server, 3).await;
    server.send_replace(true);
    assert_eq!(waits.join_all().await, [Code::SHUTTING_DOWN; 3]);
    let same = instance.serve("unruly.same", Payload::EMPTY, server.subscribe()).await;
    assert!(same.is_ok(), "what does not wait is answered until the plugin drains: {same:?}");
}

#[tokio::test]
async fn a_panic_in_an_operation_fails_the_instance_and_ends_the_others() {
    let (_, instance, _) = started("well-behaved").await;
    let server = goes_on();
    let waits = callers(&instance, &server, 3).await;
    let panicked = instance.serve("unruly.panic", Payload::EMPTY, server.subscribe()).await.unwrap_err();
    assert_eq!(panicked.code, Code::PLUGIN_PANICKED);
    assert!(
        waits
            .join_all()
            .await
            .iter()
            .all(|code| *code == Code::PLUGIN_UNAVAILABLE || *code == Code::PLUGIN_PANICKED)
    );
    assert_eq!(instance.state().as_str(), "failed");
    let refused = instance.serve("unruly.same", Payload::EMPTY, server.subscribe()).await.unwrap_err();
    assert_eq!(refused.code, Code::PLUGIN_UNAVAILABLE);
}

#[test]
fn a_family_belongs_to_one_plugin_and_never_to_one_that_takes_the_servers() {
    let seen = inspect(unruly()).unwrap();
    let of = |verbs: &[&str]| {
        let mut changed = seen.clone();
        changed.manifest.verbs = verbs.iter().map(|verb| (*verb).to_owned()).collect();
        changed
    };
    let fault = |verbs: &[&str]| plugins::family_fault(&of(verbs), [("first", &seen)].into_iter());
    assert_eq!(fault(&["jobs"]), Ok(()));
    assert!(fault(&["unruly"]).unwrap_err().contains("as `first` does"));
    assert!(fault(&["agents"]).unwrap_err().contains("which are the server's own"));
    assert!(fault(&["Jobs.create"]).unwrap_err().contains("use small letters"));
}
