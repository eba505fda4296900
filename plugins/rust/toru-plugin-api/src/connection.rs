//! One connection of toru's: what is asked on it, and all that the plugin says.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Cancellation, HttpRequest, HttpResponse, MessageReader, MessageWriter, Reply};

/// One file for both directions: two would count twice where files are limited.
pub(crate) struct Half(Arc<UnixStream>);

impl Read for Half {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

impl Write for Half {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        (&*self.0).write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) struct Connection {
    stream: Arc<UnixStream>,
    writer: MessageWriter<Half>,
    asked: Mutex<HashMap<String, Cancellation>>,
}

impl Connection {
    pub fn new(stream: UnixStream) -> Self {
        let stream = Arc::new(stream);
        let writer = MessageWriter::new(Half(Arc::clone(&stream)));
        Self { stream, writer, asked: Mutex::default() }
    }

    /// For whoever hears what toru says on it.
    pub fn reader(&self) -> MessageReader<Half> {
        MessageReader::new(Half(Arc::clone(&self.stream)))
    }

    /// Lets the request know when it is cancelled, until `answered`.
    pub fn asks(&self, request_id: &str, request: &mut HttpRequest) {
        request.cancellation = Cancellation::new(&self.stream);
        self.asked().insert(request_id.into(), request.cancellation.clone());
    }

    /// What goes on for that request without its handler learns that nobody waits.
    pub fn answered(&self, request_id: &str) {
        if let Some(cancellation) = self.asked().remove(request_id) {
            cancellation.cancel();
        }
    }

    pub fn cancel(&self, request_id: &str) {
        if let Some(cancellation) = self.asked().get(request_id) {
            cancellation.cancel();
        }
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<String, Cancellation>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn write(&self, reply: &Reply, data: &[u8]) -> io::Result<()> {
        self.writer.write_with_data(reply, data)
    }

    /// Where the connection is lost nobody waits for the answer any more: toru has answered for it.
    pub fn say(&self, reply: &Reply) {
        let _ = self.writer.write(reply);
    }

    /// A panic's answer, or that to an answer which is too long.
    pub fn say_failed(&self, request_id: String) {
        let response = HttpResponse::text(500, "The plugin failed here; its log says why.\n");
        self.say(&Reply::Http { request_id, response });
    }

    /// Whoever reads or writes on it now, in either process, learns that it is over.
    pub fn close(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
