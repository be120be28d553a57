//! Decides whether and when a trapped agent gets a new instance: at most so many within a window of time, the first at
//! once and each further one later than the one before.

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

/// What becomes of an agent whose instance was lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartPolicy {
    /// It is given up at the first trap.
    Never,
    /// It gets a new instance, as often as its [`Intensity`] allows.
    #[default]
    OnFailure,
}

impl RestartPolicy {
    /// The word for it in manifests and views.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::OnFailure => "on-failure",
        }
    }
}

/// The restarts of one version of an agent.
pub(crate) struct Supervisor {
    intensity: Intensity,
    recent: VecDeque<Time>,
    /// Restarts without a quiet window between them.
    streak: u32,
    restarts: u32,
}

impl Supervisor {
    pub(crate) fn new(intensity: Intensity) -> Self {
        Self { intensity, recent: VecDeque::new(), streak: 0, restarts: 0 }
    }

    /// Allows another instance, or says that the agent is to be given up.
    pub(crate) fn allow_restart(&mut self, now: Time) -> bool {
        let window_ns = self.intensity.window_ms.saturating_mul(1_000_000);
        if self.recent.back().is_none_or(|last| now.nanos_since(*last) >= window_ns) {
            self.streak = 0;
        }
        while self.recent.front().is_some_and(|then| now.nanos_since(*then) >= window_ns) {
            self.recent.pop_front();
        }
        if self.recent.len() >= self.intensity.restarts_max as usize {
            return false;
        }
        self.recent.push_back(now);
        self.streak = self.streak.saturating_add(1);
        self.restarts += 1;
        true
    }

    /// Milliseconds until the instance that was just allowed is made: none for the first, then the base, twice the base
    /// and so on up to the bound, each up to a fifth shorter or longer by `chance`, so that agents which fell together
    /// do not come back together.
    pub(crate) fn backoff_ms(&self, limits: &Limits, chance: u64) -> u64 {
        let Some(doublings) = self.streak.checked_sub(2) else { return 0 };
        let doubled = limits.restart_backoff_ms.saturating_mul(1 << doublings.min(32));
        let plain = doubled.min(limits.restart_backoff_ms_max);
        let fifth = plain / 5;
        plain - fifth + chance % (2 * fifth + 1)
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
    fn the_backoff_doubles_up_to_its_bound_and_begins_anew_after_a_quiet_window() {
        let limits = Limits { restart_backoff_ms: 10, restart_backoff_ms_max: 100, ..Limits::default() };
        let mut supervisor = Supervisor::new(Intensity { restarts_max: 99, window_ms: 1_000 });
        let middle = |plain: u64| plain / 5;
        let mut delays = Vec::new();
        for n in 0..7 {
            assert!(supervisor.allow_restart(Time::from_millis(n * 900)));
            let plain = [0, 10, 20, 40, 80, 100, 100][n as usize];
            delays.push(supervisor.backoff_ms(&limits, middle(plain)));
        }
        assert_eq!(delays, [0, 10, 20, 40, 80, 100, 100]);
        assert!(supervisor.allow_restart(Time::from_millis(6 * 900 + 1_000)));
        assert_eq!(supervisor.backoff_ms(&limits, 3), 0);
    }

    #[test]
    fn the_backoff_strays_by_a_fifth_at_most() {
        let limits = Limits { restart_backoff_ms: 100, ..Limits::default() };
        let mut supervisor = Supervisor::new(Intensity { restarts_max: 9, window_ms: 1_000 });
        supervisor.allow_restart(Time::ZERO);
        supervisor.allow_restart(Time::ZERO);
        let delays: Vec<_> = (0..1_000).map(|chance| supervisor.backoff_ms(&limits, chance)).collect();
        assert_eq!((delays.iter().min(), delays.iter().max()), (Some(&80), Some(&120)));
    }

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
