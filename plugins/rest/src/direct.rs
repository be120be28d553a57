//! One request answered without a socket, so that many bodies can be thrown at the routes in little time.

use axum::{
    body::{Body, to_bytes},
    http::{Request, header},
};

use crate::{Rest, app::App};

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 << 20;

impl Rest {
    /// Answers a request as a connection would, with the status and the body; `None` when it cannot be made. The
    /// plugin need not have been started.
    pub async fn answer(
        &self,
        method: &str,
        path: &str,
        media: &str,
        body: Vec<u8>,
    ) -> Option<(u16, Vec<u8>)> {
        let request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
        let request = request.header(header::CONTENT_TYPE, media).body(Body::from(body)).ok()?;
        let (head, body) = App::new(self.shared.clone()).answer(request).await.into_parts();
        let body = to_bytes(body, ANSWER_BYTES_MAX).await.ok()?;
        Some((head.status.as_u16(), body.to_vec()))
    }
}
