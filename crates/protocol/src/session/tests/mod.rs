//! Conversations with injected time and a shelf that says what the test wants.

mod addresses;
#[path = "../../../../wire/tests/common/allocations.rs"]
mod allocations;
mod dash;
mod dogecoin;
mod gossip;
mod handshake;
mod litecoin;
mod mutation;
mod objects;
mod property;
mod replay;
mod serve;
mod steady;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use ::litecoin::Litecoin;
use bytes::Bytes;
use chain::{Chain, IndexedBlock, Network};
use serde_json::Value;
use wire::{
    BlockHash, DecodeError, Header, Message, NetworkAddress, Services, VersionDetails, VersionMessage,
    sha256d,
};

use super::{Disconnect, Event, Introduction, Output, Session, Shelf};

/// The nonce in our `version`.
const OUR_NONCE: u64 = 0x0123_4567_89ab_cdef;

/// What the recorded daemon offers: NETWORK, WITNESS, NETWORK_LIMITED, MWEB.
const FULL_NODE: Services = Services(0x100_0409);

static REGTEST: LazyLock<Arc<dyn Chain>> = LazyLock::new(|| Arc::new(Litecoin::new(Network::Regtest)));

/// A shelf of which a test says what is on it.
struct FakeShelf {
    blocks: HashMap<BlockHash, Arc<IndexedBlock>>,
    headers: Vec<Header>,
    locator: Vec<BlockHash>,
    known: HashSet<BlockHash>,
    objects: HashMap<[u8; 32], Bytes>,
    awaited: HashSet<BlockHash>,
}

impl Shelf for FakeShelf {
    fn block(&self, hash: &BlockHash) -> Option<Arc<IndexedBlock>> {
        self.blocks.get(hash).cloned()
    }

    fn headers_after(&self, _: &[BlockHash], _: BlockHash) -> Vec<Header> {
        self.headers.clone()
    }

    fn locator(&self) -> Vec<BlockHash> {
        self.locator.clone()
    }

    fn knows(&self, hash: &BlockHash) -> bool {
        self.known.contains(hash)
    }

    fn object(&self, id: &[u8; 32]) -> Option<Bytes> {
        self.objects.get(id).cloned()
    }

    fn awaits(&self, block: &BlockHash) -> bool {
        self.awaited.contains(block)
    }
}

/// A session, the time, and the shelf.
struct Talk {
    chain: Arc<dyn Chain>,
    session: Session,
    shelf: FakeShelf,
    now: Instant,
}

impl Talk {
    /// A fresh connection, our `version` not taken from the queue yet.
    fn new() -> Self {
        Self::on(&REGTEST)
    }

    /// The same, on another chain.
    fn on(chain: &Arc<dyn Chain>) -> Self {
        Self::introduced(chain, false)
    }

    /// The same, with a session that wants to hear of others, or does not.
    fn introduced(chain: &Arc<dyn Chain>, gossip: bool) -> Self {
        let now = Instant::now();
        let introduction = Introduction {
            nonce: OUR_NONCE,
            user_agent: "/Blockcast:test/".into(),
            timestamp: 1_795_000_000,
            receiver: NetworkAddress::UNSPECIFIED,
            start_height: 7,
            gossip,
        };
        let shelf = FakeShelf {
            blocks: HashMap::new(),
            headers: Vec::new(),
            locator: vec![hash(b"tip"), chain.params().genesis],
            known: HashSet::new(),
            objects: HashMap::new(),
            awaited: HashSet::new(),
        };
        let session = Session::new(chain.clone(), introduction, now);
        Self { chain: chain.clone(), session, shelf, now }
    }

    /// A conversation with the handshake done at this very moment.
    fn ready() -> Self {
        Self::ready_on(&REGTEST, version())
    }

    /// The same, on another chain, with a daemon that introduces itself like this.
    fn ready_on(chain: &Arc<dyn Chain>, version: VersionMessage) -> Self {
        let mut talk = Self::on(chain);
        talk.hear(Message::Version(version));
        talk.hear(Message::Verack);
        assert!(talk.session.is_ready());
        talk
    }

    /// Everything that the session asks for.
    fn drain(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.session.poll()).collect()
    }

    fn hear(&mut self, message: Message) -> Vec<Output> {
        self.session.handle(message, &self.shelf, self.now);
        self.drain()
    }

    fn hear_garbage(&mut self) -> Vec<Output> {
        let error = DecodeError::Invalid { what: "test", offset: 0, why: "a test says so".into() };
        self.session.handle_undecodable(&error, self.now);
        self.drain()
    }

    /// Lets time pass, then tells the session.
    fn wait(&mut self, time: Duration) -> Vec<Output> {
        self.now += time;
        self.session.tick(&self.shelf, self.now);
        self.drain()
    }

    /// Puts a block on the shelf.
    fn shelve(&mut self, block: &Arc<IndexedBlock>) {
        self.shelf.blocks.insert(block.hash, block.clone());
        self.shelf.known.insert(block.hash);
    }
}

/// A `version` that nothing is wrong with.
fn version() -> VersionMessage {
    VersionMessage {
        protocol: 70_017,
        services: FULL_NODE,
        timestamp: 1_795_000_000,
        receiver: (Services::default(), NetworkAddress::UNSPECIFIED),
        details: Some(VersionDetails {
            sender: (Services::default(), NetworkAddress::UNSPECIFIED),
            nonce: 42,
            user_agent: Bytes::from_static(b"/LitecoinCore:0.21.5.5/"),
            start_height: 200,
            relay: Some(true),
            extension: Bytes::new(),
        }),
    }
}

fn hash(name: &[u8]) -> BlockHash {
    BlockHash::from_wire(sha256d(name))
}

/// The commands of the messages to send, in order.
fn commands(outputs: &[Output]) -> Vec<String> {
    let command = |output: &Output| match output {
        Output::Send(message) => Some(message.command().to_string()),
        _ => None,
    };
    outputs.iter().filter_map(command).collect()
}

/// The messages to send, as commands and payloads, in order.
fn sent(outputs: &[Output]) -> Vec<(String, Bytes)> {
    let message = |output: &Output| match output {
        Output::Send(message) => Some((message.command().to_string(), message.encode())),
        _ => None,
    };
    outputs.iter().filter_map(message).collect()
}

fn events(outputs: &[Output]) -> Vec<&Event> {
    fn event(output: &Output) -> Option<&Event> {
        match output {
            Output::Event(event) => Some(event),
            _ => None,
        }
    }
    outputs.iter().filter_map(event).collect()
}

/// Why the session hangs up; it must be the last that it asks for.
fn hangs_up(outputs: &[Output]) -> Option<&Disconnect> {
    let place = outputs.iter().position(|output| matches!(output, Output::Disconnect(_)))?;
    assert_eq!(place + 1, outputs.len(), "nothing follows a disconnect: {outputs:?}");
    match &outputs[place] {
        Output::Disconnect(reason) => Some(reason),
        _ => None,
    }
}

/// A recorded block.
fn recorded_block(chain: &Arc<dyn Chain>, file: &str) -> Arc<IndexedBlock> {
    let (bytes, _) = recordings::block(file);
    let inspection = chain.inspect(&bytes, u32::MAX);
    Arc::new(inspection.block.expect("a block that can be read"))
}

/// One of 28 transactions.
fn block() -> Arc<IndexedBlock> {
    static BLOCK: LazyLock<Arc<IndexedBlock>> =
        LazyLock::new(|| recorded_block(&REGTEST, "litecoin/block_20tx_segwit.json"));
    BLOCK.clone()
}
