//! A plugin as a process: metadata, the socket, threads for its requests, and the end.

use std::any::Any;
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

use crate::signal::on_sigterm;
use crate::{
    log, HttpRequest, HttpResponse, LogLevel, Message, MessageReader, MessageWriter, PluginContext,
    PluginError, PluginMetadata, PluginResult, Reply, ToruPlugin,
};

/// Of the time that toru gives a plugin to exit, the part that is for requests which are not answered yet.
const FOR_REQUESTS: f64 = 0.8;

/// Seconds; a `Duration` does not take every number.
const LONGEST_GRACE: f64 = 3600.0;

/// Seconds after a SIGTERM that nobody announced: toru sends SIGKILL two seconds after it.
const SIGTERM_GRACE: f64 = 1.5;

/// Until a connection is tried for again that could not be taken.
const PAUSE: Duration = Duration::from_millis(100);

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
    ending: bool,
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
        thread::Builder::new().spawn(move || {
            if let Err(error) = server.converse(stream) {
                log(LogLevel::Warn, format_args!("connection closed: {error}"));
            }
        })?;
        Ok(())
    }

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
            if let Some(job) = work.waiting.pop_front() {
                drop(work);
                self.answer(job);
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

    fn answer(&self, Job { request_id, request, writer }: Job) {
        let asked = format!("{} {}", request.method, request.path);
        let reply = match catch_unwind(AssertUnwindSafe(|| self.plugin.handle_http(request))) {
            Ok(Ok(response)) => Reply::Http { request_id: request_id.clone(), response },
            Ok(Err(error)) => Reply::Error { request_id: request_id.clone(), error },
            Err(panic) => {
                log(LogLevel::Error, format_args!("{asked} panicked: {}", words(panic.as_ref())));
                return say(&writer, &failed(request_id));
            }
        };
        match writer.write(&reply) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                log(LogLevel::Error, format_args!("{asked}: the answer is too long: {error}"));
                say(&writer, &failed(request_id));
            }
            _ => {}
        }
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Where the connection is lost nobody waits for the answer any more: toru has answered for it.
fn say(writer: &Writer, reply: &Reply) {
    let _ = writer.write(reply);
}

fn failed(request_id: String) -> Reply {
    Reply::Http {
        request_id,
        response: HttpResponse::text(500, "The plugin failed here; its log says why.\n"),
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a word")
}
