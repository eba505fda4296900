//! WebSockets.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::connection::Connection;
use crate::hearing::Hearing;
use crate::protocol::MAX_MESSAGE;
use crate::{HttpRequest, HttpResponse, Message, PluginError, PluginResult, Reply, ToruPlugin};

/// The code of the error where a WebSocket is closed.
pub(crate) const CLOSED: &str = "closed";

/// A plugin with WebSockets. To be run by [`Runner::with_websockets`](crate::Runner::with_websockets).
pub trait WebSocketPlugin: ToruPlugin {
    /// Holds a WebSocket's conversation, on a thread of its own. It is closed when this returns, with 1011 after an
    /// error. One that was not accepted is refused.
    fn handle_websocket(&self, opening: WebSocketOpening<'_>) -> PluginResult<()>;
}

/// Somebody opens a WebSocket.
pub struct WebSocketOpening<'a> {
    /// The request that opens it: its path, its headers, who asks.
    pub request: HttpRequest,
    /// What the client offers; [`accept`](Self::accept) takes one of them.
    pub subprotocols: Vec<String>,
    hearing: &'a mut Hearing,
    sender: WebSocketSender,
}

/// A WebSocket that was accepted.
pub struct WebSocket<'a> {
    /// The request that opened it.
    pub request: HttpRequest,
    hearing: &'a mut Hearing,
    sender: WebSocketSender,
    closed: Option<(u16, String)>,
}

/// Sends on a WebSocket, from any thread and for as long as the plugin keeps it.
#[derive(Clone)]
pub struct WebSocketSender {
    line: Arc<Line>,
}

/// What is said on a WebSocket: at most 16 MiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebSocketMessage {
    /// Text.
    Text(String),
    /// Any bytes.
    Binary(Vec<u8>),
}

/// How far the plugin's side of a WebSocket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Opening,
    Refused,
    Open,
    /// The client has closed it, the plugin not yet.
    Left,
    Closed,
}

pub(crate) struct Line {
    request_id: String,
    /// Weak, so that a sender that is kept does not keep the connection open.
    connection: Weak<Connection>,
    /// Held while something is said, for nothing may follow the end.
    stage: Mutex<Stage>,
}

impl Line {
    pub fn new(connection: &Arc<Connection>, request_id: String) -> Arc<Self> {
        let connection = Arc::downgrade(connection);
        Arc::new(Self { request_id, connection, stage: Mutex::new(Stage::Opening) })
    }

    pub fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn request_id(&self) -> String {
        self.request_id.clone()
    }

    /// The plugin's last word on it, where it was accepted.
    pub fn close(&self, code: u16, reason: &str) -> PluginResult<()> {
        let mut stage = self.stage();
        if !matches!(*stage, Stage::Open | Stage::Left) {
            return Ok(());
        }
        *stage = Stage::Closed;
        self.say(&Reply::WebSocketClose { request_id: self.request_id(), code, reason: reason.into() }, &[])
    }

    fn say(&self, reply: &Reply, data: &[u8]) -> PluginResult<()> {
        let connection = self.connection.upgrade().ok_or_else(closed)?;
        connection.write(reply, data).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => error.into(),
            _ => closed(),
        })
    }
}

fn closed() -> PluginError {
    PluginError::new("the WebSocket is closed").with_code(CLOSED)
}

impl<'a> WebSocketOpening<'a> {
    pub(crate) fn new(
        request: HttpRequest,
        subprotocols: Vec<String>,
        hearing: &'a mut Hearing,
        line: &Arc<Line>,
    ) -> Self {
        Self { request, subprotocols, hearing, sender: WebSocketSender { line: Arc::clone(line) } }
    }

    /// Takes it, with one of its subprotocols where that matters.
    pub fn accept(self, subprotocol: Option<&str>) -> PluginResult<WebSocket<'a>> {
        let Self { request, hearing, sender, .. } = self;
        let request_id = sender.line.request_id();
        *sender.line.stage() = Stage::Open;
        let accept = Reply::WebSocketAccept { request_id, subprotocol: subprotocol.map(String::from) };
        sender.line.say(&accept, &[])?;
        Ok(WebSocket { request, hearing, sender, closed: None })
    }

    /// Answers instead, with a status of 400 and above.
    pub fn refuse(self, response: HttpResponse) -> PluginResult<()> {
        let request_id = self.sender.line.request_id();
        self.sender.line.say(&Reply::Http { request_id, response }, &[])?;
        *self.sender.line.stage() = Stage::Refused;
        Ok(())
    }
}

impl WebSocket<'_> {
    /// Waits for the next message; `None` once it is closed, or the client has gone.
    pub fn receive(&mut self) -> Option<WebSocketMessage> {
        while !self.hearing.has_ended() {
            match self.hearing.next_within() {
                Ok(Message::WebSocketMessage { is_text, length, .. }) => {
                    let data = self.hearing.data(length).ok()?;
                    return Some(match is_text {
                        true => WebSocketMessage::Text(text(data)),
                        false => WebSocketMessage::Binary(data),
                    });
                }
                Ok(Message::WebSocketClose { code, reason, .. }) => {
                    self.hearing.end();
                    self.closed = Some((code, reason));
                    let mut stage = self.sender.line.stage();
                    if *stage == Stage::Open {
                        *stage = Stage::Left;
                    }
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        None
    }

    /// Sends a message, and waits while the client does not read. Fails where it is closed.
    pub fn send(&self, message: impl Into<WebSocketMessage>) -> PluginResult<()> {
        self.sender.send(message)
    }

    /// Says goodbye; after that nothing can be sent. Normal is 1000; 4000 to 4999 are the plugin's own.
    pub fn close(&self, code: u16, reason: &str) -> PluginResult<()> {
        self.sender.close(code, reason)
    }

    /// To send from elsewhere, while this one waits for messages.
    pub fn sender(&self) -> WebSocketSender {
        self.sender.clone()
    }

    /// With which code and which reason the client closed it, once [`receive`](Self::receive) has read that.
    pub fn closed(&self) -> Option<(u16, &str)> {
        self.closed.as_ref().map(|(code, reason)| (*code, reason.as_str()))
    }
}

impl WebSocketSender {
    /// Sends a message, and waits while the client does not read. Fails where it is closed.
    pub fn send(&self, message: impl Into<WebSocketMessage>) -> PluginResult<()> {
        let message = message.into();
        let (is_text, data) = match &message {
            WebSocketMessage::Text(text) => (true, text.as_bytes()),
            WebSocketMessage::Binary(data) => (false, data.as_slice()),
        };
        if data.len() > MAX_MESSAGE {
            return Err(
                format!("a message has at most {MAX_MESSAGE} bytes, and this one {}", data.len()).into()
            );
        }
        let stage = self.line.stage();
        if *stage != Stage::Open {
            return Err(closed());
        }
        let request_id = self.line.request_id();
        self.line.say(&Reply::WebSocketMessage { request_id, is_text, length: data.len() }, data)
    }

    /// Says goodbye; after that nothing can be sent.
    pub fn close(&self, code: u16, reason: &str) -> PluginResult<()> {
        self.line.close(code, reason)
    }
}

fn text(data: Vec<u8>) -> String {
    String::from_utf8(data).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

impl From<&str> for WebSocketMessage {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for WebSocketMessage {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<u8>> for WebSocketMessage {
    fn from(data: Vec<u8>) -> Self {
        Self::Binary(data)
    }
}
