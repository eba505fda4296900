//! The plugin's storage: strings by key, over HTTP on this machine.

use std::fmt;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{json, Value};

use crate::{PluginError, PluginResult};

/// A write to a slow disk takes long; one that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A plugin's own storage. What was written without an error is on disk. Clones are cheap; each call has a
/// connection of its own, so they may be made from any thread.
///
/// Errors carry toru's word for them as their code, and none where toru does not answer.
#[derive(Clone)]
pub struct Kv {
    host: String,
    path: String,
    token: String,
}

/// What else there is to say of a value that is stored.
#[derive(Debug, Clone, Copy, Default)]
pub struct KvSet<'a> {
    /// How long it is kept, in seconds; for good without.
    pub ttl_seconds: Option<f64>,
    /// Store it only if this is the value now: `Some(None)` for "there is none".
    pub expect: Option<Option<&'a str>>,
}

#[derive(Deserialize)]
struct Found {
    value: Option<String>,
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<String>,
    next: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Problem {
    detail: String,
    code: Option<String>,
}

impl Kv {
    /// What `TORU_API_URL`, `TORU_PLUGIN_ID` and `TORU_PLUGIN_TOKEN` say.
    pub fn new(api_url: &str, plugin_id: &str, token: &str) -> Self {
        Self {
            host: api_url.trim_start_matches("http://").trim_end_matches('/').into(),
            path: format!("/api/plugins/{plugin_id}/kv"),
            token: token.into(),
        }
    }

    /// A value, where there is one.
    pub fn get(&self, key: &str) -> PluginResult<Option<String>> {
        let found: Found = self.call(&json!({"action": "get", "key": key}))?;
        Ok(found.value)
    }

    /// Store a value, over the one that is there.
    pub fn set(&self, key: &str, value: &str) -> PluginResult<()> {
        self.set_with(key, value, KvSet::default()).map(|_| ())
    }

    /// Store a value for a while, or only in place of another one: `false` where that is not there.
    pub fn set_with(&self, key: &str, value: &str, how: KvSet<'_>) -> PluginResult<bool> {
        let mut call = json!({"action": "set", "key": key, "value": value});
        if let Some(seconds) = how.ttl_seconds {
            call["ttl_seconds"] = seconds.into();
        }
        if let Some(expected) = how.expect {
            call["expect"] = expected.into();
        }
        match self.call::<Value>(&call) {
            Ok(_) => Ok(true),
            Err(error) if error.code.as_deref() == Some("conflict") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Remove a value, where there is one.
    pub fn delete(&self, key: &str) -> PluginResult<()> {
        self.call::<Value>(&json!({"action": "delete", "key": key})).map(|_| ())
    }

    /// All keys that begin with that, in order.
    pub fn list(&self, prefix: &str) -> PluginResult<Vec<String>> {
        let mut call = json!({"action": "list", "prefix": prefix});
        let mut found = Vec::new();
        loop {
            let Keys { keys, next } = self.call(&call)?;
            found.extend(keys);
            match next {
                Some(after) => call["after"] = after.into(),
                None => return Ok(found),
            }
        }
    }

    fn call<T: for<'a> Deserialize<'a>>(&self, call: &Value) -> PluginResult<T> {
        let (status, body) = self
            .post(&call.to_string())
            .map_err(|error| PluginError::new(format!("storage: {}", error.message)))?;
        if status == 200 {
            return Ok(serde_json::from_slice(&body)?);
        }
        let problem: Problem = serde_json::from_slice(&body).unwrap_or_default();
        Err(PluginError { message: format!("storage: {status} {}", problem.detail), code: problem.code })
    }

    fn post(&self, body: &str) -> PluginResult<(u16, Vec<u8>)> {
        if self.token.is_empty() {
            return Err("there is none: toru did not start this program".into());
        }
        let mut stream = TcpStream::connect(&self.host)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // With HTTP/1.0 an answer is never in chunks, and ends with the connection.
        let request = format!(
            "POST {} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.path,
            self.host,
            self.token,
            body.len()
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        read_answer(&answer).ok_or_else(|| "the answer is no HTTP".into())
    }
}

/// The status and the body.
fn read_answer(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer[end + 4..].to_vec()))
}

// The token is a secret, and contexts get printed.
impl fmt::Debug for Kv {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Kv")
            .field("host", &self.host)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
