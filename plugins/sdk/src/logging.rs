//! The bridge from `tracing` to the server's log, and the panic hook.
//!
//! A library has its own copy of `tracing` with its own dispatcher, so without a bridge a plugin's events vanish. Before
//! an instance is created, [`install`] puts a subscriber into the library that forwards each event as one line to
//! [`Host::log`]: the message as the line, fields as a JSON object, enclosing spans with their fields under `spans`,
//! outermost first. The server's level is asked once for each place that logs, so a disabled event costs a load and a
//! branch.
//!
//! All instances of one library share the bridge; lines go to the server through the latest instance.

use std::{
    fmt::{self, Write},
    panic::PanicHookInfo,
    sync::{Once, PoisonError, RwLock},
    thread,
};

use serde_json::{Map, Value};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::Interest,
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

use crate::{Host, guard};

/// The target of lines that tell of a panic.
pub const PANIC_TARGET: &str = "caxton_plugin::panic";
/// Longest line and longest text field, in bytes; the rest is cut.
pub const TEXT_BYTES_MAX: usize = 8192;

/// The server that gets the lines of this library.
static SINK: RwLock<Option<Host>> = RwLock::new(None);
static INSTALLED: Once = Once::new();

/// Sends this library's events and panics to the server from now on.
pub fn install(host: &Host) {
    *SINK.write().unwrap_or_else(PoisonError::into_inner) = Some(host.clone());
    INSTALLED.call_once(|| {
        std::panic::set_hook(Box::new(report_panic));
        // Refused only where a program that links this plugin has a subscriber of its own; that one serves then.
        let _ = tracing::subscriber::set_global_default(Registry::default().with(Bridge(&SINK)));
    });
}

fn current(sink: &RwLock<Option<Host>>) -> Option<Host> {
    sink.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn report_panic(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let text = guard::panic_text(info.payload());
    let thread = thread::current();
    let name = thread.name().unwrap_or("unnamed");
    if let Some(host) = current(&SINK) {
        host.log(5, PANIC_TARGET, &format!("thread `{name}` panicked at {place}: {text}"), "");
    }
    guard::note_panic(place);
}

/// The level as the boundary counts it.
const fn level_number(level: Level) -> u8 {
    match level {
        Level::TRACE => 1,
        Level::DEBUG => 2,
        Level::INFO => 3,
        Level::WARN => 4,
        Level::ERROR => 5,
    }
}

/// The layer that forwards.
struct Bridge(&'static RwLock<Option<Host>>);

impl Bridge {
    fn records(&self, metadata: &Metadata<'_>) -> bool {
        let least = current(self.0).map_or(u8::MAX, |host| host.log_level(metadata.target()));
        level_number(*metadata.level()) >= least
    }
}

/// A span's fields, kept while it is open.
struct SpanFields(Map<String, Value>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Bridge {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.records(metadata) { Interest::always() } else { Interest::never() }
    }

    /// Asked only where a program has several subscribers; otherwise the interest above decides for good.
    fn enabled(&self, metadata: &Metadata<'_>, _context: Context<'_, S>) -> bool {
        self.records(metadata)
    }

    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(SpanFields(fields.values));
    }

    fn on_record(&self, id: &span::Id, record: &span::Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        record.record(&mut fields);
        if let Some(kept) = span.extensions_mut().get_mut::<SpanFields>() {
            kept.0.extend(fields.values);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(host) = current(self.0) else { return };
        let mut fields = Fields::default();
        event.record(&mut fields);
        let spans = enclosing(event, &context);
        if !spans.is_empty() {
            fields.values.insert("spans".to_owned(), Value::Array(spans));
        }
        let document = match fields.values.is_empty() {
            true => String::new(),
            false => Value::Object(fields.values).to_string(),
        };
        let metadata = event.metadata();
        host.log(level_number(*metadata.level()), metadata.target(), &fields.line, &document);
    }
}

/// The enclosing spans, outermost first: `{"name": …, field: …}`.
fn enclosing<S: Subscriber + for<'a> LookupSpan<'a>>(
    event: &Event<'_>,
    context: &Context<'_, S>,
) -> Vec<Value> {
    let Some(scope) = context.event_scope(event) else { return Vec::new() };
    scope
        .from_root()
        .map(|span| {
            let mut object = Map::new();
            object.insert("name".to_owned(), Value::from(span.name()));
            if let Some(fields) = span.extensions().get::<SpanFields>() {
                object.extend(fields.0.clone());
            }
            Value::Object(object)
        })
        .collect()
}

/// Collects fields as JSON; the field `message` becomes the line.
#[derive(Default)]
struct Fields {
    line: String,
    values: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.values.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = Bounded::default();
        // Cut at the bound, which the writer reports as an error.
        let _ = write!(text, "{value:?}");
        match field.name() {
            "message" => self.line = text.0,
            _ => self.put(field, text.0),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let mut text = Bounded::default();
        // As above.
        let _ = text.write_str(value);
        match field.name() {
            "message" => self.line = text.0,
            _ => self.put(field, text.0),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
}

/// A text that stops growing at [`TEXT_BYTES_MAX`].
#[derive(Default)]
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = TEXT_BYTES_MAX - self.0.len();
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        let end = text.floor_char_boundary(room);
        self.0.push_str(text.get(..end).unwrap_or_default());
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeHost, LogLine};

    static TEST_SINK: RwLock<Option<Host>> = RwLock::new(None);

    /// Runs code under the bridge. Its sink is one for the process, so one test holds every case.
    fn lines(code: impl FnOnce()) -> Vec<LogLine> {
        let fake = FakeHost::new();
        fake.mute("bridge::silent");
        *TEST_SINK.write().unwrap() = Some(fake.host());
        tracing::subscriber::with_default(Registry::default().with(Bridge(&TEST_SINK)), code);
        fake.lines()
    }

    #[test]
    fn events_arrive_with_their_spans_and_fields_and_disabled_ones_do_not() {
        let lines = lines(|| {
            let outer = tracing::info_span!(target: "bridge", "outer", conversation = "c1");
            let _outer = outer.enter();
            let inner = tracing::info_span!(target: "bridge", "inner", late = tracing::field::Empty);
            inner.record("late", true);
            let _inner = inner.enter();
            tracing::warn!(target: "bridge", depth = 3, "mailbox full");
            tracing::error!(target: "bridge::silent", "not recorded");
            tracing::debug!(target: "bridge", "{}", "é".repeat(TEXT_BYTES_MAX));
        });
        let lines: Vec<_> = lines.iter().filter(|line| line.target.starts_with("bridge")).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].level, lines[0].line.as_str()), (4, "mailbox full"));
        let fields: Value = serde_json::from_str(&lines[0].fields).unwrap();
        assert_eq!(
            fields,
            serde_json::json!({"depth": 3, "spans": [
                {"name": "outer", "conversation": "c1"},
                {"name": "inner", "late": true},
            ]})
        );
        assert_eq!(lines[1].line.len(), TEXT_BYTES_MAX);
    }
}
