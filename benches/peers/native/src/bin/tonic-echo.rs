//! A bare tonic server that answers each unary call with its content, loaded from another process over one channel: `grpc`,
//! SIZE calls in flight. It has one method, no interceptor and no checks. What it costs above this is Caxton's.
//!
//! Message and service are written by hand, so no protocol compiler is needed.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use hdrhistogram::Histogram;
use peers::{
    Arguments, CONTENT_BYTES, Failure, Measure, WARM_UP, histogram, nanos_since,
    server::{Server, announce, is_server},
};
use tokio::{net::TcpListener, runtime, task::JoinSet, time::sleep};
use tonic::{
    Request, Response, Status,
    body::Body,
    client,
    codegen::{
        BoxFuture, Bytes, Service,
        http::{self, uri::PathAndQuery},
    },
    server::{self, NamedService, UnaryService},
    transport::{self, Channel, server::TcpIncoming},
};
use tonic_prost::ProstCodec;

const METHOD: &str = "/peers.Echo/Echo";

#[derive(Clone, PartialEq, prost::Message)]
struct Payload {
    #[prost(bytes = "bytes", tag = "1")]
    content: Bytes,
}

/// The service; it has one method, so it need not look at the path.
#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "peers.Echo";
}

impl UnaryService<Payload> for Echo {
    type Response = Payload;
    type Future = Ready<Result<Response<Payload>, Status>>;

    fn call(&mut self, request: Request<Payload>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async { Ok(server::Grpc::new(ProstCodec::default()).unary(Echo, request).await) })
    }
}

fn main() -> Result<(), Failure> {
    if is_server() {
        return runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve());
    }
    let arguments = Arguments::read()?;
    if arguments.workload != "grpc" {
        return Err(arguments.unknown());
    }
    let server = Server::start()?;
    let client = runtime::Builder::new_current_thread().enable_all().build()?;
    client.block_on(load(server.url.clone(), &arguments))?.print();
    Ok(())
}

async fn serve() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(listener.local_addr()?)?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    transport::Server::builder().add_service(Echo).serve_with_incoming(incoming).await?;
    Ok(())
}

async fn load(url: String, arguments: &Arguments) -> Result<Measure, Failure> {
    let channel = Channel::from_shared(url)?.tcp_nodelay(true).connect().await?;
    let (measuring, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let mut callers = JoinSet::new();
    for _ in 0..arguments.size {
        callers.spawn(call_again_and_again(channel.clone(), Arc::clone(&measuring), Arc::clone(&ended)));
    }
    sleep(WARM_UP).await;
    let begun = Instant::now();
    measuring.store(true, Ordering::Relaxed);
    sleep(arguments.span()).await;
    measuring.store(false, Ordering::Relaxed);
    let seconds = begun.elapsed().as_secs_f64();
    ended.store(true, Ordering::Relaxed);
    let mut latencies = histogram();
    while let Some(done) = callers.join_next().await {
        latencies.add(done??)?;
    }
    Ok(Measure { value: latencies.len() as f64 / seconds, latencies: Some(latencies) })
}

async fn call_again_and_again(
    channel: Channel,
    measuring: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
) -> Result<Histogram<u64>, Failure> {
    let mut grpc = client::Grpc::new(channel);
    let content = Bytes::from(vec![b'x'; CONTENT_BYTES]);
    let mut latencies = histogram();
    while !ended.load(Ordering::Relaxed) {
        let called = Instant::now();
        grpc.ready().await?;
        let request = Request::new(Payload { content: content.clone() });
        let codec = ProstCodec::<Payload, Payload>::default();
        let answer = grpc.unary(request, PathAndQuery::from_static(METHOD), codec).await?;
        if answer.into_inner().content.len() != CONTENT_BYTES {
            return Err("the answer is not what was sent".into());
        }
        if measuring.load(Ordering::Relaxed) {
            latencies.record(nanos_since(called))?;
        }
    }
    Ok(latencies)
}
