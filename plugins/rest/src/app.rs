//! The routes, and what holds for all of them: panics, framing, foreign web pages, the server's end, problem documents.
//!
//! One function does it around the router: as layers of the router's library each of these would cost every request an
//! allocation or two and a copy of it.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, delete, get, post, put},
};
use caxton_plugin::Code;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;

use crate::{
    ask, attachments, control, conversations, cors, dead_letters, jobs, messages, news, openapi,
    origin::{self, Names},
    page,
    phase::{self, Phase},
    problem::{self, Problem},
    reloading, revisions,
    shared::Shared,
};

/// Everything that answers; cloning counts references.
#[derive(Clone)]
pub(crate) struct App {
    routes: TowerToHyperService<Router>,
    names: Names,
    shared: Arc<Shared>,
}

impl App {
    /// Every resource that there is.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let router = routes()
            .into_iter()
            .chain(page::routes())
            .fold(Router::new(), |router, (path, methods)| router.route(path, methods));
        Self::over(router.with_state(shared.clone()), shared)
    }

    /// What holds for all routes, over some.
    pub(crate) fn over(routes: Router, shared: Arc<Shared>) -> Self {
        let names = Names::of(&shared.config);
        Self { routes: TowerToHyperService::new(routes), names, shared }
    }

    /// How far the server's life has come.
    pub(crate) fn phase(&self) -> &watch::Sender<Phase> {
        &self.shared.phase
    }

    /// Answers a request; every status of 400 and above has a problem document.
    pub(crate) async fn answer(&self, request: Request) -> Response {
        let asked = problem::Asked::of(&request);
        let chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
        let phase = *self.phase().borrow();
        let page = self.names.page(request.headers());
        let refusal = phase
            .refusal(request.uri())
            .or_else(|| ambiguous(request.headers()))
            .or_else(|| origin::refusal(&self.names, request.headers(), &page));
        let mut response = match refusal {
            Some(problem) => problem.into_response(),
            None if page.is_allowed() && cors::is_preflight(request.method(), request.headers()) => {
                cors::preflight(request.headers())
            }
            None => self.run(request).await,
        };
        // The HTTP library drops a length that comes beside chunks, so every chunked request is the last.
        if chunked || self.phase().borrow().closes() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let mut response = problem::render(asked, response, &self.shared.host);
        cors::mark(response.headers_mut(), page);
        response
    }

    /// Runs a handler; who still waits when the drain's time is nearly over gets a 503.
    async fn run(&self, request: Request) -> Response {
        let mut answer = pin!(contained(self.routes.call(request)));
        // Most answers are there at once.
        if let Poll::Ready(response) = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await {
            return response;
        }
        let mut phase = self.phase().subscribe();
        tokio::select! {
            response = answer => response,
            () = phase::reached(&mut phase, Phase::GivingUp) => phase::given_up().into_response(),
        }
    }
}

type Route = (&'static str, MethodRouter<Arc<Shared>>);

/// Every path with its methods; the same paths are described in [`crate::openapi`].
pub(crate) fn routes() -> [Route; 34] {
    [
        ("/healthz", get(control::live)),
        ("/readyz", get(control::ready)),
        ("/v1/status", get(control::status)),
        ("/v1/components", put(control::put_component).get(control::components)),
        ("/v1/agents", post(control::deploy).get(control::agents)),
        ("/v1/agents/{name}", get(control::agent).put(revisions::apply).delete(control::delete_agent)),
        ("/v1/agents/{name}/promote", post(revisions::promote)),
        ("/v1/agents/{name}/rollback", post(revisions::roll_back)),
        ("/v1/agents/{name}/ask", post(ask::raw)),
        ("/v1/plugins", get(control::plugins)),
        ("/v1/plugins/{name}", get(control::plugin)),
        ("/v1/plugins/{name}/reload", post(reloading::plugin)),
        ("/v1/reload", post(reloading::server)),
        ("/v1/conversations", get(conversations::list)),
        ("/v1/conversations/{id}", get(conversations::get)),
        ("/v1/dead-letters", get(dead_letters::list)),
        ("/v1/dead-letters/requeue", post(dead_letters::requeue)),
        ("/v1/dead-letters/purge", post(dead_letters::purge)),
        ("/v1/dead-letters/{id}", get(dead_letters::get)),
        ("/v1/messages", post(messages::post)),
        ("/v1/ask", post(ask::json)),
        ("/v1/contract-nets", post(control::contract_net)),
        ("/openapi.json", get(openapi::describe)),
        ("/v1/config", get(control::config)),
        ("/v1/events", get(news::events)),
        ("/v1/logs", get(news::logs)),
        ("/v1/jobs", post(jobs::create).get(jobs::list)),
        ("/v1/jobs/{id}", get(jobs::get).delete(jobs::delete)),
        ("/v1/jobs/{id}/results", get(jobs::results)),
        ("/v1/jobs/{id}/cancel", post(jobs::cancel)),
        ("/v1/jobs/{id}/resume", post(jobs::resume)),
        ("/v1/attachments", post(attachments::open).get(attachments::list)),
        ("/v1/attachments/{id}", delete(attachments::close)),
        ("/v1/attachments/{id}/messages", get(attachments::receive).post(attachments::send)),
    ]
}

/// A handler's answer, or the problem of its panic.
async fn contained<E>(answer: impl Future<Output = Result<Response, E>>) -> Response {
    let mut answer = pin!(answer);
    let poll = |context: &mut std::task::Context<'_>| {
        let polled = catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context)));
        polled.unwrap_or_else(|panic| Poll::Ready(Ok(problem::of_panic(panic))))
    };
    match poll_fn(poll).await {
        Ok(response) => response,
        Err(_) => Problem::new(Code::INTERNAL, "the HTTP library gave no answer").into_response(),
    }
}

/// Refuses a request with both Content-Length and Transfer-Encoding.
///
/// Servers on the way may read the two differently, and what follows then be taken for another's request (RFC 9112,
/// section 6.1).
fn ambiguous(headers: &HeaderMap) -> Option<Problem> {
    let both =
        headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH);
    both.then(|| {
        let detail = "the request has both Content-Length and Transfer-Encoding; send one of them";
        Problem::new(Code::CONTROL_REQUEST_INVALID, detail)
    })
}
