//! How much memory of a process nobody else shares.

use crate::Failure;

/// Private bytes of this process (`Private_Clean` and `Private_Dirty` of proc_pid_smaps(5)).
///
/// # Errors
/// The kernel does not say.
pub fn private_bytes() -> Result<u64, Failure> {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup")?;
    let private = rollup.lines().filter(|line| line.starts_with("Private_"));
    let kilobytes = private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    Ok(kilobytes.sum::<u64>() * 1024)
}
