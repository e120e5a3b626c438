//! A scripted daemon: a TCP server that does with each request what the test's script says.
//!
//! It speaks just enough HTTP/1.1 by hand, so that it can also send what no HTTP library would.

#![allow(dead_code, reason = "each test binary uses its part of it")]
#![allow(clippy::unwrap_used, reason = "a fault of the test's own server should fail the test")]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rpc::{Auth, Client, Endpoint, Timeouts};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// How long a test waits for something that should have happened at once. Reaching it fails the test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A request as the daemon received it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Counts the requests of this daemon, from 0.
    pub(crate) nth: usize,
    /// Counts the connections of this daemon, from 0.
    pub(crate) connection: usize,
    /// Counts the requests on this connection, from 0.
    pub(crate) on_connection: usize,
    pub(crate) path: String,
    pub(crate) authorization: String,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the request is JSON")
    }

    pub(crate) fn method(&self) -> String {
        self.json()["method"].as_str().unwrap_or("(batch)").to_owned()
    }
}

/// What the daemon does with a request.
pub(crate) enum Act {
    /// A well-formed HTTP reply, with `Content-Length`.
    Reply(u16, &'static str, Vec<u8>),
    /// These bytes, whatever they are; then the connection is closed.
    Raw(Vec<u8>),
    /// These bytes; then the connection stays open and silent.
    RawAndHold(Vec<u8>),
    /// A well-formed reply, after which the connection is closed without notice.
    ReplyAndClose(u16, Vec<u8>),
    /// No reply; the connection is closed.
    Close,
    /// No reply; the connection stays open until the client closes it.
    Hang,
}

type Script = dyn Fn(Seen) -> Pin<Box<dyn Future<Output = Act> + Send>> + Send + Sync;

pub(crate) struct Daemon {
    pub(crate) url: String,
    seen: tokio::sync::Mutex<mpsc::UnboundedReceiver<Seen>>,
    closed: watch::Receiver<usize>,
    total: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Daemon {
    pub(crate) async fn start<F, R>(script: F) -> Self
    where
        F: Fn(Seen) -> R + Send + Sync + 'static,
        R: Future<Output = Act> + Send + 'static,
    {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), script)
    }

    pub(crate) fn on<F, R>(listener: TcpListener, script: F) -> Self
    where
        F: Fn(Seen) -> R + Send + Sync + 'static,
        R: Future<Output = Act> + Send + 'static,
    {
        let script: Arc<Script> = Arc::new(move |seen| Box::pin(script(seen)));
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (report, seen) = mpsc::unbounded_channel();
        let (close, closed) = watch::channel(0);
        let close = Arc::new(close);
        let total = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&total);
        let task = tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (script, report, total) = (Arc::clone(&script), report.clone(), Arc::clone(&counter));
                let close = Arc::clone(&close);
                tokio::spawn(async move {
                    serve(stream, connection, &*script, &report, &total).await;
                    close.send_modify(|count| *count += 1);
                });
            }
        });
        Self { url, seen: tokio::sync::Mutex::new(seen), closed, total, task }
    }

    /// The next request that arrived, waiting for it if need be.
    pub(crate) async fn next(&self) -> Seen {
        timeout(PATIENCE, self.seen.lock().await.recv())
            .await
            .expect("a request in time")
            .expect("a running daemon")
    }

    /// How many requests have arrived.
    pub(crate) fn requests(&self) -> usize {
        self.total.load(Ordering::SeqCst)
    }

    /// Waits until `count` connections have ended, from whichever side.
    pub(crate) async fn connections_ended(&self, count: usize) {
        let mut closed = self.closed.clone();
        timeout(PATIENCE, closed.wait_for(|ended| *ended >= count)).await.expect("closed in time").unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    script: &Script,
    report: &mpsc::UnboundedSender<Seen>,
    total: &AtomicUsize,
) {
    for on_connection in 0.. {
        let Some((path, authorization, body)) = read_request(&mut stream).await else { return };
        let nth = total.fetch_add(1, Ordering::SeqCst);
        let seen = Seen { nth, connection, on_connection, path, authorization, body };
        // The test may have ended and dropped its end; then nobody needs the report.
        drop(report.send(seen.clone()));
        let (bytes, then) = match script(seen).await {
            Act::Reply(status, content_type, body) => (http(status, content_type, &body), Then::Next),
            Act::ReplyAndClose(status, body) => (http(status, "application/json", &body), Then::Close),
            Act::Raw(bytes) => (bytes, Then::Close),
            Act::RawAndHold(bytes) => (bytes, Then::Hold),
            Act::Close => (Vec::new(), Then::Close),
            Act::Hang => (Vec::new(), Then::Hold),
        };
        // A client that has given up closes while we write; the loop then ends at the next read.
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
        match then {
            Then::Next => {}
            Then::Close => return,
            Then::Hold => {
                let mut rest = Vec::new();
                drop(stream.read_to_end(&mut rest).await);
                return;
            }
        }
    }
}

