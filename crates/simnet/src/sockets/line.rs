//! One TCP connection of a simulated node.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::host::Host;
use crate::{ConnectionId, Link, Node, Temperament};

/// How much is read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// How much a node reads at once that will stop reading soon.
const DEAF_CHUNK: usize = 1024;

/// How many chunks may be on their way, which bounds what a connection holds: 8 MiB, twice the longest message.
const CHUNKS_UNDER_WAY: usize = 128;

/// How many bytes of blocks may wait for a busy node until nothing more is handed to it (L net.h:
/// DEFAULT_MAXRECEIVEBUFFER).
const MAX_BACKLOG: usize = 5_000_000;

/// How often a busy node is looked at.
const BACKLOG_POLL: Duration = Duration::from_millis(5);

/// How many bytes may wait to be written. Whoever asks for more than it reads is hung up on.
const MAX_UNWRITTEN: usize = 64 * 1024 * 1024;

/// How long a write may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long to wait after the system has refused something.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

enum Utterance {
    Frame(Bytes),
    Close,
}

/// Where a node's words for one connection go.
pub(super) struct Mouth {
    queue: mpsc::UnboundedSender<(Instant, Utterance)>,
    unwritten: Arc<AtomicUsize>,
}

impl Mouth {
    /// Sends a frame that arrives at `due`.
    pub(super) fn say(&self, frame: Bytes, due: Instant) {
        let length = frame.len();
        let waiting = self.unwritten.fetch_add(length, Ordering::Relaxed);
        let utterance =
            if waiting + length > MAX_UNWRITTEN { Utterance::Close } else { Utterance::Frame(frame) };
        // A line that has ended takes nothing any more, and need not.
        let _ = self.queue.send((due, utterance));
    }

    /// Closes the connection at `due`, behind what was said.
    pub(super) fn close(&self, due: Instant) {
        let _ = self.queue.send((due, Utterance::Close));
    }
}

/// A connection's tasks.
pub(super) struct Line {
    stream: TcpStream,
    link: Link,
    chunk: usize,
    queue: mpsc::UnboundedReceiver<(Instant, Utterance)>,
    unwritten: Arc<AtomicUsize>,
}

impl Line {
    pub(super) fn new(stream: TcpStream, link: Link, temperament: Temperament) -> (Self, Mouth) {
        let (sender, queue) = mpsc::unbounded_channel();
        let unwritten = Arc::new(AtomicUsize::new(0));
        let chunk = if temperament == Temperament::Deaf { DEAF_CHUNK } else { CHUNK };
        let mouth = Mouth { queue: sender, unwritten: unwritten.clone() };
        (Self { stream, link, chunk, queue, unwritten }, mouth)
    }

    /// Runs until one of the two sides hangs up, or the world ends.
    pub(super) async fn run(self, id: ConnectionId, host: Arc<Host>, ending: CancellationToken) {
        let Self { stream, link, chunk, queue, unwritten } = self;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY is not to be had");
        }
        let (read, write) = stream.into_split();
        let (arriving, arrived) = mpsc::channel(CHUNKS_UNDER_WAY);
        let (stop, reading) = watch::channel(true);
        let conversation = async {
            tokio::select! {
                ended = read_paced(read, link, chunk, arriving, reading) => ended,
                ended = feed(arrived, id, &host, &stop) => Ok(ended),
                ended = write_delayed(write, queue, &unwritten) => ended,
            }
        };
        tokio::select! {
            () = ending.cancelled() => {}
            ended = conversation => if let Err(error) = ended {
                tracing::debug!(%error, "a simulated connection has failed");
            }
        }
        host.ended(id);
    }
}

/// Reads at the link's pace for as long as the node listens.
async fn read_paced(
    mut read: OwnedReadHalf,
    link: Link,
    chunk: usize,
    arriving: mpsc::Sender<(Instant, Bytes)>,
    mut reading: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut buffer = vec![0; chunk];
    loop {
        // Only ever goes from true to false.
        if !*reading.borrow_and_update() {
            return until_gone(&read).await;
        }
        let length = tokio::select! {
            read = read.read(&mut buffer) => read?,
            _ = reading.changed() => continue,
        };
        let passes = link.transfer(length);
        if !passes.is_zero() {
            sleep(passes).await;
        }
        let bytes = Bytes::copy_from_slice(&buffer[..length]);
        // An empty chunk is the end: it arrives as late as the bytes before it.
        if arriving.send((Instant::now() + link.latency, bytes)).await.is_err() || length == 0 {
            return std::future::pending().await;
        }
    }
}

/// Waits until the other side has gone, without reading: else whoever is dropped for being deaf would be kept for ever.
async fn until_gone(read: &OwnedReadHalf) -> io::Result<()> {
    // What is there and is not read keeps the socket ready: this asks now and then.
    while !read.ready(Interest::READABLE).await?.is_read_closed() {
        sleep(PAUSE).await;
    }
    Ok(())
}

/// Hands what was read to the node when it arrives. Ends when the other side has hung up.
async fn feed(
    mut arrived: mpsc::Receiver<(Instant, Bytes)>,
    id: ConnectionId,
    host: &Host,
    stop: &watch::Sender<bool>,
) {
    while let Some((due, bytes)) = arrived.recv().await {
        sleep_until(due).await;
        if bytes.is_empty() {
            return;
        }
        while host.look(Node::backlog) > MAX_BACKLOG {
            sleep(BACKLOG_POLL).await;
        }
        if !host.hear(id, &bytes) {
            // Deaf from now on, or about to be closed: what has been said must still go out.
            stop.send_replace(false);
            std::future::pending::<()>().await;
        }
    }
}

/// Writes what the node says when it arrives. Ends when the node hangs up.
async fn write_delayed(
    mut write: OwnedWriteHalf,
    mut queue: mpsc::UnboundedReceiver<(Instant, Utterance)>,
    unwritten: &AtomicUsize,
) -> io::Result<()> {
    while let Some((due, utterance)) = queue.recv().await {
        sleep_until(due).await;
        match utterance {
            Utterance::Frame(frame) => {
                timeout(WRITE_TIMEOUT, write.write_all(&frame)).await??;
                unwritten.fetch_sub(frame.len(), Ordering::Relaxed);
            }
            Utterance::Close => return Ok(()),
        }
    }
    Ok(())
}
