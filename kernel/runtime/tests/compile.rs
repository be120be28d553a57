//! Compiling in a child process and keeping the result. Without the usual harness, because the child is this program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{fs, os::fd::AsRawFd, path::Path, process::ExitCode};

use caxton_abi::Code;
use caxton_runtime::{CompilerMode, ComponentError, Runtime, RuntimeOptions, compile::child_main};
use support::{
    guests::guest,
    world::{LIMITS, options},
};

const CHILD: &str = "compile-child";
const CRASH: &str = "compile-crash";
const LOOK: &str = "compile-look";

/// A name and what it stands for; gets an empty place for a cache.
type Check = (&'static str, fn(&Path));

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(CHILD) => return child_main(),
        Some(CRASH) => std::process::abort(),
        Some(LOOK) => return compile_and_look(&std::env::args().nth(2).unwrap()),
        _ => {}
    }
    let checks: &[Check] = &[
        ("a_child_compiles_code_that_runs", a_child_compiles_code_that_runs),
        ("too_little_memory_is_a_limit", too_little_memory_is_a_limit),
        ("too_little_time_is_a_limit", too_little_time_is_a_limit),
        ("a_crash_of_the_compiler_is_a_limit", a_crash_of_the_compiler_is_a_limit),
        ("the_child_validates_and_tells_where", the_child_validates_and_tells_where),
        ("the_child_has_no_descriptor_of_its_parents", the_child_has_no_descriptor_of_its_parents),
        ("a_refused_component_leaves_nothing_in_the_cache", a_refused_component_leaves_nothing_in_the_cache),
        ("a_missing_compiler_is_the_servers_fault", a_missing_compiler_is_the_servers_fault),
        ("code_on_disk_is_used_again", code_on_disk_is_used_again),
        ("changed_code_on_disk_is_not_used", changed_code_on_disk_is_not_used),
        (
            "a_component_like_an_earlier_one_adds_few_functions",
            a_component_like_an_earlier_one_adds_few_functions,
        ),
        ("functions_that_were_changed_are_not_used", functions_that_were_changed_are_not_used),
        ("the_cache_forgets_its_oldest", the_cache_forgets_its_oldest),
        ("a_cache_that_others_may_write_is_refused", a_cache_that_others_may_write_is_refused),
    ];
    for (name, check) in checks {
        let dir = tempfile::tempdir().unwrap();
        check(&dir.path().join("cache"));
        println!("{name} ... ok");
    }
    ExitCode::SUCCESS
}

/// Compiles, then tells as a refusal whether the descriptor was there before and is after.
fn compile_and_look(descriptor: &str) -> ExitCode {
    const EXIT_REFUSED: u8 = 3;
    let is_open = || Path::new(&format!("/proc/self/fd/{descriptor}")).is_symlink();
    let before = is_open();
    let _compiled = child_main();
    eprintln!("open before: {before}, after: {}", is_open());
    ExitCode::from(EXIT_REFUSED)
}

fn child(order: &str) -> CompilerMode {
    CompilerMode::Child { program: std::env::current_exe().unwrap(), args: vec![order.to_owned()] }
}

fn runtime(dir: &Path, change: impl FnOnce(&mut RuntimeOptions)) -> Runtime {
    let mut options = RuntimeOptions { cache_dir: dir.to_owned(), compiler: child(CHILD), ..options() };
    change(&mut options);
    Runtime::new(options).unwrap()
}

fn limit(runtime: &Runtime) -> String {
    let error = runtime.compile(&guest("hostile")).unwrap_err();
    assert_eq!(error.code(), Code::COMPONENT_COMPILE_LIMIT, "{error}");
    error.to_string()
}

/// The paths of the compiled components.
fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let all = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.extension().is_some_and(|extension| extension == "cwasm")).collect()
}

fn a_child_compiles_code_that_runs(dir: &Path) {
    let runtime = runtime(dir, |_| {});
    let compiled = runtime.compile(&guest("hostile")).unwrap();
    runtime.factory(&compiled, LIMITS, &[]).unwrap().instantiate().unwrap();
}

fn too_little_memory_is_a_limit(dir: &Path) {
    let message = limit(&runtime(dir, |options| options.compile_memory_bytes_max = 32 << 20));
    assert!(message.contains("32 MiB of address space"), "{message}");
}

fn too_little_time_is_a_limit(dir: &Path) {
    let message = limit(&runtime(dir, |options| options.compile_seconds_max = 0));
    assert!(message.contains("0 s"), "{message}");
}

fn a_crash_of_the_compiler_is_a_limit(dir: &Path) {
    let message = limit(&runtime(dir, |options| options.compiler = child(CRASH)));
    assert!(message.contains("signal 6"), "{message}");
}

/// The good guest with one more core module whose code does not fit its types.
fn invalid() -> Vec<u8> {
    let module = wat::parse_str("(module (func (result i32)))").unwrap();
    [guest("hostile"), vec![1, module.len().try_into().unwrap()], module].concat()
}

