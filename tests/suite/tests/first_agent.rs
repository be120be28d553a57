//! The page `docs/guide/first-agent.md`, run as it is printed for each language: new, build, test, dev, ask, and an edit
//! while a conversation is open.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use caxton_kit::artifacts;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than any step takes; only a hang ends here.
const HANG: Duration = Duration::from_secs(300);

/// The same bidder in each language; its report is `VERSION`.
const BIDDER_RUST: &str = r#"use caxton_agent::{Bidder, Contractor, Failure, Fault, Refusal, Start};
struct Once;
impl Bidder for Once {
    type Task = u32;
    type Offer = u32;
    type Report = String;
    fn init(_: &Start) -> Result<Self, Fault> { Ok(Self) }
    fn bid(&mut self, task: &u32) -> Result<u32, Refusal> { Ok(*task) }
    fn work(&mut self, _: u32, _: u32, _: &[u8]) -> Result<String, Failure> { Ok("VERSION".to_owned()) }
}
caxton_agent::export!(Contractor<Once>);
"#;
const BIDDER_JS: &str = r#"import { contractor } from "../sdk/caxton.js";
class Once {
  bid(task) { return task; }
  work() { return "VERSION"; }
}
export const { lifecycle, handler, timers } = contractor(Once);
"#;
const BIDDER_PYTHON: &str = r#"from caxton import contractor


class Once:
    def __init__(self, start):
        pass

    def bid(self, task):
        return task

    def work(self, task, offer, order):
        return "VERSION"


Lifecycle, Handler, Timers = contractor(Once)
"#;

/// The shell block of the page that has a line with `needle`.
fn block(needle: &str) -> String {
    let page = fs::read_to_string(artifacts::root().join("docs/guide/first-agent.md")).unwrap();
    let mut blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.find(|block| block.contains(needle)).unwrap_or_else(|| panic!("no block with {needle}")).to_owned()
}

/// A shell in which `caxton` is found; its toolchains are kept with the build.
fn shell(line: &str, folder: &Path, server: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("sh");
    command
        .args(["-ec", line])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", artifacts::native().unwrap().display()))
        .env("XDG_CACHE_HOME", artifacts::target().join("tools/cache"))
        .env("CAXTON_SERVER", server)
        .stdin(Stdio::null());
    command
}

fn run(line: &str, folder: &Path, server: &str) -> String {
    let output = shell(line, folder, server).output().unwrap();
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{line}\n{printed}");
    printed
}

/// `caxton dev` as a child, and the events that it prints.
struct Dev {
    child: Child,
    events: Receiver<Value>,
    seen: Vec<Value>,
}

impl Dev {
    fn start(folder: &Path, server: &str) -> Self {
        let line = format!("exec {} -o json", block("caxton dev").trim());
        let mut child = shell(&line, folder, server).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, events) = channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ended = sender.send(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        Self { child, events, seen: Vec::new() }
    }

