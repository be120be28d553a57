//! Log lines on standard error, for people or as JSON; lines of plugins and agents arrive with their own target.

use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{LogFormat, Server};

/// Starts logging for the process; later calls change nothing.
///
/// # Errors
/// The filter's text is not valid; the message says which part.
pub fn start(server: &Server) -> Result<(), String> {
    let filter =
        EnvFilter::try_new(&server.log).map_err(|error| format!("log filter `{}`: {error}", server.log))?;
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _already_started = match server.log_format {
        LogFormat::Pretty => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}

/// Records a line whose target is only known at run time.
pub fn line(level: u8, source: &str, line: &str, fields: &str) {
    match level {
        1 => tracing::trace!(target: "plugin", source, fields, "{line}"),
        2 => tracing::debug!(target: "plugin", source, fields, "{line}"),
        3 => tracing::info!(target: "plugin", source, fields, "{line}"),
        4 => tracing::warn!(target: "plugin", source, fields, "{line}"),
        _ => tracing::error!(target: "plugin", source, fields, "{line}"),
    }
}

/// The lowest level that is recorded for plugins: 1 trace to 5 error, 6 off.
pub fn level() -> u8 {
    let enabled = [
        (1, tracing::enabled!(target: "plugin", Level::TRACE)),
        (2, tracing::enabled!(target: "plugin", Level::DEBUG)),
        (3, tracing::enabled!(target: "plugin", Level::INFO)),
        (4, tracing::enabled!(target: "plugin", Level::WARN)),
        (5, tracing::enabled!(target: "plugin", Level::ERROR)),
    ];
    enabled.iter().find(|(_, on)| *on).map_or(6, |(level, _)| *level)
}
