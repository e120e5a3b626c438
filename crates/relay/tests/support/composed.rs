//! A chain that makes blocks final as Dash does and is merge-mined as Dogecoin is, and has blocks that are cheap to make.

use bytes::Bytes;
use chain::{AuxWork, Chain, Finality, Finding, Inspection, Network, Params, SessionPolicy};
use dash::ChainLocks;
use dogecoin::Dogecoin;
use litecoin::Litecoin;
use wire::{BlockHash, Command, Dialect, Header, InvItem, Message, sha256d};

use super::Block;

/// Litecoin's regtest with ChainLocks and aux work, among peers that want strictly more work.
#[derive(Debug)]
pub(crate) struct Composed(Litecoin, Dogecoin, SessionPolicy);

impl Default for Composed {
    fn default() -> Self {
        let litecoin = Litecoin::new(Network::Regtest);
        let policy = SessionPolicy { strictly_more_work: true, ..litecoin.session_policy().clone() };
        Self(litecoin, Dogecoin::new(Network::Regtest), policy)
    }
}

impl Chain for Composed {
    fn params(&self) -> &Params {
        self.0.params()
    }

    fn dialect(&self) -> &dyn Dialect {
        self.0.dialect()
    }

    fn session_policy(&self) -> &SessionPolicy {
        &self.2
    }

    fn block_hash(&self, header: &Header) -> BlockHash {
        self.0.block_hash(header)
    }

    fn check_work(&self, header: &Header) -> Result<(), Finding> {
        self.0.check_work(header)
    }

    fn inspect(&self, block: &Bytes, now: u32) -> Inspection {
        self.0.inspect(block, now)
    }

    fn finality(&self) -> Option<&dyn Finality> {
        Some(&ChainLocks)
    }

    fn aux_work(&self) -> Option<&dyn AuxWork> {
        Some(&self.1)
    }
}

/// A lock of a block, with a signature of this byte.
pub(crate) fn clsig(block: &Block, height: u32, signature: u8) -> Bytes {
    [&height.to_le_bytes()[..], block.hash.as_wire(), &[signature; 96]].concat().into()
}

/// A lock as a message.
pub(crate) fn message(lock: &Bytes) -> Message {
    Message::Unknown { command: Command::literal("clsig"), payload: lock.clone() }
}

/// A lock by its name, as it is announced and asked for.
pub(crate) fn inv(lock: &Bytes) -> Vec<InvItem> {
    vec![InvItem { kind: 29, hash: sha256d(lock) }]
}
