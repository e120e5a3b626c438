//! An HTTP/1.1 client of a few lines: one request, one reply, one connection.
//!
//! It is written out because the tests look at status, header and body exactly as they came, and because it
//! must not share a line with the HTTP stack it tests.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Larger replies are refused; the largest real one is a block in hex.
const REPLY_LIMIT: usize = 64 * 1024 * 1024;

/// A reply as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Header fields, names in lower case, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The body, after removal of a chunked encoding.
    pub body: Vec<u8>,
}

impl Reply {
    /// The first header field of this name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("status {}, body is not JSON ({e}): {}", self.status, self.text()))
    }
}

/// Sends one request and reads its reply; `timeout` covers all of it.
///
/// # Errors
/// What the socket says; `TimedOut`; `InvalidData` for a reply that is not HTTP; `UnexpectedEof` for one cut short.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    timeout: Duration,
) -> io::Result<Reply> {
    let end = Instant::now() + timeout;
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_nodelay(true)?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    if method != "GET" || !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.set_write_timeout(Some(left(end)?))?;
    stream.write_all(&[head.as_bytes(), body].concat())?;
    read_reply(&mut stream, end)
}

fn read_reply(stream: &mut TcpStream, end: Instant) -> io::Result<Reply> {
    let mut received = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        stream.set_read_timeout(Some(left(end)?))?;
        let count = match stream.read(&mut buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            // What Linux calls a read that timed out.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
            other => other?,
        };
        received.extend_from_slice(&buffer[..count]);
        if let Some(reply) = parse(&received, count == 0)? {
            return Ok(reply);
        }
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the reply was cut short"));
        }
        if received.len() > REPLY_LIMIT {
            return Err(invalid("the reply is too long"));
        }
    }
}

/// The reply once it is complete. Without a length its body ends where the connection does.
fn parse(received: &[u8], closed: bool) -> io::Result<Option<Reply>> {
    let Some(split) = received.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&received[..split]).map_err(|_| invalid("the head is not text"))?;
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| invalid("the reply does not begin with an HTTP status"))?;
    let headers = lines
        .map(|line| {
            let (name, value) = line.split_once(':').ok_or_else(|| invalid("a header field has no colon"))?;
            Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect::<io::Result<Vec<_>>>()?;
    let reply = Reply { status, headers, body: Vec::new() };
    let rest = &received[split + 4..];
    let body = if reply.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
        unchunk(rest)?
    } else if let Some(length) = reply.header("content-length") {
        let length: usize = length.parse().map_err(|_| invalid("Content-Length is not a number"))?;
        rest.get(..length).map(<[u8]>::to_vec)
    } else {
        closed.then(|| rest.to_vec())
    };
    Ok(body.map(|body| Reply { body, ..reply }))
}

/// The body inside a chunked encoding (RFC 9112 §7.1), or `None` while its last chunk is missing.
fn unchunk(mut rest: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(line_end) = rest.windows(2).position(|w| w == b"\r\n") {
        let size = std::str::from_utf8(&rest[..line_end]).ok().and_then(|line| line.split(';').next());
        let size = size.and_then(|digits| usize::from_str_radix(digits.trim(), 16).ok());
        let size = size.filter(|size| *size <= REPLY_LIMIT).ok_or_else(|| invalid("bad chunk size"))?;
        if size == 0 {
            return Ok(Some(body));
        }
        let start = line_end + 2;
        let Some(chunk) = rest.get(start..start + size) else { return Ok(None) };
        body.extend_from_slice(chunk);
        let Some(next) = rest.get(start + size + 2..) else { return Ok(None) };
        rest = next;
    }
    Ok(None)
}

/// The value of an `Authorization` header for a user and password (RFC 7617).
pub fn basic_auth(user: &str, password: &str) -> String {
    format!("Basic {}", base64(format!("{user}:{password}").as_bytes()))
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let index = (group >> (18 - 6 * place)) & 63;
            text.push(if place <= chunk.len() { char::from(ALPHABET[index as usize]) } else { '=' });
        }
    }
    text
}

fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// A server that takes one connection, reads the request's head, and answers with these bytes.
    fn answered_with(reply: &'static [u8]) -> io::Result<Reply> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(b"\r\n\r\nhello") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                seen.push(byte[0]);
            }
            stream.write_all(reply).unwrap();
            String::from_utf8(seen).unwrap()
        });
        let reply = request(address, "POST", "/x?y", &[("X-A", "b")], b"hello", Duration::from_secs(10));
        let seen = server.join().unwrap();
        assert!(seen.starts_with("POST /x?y HTTP/1.1\r\n"), "{seen}");
        assert!(seen.contains("\r\nContent-Length: 5\r\n") && seen.contains("\r\nX-A: b\r\n"), "{seen}");
        reply
    }

    #[test]
    fn a_reply_is_read_by_length_by_chunks_and_to_the_end_of_the_connection() {
        for raw in [
            &b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nA: b\r\n\r\nbodyEXTRA"[..],
            b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n3\r\nbod\r\n1;x=y\r\ny\r\n0\r\n\r\n",
            b"HTTP/1.0 503 Busy\r\nA: b\r\n\r\nbody",
        ] {
            let reply = answered_with(raw).unwrap();
            assert_eq!((reply.status, reply.text().as_str(), reply.header("a")), (503, "body", Some("b")));
        }
    }

    #[test]
    fn a_reply_that_is_cut_short_or_is_not_http_is_an_error() {
        let kind = |raw| answered_with(raw).unwrap_err().kind();
        assert_eq!(kind(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbody"), io::ErrorKind::UnexpectedEof);
        assert_eq!(
            kind(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbo"),
            io::ErrorKind::UnexpectedEof
        );
        assert_eq!(kind(b"SSH-2.0-x\r\n\r\n"), io::ErrorKind::InvalidData);
        assert_eq!(kind(b""), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn base64_agrees_with_the_vectors_of_rfc_4648() {
        let vectors = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        for (length, expected) in vectors.iter().enumerate() {
            assert_eq!(base64(&b"foobar"[..length]), *expected);
        }
    }
}
