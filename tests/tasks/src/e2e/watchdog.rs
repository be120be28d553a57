//! Ends a run that does not end by itself, with the server that it started.

use std::{
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

/// The process of the run's server; zero for none.
static SERVER: AtomicU32 = AtomicU32::new(0);

/// Names the server of this run.
pub fn serve(pid: u32) {
    SERVER.store(pid, Ordering::Release);
}

/// Ends this process with 1 and its server after so long.
pub fn start(longest: Duration, seed: u64) {
    thread::spawn(move || {
        thread::sleep(longest);
        eprintln!("error: the run did not end within {} s (seed {seed})", longest.as_secs());
        let pid = SERVER.load(Ordering::Acquire);
        if pid != 0 {
            let _killed = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
        std::process::exit(1);
    });
}