enum Then {
    Next,
    Close,
    Hold,
}

async fn read_request(stream: &mut TcpStream) -> Option<(String, String, Bytes)> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let header = |name: &str| {
        let line = text.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let length: usize = header("content-length").expect("a request with a length").parse().unwrap();
    assert!(header("host").is_some(), "HTTP/1.1 needs a Host header");
    while bytes.len() < head + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    assert_eq!(bytes.len(), head + 4 + length, "the client never pipelines");
    let path = text.split(' ').nth(1).unwrap().to_owned();
    Some((path, header("authorization").unwrap_or_default(), bytes.split_off(head + 4).into()))
}

fn http(status: u16, content_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut bytes =
        format!("HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n")
            .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The reply of a daemon to `seen` with this result.
pub(crate) fn result(seen: &Seen, result: Value) -> Act {
    let body = json!({ "result": result, "error": null, "id": seen.json()["id"] });
    Act::Reply(200, "application/json", format!("{body}\n").into_bytes())
}

/// The reply of a daemon to `seen` with this error, status 500.
pub(crate) fn error(seen: &Seen, code: i64, message: &str) -> Act {
    let error = json!({ "code": code, "message": message });
    let body = json!({ "result": null, "error": error, "id": seen.json()["id"] });
    Act::Reply(500, "application/json", format!("{body}\n").into_bytes())
}

/// 401 as the daemons send it: without a body.
pub(crate) fn unauthorized() -> Act {
    Act::Reply(401, "text/html; charset=ISO-8859-1", Vec::new())
}

/// 403 as the daemons send it.
pub(crate) fn forbidden() -> Act {
    Act::Reply(403, "text/html; charset=ISO-8859-1", Vec::new())
}

/// The password of every test: it must not be found anywhere.
pub(crate) const CANARY: &str = "canary-7f3a-battery-staple";

pub(crate) fn endpoint(url: &str) -> Endpoint {
    Endpoint {
        name: "a".into(),
        url: url.parse().unwrap(),
        auth: Auth::password("pool", CANARY),
        timeouts: Timeouts::default(),
    }
}

pub(crate) fn client(daemon: &Daemon) -> Client {
    Client::new(endpoint(&daemon.url))
}

/// A recorded reply of litecoind 0.21.2.1, with its status, as the act of sending it with the id of `seen`.
pub(crate) fn recorded(name: &str, seen: &Seen) -> Act {
    let recording = recordings::read("litecoin/rpc_replies.json");
    let reply = &recording["replies"][name];
    let status = reply["http_status"].as_u64().unwrap_or_else(|| panic!("no recording {name}"));
    let mut body = reply["json"].clone();
    body["id"] = seen.json()["id"].clone();
    Act::Reply(status as u16, "application/json", format!("{body}\n").into_bytes())
}
