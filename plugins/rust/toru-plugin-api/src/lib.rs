//! Write a plugin for toru: implement [`ToruPlugin`], and [`run`] it.
//!
//! ```no_run
//! use toru_plugin_api::{run, HttpRequest, HttpResponse, PluginMetadata, PluginResult, ToruPlugin};
//!
//! struct Hello;
//!
//! impl ToruPlugin for Hello {
//!     fn metadata() -> PluginMetadata {
//!         PluginMetadata::new("hello", "Hello", "1.0.0", "/hello")
//!     }
//!
//!     fn handle_http(&self, _request: HttpRequest) -> PluginResult<HttpResponse> {
//!         Ok(HttpResponse::text(200, "Hello, world!\n"))
//!     }
//! }
//!
//! fn main() {
//!     run(Hello)
//! }
//! ```
//!
//! Bodies in parts are for a [`StreamPlugin`], WebSockets for a [`WebSocketPlugin`]; a [`Runner`] runs them.
//!
//! What `run` does with the socket can be done by hand, too: [`MessageReader`] and [`MessageWriter`].
#![deny(unsafe_code)]
#![warn(missing_docs)]

mod base64text;
mod cancellation;
mod connection;
mod context;
mod error;
mod exchange;
mod hearing;
mod http;
mod kv;
mod log;
mod message;
mod metadata;
mod protocol;
mod reply;
mod run;
mod signal;
mod stream;
mod websocket;

pub use cancellation::Cancellation;
pub use context::PluginContext;
pub use error::{PluginError, PluginResult};
pub use http::{HttpRequest, HttpResponse};
pub use kv::{Kv, KvSet};
pub use log::{log, LogLevel};
pub use message::Message;
pub use metadata::PluginMetadata;
pub use protocol::{MessageReader, MessageWriter};
pub use reply::Reply;
pub use run::{run, Runner};
pub use stream::{Answer, AnswerBody, HttpStream, RequestBody, StreamPlugin};
pub use websocket::{WebSocket, WebSocketMessage, WebSocketOpening, WebSocketPlugin, WebSocketSender};

/// What a plugin is. Only [`metadata`](Self::metadata) and [`handle_http`](Self::handle_http) have to be written.
pub trait ToruPlugin: Send + Sync + Sized + 'static {
    /// What toru shows of the plugin, and at which route its requests come in.
    fn metadata() -> PluginMetadata;

    /// Called once, before any request, with the plugin's place in the world: keep what you need of it, a
    /// clone of its [`Kv`](PluginContext::kv) for instance. After an error the process ends; toru starts it again.
    fn init(&mut self, _context: PluginContext) -> PluginResult<()> {
        Ok(())
    }

    /// Answers a request. Called on several threads, for as many at once as the metadata's `concurrency` says.
    /// An error fails this request alone: its client gets a 502, and toru's log says why. So does a panic, whose
    /// client gets a 500.
    fn handle_http(&self, request: HttpRequest) -> PluginResult<HttpResponse>;

    /// Called once all requests are answered, or there is no more time for them; then the process exits. It is
    /// asked to by toru, or by SIGTERM.
    fn shutdown(&self) {}
}