    /// Waits for the next event that fits.
    fn wait(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let event = self.events.recv_timeout(HANG);
            let event = event.unwrap_or_else(|_| panic!("no {what} after {:#?}", self.seen));
            self.seen.push(event.clone());
            if fits(&event) {
                return event;
            }
        }
    }

    fn live(&mut self, revision: u32) {
        let live = self.wait("live version", |event| event["event"] == "live" || event["event"] == "failed");
        assert_eq!(live["revision"], revision, "{live:#}");
        println!("revision {revision}: live {} ms after it was built", live["took-ms"]);
    }

    fn stop(mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let stopped = self.wait("end", |event| event["event"] == "stopped");
        assert_eq!(stopped["server-stopped"], true);
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Asks over HTTP with any act of a conversation.
fn ask(server: &str, message: &Value) -> Value {
    let answer = ureq::post(format!("{server}/v1/ask?timeout-ms=20000"))
        .content_type("application/json")
        .send(message.to_string())
        .unwrap_or_else(|error| panic!("{message}: {error}"));
    serde_json::from_str(&answer.into_body().read_to_string().unwrap()).unwrap()
}

/// A call for proposals, answered.
fn proposal(server: &str) -> Value {
    let call = json!({"performative": "cfp", "receiver": ["greeter"], "protocol": "fipa-contract-net",
        "content": "7", "reply-by": "+10s"});
    let proposal = ask(server, &call);
    assert_eq!(proposal["performative"], "propose", "{proposal:#}");
    proposal
}

/// The report for an accepted proposal.
fn report(server: &str, proposal: &Value) -> String {
    let acceptance = json!({"performative": "accept-proposal", "receiver": ["greeter"],
        "protocol": "fipa-contract-net", "conversation-id": proposal["conversation-id"],
        "in-reply-to": proposal["reply-with"],
        "content": "go", "reply-by": "+10s"});
    let report = ask(server, &acceptance);
    assert_eq!(report["performative"], "inform", "{report:#}");
    report["content"].as_str().unwrap().to_owned()
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Runs the page for a language whose agent is in `agent` and greets in `greeting`.
fn first_agent(lang: &str, agent: &str, greeting: &str, bidder: &str) {
    let folder = TempDir::new().unwrap();
    let server = free_address();
    let made = run(&block("caxton new agent").replace("python", lang), folder.path(), &server);
    assert!(made.contains("made the agent greeter in greeter"), "{made}");
    assert!(made.contains("built build/greeter.wasm"), "{made}");
    let folder: PathBuf = folder.path().join("greeter");
    let again = run("caxton build", &folder, &server);
    assert!(again.contains("build/greeter.wasm is up to date"), "{again}");

    let mut dev = Dev::start(&folder, &server);
    dev.live(1);
    let ask_block = block("caxton ask greeter");
    assert!(run(&ask_block, &folder, &server).contains("Hello, Ada!"));
    dev.wait("log line", |event| event["event"] == "log" && event["line"] == "greeting Ada");

    run(&block("sed -i").replace("src/greeting.py", greeting), &folder, &server);
    dev.live(2);
    assert!(run(&ask_block, &folder, &server).contains("Hello, dear Ada!"));

    let source = fs::read_to_string(folder.join(agent)).unwrap();
    fs::write(folder.join(agent), format!("{source}\n(((\n")).unwrap();
    let failed = dev.wait("failure", |event| event["event"] == "failed");
    assert_eq!((&failed["problem"]["code"], &failed["live-goes-on"]), (&json!("CX0414"), &json!(true)));
    assert!(run(&ask_block, &folder, &server).contains("Hello, dear Ada!"));

    fs::write(folder.join(agent), bidder.replace("VERSION", "one")).unwrap();
    dev.live(3);
    let open = proposal(&server);
    fs::write(folder.join(agent), bidder.replace("VERSION", "two")).unwrap();
    dev.live(4);
    assert_eq!(
        report(&server, &open),
        "\"one\"",
        "the conversation ends with the version that it began with"
    );
    assert_eq!(report(&server, &proposal(&server)), "\"two\"");
    dev.stop();
}

#[test]
fn in_rust() {
    first_agent("rust", "src/lib.rs", "src/lib.rs", BIDDER_RUST);
}

#[test]
fn in_javascript() {
    if !is_there("node") || !is_there("npm") {
        return println!("skipped: node and npm are not on the PATH");
    }
    first_agent("js", "src/agent.js", "src/greeting.js", BIDDER_JS);
}

#[test]
fn in_python() {
    if !is_there("python3") {
        return println!("skipped: python3 is not on the PATH");
    }
    first_agent("python", "src/agent.py", "src/greeting.py", BIDDER_PYTHON);
}

#[test]
fn a_new_plugin_passes_its_tests_and_is_inspected() {
    let folder = TempDir::new().unwrap();
    let made = run("caxton new plugin greeter-port", folder.path(), "");
    assert!(made.contains("made the plugin greeter-port"), "{made}");
    let folder = folder.path().join("greeter-port");
    fs::copy(artifacts::root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let target = artifacts::target().join("guests/new-plugin");
    for verb in ["test", "build"] {
        let mut cargo = artifacts::cargo(&folder);
        let output = cargo.args([verb, "--quiet", "--target-dir"]).arg(&target).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let library = target.join("debug/libgreeter_port.so");
    let inspected = run(&format!("caxton plugin inspect {}", library.display()), &folder, "");
    assert!(inspected.contains("endpoint/1"), "{inspected}");
}
