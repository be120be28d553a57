//! A tiny HTTP server that answers with prepared documents of the contract and remembers what it was asked.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Output},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::Value;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `GET /v1/agents`.
    pub line: String,
    /// The headers, in lower case.
    pub headers: String,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A prepared answer to one method and path.
struct Prepared {
    line: &'static str,
    status: u16,
    headers: &'static str,
    body: Vec<u8>,
}

/// The server; the last answer prepared for a line is given again and again.
pub struct Server {
    listener: TcpListener,
    prepared: Vec<Prepared>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// What a run of the program gave.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Server {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { listener, prepared: Vec::new(), seen: Arc::default() }
    }

    /// Answers requests for `line`, such as `GET /v1/agents`, with a document.
    pub fn answers(self, line: &'static str, status: u16, document: Value) -> Self {
        self.answers_raw(line, status, "", document.to_string().into_bytes())
    }

    /// Refuses requests for `line` with a problem.
    pub fn refuses(self, line: &'static str, status: u16, code: &str, detail: &str) -> Self {
        let problem = serde_json::json!({"type": format!("urn:caxton:error:{code}"), "title": "title", "status": status,
            "detail": detail, "code": code, "fix": "do the other thing"});
        self.answers(line, status, problem)
    }

    /// Answers with bytes and more headers, each ended by CR LF.
    pub fn answers_raw(
        mut self,
        line: &'static str,
        status: u16,
        headers: &'static str,
        body: Vec<u8>,
    ) -> Self {
        self.prepared.push(Prepared { line, status, headers, body });
        self
    }

    /// The address to give to `--server`.
    pub fn address(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }

    /// Serves in the background until the test process ends; gives the requests that come.
    pub fn start(self) -> Arc<Mutex<Vec<Seen>>> {
        let seen = Arc::clone(&self.seen);
        thread::spawn(move || {
            let Self { listener, mut prepared, seen } = self;
            for stream in listener.incoming() {
                serve(stream.unwrap(), &mut prepared, &seen);
            }
        });
        seen
    }

    /// Runs the program against this server; gives what it did and what it asked for.
    pub fn run(self, arguments: &[&str]) -> (Ran, Vec<Seen>) {
        let mut command = program(&self.address());
        command.args(arguments);
        let seen = self.start();
        let ran = Ran::of(command.output().unwrap());
        if arguments.windows(2).any(|pair| matches!(pair, ["-o", "json" | "jsonl"])) {
            crate::documents::check(&ran.stdout);
        }
        let seen = seen.lock().unwrap().clone();
        (ran, seen)
    }
}

impl Ran {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// The program with an environment that does not depend on the machine.
pub fn program(server: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_caxton"));
    command.env_clear().env("CAXTON_SERVER", server).env("LC_ALL", "C.UTF-8").env("COLUMNS", "90");
    command
}

fn serve(stream: TcpStream, prepared: &mut Vec<Prepared>, seen: &Mutex<Vec<Seen>>) {
    let mut reader = BufReader::new(&stream);
    let request = read(&mut reader);
    let line = request.line.clone();
    seen.lock().unwrap().push(request);
    let fitting: Vec<usize> = (0..prepared.len()).filter(|index| prepared[*index].line == line).collect();
    let missing =
        Prepared { line: "", status: 500, headers: "", body: format!("no answer for {line}").into_bytes() };
    let answer = fitting.first().map_or(&missing, |index| &prepared[*index]);
    let head = format!(
        "HTTP/1.1 {} Status\r\ncontent-length: {}\r\nconnection: close\r\n{}\r\n",
        answer.status,
        answer.body.len(),
        answer.headers
    );
    (&stream).write_all(&[head.as_bytes(), &answer.body].concat()).unwrap();
    if fitting.len() > 1 {
        prepared.remove(fitting[0]);
    }
}

fn read(reader: &mut impl BufRead) -> Seen {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim_end().is_empty() {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let line = head.remove(0).trim_end_matches(" HTTP/1.1").to_owned();
    let headers = head.join("\n").to_lowercase();
    let length = headers.lines().find_map(|header| header.strip_prefix("content-length: ")).unwrap_or("0");
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    Seen { line, headers, body }
}
