//! Lets what is started use some of the cores only: children inherit the processors of the thread that starts them.

use std::process::{Command, Stdio};

use caxton_kit::Failure;

/// As long as this lives, what this thread starts uses so many cores.
pub struct Fewer {
    all: String,
}

impl Fewer {
    /// Uses the first `count` cores.
    ///
    /// # Errors
    /// There is no `taskset`, or it refused.
    pub fn cores(count: u64) -> Result<Self, Failure> {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let all = allowed.map(str::trim).ok_or("the kernel does not say which cores are allowed")?;
        let some = first(all, count).ok_or_else(|| format!("{count} cores are wanted, there are {all}"))?;
        pin(&some)?;
        Ok(Self { all: all.to_owned() })
    }
}

impl Drop for Fewer {
    fn drop(&mut self) {
        let _as_before = pin(&self.all);
    }
}

/// The first of a list of cores such as `0-2,5`, as a list.
fn first(list: &str, count: u64) -> Option<String> {
    let ranges = list.split(',').filter_map(|range| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        Some(from.parse::<u64>().ok()?..=to.parse::<u64>().ok()?)
    });
    let some: Vec<String> =
        ranges.flatten().take(usize::try_from(count).ok()?).map(|core| core.to_string()).collect();
    (some.len() as u64 == count).then(|| some.join(","))
}

fn pin(cores: &str) -> Result<(), Failure> {
    let own =
        std::fs::read_link("/proc/thread-self").map_err(|error| format!("/proc/thread-self: {error}"))?;
    let own = own.file_name().unwrap_or_default();
    let mut taskset = Command::new("taskset");
    taskset.args(["--cpu-list", "--pid", cores]).arg(own).stdout(Stdio::null());
    let status = taskset.status().map_err(|error| format!("cannot run taskset: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("taskset refused the cores {cores}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_first_cores_of_a_list() {
        assert_eq!(first("0-3", 2), Some("0,1".into()));
        assert_eq!(first("2,4-5", 2), Some("2,4".into()));
        assert_eq!(first("0", 2), None);
    }
}
