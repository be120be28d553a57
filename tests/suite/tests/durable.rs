//! Durable messages and deployed agents are there again after the server was killed.

use std::{collections::BTreeSet, fs, path::Path, process::Command, thread, time::Duration};

use caxton_kit::{
    artifacts,
    server::{CONFIG, Server},
};
use serde_json::{Value, json};

/// A turn may spin for long, so that what comes behind it waits until the server is killed.
fn config(dir: &Path) -> String {
    let path = dir.join("store.sqlite");
    format!("{CONFIG}\n[plugins.store-sqlite]\npath = {path:?}\n[limits]\nturn_ms_max = 600000\n")
}

fn post(server: &Server, message: Value) -> (u16, Value) {
    let agent =
        ureq::Agent::new_with_config(ureq::Agent::config_builder().http_status_as_error(false).build());
    let mut response = agent.post(format!("{}/v1/messages", server.url())).send_json(message).unwrap();
    (response.status().as_u16(), response.body_mut().read_json().unwrap())
}

fn deploy_hostile(server: &Server, name: &str) {
    let hostile = artifacts::guests().unwrap().join("hostile.wasm").display().to_string();
    server.deploy(&[&hostile, "--name", name]).unwrap();
}

fn status(server: &Server) -> Value {
    server.json(&["status"]).unwrap()
}

/// Ends it as a power cut would.
fn kill(server: &mut Server) {
    let killed = Command::new("kill").args(["-9", &server.pid().to_string()]).status().unwrap();
    assert!(killed.success());
    assert!(!server.wait_end(Duration::from_secs(30)).unwrap().success());
}

/// Looks until it is so.
fn until(server: &Server, what: impl Fn() -> bool) {
    for _ in 0..3_000 {
        if what() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("not within a minute:\n{}", server.log());
}

#[test]
fn what_was_acknowledged_is_handled_after_a_kill_and_agents_are_back() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("caxton.toml");
    fs::write(&file, config(dir.path())).unwrap();
    let mut server = Server::start_in(&file, dir.path(), &[]).unwrap();
    deploy_hostile(&server, "busy");
    deploy_hostile(&server, "gone");
    assert!(server.cli(&["delete", "agent", "gone"]).unwrap().status.success());

    // The agent spins, so nothing of what follows is handled before the kill.
    let to_busy = |content: &str, class: &str| json!({"performative": "inform", "receiver": ["busy"], "content": content, "class": class});
    assert_eq!(post(&server, to_busy("spin", "volatile")).0, 202);
    let numbers: BTreeSet<u32> = (0..200).collect();
    for number in &numbers {
        let (code, answer) = post(&server, to_busy(&format!("log kept-{number}-"), "durable"));
        assert_eq!((code, &answer["class"]), (202, &json!("durable")), "{answer}");
    }
    assert_eq!(status(&server)["store"]["messages"], 200);
    kill(&mut server);

    let server = Server::start_in(&file, dir.path(), &[]).unwrap();
    until(&server, || status(&server)["store"]["messages"] == 0);
    let log = server.log();
    let missing: Vec<_> = numbers.iter().filter(|number| !log.contains(&format!("kept-{number}-"))).collect();
    assert!(missing.is_empty(), "acknowledged and not handled: {missing:?}\n{log}");
    let agents = server.json(&["get", "agents"]).unwrap();
    let names: Vec<_> = agents["items"].as_array().unwrap().iter().map(|agent| &agent["name"]).collect();
    assert_eq!(names, ["busy@caxton"]);
    let books = &status(&server)["accounting"];
    assert_eq!((&books["by-class"]["durable"]["delivered"], &books["holds"]), (&json!(200), &json!(true)));
}

#[test]
fn a_damaged_store_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("caxton.toml");
    fs::write(&file, config(dir.path())).unwrap();
    let mut server = Server::start_in(&file, dir.path(), &[]).unwrap();
    assert!(server.stop().unwrap().success(), "{}", server.log());
    fs::write(dir.path().join("store.sqlite"), [7; 4096]).unwrap();
    let mut server = Server::spawn(&file, dir.path(), &[]).unwrap();
    assert!(!server.wait_end(Duration::from_secs(60)).unwrap().success());
    assert!(server.log().contains("store-sqlite"), "{}", server.log());
}

#[test]
fn two_stores_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("caxton.toml");
    let second = "[plugins.second]\nlibrary = \"libcaxton_store_sqlite.so\"\n";
    fs::write(&file, format!("{}{second}", config(dir.path()))).unwrap();
    let mut server = Server::spawn(&file, dir.path(), &[]).unwrap();
    assert!(!server.wait_end(Duration::from_secs(60)).unwrap().success());
    let log = server.log();
    assert!(log.contains("CX0104") && log.contains("second") && log.contains("`store-sqlite`"), "{log}");
}

#[test]
fn without_a_store_a_durable_message_is_refused() {
    let server = Server::start(CONFIG).unwrap();
    deploy_hostile(&server, "any");
    let message = json!({"performative": "inform", "receiver": ["any"], "content": "", "class": "durable"});
    let (code, problem) = post(&server, message);
    assert_eq!((code, &problem["code"]), (503, &json!("CX0323")), "{problem}");
    assert_eq!(status(&server)["store"], Value::Null);
}

#[test]
fn a_store_is_exchanged_under_durable_messages_and_a_bad_one_leaves_the_old() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&format!("{}\n[plugins.echo]\n", config(dir.path()))).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let accepted = thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut accepted = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let message = json!({"performative": "inform", "receiver": ["echo"], "content": "kept", "class": "durable"});
                let (code, answer) = post(&server, message);
                assert_eq!(code, 202, "{answer}");
                accepted += 1;
            }
            accepted
        });
        for _ in 0..5 {
            let done = server.cli(&["plugin", "reload", "store-sqlite"]).unwrap();
            assert!(done.status.success(), "{}\n{}", String::from_utf8_lossy(&done.stderr), server.log());
        }
        let text = dir.path().join("text.so");
        fs::write(&text, "no library").unwrap();
        let refused =
            server.cli(&["plugin", "reload", "store-sqlite", "--file", &text.display().to_string()]).unwrap();
        assert!(!refused.status.success());
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        sending.join().unwrap()
    });
    until(&server, || status(&server)["store"]["messages"] == 0);
    let books = &status(&server)["accounting"]["by-class"]["durable"];
    assert_eq!((&books["accepted"], &books["delivered"]), (&json!(accepted), &json!(accepted)), "{books}");
    assert_eq!(server.json(&["describe", "plugin", "store-sqlite"]).unwrap()["generation"], 6);
}
