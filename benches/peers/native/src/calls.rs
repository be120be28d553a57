//! Load on a gRPC server: one channel with so many unary calls under way. The same client measures a bare tonic and Caxton.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::{task::JoinSet, time::sleep};
use tonic::{Request, client, codegen::http::uri::PathAndQuery, transport::Channel};
use tonic_prost::ProstCodec;

use crate::{Failure, Measure, WARM_UP, histogram, nanos_since};

/// A question that can be asked again and again, and whether an answer is the right one.
pub trait Call: Clone + Send + Sync + 'static {
    /// What is sent.
    type Question: prost::Message + Default + Clone + 'static;
    /// What comes back.
    type Answer: prost::Message + Default + 'static;
    /// The method's path.
    fn path(&self) -> PathAndQuery;
    /// The question.
    fn question(&self) -> Self::Question;
    /// True for the answer that is expected.
    fn is_answered(&self, answer: &Self::Answer) -> bool;
}

/// Calls again and again, `in_flight` calls at a time: calls in a second and their latencies. The calling process must be
/// on a runtime of one thread.
///
/// # Errors
/// Nobody listens, or a call failed.
pub async fn load<C: Call>(
    url: String,
    call: C,
    in_flight: usize,
    span: Duration,
) -> Result<Measure, Failure> {
    let channel = Channel::from_shared(url)?.tcp_nodelay(true).connect().await?;
    let (measuring, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let mut callers = JoinSet::new();
    for _ in 0..in_flight {
        let (measuring, ended) = (Arc::clone(&measuring), Arc::clone(&ended));
        callers.spawn(call_again_and_again(channel.clone(), call.clone(), measuring, ended));
    }
    sleep(WARM_UP).await;
    let begun = Instant::now();
    measuring.store(true, Ordering::Relaxed);
    sleep(span).await;
    measuring.store(false, Ordering::Relaxed);
    let seconds = begun.elapsed().as_secs_f64();
    ended.store(true, Ordering::Relaxed);
    let mut latencies = histogram();
    while let Some(done) = callers.join_next().await {
        latencies.add(done??)?;
    }
    Ok(Measure { value: latencies.len() as f64 / seconds, latencies: Some(latencies) })
}

async fn call_again_and_again<C: Call>(
    channel: Channel,
    call: C,
    measuring: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
) -> Result<Histogram<u64>, Failure> {
    let mut grpc = client::Grpc::new(channel);
    let (path, question) = (call.path(), call.question());
    let mut latencies = histogram();
    while !ended.load(Ordering::Relaxed) {
        let called = Instant::now();
        grpc.ready().await?;
        let codec = ProstCodec::<C::Question, C::Answer>::default();
        let answer = grpc.unary(Request::new(question.clone()), path.clone(), codec).await?;
        if !call.is_answered(answer.get_ref()) {
            return Err("the answer is not what was sent".into());
        }
        if measuring.load(Ordering::Relaxed) {
            latencies.record(nanos_since(called))?;
        }
    }
    Ok(latencies)
}
