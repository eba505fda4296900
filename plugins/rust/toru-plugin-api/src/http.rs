//! Requests and answers.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::Cancellation;

/// What somebody asked of the plugin's route. Whoever it is was let in by toru before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpRequest {
    /// `GET`, `POST`, …
    pub method: String,
    /// What stands behind the route, still percent-encoded, with `?query` where there is one. It starts with `/`.
    pub path: String,
    /// By lower-case name. `x-toru-user` and `x-toru-role` say who asks.
    pub headers: HashMap<String, String>,
    /// What was sent along, if anything.
    pub body: Option<Vec<u8>>,
    /// Whether anybody still waits for the answer; see [`is_cancelled`](Self::is_cancelled).
    pub cancellation: Cancellation,
}

impl HttpRequest {
    /// The path without its query.
    pub fn route(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// What stands behind the `?`, as it came; empty where nothing does.
    pub fn query(&self) -> &str {
        self.path.split_once('?').map_or("", |(_, query)| query)
    }

    /// A header by its name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Whether nobody waits for the answer any more. What takes long may look here, and stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancellation.is_cancelled()
    }

    /// The body as text; what is not UTF-8 in it becomes `�`.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.body.as_deref().unwrap_or_default())
    }
}

/// What the plugin answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// 200 to 599.
    pub status: u16,
    /// In this order; a name may stand here more than once, as `set-cookie` does.
    pub headers: Vec<(String, String)>,
    /// Any bytes.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// An answer with that status, and nothing else yet.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// Plain text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self::new(status).with_header("content-type", "text/plain; charset=utf-8").with_body(body.into())
    }

    /// JSON that is written already, by `serde_json` for instance.
    pub fn json(status: u16, body: impl ToString) -> Self {
        Self::new(status).with_header("content-type", "application/json").with_body(body.to_string())
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same with that body.
    #[must_use]
    pub fn with_body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }
}
