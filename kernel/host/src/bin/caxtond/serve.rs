//! `serve` and `check`: what takes a configuration file.

use std::process::ExitCode;

use caxton_host::{
    config::{self, Loaded},
    logging,
    server::{self, StartError},
};
use serde_json::{Value, json};

use crate::{
    Configured, Output,
    output::{document, exit, failed, print, refused},
};

pub fn serve(configured: &Configured) -> ExitCode {
    let loaded = match config::load(&configured.file, &configured.sets) {
        Ok(loaded) => loaded,
        Err(faults) => return refused(&faults, "the configuration", configured.output),
    };
    if let Err(why) = logging::start(&loaded.config.server) {
        return failed(None, &why.to_string(), configured.output, exit::CONFIG);
    }
    match server::run(loaded) {
        Ok(()) => ExitCode::SUCCESS,
        Err(StartError::Faults(faults)) => refused(&faults, "the configuration", configured.output),
        Err(StartError::Failed { code, message }) => {
            failed(Some(code), &message, configured.output, exit::FAILURE)
        }
    }
}

pub fn check(configured: &Configured) -> ExitCode {
    let judged = config::load(&configured.file, &configured.sets).and_then(|loaded| {
        let faults = config::plugins::check(&loaded);
        if faults.is_empty() { Ok(loaded) } else { Err(faults) }
    });
    match judged {
        Ok(loaded) => {
            match configured.output {
                Output::Json => document(&checked(&loaded)),
                Output::Table => print(&format!("{}\n", summary(&loaded))),
            }
            ExitCode::SUCCESS
        }
        Err(faults) => refused(&faults, "the configuration", configured.output),
    }
}

fn enabled(loaded: &Loaded) -> Vec<&str> {
    let plugins = loaded.config.plugins.iter().filter(|plugin| plugin.own.enabled);
    plugins.map(|plugin| plugin.name.as_str()).collect()
}

fn summary(loaded: &Loaded) -> String {
    let enabled = enabled(loaded);
    let plugins = if enabled.is_empty() { "none".to_owned() } else { enabled.join(", ") };
    format!("{} is valid; platform {}, plugins: {plugins}", loaded.source.name, loaded.config.server.platform)
}

fn checked(loaded: &Loaded) -> Value {
    let platform = &loaded.config.server.platform;
    json!({"kind": "caxton.check/v1", "file": loaded.source.name, "platform": platform, "plugins": enabled(loaded)})
}
