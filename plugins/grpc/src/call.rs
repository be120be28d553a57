//! What a call says beside its message: its deadline, and the trace that it belongs to.

use std::{future::Future, time::Duration};

use caxton_plugin::{Code, Error, TraceContext, asking::within};
use tokio::time::Instant;
use tonic::{Status, codegen::http};

use crate::refusal;

/// The header of a call's deadline.
const TIMEOUT: &str = "grpc-timeout";
/// Digits that a deadline may have.
const TIMEOUT_DIGITS_MAX: usize = 8;
/// The longest time by which we are ready before the deadline, so that the client gets our words and not its own.
const LEAD_MAX: Duration = Duration::from_millis(100);

/// One call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) trace: Option<TraceContext>,
    /// How long the client gives it.
    timeout: Option<Duration>,
    began: Instant,
}

impl Call {
    pub(crate) fn of(headers: &http::HeaderMap) -> Self {
        let timeout = headers.get(TIMEOUT).and_then(|value| value.to_str().ok()).and_then(parse);
        Self { trace: refusal::trace_of(headers), timeout, began: Instant::now() }
    }

    /// How long it may still take: until shortly before its deadline, else `otherwise`, and at most `max`.
    pub(crate) fn time(&self, otherwise: Duration, max: Duration) -> Duration {
        match self.timeout {
            Some(timeout) => {
                let early = timeout.saturating_sub(LEAD_MAX.min(timeout / 10));
                early.saturating_sub(self.began.elapsed()).min(max)
            }
            None => otherwise.min(max),
        }
    }

    /// When the client wants it to be over; `None` when it does not say.
    pub(crate) fn until(&self, max: Duration) -> Option<Instant> {
        self.timeout.map(|_| Instant::now() + self.time(max, max))
    }

    /// The status of an error.
    pub(crate) fn refuse(&self, error: &Error) -> Status {
        refusal::with_trace(error, self.trace.as_ref())
    }

    /// What an operation gives within the call's time.
    pub(crate) async fn operation<T>(
        &self,
        verb: &str,
        max: Duration,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let time = self.time(max, max);
        match within(time, work).await {
            Some(answer) => answer,
            None => Err(overdue(verb, time)),
        }
    }
}

/// The error of an operation that gave no answer in time.
pub(crate) fn overdue(verb: &str, time: Duration) -> Error {
    Error::new(Code::REPLY_TIMEOUT, format!("`{verb}` gave no answer within {} ms", time.as_millis()))
}

/// A deadline as gRPC writes it: up to eight digits and a unit.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let plain =
        (1..=TIMEOUT_DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| plain)?;
    Some(match unit {
        "H" => Duration::from_secs(number.saturating_mul(3600)),
        "M" => Duration::from_secs(number.saturating_mul(60)),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_deadlines_as_the_protocol_writes_them() {
        assert_eq!(parse("1500m"), Some(Duration::from_millis(1500)));
        assert_eq!(parse("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        assert_eq!(parse("0n"), Some(Duration::ZERO));
        for text in ["", "m", "-1S", "+1S", "1", "123456789S", "1x", "1.5S", "ä"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn is_ready_before_the_deadline() {
        let call = |timeout| Call { trace: None, timeout, began: Instant::now() };
        let max = Duration::from_secs(600);
        let time = call(Some(Duration::from_secs(10))).time(max, max);
        assert!(time <= Duration::from_millis(9900) && time > Duration::from_secs(9), "{time:?}");
        assert_eq!(call(Some(Duration::ZERO)).time(max, max), Duration::ZERO);
        assert_eq!(call(Some(Duration::from_secs(10_000))).time(max, max), max);
        assert_eq!(call(None).time(Duration::from_secs(30), max), Duration::from_secs(30));
    }
}
