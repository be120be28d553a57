//! The store port: the whole contract of the conformance suite, each check on stores of its own.
//!
//! A store is opened by creating an instance of the plugin with the keys `path` and, where it has one, `reserve_bytes`.
//! Checks that kill or limit a process start this program again.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use caxton_abi::{
    Code, Payload,
    port::{StoreEntry, StoreOp},
};
use caxton_conformance::store::{CHECKS, Subject};
use caxton_plugin::{Error, Store};
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;

use super::{Bench, Report};
use crate::plugin::{Failure, Instance, ports::StorePort};

const GROUP: &str = "store/1";
/// The key that names the file.
const PATH: &str = "path";
/// The key for room that is kept for removals.
const RESERVE: &str = "reserve_bytes";
/// The file's name in a check's folder.
const FILE: &str = "store";

pub(super) async fn check(bench: &Bench, report: &mut Report) {
    if !bench.manifest().config.properties.contains_key(PATH) {
        let why = "its manifest has no key `path`, by which a check says where a store lies";
        return report.skip(GROUP, "the contract of stores", 52, why);
    }
    for check in CHECKS {
        let subject = Opener::new(bench);
        let run = check.run;
        let done = tokio::task::spawn_blocking(move || run(&subject).map_err(|failure| failure.to_string()));
        let held = done.await.unwrap_or_else(|_| Err("the check panicked".to_owned()));
        report.add(GROUP, check.holds.trim_end_matches('.'), 52, held);
    }
}

/// Runs one check of the contract in a process that was started for it.
///
/// # Errors
/// It does not hold, or there is none of that name.
pub fn check_again(bench: &Bench, name: &str) -> Result<(), String> {
    let check = CHECKS.iter().find(|check| check.name == name);
    let check = check.ok_or_else(|| format!("no check of a store is named `{name}`"))?;
    (check.run)(&Opener::new(bench)).map_err(|failure| failure.to_string())
}

struct Opener {
    bench: Bench,
    handle: Handle,
    file: PathBuf,
}

impl Opener {
    fn new(bench: &Bench) -> Self {
        let file = bench.file().to_owned();
        Self { bench: bench.clone(), handle: Handle::current(), file }
    }

    fn config(&self, folder: &Path, reserve_bytes: u64) -> Map<String, Value> {
        let mut config = self.bench.config.clone();
        config.insert(PATH.to_owned(), json!(folder.join(FILE)));
        if self.bench.manifest().config.properties.contains_key(RESERVE) {
            config.insert(RESERVE.to_owned(), json!(reserve_bytes));
        }
        config
    }
}

impl Subject for Opener {
    fn open(&self, folder: &Path, reserve_bytes: u64) -> Result<Arc<dyn Store>, Error> {
        let config = self.config(folder, reserve_bytes);
        let opened = self.handle.block_on(async {
            let instance = self.bench.create_with(config).await?;
            match instance.start().await {
                Ok(()) => Ok(instance),
                Err(failure) => {
                    let _kept_as_failed = instance.stop().await;
                    Err(failure)
                }
            }
        });
        let instance = opened.map_err(error)?;
        let port = instance.ports().store.clone();
        let port = port.ok_or_else(|| Error::new(Code::PLUGIN_CREATE_FAILED, "it offers no store"))?;
        Ok(Arc::new(Opened { port: Some(port), instance, handle: self.handle.clone() }))
    }

    fn again(&self, check: &str) -> io::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        let config = Value::Object(self.bench.config.clone()).to_string();
        command.args(["plugin", "store-check"]).arg(&self.file).args([check, &config]);
        Ok(command)
    }
}

fn error(failure: Failure) -> Error {
    let error = Error::new(failure.code, failure.message);
    if failure.retryable { error.retryable() } else { error }
}

/// A store that is closed when it is dropped.
struct Opened {
    port: Option<Arc<StorePort>>,
    instance: Arc<Instance>,
    handle: Handle,
}

impl Opened {
    fn port(&self) -> Result<&StorePort, Error> {
        self.port.as_deref().ok_or_else(|| Error::new(Code::PLUGIN_UNAVAILABLE, "it is closed"))
    }
}

impl Store for Opened {
    fn write(&self, changes: &[StoreOp]) -> Result<(), Error> {
        self.port()?.write(changes).map_err(error)
    }
    fn get(&self, key: &[u8]) -> Result<Option<Payload>, Error> {
        self.port()?.get(key).map_err(error)
    }
    fn read(
        &self,
        from: &[u8],
        until: &[u8],
        entries_max: u32,
        bytes_max: u64,
    ) -> Result<Vec<StoreEntry>, Error> {
        self.port()?.read(from, until, entries_max, bytes_max).map_err(error)
    }
    fn reopen(&self) -> Result<(), Error> {
        self.port()?.reopen().map_err(error)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.port = None;
        let instance = Arc::clone(&self.instance);
        // A store that does not close shows in the check that opens it again.
        let _ = self.handle.block_on(async move { instance.stop().await });
    }
}
