//! talk-rust: what somebody says, all others hear, over WebSockets and as Server-Sent Events. Copy it and make it yours.

use std::io::Write;
use std::sync::mpsc::{sync_channel, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use toru_plugin_api::{
    Cancellation, HttpRequest, HttpResponse, HttpStream, PluginMetadata, PluginResult, Runner, StreamPlugin,
    ToruPlugin, WebSocketMessage, WebSocketOpening, WebSocketPlugin,
};

/// How often those who hear nothing are looked after.
const LOOK: Duration = Duration::from_secs(1);

/// Who has not read that many messages does not listen.
const UNREAD: usize = 100;

#[derive(Default)]
struct Talk {
    listeners: Mutex<Vec<SyncSender<String>>>,
}

impl Talk {
    fn listen(&self) -> Receiver<String> {
        let (speaker, heard) = sync_channel(UNREAD);
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(speaker);
        heard
    }

    fn say(&self, text: &str) {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| listener.try_send(text.into()).is_ok());
    }
}

/// Tells what is said until nobody listens any more.
fn relay(
    heard: &Receiver<String>,
    listening: &Cancellation,
    mut tell: impl FnMut(String) -> PluginResult<()>,
) -> PluginResult<()> {
    loop {
        match heard.recv_timeout(LOOK) {
            Ok(text) => tell(text)?,
            Err(RecvTimeoutError::Timeout) if !listening.is_cancelled() => {}
            Err(_) => return Ok(()),
        }
    }
}

impl ToruPlugin for Talk {
    fn metadata() -> PluginMetadata {
        PluginMetadata {
            icon: "💬".into(),
            ..PluginMetadata::new("talk-rust", "Talk in Rust", "1.0.0", "/talk-rust")
        }
    }

    fn handle_http(&self, request: HttpRequest) -> PluginResult<HttpResponse> {
        match (request.method.as_str(), request.route()) {
            ("POST", "/say") => {
                self.say(&request.text());
                Ok(HttpResponse::new(204))
            }
            _ => Ok(HttpResponse::text(404, "There is nothing here.\n")),
        }
    }
}

impl StreamPlugin for Talk {
    fn handle_stream(&self, stream: HttpStream<'_>) -> PluginResult<()> {
        if stream.request.route() != "/events" {
            return stream.respond(|request| self.handle_http(request));
        }
        let heard = self.listen();
        let head = HttpResponse::new(200).with_header("content-type", "text/event-stream");
        let mut events = stream.answer.begin(head)?;
        relay(&heard, &stream.request.cancellation, |text| {
            let event: String = text.lines().map(|line| format!("data: {line}\n")).collect();
            Ok(events.write_all(format!("{event}\n").as_bytes())?)
        })
    }
}

impl WebSocketPlugin for Talk {
    fn handle_websocket(&self, opening: WebSocketOpening<'_>) -> PluginResult<()> {
        let heard = self.listen();
        let mut socket = opening.accept(None)?;
        let sender = socket.sender();
        let listening = socket.request.cancellation.clone();
        thread::Builder::new().spawn(move || relay(&heard, &listening, |text| sender.send(text)))?;
        while let Some(message) = socket.receive() {
            if let WebSocketMessage::Text(text) = message {
                self.say(&text);
            }
        }
        Ok(())
    }
}

fn main() {
    Runner::new(Talk::default()).with_streams().with_websockets().run();
}
