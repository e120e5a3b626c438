//! A connected socket, whose two directions are waited for apart.
//!
//! tokio's own `TcpStream` is told of both directions for as long as it lives. But a socket that is being written to
//! becomes writable again every 128 KiB (`TCP_NOTSENT_LOWAT`), and each time a thread of the runtime would be woken to
//! find that nobody waits for it: seven times for each peer and block of 1 MB, while another thread sends that very
//! block. So the runtime is told of what can be read, always, and of what can be written only while somebody waits.

use std::{
    io::{self, Read},
    net::{Shutdown, TcpStream},
    os::fd::AsRawFd,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, Interest, ReadBuf, unix::AsyncFd};

/// A socket, shared by those who read and write it. It does not block.
pub(crate) type Shared = Arc<TcpStream>;

/// At most so many bytes are read at a time.
const READ: usize = 32 * 1024;

/// The reading direction.
#[derive(Debug)]
pub(crate) struct Incoming(AsyncFd<Shared>);

impl Incoming {
    /// Takes the socket over from tokio.
    ///
    /// # Errors
    /// When the kernel refuses to watch it.
    pub(crate) fn new(stream: tokio::net::TcpStream) -> io::Result<Self> {
        watch(Arc::new(stream.into_std()?), Interest::READABLE).map(Self)
    }

    pub(crate) fn shared(&self) -> Shared {
        self.0.get_ref().clone()
    }
}

impl AsyncRead for Incoming {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.0.poll_read_ready(context))?;
            // Not all the room that there is: it is zeroed first, and a peer may send bytes one by one.
            let room = buffer.initialize_unfilled_to(buffer.remaining().min(READ));
            let read = guard.try_io(|socket| socket.get_ref().as_ref().read(room));
            // An error means that there was nothing to read after all, and that tokio has taken note of it.
            if let Ok(read) = read {
                return Poll::Ready(read.map(|read| buffer.advance(read)));
            }
        }
    }
}

/// The writing direction, for as long as somebody waits for it. A descriptor of its own: the kernel takes one only once.
#[derive(Debug)]
pub(crate) struct Outgoing(AsyncFd<TcpStream>);

impl Outgoing {
    /// # Errors
    /// When there are no more descriptors.
    pub(crate) fn new(stream: &TcpStream) -> io::Result<Self> {
        watch(stream.try_clone()?, Interest::WRITABLE).map(Self)
    }

    /// Waits until the kernel takes more, or says that it took none just now.
    ///
    /// # Correctness
    /// Whoever writes does so past tokio, which learns of a full socket only here: so what it remembers of this socket
    /// is forgotten each time, and the kernel asked.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.0.writable().await?.clear_ready();
        Ok(())
    }
}

/// A socket as what is watched, alone or shared. Sealed within this module.
trait Socket: AsRawFd {}

impl Socket for TcpStream {}

impl Socket for Shared {}

/// Has tokio watch a socket.
#[allow(unsafe_code, reason = "tokio leaves it to the caller that the descriptor stays; see the SAFETY note")]
fn watch<S: Socket>(socket: S, interest: Interest) -> io::Result<AsyncFd<S>> {
    // SAFETY: the two types that are `Socket` own their descriptor, or share in owning it, and are moved into the
    // `AsyncFd`: it is open as long as that lives. Neither offers a way to put another descriptor in its place.
    Ok(unsafe { AsyncFd::register_with_interest(socket, interest) }?)
}

/// Ends the connection in both directions, whoever may still hold the socket.
pub(crate) fn hang_up(stream: &TcpStream) {
    // A connection that is gone already is what was wanted.
    drop(stream.shutdown(Shutdown::Both));
}
