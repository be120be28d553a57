//! The contract of the store port, held by this plugin.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{path::Path, sync::Arc};

use caxton_conformance::store::Subject;
use caxton_plugin::{
    Error, Plugin, Store,
    testing::{FakeHost, block_on},
};
use caxton_store_redb::{Config, Redb};

struct OnRedb;

impl Subject for OnRedb {
    fn open(&self, folder: &Path, reserve_bytes: u64) -> Result<Arc<dyn Store>, Error> {
        let config = Config { path: folder.join("store.redb"), reserve_bytes, ..Config::default() };
        let store = Arc::new(Redb::create(FakeHost::new().host(), config)?);
        block_on(store.start())?;
        Ok(store)
    }
}

caxton_conformance::store_contract!(OnRedb);
