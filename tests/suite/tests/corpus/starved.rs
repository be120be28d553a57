//! What the operating system says of a server, and a server that it gives little.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use caxton_kit::artifacts;

use super::wire;

const READY_MAX: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);

/// Resident memory of a process that is its own: without what it maps from files, such as compiled components.
pub fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// A server that a shell starts under a limit of its own; killed when it is dropped.
struct Limited {
    child: Child,
    url: String,
    log: PathBuf,
    _dir: tempfile::TempDir,
}

impl Limited {
    fn start(limit: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (file, address) = (dir.path().join("caxton.toml"), dir.path().join("rest.addr"));
        fs::write(&file, super::CONFIG).unwrap();
        let log = dir.path().join("server.log");
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{limit}; exec \"$0\" \"$@\""));
        shell.arg(artifacts::native().unwrap().join("caxtond")).args(["serve", "-f"]).arg(&file);
        shell.args(["--set", &format!("server.data_dir={:?}", dir.path().join("data"))]);
        shell.args(["--set", &format!("plugins.rest.addr_file={address:?}")]);
        shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&log).unwrap());
        let mut server = Self { child: shell.spawn().unwrap(), url: String::new(), log, _dir: dir };
        let began = Instant::now();
        while !address.exists() {
            assert!(
                began.elapsed() < READY_MAX && server.child.try_wait().unwrap().is_none(),
                "{}",
                server.log()
            );
            thread::sleep(LOOK);
        }
        server.url = format!("http://{}", fs::read_to_string(&address).unwrap().trim());
        server
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn is_well(&self) -> bool {
        let request = wire::request("GET", "/v1/status", &[], b"");
        let answer = wire::send(&self.url, &request, false);
        answer.status == 200 && answer.body.contains("\"holds\":true")
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn a_server_without_free_descriptors_lives_and_serves_when_there_are_some() {
    let server = Limited::start("ulimit -n 64");
    // The kernel completes these connections; the server can take only some of them.
    let connections: Vec<_> = (0..100).map(|_| wire::connect(&server.url)).collect();
    let began = Instant::now();
    while !server.log().contains("no connection could be accepted") {
        assert!(began.elapsed() < READY_MAX, "{}", server.log());
        thread::sleep(LOOK);
    }
    drop(connections);
    assert!(server.is_well(), "{}", server.log());
    let noise = server.log().lines().filter(|line| line.contains("no connection could be accepted")).count();
    assert!(noise < 1_000, "{noise} lines");
}
