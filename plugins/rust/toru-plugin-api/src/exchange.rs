//! What toru says on a connection, and which of the plugin's handlers hears it.

use std::any::Any;
use std::io;
use std::os::unix::net::UnixStream;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use crate::connection::Connection;
use crate::hearing::Hearing;
use crate::run::{Job, Server};
use crate::stream::{Outgoing, Said};
use crate::websocket::{Line, Stage, CLOSED};
use crate::{
    log, HttpRequest, HttpResponse, HttpStream, LogLevel, Message, PluginError, PluginResult, Reply,
    ToruPlugin, WebSocketOpening,
};

/// How a handler ended.
enum Outcome<T> {
    Returned(T),
    Failed(PluginError),
    /// The log has it.
    Panicked,
}

fn call<T>(asked: &str, handler: impl FnOnce() -> PluginResult<T>) -> Outcome<T> {
    match catch_unwind(AssertUnwindSafe(handler)) {
        Ok(Ok(value)) => Outcome::Returned(value),
        Ok(Err(error)) => Outcome::Failed(error),
        Err(panic) => {
            log(LogLevel::Error, format_args!("{asked} panicked: {}", words(panic.as_ref())));
            Outcome::Panicked
        }
    }
}

impl<P: ToruPlugin> Server<P> {
    /// Hears and answers until toru says no more, or something that cannot be.
    pub(crate) fn converse(self: &Arc<Self>, stream: UnixStream) {
        let connection = Arc::new(Connection::new(stream));
        let (server, beside) = (Arc::clone(self), Arc::clone(&connection));
        let mut hearing = Hearing::new(&connection, move |message| match message {
            Message::Ping { request_id } => beside.say(&Reply::Pong { request_id }),
            Message::Cancel { request_id } => beside.cancel(&request_id),
            Message::Shutdown { grace_seconds } => server.stop_beside(grace_seconds),
            _ => {}
        });
        if let Err(error) = self.hear(&connection, &mut hearing) {
            if error.kind() == io::ErrorKind::InvalidData {
                log(LogLevel::Warn, format_args!("connection closed: {error}"));
            }
            connection.close();
        }
    }