fn the_child_validates_and_tells_where(dir: &Path) {
    let error = runtime(dir, |_| {}).compile(&invalid()).unwrap_err();
    let ComponentError::Invalid { offset, reason } = &error else { panic!("{error:?}") };
    assert!(usize::try_from(*offset).unwrap() > guest("hostile").len(), "{error}");
    assert!(reason.contains("type mismatch"), "{error}");
}

fn a_refused_component_leaves_nothing_in_the_cache(dir: &Path) {
    runtime(dir, |_| {}).compile(&invalid()).unwrap_err();
    let left: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["key"]);
}

/// A descriptor that every child of this process inherits, as a library of a server may open one.
fn the_child_has_no_descriptor_of_its_parents(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    let lock = fs::File::create(dir.join("lock")).unwrap();
    // Unlike those of the standard library, this one goes to children.
    let inherited = rustix::io::dup(&lock).unwrap();
    let args = vec![LOOK.to_owned(), inherited.as_raw_fd().to_string()];
    let program = std::env::current_exe().unwrap();
    let compiler = CompilerMode::Child { program, args };
    let runtime = runtime(&dir.join("cache"), |options| options.compiler = compiler);
    let said = runtime.compile(&guest("hostile")).unwrap_err().to_string();
    drop(inherited);
    assert!(said.contains("open before: true, after: false"), "{said}");
}

fn a_missing_compiler_is_the_servers_fault(dir: &Path) {
    let missing = CompilerMode::Child { program: dir.join("none"), args: Vec::new() };
    let runtime = runtime(dir, |options| options.compiler = missing);
    let error = runtime.compile(&guest("hostile")).unwrap_err();
    assert_eq!(error.code(), Code::INTERNAL);
    assert!(error.to_string().contains("cannot be started"), "{error}");
}

fn code_on_disk_is_used_again(dir: &Path) {
    runtime(dir, |_| {}).compile(&guest("hostile")).unwrap();
    let again = runtime(dir, |options| options.compiler = child(CRASH));
    again.compile(&guest("hostile")).unwrap();
}

fn changed_code_on_disk_is_not_used(dir: &Path) {
    runtime(dir, |_| {}).compile(&guest("hostile")).unwrap();
    let path = &files(dir)[0];
    let mut code = fs::read(path).unwrap();
    let middle = code.len() / 2;
    code[middle] ^= 1;
    fs::write(path, code).unwrap();
    let again = runtime(dir, |options| options.compiler = child(CRASH));
    assert!(matches!(again.compile(&guest("hostile")), Err(ComponentError::CompileLimit { .. })));
}

fn the_cache_forgets_its_oldest(dir: &Path) {
    let runtime = runtime(dir, |options| options.cache_bytes_max = 1);
    runtime.compile(&guest("hostile")).unwrap();
    let first = files(dir);
    let mut other = guest("hostile");
    // An empty custom section changes the digest and nothing else.
    other.extend([0, 2, 1, b'x']);
    runtime.compile(&other).unwrap();
    assert_eq!((first.len(), files(dir).len()), (1, 1));
    assert_ne!(first, files(dir));
}

/// An empty custom section changes the digest and nothing else.
fn like(guest: &[u8]) -> Vec<u8> {
    [guest, &[0, 2, 1, b'x']].concat()
}

fn incremental(dir: &Path) -> Runtime {
    runtime(dir, |options| options.incremental_bytes_min = 0)
}

fn a_component_like_an_earlier_one_adds_few_functions(dir: &Path) {
    let length = || fs::metadata(dir.join("functions")).unwrap().len();
    let runtime = incremental(dir);
    runtime.compile(&guest("hostile")).unwrap();
    let first = length();
    let compiled = runtime.compile(&like(&guest("hostile"))).unwrap();
    runtime.factory(&compiled, LIMITS, &[]).unwrap().instantiate().unwrap();
    assert_eq!(files(dir).len(), 2);
    // Which copy of a function the compiler meets first is chance, so a few keys may be new.
    assert!(length() < first + first / 4, "{first} {}", length());
}

fn functions_that_were_changed_are_not_used(dir: &Path) {
    let runtime = incremental(dir);
    runtime.compile(&guest("hostile")).unwrap();
    let path = dir.join("functions");
    let mut kept = fs::read(&path).unwrap();
    let middle = kept.len() / 2;
    kept[middle] ^= 1;
    fs::write(&path, &kept).unwrap();
    let compiled = runtime.compile(&like(&guest("hostile"))).unwrap();
    runtime.factory(&compiled, LIMITS, &[]).unwrap().instantiate().unwrap();
    let anew = fs::read(&path).unwrap();
    assert!(anew != kept && anew.len() > kept.len() / 2, "{} {}", kept.len(), anew.len());
}

fn a_cache_that_others_may_write_is_refused(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir_all(dir).unwrap();
    fs::set_permissions(dir, fs::Permissions::from_mode(0o777)).unwrap();
    let error = Runtime::new(RuntimeOptions { cache_dir: dir.to_owned(), ..options() }).unwrap_err();
    assert!(error.to_string().contains("chmod 700"), "{error}");
}
