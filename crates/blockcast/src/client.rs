//! A small HTTP client to the running daemon: one request per connection, everything bounded.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::http::{HeaderValue, request};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::base_url::BaseUrl;
use crate::cli;
use crate::settings;

/// The longest reply that is read, in bytes: a thousand peers with all their details are half a megabyte.
const REPLY_LIMIT: usize = 32 * 1024 * 1024;

/// The longest token file, in bytes.
const TOKEN_LIMIT: u64 = 4096;

/// How long the daemon may take to take a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Why the daemon gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Nobody listens there.
    #[error(
        "no Blockcast answers on {address} (connection refused). Start it with `blockcast run --config DIR`, or name \
         the address of a running one with --url or --config"
    )]
    Refused { address: String },
    /// The name does not resolve, or no route leads there.
    #[error("cannot reach {address}: {reason}")]
    Unreachable { address: String, reason: String },
    /// No connection in time.
    #[error("no connection to {address} within {} s: is the machine down, or a firewall in between?", after.as_secs())]
    ConnectTimeout { address: String, after: Duration },
    /// No whole reply in time.
    #[error("no answer from {address} within {} s: is the daemon overloaded, or is something else listening there?", after.as_secs())]
    Timeout { address: String, after: Duration },
    /// The connection broke, or what came back is not HTTP.
    #[error("the connection to {address} ended before the reply was complete: {reason}")]
    Lost { address: String, reason: String },
    /// The daemon wants a token, or another one.
    #[error(
        "{address} wants a token: give --token-file with the file that [http] token_file names, or --config DIR"
    )]
    Unauthorized { address: String },
    /// Any other answer than the one that was asked for.
    #[error("{address} answered {path} with HTTP {status}: {message}")]
    Status { address: String, path: String, status: StatusCode, message: String },
    /// The reply is not JSON.
    #[error("{address} answered {path} with something that is not JSON ({reason}). Is this a Blockcast?")]
    NotJson { address: String, path: String, reason: String },
    /// The reply is longer than it may be.
    #[error("the reply of {address} to {path} is longer than {REPLY_LIMIT} bytes. Is this a Blockcast?")]
    TooLong { address: String, path: String },
}

impl ClientError {
    /// Whether it is certain that the request did not leave.
    pub(crate) fn is_before_sending(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Unreachable { .. } | Self::ConnectTimeout { .. })
    }
}

/// A reply.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// The daemon.
#[derive(Debug)]
pub(crate) struct Client {
    url: BaseUrl,
    token: Option<SecretString>,
}

impl Client {
    /// The daemon that the command line names.
    ///
    /// # Errors
    /// When the configuration is bad or the token cannot be read.
    pub(crate) fn new(which: &cli::Daemon) -> anyhow::Result<Self> {
        if let Some(dir) = &which.config {
            let config = settings::load(dir)?;
            let token = config.http.token.as_ref().map(|file| file.secret().clone());
            return Ok(Self { url: BaseUrl::of_listener(config.http.listen), token });
        }
        let token = which.token_file.as_deref().map(read_token).transpose()?;
        Ok(Self { url: which.url.clone(), token })
    }

    /// A daemon that wants no token.
    #[cfg(test)]
    fn open(url: &str) -> Self {
        Self { url: url.parse().unwrap(), token: None }
    }

    /// `host:port`
    pub(crate) fn address(&self) -> &str {
        self.url.authority()
    }

    /// A GET for JSON.
    ///
    /// # Errors
    /// For any other answer than JSON with status 200, and for none.
    pub(crate) async fn get_json(&self, path: &str, limit: Duration) -> Result<Value, ClientError> {
        let reply = self.get(path, limit).await?;
        match reply.status {
            StatusCode::OK => self.json(path, &reply),
            _ => Err(self.refusal(path, &reply)),
        }
    }

    /// A GET, whatever the status of the answer.
    ///
    /// # Errors
    /// When there is no answer, or it is that a token is wanted.
    pub(crate) async fn get(&self, path: &str, limit: Duration) -> Result<Reply, ClientError> {
        let request = Request::builder().method(Method::GET);
        self.send(request, path, Bytes::new(), limit).await
    }

