//! Control operations without a server, for unit tests.

use std::{path::Path, sync::Arc};

use caxton_abi::Payload;
use caxton_core::{Bus, Limits, Options};
use caxton_runtime::{CompilerMode, Runtime, RuntimeOptions};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::{Admin, Components, Readiness, Refused, UPLOADS_MAX, WAITING_MAX};
use crate::{
    clock::Clock,
    pump::Pump,
    store::{Recover, Storage},
};

pub(super) fn admin(bus: Arc<Bus>, clock: Clock, storage: Arc<Storage>, dir: &Path) -> Arc<Admin> {
    let options = RuntimeOptions { agents_max: 4, ..RuntimeOptions::new(dir, CompilerMode::InProcess) };
    Arc::new(Admin {
        pump: Pump::new(Arc::clone(&bus), clock),
        runtime: Arc::new(Runtime::new(options.clone()).unwrap()),
        clock,
        workers: 1,
        components: Components::default(),
        uploads: Arc::new(Semaphore::new(UPLOADS_MAX)),
        waiters: Arc::new(Semaphore::new(WAITING_MAX)),
        readiness: Arc::new(Readiness::default()),
        storage,
        fleet: std::sync::OnceLock::new(),
        memory_bytes_max: options.memory_bytes_max,
        turn_ms_max: options.turn_ms_max,
        init_ms_max: options.init_ms_max,
        bus,
    })
}

/// A server's operations with nothing behind them.
pub(super) struct Bench {
    pub(super) admin: Arc<Admin>,
    _dir: tempfile::TempDir,
}

pub(super) fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::start();
    let limits = Arc::new(Limits::default());
    let options = Options { platform: "test".into(), limits, workers: 1, seed: 1, content_in_signals: false };
    let bus = Arc::new(Bus::new(options).unwrap());
    let storage = Storage::new(Arc::clone(&bus), clock, Recover::Strict, dir.path());
    Bench { admin: admin(bus, clock, storage, dir.path()), _dir: dir }
}

impl Bench {
    pub(super) async fn ask(&self, verb: &str, request: Value) -> Result<Value, Refused> {
        let answer = self.admin.invoke(verb, Payload::from(request.to_string())).await?;
        Ok(serde_json::from_slice(answer.as_slice()).unwrap())
    }
}
