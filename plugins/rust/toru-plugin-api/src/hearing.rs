//! What toru says on a connection, and within the exchange that has it to itself.

use std::io;

use crate::connection::{Connection, Half};
use crate::{Message, MessageReader};

/// What of a request nobody wanted is read up to that; a longer one costs its connection.
const MAX_UNREAD: usize = 1024 * 1024;

/// The other side of a connection. One thread at a time hears it.
pub(crate) struct Hearing {
    reader: MessageReader<Half>,
    /// For what may come at any time.
    beside: Box<dyn Fn(Message) + Send + Sync>,
    request_id: String,
    /// The other side has ended its direction of the exchange.
    ended: bool,
    lost: bool,
}

impl Hearing {
    pub fn new(connection: &Connection, beside: impl Fn(Message) + Send + Sync + 'static) -> Self {
        Self {
            reader: connection.reader(),
            beside: Box::new(beside),
            request_id: String::new(),
            ended: true,
            lost: false,
        }
    }

    /// The next message that begins something; `None` where toru says no more.
    pub fn next(&mut self) -> io::Result<Option<Message>> {
        loop {
            match self.reader.read_message()? {
                Some(message) if message.is_beside() => (self.beside)(message),
                message => return Ok(message),
            }
        }
    }

    /// From now on the connection belongs to that exchange.
    pub fn begin(&mut self, request_id: &str) {
        self.request_id = request_id.into();
        self.ended = false;
    }

    pub fn has_ended(&self) -> bool {
        self.ended
    }

    pub fn end(&mut self) {
        self.ended = true;
    }

    /// The next message within the exchange. Fails where the client has gone, and ever after.
    pub fn next_within(&mut self) -> io::Result<Message> {
        self.unless_lost(|hearing| loop {
            let message = match hearing.reader.read_message()? {
                None => return Err(gone()),
                Some(message) => message,
            };
            let cancelled =
                matches!(&message, Message::Cancel { request_id } if *request_id == hearing.request_id);
            if message.is_beside() {
                (hearing.beside)(message);
                if cancelled {
                    return Err(gone());
                }
            } else if message.continues(&hearing.request_id) {
                return Ok(message);
            } else {
                return Err(invalid("toru began something else on a connection that is in use"));
            }
        })
    }

    /// The raw bytes behind a message.
    pub fn data(&mut self, length: usize) -> io::Result<Vec<u8>> {
        self.unless_lost(|hearing| hearing.reader.read_data(length))
    }

    /// The next part of a request's body that has any bytes; `None` after the last.
    pub fn part(&mut self) -> io::Result<Option<Vec<u8>>> {
        while !self.ended {
            let (length, last) = match self.next_within()? {
                Message::Part { length, last, .. } => (length, last),
                other => return self.unless_lost(|_| Err(invalid(format!("no part of a body: {other:?}")))),
            };
            let data = self.data(length)?;
            self.ended = last;
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// Reads what the handler did not want. Fails where it is too much: then the connection has to end.
    pub fn skip_parts(&mut self) -> io::Result<()> {
        let mut unread = 0;
        while let Some(part) = self.part()? {
            unread += part.len();
            if unread > MAX_UNREAD {
                return Err(gone());
            }
        }
        Ok(())
    }

    fn unless_lost<T>(&mut self, read: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        if self.lost {
            return Err(gone());
        }
        let read = read(self);
        self.lost = read.is_err();
        read
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the client has gone")
}

fn invalid(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}
