//! In which way a block can be wrong.

use crate::Profile;

/// What is wrong, or odd, about a block that is good in every other respect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// The merkle root has one bit wrong.
    BadMerkleRoot,
    /// The hash is above the target: the block's own or, if it is merge-mined, its parent's.
    HighHash,
    /// A merge-mined block whose parent commits to another block. On a block with its own work there is nothing wrong.
    BrokenCommitment,
    /// The coinbase claims one unit more than subsidy and fees can be.
    BadCoinbaseAmount,
    /// The parent is a block that nobody has.
    UnknownParent,
    /// The time is the median of the eleven blocks before, one second too early.
    TimeTooOld,
    /// The time is four hours ahead.
    TimeTooNew,
    /// The version is 1, from before there was merged mining.
    BadVersion,
    /// The coinbase lacks its witness, as old pool software has it. A node puts it in when the block is submitted to
    /// it; to a peer the block is broken.
    MissingCoinbaseWitness,
    /// Ten zero bytes behind the block. Nobody looks at them.
    TrailingBytes,
}

impl Flaw {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::BadMerkleRoot,
        Self::HighHash,
        Self::BrokenCommitment,
        Self::BadCoinbaseAmount,
        Self::UnknownParent,
        Self::TimeTooOld,
        Self::TimeTooNew,
        Self::BadVersion,
        Self::MissingCoinbaseWitness,
        Self::TrailingBytes,
    ];

    /// What an honest node says to its first `submitblock`; `None` is `null`, acceptance. It is about blocks that are made
    /// as the chain makes them today: on a chain with merged mining, above its beginning.
    pub fn verdict(self, profile: &Profile) -> Option<&'static str> {
        let is_merged = profile.mining.merged.is_some();
        match self {
            Self::BadMerkleRoot => Some("bad-txnmrklroot"),
            Self::HighHash => Some("high-hash"),
            Self::BrokenCommitment => is_merged.then_some("high-hash"),
            Self::BadCoinbaseAmount => Some("bad-cb-amount"),
            Self::UnknownParent => Some(profile.orphan),
            Self::TimeTooOld => Some("time-too-old"),
            Self::TimeTooNew => Some("time-too-new"),
            Self::BadVersion if is_merged => Some("late-legacy-block"),
            Self::BadVersion => Some("bad-version(0x00000001)"),
            Self::MissingCoinbaseWitness | Self::TrailingBytes => None,
        }
    }
}
