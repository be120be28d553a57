//! Plugins of a real server are exchanged under load, restarted when they fail, and its configuration is read again.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use caxton_kit::{
    artifacts,
    server::{CONFIG, Server, printed},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Long enough on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// A bidder that thinks, so that an exchange falls into its conversations.
const THOUGHTFUL: &str = r#"{"base": 1, "per_kb": 1, "slow_every": 1, "slow_ms": 150}"#;
/// Callers at the same time.
const CALLERS: usize = 4;

fn client() -> ureq::Agent {
    ureq::Agent::new_with_config(ureq::Agent::config_builder().http_status_as_error(false).build())
}

fn post(agent: &ureq::Agent, url: &str, body: &Value) -> Result<(u16, Value), String> {
    let mut response = agent.post(url).send_json(body).map_err(|error| error.to_string())?;
    let text = response.body_mut().read_to_string().map_err(|error| error.to_string())?;
    Ok((response.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::from(text))))
}

fn reload(server: &Server, plugin: &str, body: &Value) -> (u16, Value) {
    post(&client(), &format!("{}/v1/plugins/{plugin}/reload", server.url()), body).unwrap()
}

fn describe(server: &Server, plugin: &str) -> Value {
    server.json(&["describe", "plugin", plugin]).unwrap()
}

/// Looks until it is so.
fn until(what: &str, server: &Server, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "{what}\n{}", server.log());
        thread::sleep(Duration::from_millis(20));
    }
}

fn with_bidders(config: &str) -> Server {
    let server = Server::start(config).unwrap();
    let bidder = artifacts::agents().unwrap().join("bidder.wasm").display().to_string();
    for name in ["ann", "bob"] {
        let arguments = [&bidder, "--new", "--name", name, "--group", "bidders", "--config", THOUGHTFUL];
        server.deploy(&arguments).unwrap();
    }
    server
}

fn contract_net(agent: &ureq::Agent, server: &Server) -> Result<(), String> {
    let net = json!({"participants": ["group:bidders"], "task": "{\"file\": \"hello.txt\", \"bytes\": 11}", "work": "hello world"});
    let (status, document) = post(agent, &format!("{}/v1/contract-nets", server.url()), &net)?;
    let done = status == 200 && document["outcome"] == "completed";
    if done { Ok(()) } else { Err(format!("{status} {document}")) }
}

/// Runs contract nets until `exchange` has returned; answers how many there were and what went wrong.
fn under_contract_nets(server: &Server, exchange: impl FnOnce()) -> (usize, Vec<String>) {
    let (over, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let wrong = thread::scope(|scope| {
        let call = || {
            let mut wrong = Vec::new();
            while !over.load(Ordering::SeqCst) {
                // A connection of its own, so that a listener that is gone for a moment is found.
                wrong.extend(contract_net(&client(), server).err());
                count.fetch_add(1, Ordering::SeqCst);
            }
            wrong
        };
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(call)).collect();
        until("contract nets run", server, || count.load(Ordering::SeqCst) > 0);
        exchange();
        over.store(true, Ordering::SeqCst);
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    let wrong: Vec<String> = wrong;
    (count.into_inner(), wrong.into_iter().take(3).collect())
}

fn nothing_is_lost(server: &Server) {
    let status = server.json(&["status"]).unwrap();
    assert_eq!(status["accounting"]["holds"], true, "{status}");
    assert_eq!(status["accounting"]["dead-lettered"], 0, "{status}");
}

#[test]
fn protocols_are_exchanged_in_the_middle_of_auctions_and_no_conversation_breaks() {
    let server = with_bidders(CONFIG);
    let (count, wrong) = under_contract_nets(&server, || {
        for generation in 2..=21 {
            let (status, document) = reload(&server, "protocols", &json!({}));
            assert_eq!((status, &document["generation"]), (200, &json!(generation)), "{document}");
        }
    });
    assert_eq!(wrong, Vec::<String>::new(), "of {count}");
    nothing_is_lost(&server);
}

#[test]
fn rest_is_exchanged_under_its_callers_without_a_refused_connection_or_a_lost_answer() {
    let server = with_bidders(&format!("{CONFIG}\ndrain_ms = 30000\n"));
    let (count, wrong) = under_contract_nets(&server, || {
        for generation in 2..=11 {
            let (status, document) = reload(&server, "rest", &json!({}));
            assert_eq!((status, &document["generation"]), (200, &json!(generation)), "{document}");
            thread::sleep(Duration::from_millis(50));
        }
    });
    assert_eq!(wrong, Vec::<String>::new(), "of {count}");
    nothing_is_lost(&server);
}

#[test]
fn router_and_exporter_are_exchanged_and_no_signal_is_lost_or_doubled() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("signals.jsonl");
    let mut server = with_bidders(&format!("{CONFIG}\n[plugins.jsonl]\npath = {file:?}\n"));
    let (_, wrong) = under_contract_nets(&server, || {
        for _ in 0..5 {
            assert_eq!(reload(&server, "router", &json!({})).0, 200);
            assert_eq!(reload(&server, "jsonl", &json!({})).0, 200);
        }
    });
    assert_eq!(wrong, Vec::<String>::new());
    let books = server.json(&["status"]).unwrap()["accounting"].clone();
    assert!(server.stop().unwrap().success(), "{}", server.log());
    let text = fs::read_to_string(&file).unwrap();
    let accepted = text.lines().filter(|line| line.contains("\"message.accepted\"")).count();
    assert_eq!(accepted as u64, books["accepted"].as_u64().unwrap());
}

/// A copy of echo outside the repository, with a version of its own.
fn parrot(version: &str) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let library = crate::plugins::parrot(dir.path(), "parrot_next", &[("0.1.0", version)]);
    (dir, library)
}

