//! Prints how many transactions and entries a second each store writes, by the size of a transaction.
//!
//! `cargo run -p caxton-conformance --example rate -- [FOLDER]`: the folder decides which disk is measured.
#![allow(clippy::unwrap_used)]

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use caxton_plugin::{
    Payload, Plugin, Store, StoreOp, store_op,
    testing::{FakeHost, block_on},
};
use caxton_store_redb::Redb;
use caxton_store_sqlite::Sqlite;

const VALUE_BYTES: usize = 256;
const TIME: Duration = Duration::from_secs(3);

fn main() {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    println!(
        "{:<8} {:>6} {:>16} {:>12} {:>22}",
        "store", "batch", "transactions/s", "entries/s", "with removal, entries/s"
    );
    for (name, open) in [("sqlite", sqlite as fn(&Path) -> Arc<dyn Store>), ("redb", redb)] {
        for batch in [1, 32, 256] {
            let put = measure(&folder, open, batch, false);
            let cycle = measure(&folder, open, batch, true);
            println!(
                "{name:<8} {batch:>6} {put:>16.0} {:>12.0} {:>22.0}",
                put * batch as f64,
                cycle * batch as f64
            );
        }
    }
}

fn sqlite(folder: &Path) -> Arc<dyn Store> {
    let config = caxton_store_sqlite::Config { path: folder.join("store"), ..Default::default() };
    let store = Arc::new(Sqlite::create(FakeHost::new().host(), config).unwrap());
    block_on(store.start()).unwrap();
    store
}

fn redb(folder: &Path) -> Arc<dyn Store> {
    let config = caxton_store_redb::Config { path: folder.join("store"), ..Default::default() };
    let store = Arc::new(Redb::create(FakeHost::new().host(), config).unwrap());
    block_on(store.start()).unwrap();
    store
}

/// Transactions a second that put so many entries each and, with removal, remove those of the transaction before.
fn measure(folder: &Path, open: fn(&Path) -> Arc<dyn Store>, batch: u64, removal: bool) -> f64 {
    let folder = tempfile::tempdir_in(folder).unwrap();
    let store = open(folder.path());
    let (begin, mut done) = (Instant::now(), 0);
    while begin.elapsed() < TIME {
        let numbers = done * batch..(done + 1) * batch;
        let mut changes: Vec<StoreOp> = numbers.map(put).collect();
        if let (true, Some(before)) = (removal, done.checked_sub(1)) {
            changes.extend((before * batch..done * batch).map(remove));
        }
        store.write(&changes).unwrap();
        done += 1;
    }
    done as f64 / begin.elapsed().as_secs_f64()
}

fn put(number: u64) -> StoreOp {
    let value = Payload::from(vec![number.to_le_bytes()[0]; VALUE_BYTES]);
    StoreOp { kind: store_op::PUT, key: number.to_be_bytes().to_vec().into(), value }
}

fn remove(number: u64) -> StoreOp {
    StoreOp { kind: store_op::REMOVE, key: number.to_be_bytes().to_vec().into(), ..StoreOp::default() }
}
