//! The floor: a client that does nothing but send.

use std::{io::IoSlice, net::SocketAddr};

use anyhow::ensure;
use base64::Engine as _;
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

use super::{PASSWORD, USER};

/// A request, written beforehand.
#[derive(Debug, Clone)]
pub(super) struct Request {
    head: Bytes,
    body: Bytes,
}

impl Request {
    pub(super) fn new(body: &Bytes) -> Self {
        let login = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
        let head = format!(
            "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Basic {login}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        Self { head: head.into(), body: body.clone() }
    }
}

/// Open connections, one for each node.
#[derive(Debug)]
pub(super) struct Bare {
    streams: Vec<TcpStream>,
}

impl Bare {
    pub(super) async fn connect(addresses: &[SocketAddr]) -> anyhow::Result<Self> {
        let mut streams = Vec::new();
        for address in addresses {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        Ok(Self { streams })
    }

    /// Sends it to all nodes, by a task for each.
    pub(super) fn submit(&mut self, request: &Request) -> Vec<JoinHandle<anyhow::Result<TcpStream>>> {
        let send = |stream| tokio::spawn(post(stream, request.clone()));
        self.streams.drain(..).map(send).collect()
    }

    /// Waits until all have answered.
    pub(super) async fn wait(
        &mut self,
        sending: Vec<JoinHandle<anyhow::Result<TcpStream>>>,
    ) -> anyhow::Result<()> {
        for task in sending {
            self.streams.push(task.await??);
        }
        Ok(())
    }
}

async fn post(mut stream: TcpStream, request: Request) -> anyhow::Result<TcpStream> {
    let Request { head, body } = request;
    let written = stream.write_vectored(&[IoSlice::new(&head), IoSlice::new(&body)]).await?;
    match written.checked_sub(head.len()) {
        Some(of_body) => stream.write_all(&body[of_body..]).await?,
        None => {
            stream.write_all(&head[written..]).await?;
            stream.write_all(&body).await?;
        }
    }
    // The nodes of this measurement answer in one piece.
    let mut reply = [0; 1024];
    let read = stream.read(&mut reply).await?;
    ensure!(reply[..read].starts_with(b"HTTP/1.1 200"), "a node refused the bare client's request");
    Ok(stream)
}
