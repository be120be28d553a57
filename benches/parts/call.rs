//! A call into a component, by the size of its batch: what one turn costs above the bus.

use criterion::{BenchmarkId, Criterion, Throughput};

use crate::sandbox::{Sandbox, requests};

pub fn bench(criterion: &mut Criterion, sandbox: &Sandbox) {
    let mut group = criterion.benchmark_group("call");
    for size in [1, 8, 64] {
        let (mut body, batch) = (sandbox.instance("echo"), requests(size));
        let mut turn = sandbox.turn();
        group.throughput(Throughput::Elements(size));
        group.bench_function(BenchmarkId::new("echo", size), |bencher| {
            bencher.iter(|| {
                body.handle(&batch, &mut turn).unwrap();
                let sent = std::mem::take(&mut turn.outbox);
                assert_eq!(sent.len(), batch.len());
                sent
            });
        });
    }
    group.finish();
}