    fn hear(self: &Arc<Self>, connection: &Arc<Connection>, hearing: &mut Hearing) -> io::Result<()> {
        while let Some(message) = hearing.next()? {
            match message {
                Message::Http { request_id, mut request } => {
                    connection.asks(&request_id, &mut request);
                    self.begin(Job { request_id, request, connection: Arc::clone(connection) });
                }
                Message::Unusable { request_id, why } => {
                    connection.say(&Reply::Error { request_id, error: PluginError::new(why) });
                }
                Message::Stream { request_id, request } => {
                    self.alone(connection, hearing, request_id, request, |id, request, hearing| {
                        self.stream(connection, hearing, id, request)
                    })?;
                }
                Message::WebSocketOpen { request_id, request, subprotocols } => {
                    self.alone(connection, hearing, request_id, request, |id, request, hearing| {
                        let line = Line::new(connection, id);
                        self.websocket(connection, hearing, &line, request, subprotocols)
                    })?;
                }
                other => {
                    let why = format!("toru said what belongs to nothing: {other:?}");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
            }
        }
        Ok(())
    }

    /// An exchange that has its connection to itself, and this thread.
    fn alone(
        &self,
        connection: &Connection,
        hearing: &mut Hearing,
        request_id: String,
        mut request: HttpRequest,
        exchange: impl FnOnce(String, HttpRequest, &mut Hearing) -> io::Result<()>,
    ) -> io::Result<()> {
        connection.asks(&request_id, &mut request);
        hearing.begin(&request_id);
        self.count();
        let ended = exchange(request_id.clone(), request, hearing);
        connection.answered(&request_id);
        drop(self.uncount());
        ended
    }

    /// A request among others, on a thread for requests.
    pub(crate) fn answer(&self, Job { request_id, request, connection }: Job) {
        let asked = format!("{} {}", request.method, request.path);
        let cancellation = request.cancellation.clone();
        let outcome = call(&asked, || self.plugin.handle_http(request));
        let is_cancelled = cancellation.is_told();
        connection.answered(&request_id);
        if is_cancelled {
            return;
        }
        let reply = match outcome {
            Outcome::Returned(response) => Reply::Http { request_id: request_id.clone(), response },
            Outcome::Failed(error) => Reply::Error { request_id: request_id.clone(), error },
            Outcome::Panicked => return connection.say_failed(request_id),
        };
        match connection.write(&reply, &[]) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                log(LogLevel::Error, format_args!("{asked}: the answer is too long: {error}"));
                connection.say_failed(request_id);
            }
            _ => {}
        }
    }

    /// A request in parts. Fails where its connection cannot be used for another.
    fn stream(
        &self,
        connection: &Arc<Connection>,
        hearing: &mut Hearing,
        request_id: String,
        request: HttpRequest,
    ) -> io::Result<()> {
        let handler = self.on_stream.ok_or_else(|| undeclared("stream"))?;
        let asked = format!("{} {}", request.method, request.path);
        let cancellation = request.cancellation.clone();
        let mut outgoing = Outgoing::new(connection, request_id, &request);
        let stream = HttpStream::new(request, hearing, &mut outgoing);
        let outcome = call(&asked, || handler(&self.plugin, stream));
        match (outcome, outgoing.said) {
            (Outcome::Returned(()), Said::Begun) => outgoing.part(&[], true)?,
            (Outcome::Returned(()), Said::Nothing) => {
                let error = PluginError::new("the plugin returned without an answer");
                connection.say(&Reply::Error { request_id: outgoing.request_id, error });
            }
            (Outcome::Failed(error), Said::Nothing) => {
                connection.say(&Reply::Error { request_id: outgoing.request_id, error });
            }
            (Outcome::Panicked, Said::Nothing) => connection.say_failed(outgoing.request_id),
            (Outcome::Failed(error), Said::Begun | Said::All) if !cancellation.is_cancelled() => {
                log(LogLevel::Error, format_args!("{asked} failed after its answer had begun: {error}"));
                if outgoing.said == Said::Begun {
                    return Err(broken_off());
                }
            }
            (_, Said::Begun) => return Err(broken_off()),
            (_, Said::All | Said::Bare) => {}
        }
        hearing.skip_parts()
    }

    /// A WebSocket, until both sides have closed it. Fails where its connection cannot be used for another.
    fn websocket(
        &self,
        connection: &Connection,
        hearing: &mut Hearing,
        line: &Arc<Line>,
        request: HttpRequest,
        subprotocols: Vec<String>,
    ) -> io::Result<()> {
        let handler = self.on_websocket.ok_or_else(|| undeclared("websocket"))?;
        let asked = format!("WebSocket {}", request.path);
        let cancellation = request.cancellation.clone();
        let opening = WebSocketOpening::new(request, subprotocols, hearing, line);
        let outcome = call(&asked, || handler(&self.plugin, opening));
        let stage = *line.stage();
        if let (Outcome::Failed(error), true) = (&outcome, stage != Stage::Opening) {
            // Many handlers end so: the client is gone, and they wanted to send.
            if error.code.as_deref() != Some(CLOSED) && !cancellation.is_cancelled() {
                log(LogLevel::Error, format_args!("{asked} failed: {error}"));
            }
        }
        let request_id = line.request_id();
        match (outcome, stage) {
            (Outcome::Returned(()), Stage::Opening) => {
                let response = HttpResponse::text(403, "The plugin refused this WebSocket.\n");
                connection.say(&Reply::Http { request_id, response });
            }
            (Outcome::Failed(error), Stage::Opening) => connection.say(&Reply::Error { request_id, error }),
            (Outcome::Panicked, Stage::Opening) => connection.say_failed(request_id),
            (_, Stage::Refused) => {}
            (Outcome::Failed(_) | Outcome::Panicked, Stage::Open) => {
                return self.goodbye(line, 1011, hearing);
            }
            _ => return self.goodbye(line, 1000, hearing),
        }
        Ok(())
    }

    /// Says goodbye, where the handler did not, and waits until the client has.
    fn goodbye(&self, line: &Line, code: u16, hearing: &mut Hearing) -> io::Result<()> {
        // Where that cannot be said the client is gone, which is told below.
        let _ = line.close(code, "");
        while !hearing.has_ended() {
            match hearing.next_within()? {
                Message::WebSocketMessage { length, .. } => drop(hearing.data(length)?),
                _ => hearing.end(),
            }
        }
        Ok(())
    }
}

fn undeclared(capability: &str) -> io::Error {
    let why = format!("toru used `{capability}`, which this plugin does not declare");
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn broken_off() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a word")
}
