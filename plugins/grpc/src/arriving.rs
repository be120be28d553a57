//! The body of a request whose bytes must keep coming: who sends half a message and stops does not hold a call for ever.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use caxton_plugin::{Code, Error};
use tokio::time::{Instant, Sleep, sleep};
use tonic::{Status, body::Body, codegen::Body as HttpBody};

use crate::refusal;

/// A body with a time limit for its next bytes.
pub(crate) struct Arriving {
    body: Body,
    limit: Duration,
    silent: Pin<Box<Sleep>>,
}

impl Arriving {
    pub(crate) fn new(body: Body, limit: Duration) -> Self {
        Self { body, limit, silent: Box::pin(sleep(limit)) }
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Status>>> {
        let arrived = Pin::new(&mut self.body).poll_frame(context);
        if arrived.is_ready() {
            let next = Instant::now() + self.limit;
            self.silent.as_mut().reset(next);
            return arrived;
        }
        match self.silent.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err(late(self.limit)))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

fn late(limit: Duration) -> Status {
    let message = format!(
        "the next bytes of the request did not arrive within {} ms; send it faster, or raise request_timeout_ms",
        limit.as_millis()
    );
    refusal::of(&Error::new(Code::REPLY_TIMEOUT, message))
}
