//! Which method answers a call, and what holds for all: panics, the server's end, unknown methods, codes.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use caxton_plugin::{Code, Error, asking::traceparent};
use caxton_proto::{DESCRIPTORS, Operation, operations};
use tonic::{
    body::Body,
    codegen::{
        Service,
        http::{HeaderValue, Request, Response, StatusCode, header},
    },
};

use crate::{
    attach,
    call::Call,
    health, messages, operations as one,
    phase::{Phase, given_up, reached},
    refusal,
    shared::Shared,
    watching,
};

type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;
/// A service of a library: reflection, health.
type Library = Arc<dyn Fn(Request<Body>) -> Answering + Send + Sync>;

/// Every service.
#[derive(Clone)]
pub(crate) struct Services {
    shared: Arc<Shared>,
    operations: Arc<HashMap<&'static str, &'static Operation>>,
    health: Library,
    reflection: Library,
    reflection_alpha: Library,
}

impl Services {
    /// Makes every service.
    ///
    /// # Errors
    /// When the descriptors cannot be read.
    pub(crate) fn new(shared: Arc<Shared>) -> Result<Self, Error> {
        let described = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let failed = |error: tonic_reflection::server::Error| Error::new(Code::INTERNAL, error.to_string());
        let operations = operations().iter().map(|operation| (operation.path.as_str(), operation)).collect();
        Ok(Self {
            operations: Arc::new(operations),
            health: library(health::service(shared.clone())),
            reflection: library(described().build_v1().map_err(failed)?),
            reflection_alpha: library(described().build_v1alpha().map_err(failed)?),
            shared,
        })
    }

    /// Answers a call; every refusal has a code.
    async fn answer(self, request: Request<Body>) -> Response<Body> {
        if !is_grpc(&request) {
            return not_grpc();
        }
        let call = Call::of(request.headers());
        let trace = request.headers().get(traceparent::NAME).filter(|_| call.trace.is_some()).cloned();
        let mut phase = self.shared.phase.subscribe();
        let work = contained(self.route(request, call));
        let mut response = tokio::select! {
            response = work => refusal::coded_response(response),
            () = reached(&mut phase, Phase::GivingUp) => call.refuse(&given_up()).into_http(),
        };
        if let Some(trace) = trace {
            response.headers_mut().entry(traceparent::NAME).or_insert(trace);
        }
        response
    }

    fn route(self, request: Request<Body>, call: Call) -> Answering {
        let path = request.uri().path();
        if let Some(operation) = self.operations.get(path).copied() {
            let method = &operation.method;
            return match (method.is_client_streaming(), method.is_server_streaming()) {
                (true, _) => Box::pin(one::put(self.shared, operation, call, request)),
                (_, true) => Box::pin(watching::stream(self.shared, operation, call, request)),
                _ => Box::pin(one::unary(self.shared, operation, call, request)),
            };
        }
        let (service, _) = path.strip_prefix('/').and_then(|path| path.split_once('/')).unwrap_or_default();
        match (service, path) {
            (_, messages::SEND) => Box::pin(messages::send(self.shared, call, request)),
            (_, messages::ASK) => Box::pin(messages::ask(self.shared, call, request)),
            (_, messages::ASK_STREAM) => Box::pin(messages::ask_stream(self.shared, call, request)),
            (_, attach::ATTACH) => Box::pin(attach::attach(self.shared, call, request)),
            ("grpc.health.v1.Health", _) => (self.health)(request),
            ("grpc.reflection.v1.ServerReflection", _) => (self.reflection)(request),
            ("grpc.reflection.v1alpha.ServerReflection", _) => (self.reflection_alpha)(request),
            _ => {
                let status = call.refuse(&unknown(path));
                Box::pin(async move { status.into_http() })
            }
        }
    }
}

impl Service<Request<Body>> for Services {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let services = self.clone();
        Box::pin(async move { Ok(services.answer(request).await) })
    }
}

/// A library's service as a function that can be shared.
fn library<S>(service: S) -> Library
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    Arc::new(move |request| {
        let answer = service.clone().call(request);
        Box::pin(async move {
            match answer.await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        })
    })
}

fn is_grpc(request: &Request<Body>) -> bool {
    let media = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media.is_some_and(|media| media == "application/grpc" || media.starts_with("application/grpc+proto"))
}

/// The answer to what is HTTP/2 but no gRPC, as the protocol says.
fn not_grpc() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/grpc"));
    response
}

fn unknown(path: &str) -> Error {
    const PATH_CHARS_MAX: usize = 160;
    let path: String = path.chars().take(PATH_CHARS_MAX).collect();
    let message =
        format!("there is no method `{path}`; see the methods with reflection, or in docs/reference/grpc.md");
    Error::new(Code::CONTROL_UNKNOWN_VERB, message)
}

/// A method's answer, or the status of its panic; the caller learns nothing of its text.
async fn contained(answer: Answering) -> Response<Body> {
    let mut answer = pin!(answer);
    let poll = |context: &mut Context<'_>| {
        let polled = catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context)));
        polled.unwrap_or_else(|_| {
            let error = Error::new(Code::INTERNAL, "the server's code for this call panicked");
            Poll::Ready(refusal::of(&error).into_http())
        })
    };
    poll_fn(poll).await
}
