//! A plugin as a process: metadata, the socket, threads for its requests, and the end.

use std::collections::VecDeque;
use std::env;
use std::fs;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::PathBuf;
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{json, Value};

use crate::connection::Connection;
use crate::signal::on_sigterm;
use crate::{
    log, HttpRequest, HttpStream, LogLevel, PluginContext, PluginError, PluginResult, Reply, StreamPlugin,
    ToruPlugin, WebSocketOpening, WebSocketPlugin,
};

/// Of the time that toru gives a plugin to exit, the part that is for requests which are not answered yet.
const FOR_REQUESTS: f64 = 0.8;

/// Seconds; a `Duration` does not take every number.
const LONGEST_GRACE: f64 = 3600.0;

/// Seconds after a SIGTERM that nobody announced: toru sends SIGKILL two seconds after it.
const SIGTERM_GRACE: f64 = 1.5;

/// Until a connection is tried for again that could not be taken.
const PAUSE: Duration = Duration::from_millis(100);

type OnStream<P> = fn(&P, HttpStream<'_>) -> PluginResult<()>;
type OnWebSocket<P> = fn(&P, WebSocketOpening<'_>) -> PluginResult<()>;

/// Runs the plugin, as toru starts it, and exits when toru says so. With `--metadata`, prints that and returns.
///
/// Exits with 1 and a line in the log where the plugin cannot start.
pub fn run<P: ToruPlugin>(plugin: P) {
    Runner::new(plugin).run();
}

/// [`run`] for a plugin that does more than to answer requests whole.
pub struct Runner<P> {
    plugin: P,
    on_stream: Option<OnStream<P>>,
    on_websocket: Option<OnWebSocket<P>>,
}

impl<P: ToruPlugin> Runner<P> {
    /// As `run` does it.
    pub fn new(plugin: P) -> Self {
        Self { plugin, on_stream: None, on_websocket: None }
    }

    /// And with bodies in parts.
    #[must_use]
    pub fn with_streams(self) -> Self
    where
        P: StreamPlugin,
    {
        Self { on_stream: Some(P::handle_stream), ..self }
    }

    /// And with WebSockets.
    #[must_use]
    pub fn with_websockets(self) -> Self
    where
        P: WebSocketPlugin,
    {
        Self { on_websocket: Some(P::handle_websocket), ..self }
    }

    /// Runs it: see [`run`].
    pub fn run(self) {
        if env::args().any(|argument| argument == "--metadata") {
            println!("{}", self.described());
        } else if let Err(error) = start(self) {
            log(LogLevel::Error, error);
            process::exit(1);
        }
    }

    fn described(&self) -> Value {
        let mut all = json!(P::metadata());
        all["protocol"] = "2".into();
        let mut capabilities = vec!["ping", "cancel"];
        capabilities.extend(self.on_stream.map(|_| "stream"));
        capabilities.extend(self.on_websocket.map(|_| "websocket"));
        all["capabilities"] = json!(capabilities);
        all
    }
}

pub(crate) struct Server<P> {
    pub plugin: P,
    pub on_stream: Option<OnStream<P>>,
    pub on_websocket: Option<OnWebSocket<P>>,
    socket_path: PathBuf,
    work: Mutex<Work>,
    /// There is a request for an idle thread.
    wanted: Condvar,
    /// All requests are answered.
    answered: Condvar,
}

#[derive(Default)]
pub(crate) struct Work {
    waiting: VecDeque<Job>,
    unanswered: usize,
    idle_threads: usize,
    ending: bool,
}

pub(crate) struct Job {
    pub request_id: String,
    pub request: HttpRequest,
    pub connection: Arc<Connection>,
}

fn start<P: ToruPlugin>(runner: Runner<P>) -> PluginResult<()> {
    let Runner { mut plugin, on_stream, on_websocket } = runner;
    let context = PluginContext::from_environment()?;
    let socket_path = context.socket_path.clone();
    plugin.init(context)?;
    // A process that was killed leaves its socket, and nobody can listen there.
    let _ = fs::remove_file(&socket_path);
    let listener = UnixListener::bind(&socket_path)
        .map_err(|error| PluginError::new(format!("cannot listen at {}: {error}", socket_path.display())))?;
    let server = Arc::new(Server {
        plugin,
        on_stream,
        on_websocket,
        socket_path,
        work: Mutex::default(),
        wanted: Condvar::new(),
        answered: Condvar::new(),
    });
    let ending = Arc::clone(&server);
    on_sigterm(move || ending.stop(SIGTERM_GRACE))?;
    for stream in listener.incoming() {
        if let Err(error) = stream.and_then(|stream| server.take(stream)) {
            // There are too many open files, or threads, for instance: there will be fewer.
            log(LogLevel::Warn, format_args!("cannot take a connection: {error}"));
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}

impl<P: ToruPlugin> Server<P> {
    fn take(self: &Arc<Self>, stream: UnixStream) -> io::Result<()> {
        let server = Arc::clone(self);
        thread::Builder::new().spawn(move || server.converse(stream))?;
        Ok(())
    }

    /// Hands it to an idle thread, or to a new one: there are as many as there were ever requests at once.
    pub(crate) fn begin(self: &Arc<Self>, job: Job) {
        let mut work = self.work();
        work.unanswered += 1;
        work.waiting.push_back(job);
        if work.waiting.len() <= work.idle_threads {
            return self.wanted.notify_one();
        }
        let server = Arc::clone(self);
        if let Err(error) = thread::Builder::new().spawn(move || server.labour()) {
            if let Some(Job { request_id, connection, .. }) = work.waiting.pop_back() {
                work.unanswered -= 1;
                drop(work);
                connection.answered(&request_id);
                let error = PluginError::new(format!("no thread for this request: {error}"));
                connection.say(&Reply::Error { request_id, error });
            }
        }
    }

    fn labour(&self) {
        let mut work = self.work();
        loop {
            if let Some(job) = work.waiting.pop_front() {
                drop(work);
                self.answer(job);
                work = self.uncount();
            } else {
                work.idle_threads += 1;
                work = self.wanted.wait(work).unwrap_or_else(PoisonError::into_inner);
                work.idle_threads -= 1;
            }
        }
    }

    /// There is one more that is not answered yet.
    pub(crate) fn count(&self) {
        self.work().unanswered += 1;
    }

    pub(crate) fn uncount(&self) -> MutexGuard<'_, Work> {
        let mut work = self.work();
        work.unanswered -= 1;
        if work.unanswered == 0 {
            self.answered.notify_all();
        }
        work
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `stop`, while whoever says so goes on to read what belongs to requests.
    pub(crate) fn stop_beside(self: &Arc<Self>, grace_seconds: f64) {
        let server = Arc::clone(self);
        if thread::Builder::new().spawn(move || server.stop(grace_seconds)).is_err() {
            self.stop(grace_seconds);
        }
    }

    /// What was asked before is answered where time allows. Returns only where the end has begun already.
    fn stop(&self, grace_seconds: f64) {
        let mut work = self.work();
        if work.ending {
            return;
        }
        work.ending = true;
        let grace = Duration::from_secs_f64((grace_seconds * FOR_REQUESTS).clamp(0.0, LONGEST_GRACE));
        drop(self.answered.wait_timeout_while(work, grace, |work| work.unanswered > 0));
        // What it panics about is on standard error, and no reason to stay.
        let _ = catch_unwind(AssertUnwindSafe(|| self.plugin.shutdown()));
        let _ = fs::remove_file(&self.socket_path);
        process::exit(0);
    }
}
