//! Whether anybody still waits for an answer.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

/// Tells whether anybody still waits for the answer to a request. Clones tell the same, on any thread.
#[derive(Debug, Clone, Default)]
pub struct Cancellation {
    told: Arc<AtomicBool>,
    /// Weak, so that a request that is kept does not keep its connection open.
    connection: Option<Weak<UnixStream>>,
}

impl Cancellation {
    pub(crate) fn new(connection: &Arc<UnixStream>) -> Self {
        Self { told: Arc::default(), connection: Some(Arc::downgrade(connection)) }
    }

    /// Whether the client has gone, toru waits no longer, or the handler has answered. It stays so.
    pub fn is_cancelled(&self) -> bool {
        let gone = |connection: &Weak<UnixStream>| {
            // Nothing is written and nothing is waited for, but what is closed says so.
            connection.upgrade().map_or(true, |stream| (&*stream).write(&[]).is_err())
        };
        self.is_told() || self.connection.as_ref().map_or(false, gone)
    }

    /// Whether toru has said so: all that can be known without asking the system.
    pub(crate) fn is_told(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }

    pub(crate) fn cancel(&self) {
        self.told.store(true, Ordering::Relaxed);
    }
}

/// Requests are compared by what can be seen of them.
impl PartialEq for Cancellation {
    fn eq(&self, other: &Self) -> bool {
        self.is_cancelled() == other.is_cancelled()
    }
}

impl Eq for Cancellation {}
