//! What a crash does to a chain, and what it does not.

/// The scripted peer of the relay's own tests.
#[path = "../../../relay/tests/support/peer.rs"]
#[allow(dead_code, reason = "the relay's tests use all of it")]
mod peer;

/// And its regtest blocks.
#[path = "../../../relay/tests/support/block.rs"]
#[allow(dead_code, reason = "the relay's tests use all of it")]
mod block;

mod proxy;

use std::{fs, sync::Arc, time::Duration};

use actix::System;
use protocol::PeerId;
use relay::{Goal, Source, Submission};
use tempfile::TempDir;
use wire::{GetBlockTxn, Message};

use crate::{ChainHandle, Engine, KNOWN_CHAINS, broadcaster::Crash};
use block::Block;
use peer::{FakePeer, Manner};

/// How long a test waits for something that should happen at once. Reaching it fails the test.
const PATIENCE: Duration = Duration::from_secs(20);

/// Height of the parent of the first block that a test hands in.
const HEIGHT: u32 = 4;

/// An engine with two chains without nodes and one peer each.
struct World {
    engine: Engine,
    peers: [FakePeer; 2],
    _directory: TempDir,
}

impl World {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let peers = [Manner::Accept, Manner::Accept].map(|manner| FakePeer::start(manner, HEIGHT as i32));
        let [first, second] = peers;
        let peers = [first.await, second.await];
        fs::create_dir(directory.path().join("chains")).unwrap();
        let data = directory.path().join("data");
        fs::write(directory.path().join("blockcast.toml"), format!("data_dir = {data:?}\n")).unwrap();
        for (name, peer) in ["litecoin", "other"].iter().zip(&peers) {
            let text = format!(
                "chain = \"litecoin\"\nnetwork = \"regtest\"\n[peers]\nfixed = [{{ address = \"{}\" }}]\n",
                peer.address
            );
            fs::write(directory.path().join(format!("chains/{name}.toml")), text).unwrap();
        }
        let config = config::load(directory.path(), [], KNOWN_CHAINS).expect("a good configuration");
        let engine = Engine::start(&config).expect("an engine");
        let world = Self { engine, peers, _directory: directory };
        for chain in world.engine.chains() {
            eventually("a peer is ready", || chain.relay.ready_peers().len() == 1).await;
            eventually("the book knows", || chain.book().iter().any(|entry| entry.state == "connected"))
                .await;
        }
        world
    }

    fn chain(&self, name: &str) -> &Arc<ChainHandle> {
        self.engine.chain(name).expect("a configured chain")
    }

    /// Makes one of the chain's actors panic and waits until all are rebuilt.
    async fn crash(&self, chain: &ChainHandle, crash: Crash) {
        let before = chain.restarts();
        let recipient = chain.crash.lock().take().expect("running actors");
        recipient.do_send(crash);
        drop(recipient);
        eventually("the crash is noticed", || chain.restarts() == before + 1).await;
        eventually("the actors are rebuilt", || chain.crash.lock().is_some()).await;
    }
}

/// A chain's configuration, as it is by default.
pub(crate) fn peers() -> config::Chain {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("chains")).unwrap();
    fs::write(directory.path().join("blockcast.toml"), "").unwrap();
    let text = "chain = \"litecoin\"\n[peers]\nfixed = [{ address = \"pool.example:9333\" }]\n";
    fs::write(directory.path().join("chains/litecoin.toml"), text).unwrap();
    let config = config::load(directory.path(), [], KNOWN_CHAINS).expect("a good configuration");
    config.enabled_chains().next().expect("one chain").clone()
}

/// Looks again and again: of what actors do nobody outside is told.
async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "in vain: {what}");
}

/// Hands a block in, waits for the peer's proof, and for the book to hear of it.
async fn deliver(chain: &ChainHandle, block: &Block, deliveries: u64) {
    let delivery = chain.relay.submit(Submission::own(Source::Rest, block.bytes.clone()));
    assert!(delivery.reached(Goal::Peers(1), PATIENCE).await, "the peer takes it");
    eventually("the book hears of it", || chain.book().iter().any(|entry| entry.deliveries == deliveries))
        .await;
}

fn only_peer(chain: &ChainHandle) -> PeerId {
    let peers = chain.relay.peers();
    assert_eq!(peers.len(), 1, "{peers:?}");
    peers[0].id
}

fn on_system(test: impl Future<Output = ()>) {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
    };
    System::with_tokio_rt(runtime).block_on(test);
}

#[test]
fn a_crashed_chain_is_rebuilt_around_its_live_connection_and_another_chain_does_not_notice() {
    on_system(async {
        let world = World::start().await;
        let (chain, other) = (world.chain("litecoin"), world.chain("other"));
        let peers = (only_peer(chain), only_peer(other));
        let blocks = block::chain(HEIGHT + 1);
        let first = block::on(blocks[HEIGHT as usize].hash, HEIGHT + 1, 1);
        deliver(chain, &first, 1).await;

        world.crash(chain, Crash::Broadcaster).await;

        let second = block::on(first.hash, HEIGHT + 2, 1);
        deliver(chain, &second, 2).await;
        assert_eq!(world.peers[0].blocks(), [&first.bytes, &second.bytes]);
        assert_eq!((only_peer(chain), only_peer(other)), peers, "the connections are the same");
        assert_eq!((chain.restarts(), chain.dials().attempts), (1, 1), "nobody was dialled again");
        assert!(!chain.given_up());

        assert_eq!((other.restarts(), other.dials().attempts), (0, 1));
        deliver(other, &first, 1).await;
        world.engine.shut_down(Duration::ZERO).await;
    });
}

#[test]
fn the_end_of_an_adopted_connection_reaches_the_book() {
    on_system(async {
        let world = World::start().await;
        let chain = world.chain("litecoin");
        let block = block::on(block::chain(HEIGHT + 1)[HEIGHT as usize].hash, HEIGHT + 1, 1);
        deliver(chain, &block, 1).await;
        world.crash(chain, Crash::Broadcaster).await;
        // It asks for a transaction that cannot be, and is hung up on.
        let request = GetBlockTxn { block: block.hash, indexes: vec![99] };
        world.peers[0].say(Message::GetBlockTxn(request));
        eventually("the book knows that it is gone", || {
            chain.book().iter().any(|entry| entry.state == "idle" && entry.failures_in_a_row == 1)
        })
        .await;
        world.engine.shut_down(Duration::ZERO).await;
    });
}

/// actix tells nobody that an actor has panicked: each of them has to see to it that it is missed.
#[test]
fn the_crash_of_any_of_a_chains_actors_rebuilds_them_all() {
    on_system(async {
        let world = World::start().await;
        let chain = world.chain("litecoin");
        let peer = only_peer(chain);
        for (crash, restarts) in [(Crash::Book, 1), (Crash::Connection, 2)] {
            world.crash(chain, crash).await;
            assert_eq!((chain.restarts(), only_peer(chain)), (restarts, peer), "{crash:?}");
        }
        let block = block::on(block::chain(HEIGHT + 1)[HEIGHT as usize].hash, HEIGHT + 1, 1);
        deliver(chain, &block, 1).await;
        assert_eq!(chain.dials().attempts, 1);
        world.engine.shut_down(Duration::ZERO).await;
    });
}
