//! A bare tonic server that answers each unary call with its content, loaded from another process over one channel: `grpc`,
//! SIZE calls in flight. It has one method, no interceptor and no checks. What it costs above this is Caxton's.
//!
//! Message and service are written by hand, so no protocol compiler is needed.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use peers::{
    Arguments, CONTENT_BYTES, Failure,
    calls::{self, Call},
    server::{Server, announce, is_server},
};
use tokio::{net::TcpListener, runtime};
use tonic::{
    Request, Response, Status,
    body::Body,
    codegen::{
        BoxFuture, Bytes, Service,
        http::{self, uri::PathAndQuery},
    },
    server::{self, NamedService, UnaryService},
    transport::{self, server::TcpIncoming},
};
use tonic_prost::ProstCodec;

const METHOD: &str = "/peers.Echo/Echo";

#[derive(Clone, PartialEq, prost::Message)]
struct Payload {
    #[prost(bytes = "bytes", tag = "1")]
    content: Bytes,
}

/// The question of the client.
#[derive(Clone)]
struct Echoed;

impl Call for Echoed {
    type Question = Payload;
    type Answer = Payload;

    fn path(&self) -> PathAndQuery {
        PathAndQuery::from_static(METHOD)
    }

    fn question(&self) -> Payload {
        Payload { content: Bytes::from(vec![b'x'; CONTENT_BYTES]) }
    }

    fn is_answered(&self, answer: &Payload) -> bool {
        answer.content.len() == CONTENT_BYTES
    }
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
    let load = calls::load(server.url.clone(), Echoed, arguments.size, arguments.span());
    client.block_on(load)?.print();
    Ok(())
}

async fn serve() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(listener.local_addr()?)?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    transport::Server::builder().add_service(Echo).serve_with_incoming(incoming).await?;
    Ok(())
}
