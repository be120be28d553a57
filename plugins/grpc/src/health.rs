//! `grpc.health.v1`: the server as a whole and each service are SERVING while the server is ready and does not drain.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use caxton_plugin::{Code, Error, asking::within};
use caxton_proto::pool;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_server::{Health, HealthServer},
};

use crate::{
    phase::{Phase, given_up, reached},
    refusal,
    shared::Shared,
};

/// How often who watches is told of a change.
const LOOK: Duration = Duration::from_secs(1);
/// The server answers from memory; one that does not is not ready.
const ANSWER: Duration = Duration::from_millis(500);

/// The service.
pub(crate) fn service(shared: Arc<Shared>) -> HealthServer<Watched> {
    let names = pool().services().map(|service| service.full_name().to_owned());
    let known = names.chain([String::new(), "grpc.health.v1.Health".to_owned()]).collect();
    HealthServer::new(Watched { shared, known: Arc::new(known) })
}

/// Knows which services there are.
pub(crate) struct Watched {
    shared: Arc<Shared>,
    known: Arc<BTreeSet<String>>,
}

#[tonic::async_trait]
impl Health for Watched {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let name = &request.get_ref().service;
        if !self.known.contains(name) {
            let shown: String = name.chars().take(caxton_acl::limits::SHOWN_CHARS_MAX).collect();
            let message = format!("there is no service `{shown}`; the empty name asks for the server");
            return Err(refusal::of(&Error::new(Code::NOT_FOUND, message)));
        }
        Ok(Response::new(response(status(&self.shared).await)))
    }

    type WatchStream = ReceiverStream<Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let slot = self.shared.stream().map_err(|error| refusal::of(&error))?;
        let known = self.known.contains(&request.get_ref().service);
        let (changes, stream) = mpsc::channel(1);
        let shared = self.shared.clone();
        tokio::spawn(async move {
            let _slot = slot;
            let mut phase = shared.phase.subscribe();
            let left = changes.clone();
            tokio::select! {
                () = tell(&shared, known, &changes) => {}
                () = left.closed() => {}
                () = reached(&mut phase, Phase::Draining) => {
                    // A client that left needs no last word.
                    let _ = changes.send(Ok(response(ServingStatus::NotServing))).await;
                    let _ = changes.send(Err(refusal::of(&given_up()))).await;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// Tells the status and each change of it, until the client leaves.
async fn tell(shared: &Shared, known: bool, changes: &mpsc::Sender<Result<HealthCheckResponse, Status>>) {
    let mut told = None;
    loop {
        let found = if known { status(shared).await } else { ServingStatus::ServiceUnknown };
        if told != Some(found) {
            told = Some(found);
            if changes.send(Ok(response(found))).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn status(shared: &Shared) -> ServingStatus {
    let serves = *shared.phase.borrow() == Phase::Serving;
    let health = within(ANSWER, shared.host.invoke("server.health", &json!({}))).await;
    let ready =
        matches!(health, Some(Ok(health)) if health.get("ready").and_then(Value::as_bool) == Some(true));
    if serves && ready { ServingStatus::Serving } else { ServingStatus::NotServing }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}
