//! The plugin's table of the configuration: where to listen and how much to take.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use caxton_plugin::{Code, Error};
use serde::Deserialize;

use crate::{cors, polling::WAIT_MS_MAX};

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
    /// Names besides `localhost` that a Host header may have while the server listens on loopback, without ports.
    pub hosts_allowed: Vec<String>,
    /// Largest body of a request.
    pub body_bytes_max: usize,
    /// Largest component that can be uploaded.
    pub component_bytes_max: usize,
    /// How long a body may take to arrive, and an operation that only reads may take.
    pub request_timeout_ms: u64,
    /// How long a connection may take to send the head of its next request.
    pub header_timeout_ms: u64,
    /// Longest time that a caller may wait for an answer, and that an operation that changes something may take.
    pub ask_timeout_ms_max: u64,
    /// Most connections at the same time; further ones get a 429.
    pub connections_max: usize,
    /// Most answers that are waited for at the same time; further questions get a 429.
    pub waiting_max: usize,
    /// Most streams of events at the same time; further ones get a 429.
    pub streams_max: usize,
    /// How often a stream without news gets a comment, so that the connection is not taken for dead.
    pub keep_alive_ms: u64,
    /// Origins whose web pages may call, `https://HOST[:PORT]` each, or `*` for all.
    pub cors_origins: Vec<String>,
}

/// 16 MiB of text are far above the content that a message may have; a component of an interpreted language has 20 MB.
impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8400".to_owned(),
            listener: 0,
            reply_with: 0,
            addr_file: PathBuf::new(),
            insecure: false,
            hosts_allowed: Vec::new(),
            body_bytes_max: 16 * 1024 * 1024,
            component_bytes_max: 64 * 1024 * 1024,
            request_timeout_ms: 30_000,
            header_timeout_ms: 10_000,
            ask_timeout_ms_max: 600_000,
            connections_max: 1024,
            waiting_max: 1024,
            streams_max: 256,
            keep_alive_ms: 15_000,
            cors_origins: Vec::new(),
        }
    }
}

impl Config {
    /// Checks the table as a whole and returns the address to listen on.
    pub(crate) fn check(&self) -> Result<SocketAddr, Error> {
        let refuse = |message: String| Err(Error::new(Code::PLUGIN_CONFIG_INVALID, message));
        let Ok(address) = self.listen.parse::<SocketAddr>() else {
            return refuse(format!(
                "`listen` is {:?}, expected an IP address and a port; write for example \"127.0.0.1:8400\"",
                self.listen
            ));
        };
        if !address.ip().is_loopback() && !self.insecure {
            return refuse(format!(
                "`listen` is {address}, which others can reach, and there is no authentication; listen on 127.0.0.1 \
                 behind a proxy that authenticates, or set `insecure = true`"
            ));
        }
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if let Some(host) =
            self.hosts_allowed.iter().find(|host| host.is_empty() || !host.bytes().all(is_part))
        {
            return refuse(format!(
                "`hosts_allowed` has {host:?}, expected a name without scheme and port; write for example \
                 \"caxton.example.org\""
            ));
        }
        if let Some(origin) = self.cors_origins.iter().find(|origin| !cors::is_origin(origin)) {
            return refuse(format!(
                "`cors_origins` has {origin:?}, expected a scheme, a host and a port where it is not the scheme's own; write \
                 for example \"https://app.example.org\", or \"*\" for every page"
            ));
        }
        if self.keep_alive_ms > WAIT_MS_MAX {
            return refuse(format!(
                "`keep_alive_ms` is {}, expected at most {WAIT_MS_MAX}",
                self.keep_alive_ms
            ));
        }
        match self.zero() {
            Some(key) => refuse(format!("`{key}` is 0, expected 1 or more; remove it to get the default")),
            None => Ok(address),
        }
    }

    fn zero(&self) -> Option<&'static str> {
        let bounds = [
            ("body_bytes_max", self.body_bytes_max == 0),
            ("component_bytes_max", self.component_bytes_max == 0),
            ("request_timeout_ms", self.request_timeout_ms == 0),
            ("header_timeout_ms", self.header_timeout_ms == 0),
            ("ask_timeout_ms_max", self.ask_timeout_ms_max == 0),
            ("connections_max", self.connections_max == 0),
            ("waiting_max", self.waiting_max == 0),
            ("streams_max", self.streams_max == 0),
            ("keep_alive_ms", self.keep_alive_ms == 0),
        ];
        bounds.into_iter().find(|(_, zero)| *zero).map(|(key, _)| key)
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    pub(crate) fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_timeout_ms)
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
    fn the_default_listens_on_loopback() {
        assert_eq!(Config::default().check(), Ok("127.0.0.1:8400".parse().unwrap()));
    }

    #[test]
    fn listening_beyond_loopback_needs_a_word() {
        for listen in ["0.0.0.0:8400", "[::]:8400", "192.0.2.1:80"] {
            let config = Config { listen: listen.to_owned(), ..Config::default() };
            assert!(refusal(config.clone()).contains("set `insecure = true`"), "{listen}");
            assert!(Config { insecure: true, ..config }.check().is_ok(), "{listen}");
        }
        assert!(Config { listen: "[::1]:0".to_owned(), ..Config::default() }.check().is_ok());
    }

    #[test]
    fn an_address_that_is_none_is_refused_with_an_example() {
        for listen in ["", "8400", "localhost:8400", "127.0.0.1:99999"] {
            let text = refusal(Config { listen: listen.to_owned(), ..Config::default() });
            assert!(text.ends_with("write for example \"127.0.0.1:8400\""), "{text}");
        }
    }

    #[test]
    fn an_allowed_host_is_a_bare_name() {
        let with = |host: &str| Config { hosts_allowed: vec![host.to_owned()], ..Config::default() };
        for host in ["", "example.org:443", "https://example.org", "*.example.org"] {
            let text = refusal(with(host));
            assert!(text.starts_with(&format!("`hosts_allowed` has {host:?}, expected a name")), "{text}");
        }
        assert!(with("caxton.example.org").check().is_ok());
    }

    #[test]
    fn a_bound_of_zero_is_refused_by_name() {
        let text = refusal(Config { waiting_max: 0, ..Config::default() });
        assert_eq!(text, "`waiting_max` is 0, expected 1 or more; remove it to get the default");
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
