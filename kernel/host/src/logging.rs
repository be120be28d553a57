//! Log lines on standard error, for people or as JSON; lines of plugins and agents arrive with their own target.

use std::{
    io::IsTerminal,
    sync::{Arc, OnceLock},
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter, Layer, fmt,
    layer::{Context, SubscriberExt},
    util::SubscriberInitExt,
};

use crate::{
    clock::Clock,
    config::{LogFormat, Server},
    news::{News, logs::Source},
};

/// Exchanges the filter of the process.
type Exchange = Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>;
static EXCHANGE: OnceLock<Exchange> = OnceLock::new();

/// Exchanges the filter at once. Plugins asked for their level when each place first logged, so a level below that one
/// reaches their lines at their next load.
///
/// # Errors
/// The filter's text is not valid.
pub fn exchange(filter: &str) -> Result<(), String> {
    let new = EnvFilter::try_new(filter).map_err(|error| format!("log filter `{filter}`: {error}"))?;
    EXCHANGE.get().map_or(Ok(()), |exchange| exchange(new))
}

/// Starts logging for the process; later calls change nothing.
///
/// # Errors
/// The filter's text is not valid; the message says which part.
pub fn start(server: &Server) -> Result<(), String> {
    let filter =
        EnvFilter::try_new(&server.log).map_err(|error| format!("log filter `{}`: {error}", server.log))?;
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match server.log_format {
        LogFormat::Pretty => {
            let builder = builder.with_ansi(std::io::stderr().is_terminal()).with_filter_reloading();
            let handle = builder.reload_handle();
            keep(move |filter| handle.reload(filter).map_err(|error| error.to_string()));
            let _already_started = builder.finish().with(Lines).try_init();
        }
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let handle = builder.reload_handle();
            keep(move |filter| handle.reload(filter).map_err(|error| error.to_string()));
            let _already_started = builder.finish().with(Lines).try_init();
        }
    }
    Ok(())
}

/// Where the server's own lines are kept to be followed.
static LINES: OnceLock<(Arc<News>, Clock)> = OnceLock::new();

/// The target of lines of plugins and agents, which are kept where they come from.
const FOREIGN: &str = "plugin";

/// Keeps the server's own lines from now on; the first call counts.
pub fn keep_lines(news: Arc<News>, clock: Clock) {
    let _first_counts = LINES.set((news, clock));
}

/// Hands the server's own lines on.
struct Lines;

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Some((news, clock)) = LINES.get() else { return };
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        if target == FOREIGN {
            return;
        }
        let mut told = Told::default();
        event.record(&mut told);
        told.fields.insert("target".to_owned(), target.into());
        let fields = serde_json::Value::Object(told.fields).to_string();
        news.log(clock.now(), number(level), Source::Server, &told.message, &fields);
    }
}

fn number(level: Level) -> u8 {
    match level {
        Level::TRACE => 1,
        Level::DEBUG => 2,
        Level::INFO => 3,
        Level::WARN => 4,
        _ => 5,
    }
}

/// A line's text and fields.
#[derive(Default)]
struct Told {
    message: String,
    fields: serde_json::Map<String, serde_json::Value>,
}

impl Visit for Told {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.insert(field.name().to_owned(), value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.insert(field.name().to_owned(), value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.insert(field.name().to_owned(), value.into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.fields.insert(field.name().to_owned(), text.into());
        }
    }
}

fn keep(exchange: impl Fn(EnvFilter) -> Result<(), String> + Send + Sync + 'static) {
    let _first_counts = EXCHANGE.set(Box::new(exchange));
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
