//! Components that are refused, each at its stage and with its code, before anything is compiled.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use caxton_abi::Code;
use caxton_runtime::{ComponentError, PACKAGE_BYTES_MAX, PACKAGE_SECTION, Runtime, RuntimeOptions};
use support::{
    guests::guest,
    world::{options, shared},
};

fn refused(bytes: &[u8]) -> ComponentError {
    shared().check(bytes).expect_err("accepted")
}

fn refused_text(text: &str) -> ComponentError {
    refused(&wat::parse_str(text).unwrap())
}

/// A component with one core module.
fn component_with(module: &str) -> ComponentError {
    refused_text(&format!("(component (core module {module}))"))
}

#[test]
fn a_good_guest_is_described() {
    let component = guest("hostile");
    let info = shared().check(&component).unwrap();
    assert!(info.timed && !info.durable);
    assert_eq!(info.bytes, component.len() as u64);
    assert_eq!((info.digest.len(), &info.digest[..7]), (71, "sha256:"));
    assert!(info.imports.iter().any(|name| name == "caxton:agent/bus@0.1.0"), "{:?}", info.imports);
}

#[test]
fn garbage_is_not_wasm() {
    for bytes in [&b""[..], b"\0asm", b"\x7fELF\x02\x01\x01\0\0\0", b"hello world"] {
        assert_eq!(refused(bytes).code(), Code::COMPONENT_NOT_WASM);
    }
    assert!(refused(b"(component)").to_string().contains("wasm-tools parse"));
}

#[test]
fn a_core_module_is_told_how_to_become_a_component() {
    let error = refused_text("(module)");
    assert_eq!(error.code(), Code::COMPONENT_CORE_MODULE);
    assert!(error.to_string().contains("build for wasm32-wasip2"), "{error}");
}

#[test]
fn too_many_bytes_are_refused_before_parsing() {
    let dir = tempfile::tempdir().unwrap();
    let options = RuntimeOptions { component_bytes_max: 100, cache_dir: dir.path().to_owned(), ..options() };
    let error = Runtime::new(options).unwrap().check(&[0; 101]).unwrap_err();
    assert_eq!(error, ComponentError::TooLarge { bytes: 101, max: 100 });
}

#[test]
fn a_world_without_handler_shows_what_was_found() {
    let error = refused_text("(component (core module $m) (export \"tool\" (core module $m)))");
    assert_eq!(
        error.to_string(),
        "expected the component to export `caxton:agent/lifecycle@0.1.0`, found `tool`"
    );
    assert_eq!(error.code(), Code::COMPONENT_WRONG_WORLD);
    assert!(refused_text("(component)").to_string().ends_with("found no exports"));
}

#[test]
fn sockets_are_denied_by_name() {
    let error = refused(&guest("sockets"));
    assert_eq!(error.code(), Code::COMPONENT_IMPORT_DENIED);
    assert!(error.to_string().contains("needs the grant `wasi:sockets`"), "{error}");
}

#[test]
fn an_unknown_import_is_named() {
    let component = rename(&guest("hostile"), b"caxton:agent/bus@0.1.0", b"caxton:agent/bud@0.1.0");
    let error = refused(&component);
    assert_eq!(error.code(), Code::COMPONENT_IMPORT_UNKNOWN);
    assert!(error.to_string().contains("`caxton:agent/bud@0.1.0`"), "{error}");
}

#[test]
fn another_version_of_the_world_shows_both() {
    let component = rename(&guest("hostile"), b"caxton:agent/handler@0.1.0", b"caxton:agent/handler@0.7.0");
    let error = refused(&component);
    assert_eq!(error.code(), Code::COMPONENT_WRONG_WORLD);
    assert_eq!(
        error.to_string(),
        "expected the component to export `caxton:agent/handler@0.1.0`, found `caxton:agent/handler@0.7.0`"
    );
}

/// Replaces a name wherever it stands, with one of the same length.
fn rename(component: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut renamed = component.to_vec();
    let places: Vec<usize> = component
        .windows(from.len())
        .enumerate()
        .filter(|(_, window)| *window == from)
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty());
    places.iter().for_each(|at| renamed[*at..at + to.len()].copy_from_slice(to));
    renamed
}

#[test]
fn locals_times_blocks_are_bounded() {
    let locals = "(local i64) ".repeat(3_000);
    let blocks = "block end ".repeat(3_000);
    let error = component_with(&format!("(func {locals} {blocks})"));
    assert_eq!(error.code(), Code::COMPONENT_TOO_COMPLEX);
    assert!(error.to_string().contains("locals times blocks (3000 times 3000)"), "{error}");
}

#[test]
fn locals_are_bounded() {
    // One byte of count declares them all, which text cannot express shortly.
    let error = component_with(&format!("(func {})", "(local i32 i32 i32 i32 i32) ".repeat(2_001)));
    assert_eq!(error.code(), Code::COMPONENT_TOO_COMPLEX);
}

#[test]
fn nesting_is_bounded() {
    let error = component_with(&format!("(func {} {})", "block ".repeat(1_001), "end ".repeat(1_001)));
    assert!(error.to_string().contains("nested blocks"), "{error}");
}

