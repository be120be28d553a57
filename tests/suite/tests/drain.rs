//! A server that is told to stop finishes what it can, tells who still waits, and proves its books.

use std::{fs, thread, time::Duration};

use caxton_kit::{
    artifacts,
    server::{CONFIG, Server},
};

#[test]
fn a_stop_is_heard_while_a_plugin_starts() {
    let library = artifacts::bad_plugins().unwrap().join("libcaxton_unruly.so").display().to_string();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("caxton.toml");
    let slow =
        format!("[plugins.slow]\nlibrary = {library:?}\nmode = \"hang-in-start\"\nstart_ms = 600000\n");
    fs::write(&file, format!("{CONFIG}{slow}")).unwrap();
    let mut server = Server::spawn(&file, dir.path(), &[]).unwrap();
    while !(server.log().contains("plugin running") && server.log().contains("rest")) {
        thread::sleep(Duration::from_millis(10));
    }
    assert!(server.stop().unwrap().success(), "{}", server.log());
    assert!(server.log().contains("told to stop while starting"), "{}", server.log());
}

#[test]
fn who_still_waits_is_told_the_server_ends_well_and_the_books_hold() {
    let mut server = Server::start(&format!("{CONFIG}\ndrain_ms = 1200\n")).unwrap();
    let hostile = artifacts::guests().unwrap().join("hostile.wasm").display().to_string();
    server.deploy(&[&hostile, "--name", "silent"]).unwrap();
    let url = format!("{}/v1/agents/silent/ask?timeout-ms=60000", server.url());
    let waiting = thread::spawn(move || {
        let agent =
            ureq::Agent::new_with_config(ureq::Agent::config_builder().http_status_as_error(false).build());
        let mut response = agent.post(url).content_type("text/plain").send("log nobody is answered").unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    });
    // The guest's own line shows that it has the message.
    while !server.log().contains("nobody is answered") {
        thread::sleep(Duration::from_millis(10));
        assert!(!waiting.is_finished());
    }
    assert!(server.stop().unwrap().success(), "{}", server.log());
    let (status, body) = waiting.join().unwrap();
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("CX0903"), "{body}");
    let log = server.log();
    assert!(log.contains("holds=true") && !log.contains("ERROR"), "{log}");
}
