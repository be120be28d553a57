//! Decides whether a trapped agent gets a new instance: at most so many within a window of time.

use std::collections::VecDeque;

use crate::{limits::Limits, time::Time};

/// How often an agent may be restarted before it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intensity {
    /// New instances within the window.
    pub restarts_max: u32,
    /// The window, milliseconds.
    pub window_ms: u64,
}

impl Intensity {
    /// The server's default.
    pub const fn of(limits: &Limits) -> Self {
        Self { restarts_max: limits.restarts_max, window_ms: limits.restart_window_ms }
    }
}

/// The restarts of one agent.
pub(crate) struct Supervisor {
    intensity: Intensity,
    recent: VecDeque<Time>,
    restarts: u32,
}

impl Supervisor {
    pub(crate) fn new(intensity: Intensity) -> Self {
        Self { intensity, recent: VecDeque::new(), restarts: 0 }
    }

    /// Allows another instance, or says that the agent is to be given up.
    pub(crate) fn allow_restart(&mut self, now: Time) -> bool {
        let window_ns = self.intensity.window_ms.saturating_mul(1_000_000);
        while self.recent.front().is_some_and(|then| now.nanos_since(*then) >= window_ns) {
            self.recent.pop_front();
        }
        if self.recent.len() >= self.intensity.restarts_max as usize {
            return false;
        }
        self.recent.push_back(now);
        self.restarts += 1;
        true
    }

    pub(crate) fn restarts(&self) -> u32 {
        self.restarts
    }

    pub(crate) fn intensity(&self) -> Intensity {
        self.intensity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_up_when_restarts_come_too_fast_and_not_when_they_are_spread() {
        let mut supervisor = Supervisor::new(Intensity { restarts_max: 2, window_ms: 100 });
        assert!(supervisor.allow_restart(Time::from_millis(0)));
        assert!(supervisor.allow_restart(Time::from_millis(60)));
        assert!(!supervisor.allow_restart(Time::from_millis(99)));
        assert!(supervisor.allow_restart(Time::from_millis(120)));
        assert_eq!(supervisor.restarts(), 3);
    }
}
