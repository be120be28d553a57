//! What stands in real files after signals were exported.

use std::path::Path;

use caxton_plugin::{
    EventName, Payload, TraceContext, Uid, flags,
    testing::{FakeHost, block_on},
};
use serde_json::{Value, json};

use super::*;

fn config(path: &Path) -> Config {
    Config { path: path.to_owned(), ..Config::default() }
}

fn started(host: &Host, config: Config) -> Jsonl {
    let jsonl = Jsonl::create(host.clone(), config).unwrap();
    block_on(jsonl.start()).unwrap();
    jsonl
}

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn event(value: u64) -> Signal {
    Signal { value, name: EventName::TURN, ..Signal::default() }
}

#[test]
fn writes_every_field_under_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signals.jsonl");
    let host = FakeHost::new().host();
    let jsonl = started(&host, config(&path));
    let signal = Signal {
        time_ns: 1_795_176_000_123_456_789,
        duration_ns: 5,
        value: 6,
        message: Uid::from_u128(1),
        conversation: Uid::from_u128(2),
        trace: TraceContext { trace: Uid::from_u128(3), span: 4, flags: 1 },
        parent_span: 0xff,
        sender: host.address("manager").unwrap(),
        receiver: host.address("bidder").unwrap(),
        protocol: host.symbol("fipa-contract-net"),
        reply_with: 17,
        in_reply_to: 18,
        name: EventName::MESSAGE_REFUSED,
        code: Code::MAILBOX_FULL,
        flags: flags::LATE | flags::ON_BEHALF,
        performative: 4,
        level: 4,
        text: Payload::from("a \"text\"\n".to_owned()),
    };
    jsonl.export(&[signal]).unwrap();
    jsonl.flush().unwrap();
    assert_eq!(
        lines(&path),
        [json!({
            "time": "2026-11-20T12:00:00.123456789Z", "time_ns": 1_795_176_000_123_456_789_u64,
            "event": "message.refused", "level": "warn",
            "trace_id": "00000000000000000000000000000003", "span_id": "0000000000000004",
            "parent_span_id": "00000000000000ff",
            "message": "00000000-0000-0000-0000-000000000001", "conversation": "00000000-0000-0000-0000-000000000002",
            "performative": "cfp", "protocol": "fipa-contract-net", "from": "manager@test", "to": "bidder@test",
            "reply_with": 17, "in_reply_to": 18, "code": "CX0301", "reason": "mailbox-full",
            "marks": ["late", "on-behalf"], "duration_ns": 5, "value": 6, "text": "a \"text\"\n"
        })]
    );
}

#[test]
fn leaves_out_what_a_signal_does_not_have() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signals.jsonl");
    let jsonl = started(&FakeHost::new().host(), config(&path));
    jsonl.export(&[Signal { name: EventName::LOG, ..Signal::default() }]).unwrap();
    jsonl.flush().unwrap();
    let expected =
        "{\"time\":\"1970-01-01T00:00:00.000000000Z\",\"time_ns\":0,\"event\":\"log\",\"level\":\"info\"}\n";
    assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
}

#[test]
fn keeps_one_line_a_signal_for_bytes_that_are_not_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signals.jsonl");
    let jsonl = started(&FakeHost::new().host(), config(&path));
    let text = Payload::from(vec![0xff, b'\n', 0, 0xfe]);
    jsonl.export(&[Signal { text, ..event(1) }]).unwrap();
    jsonl.flush().unwrap();
    assert_eq!(lines(&path)[0]["text"], "\u{fffd}\n\0\u{fffd}");
}

#[test]
fn appends_to_what_is_there_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signals.jsonl");
    std::fs::write(&path, "{\"value\":0}\n").unwrap();
    let jsonl = started(&FakeHost::new().host(), config(&path));
    jsonl.export(&[event(1), event(2)]).unwrap();
    jsonl.export(&[event(3)]).unwrap();
    jsonl.flush().unwrap();
    let values: Vec<u64> = lines(&path).iter().map(|line| line["value"].as_u64().unwrap()).collect();
    assert_eq!(values, [0, 1, 2, 3]);
}