#[test]
fn another_version_takes_over_and_a_bad_one_leaves_the_old_one() {
    let server = Server::start(&format!("{CONFIG}\n[plugins.echo]\n")).unwrap();
    let ask = || server.cli(&["ask", "echo", "polly"]).unwrap();
    let old = describe(&server, "echo");
    let (_kept, next) = parrot("7.0.0");
    let (status, new) = reload(&server, "echo", &json!({"library": next}));
    assert_eq!((status, &new["version"]), (200, &json!("7.0.0")), "{new}");
    assert_ne!(old["digest"], new["digest"]);
    assert_eq!(String::from_utf8_lossy(&ask().stdout).trim(), "polly", "{}", printed(&ask()));

    let readme = artifacts::root().join("README.md");
    let router = artifacts::native().unwrap().join("libcaxton_router.so");
    for (bad, code) in [(readme, "CX0201"), (router, "CX0105"), ("/nowhere.so".into(), "CX0602")] {
        let (status, refused) = reload(&server, "echo", &json!({"library": bad}));
        assert!(status >= 400 && refused["code"] == code, "{status} {refused}");
    }
    assert_eq!(describe(&server, "echo")["version"], "7.0.0");
    assert!(ask().status.success(), "{}", printed(&ask()));
}

#[test]
fn a_library_that_everybody_may_write_is_not_loaded() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start(&format!("{CONFIG}\n[plugins.echo]\n")).unwrap();
    let dir = TempDir::new().unwrap();
    let library = dir.path().join("libcaxton_echo.so");
    fs::copy(artifacts::native().unwrap().join("libcaxton_echo.so"), &library).unwrap();
    fs::set_permissions(&library, fs::Permissions::from_mode(0o666)).unwrap();
    let (_, refused) = reload(&server, "echo", &json!({"library": library}));
    assert!(refused.to_string().contains("chmod go-w"), "{refused}");
}

fn with_unruly(mode: &str, keys: &str) -> Server {
    let library = artifacts::bad_plugins().unwrap().join("libcaxton_unruly.so");
    Server::start(&format!("{CONFIG}\n[plugins.bad]\nlibrary = {library:?}\nmode = {mode:?}\n{keys}\n"))
        .unwrap()
}

#[test]
fn a_plugin_that_panicked_is_restarted_and_the_server_is_ready_again() {
    let server = with_unruly("panic-in-deliver", "");
    let asked = server.cli(&["ask", "unruly", "hello", "--timeout", "5s"]).unwrap();
    assert!(!asked.status.success(), "{}", printed(&asked));
    until("it runs again", &server, || {
        let bad = describe(&server, "bad");
        bad["state"] == "running" && bad["generation"] == 2
    });
    assert_eq!(server.json(&["status"]).unwrap()["ready"], true);
}

#[test]
fn a_plugin_that_fails_too_often_stays_failed() {
    let server = with_unruly("panic-in-deliver", "restarts_max = 1");
    for generation in [1, 2] {
        until("it runs", &server, || {
            let bad = describe(&server, "bad");
            bad["state"] == "running" && bad["generation"] == generation
        });
        server.cli(&["ask", "unruly", "hello", "--timeout", "5s"]).unwrap();
    }
    until("it is given up", &server, || server.log().contains("failed too often"));
    assert_eq!(describe(&server, "bad")["code"], "CX0210");
    let waiting = server.json(&["status"]).unwrap();
    assert_eq!(waiting["ready"], false, "{waiting}");
}

