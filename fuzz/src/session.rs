//! A conversation: messages and times.

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes};
use chain::{Chain, IndexedBlock, Network, TransactionEntry};
use dash::Dash;
use dogecoin::Dogecoin;
use litecoin::Litecoin;
use protocol::session::{Introduction, Output, Session, Shelf};
use wire::{BlockHash, DamageKind, Header, Message, NetworkAddress, Txid, Wtxid};

use crate::{allocations::Meter, messages::command};

/// A step of a conversation begins with one of these; any other byte is the command of a message, as
/// [`messages`](crate::messages) counts, behind which come its length (two bytes, little-endian) and its payload.
pub mod step {
    /// Time passes: so many milliseconds (two bytes, little-endian).
    pub const WAIT: u8 = 0xff;
    /// More time passes: so many seconds (one byte).
    pub const WAIT_LONG: u8 = 0xfe;
    /// A frame with a wrong checksum.
    pub const DAMAGE: u8 = 0xfd;
}

static CHAINS: LazyLock<[Arc<dyn Chain>; 3]> = LazyLock::new(|| {
    let network = Network::Regtest;
    [Arc::new(Litecoin::new(network)), Arc::new(Dogecoin::new(network)), Arc::new(Dash::new(network))]
});

/// The name of the block that can be asked for: easy to guess.
pub const BLOCK: BlockHash = BlockHash::from_wire([7; 32]);

/// A shelf with one block of one transaction.
struct OneBlock(Arc<IndexedBlock>);

impl OneBlock {
    fn new() -> Self {
        let entry = TransactionEntry { offset: 81, length: 19, txid: Txid::ZERO, wtxid: Wtxid::ZERO };
        let header = Header::new([7; 80]);
        let bytes = Bytes::from_static(&[7; 100]);
        Self(Arc::new(IndexedBlock { hash: BLOCK, header, height: None, bytes, transactions: vec![entry] }))
    }
}

impl Shelf for OneBlock {
    fn block(&self, hash: &BlockHash) -> Option<Arc<IndexedBlock>> {
        (*hash == BLOCK).then(|| self.0.clone())
    }

    fn headers_after(&self, locator: &[BlockHash], _: BlockHash) -> Vec<Header> {
        vec![self.0.header.clone(); locator.len().min(2)]
    }

    fn locator(&self) -> Vec<BlockHash> {
        vec![BLOCK]
    }

    fn knows(&self, hash: &BlockHash) -> bool {
        *hash == BLOCK
    }
}

/// Input: [`step`]s, up to the first that is not whole. Each chain has the same conversation.
///
/// # Panics
/// When a session says something after its end, more than it may, or keeps memory.
pub fn run(data: &[u8]) {
    for chain in &*CHAINS {
        converse(chain, data);
    }
}

fn converse(chain: &Arc<dyn Chain>, data: &[u8]) {
    let (shelf, begin) = (OneBlock::new(), Instant::now());
    let introduction = Introduction {
        nonce: 1,
        user_agent: "/Blockcast:fuzz/".into(),
        timestamp: 0,
        receiver: NetworkAddress::UNSPECIFIED,
        start_height: 0,
        gossip: true,
    };
    let meter = Meter::start();
    let mut session = Session::new(chain.clone(), introduction, begin);
    let (mut now, mut bodies, mut over) = (begin, 0, false);
    drain(&mut session);
    let mut rest = data;
    while let Some((&first, mut behind)) = rest.split_first() {
        let mut said = 0;
        match first {
            step::WAIT => {
                let Ok(time) = behind.try_get_u16_le() else { return };
                now += Duration::from_millis(time.into());
                session.tick(&shelf, now);
            }
            step::WAIT_LONG => {
                let Ok(time) = behind.try_get_u8() else { return };
                now += Duration::from_secs(time.into());
                session.tick(&shelf, now);
            }
            step::DAMAGE => session.handle_damaged(DamageKind::Checksum, now),
            byte => {
                let Ok(length) = behind.try_get_u16_le() else { return };
                let Some((payload, next)) = behind.split_at_checked(length.into()) else { return };
                behind = next;
                said = payload.len();
                match Message::decode(command(byte), Bytes::copy_from_slice(payload), chain.dialect()) {
                    Ok(message) => session.handle(message, &shelf, now),
                    Err(error) => session.handle_undecodable(&error, now),
                }
            }
        }
        rest = behind;
        let outputs = drain(&mut session);
        assert!(!over || outputs.is_empty(), "after the end: {outputs:?}");
        let mut other = 0;
        for (place, output) in outputs.iter().enumerate() {
            match output {
                Output::Send(Message::Block(_) | Message::BlockTxn(_)) => bodies += 1,
                Output::Send(message) => other += message.encode().len(),
                Output::Disconnect(_) => {
                    assert_eq!(place + 1, outputs.len(), "nothing follows: {outputs:?}");
                    over = true;
                }
                Output::RaiseLimit(limit) => assert_eq!(*limit, chain.session_policy().max_payload),
                Output::Event(_) => {}
            }
        }
        assert!(other <= said + 512, "{other} bytes for {said}: {outputs:?}");
        let allowed = 32 + now.duration_since(begin).as_secs();
        assert!(bodies <= allowed, "{bodies} bodies, {allowed} are allowed");
        drop(outputs);
        assert!(meter.held() < 64 * 1024, "{} bytes are kept", meter.held());
    }
}

fn drain(session: &mut Session) -> Vec<Output> {
    std::iter::from_fn(|| session.poll()).collect()
}