#[test]
fn a_full_queue_drops_the_newest_and_says_how_many() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signals.jsonl");
    let host = FakeHost::new().host();
    let jsonl = Jsonl::create(host, Config { queue_signals_max: 2, ..config(&path) }).unwrap();
    // The thread is not there yet, so nothing leaves the queue.
    jsonl.export(&[event(1), event(2), event(3)]).unwrap();
    jsonl.export(&[event(4)]).unwrap();
    block_on(jsonl.start()).unwrap();
    jsonl.flush().unwrap();
    let found: Vec<String> =
        lines(&path).iter().map(|line| format!("{} {}", line["event"], line["value"])).collect();
    assert_eq!(found, [r#""agent.turn" 1"#, r#""agent.turn" 2"#, r#""signals.dropped" 2"#]);
}

#[test]
fn a_file_that_is_full_becomes_the_older_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signals.jsonl");
    let config = Config { rotate_bytes_max: ROTATE_BYTES_MIN, ..config(&path) };
    let jsonl = started(&FakeHost::new().host(), config);
    let text = Payload::from("x".repeat(40_000));
    let signals: Vec<Signal> = (1..=3).map(|value| Signal { text: text.clone(), ..event(value) }).collect();
    jsonl.export(&signals).unwrap();
    jsonl.flush().unwrap();
    let older = lines(&folder.path().join("signals.jsonl.1"));
    assert_eq!([older[0]["value"].clone(), lines(&path)[0]["value"].clone()], [2, 3]);
    assert_eq!([older.len(), lines(&path).len(), folder.path().read_dir().unwrap().count()], [1, 1, 2]);
}

#[test]
fn stop_writes_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signals.jsonl");
    let jsonl = started(&FakeHost::new().host(), Config { flush_ms: 60_000, ..config(&path) });
    jsonl.export(&[event(1)]).unwrap();
    block_on(jsonl.stop()).unwrap();
    assert_eq!(lines(&path).len(), 1);
}

#[test]
fn a_folder_that_is_missing_is_a_start_error_with_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing/signals.jsonl");
    let jsonl = Jsonl::create(FakeHost::new().host(), config(&path)).unwrap();
    let error = block_on(jsonl.start()).unwrap_err();
    assert_eq!(error.code(), Code::PLUGIN_START_FAILED);
    let expected = format!("cannot append to `{}`: No such file or directory", path.display());
    assert!(
        error.message().starts_with(&expected) && error.message().contains("create its folder"),
        "{error}"
    );
}

#[test]
fn a_full_disk_is_told_by_flush_and_health() {
    let jsonl = started(&FakeHost::new().host(), config(Path::new("/dev/full")));
    jsonl.export(&[event(1)]).unwrap();
    let error = jsonl.flush().unwrap_err();
    assert!(
        error.message().starts_with("signals are lost, the file cannot be written: No space left"),
        "{error}"
    );
    assert!(matches!(jsonl.health(), Health::Degraded(_)));
}

#[test]
fn flush_waits_no_longer_than_it_may() {
    let folder = tempfile::tempdir().unwrap();
    // Never started, so nobody writes.
    let jsonl = Jsonl::create(FakeHost::new().host(), config(&folder.path().join("signals.jsonl"))).unwrap();
    let error = jsonl.queue.flush(Duration::from_millis(1)).unwrap_err();
    assert_eq!(error.code(), Code::PLUGIN_TIMED_OUT);
}

#[test]
fn refuses_settings_that_cannot_work() {
    let faults = [
        json!({"path": ""}),
        json!({"rotate_bytes_max": 1}),
        json!({"flush_ms": 0}),
        json!({"flush_ms": 60_001}),
        json!({"queue_signals_max": 0}),
    ];
    for fault in faults {
        let config: Config = serde_json::from_value(fault.clone()).unwrap();
        let refused = Jsonl::create(FakeHost::new().host(), config).map(|_| ());
        assert_eq!(refused.map_err(|error| error.code()), Err(Code::PLUGIN_CONFIG_INVALID), "{fault}");
    }
}

#[test]
fn refuses_unknown_configuration_keys() {
    assert!(serde_json::from_value::<Config>(json!({"file": "x"})).is_err());
}

#[test]
fn the_manifest_names_the_defaults() {
    let manifest = caxton_plugin::manifest::Manifest::parse(include_str!("../plugin.json")).unwrap();
    let properties = manifest.config.unwrap().properties;
    let defaults = properties.into_iter().map(|(key, schema)| (key, schema["default"].clone())).collect();
    let config: Config = serde_json::from_value(Value::Object(defaults)).unwrap();
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
}
