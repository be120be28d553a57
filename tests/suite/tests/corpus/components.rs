//! Components that must be refused when they are put or deployed, or stopped when they run.

use caxton_kit::{artifacts, bombs, server::Server};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{books_hold, files, missing, server, starved, still_answers, wire};

/// The server's own memory may grow so much while it refuses a component.
const GROWTH_BYTES_MAX: u64 = 50_000_000;
/// The pool's address space and a warm allocator are not the component's doing.
const WARM_UP: usize = 1;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    component: Made,
    /// The manifest beside the component; absent: putting the component is refused already.
    deploy: Option<toml::Table>,
    /// What the deployed agent is asked; absent: deploying it is refused, or its document has the code.
    ask: Option<String>,
    expect: Expect,
}

/// How the bytes are made: one start, then changes in this order.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Made {
    /// A guest of `tests/guests`.
    guest: Option<String>,
    /// Text of WebAssembly.
    wat: Option<String>,
    /// A core module's text, put into an otherwise good component.
    module: Option<String>,
    /// Bytes, one character each.
    bytes: Option<String>,
    /// One of the kit's compile bombs, by number.
    bomb: Option<usize>,
    /// Names replaced by others of the same length, wherever they stand.
    rename: Vec<[String; 2]>,
    /// Bytes that stay.
    cut: Option<usize>,
    /// Appended, one character a byte.
    append: Option<String>,
    /// Appended after that, again and again.
    repeat: Option<Repeated>,
}

#[derive(Debug, Deserialize)]
struct Repeated {
    text: String,
    times: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    status: u16,
    code: String,
    #[serde(default)]
    hint: Vec<String>,
}

fn guest(name: &str) -> Vec<u8> {
    std::fs::read(artifacts::guests().unwrap().join(format!("{name}.wasm"))).unwrap()
}

/// Adds a core module to a component: a section may stand anywhere.
fn with_module(module: &[u8]) -> Vec<u8> {
    let mut component = guest("hostile");
    component.push(1);
    let mut length = module.len();
    while length >= 0x80 {
        component.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    component.push(length as u8);
    component.extend_from_slice(module);
    component
}

fn make(made: &Made) -> Vec<u8> {
    let mut bytes = match made {
        Made { guest: Some(name), .. } => guest(name),
        Made { wat: Some(text), .. } => wat::parse_str(text).unwrap(),
        Made { module: Some(text), .. } => with_module(&wat::parse_str(text).unwrap()),
        Made { bytes: Some(text), .. } => wire::latin_1(text),
        Made { bomb: Some(index), .. } => bombs::make(*index, &guest("hostile")).unwrap().bytes,
        _ => Vec::new(),
    };
    for [from, to] in &made.rename {
        assert_eq!(from.len(), to.len());
        let places: Vec<usize> = bytes
            .windows(from.len())
            .enumerate()
            .filter_map(|(at, window)| (window == from.as_bytes()).then_some(at))
            .collect();
        assert!(!places.is_empty(), "{from}");
        places.iter().for_each(|at| bytes[*at..at + to.len()].copy_from_slice(to.as_bytes()));
    }
    bytes.truncate(made.cut.unwrap_or(usize::MAX));
    bytes.extend(made.append.as_deref().map(wire::latin_1).unwrap_or_default());
    let repeated = made.repeat.as_ref();
    bytes.extend(repeated.map(|part| wire::latin_1(&part.text).repeat(part.times)).unwrap_or_default());
    bytes
}

fn json_request(method: &str, path: &str, body: &Value) -> Vec<u8> {
    let headers = [("content-type".to_owned(), "application/json".to_owned())];
    wire::request(method, path, &headers, body.to_string().as_bytes())
}

/// The first answer that is no success, from putting the component to asking the agent.
fn answer(server: &Server, case: &Case) -> wire::Answer {
    let headers = [("content-type".to_owned(), "application/wasm".to_owned())];
    let bytes = wire::request("PUT", "/v1/components", &headers, &make(&case.component));
    let put = wire::send(server.url(), &bytes, false);
    drop(bytes);
    let (Some(deploy), 200) = (&case.deploy, put.status) else { return put };
    let document: Value = serde_json::from_str(&put.body).unwrap();
    let mut manifest = serde_json::to_value(deploy).unwrap();
    manifest["component"] = document["digest"].clone();
    manifest["name"] = json!("case");
    let deployed = wire::send(server.url(), &json_request("POST", "/v1/agents", &manifest), false);
    let answer = match (&case.ask, deployed.status) {
        (Some(content), 200) => {
            let headers = [("content-type".to_owned(), "text/plain".to_owned())];
            let path = "/v1/agents/case/ask?timeout-ms=8000";
            wire::send(server.url(), &wire::request("POST", path, &headers, content.as_bytes()), false)
        }
        (None, 200) => begun(server),
        _ => deployed,
    };
    let _going = wire::send(server.url(), &wire::request("DELETE", "/v1/agents/case", &[], b""), false);
    // A turn that runs is its last and may take its whole time; the next case has the same name.
    while shown(server).status != 404 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    answer
}

fn shown(server: &Server) -> wire::Answer {
    wire::send(server.url(), &wire::request("GET", "/v1/agents/case", &[], b""), false)
}

/// The agent's document when it is no longer starting.
fn begun(server: &Server) -> wire::Answer {
    let mut answer = shown(server);
    while answer.body.contains("\"state\":\"starting\"") {
        answer = shown(server);
    }
    answer
}

#[test]
fn bad_components_are_refused_or_stopped_and_cost_no_memory() {
    let cases: Vec<files::Named<Case>> = files::cases("components");
    assert!(cases.len() > 20, "{}", cases.len());
    let server = server();
    let mut failed = Vec::new();
    let mut before = 0;
    for (index, files::Named { name, case }) in cases.iter().enumerate() {
        if index == WARM_UP {
            before = starved::resident_bytes(server.pid());
        }
        let answer = answer(&server, case);
        let found = (answer.status, answer.code().unwrap_or_default());
        let expected = (case.expect.status, case.expect.code.clone());
        let text = answer.text();
        let missing = missing(&case.expect.hint, &text);
        if found != expected || !missing.is_empty() {
            let shown: String = text.chars().take(900).collect();
            failed.push(format!(
                "{name}: expected {expected:?}, found {found:?}, without {missing:?}\n{shown}\n"
            ));
        }
        still_answers(&server, name);
        let grown = starved::resident_bytes(server.pid()).saturating_sub(before);
        println!("{name}: {} {}, grown by {} KiB", found.0, found.1, grown >> 10);
        if index >= WARM_UP && grown >= GROWTH_BYTES_MAX {
            failed.push(format!("{name}: the server's memory grew by {grown} bytes\n"));
        }
    }
    assert!(failed.is_empty(), "{} of {}\n{}", failed.len(), cases.len(), failed.join("\n"));
    books_hold(&server);
}
