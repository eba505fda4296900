//! Lines of the plugin's log.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For a close look.
    Trace,
    /// For whoever mends something.
    Debug,
    /// What happens.
    Info,
    /// What should not happen.
    Warn,
    /// What went wrong.
    Error,
}

/// Writes a line to the plugin's log. `println!` does it as well, at level `info`, and `eprintln!` at `warn`.
pub fn log(level: LogLevel, message: impl Display) {
    let line = json!({"level": level, "message": message.to_string()});
    // Where nobody reads the log there is nobody to tell either.
    let _ = writeln!(io::stdout().lock(), "{line}");
}
