//! Greeting a node as a peer does: dial, handshake, goodbye.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chain::{Chain, IndexedBlock};
use net::{Connection, Host, Lane};
use protocol::PeerId;
use protocol::session::{Event, Introduction, Session, Shelf};
use tokio::sync::mpsc;
use wire::{BlockHash, Header, NetworkAddress};

use super::Failure;

/// A handshake is less than this, in bytes.
const LANE: usize = 64 * 1024;

/// Dials `host:port` and makes the handshake; says who answered.
pub(crate) async fn greet(address: &str, chain: Arc<dyn Chain>, limit: Duration) -> Result<String, Failure> {
    let dialled = net::dial(address, None, limit).await;
    let (stream, remote) =
        dialled.map_err(|error| Failure { kind: error.kind(), message: error.to_string() })?;
    let introduction = Introduction {
        // A node that is us would be listening under our own nonce; we are not listening at all.
        nonce: 0x626c_6f63_6b63_6173,
        user_agent: concat!("/Blockcast:", env!("CARGO_PKG_VERSION"), "/").into(),
        timestamp: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64),
        receiver: NetworkAddress::from(remote),
        start_height: 0,
        gossip: false,
    };
    let (tell, mut told) = mpsc::unbounded_channel();
    let session = Session::new(Arc::clone(&chain), introduction, Instant::now());
    let connection = Connection { id: PeerId(0), lane: Lane::new(LANE), magic: chain.params().magic };
    let network = chain.params().rpc_name.clone();
    let conversation = net::run(stream, connection, session, chain, Arc::new(Guest(tell)));
    let greeted = async {
        tokio::select! {
            // First, because a peer that has introduced itself and hung up has introduced itself.
            biased;
            Some(introduced) = told.recv() => Ok(introduced),
            closed = conversation => Err(Failure {
                kind: closed.kind(),
                message: format!(
                    "{address} ended the handshake: {closed}. Is this the p2p port of a node on {network}, and are we \
                     not banned there?"
                ),
            }),
        }
    };
    tokio::time::timeout(limit, greeted).await.unwrap_or_else(|_| {
        let message = format!("{address} took the connection and said nothing within {} s", limit.as_secs());
        Err(Failure { kind: "handshake_timeout", message })
    })
}

/// One who has nothing to offer and wants to know only who is there.
struct Guest(mpsc::UnboundedSender<String>);

impl Shelf for Guest {
    fn block(&self, _: &BlockHash) -> Option<Arc<IndexedBlock>> {
        None
    }

    fn headers_after(&self, _: &[BlockHash], _: BlockHash) -> Vec<Header> {
        Vec::new()
    }

    fn locator(&self) -> Vec<BlockHash> {
        Vec::new()
    }

    fn knows(&self, _: &BlockHash) -> bool {
        false
    }
}

impl Host for Guest {
    fn event(&self, _: PeerId, event: Event, _: Instant) {
        if let Event::Ready { protocol, user_agent, start_height, .. } = event {
            let height = start_height.map_or_else(|| "no height".into(), |height| format!("height {height}"));
            // Nobody listens any more once one answer is there.
            drop(self.0.send(format!("{user_agent}, protocol {protocol}, {height}")));
        }
    }

    fn written(&self, _: PeerId, _: BlockHash, _: Instant, _: Instant) {}

    fn acked(&self, _: PeerId, _: BlockHash, _: Instant) {}

    fn sent(&self, _: usize) {}

    fn received(&self, _: usize) {}

    fn as_shelf(&self) -> &dyn Shelf {
        self
    }
}

#[cfg(test)]
mod tests {
    use chain::Network;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::client::block_on;
    use engine::rules;

    /// Greets a server that does this with the connection once it has seen our first bytes.
    fn greeted(serve: impl AsyncFnOnce(TcpStream), limit: Duration) -> Failure {
        let chain = rules::rules("litecoin", Network::Regtest).unwrap();
        let greeting = async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?.to_string();
            let server = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut magic = [0; 4];
                stream.read_exact(&mut magic).await.unwrap();
                assert_eq!(magic, chain.params().magic);
                serve(stream).await;
            };
            Ok(tokio::join!(greet(&address, Arc::clone(&chain), limit), server).0)
        };
        block_on(greeting).unwrap().unwrap_err()
    }

    #[test]
    fn a_node_that_hangs_up_is_suspected_of_another_network() {
        let failed = greeted(
            async |mut stream| {
                // All of our greeting: a close with unread bytes would be a reset.
                let mut rest = [0; 4096];
                assert!(stream.read(&mut rest).await.unwrap() > 0);
            },
            Duration::from_secs(30),
        );
        assert!(failed.message.contains("p2p port of a node on regtest"), "{failed:?}");
    }

    #[test]
    fn a_node_that_says_nothing_is_not_waited_for_without_end() {
        let failed = greeted(
            async |mut stream| {
                // Until the other side has given up.
                let mut rest = Vec::new();
                drop(stream.read_to_end(&mut rest).await);
            },
            Duration::from_secs(1),
        );
        assert_eq!(failed.kind, "handshake_timeout", "{failed:?}");
    }

    #[test]
    fn a_port_where_nobody_listens_is_refused() {
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let chain = rules::rules("litecoin", Network::Regtest).unwrap();
        let failed = block_on(async { Ok(greet(&address, chain, Duration::from_secs(30)).await) });
        assert_eq!(failed.unwrap().unwrap_err().kind, "refused");
    }
}
