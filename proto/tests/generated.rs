//! The committed files are what the `.proto` files say: descriptors, Rust code, and the page of the reference.
//! `CAXTON_UPDATE=1 cargo test -p caxton-proto` writes them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use caxton_proto::comment;
use protox::prost_reflect::{DescriptorPool, ServiceDescriptor};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn compiler() -> protox::Compiler {
    let mut files: Vec<PathBuf> =
        fs::read_dir(root().join("caxton/v1")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut compiler = protox::Compiler::new([root()]).unwrap();
    compiler.include_imports(true).include_source_info(true).open_files(files).unwrap();
    compiler
}

/// Holds a committed file against what it should be, or writes it.
fn check(path: &Path, wanted: &[u8]) {
    if std::env::var_os("CAXTON_UPDATE").is_some() {
        fs::write(path, wanted).unwrap();
    }
    let found = fs::read(path).unwrap_or_default();
    assert!(found == wanted, "{} is not what the .proto files say; run with CAXTON_UPDATE=1", path.display());
}

#[test]
fn descriptors() {
    check(&root().join("src/generated/caxton.v1.bin"), &compiler().encode_file_descriptor_set());
}

#[test]
fn rust_code() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated");
    fs::create_dir_all(&out).unwrap();
    tonic_prost_build::configure()
        .out_dir(&out)
        .bytes(".caxton.v1.Message.content")
        .compile_fds(compiler().file_descriptor_set())
        .unwrap();
    check(&root().join("src/generated/caxton.v1.rs"), &fs::read(out.join("caxton.v1.rs")).unwrap());
}

#[test]
fn page_of_the_reference() {
    let pool = compiler().descriptor_pool();
    check(&root().join("../docs/reference/grpc.md"), page(&pool).as_bytes());
}

const HEAD: &str = "# The gRPC services

The plugin `grpc` offers the package `caxton.v1`. This page is made of the comments in `proto/caxton/v1/*.proto`, which
describe every field. A method with a verb is that control operation: see [control](control.md) for what it does.

- **Deadlines.** A call's deadline (`grpc-timeout`) is the time of the question or the operation; when it is over the
  status is DEADLINE_EXCEEDED with CX0604. A call that is cancelled ends what it waits for.
- **Errors.** The status has details: `google.rpc.ErrorInfo` (`reason` is the code, for example `CX0302`, `domain` is
  `caxton`, `metadata` has `name`, `fix`, `status` and what is known, for example `conversation-id`),
  `google.rpc.RetryInfo` when the same may be tried again, `google.rpc.BadRequest` with the field of a request that is not
  valid.
- **Trace.** The metadata `traceparent` of a call is the trace of its messages.
- **Health and reflection.** `grpc.health.v1.Health` knows the empty name and each service's: SERVING while the server is
  ready, NOT_SERVING while a required plugin is down and while it drains. `grpc.reflection.v1` and `v1alpha` describe all.
- **JSON.** A field `memory_bytes` is the key `memory-bytes` of the document over HTTP, a value `AGENT_STATE_ACTIVE` is
  `active`, bytes are a text or base64 (`content-base64`). In `google.protobuf.Value` every number is a double.

";

const CODES: &str = "## Status codes

| status | codes |
|---|---|
| INVALID_ARGUMENT | those with the status 400 and 415 over HTTP, and components and packages that are refused |
| PERMISSION_DENIED | 403: a sender that is not the caller's, a grant that is missing |
| NOT_FOUND | 404: CX0302 unknown-receiver, CX0421 agent-not-found, CX0603 not-found and others |
| ALREADY_EXISTS | CX0420 agent-exists, CX0510 conversation-exists, CX0321 id-conflict, CX0320 duplicate |
| FAILED_PRECONDITION | other 409 and 422: the state of an agent, a plugin or a conversation does not allow it |
| ABORTED | CX0217 plugin-busy, CX0426 upgrade-running: the same may succeed soon |
| CANCELLED | CX0614 cancelled |
| RESOURCE_EXHAUSTED | 429, 413, 507: a queue, a table or a disk is full; a message over the bound |
| DEADLINE_EXCEEDED | 408, 410, 504: CX0604 reply-timeout, CX0508 no-reply, CX0306 expired and others |
| UNAVAILABLE | 502, 503: a plugin or a server begins again, an agent was lost |
| UNIMPLEMENTED | CX0601: a method or operation that this server does not have |
| INTERNAL | the rest: the server met a state that it does not expect |
";

/// The page `docs/reference/grpc.md`.
fn page(pool: &DescriptorPool) -> String {
    let mut page = HEAD.to_owned();
    for service in pool.services().filter(|service| service.package_name() == "caxton.v1") {
        write_service(&mut page, &service);
    }
    page.push_str(CODES);
    page
}

fn write_service(page: &mut String, service: &ServiceDescriptor) {
    let file = service.parent_file();
    let about = comment(&file, service.path());
    writeln!(page, "## {}\n\n{about}\n\n| method | verb | what it does |\n|---|---|---|", service.name())
        .unwrap();
    for method in service.methods() {
        let path = format!("/{}/{}", service.full_name(), method.name());
        let operation = caxton_proto::operations().iter().find(|operation| operation.path == path);
        let verb = operation.map(|operation| format!("`{}`", operation.verb)).unwrap_or_default();
        let stream = |streams| if streams { "stream " } else { "" };
        let what = comment(&file, method.path());
        writeln!(
            page,
            "| `{}({}{}) returns ({}{})` | {verb} | {what} |",
            method.name(),
            stream(method.is_client_streaming()),
            method.input().name(),
            stream(method.is_server_streaming()),
            method.output().name(),
        )
        .unwrap();
    }
    page.push('\n');
}
