//! Messages on a stream: one JSON object a line.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::Mutex;

use crate::{Message, PluginResult, Reply};

/// Bytes, without the newline.
pub(crate) const MAX_LINE: usize = 16 * 1024 * 1024;

/// Reads what toru says on one connection.
#[derive(Debug)]
pub struct MessageReader<R> {
    stream: BufReader<R>,
}

impl<R: Read> MessageReader<R> {
    /// For a connection that toru opened.
    pub fn new(stream: R) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// The next message; `None` where the connection ended, in the middle of a line as well as between two.
    /// Fails where it is lost, or for what is no message: close it then, toru connects again.
    pub fn read(&mut self) -> PluginResult<Option<Message>> {
        let mut line = Vec::new();
        self.stream.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line)?;
        if line.ends_with(b"\n") {
            Message::decode(&line).map(Some)
        } else if line.len() > MAX_LINE {
            Err(format!("a line is longer than {MAX_LINE} bytes").into())
        } else {
            Ok(None)
        }
    }
}

/// Writes what the plugin says on one connection, whole lines, from as many threads as there are.
#[derive(Debug)]
pub struct MessageWriter<W> {
    stream: Mutex<W>,
}

impl<W: Write> MessageWriter<W> {
    /// For a connection that toru opened.
    pub fn new(stream: W) -> Self {
        Self { stream: Mutex::new(stream) }
    }

    /// Writes one message, and waits while toru does not read. Fails where the connection is lost, and with
    /// [`InvalidData`](io::ErrorKind::InvalidData), without writing anything, where the message is too long.
    pub fn write(&self, reply: &Reply) -> io::Result<()> {
        let mut line =
            reply.encode().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.message))?;
        line.push(b'\n');
        let mut stream = match self.stream.lock() {
            Ok(stream) => stream,
            // Nothing that holds the lock panics halfway through a line.
            Err(poisoned) => poisoned.into_inner(),
        };
        stream.write_all(&line)?;
        stream.flush()
    }
}
