//! The messages of protocol 2, both ways, and their JSON.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, Value};

use crate::protocol::MAX_LINE;
use crate::{base64text, HttpRequest, HttpResponse, LogLevel, PluginError, PluginResult};

/// What toru says.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// The first on each connection. What it holds is in the environment, too: see [`PluginContext`](crate::PluginContext).
    Init,
    /// Exit, within that many seconds.
    Shutdown {
        /// How long toru waits before it sends SIGTERM.
        grace_seconds: f64,
    },
    /// Are you there? Only for a plugin with the capability `ping`.
    Ping {
        /// For the answer.
        request_id: String,
    },
    /// A request.
    Http {
        /// For the answer.
        request_id: String,
        /// What is asked.
        request: HttpRequest,
    },
    /// Nobody waits for that answer any more. Only for a plugin with the capability `cancel`.
    Cancel {
        /// The request's.
        request_id: String,
    },
    /// A request that makes no sense, which can still be answered with an error.
    Unusable {
        /// For the answer.
        request_id: String,
        /// What is wrong with it.
        why: String,
    },
    /// Something that newer versions of toru may say, to be ignored.
    Unknown,
}

/// What a plugin says.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The answer to a request.
    Http {
        /// The request's.
        request_id: String,
        /// What is answered.
        response: HttpResponse,
    },
    /// A request failed inside the plugin: the client gets 502, toru's log the reason.
    Error {
        /// The request's.
        request_id: String,
        /// Why.
        error: PluginError,
    },
    /// The answer to [`Message::Ping`].
    Pong {
        /// The ping's.
        request_id: String,
    },
    /// A line for the log. It answers nothing.
    Log {
        /// How much it matters.
        level: LogLevel,
        /// What it says.
        message: String,
    },
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    request_id: Value,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Lifecycle {
    action: Value,
    grace_seconds: Value,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    path: String,
    headers: HashMap<String, String>,
    body: Option<String>,
    body_encoding: Option<String>,
}

#[derive(Serialize)]
struct Outgoing<'a, P> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    payload: P,
}

#[derive(Serialize)]
struct Answer<'a> {
    status: u16,
    headers: BTreeMap<&'a str, Vec<&'a str>>,
    body: Cow<'a, str>,
    body_encoding: &'static str,
}

#[derive(Serialize)]
struct Failure<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
}

#[derive(Serialize)]
struct Pong {
    action: &'static str,
}

#[derive(Serialize)]
struct Line<'a> {
    level: LogLevel,
    message: &'a str,
}

impl Message {
    /// Reads a line. Fails where it is no JSON object with a `type`, or a request without a `request_id`: the
    /// connection cannot be trusted any more.
    pub fn decode(line: &[u8]) -> PluginResult<Self> {
        let envelope: Envelope = serde_json::from_slice(line)?;
        let payload = envelope.payload.map_or("null", RawValue::get);
        let request_id = envelope.request_id.as_str().map(String::from);
        Ok(match (envelope.kind.as_ref(), request_id) {
            ("http", None) => return Err("a request has no `request_id`".into()),
            ("http", Some(request_id)) => match read_request(payload) {
                Ok(request) => Self::Http { request_id, request },
                Err(error) => Self::Unusable { request_id, why: error.message },
            },
            ("cancel", Some(request_id)) => Self::Cancel { request_id },
            ("lifecycle", request_id) => {
                let lifecycle: Lifecycle = serde_json::from_str(payload).unwrap_or_default();
                match (lifecycle.action.as_str(), request_id) {
                    (Some("init"), _) => Self::Init,
                    (Some("shutdown"), _) => {
                        Self::Shutdown { grace_seconds: lifecycle.grace_seconds.as_f64().unwrap_or(0.0) }
                    }
                    (Some("ping"), Some(request_id)) => Self::Ping { request_id },
                    _ => Self::Unknown,
                }
            }
            _ => Self::Unknown,
        })
    }
}

fn read_request(payload: &str) -> PluginResult<HttpRequest> {
    let Request { method, path, headers, body, body_encoding } = serde_json::from_str(payload)?;
    let body = match body {
        Some(text) if body_encoding.as_deref() == Some("base64") => Some(base64text::decode(&text)?),
        body => body.map(String::into_bytes),
    };
    Ok(HttpRequest { method, path, headers, body })
}

impl Reply {
    /// The line, without its end. There is no newline in it. Fails where it would be longer than a line may be.
    pub fn encode(&self) -> PluginResult<Vec<u8>> {
        let mut encoded = self.line(false);
        if encoded.len() > MAX_LINE {
            // Text of control characters grows six-fold in JSON, base64 by a third only.
            encoded = self.line(true);
        }
        if encoded.len() > MAX_LINE {
            let length = encoded.len();
            return Err(format!("it takes {length} bytes in a message, which may have {MAX_LINE}").into());
        }
        Ok(encoded)
    }

    fn line(&self, as_bytes: bool) -> Vec<u8> {
        match self {
            Self::Http { request_id, response } => line("http", Some(request_id), answer(response, as_bytes)),
            Self::Error { request_id, error } => {
                let failure = Failure { message: &error.message, code: error.code.as_deref() };
                line("error", Some(request_id), failure)
            }
            Self::Pong { request_id } => line("lifecycle", Some(request_id), Pong { action: "pong" }),
            Self::Log { level, message } => line("log", None, Line { level: *level, message }),
        }
    }
}

fn line<P: Serialize>(kind: &str, request_id: Option<&str>, payload: P) -> Vec<u8> {
    // These have string keys only and write to memory: nothing can fail.
    serde_json::to_vec(&Outgoing { kind, request_id, payload }).expect("strings and numbers are JSON")
}

fn answer(response: &HttpResponse, as_bytes: bool) -> Answer<'_> {
    let mut headers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in &response.headers {
        headers.entry(name).or_default().push(value);
    }
    let (body, body_encoding) = match std::str::from_utf8(&response.body) {
        Ok(text) if !as_bytes => (Cow::from(text), "utf-8"),
        _ => (Cow::from(base64text::encode(&response.body)), "base64"),
    };
    Answer { status: response.status, headers, body, body_encoding }
}
