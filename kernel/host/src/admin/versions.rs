//! Versions of agents: bring one in and wait for its first turn, promote it, go back.
//!
//! Nothing here holds a thread while it waits: the kernel calls back when the outcome of the version is known.

use std::{sync::Arc, time::Duration};

use caxton_abi::Code;
use caxton_core::{Applied, Outcome};
use serde_json::Value;
use tokio::sync::oneshot;

use super::{
    Admin, Refused,
    documents::{Agent, Manifest},
    parse,
};

/// Milliseconds beyond the time of an `init` that a caller waits: for the turn's place on a busy worker.
const WAIT_MARGIN_MS: u64 = 5_000;

/// A manifest, and the part of the new conversations that its version gets.
pub(super) struct Application {
    canary: Option<u8>,
    manifest: Manifest,
}

impl Application {
    /// Reads the request of `agents.apply`: a manifest with a further key.
    pub(super) fn read(admin: &Admin, request: &[u8]) -> Result<Self, Refused> {
        let invalid =
            |error: serde_json::Error| Refused::new(Code::CONTROL_REQUEST_INVALID, error.to_string());
        let mut keys: serde_json::Map<String, Value> = parse(request)?;
        let canary = keys.remove("canary").unwrap_or_default();
        let canary: Option<u8> = serde_json::from_value(canary).map_err(invalid)?;
        if let Some(percent) = canary.filter(|percent| !(1..=99).contains(percent)) {
            let message = format!("`canary` is {percent}, expected a percentage from 1 to 99");
            return Err(Refused::new(Code::CONTROL_REQUEST_INVALID, message));
        }
        Ok(Self { canary, manifest: admin.manifest(keys)? })
    }
}

impl Admin {
    /// Creates an agent or brings in a new version, and waits until it serves or has a share.
    pub(super) async fn apply(self: &Arc<Self>, application: Application) -> Result<Agent, Refused> {
        let Application { canary, manifest } = application;
        let (name, applied, manifest) = self
            .off_thread(move |admin| {
                let (name, spec, factory) = admin.check(&manifest)?;
                let applied = admin.bus.apply(spec, factory, canary, admin.clock.now())?;
                Ok((name, applied, manifest))
            })
            .await?;
        let (agent, outcome) = self.settled(&name, applied).await?;
        self.off_thread(move |admin| {
            let deployments = admin.storage.deployments();
            match outcome {
                Outcome::Canary(_) => deployments.put_canary(&name, &manifest),
                _ => deployments.put(&name, &manifest),
            }
            Ok(agent)
        })
        .await
    }

    pub(super) fn promote(&self, name: &str) -> Result<Agent, Refused> {
        let full = self.full_name(name)?;
        self.bus.promote(&full, self.clock.now())?;
        self.storage.deployments().promoted(&full);
        self.get_agent(name)
    }

    /// Goes back to the version before, and waits until it serves.
    pub(super) async fn rollback(self: &Arc<Self>, name: &str) -> Result<Agent, Refused> {
        let full = self.full_name(name)?;
        let serving = self.bus.agent(&full).map(|view| view.revision);
        let applied = self.bus.rollback(&full, self.clock.now())?;
        // What came in was withdrawn when the one that served before the call serves after it.
        let withdrew = serving == Some(applied.revision);
        let (agent, _) = self.settled(&full, applied).await?;
        self.off_thread(move |admin| {
            admin.storage.deployments().rolled_back(&full, withdrew);
            Ok(agent)
        })
        .await
    }

    /// Waits for the outcome of a version.
    async fn settled(&self, name: &str, applied: Applied) -> Result<(Agent, Outcome), Refused> {
        let (told, outcome) = oneshot::channel();
        // The caller may have given up by then.
        let told = Box::new(move |outcome| drop(told.send(outcome)));
        self.bus.await_revision(name, applied.revision, told)?;
        let longest = Duration::from_millis(u64::from(self.init_ms_max) + WAIT_MARGIN_MS);
        let revision = applied.revision;
        match tokio::time::timeout(longest, outcome).await {
            Ok(Ok(serves @ (Outcome::Active | Outcome::Canary(_)))) => Ok((self.get_agent(name)?, serves)),
            Ok(Ok(Outcome::Failed { code, reason })) => {
                let message = format!("version {revision} of `{name}` does not serve: {reason}");
                Err(Refused::new(code, message))
            }
            Ok(Err(_)) => {
                let message = format!("version {revision} of `{name}` was given up: the agent is gone");
                Err(Refused::new(Code::AGENT_STOPPED, message))
            }
            Err(_) => {
                let message = format!(
                    "version {revision} of `{name}` has not started within {} ms: look at it with `caxton describe agent {name}`",
                    longest.as_millis()
                );
                Err(Refused::new(Code::REPLY_TIMEOUT, message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_may_name_a_share_and_nothing_unknown() {
        let admin = crate::admin::bench::bench().admin;
        let applied =
            Application::read(&admin, br#"{"name":"bob","component":"sha256:x","canary":10}"#).unwrap();
        assert_eq!((applied.canary, applied.manifest.name.as_str()), (Some(10), "bob"));
        for wrong in [r#"{"canary":0}"#, r#"{"canary":100}"#, r#"{"canary":"10"}"#, r#"{"canari":10}"#] {
            let refused = Application::read(&admin, wrong.as_bytes()).map(|_| wrong).unwrap_err();
            assert_eq!(refused.code, Code::CONTROL_REQUEST_INVALID, "{wrong}");
        }
    }
}
