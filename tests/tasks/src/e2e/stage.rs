//! The stage of a run: a real server in a folder of its own, its components and agents, and what it says of itself.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use caxton_kit::{
    artifacts,
    http::{Client, Reply, good},
    server::Server,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Options, claims::Claims};

/// How long one request of control may take: compiling an agent on a busy machine included.
const CONTROL_MAX: Duration = Duration::from_secs(90);
/// How often a wait looks.
pub const LOOK: Duration = Duration::from_millis(50);

/// What a run wants of its server beside router, protocols and rest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wants {
    /// Keys of `[limits]`, in TOML.
    pub limits: &'static str,
    /// A store for durable messages.
    pub store: bool,
    /// The plugin that writes down what it takes, as `journal`.
    pub journal: bool,
    /// The plugin that writes every signal to `trace.jsonl`.
    pub trace: bool,
    /// The echo plugin.
    pub echo: bool,
}

/// A running server and its folder.
pub struct Stage {
    /// The server.
    pub server: Server,
    folder: Folder,
    components: BTreeMap<String, String>,
}

/// A folder that goes with a run whose claims hold, and stays otherwise.
pub struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    /// A new folder.
    ///
    /// # Errors
    /// The system gives none.
    pub fn new() -> Result<Self, String> {
        let temporary =
            TempDir::with_prefix("caxton-e2e-").map_err(|why| format!("no temporary folder: {why}"))?;
        Ok(Self { path: temporary.keep(), keep: true })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        match self.keep {
            true => eprintln!("files of the run: {}", self.path.display()),
            // What cannot be removed is in a temporary folder.
            false => drop(fs::remove_dir_all(&self.path)),
        }
    }
}

impl Stage {
    /// Builds the parts and starts a server.
    ///
    /// # Errors
    /// A part cannot be built, or the server is not ready in time.
    pub fn set(wants: Wants, folder: Folder) -> Result<Self, String> {
        let file = folder.path.join("caxton.toml");
        fs::write(&file, configuration(wants, &folder.path)?)
            .map_err(|why| format!("cannot write {}: {why}", file.display()))?;
        let server = Server::start_in(&file, &folder.path, &[])?;
        super::watchdog::serve(server.pid());
        println!("server {} (process {}), files in {}", server.url(), server.pid(), folder.path.display());
        Ok(Self { server, folder, components: BTreeMap::new() })
    }

    /// Starts the server again on the same data, after it was killed; answers how long it took to be ready.
    ///
    /// # Errors
    /// It is not ready in time.
    pub fn restart(&mut self) -> Result<Duration, String> {
        let began = Instant::now();
        self.server.restart()?;
        super::watchdog::serve(self.server.pid());
        Ok(began.elapsed())
    }

