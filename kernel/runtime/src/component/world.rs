//! Compares a component's rim with the worlds of `caxton:agent` and with what the sandbox provides.

use crate::error::ComponentError;

/// The version of `caxton:agent` that this server implements; components of any 0.1.x fit.
const VERSION: &str = "0.1.0";
/// Interfaces of `caxton:agent` that every agent may import.
const AGENT_IMPORTS: &[&str] = &["bus", "clock", "directory", "log", "state", "types"];
/// Interfaces of WASI 0.2 that a language's standard library imports. They are answered without any resource of the
/// host: no arguments, no environment, no files; output becomes log lines.
const WASI_TOLERATED: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];
/// Packages that would reach out of the sandbox. This version has no implementation that a grant could open.
const NEVER_GRANTED: &[&str] = &["wasi:sockets", "wasi:http"];

/// Which optional exports a component has.
pub(super) struct Lanes {
    pub(super) timed: bool,
    pub(super) durable: bool,
}

/// Splits `package/interface@version`; the version is empty when there is none.
fn split(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, ""))
}

/// True for the versions that are compatible with [`VERSION`]: 0.1.x.
fn speaks_our_version(version: &str) -> bool {
    version.strip_prefix("0.1.").is_some_and(|patch| patch.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Requires `lifecycle` and `handler`, and looks for the optional ones.
pub(super) fn check_exports(exports: &[String]) -> Result<Lanes, ComponentError> {
    require(exports, "lifecycle")?;
    require(exports, "handler")?;
    Ok(Lanes { timed: optional(exports, "timers")?, durable: optional(exports, "snapshot")? })
}

fn require(exports: &[String], interface: &str) -> Result<(), ComponentError> {
    if optional(exports, interface)? {
        return Ok(());
    }
    let found = if exports.is_empty() {
        "no exports".to_owned()
    } else {
        exports.iter().take(16).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    };
    Err(ComponentError::WrongWorld { expected: format!("`caxton:agent/{interface}@{VERSION}`"), found })
}

/// False when the interface is not exported, an error when it is in a version that does not fit.
fn optional(exports: &[String], interface: &str) -> Result<bool, ComponentError> {
    let wanted = format!("caxton:agent/{interface}");
    let mut others = None;
    for name in exports {
        let (path, version) = split(name);
        if path == wanted && speaks_our_version(version) {
            return Ok(true);
        }
        if path == wanted {
            others = Some(name);
        }
    }
    match others {
        Some(name) => Err(ComponentError::WrongWorld {
            expected: format!("`{wanted}@{VERSION}`"),
            found: format!("`{name}`"),
        }),
        None => Ok(false),
    }
}

/// Refuses imports that are unknown, and those that would need a grant.
pub(super) fn check_imports(imports: &[String]) -> Result<(), ComponentError> {
    imports.iter().try_for_each(|name| check_import(name))
}

fn check_import(name: &str) -> Result<(), ComponentError> {
    let (path, version) = split(name);
    let unknown =
        |hint: &str| Err(ComponentError::ImportUnknown { import: name.to_owned(), hint: hint.to_owned() });
    if let Some(interface) = path.strip_prefix("caxton:agent/") {
        return match (AGENT_IMPORTS.contains(&interface), speaks_our_version(version)) {
            (true, true) => Ok(()),
            (true, false) => unknown(&format!("it provides `{path}@{VERSION}`")),
            (false, _) => unknown(&format!("`caxton:agent` has {}", AGENT_IMPORTS.join(", "))),
        };
    }
    if let Some(package) = NEVER_GRANTED.iter().find(|package| is_of(path, package)) {
        return Err(ComponentError::ImportDenied {
            import: name.to_owned(),
            grant: (*package).to_owned(),
            hint: "this version has no such grant, so build the agent without it (componentize-py: `--stub-wasi`) and reach out by \
                   messages"
                .to_owned(),
        });
    }
    if WASI_TOLERATED.contains(&path) {
        return match version.starts_with("0.2.") {
            true => Ok(()),
            false => unknown("it provides WASI 0.2: build for wasm32-wasip2"),
        };
    }
    unknown("remove the import, or build with the interfaces of `caxton:agent` and WASI 0.2 only")
}

fn is_of(path: &str, package: &str) -> bool {
    path.strip_prefix(package).is_some_and(|rest| rest.starts_with('/'))
}

/// Refuses a grant that names nothing this version can give.
pub(crate) fn check_grants(grants: &[String]) -> Result<(), ComponentError> {
    let given = |grant: &str| {
        grant.strip_prefix("caxton:agent/").is_some_and(|interface| AGENT_IMPORTS.contains(&interface))
            || WASI_TOLERATED.contains(&grant)
    };
    match grants.iter().find(|grant| !given(grant)) {
        Some(grant) => Err(ComponentError::GrantUnknown { grant: grant.clone() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(name: &str) -> String {
        check_import(name).map_or_else(|error| format!("{} {error}", error.code()), |()| "ok".to_owned())
    }

    #[test]
    fn compatible_versions_of_the_agent_package_are_granted() {
        assert_eq!(import("caxton:agent/bus@0.1.0"), "ok");
        assert_eq!(import("caxton:agent/bus@0.1.7"), "ok");
        assert_eq!(
            import("caxton:agent/bus@0.2.0"),
            "CX0405 the component imports `caxton:agent/bus@0.2.0`, which this server does not provide: it provides \
             `caxton:agent/bus@0.1.0`"
        );
    }

    #[test]
    fn sockets_are_denied_and_the_grant_is_named() {
        assert!(import("wasi:sockets/tcp@0.2.0").starts_with(
            "CX0406 the component imports `wasi:sockets/tcp@0.2.0`, which needs the grant `wasi:sockets`: "
        ));
    }

    #[test]
    fn asynchronous_wasi_is_not_provided() {
        assert!(import("wasi:cli/stdout@0.3.0").ends_with("it provides WASI 0.2: build for wasm32-wasip2"));
        assert!(import("wasi:socketsish/tcp@0.2.0").starts_with("CX0405"));
    }

    #[test]
    fn a_world_of_another_version_shows_both() {
        let exports = ["caxton:agent/lifecycle@0.2.0".to_owned()];
        let Err(error) = check_exports(&exports) else { panic!("accepted") };
        assert_eq!(
            error.to_string(),
            "expected the component to export `caxton:agent/lifecycle@0.1.0`, found `caxton:agent/lifecycle@0.2.0`"
        );
    }

    #[test]
    fn a_grant_of_something_unknown_is_refused() {
        assert!(check_grants(&["caxton:agent/bus".to_owned()]).is_ok());
        assert!(check_grants(&["wasi:http".to_owned()]).is_err());
    }
}
