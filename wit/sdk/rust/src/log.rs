//! Log lines; they carry the agent, the conversation and the trace by themselves.

use std::fmt::Display;

pub use crate::host::Level;
use crate::host::host;

/// Records a line if its level is recorded at all. The text is only made then.
pub fn write(level: Level, text: impl Display) {
    let host = host();
    if level >= host.log_level() {
        host.log(level, &text.to_string());
    }
}

/// Records a line at debug.
pub fn debug(text: impl Display) {
    write(Level::Debug, text);
}

/// Records a line at info.
pub fn info(text: impl Display) {
    write(Level::Info, text);
}

/// Records a line at warn.
pub fn warn(text: impl Display) {
    write(Level::Warn, text);
}

/// Records a line at error.
pub fn error(text: impl Display) {
    write(Level::Error, text);
}
