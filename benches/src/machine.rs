//! The machine, the sources and the moment of a run.

use std::{fs, process::Command};

use caxton_kit::artifacts;
use serde::{Deserialize, Serialize};

/// What runs everything.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Cores that a process may use.
    pub cores: usize,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// The kernel's version.
    pub kernel: String,
    /// Runnable threads over the last minute before the run; much more than 0 means that others computed too.
    pub load_before: f64,
}

impl Machine {
    /// Looks at this machine.
    pub fn look() -> Self {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let memory_kib: u64 =
            field(&read("/proc/meminfo"), "MemTotal").and_then(|text| text.parse().ok()).unwrap_or_default();
        let load = read("/proc/loadavg");
        Self {
            processor: processor(&read("/proc/cpuinfo")),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: memory_kib * 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_before: load.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0.0),
        }
    }

    /// One line for people.
    pub fn text(&self) -> String {
        let gib = self.memory_bytes as f64 / f64::from(1 << 30);
        format!(
            "{}, {} cores, {gib:.0} GiB, Linux {}, load before the run {:.2}",
            self.processor, self.cores, self.kernel, self.load_before
        )
    }
}

/// The second word of the line that begins with a name.
fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':')?.1.split_whitespace().next().map(str::to_owned)
}

fn processor(text: &str) -> String {
    let line = text.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split_once(':')).map_or("unknown processor", |(_, name)| name.trim()).to_owned()
}

/// The commit of the sources; with `+` when they were changed after it.
pub fn commit() -> String {
    let commit = printed("git", &["rev-parse", "--short=12", "HEAD"]);
    let changed = !printed("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty();
    format!("{}{}", if commit.is_empty() { "unknown" } else { &commit }, if changed { "+" } else { "" })
}

/// Now, UTC, to the minute.
pub fn date() -> String {
    printed("date", &["-u", "+%Y-%m-%d %H:%M UTC"])
}

/// The command line of this process, as a user types it.
pub fn command() -> String {
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    ["cargo bench-peers".to_owned()].into_iter().chain(arguments).collect::<Vec<_>>().join(" ")
}

fn printed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(artifacts::root()).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_proc_prints() {
        assert_eq!(processor("processor\t: 0\nmodel name\t: Fast 9\nmodel name\t: Fast 9\n"), "Fast 9");
        assert_eq!(processor(""), "unknown processor");
        assert_eq!(field("MemTotal:       2048 kB\n", "MemTotal"), Some("2048".into()));
    }
}
