//! From a compiled component to an agent that has answered.

use criterion::Criterion;

use crate::sandbox::{Sandbox, requests};

pub fn bench(criterion: &mut Criterion, sandbox: &Sandbox) {
    let mut group = criterion.benchmark_group("spawn");
    let batch = requests(1);
    group.bench_function("instance", |bencher| bencher.iter(|| sandbox.instance("echo")));
    group.bench_function("first-answer", |bencher| {
        bencher.iter(|| {
            let (mut body, mut turn) = (sandbox.instance("echo"), sandbox.turn());
            body.handle(&batch, &mut turn).unwrap();
            assert_eq!(turn.outbox.len(), 1);
            body
        });
    });
    group.finish();
}
