//! What a node makes of a block.

use std::fmt;

use wire::BlockHash;

/// How a block came to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `submitblock`: whatever it is, it is looked at, and a missing coinbase witness is put in.
    Rpc,
    /// From a peer. A block that the node did not ask for is looked at only if it has enough work.
    Peer {
        /// Whether the node had asked for it.
        asked: bool,
    },
}

/// What came of giving a block to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is in the active chain now, and so are these, from old to new: the block itself and, after a
    /// reorganisation, others of its branch.
    Connected(Vec<BlockHash>),
    /// It is kept beside the active chain.
    Side,
    /// The node has had it before.
    Duplicate,
    /// Nobody asked for it and it has too little work: not even looked at.
    Ignored,
    /// It is no block.
    Undecodable,
    /// It is refused because its parent is not known, in the daemon's word.
    Orphan(&'static str),
    /// It is refused, in the daemon's word.
    Refused(String),
}

impl Verdict {
    /// The result of `submitblock`: `None` is `null`. An undecodable block has none: it is an error there (-22).
    pub fn word(&self) -> Option<&str> {
        match self {
            Self::Connected(_) => None,
            Self::Side | Self::Ignored => Some("inconclusive"),
            Self::Duplicate => Some("duplicate"),
            Self::Undecodable => Some("decode-failed"),
            Self::Orphan(word) => Some(word),
            Self::Refused(word) => Some(word),
        }
    }

    /// Whether the block is in the active chain because of this.
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected(_))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word().unwrap_or("null"))
    }
}

/// Where a block stands with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Only its header is known.
    HeaderOnly,
    /// Its body is there; it was never in the active chain.
    Stored,
    /// It is in the active chain, or was.
    Validated,
    /// It, or a block below it, was found invalid.
    Invalid,
    /// A lock forbids it, or a block below it.
    Conflicting,
}

impl Standing {
    /// Whether it can never become part of the active chain.
    pub fn is_hopeless(self) -> bool {
        matches!(self, Self::Invalid | Self::Conflicting)
    }
}

/// The end of a branch, as `getchaintips` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainTip {
    /// Its last block.
    pub hash: BlockHash,
    /// That block's height.
    pub height: u32,
    /// How many blocks it has that the active chain has not.
    pub branch_length: u32,
    /// `active`, `valid-fork`, `valid-headers`, `headers-only`, `invalid` or `conflicting`.
    pub status: &'static str,
}
