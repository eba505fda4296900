//! Why a plugin could not do something.

use std::error::Error;
use std::fmt;

/// `Result` with a [`PluginError`].
pub type PluginResult<T> = Result<T, PluginError>;

/// Why something failed, for toru's log; clients do not see it. Every error becomes one with `?`, text with `.into()`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginError {
    /// A sentence for people.
    pub message: String,
    /// A word for programs, where there is one. Errors of [`Kv`](crate::Kv) have toru's, `conflict` for instance.
    pub code: Option<String>,
}

impl PluginError {
    /// An error with a sentence for people.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: None }
    }

    /// The same with a word for programs.
    #[must_use]
    pub fn with_code(self, code: impl Into<String>) -> Self {
        Self { code: Some(code.into()), ..self }
    }
}

impl fmt::Display for PluginError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

// `PluginError` is no `Error` itself, so that this one conversion covers all that are.
impl<E: Into<Box<dyn Error>>> From<E> for PluginError {
    fn from(error: E) -> Self {
        Self::new(error.into().to_string())
    }
}
