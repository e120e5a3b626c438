//! One HTTP/1.1 connection to a node: dialled, metered, and used for one request at a time.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut, buf::Chain};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::endpoint::Url;
use crate::error::{RpcError, excerpt};

/// The largest response header that is read. The daemons send under 300 bytes.
const HEADER_LIMIT: usize = 32 * 1024;

/// TCP keepalive: a node that vanished without a word is noticed after about a minute even on a call without a
/// time limit of its own (a long poll).
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
#[cfg(target_os = "linux")]
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
#[cfg(target_os = "linux")]
const KEEPALIVE_PROBES: u32 = 3;

/// How long sent bytes may stay unacknowledged before the kernel gives the connection up. It makes a submit on a
/// warm connection to a host that has just lost power fail over to a retry instead of waiting out its 30 s.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);

/// A request's body: three pieces that are sent one after the other, without being put together first.
pub(crate) type Body = Full<Chain<Chain<Bytes, Bytes>, Bytes>>;

/// hyper's half that reads and writes the socket; the other half hands it requests.
type Driver = http1::Connection<TokioIo<Metered>, Body>;

/// A connection, driven by whoever uses it: between a request and the socket there is no other task that would have to
/// be woken first. Dropping it closes the socket, also in the middle of a request or of a reply.
pub(crate) struct Connection {
    sender: SendRequest<Body>,
    /// `None` once the connection has ended.
    driver: Option<Driver>,
    meter: Arc<Mutex<Meter>>,
    /// Who is to be told when the next request has been written, and of how many bytes its body is.
    whole: Option<(usize, Arc<watch::Sender<usize>>)>,
    address: String,
    last_used: Instant,
}

/// What passed through the socket since the last request began.
#[derive(Default)]
pub(crate) struct Meter {
    sent: usize,
    last_sent: Option<Instant>,
    received: usize,
    /// Who is to be told when more bytes were sent than these.
    whole: Option<(usize, Arc<watch::Sender<usize>>)>,
}

/// A reply as it came: nothing is read into the status or the body yet.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Bytes,
}

/// A request that brought no reply, and what may be concluded about it.
pub(crate) struct Failure {
    pub(crate) error: RpcError,
    /// The request never left: it can be sent again whatever it asks for.
    pub(crate) unsent: bool,
    /// Not one byte came back: on a connection out of the pool, this is what a dead one looks like.
    pub(crate) silent: bool,
}

// === impl Connection ===

impl Connection {
    /// Dials the node: name resolution, TCP and the HTTP state machine, within `limit`.
    pub(crate) async fn dial(url: &Url, limit: Duration) -> Result<Self, RpcError> {
        let address = url.authority();
        let stream = match timeout(limit, TcpStream::connect((url.host(), url.port()))).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                return Err(RpcError::Refused { address });
            }
            Ok(Err(error)) => return Err(RpcError::Unreachable { address, reason: error.to_string() }),
            Err(_) => return Err(RpcError::ConnectTimeout { address, after: limit }),
        };
        set_options(&stream)
            .map_err(|error| RpcError::Unreachable { address: address.clone(), reason: error.to_string() })?;

        let meter = Arc::new(Mutex::new(Meter::default()));
        let io = TokioIo::new(Metered { stream, meter: Arc::clone(&meter) });
        let (sender, driver) = http1::Builder::new()
            // Vectored writes send the caller's buffer itself. Without them hyper copies every body into its own.
            .writev(true)
            .max_header_size(HEADER_LIMIT)
            .handshake(io)
            .await
            .map_err(|error| lost(&address, &error))?;
        Ok(Self { sender, driver: Some(driver), meter, whole: None, address, last_used: Instant::now() })
    }

    /// Counts the next request up in `whole` once its body, of so many bytes, has been given to the kernel.
    pub(crate) fn tell_when_written(&mut self, body: usize, whole: Arc<watch::Sender<usize>>) {
        self.whole = Some((body, whole));
    }

    /// The meter, to be read also after the exchange was cancelled by a time limit.
    pub(crate) fn meter(&self) -> Arc<Mutex<Meter>> {
        Arc::clone(&self.meter)
    }

    /// Whether it is worth a try: not closed by the node, and not idle for longer than `idle`.
    pub(crate) fn is_usable(&mut self, idle: Duration) -> bool {
        // Nobody has looked at the socket since the last reply. Nobody waits for it either.
        drive(&mut self.driver, &self.address, &mut Context::from_waker(Waker::noop()));
        // What is not ready for the next request still has something of the last one to write: its reply came too early.
        self.sender.is_ready() && self.last_used.elapsed() <= idle
    }

    /// When its last reply was complete; for a new connection, when it was made.
    pub(crate) fn last_used(&self) -> Instant {
        self.last_used
    }

    /// Sends one request and reads the whole reply, at most `limit` bytes of body. No time limit: the caller sets one
    /// and drops the connection when it passes.
    pub(crate) async fn exchange(&mut self, request: Request<Body>, limit: usize) -> Result<Reply, Failure> {
        *self.meter.lock() = Meter { whole: self.whole.take(), ..Meter::default() };
        let Self { sender, driver, meter, address, .. } = self;
        let mut converse = pin!(converse(sender, meter, address, request, limit));
        let reply = poll_fn(|context| {
            // The request goes to the driver, the driver to the socket; and what it found there may be the reply.
            if let Poll::Ready(reply) = converse.as_mut().poll(context) {
                return Poll::Ready(reply);
            }
            drive(driver, address, context);
            converse.as_mut().poll(context)
        })
        .await;
        self.last_used = Instant::now();
        reply
    }
}

