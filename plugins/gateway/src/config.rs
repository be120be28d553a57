//! The plugin's table of the configuration: every bound in one place.

use std::time::Duration;

use caxton_plugin::{Code, Error};
use serde::Deserialize;

/// The plugin's table of the server's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Most answers that are waited for at the same time.
    pub waiting_max: usize,
    /// Longest time for an answer.
    pub ask_timeout_ms_max: u64,
    /// How long the server may take to list its agents, and the store to write.
    pub request_timeout_ms: u64,
    /// Longest time that an operation waits for news.
    pub wait_ms_max: u64,
    /// Most jobs that are kept, running and over.
    pub jobs_max: usize,
    /// Most items of one job.
    pub job_items_max: usize,
    /// Most items of all jobs together.
    pub items_kept_max: usize,
    /// Most bytes of contents and results of all jobs together; results of items at work may go beyond.
    pub items_kept_bytes_max: usize,
    /// Most items of one job that run at the same time.
    pub concurrency_max: usize,
    /// Longest time that a job is kept after its end.
    pub ttl_ms_max: u64,
    /// Most agents that are attached.
    pub attachments_max: usize,
    /// Most messages that wait for one attached agent.
    pub queue_messages_max: usize,
    /// Most bytes of content that wait for one attached agent.
    pub queue_bytes_max: usize,
    /// Most bytes of content that wait for all attached agents together.
    pub queues_bytes_max: usize,
    /// Shortest lease.
    pub lease_ms_min: u64,
    /// Longest lease.
    pub lease_ms_max: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            waiting_max: 16_384,
            ask_timeout_ms_max: 600_000,
            request_timeout_ms: 30_000,
            wait_ms_max: 30_000,
            jobs_max: 1000,
            job_items_max: 10_000,
            items_kept_max: 200_000,
            items_kept_bytes_max: 256 << 20,
            concurrency_max: 256,
            ttl_ms_max: 86_400_000,
            attachments_max: 1024,
            queue_messages_max: 4096,
            queue_bytes_max: 16 << 20,
            queues_bytes_max: 256 << 20,
            lease_ms_min: 1000,
            lease_ms_max: 600_000,
        }
    }
}

impl Config {
    /// Checks the table as a whole.
    ///
    /// # Errors
    /// [`Code::PLUGIN_CONFIG_INVALID`], naming the key.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let zero = [
            ("waiting_max", self.waiting_max == 0),
            ("ask_timeout_ms_max", self.ask_timeout_ms_max == 0),
            ("request_timeout_ms", self.request_timeout_ms == 0),
            ("wait_ms_max", self.wait_ms_max == 0),
            ("jobs_max", self.jobs_max == 0),
            ("job_items_max", self.job_items_max == 0),
            ("items_kept_max", self.items_kept_max == 0),
            ("items_kept_bytes_max", self.items_kept_bytes_max == 0),
            ("concurrency_max", self.concurrency_max == 0),
            ("ttl_ms_max", self.ttl_ms_max == 0),
            ("attachments_max", self.attachments_max == 0),
            ("queue_messages_max", self.queue_messages_max == 0),
            ("queue_bytes_max", self.queue_bytes_max == 0),
            ("queues_bytes_max", self.queues_bytes_max == 0),
            ("lease_ms_min", self.lease_ms_min == 0),
        ];
        let refuse = |message: String| Err(Error::new(Code::PLUGIN_CONFIG_INVALID, message));
        if let Some((key, _)) = zero.into_iter().find(|(_, zero)| *zero) {
            return refuse(format!("`{key}` is 0, expected 1 or more; remove it to get the default"));
        }
        if self.lease_ms_min > self.lease_ms_max {
            let (min, max) = (self.lease_ms_min, self.lease_ms_max);
            return refuse(format!(
                "`lease_ms_min` is {min}, expected at most `lease_ms_max`, which is {max}"
            ));
        }
        Ok(())
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_of_zero_is_refused_by_name() {
        let error = Config { jobs_max: 0, ..Config::default() }.check().unwrap_err();
        assert_eq!(error.message(), "`jobs_max` is 0, expected 1 or more; remove it to get the default");
        assert!(Config { lease_ms_max: 10, ..Config::default() }.check().is_err());
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn the_manifest_names_the_defaults() {
        let manifest = caxton_plugin::manifest::Manifest::parse(include_str!("../plugin.json")).unwrap();
        let properties = manifest.config.unwrap().properties;
        let defaults = properties.into_iter().map(|(key, schema)| (key, schema["default"].clone())).collect();
        let config: Config = serde_json::from_value(serde_json::Value::Object(defaults)).unwrap();
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    }
}
