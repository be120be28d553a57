use super::*;

fn faults(text: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("caxton.toml");
    std::fs::write(&path, text).unwrap();
    let found = load(&path, &[]).err().unwrap_or_default();
    let strip = |fault: &Fault| fault.to_string().replace(&path.display().to_string(), "caxton.toml");
    found.iter().map(strip).collect()
}

#[test]
fn an_empty_file_is_the_default_server() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("caxton.toml");
    std::fs::write(&path, "").unwrap();
    let loaded = load(&path, &[]).unwrap();
    assert_eq!(loaded.config.server.platform, "caxton");
    assert!(loaded.config.plugins.is_empty());
}

#[test]
fn all_faults_are_reported_at_once_with_their_columns() {
    let text = "[server]\nplatfrom = \"a\"\nworkers = \"two\"\n\n[limits]\nturn_ms_max = 0\n\n[plugins.rest]\nrequired = 1\n";
    assert_eq!(
        faults(text),
        [
            "unknown key `platfrom` in `server` at caxton.toml:2:1: did you mean `platform`? [CX0102]",
            "key `server.workers` is a string, expected an integer at caxton.toml:3:11 [CX0102]",
            "key `limits.turn_ms_max` is 0, expected 1 or more at caxton.toml:6:15 [CX0102]",
            "key `plugins.rest.required` is an integer, expected a boolean at caxton.toml:9:12 [CX0102]",
        ]
    );
}

#[test]
fn a_platforms_name_and_a_log_filter_are_checked_where_they_stand() {
    assert_eq!(
        faults("[server]\nplatform = \"a b\"\nlog = \"zzz=qqq\"\n"),
        [
            "key `server.platform` is \"a b\", expected 1 to 64 letters, digits, dots and dashes at caxton.toml:2:12 [CX0102]",
            "key `server.log` is \"zzz=qqq\", expected a level such as `info`, or `TARGET=LEVEL` with commas at caxton.toml:3:7 [CX0102]",
        ]
    );
}

#[test]
fn a_syntax_error_names_its_place() {
    let found = faults("[server\n");
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("caxton.toml:1:8"), "{found:?}");
    assert!(found[0].ends_with("[CX0101]"), "{found:?}");
}

#[test]
fn a_plugins_own_keys_are_kept_apart_from_the_servers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("caxton.toml");
    std::fs::write(&path, "[plugins.rest]\nrequired = false\nlisten = \"127.0.0.1:0\"\n").unwrap();
    let loaded = load(&path, &[]).unwrap();
    let [rest] = loaded.config.plugins.as_slice() else { panic!("one plugin") };
    assert!(!rest.own.required);
    assert_eq!(serde_json::Value::from(rest.config.clone()), serde_json::json!({"listen": "127.0.0.1:0"}));
}

#[test]
fn set_overrides_the_file_and_is_checked_like_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("caxton.toml");
    std::fs::write(&path, "[server]\nplatform = \"a\"\n").unwrap();
    let sets = ["server.platform = \"b\"".to_owned(), "plugins.rest.listen=\"x\"".to_owned()];
    let loaded = load(&path, &sets).unwrap();
    assert_eq!(loaded.config.server.platform, "b");
    assert_eq!(loaded.config.plugins.len(), 1);
    let faults = load(&path, &["server.plattform=\"b\"".to_owned()]).unwrap_err();
    assert!(faults[0].to_string().contains("did you mean `platform`?"));
}

#[test]
fn the_schema_lists_exactly_the_keys_that_are_read() {
    let schema = server_schema();
    let limits = &schema.properties["limits"];
    for key in limits.properties.keys() {
        let text = format!("[limits]\n{key} = 100000000\n");
        let read: Result<File, _> = toml::from_str(&text);
        let is_byte = limits.properties[key].maximum == Some(255);
        assert!(read.is_ok() || is_byte, "{key} is not read");
    }
    let server = format!("{:?}", Server::default());
    for key in schema.properties["server"].properties.keys() {
        assert!(server.contains(&format!("{key}:")), "{key} is not read");
    }
    assert_eq!(format!("{:?}", Limits::default()).matches("None").count(), limits.properties.len());
    let keys = format!("{:?}", PluginKeys::default());
    assert_eq!(plugin_schema().properties.keys().filter(|key| keys.contains(&format!("{key}:"))).count(), 11);
}
