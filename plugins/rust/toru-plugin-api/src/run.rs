//! A plugin as a process: metadata, the socket, threads for its requests, and the end.

use std::any::Any;
use std::collections::VecDeque;
use std::env;
use std::fs;
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::PathBuf;
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{json, Value};

use crate::{
    log, HttpRequest, LogLevel, Message, MessageReader, MessageWriter, PluginContext, PluginError,
    PluginMetadata, PluginResult, Reply, ToruPlugin,
};

/// Of the time that toru gives a plugin to exit, the part that is for requests which are not answered yet.
const FOR_REQUESTS: f64 = 0.8;

/// Seconds; a `Duration` does not take every number.
const LONGEST_GRACE: f64 = 3600.0;

/// Runs the plugin, as toru starts it, and exits when toru says so. With `--metadata`, prints that and returns.
///
/// Exits with 1 and a line in the log where the plugin cannot start.
pub fn run<P: ToruPlugin>(plugin: P) {
    if env::args().any(|argument| argument == "--metadata") {
        println!("{}", described(&P::metadata()));
    } else if let Err(error) = start(plugin) {
        log(LogLevel::Error, error);
        process::exit(1);
    }
}

fn described(metadata: &PluginMetadata) -> Value {
    let mut all = json!(metadata);
    all["protocol"] = "2".into();
    all["capabilities"] = json!(["ping"]);
    all
}

struct Server<P> {
    plugin: P,
    socket_path: PathBuf,
    work: Mutex<Work>,
    /// There is a request for an idle thread.
    wanted: Condvar,
    /// All requests are answered.
    answered: Condvar,
}

#[derive(Default)]
struct Work {
    waiting: VecDeque<Job>,
    unanswered: usize,
    idle_threads: usize,
}

struct Job {
    request_id: String,
    request: HttpRequest,
    writer: Arc<Writer>,
}

type Writer = MessageWriter<UnixStream>;

fn start<P: ToruPlugin>(mut plugin: P) -> PluginResult<()> {
    let context = PluginContext::from_environment()?;
    let socket_path = context.socket_path.clone();
    plugin.init(context)?;
    // A process that was killed leaves its socket, and nobody can listen there.
    let _ = fs::remove_file(&socket_path);
    let listener = UnixListener::bind(&socket_path)
        .map_err(|error| PluginError::new(format!("cannot listen at {}: {error}", socket_path.display())))?;
    let server = Arc::new(Server {
        plugin,
        socket_path,
        work: Mutex::default(),
        wanted: Condvar::new(),
        answered: Condvar::new(),
    });
    for stream in listener.incoming() {
        let (stream, server) = (stream?, Arc::clone(&server));
        thread::Builder::new().spawn(move || {
            if let Err(error) = server.converse(stream) {
                log(LogLevel::Warn, format_args!("connection closed: {error}"));
            }
        })?;
    }
    Ok(())
}

impl<P: ToruPlugin> Server<P> {
    fn converse(self: Arc<Self>, stream: UnixStream) -> PluginResult<()> {
        let mut reader = MessageReader::new(stream.try_clone()?);
        let writer = Arc::new(Writer::new(stream));
        while let Some(message) = reader.read()? {
            match message {
                Message::Http { request_id, request } => {
                    self.begin(Job { request_id, request, writer: Arc::clone(&writer) });
                }
                Message::Unusable { request_id, why } => {
                    say(&writer, &Reply::Error { request_id, error: PluginError::new(why) });
                }
                Message::Ping { request_id } => say(&writer, &Reply::Pong { request_id }),
                Message::Shutdown { grace_seconds } => self.stop(grace_seconds),
                Message::Init | Message::Cancel { .. } | Message::Unknown => {}
            }
        }
        Ok(())
    }

    /// Hands it to an idle thread, or to a new one: there are as many as there were ever requests at once.
    fn begin(self: &Arc<Self>, job: Job) {
        let mut work = self.work();
        work.unanswered += 1;
        work.waiting.push_back(job);
        if work.waiting.len() <= work.idle_threads {
            return self.wanted.notify_one();
        }
        let server = Arc::clone(self);
        if let Err(error) = thread::Builder::new().spawn(move || server.labour()) {
            if let Some(Job { request_id, writer, .. }) = work.waiting.pop_back() {
                work.unanswered -= 1;
                drop(work);
                let error = PluginError::new(format!("no thread for this request: {error}"));
                say(&writer, &Reply::Error { request_id, error });
            }
        }
    }

    fn labour(&self) {
        let mut work = self.work();
        loop {
            if let Some(Job { request_id, request, writer }) = work.waiting.pop_front() {
                drop(work);
                say(&writer, &self.answer(request_id, request));
                work = self.work();
                work.unanswered -= 1;
                if work.unanswered == 0 {
                    self.answered.notify_all();
                }
            } else {
                work.idle_threads += 1;
                work = self.wanted.wait(work).unwrap_or_else(PoisonError::into_inner);
                work.idle_threads -= 1;
            }
        }
    }

    fn answer(&self, request_id: String, request: HttpRequest) -> Reply {
        let answered = catch_unwind(AssertUnwindSafe(|| self.plugin.handle_http(request)));
        match answered {
            Ok(Ok(response)) => Reply::Http { request_id, response },
            Ok(Err(error)) => Reply::Error { request_id, error },
            Err(panic) => Reply::Error { request_id, error: panicked(panic.as_ref()) },
        }
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing more is read on this connection; what was asked before is answered where time allows.
    fn stop(&self, grace_seconds: f64) -> ! {
        let grace = Duration::from_secs_f64((grace_seconds * FOR_REQUESTS).clamp(0.0, LONGEST_GRACE));
        drop(self.answered.wait_timeout_while(self.work(), grace, |work| work.unanswered > 0));
        self.plugin.shutdown();
        let _ = fs::remove_file(&self.socket_path);
        process::exit(0);
    }
}

/// Where the connection is lost nobody waits for the answer any more: toru has answered for it.
fn say(writer: &Writer, reply: &Reply) {
    let _ = writer.write(reply);
}

fn panicked(panic: &(dyn Any + Send)) -> PluginError {
    let said =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    PluginError::new(format!("panicked: {}", said.unwrap_or("without a word"))).with_code("panic")
}
