//! What a plugin says, and its JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::protocol::MAX_LINE;
use crate::{base64text, HttpResponse, LogLevel, PluginError, PluginResult};

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
    /// The beginning of an answer whose body follows in parts, to a [`Message::Stream`](crate::Message::Stream).
    Stream {
        /// The request's.
        request_id: String,
        /// The status and the headers; the body is none of it.
        response: HttpResponse,
    },
    /// A part of an answer's body; that many raw bytes follow.
    Part {
        /// The request's.
        request_id: String,
        /// At most 1 MiB.
        length: usize,
        /// Whether it ends the body.
        last: bool,
    },
    /// A request failed inside the plugin: the client gets 502, toru's log the reason.
    Error {
        /// The request's.
        request_id: String,
        /// Why.
        error: PluginError,
    },
    /// A WebSocket is accepted. It is refused by [`Http`](Self::Http).
    WebSocketAccept {
        /// Of its opening.
        request_id: String,
        /// One of those that the client offers.
        subprotocol: Option<String>,
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
    /// A WebSocket is closed.
    WebSocketClose {
        /// Of its opening.
        request_id: String,
        /// 1000 where all is well.
        code: u16,
        /// For whoever looks closely.
        reason: String,
    },
    /// The answer to [`Message::Ping`](crate::Message::Ping).
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
struct Head<'a> {
    status: u16,
    headers: BTreeMap<&'a str, Vec<&'a str>>,
    stream: bool,
}

#[derive(Serialize)]
struct Part {
    length: usize,
    #[serde(rename = "final")]
    last: bool,
}

#[derive(Serialize)]
struct Failure<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(tag = "action", rename_all = "lowercase")]
enum Act<'a> {
    Pong,
    Accept {
        #[serde(skip_serializing_if = "Option::is_none")]
        subprotocol: Option<&'a str>,
    },
    Message {
        kind: &'static str,
        length: usize,
    },
    Close {
        code: u16,
        reason: &'a str,
    },
}

#[derive(Serialize)]
struct Line<'a> {
    level: LogLevel,
    message: &'a str,
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
            Self::Stream { request_id, response } => {
                let head = Head { status: response.status, headers: headers(response), stream: true };
                line("http", Some(request_id), head)
            }
            Self::Part { request_id, length, last } => {
                line("body", Some(request_id), Part { length: *length, last: *last })
            }
            Self::Error { request_id, error } => {
                let failure = Failure { message: &error.message, code: error.code.as_deref() };
                line("error", Some(request_id), failure)
            }
            Self::WebSocketAccept { request_id, subprotocol } => {
                line("websocket", Some(request_id), Act::Accept { subprotocol: subprotocol.as_deref() })
            }
            Self::WebSocketMessage { request_id, is_text, length } => {
                let kind = if *is_text { "text" } else { "binary" };
                line("websocket", Some(request_id), Act::Message { kind, length: *length })
            }
            Self::WebSocketClose { request_id, code, reason } => {
                line("websocket", Some(request_id), Act::Close { code: *code, reason })
            }
            Self::Pong { request_id } => line("lifecycle", Some(request_id), Act::Pong),
            Self::Log { level, message } => line("log", None, Line { level: *level, message }),
        }
    }
}

fn line<P: Serialize>(kind: &str, request_id: Option<&str>, payload: P) -> Vec<u8> {
    // These have string keys only and write to memory: nothing can fail.
    serde_json::to_vec(&Outgoing { kind, request_id, payload }).expect("strings and numbers are JSON")
}

fn answer(response: &HttpResponse, as_bytes: bool) -> Answer<'_> {
    let (body, body_encoding) = match std::str::from_utf8(&response.body) {
        Ok(text) if !as_bytes => (Cow::from(text), "utf-8"),
        _ => (Cow::from(base64text::encode(&response.body)), "base64"),
    };
    Answer { status: response.status, headers: headers(response), body, body_encoding }
}

fn headers(response: &HttpResponse) -> BTreeMap<&str, Vec<&str>> {
    let mut headers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in &response.headers {
        headers.entry(name).or_default().push(value);
    }
    headers
}
