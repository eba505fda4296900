//! SIGTERM, of which the standard library knows nothing, by the C library that it stands on itself.
#![allow(unsafe_code)]

use std::io::{self, Read};
use std::os::unix::io::IntoRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

/// On every Unix.
const SIGTERM: i32 = 15;

/// Where the handler writes, since it may do hardly anything else.
static NOTICE: AtomicI32 = AtomicI32::new(-1);

extern "C" {
    fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
    fn write(file: i32, bytes: *const u8, count: usize) -> isize;
}

extern "C" fn notice(_number: i32) {
    // SAFETY: one byte, which is there, and `write` is among what a handler may call.
    unsafe { write(NOTICE.load(Ordering::Relaxed), b"!".as_ptr(), 1) };
}

/// Calls that, on a thread of its own, at the first SIGTERM instead of ending the process.
pub fn on_sigterm(then: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let (mut reader, writer) = UnixStream::pair()?;
    thread::Builder::new().spawn(move || {
        if reader.read_exact(&mut [0]).is_ok() {
            then();
        }
    })?;
    NOTICE.store(writer.into_raw_fd(), Ordering::Relaxed);
    // SAFETY: the types are those of C, and the handler lives as long as the process.
    unsafe { signal(SIGTERM, notice) };
    Ok(())
}
