//! The line between the program and its node, which can be open, silent, or cut.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::watch,
    task::JoinHandle,
};

/// How the line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// Everything passes.
    Open,
    /// Connections are taken and kept, and nothing passes, in neither direction: what was on its way does not arrive.
    Silent,
    /// Connections are closed, also those that there are.
    Cut,
}

/// A TCP proxy on a port of its own. Whatever is not open when a connection has begun stays shut for that connection:
/// it ends with the next change.
#[derive(Debug)]
pub(super) struct Gate {
    address: SocketAddr,
    line: watch::Sender<Line>,
    listening: JoinHandle<()>,
}

impl Gate {
    /// A gate before `target`, cut.
    ///
    /// # Errors
    /// When there is no port.
    pub(super) fn start(runtime: &Handle, target: SocketAddr) -> std::io::Result<Self> {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let (line, looks) = watch::channel(Line::Cut);
        let listening = runtime.spawn(async move {
            // An error is a connection that was gone before it was taken.
            loop {
                if let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(carry(client, target, looks.clone()));
                }
            }
        });
        Ok(Self { address, line, listening })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Carries one connection while the line is open. Either end may go at any moment: that is what this is about.
async fn carry(mut client: TcpStream, target: SocketAddr, mut line: watch::Receiver<Line>) {
    if *line.borrow_and_update() == Line::Open
        && let Ok(mut node) = TcpStream::connect(target).await
    {
        let (Ok(()) | Err(_)) = client.set_nodelay(true).and_then(|()| node.set_nodelay(true));
        tokio::select! {
            _ = copy_bidirectional(&mut client, &mut node) => return,
            _ = line.changed() => {}
        }
        // The node's end is closed here; the program's stays for as long as the line is silent.
    }
    while *line.borrow_and_update() == Line::Silent {
        if line.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        time::timeout,
    };

    use super::*;

    async fn ask(address: SocketAddr) -> std::io::Result<usize> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"?").await?;
        stream.read(&mut [0; 1]).await
    }

    #[test]
    fn a_line_that_is_silent_keeps_the_caller_waiting_and_one_that_is_cut_does_not() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let gate = Gate::start(runtime.handle(), listener.local_addr().unwrap()).unwrap();
        runtime.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read_exact(&mut [0; 1]).await;
                let _ = stream.write_all(b"!").await;
            }
        });
        runtime.block_on(async {
            assert!(!matches!(ask(gate.address()).await, Ok(1)), "it begins cut");
            gate.set(Line::Open);
            assert!(matches!(ask(gate.address()).await, Ok(1)));
            gate.set(Line::Silent);
            let mut waiting = tokio::spawn(ask(gate.address()));
            assert!(timeout(Duration::from_millis(200), &mut waiting).await.is_err());
            gate.set(Line::Cut);
            assert!(!matches!(waiting.await.unwrap(), Ok(1)));
        });
    }
}
