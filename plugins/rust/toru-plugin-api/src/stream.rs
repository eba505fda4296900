//! Bodies in parts, both ways.

use std::io::{self, Read, Write};
use std::sync::Arc;

use crate::connection::Connection;
use crate::hearing::Hearing;
use crate::protocol::MAX_PART;
use crate::{HttpRequest, HttpResponse, PluginResult, Reply, ToruPlugin};

/// A body that is read whole may be that long.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// A whole body up to that is sent in one message; a longer one in parts, so that no line has to hold it.
const SMALL: usize = 64 * 1024;

/// A plugin that reads bodies or writes answers in parts: of any length, or bit by bit. To be run by
/// [`Runner::with_streams`](crate::Runner::with_streams).
pub trait StreamPlugin: ToruPlugin {
    /// Answers a request. All of them come here, each on a thread and a connection of its own; to those that need
    /// no parts, [`HttpStream::respond`] gives the answer of [`handle_http`](ToruPlugin::handle_http).
    ///
    /// An answer that was begun is over when this returns. An error before it begins is the client's 502, as ever;
    /// after it, the client sees that the answer breaks off.
    fn handle_stream(&self, stream: HttpStream<'_>) -> PluginResult<()>;
}

/// A request whose body comes in parts, and the way to its answer.
pub struct HttpStream<'a> {
    /// What is asked; its body is `None`.
    pub request: HttpRequest,
    /// What is sent along.
    pub body: RequestBody<'a>,
    /// To be given once.
    pub answer: Answer<'a>,
}

/// A request's body as it comes: part by part, or as a [`Read`]. Both wait for the client, and fail where it has gone
/// before the end.
pub struct RequestBody<'a> {
    hearing: &'a mut Hearing,
    part: Vec<u8>,
    taken: usize,
}

/// The way to the answer, for one that was not begun yet.
pub struct Answer<'a> {
    outgoing: &'a mut Outgoing,
}

/// An answer's body. Each write is a part that is sent at once, and waits while the client does not read; for many
/// small ones there is [`BufWriter`](io::BufWriter). Writing fails where the client has gone, and where there can be
/// no body: in the answer to `HEAD`, for instance.
pub struct AnswerBody<'a> {
    outgoing: &'a mut Outgoing,
}

/// How far an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Nothing,
    Begun,
    All,
    /// All of an answer that has no body, whatever is written to it.
    Bare,
}

pub(crate) struct Outgoing {
    pub said: Said,
    pub request_id: String,
    connection: Arc<Connection>,
    is_head: bool,
}

impl Outgoing {
    pub fn new(connection: &Arc<Connection>, request_id: String, request: &HttpRequest) -> Self {
        let is_head = request.method == "HEAD";
        Self { said: Said::Nothing, request_id, connection: Arc::clone(connection), is_head }
    }

    pub fn part(&self, data: &[u8], last: bool) -> io::Result<()> {
        let part = Reply::Part { request_id: self.request_id.clone(), length: data.len(), last };
        self.connection.write(&part, data)
    }
}

impl<'a> HttpStream<'a> {
    pub(crate) fn new(request: HttpRequest, hearing: &'a mut Hearing, outgoing: &'a mut Outgoing) -> Self {
        let body = RequestBody { hearing, part: Vec::new(), taken: 0 };
        Self { request, body, answer: Answer { outgoing } }
    }

    /// Reads the whole body, and sends what that answers. Nothing is asked where there are more than 8 MiB: that is
    /// a 413.
    pub fn respond(
        mut self,
        handler: impl FnOnce(HttpRequest) -> PluginResult<HttpResponse>,
    ) -> PluginResult<()> {
        let mut body = Vec::new();
        while let Some(mut part) = self.body.read_part()? {
            if body.len() + part.len() > MAX_BODY {
                let why = format!("The body has more than {MAX_BODY} bytes.\n");
                return self.answer.send(HttpResponse::text(413, why));
            }
            body.append(&mut part);
        }
        let body = if body.is_empty() { None } else { Some(body) };
        let response = handler(HttpRequest { body, ..self.request })?;
        self.answer.send(response)
    }
}

impl RequestBody<'_> {
    /// The next bytes, at most 1 MiB and at least one; `None` after the last.
    pub fn read_part(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.taken < self.part.len() {
            return Ok(Some(self.part.split_off(std::mem::take(&mut self.taken))));
        }
        self.hearing.part()
    }
}

impl Read for RequestBody<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.part.len() {
            self.part = self.hearing.part()?.unwrap_or_default();
            self.taken = 0;
        }
        let count = (&self.part[self.taken..]).read(buffer)?;
        self.taken += count;
        Ok(count)
    }
}

impl<'a> Answer<'a> {
    /// Sends all of the answer.
    pub fn send(self, response: HttpResponse) -> PluginResult<()> {
        if response.body.len() > SMALL {
            return self.begin(response).map(drop);
        }
        let whole = Reply::Http { request_id: self.outgoing.request_id.clone(), response };
        self.outgoing.connection.write(&whole, &[])?;
        self.outgoing.said = Said::All;
        Ok(())
    }

    /// Sends the status and the headers, and the body that the response has, as its first parts; more are written to
    /// what this returns.
    pub fn begin(self, mut response: HttpResponse) -> PluginResult<AnswerBody<'a>> {
        let first = std::mem::take(&mut response.body);
        let outgoing = self.outgoing;
        let is_bare = outgoing.is_head || matches!(response.status, 204 | 304);
        outgoing
            .connection
            .write(&Reply::Stream { request_id: outgoing.request_id.clone(), response }, &[])?;
        outgoing.said = Said::Begun;
        if is_bare {
            outgoing.part(&[], true)?;
            outgoing.said = Said::Bare;
        }
        let mut body = AnswerBody { outgoing };
        if !is_bare {
            body.write_all(&first)?;
        }
        Ok(body)
    }
}

impl Write for AnswerBody<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.outgoing.said == Said::Bare {
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "this answer has no body"));
        }
        let part = &data[..data.len().min(MAX_PART)];
        if !part.is_empty() {
            self.outgoing.part(part, false)?;
        }
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
