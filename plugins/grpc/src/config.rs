//! The plugin's table of the configuration: where to listen and how much to take.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use caxton_plugin::{Code, Error};
use serde::Deserialize;

/// The plugin's table of the server's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address and port to listen on; port 0 takes a free one.
    pub listen: String,
    /// The file number of a listener that an instance before this one has; the server sets it at a reload.
    pub listener: i32,
    /// The last reply-with of that instance; the server sets it at a reload.
    pub reply_with: u32,
    /// A file that gets the bound address as one line; empty for none.
    pub addr_file: PathBuf,
    /// Allows to listen beyond loopback although there is no authentication.
    pub insecure: bool,
    /// Largest message of a client.
    pub message_bytes_max: usize,
    /// Largest component that can be uploaded.
    pub component_bytes_max: usize,
    /// Most calls at the same time on one connection.
    pub concurrent_streams_max: u32,
    /// Most connections at the same time; further ones are closed.
    pub connections_max: usize,
    /// Most streams of events, logs, jobs, conversations and attached agents at the same time.
    pub streams_max: usize,
    /// How long a connection may take to begin to speak HTTP/2.
    pub header_timeout_ms: u64,
    /// How long the next bytes of a request may take, and a write to a client that does not read.
    pub request_timeout_ms: u64,
    /// How often a quiet connection is asked whether it lives.
    pub keepalive_interval_ms: u64,
    /// How long it may take to answer that.
    pub keepalive_timeout_ms: u64,
    /// Longest time that a caller may wait for an answer or an operation.
    pub ask_timeout_ms_max: u64,
    /// Most answers that are waited for at the same time.
    pub waiting_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8401".to_owned(),
            listener: 0,
            reply_with: 0,
            addr_file: PathBuf::new(),
            insecure: false,
            message_bytes_max: 4 * 1024 * 1024,
            component_bytes_max: 64 * 1024 * 1024,
            concurrent_streams_max: 100,
            connections_max: 1024,
            streams_max: 1024,
            header_timeout_ms: 10_000,
            request_timeout_ms: 30_000,
            keepalive_interval_ms: 20_000,
            keepalive_timeout_ms: 20_000,
            ask_timeout_ms_max: 600_000,
            waiting_max: 1024,
        }
    }
}

impl Config {
    /// Checks the table as a whole and returns the address to listen on.
    pub(crate) fn check(&self) -> Result<SocketAddr, Error> {
        let refuse = |message: String| Err(Error::new(Code::PLUGIN_CONFIG_INVALID, message));
        let Ok(address) = self.listen.parse::<SocketAddr>() else {
            return refuse(format!(
                "`listen` is {:?}, expected an IP address and a port; write for example \"127.0.0.1:8401\"",
                self.listen
            ));
        };
        if !address.ip().is_loopback() && !self.insecure {
            return refuse(format!(
                "`listen` is {address}, which others can reach, and there is no authentication; listen on 127.0.0.1 \
                 behind a proxy that authenticates, or set `insecure = true`"
            ));
        }
        match self.zero() {
            Some(key) => refuse(format!("`{key}` is 0, expected 1 or more; remove it to get the default")),
            None => Ok(address),
        }
    }

    fn zero(&self) -> Option<&'static str> {
        let bounds = [
            ("message_bytes_max", self.message_bytes_max == 0),
            ("component_bytes_max", self.component_bytes_max == 0),
            ("concurrent_streams_max", self.concurrent_streams_max == 0),
            ("connections_max", self.connections_max == 0),
            ("streams_max", self.streams_max == 0),
            ("header_timeout_ms", self.header_timeout_ms == 0),
            ("request_timeout_ms", self.request_timeout_ms == 0),
            ("keepalive_interval_ms", self.keepalive_interval_ms == 0),
            ("keepalive_timeout_ms", self.keepalive_timeout_ms == 0),
            ("ask_timeout_ms_max", self.ask_timeout_ms_max == 0),
            ("waiting_max", self.waiting_max == 0),
        ];
        bounds.into_iter().find(|(_, zero)| *zero).map(|(key, _)| key)
    }

    pub(crate) fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_timeout_ms)
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    pub(crate) fn keepalive_interval(&self) -> Duration {
        Duration::from_millis(self.keepalive_interval_ms)
    }

    pub(crate) fn keepalive_timeout(&self) -> Duration {
        Duration::from_millis(self.keepalive_timeout_ms)
    }

    pub(crate) fn ask_timeout_max(&self) -> Duration {
        Duration::from_millis(self.ask_timeout_ms_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(config: Config) -> String {
        let error = config.check().unwrap_err();
        assert_eq!(error.code(), Code::PLUGIN_CONFIG_INVALID);
        error.message().to_owned()
    }

    #[test]
    fn listening_beyond_loopback_needs_a_word() {
        assert_eq!(Config::default().check(), Ok("127.0.0.1:8401".parse().unwrap()));
        for listen in ["0.0.0.0:8401", "[::]:8401", "192.0.2.1:80"] {
            let config = Config { listen: listen.to_owned(), ..Config::default() };
            assert!(refusal(config.clone()).contains("set `insecure = true`"), "{listen}");
            assert!(Config { insecure: true, ..config }.check().is_ok(), "{listen}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let text = refusal(Config { listen: "localhost".to_owned(), ..Config::default() });
        assert!(text.ends_with("write for example \"127.0.0.1:8401\""), "{text}");
        let text = refusal(Config { streams_max: 0, ..Config::default() });
        assert_eq!(text, "`streams_max` is 0, expected 1 or more; remove it to get the default");
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