    /// A file of the run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path.join(name)
    }

    /// A client of the server.
    pub fn client(&self) -> Client {
        Client::new(self.server.url(), CONTROL_MAX)
    }

    /// Deploys an agent that has a duty, see `tests/guests/duty`.
    ///
    /// # Errors
    /// The server refused it.
    pub fn deploy(&mut self, name: &str, duty: &str) -> Result<(), String> {
        let manifest = self.manifest(name, duty)?;
        self.client().post("/v1/agents", &manifest).map(drop)
    }

    /// Brings in a new version of an agent and waits until it is active.
    ///
    /// # Errors
    /// No answer; a refusal is in the reply.
    pub fn apply(&mut self, name: &str, duty: &str) -> Result<Reply, String> {
        let manifest = self.manifest(name, duty)?;
        self.client().json("PUT", &format!("/v1/agents/{name}"), &manifest)
    }

    /// The manifest of an agent that has a duty; uploads the component once.
    ///
    /// # Errors
    /// The component cannot be built or is refused.
    pub fn manifest(&mut self, name: &str, duty: &str) -> Result<Value, String> {
        let component = self.upload(&artifacts::guests()?.join("duty.wasm"))?;
        Ok(json!({"name": name, "component": component, "config": duty}))
    }

    /// Uploads a component and gives its digest.
    ///
    /// # Errors
    /// It cannot be read or is refused.
    pub fn upload(&mut self, file: &Path) -> Result<String, String> {
        let key = file.display().to_string();
        if let Some(digest) = self.components.get(&key) {
            return Ok(digest.clone());
        }
        let bytes = fs::read(file).map_err(|why| format!("cannot read {key}: {why}"))?;
        let reply = self.client().send("PUT", "/v1/components", "application/wasm", &bytes)?;
        let document = good("PUT", "/v1/components", reply)?;
        let digest = document.get("digest").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.components.insert(key, digest.clone());
        Ok(digest)
    }

    /// Deploys one of the example agents, with what its manifest says beside name and component.
    ///
    /// # Errors
    /// It cannot be built, or the server refused it.
    pub fn example(&mut self, name: &str, component: &str, mut manifest: Value) -> Result<(), String> {
        let digest = self.upload(&artifacts::agents()?.join(component))?;
        if let Value::Object(members) = &mut manifest {
            members.insert("name".into(), name.into());
            members.insert("component".into(), digest.into());
        }
        self.client().post("/v1/agents", &manifest).map(drop)
    }

    /// The server's status.
    ///
    /// # Errors
    /// It does not answer.
    pub fn status(&self) -> Result<Value, String> {
        self.client().get("/v1/status")
    }

    /// Waits until no message is in flight; answers with the last status and whether that came in time.
    ///
    /// # Errors
    /// The server does not answer.
    pub fn quiet(&self, longest: Duration) -> Result<(Value, bool), String> {
        let mut client = self.client();
        let began = Instant::now();
        loop {
            let status = client.get("/v1/status")?;
            let waiting = status.pointer("/accounting/in-flight").and_then(Value::as_u64);
            if waiting == Some(0) || began.elapsed() > longest {
                return Ok((status, waiting == Some(0)));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Stops the server as an operator does.
    ///
    /// # Errors
    /// It did not stop in time, or not with 0; the message has its log's end.
    pub fn stop(&mut self) -> Result<(), String> {
        let ended = self.server.stop()?;
        super::watchdog::serve(0);
        match ended.success() {
            true => Ok(()),
            false => Err(format!("the server ended with {ended}:\n{}", self.server.log_tail())),
        }
    }

    /// Ends a run: where all claims hold, its files go unless they are to be kept; else the log's end is printed.
    pub fn finish(&mut self, options: &Options, claims: &Claims) {
        self.folder.keep = options.keep || !claims.hold();
        if !claims.hold() {
            eprintln!("\nthe end of the server's log:\n{}\n", self.server.log_tail());
        }
    }
}

/// The store that durable messages go to.
const STORE: &str = "store-sqlite";
/// A small cache is full soon, and memory is flat from then on.
const STORE_CACHE_BYTES: u32 = 1 << 20;

/// Closed conversations that the protocols keep: as above.
const CLOSED: u32 = 500;

fn configuration(wants: Wants, folder: &Path) -> Result<String, String> {
    let native = artifacts::native()?;
    let path = |name: &str| format!("{:?}", folder.join(name));
    let mut text = format!(
        "[server]\ndrain_ms = 5000\n\n[limits]\nsignals_per_second_max = 1000000000\n{}\n\n[plugins.router]\n[plugins.protocols]\nclosed_max = {CLOSED}\n[plugins.gateway]\n[plugins.rest]\nlisten = \
         \"127.0.0.1:{}\"\n",
        wants.limits,
        free_port()?
    );
    if wants.trace {
        text.push_str(&format!(
            "[plugins.jsonl]\npath = {}\nqueue_signals_max = 1000000\nrotate_bytes_max = 0\n",
            path("trace.jsonl")
        ));
    }
    if wants.echo {
        text.push_str("[plugins.echo]\n");
    }
    if wants.journal {
        let library = artifacts::journal()?;
        text.push_str(&format!("[plugins.journal]\nlibrary = {library:?}\npath = {}\n", path("journal.txt")));
    }
    if wants.store && native.join("libcaxton_store_sqlite.so").exists() {
        text.push_str(&format!(
            "[plugins.{STORE}]\npath = {}\ncache_bytes = {STORE_CACHE_BYTES}\n",
            path("data/messages.db")
        ));
    }
    Ok(text)
}

/// A port that was free a moment ago: a server that is started again, or whose rest plugin is reloaded, keeps it.
fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|why| format!("no free port: {why}"))?;
    listener.local_addr().map(|address| address.port()).map_err(|why| why.to_string())
}