#[test]
fn a_plugin_that_hangs_is_replaced_and_the_worker_in_it_too() {
    let config = CONFIG.replace("[server]\n", "");
    let library = artifacts::bad_plugins().unwrap().join("libcaxton_unruly.so");
    let bad =
        format!("[plugins.bad]\nlibrary = {library:?}\nmode = \"block-in-deliver\"\ncall_ms_max = 200\n");
    let server = Server::start(&format!("[server]\nworkers = 1\n{config}\n{bad}")).unwrap();
    let echo = artifacts::agents().unwrap().join("echo.wasm").display().to_string();
    for name in ["agent", "other"] {
        server.deploy(&[&echo, "--new", "--name", name]).unwrap();
    }
    // The agent's answer goes to the plugin, so it is the worker that hangs.
    let message = json!({
        "performative": "request", "receiver": ["agent"], "reply-to": ["unruly"], "content": "block",
    });
    let (status, sent) = post(&client(), &format!("{}/v1/messages", server.url()), &message).unwrap();
    assert_eq!(status, 202, "{sent}");
    until("it runs again", &server, || {
        let bad = describe(&server, "bad");
        bad["state"] == "running" && bad["generation"].as_u64() > Some(1)
    });
    let asked = server.cli(&["ask", "other", "hello"]).unwrap();
    assert_eq!(String::from_utf8_lossy(&asked.stdout).trim(), "hello", "{}", printed(&asked));
}

fn hang_up(server: &Server) {
    let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::HUP).unwrap();
}

fn start_from(file: &Path, dir: &Path) -> Server {
    Server::start_in(file, dir, &[]).unwrap()
}

#[test]
fn a_hangup_reads_the_configuration_again_and_a_bad_file_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("caxton.toml");
    fs::write(&file, format!("{CONFIG}\n[plugins.echo]\n")).unwrap();
    let server = start_from(&file, dir.path());
    let changed = CONFIG.replace("log = \"info\"", "log = \"debug\"\nworkers = 3");
    let signals = dir.path().join("signals.jsonl");
    let tables = format!("[plugins.echo]\nname = \"parrot\"\n[plugins.jsonl]\npath = {signals:?}\n");
    fs::write(&file, format!("{changed}\n{tables}")).unwrap();
    hang_up(&server);
    until("it is read", &server, || server.log().contains("configuration read again"));
    let answer = server.cli(&["ask", "parrot", "polly"]).unwrap();
    assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), "polly", "{}", printed(&answer));
    assert_eq!(describe(&server, "jsonl")["state"], "running");
    let log = server.log();
    assert!(log.contains("server.workers") && log.contains("CX0105"), "{log}");

    fs::write(&file, format!("{CONFIG}\n[plugins.echo]\nnaem = \"x\"\n")).unwrap();
    hang_up(&server);
    until("it is refused", &server, || server.log().contains("the configuration is not changed"));
    assert!(server.log().contains(":12:1"), "{}", server.log());
    let (status, refused) = post(&client(), &format!("{}/v1/reload", server.url()), &json!({})).unwrap();
    assert!(status == 400 && refused.to_string().contains("did you mean `name`?"), "{status} {refused}");
    assert_eq!(describe(&server, "jsonl")["state"], "running");

    fs::write(&file, CONFIG).unwrap();
    let (status, done) = post(&client(), &format!("{}/v1/reload", server.url()), &json!({})).unwrap();
    assert_eq!(status, 200, "{done}");
    assert_eq!(
        done["changed"],
        json!(["server.log", "plugins.echo removed", "plugins.jsonl removed"]),
        "{done}"
    );
    let gone = server.cli(&["describe", "plugin", "echo"]).unwrap();
    assert_eq!(gone.status.code(), Some(5), "{}", printed(&gone));
}

/// Threads and bytes of resident memory.
fn size(server: &Server) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let number = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    (number("Threads:"), number("VmRSS:") * 1024)
}

#[test]
fn an_exchanged_instance_leaves_no_thread_and_little_memory_behind() {
    let server = Server::start(&format!("{CONFIG}\n[plugins.echo]\n")).unwrap();
    let exchange = |times: usize| {
        for _ in 0..times {
            for plugin in ["rest", "protocols", "router", "echo"] {
                let (status, document) = reload(&server, plugin, &json!({}));
                assert_eq!(status, 200, "{document}");
            }
        }
    };
    exchange(15);
    let (_, before) = size(&server);
    exchange(60);
    until("its threads end", &server, || size(&server).0 < 40);
    let (threads, after) = size(&server);
    println!("240 exchanges: {before} bytes before, {after} after, {threads} threads");
    assert!(after < before + 24 * 1024 * 1024, "{before} {after}");
}
