//! What the engine is held against over a long way: sockets as the system hands them out, and a loop that fills them.

use std::{
    io::{self, IoSlice, Write},
    net::{SocketAddr, TcpStream},
};

use anyhow::Context;
use rustix::{
    event::{PollFd, PollFlags, poll},
    net::sockopt::{set_tcp_congestion, tcp_congestion},
};
use tokio::task::JoinSet;
use wire::HEADER_LEN;

/// Connections with default options, but for the congestion control.
#[derive(Debug)]
pub(super) struct Bare {
    streams: Vec<TcpStream>,
}

impl Bare {
    /// Connects so often. Gives every socket the congestion control of this name, which the engine's sockets have.
    pub(super) async fn connect(
        at: SocketAddr,
        connections: usize,
        congestion_control: &str,
    ) -> anyhow::Result<Self> {
        let mut connecting = JoinSet::new();
        for _ in 0..connections {
            connecting.spawn(tokio::net::TcpStream::connect(at));
        }
        let mut streams = Vec::new();
        while let Some(stream) = connecting.join_next().await {
            // It stays non-blocking.
            let stream = stream??.into_std()?;
            // Where it is the default already, not everybody may set it.
            if tcp_congestion(&stream)? != congestion_control {
                set_tcp_congestion(&stream, congestion_control).context(congestion_control.to_owned())?;
            }
            streams.push(stream);
        }
        Ok(Self { streams })
    }

    /// Sends a frame to all, and returns when the kernel has all of it: each as far as its socket takes it, the first in
    /// order first.
    pub(super) fn send(&self, header: &[u8; HEADER_LEN], payload: &[u8]) -> io::Result<()> {
        let mut done = vec![0; self.streams.len()];
        loop {
            for (stream, done) in self.streams.iter().zip(&mut done) {
                fill(stream, header, payload, done)?;
            }
            let unfinished =
                self.streams.iter().zip(&done).filter(|(_, done)| **done < HEADER_LEN + payload.len());
            let mut unfinished: Vec<_> =
                unfinished.map(|(stream, _)| PollFd::new(stream, PollFlags::OUT)).collect();
            if unfinished.is_empty() {
                return Ok(());
            }
            match poll(&mut unfinished, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Writes until everything is written or the socket takes no more.
fn fill(
    mut stream: &TcpStream,
    header: &[u8; HEADER_LEN],
    payload: &[u8],
    done: &mut usize,
) -> io::Result<()> {
    while *done < HEADER_LEN + payload.len() {
        let rest = [&header[(*done).min(HEADER_LEN)..], &payload[done.saturating_sub(HEADER_LEN)..]];
        match stream.write_vectored(&rest.map(IoSlice::new)) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => *done += written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
