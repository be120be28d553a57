//! Asks the operating system, before the pool is made, whether as many agents as configured can live.
//!
//! Both limits would otherwise show as `Cannot allocate memory` at some agent in the middle of a busy day.

use rustix::process::{Resource, getrlimit};

use crate::{engine::CodeShape, error::RuntimeError, options::RuntimeOptions};

/// Mappings of one instance: code image, memory, its copied-on-write part, table.
const MAPS_PER_AGENT: u64 = 4;
/// Mappings of everything else: libraries, plugins, threads, heaps.
const MAPS_BESIDE: u64 = 3_000;
/// Address space of everything else in bytes.
const ADDRESS_SPACE_BESIDE: u64 = 4 << 30;

/// What the operating system allows; `None` where it sets no limit or does not tell.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Host {
    /// `vm.max_map_count`.
    pub(crate) maps_max: Option<u64>,
    /// `RLIMIT_AS` in bytes.
    pub(crate) address_space_bytes_max: Option<u64>,
}

impl Host {
    /// Reads the limits of this process.
    pub(crate) fn read() -> Self {
        let maps = std::fs::read_to_string("/proc/sys/vm/max_map_count");
        Self {
            maps_max: maps.ok().and_then(|text| text.trim().parse().ok()),
            address_space_bytes_max: getrlimit(Resource::As).current,
        }
    }
}

/// Compares what the options need with what the host allows.
pub(crate) fn check(host: Host, shape: CodeShape, options: &RuntimeOptions) -> Result<(), RuntimeError> {
    let agents_max = options.agents_max;
    let maps = u64::from(agents_max) * MAPS_PER_AGENT + MAPS_BESIDE;
    if let Some(found) = host.maps_max.filter(|found| *found < maps) {
        return Err(RuntimeError::HostLimit {
            what: "vm.max_map_count",
            found,
            needed: maps,
            agents_max,
            fix: format!("run `sysctl -w vm.max_map_count={maps}`, or lower `agents_max`"),
        });
    }
    let bytes = shape.pool_bytes(options).saturating_add(ADDRESS_SPACE_BESIDE);
    if let Some(found) = host.address_space_bytes_max.filter(|found| *found < bytes) {
        return Err(RuntimeError::HostLimit {
            what: "the address space limit (RLIMIT_AS) in bytes",
            found,
            needed: bytes,
            agents_max,
            fix: "run `ulimit -v unlimited`, or lower `agents_max`".to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::CompilerMode;

    fn checked(agents_max: u32, host: Host) -> Result<(), String> {
        let options = RuntimeOptions { agents_max, ..RuntimeOptions::new("unused", CompilerMode::InProcess) };
        check(host, CodeShape::of(&options), &options).map_err(|error| error.to_string())
    }

    #[test]
    fn names_the_sysctl_when_there_are_too_few_mappings() {
        let host = Host { maps_max: Some(65_530), ..Host::default() };
        assert_eq!(checked(10_000, host), Ok(()));
        assert_eq!(
            checked(20_000, host).unwrap_err(),
            "vm.max_map_count is 65530, but 20000 agents need 83000: run `sysctl -w vm.max_map_count=83000`, or lower \
             `agents_max`"
        );
    }

    #[test]
    fn refuses_when_the_address_space_is_limited() {
        let host = Host { address_space_bytes_max: Some(1 << 40), ..Host::default() };
        let message = checked(1_000, host).unwrap_err();
        assert!(message.contains("ulimit -v unlimited"), "{message}");
    }

    #[test]
    fn reserves_less_per_memory_when_many_agents_must_fit() {
        let shape = |agents_max| {
            CodeShape::of(&RuntimeOptions {
                agents_max,
                ..RuntimeOptions::new("unused", CompilerMode::InProcess)
            })
        };
        assert_eq!(shape(1_000).memory_reservation, 4 << 30);
        assert_eq!(shape(10_000).memory_reservation, 128 << 20);
    }
}