    /// A change; what is sent, if anything, and what comes back is JSON.
    ///
    /// # Errors
    /// For any other answer than JSON with status 200, and for none.
    pub(crate) async fn change(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        limit: Duration,
    ) -> Result<Value, ClientError> {
        let reply = self.ask_for_change(method, path, body, limit).await?;
        match reply.status {
            StatusCode::OK => self.json(path, &reply),
            _ => Err(self.refusal(path, &reply)),
        }
    }

    /// The same, whatever the status of the answer.
    ///
    /// # Errors
    /// When there is no answer, or it is that a token is wanted.
    pub(crate) async fn ask_for_change(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        limit: Duration,
    ) -> Result<Reply, ClientError> {
        // A daemon takes no change from a web page's form, which cannot be of this type.
        let request = Request::builder().method(method).header(CONTENT_TYPE, "application/json");
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.send(request, path, body.into(), limit).await
    }

    /// Hands in a block; `query` says what to wait for.
    ///
    /// # Errors
    /// When there is no answer, or it is that a token is wanted.
    pub(crate) async fn post_block(
        &self,
        path: &str,
        block: Bytes,
        limit: Duration,
    ) -> Result<Reply, ClientError> {
        let request = Request::builder()
            .method(Method::POST)
            .header(CONTENT_TYPE, "application/octet-stream")
            .header("X-Blockcast-Source", "cli");
        self.send(request, path, block, limit).await
    }

    /// The reply as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn json(&self, path: &str, reply: &Reply) -> Result<Value, ClientError> {
        serde_json::from_slice(&reply.body).map_err(|error| ClientError::NotJson {
            address: self.address().into(),
            path: path.into(),
            reason: error.to_string(),
        })
    }

    /// What a reply with another status than the wanted one says.
    pub(crate) fn refusal(&self, path: &str, reply: &Reply) -> ClientError {
        // The daemon's refusals are JSON with message and remedy; a proxy's may be anything.
        let said = serde_json::from_slice::<Value>(&reply.body).ok().and_then(|json| {
            let error = json.get("error")?;
            Some(format!("{}; {}", error.get("message")?.as_str()?, error.get("remedy")?.as_str()?))
        });
        let message =
            said.unwrap_or_else(|| String::from_utf8_lossy(&reply.body).chars().take(300).collect());
        ClientError::Status {
            address: self.address().into(),
            path: path.into(),
            status: reply.status,
            message: message.trim().to_owned(),
        }
    }

    async fn send(
        &self,
        request: request::Builder,
        path: &str,
        body: Bytes,
        limit: Duration,
    ) -> Result<Reply, ClientError> {
        let address = || self.address().to_owned();
        let connecting = timeout(CONNECT_LIMIT.min(limit), TcpStream::connect(self.address()));
        let stream = match connecting.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                return Err(ClientError::Refused { address: address() });
            }
            Ok(Err(error)) => {
                return Err(ClientError::Unreachable { address: address(), reason: error.to_string() });
            }
            Err(_) => {
                return Err(ClientError::ConnectTimeout {
                    address: address(),
                    after: CONNECT_LIMIT.min(limit),
                });
            }
        };
        let reply = timeout(limit, self.exchange(stream, request, path, body)).await;
        let reply = reply.map_err(|_| ClientError::Timeout { address: address(), after: limit })??;
        match reply.status {
            StatusCode::UNAUTHORIZED => Err(ClientError::Unauthorized { address: address() }),
            _ => Ok(reply),
        }
    }

    async fn exchange(
        &self,
        stream: TcpStream,
        request: request::Builder,
        path: &str,
        body: Bytes,
    ) -> Result<Reply, ClientError> {
        let lost = |error: &dyn std::fmt::Display| ClientError::Lost {
            address: self.address().into(),
            reason: error.to_string(),
        };
        let mut request = request.uri(format!("{}{path}", self.url.prefix())).header(HOST, self.address());
        if let Some(token) = &self.token {
            let value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()));
            let mut value = value.map_err(|error| lost(&format!("the token cannot be sent: {error}")))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(Full::new(body)).map_err(|error| lost(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| lost(&error))?;
        // It ends when the reply is read or the sender is dropped; its failures are the request's too.
        let driver = tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(|error| lost(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), REPLY_LIMIT).collect().await.map_err(|error| {
            match error.is::<LengthLimitError>() {
                true => ClientError::TooLong { address: self.address().into(), path: path.into() },
                false => lost(&error),
            }
        })?;
        driver.abort();
        Ok(Reply { status, body: body.to_bytes() })
    }
}