#[test]
fn functions_are_bounded() {
    let error = component_with(&"(func) ".repeat(40_001));
    assert_eq!(error.to_string(), "the component has 40001 functions, the limit is 40000");
}

#[test]
fn locals_times_blocks_are_bounded_over_all_functions() {
    let function = format!("(func {} {})", "(local i32) ".repeat(2_000), "block end ".repeat(2_000));
    let error = component_with(&function.repeat(11));
    assert!(error.to_string().contains("44000000 locals times blocks in all functions"), "{error}");
}

#[test]
fn values_of_one_type_are_bounded() {
    let error = component_with(&format!("(type (func (param {}) (result i32)))", "i64 ".repeat(100)));
    assert_eq!(
        error.to_string(),
        "the component has 101 parameters and results in one type, the limit is 100"
    );
}

#[test]
fn one_functions_bytes_are_bounded() {
    let error = component_with(&format!("(func {})", "nop ".repeat((1 << 20) + 1)));
    assert!(error.to_string().contains("bytes in the function"), "{error}");
}

#[test]
fn custom_sections_are_bounded() {
    let error = refused_text(&format!("(component (@custom \"junk\" \"{}\"))", "x".repeat((16 << 20) + 1)));
    assert!(error.to_string().contains("bytes of custom sections"), "{error}");
}

#[test]
fn components_inside_each_other_are_bounded() {
    let error = refused_text(&format!("{}{}", "(component ".repeat(18), ")".repeat(18)));
    assert!(error.to_string().contains("components inside each other"), "{error}");
}

#[test]
fn a_module_that_does_not_validate_is_refused_with_its_place() {
    let error = component_with("(func (result i32))");
    assert!(matches!(error, ComponentError::Invalid { offset: 1.., .. }), "{error:?}");
}

#[test]
fn proposals_beyond_the_list_are_refused() {
    for module in ["(memory i64 1)", "(memory 1 1 shared)", "(tag)", "(type (struct))"] {
        let error = component_with(module);
        assert_eq!(error.code(), Code::COMPONENT_INVALID, "{module}: {error}");
    }
}

#[test]
fn a_cut_or_damaged_component_is_refused_and_never_crashes() {
    let component = guest("hostile");
    let step = component.len() / 97;
    for at in (0..component.len()).step_by(step) {
        assert!(shared().check(&component[..at]).is_err(), "cut at {at}");
        let mut damaged = component.clone();
        damaged[at] ^= 0x55;
        // Names and constants may change and stay valid; what counts is that an answer comes.
        let _ = shared().check(&damaged);
    }
}

/// A component whose exports have the right names and nothing behind them.
fn hollow(module: &str) -> Vec<u8> {
    let text = format!(
        "(component (core module $m {module}) (core instance (instantiate $m)) (instance $empty) \
         (export \"caxton:agent/lifecycle@0.1.0\" (instance $empty)) \
         (export \"caxton:agent/handler@0.1.0\" (instance $empty)))"
    );
    wat::parse_str(text).unwrap()
}

#[test]
fn exports_without_their_functions_are_refused() {
    let error = shared().compile(&hollow("")).unwrap_err();
    assert_eq!(error.code(), Code::COMPONENT_WRONG_WORLD);
    assert!(error.to_string().contains("init"), "{error}");
}

#[test]
fn a_memory_that_begins_too_large_is_refused() {
    let error = shared().compile(&hollow("(memory 4096)")).unwrap_err();
    assert_eq!(error.code(), Code::COMPONENT_TOO_COMPLEX);
    assert!(error.to_string().contains("minimum byte size of 268435456"), "{error}");
}

#[test]
fn a_table_that_begins_too_large_is_refused() {
    let error = shared().compile(&hollow("(table 1000000 funcref)")).unwrap_err();
    assert_eq!(error.code(), Code::COMPONENT_TOO_COMPLEX, "{error}");
}

/// A component with further custom sections at its end.
fn packed(component: &[u8], sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = component.to_vec();
    for (name, data) in sections {
        let mut body = leb(name.len());
        body.extend([name.as_bytes(), data].concat());
        bytes.push(0);
        bytes.extend(leb(body.len()));
        bytes.extend(body);
    }
    bytes
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        bytes.push(if number == 0 { low } else { low | 0x80 });
        if number == 0 {
            return bytes;
        }
    }
}

#[test]
fn a_packed_manifest_is_found_and_there_is_one_at_most() {
    let component = guest("hostile");
    assert_eq!(shared().check(&component).unwrap().package, None);
    fn section(data: &[u8]) -> (&str, &[u8]) {
        (PACKAGE_SECTION, data)
    }
    let info = shared().check(&packed(&component, &[("other", b"x"), section(b"{}")])).unwrap();
    assert_eq!(info.package.as_deref(), Some(&b"{}"[..]));
    let error = refused(&packed(&component, &[section(b"{}"), section(b"{}")]));
    assert_eq!(error.code(), Code::PACKAGE_INVALID);
    assert!(error.to_string().contains("two sections"), "{error}");
    let long = vec![b' '; PACKAGE_BYTES_MAX + 1];
    let error = refused(&packed(&component, &[section(&long)]));
    assert_eq!(error.code(), Code::PACKAGE_INVALID);
    assert!(error.to_string().contains("has 65537 bytes"), "{error}");
}
