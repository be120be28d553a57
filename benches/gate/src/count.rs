//! Counts instructions: a case runs under callgrind with few and with many messages, and the difference is theirs alone.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Case, Failure};

/// Messages of the first run: enough for tables and queues to have grown to the size at which they stay.
const FEW: u64 = 4_096;
/// Messages of the second run.
const MANY: u64 = 12_288;
const PROGRAM: &str = "valgrind";
/// The C library picks its copy routines by the processor, and they differ by a tenth of a turn's instructions. Without all
/// that may be missing, every x86-64 processor picks the same ones.
const SAME_ROUTINES: (&str, &str) = (
    "GLIBC_TUNABLES",
    "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM,-RTM",
);

/// Runs this program under callgrind.
pub struct Profiler {
    program: PathBuf,
    dir: PathBuf,
}

impl Profiler {
    /// Counts in `program`, which runs a case when it is given its name and a number; profiles are kept in `dir`.
    ///
    /// # Errors
    /// Valgrind is not installed, or the folder cannot be made.
    pub fn new(program: PathBuf, dir: PathBuf) -> Result<Self, Failure> {
        let found = Command::new(PROGRAM).arg("--version").output();
        if !found.is_ok_and(|output| output.status.success()) {
            return Err(format!(
                "`{PROGRAM}` cannot be run, and nothing else counts instructions here: install it (Debian: `apt-get install valgrind`)"
            ));
        }
        fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        Ok(Self { program, dir })
    }

    /// Where the profile of a case's longer run lies; `callgrind_annotate` reads it.
    pub fn profile(&self, case: &Case) -> PathBuf {
        self.dir.join(format!("{}.callgrind", case.name))
    }

    /// Instructions of a whole run.
    fn run(&self, case: &Case, messages: u64, profile: &Path) -> Result<u64, Failure> {
        let (name, value) = SAME_ROUTINES;
        let output = Command::new(PROGRAM)
            .arg("--tool=callgrind")
            .arg(format!("--callgrind-out-file={}", profile.display()))
            .arg(&self.program)
            .args([case.name, &messages.to_string()])
            .env(name, value)
            .output()
            .map_err(|error| format!("{PROGRAM}: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        match collected(&said) {
            Some(count) if output.status.success() => Ok(count),
            _ => Err(format!("{} under {PROGRAM} failed ({}):\n{said}", case.name, output.status)),
        }
    }
}

/// Instructions for each message of a case.
///
/// # Errors
/// The case failed, or its longer run was not longer.
pub fn count(case: &Case, profiler: &Profiler) -> Result<f64, Failure> {
    let profile = profiler.profile(case);
    let few = profiler.run(case, FEW, &profile)?;
    let many = profiler.run(case, MANY, &profile)?;
    let steps = |messages: u64| messages.div_ceil(case.messages);
    let messages = (steps(MANY) - steps(FEW)) * case.messages;
    match many.checked_sub(few) {
        Some(difference) => Ok(difference as f64 / messages as f64),
        None => Err(format!("{}: {MANY} messages took fewer instructions than {FEW}", case.name)),
    }
}

/// The sum that callgrind tells at its end: `==1== Collected : 123`.
fn collected(said: &str) -> Option<u64> {
    let (_, count) = said.lines().find_map(|line| line.split_once("Collected :"))?;
    count.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_found_in_what_callgrind_says() {
        let said = "==7== Callgrind, a call-graph generating cache profiler\n==7== Events    : Ir\n==7== Collected : 123456\n";
        assert_eq!(collected(said), Some(123_456));
        assert_eq!(collected("==7== Process terminating\n"), None);
    }
}
