//! Messages on a stream: one JSON object a line, and the raw bytes that follow some of them.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::{Mutex, PoisonError};

use crate::{Message, PluginResult, Reply};

/// Bytes, without the newline.
pub(crate) const MAX_LINE: usize = 16 * 1024 * 1024;

/// Bytes of a part of a body.
pub(crate) const MAX_PART: usize = 1024 * 1024;

/// Bytes of a message on a WebSocket.
pub(crate) const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// Bytes that are written together with the line before them; more are not worth a copy.
const TOGETHER: usize = 64 * 1024;

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
    ///
    /// Where the message has a `length`, [`read_data`](Self::read_data) comes next.
    pub fn read(&mut self) -> PluginResult<Option<Message>> {
        Ok(self.read_message()?)
    }

    /// The same; what is no message is [`InvalidData`](io::ErrorKind::InvalidData).
    pub(crate) fn read_message(&mut self) -> io::Result<Option<Message>> {
        let invalid = |why| io::Error::new(io::ErrorKind::InvalidData, why);
        let mut line = Vec::new();
        self.stream.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line)?;
        if line.ends_with(b"\n") {
            Message::decode(&line).map(Some).map_err(|error| invalid(error.message))
        } else if line.len() > MAX_LINE {
            Err(invalid(format!("a line is longer than {MAX_LINE} bytes")))
        } else {
            Ok(None)
        }
    }

    /// The raw bytes behind a message that has a `length`. Fails where the connection ends before.
    pub fn read_data(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut data = vec![0; length];
        self.stream.read_exact(&mut data)?;
        Ok(data)
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
        self.write_with_data(reply, &[])
    }

    /// The same, and the raw bytes behind a message that has a `length`.
    pub fn write_with_data(&self, reply: &Reply, data: &[u8]) -> io::Result<()> {
        let mut line =
            reply.encode().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.message))?;
        line.push(b'\n');
        let (with_line, after) = data.split_at(if data.len() <= TOGETHER { data.len() } else { 0 });
        line.extend_from_slice(with_line);
        // Nothing that holds the lock panics halfway through a line.
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        stream.write_all(&line)?;
        stream.write_all(after)?;
        stream.flush()
    }
}
