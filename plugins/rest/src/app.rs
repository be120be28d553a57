//! The routes, and what holds for all of them: panics, framing, problem documents.

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use caxton_plugin::Code;
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    ask, contract_net, control, dead_letters, messages,
    origin::{self, Names},
    problem::{self, Problem},
    reloading, revisions,
    shared::Shared,
};

/// Every resource that there is.
pub(crate) fn app(shared: Arc<Shared>) -> Router {
    let names = Names::of(&shared.config);
    layered(routes(), names).with_state(shared)
}

fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/healthz", get(control::live))
        .route("/readyz", get(control::ready))
        .route("/v1/status", get(control::status))
        .route("/v1/components", put(control::put_component).get(control::components))
        .route("/v1/agents", post(control::deploy).get(control::agents))
        .route("/v1/agents/{name}", get(control::agent).put(revisions::apply).delete(control::delete_agent))
        .route("/v1/agents/{name}/promote", post(revisions::promote))
        .route("/v1/agents/{name}/rollback", post(revisions::roll_back))
        .route("/v1/agents/{name}/ask", post(ask::raw))
        .route("/v1/plugins", get(control::plugins))
        .route("/v1/plugins/{name}", get(control::plugin))
        .route("/v1/plugins/{name}/reload", post(reloading::plugin))
        .route("/v1/reload", post(reloading::server))
        .route("/v1/conversations", get(control::conversations))
        .route("/v1/conversations/{id}", get(control::conversation))
        .route("/v1/dead-letters", get(dead_letters::list))
        .route("/v1/dead-letters/requeue", post(dead_letters::requeue))
        .route("/v1/dead-letters/purge", post(dead_letters::purge))
        .route("/v1/dead-letters/{id}", get(dead_letters::get))
        .route("/v1/messages", post(messages::post))
        .route("/v1/ask", post(ask::json))
        .route("/v1/contract-nets", post(contract_net::post))
}

/// From the inside: panics become problems, foreign web pages and ambiguous framing are refused, problems become
/// documents.
pub(crate) fn layered<S: Clone + Send + Sync + 'static>(routes: Router<S>, names: Names) -> Router<S> {
    routes
        .layer(CatchPanicLayer::custom(problem::of_panic))
        .layer(from_fn_with_state(names, origin::guard))
        .layer(from_fn(framing))
        .layer(from_fn(problem::render))
}

/// Refuses a request with both Content-Length and Transfer-Encoding, and closes the connection after any chunked one.
///
/// Servers on the way may read the two differently, and what follows then be taken for another's request (RFC 9112,
/// section 6.1). The HTTP library drops the length when it comes second, so every chunked request is the last.
async fn framing(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let chunked = headers.contains_key(header::TRANSFER_ENCODING);
    let ambiguous = chunked && headers.contains_key(header::CONTENT_LENGTH);
    let mut response = match ambiguous {
        true => {
            let detail = "the request has both Content-Length and Transfer-Encoding; send one of them";
            Problem::new(Code::CONTROL_REQUEST_INVALID, detail).into_response()
        }
        false => next.run(request).await,
    };
    if chunked {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