/// Runs a client's work to its end.
///
/// # Errors
/// When there is no runtime to be had, and those of the work.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start an asynchronous runtime")?.block_on(work)
}

fn read_token(file: &Path) -> anyhow::Result<SecretString> {
    let shown = file.display();
    let mut text = String::new();
    let opened = File::open(file).with_context(|| format!("cannot read the token file {shown}"))?;
    let read = opened.take(TOKEN_LIMIT).read_to_string(&mut text);
    read.with_context(|| format!("cannot read the token file {shown}"))?;
    let token = text.trim_end_matches(['\r', '\n']);
    if token.is_empty() || token.chars().any(char::is_control) {
        bail!("the token file {shown} does not hold one line of text");
    }
    Ok(token.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    /// Answers one connection with these bytes; returns the request's head.
    fn serve(reply: Vec<u8>) -> (String, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            // A client that has read enough hangs up before all of it is written.
            drop(stream.write_all(&reply));
            String::from_utf8(head).unwrap().to_ascii_lowercase()
        });
        (url, server)
    }

    fn get(url: &str) -> Result<Value, ClientError> {
        block_on(async { Ok(Client::open(url).get_json("/api/v1/chains", LIMIT).await) }).unwrap()
    }

    #[test]
    fn the_token_and_the_source_are_sent_along() {
        let (url, server) = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_vec());
        let client = Client { url: url.parse().unwrap(), token: Some("sesame".into()) };
        let reply = block_on(async { Ok(client.post_block("/x?y=z", Bytes::new(), LIMIT).await?) });
        assert_eq!(reply.unwrap().body, "{}");
        let head = server.join().unwrap();
        assert!(head.starts_with("post /x?y=z http/1.1\r\n"), "{head}");
        assert!(head.contains("authorization: bearer sesame\r\n"), "{head}");
        assert!(head.contains("x-blockcast-source: cli\r\n"), "{head}");
    }

    #[test]
    fn what_is_not_the_answer_says_what_it_is() {
        let refused = get("http://127.0.0.1:1").unwrap_err().to_string();
        assert!(refused.contains("127.0.0.1:1 ") && refused.contains("blockcast run"), "{refused}");

        let answers: [(&[u8], &str); 6] = [
            (b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", "--token-file"),
            (
                b"HTTP/1.1 404 No\r\nContent-Length: 50\r\n\r\n{\"error\":{\"message\":\"no chain\",\"remedy\":\"add it\"}} ",
                "404 Not Found: no chain; add it",
            ),
            (b"HTTP/1.1 502 No\r\nContent-Length: 4\r\n\r\nbusy", "502 Bad Gateway: busy"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbusy", "not JSON"),
            (b"SSH-2.0-x\r\n\r\n", "ended before"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "ended before"),
        ];
        for (reply, expected) in answers {
            let (url, server) = serve(reply.to_vec());
            let error = get(&url).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            server.join().unwrap();
        }
    }

    #[test]
    fn a_reply_without_end_is_cut_off() {
        let mut reply = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        reply.resize(reply.len() + REPLY_LIMIT + 1, b'x');
        let (url, server) = serve(reply);
        let error = get(&url).unwrap_err().to_string();
        assert!(error.contains("longer than"), "{error}");
        server.join().unwrap();
    }

    #[test]
    fn a_token_is_the_one_line_of_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let read = |content: &str| {
            let file = dir.path().join("token");
            std::fs::write(&file, content).unwrap();
            read_token(&file)
                .map(|token| token.expose_secret().to_owned())
                .map_err(|error| format!("{error:#}"))
        };
        assert_eq!(read("sesame\r\n").as_deref(), Ok("sesame"));
        for wrong in ["", "\n", "canary\nmore"] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains("token") && !error.contains("canary"), "{error}");
        }
        assert!(read_token(&dir.path().join("none")).unwrap_err().to_string().contains("none"));
    }
}
