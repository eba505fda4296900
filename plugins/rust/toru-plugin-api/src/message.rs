//! What toru says, and its JSON.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::{RawValue, Value};

use crate::protocol::{MAX_MESSAGE, MAX_PART};
use crate::{base64text, Cancellation, HttpRequest, PluginResult};

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
    /// A request whose body follows in parts. Only for a plugin with the capability `stream`.
    Stream {
        /// For the answer.
        request_id: String,
        /// What is asked, without the body.
        request: HttpRequest,
    },
    /// A part of that body; that many raw bytes follow.
    Part {
        /// The request's.
        request_id: String,
        /// At most 1 MiB.
        length: usize,
        /// Whether it ends the body.
        last: bool,
    },
    /// Somebody opens a WebSocket. Only for a plugin with the capability `websocket`.
    WebSocketOpen {
        /// For all that is said on it.
        request_id: String,
        /// The request that opens it.
        request: HttpRequest,
        /// What the client offers.
        subprotocols: Vec<String>,
    },
    /// A message on a WebSocket; that many raw bytes follow.
    WebSocketMessage {
        /// Of its opening.
        request_id: String,
        /// Whether it is text, in UTF-8.
        is_text: bool,
        /// At most 16 MiB.
        length: usize,
    },
    /// The client has closed a WebSocket.
    WebSocketClose {
        /// Of its opening.
        request_id: String,
        /// 1000 where all is well.
        code: u16,
        /// For whoever looks closely.
        reason: String,
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
    #[serde(default)]
    stream: bool,
}

#[derive(Deserialize)]
struct BodyPart {
    length: usize,
    #[serde(rename = "final", default)]
    last: bool,
}

#[derive(Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
enum Act {
    Open {
        path: String,
        headers: HashMap<String, String>,
        #[serde(default)]
        subprotocols: Vec<String>,
    },
    Message {
        kind: String,
        length: usize,
    },
    Close {
        code: Option<u16>,
        reason: Option<String>,
    },
    #[serde(other)]
    Unknown,
}

impl Message {
    /// Reads a line. Fails where it is no JSON object with a `type`, or a request without a `request_id`, or where
    /// it cannot be told which bytes follow: the connection cannot be trusted any more.
    pub fn decode(line: &[u8]) -> PluginResult<Self> {
        let envelope: Envelope = serde_json::from_slice(line)?;
        let payload = envelope.payload.map_or("null", RawValue::get);
        let request_id = envelope.request_id.as_str().map(String::from);
        Ok(match (envelope.kind.as_ref(), request_id) {
            ("http" | "body" | "websocket", None) => return Err("a request has no `request_id`".into()),
            ("http", Some(request_id)) => match read_request(payload) {
                Ok((request, true)) => Self::Stream { request_id, request },
                Ok((request, false)) => Self::Http { request_id, request },
                Err(error) => Self::Unusable { request_id, why: error.message },
            },
            ("body", Some(request_id)) => {
                let BodyPart { length, last } = serde_json::from_str(payload)?;
                Self::Part { request_id, length: at_most(MAX_PART, length)?, last }
            }
            ("websocket", Some(request_id)) => read_act(request_id, serde_json::from_str(payload)?)?,
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

    /// Whether it may come at any time, within an exchange too.
    pub(crate) fn is_beside(&self) -> bool {
        matches!(
            self,
            Self::Init | Self::Shutdown { .. } | Self::Ping { .. } | Self::Cancel { .. } | Self::Unknown
        )
    }

    /// Whether it belongs to an exchange that was begun with that.
    pub(crate) fn continues(&self, begun: &str) -> bool {
        match self {
            Self::Part { request_id, .. }
            | Self::WebSocketMessage { request_id, .. }
            | Self::WebSocketClose { request_id, .. } => request_id == begun,
            _ => false,
        }
    }
}

fn read_request(payload: &str) -> PluginResult<(HttpRequest, bool)> {
    let Request { method, path, headers, body, body_encoding, stream } = serde_json::from_str(payload)?;
    let body = match body {
        Some(text) if body_encoding.as_deref() == Some("base64") => Some(base64text::decode(&text)?),
        body => body.map(String::into_bytes),
    };
    Ok((HttpRequest { method, path, headers, body, cancellation: Cancellation::default() }, stream))
}

fn read_act(request_id: String, act: Act) -> PluginResult<Message> {
    Ok(match act {
        Act::Open { path, headers, subprotocols } => {
            let request = HttpRequest { method: "GET".into(), path, headers, ..HttpRequest::default() };
            Message::WebSocketOpen { request_id, request, subprotocols }
        }
        Act::Message { kind, length } => Message::WebSocketMessage {
            request_id,
            is_text: kind == "text",
            length: at_most(MAX_MESSAGE, length)?,
        },
        Act::Close { code, reason } => {
            // Where a client closes without a code, this is what stands for it.
            Message::WebSocketClose {
                request_id,
                code: code.unwrap_or(1005),
                reason: reason.unwrap_or_default(),
            }
        }
        Act::Unknown => Message::Unknown,
    })
}

fn at_most(limit: usize, length: usize) -> PluginResult<usize> {
    if length > limit {
        return Err(format!("{length} bytes follow; there may be {limit}").into());
    }
    Ok(length)
}