/// Reads and writes what can be read and written now.
fn drive(driver: &mut Option<Driver>, address: &str, context: &mut Context<'_>) {
    let Some(Poll::Ready(ended)) = driver.as_mut().map(|driver| Pin::new(driver).poll(context)) else {
        return;
    };
    *driver = None;
    if let Err(error) = ended {
        // A request under way has been told of it by hyper; this line is for idle connections.
        tracing::debug!(node = address, %error, "RPC connection ended");
    }
}

async fn converse(
    sender: &mut SendRequest<Body>,
    meter: &Mutex<Meter>,
    address: &str,
    request: Request<Body>,
    limit: usize,
) -> Result<Reply, Failure> {
    if let Err(error) = sender.ready().await {
        return Err(Failure { error: lost(address, &error), unsent: true, silent: true });
    }
    let response = match sender.try_send_request(request).await {
        Ok(response) => response,
        Err(mut failed) => {
            let unsent = failed.take_message().is_some();
            let silent = meter.lock().received == 0;
            return Err(Failure { error: failure(address, failed.error()), unsent, silent });
        }
    };
    let reply = read(response, address, limit).await;
    reply.map_err(|error| Failure { error, unsent: false, silent: false })
}

async fn read(response: Response<Incoming>, address: &str, limit: usize) -> Result<Reply, RpcError> {
    let status = response.status().as_u16();
    let content_type = response.headers().get(CONTENT_TYPE).and_then(text);
    let mut body = response.into_body();
    // The announced length first: an oversized reply is refused before a byte of it is stored.
    if body.size_hint().lower() > limit as u64 {
        return Err(RpcError::TooLarge { what: "reply", limit });
    }
    let mut whole = Bytes::new();
    let mut pieces = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failure(address, &error))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + pieces.len() + data.len() > limit {
            return Err(RpcError::TooLarge { what: "reply", limit });
        }
        // Most replies come in one piece, which is then passed on without a copy.
        if whole.is_empty() && pieces.is_empty() {
            whole = data;
        } else {
            pieces.extend_from_slice(&std::mem::take(&mut whole));
            pieces.extend_from_slice(&data);
        }
    }
    let body = if pieces.is_empty() { whole } else { pieces.freeze() };
    Ok(Reply { status, content_type, body })
}

fn failure(address: &str, error: &hyper::Error) -> RpcError {
    if error.is_parse() {
        return RpcError::Malformed { address: address.to_owned(), reason: format!("no HTTP: {error}") };
    }
    lost(address, error)
}

// === impl Meter ===

impl Meter {
    /// When the last byte went to the kernel, if that was the end of a request with a body of `body` bytes.
    ///
    /// The length of the header that hyper writes before the body is not known here, so a request whose last bytes
    /// (fewer than a header has) are missing passes as written. `None` is certain: the node cannot have the request.
    pub(crate) fn written_at(&self, body: usize) -> Option<Instant> {
        self.last_sent.filter(|_| self.sent > body)
    }
}

fn set_options(stream: &TcpStream) -> io::Result<()> {
    // Header and body leave in separate segments; with Nagle the second waits some 40 ms for the first one's ACK.
    stream.set_nodelay(true)?;
    let socket = socket2::SockRef::from(stream);
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE_IDLE);
    #[cfg(target_os = "linux")]
    let keepalive = keepalive.with_interval(KEEPALIVE_INTERVAL).with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    Ok(())
}

fn lost(address: &str, error: &hyper::Error) -> RpcError {
    use std::error::Error;
    // hyper's own text is general ("connection error"); the reason is in its source.
    let reason = match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    RpcError::ConnectionLost { address: address.to_owned(), reason }
}

fn text(value: &HeaderValue) -> Option<String> {
    value.to_str().ok().map(excerpt)
}

/// A TCP stream that counts what passes.
struct Metered {
    stream: TcpStream,
    meter: Arc<Mutex<Meter>>,
}

impl Metered {
    fn count_sent(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = result {
            let mut meter = self.meter.lock();
            meter.sent += count;
            meter.last_sent = Some(Instant::now());
            if let Some((_, whole)) = {
                let sent = meter.sent;
                meter.whole.take_if(|(body, _)| sent > *body)
            } {
                whole.send_modify(|count| *count += 1);
            }
        }
        result
    }
}

impl AsyncRead for Metered {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let result = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.meter.lock().received += buf.filled().len() - before;
        result
    }
}

impl AsyncWrite for Metered {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.count_sent(result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.count_sent(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
