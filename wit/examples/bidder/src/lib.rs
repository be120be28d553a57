//! Bids for counting words by its own cost model, and counts.
//!
//! Configuration: `base` and `per_kb` make the price, `bytes_max` is the largest text that it takes. With `slow_every` 3
//! it thinks `slow_ms` before it answers the third call, the sixth and so on: the server rejects what comes too late.

use std::time::Duration;

use caxton_agent::{Bidder, Contractor, Failure, Fault, Refusal, Start};
use count::{Offer, Report, Task, count};
use serde::Deserialize;

struct Counter {
    model: CostModel,
    calls: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CostModel {
    base: f64,
    per_kb: f64,
    #[serde(default = "any_size")]
    bytes_max: usize,
    #[serde(default)]
    slow_every: u32,
    #[serde(default)]
    slow_ms: u64,
}

fn any_size() -> usize {
    usize::MAX
}

impl Bidder for Counter {
    type Task = Task;
    type Offer = Offer;
    type Report = Report;

    fn init(start: &Start) -> Result<Self, Fault> {
        Ok(Self { model: start.config()?, calls: 0 })
    }

    fn think(&mut self, _: &Task) -> Duration {
        self.calls = self.calls.wrapping_add(1);
        match self.calls.checked_rem(self.model.slow_every) {
            Some(0) => Duration::from_millis(self.model.slow_ms),
            _ => Duration::ZERO,
        }
    }

    fn bid(&mut self, task: &Task) -> Result<Offer, Refusal> {
        if task.bytes > self.model.bytes_max {
            return Err(Refusal::new(
                "too-large",
                format_args!("takes at most {} bytes", self.model.bytes_max),
            ));
        }
        Ok(Offer { price: self.model.base + self.model.per_kb * task.bytes as f64 / 1024.0 })
    }

    fn work(&mut self, task: Task, _: Offer, text: &[u8]) -> Result<Report, Failure> {
        if text.len() != task.bytes {
            return Err(Failure::new(
                "other-text",
                format_args!("{} bytes called, {} came", task.bytes, text.len()),
            ));
        }
        Ok(count(text))
    }
}

caxton_agent::export!(Contractor<Counter>);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use caxton_agent::{Performative, testing::ScriptedHost};

    use super::*;

    #[test]
    fn bids_by_its_cost_model_and_counts_when_accepted() {
        let host = ScriptedHost::install();
        let boss = host.agent("boss");
        host.start::<Contractor<Counter>>(r#"{"base": 2, "per_kb": 1}"#).unwrap();
        host.deliver(host.incoming(Performative::Cfp, boss).content(br#"{"file":"a","bytes":512}"#));
        let sent = host.sent();
        assert_eq!(sent[0].content, br#"{"price":2.5}"#);
        host.deliver(host.answer(&sent[0], Performative::AcceptProposal).content(&[b'x'; 512]));
        let report: Report = serde_json::from_slice(&host.sent()[0].content).unwrap();
        assert_eq!((report.words, report.bytes), (1, 512));
    }

    #[test]
    fn thinks_too_long_every_so_often() {
        let host = ScriptedHost::install();
        let boss = host.agent("boss");
        host.start::<Contractor<Counter>>(r#"{"base": 2, "per_kb": 1, "slow_every": 2, "slow_ms": 460}"#)
            .unwrap();
        for _ in 0..3 {
            host.deliver(host.incoming(Performative::Cfp, boss).content(br#"{"file":"a","bytes":11}"#));
        }
        assert_eq!(host.sent().len(), 2);
        host.advance(Duration::from_millis(460));
        assert_eq!(host.sent().len(), 1);
    }

    #[test]
    fn refuses_a_text_that_is_too_large_for_it() {
        let host = ScriptedHost::install();
        let boss = host.agent("boss");
        host.start::<Contractor<Counter>>(r#"{"base": 2, "per_kb": 1, "bytes_max": 10}"#).unwrap();
        host.deliver(host.incoming(Performative::Cfp, boss).content(br#"{"file":"a","bytes":11}"#));
        assert_eq!(host.sent()[0].performative, Performative::Refuse);
    }
}
