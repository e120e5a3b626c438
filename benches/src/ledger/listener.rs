//! A node that notes when the first byte of a block's request comes.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::Duration,
};

use anyhow::Context;

use crate::clock;

/// What is smaller than this is no block, but a probe.
const SMALL: usize = 2000;

const ACCEPTED: &str = r#"{"result":null,"error":null,"id":"blockcast"}"#;

/// What a healthy node says to a `submitblock` without a block.
const USAGE: &str = r#"{"result":null,"error":{"code":-1,"message":"submitblock"},"id":"warm"}"#;

/// A server on loopback, one thread for each connection.
pub(super) struct Listener {
    address: SocketAddr,
    arrivals: Receiver<u64>,
}

impl Listener {
    pub(super) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let (tell, arrivals) = mpsc::channel();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let tell = tell.clone();
                // Whoever waits for a block misses a connection that breaks.
                thread::spawn(move || drop(serve(stream, &tell)));
            }
        });
        Ok(Self { address, arrivals })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// When the first byte of the next block came, in nanoseconds of the monotonic clock.
    pub(super) fn next(&self, within: Duration) -> anyhow::Result<u64> {
        self.arrivals.recv_timeout(within).context("no block came")
    }
}

fn serve(mut stream: TcpStream, tell: &Sender<u64>) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 1 << 17];
    loop {
        let mut filled = stream.read(&mut buffer)?;
        let first = clock::now();
        if filled == 0 {
            return Ok(());
        }
        let (head, length) = loop {
            if let Some(head) = buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
                let text = std::str::from_utf8(&buffer[..head])?.to_ascii_lowercase();
                let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
                break (head + 4, length.context("a request without its length")?.trim().parse::<usize>()?);
            }
            filled += stream.read(&mut buffer[filled..])?;
        };
        while filled < head + length {
            filled += stream.read(&mut buffer[filled..])?;
        }
        if length >= SMALL {
            tell.send(first)?;
        }
        stream.write_all(reply(&buffer[head..head + length]).as_bytes())?;
    }
}

/// The node takes every block.
fn reply(body: &[u8]) -> String {
    let (status, said) =
        if body.len() >= SMALL { ("200 OK", ACCEPTED) } else { ("500 Internal Server Error", USAGE) };
    let length = said.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{said}")
}
