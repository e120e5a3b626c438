//! The nodes: HTTP servers in another process, of one thread, that note when they have a whole request.

use std::{
    cell::RefCell,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, ChildStdout, Stdio},
    rc::Rc,
};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::{LocalSet, spawn_local},
};
use wire::sha256d;

use super::NODES;
use crate::{
    clock,
    part::{self, Part},
};

/// Bodies longer than this are blocks; shorter ones ask how the node is.
const SMALL: usize = 1_000;

/// Room for the request of a block of 1 MB, so that the time of making it is not measured.
const ROOM: usize = 2_100_000;

const ACCEPTED: &str = r#"{"result":null,"error":null,"id":"blockcast"}"#;

/// What a healthy node says to a `submitblock` without a block.
const USAGE: &str = r#"{"result":null,"error":{"code":-1,"message":"submitblock"},"id":"warm"}"#;

/// The first line that the part says.
#[derive(Debug, Serialize, Deserialize)]
struct Listening {
    at: Vec<SocketAddr>,
}

/// A line for each block that all nodes have.
#[derive(Debug, Serialize, Deserialize)]
struct Arrived {
    /// When each had the last byte of its request, in nanoseconds of the monotonic clock.
    last: Vec<u64>,
    /// The SHA-256d of each request's body.
    digests: Vec<[u8; 32]>,
}

/// The process. It ends when this is dropped, or when whoever has started it ends.
#[derive(Debug)]
pub(super) struct Nodes {
    child: Child,
    answers: BufReader<ChildStdout>,
    at: Vec<SocketAddr>,
}

impl Nodes {
    pub(super) fn start() -> anyhow::Result<Self> {
        let mut command = Part::Nodes.command()?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start the nodes")?;
        let answers = BufReader::new(child.stdout.take().context("the nodes have no pipe")?);
        let mut nodes = Self { child, answers, at: Vec::new() };
        nodes.at = nodes.answer::<Listening>()?.at;
        Ok(nodes)
    }

    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.at
    }

    /// Waits until every node has a block, and says when each had it.
    ///
    /// # Errors
    /// When one got another request than that with this digest.
    pub(super) fn arrived(&mut self, digest: &[u8; 32]) -> anyhow::Result<Vec<u64>> {
        let arrived: Arrived = self.answer()?;
        ensure!(arrived.digests.iter().all(|other| other == digest), "a node got another request");
        Ok(arrived.last)
    }

    fn answer<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(!line.is_empty(), "the nodes ended: {:?}", self.child.wait()?);
        serde_json::from_str(&line).with_context(|| format!("the nodes said {line}"))
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        // It may have ended by itself; either way there is nothing left to do.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A block's request, as far as all nodes do not have theirs yet.
struct Waiting {
    last: u64,
    body: Vec<u8>,
    /// Gives the room back, and lets the node answer.
    go: oneshot::Sender<Vec<u8>>,
}

type Round = Rc<RefCell<Vec<Waiting>>>;

/// Plays the part.
pub(crate) fn run() -> anyhow::Result<()> {
    part::end_with_parent();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let round = Round::default();
        let mut at = Vec::new();
        for _ in 0..NODES {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            at.push(listener.local_addr()?);
            let round = round.clone();
            spawn_local(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let round = round.clone();
                    spawn_local(async move {
                        // A connection that breaks is missed by whoever waits for its block.
                        let _ = serve(stream, round).await;
                    });
                }
            });
        }
        say(&Listening { at })?;
        std::future::pending().await
    })
}

/// Answers requests until the client hangs up.
async fn serve(mut stream: TcpStream, round: Round) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(ROOM);
    loop {
        let (head, length) = loop {
            if let Some(head) = buffer.windows(4).take(SMALL).position(|four| four == b"\r\n\r\n") {
                break (head + 4, content_length(&buffer[..head])?);
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        while buffer.len() < head + length {
            ensure!(stream.read_buf(&mut buffer).await? > 0, "cut off");
        }
        if length < SMALL {
            buffer.clear();
            reply(&mut stream, "500 Internal Server Error", USAGE).await?;
            continue;
        }
        let last = clock::now();
        let (go, gone) = oneshot::channel();
        buffer.drain(..head);
        round.borrow_mut().push(Waiting { last, body: buffer, go });
        if round.borrow().len() == NODES {
            finish(&round)?;
        }
        buffer = gone.await?;
        reply(&mut stream, "200 OK", ACCEPTED).await?;
    }
}

/// All have their request: says so, and lets them answer.
fn finish(round: &Round) -> anyhow::Result<()> {
    let waiting = round.take();
    let last = waiting.iter().map(|one| one.last).collect();
    let digests = waiting.iter().map(|one| sha256d(&one.body)).collect();
    say(&Arrived { last, digests })?;
    for Waiting { mut body, go, .. } in waiting {
        body.clear();
        // Its connection may be gone.
        let _ = go.send(body);
    }
    Ok(())
}

async fn reply(stream: &mut TcpStream, status: &str, body: &str) -> anyhow::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}");
    Ok(stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await?)
}

fn content_length(head: &[u8]) -> anyhow::Result<usize> {
    for line in std::str::from_utf8(head)?.lines() {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            return Ok(value.trim().parse()?);
        }
    }
    bail!("a request without its length")
}

fn say(line: &impl Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(line)?)?;
    Ok(out.flush()?)
}
