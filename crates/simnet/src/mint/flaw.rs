//! In which way a block can be wrong.

/// What is wrong, or odd, about a block that is good in every other respect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// The merkle root has one bit wrong.
    BadMerkleRoot,
    /// The hash is above the target.
    HighHash,
    /// The coinbase claims one unit more than subsidy and fees can be.
    BadCoinbaseAmount,
    /// The parent is a block that nobody has.
    UnknownParent,
    /// The time is the median of the eleven blocks before, one second too early.
    TimeTooOld,
    /// The time is four hours ahead.
    TimeTooNew,
    /// The version is 1.
    BadVersion,
    /// The coinbase lacks its witness, as old pool software has it. A node puts it in when the block is submitted to
    /// it; to a peer the block is broken.
    MissingCoinbaseWitness,
    /// Ten zero bytes behind the block. Nobody looks at them.
    TrailingBytes,
}

impl Flaw {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::BadMerkleRoot,
        Self::HighHash,
        Self::BadCoinbaseAmount,
        Self::UnknownParent,
        Self::TimeTooOld,
        Self::TimeTooNew,
        Self::BadVersion,
        Self::MissingCoinbaseWitness,
        Self::TrailingBytes,
    ];

    /// What an honest Litecoin or Dash node says to its first `submitblock`; `None` is `null`, acceptance.
    pub fn verdict(self) -> Option<&'static str> {
        match self {
            Self::BadMerkleRoot => Some("bad-txnmrklroot"),
            Self::HighHash => Some("high-hash"),
            Self::BadCoinbaseAmount => Some("bad-cb-amount"),
            Self::UnknownParent => Some("prev-blk-not-found"),
            Self::TimeTooOld => Some("time-too-old"),
            Self::TimeTooNew => Some("time-too-new"),
            Self::BadVersion => Some("bad-version(0x00000001)"),
            Self::MissingCoinbaseWitness | Self::TrailingBytes => None,
        }
    }
}
