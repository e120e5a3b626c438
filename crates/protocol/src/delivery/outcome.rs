//! The words for what became of a delivery.

use std::fmt;

use serde::Serialize;
use wire::BlockHash;

/// What became of a block at one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The peer has it in its active chain, and said so.
    Accepted,
    /// It had it before we sent it.
    AlreadyHad,
    /// It has a rival on the same parent.
    Outraced {
        /// The rival.
        by: BlockHash,
    },
    /// It processed the message and said nothing about the block.
    ProcessedUnproven,
    /// It said that it refuses the block.
    Rejected {
        /// In its words.
        reason: String,
    },
    /// We did not send it.
    Withheld {
        /// Why not.
        reason: WithheldReason,
    },
    /// The connection ended before the peer had processed it.
    Disconnected,
    /// Nothing was heard in time.
    TimedOut,
}

/// Why a block was not sent to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WithheldReason {
    /// The peer is an observer: it is never pushed to, so that its announcement proves that the network has the block.
    Observer,
    /// The peer is not known to have the block's parent; the block would cost us points.
    ParentUnknown,
    /// The peer has a block of the same height, and takes an unasked block only if it has more work than its tip: it
    /// would drop this one unseen.
    NotMoreWork,
    /// The block has a finding for which a peer would punish us.
    Finding,
    /// Every node of ours has refused it.
    Refused,
    /// A newer block of ours has left this one behind.
    Superseded,
    /// The peer's lane has no room for it.
    LaneFull,
    /// Deliveries of this block were running at two crashes: it goes to the nodes only.
    Quarantined,
}

impl WithheldReason {
    /// The word for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observer => "observer",
            Self::ParentUnknown => "parent_unknown",
            Self::NotMoreWork => "not_more_work",
            Self::Finding => "finding",
            Self::Refused => "refused",
            Self::Superseded => "superseded",
            Self::LaneFull => "lane_full",
            Self::Quarantined => "quarantined",
        }
    }
}

impl Outcome {
    /// Every word that [`kind`](Self::kind) can be.
    pub const KINDS: [&'static str; 8] = [
        "accepted",
        "already_had",
        "outraced",
        "processed_unproven",
        "rejected",
        "withheld",
        "disconnected",
        "timed_out",
    ];

    /// The word for reports and metric labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::AlreadyHad => "already_had",
            Self::Outraced { .. } => "outraced",
            Self::ProcessedUnproven => "processed_unproven",
            Self::Rejected { .. } => "rejected",
            Self::Withheld { .. } => "withheld",
            Self::Disconnected => "disconnected",
            Self::TimedOut => "timed_out",
        }
    }

    /// What the word leaves open: the rival, the reason.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Outraced { by } => Some(format!("by {by}")),
            Self::Rejected { reason } => Some(reason.clone()),
            Self::Withheld { reason } => Some(reason.as_str().into()),
            _ => None,
        }
    }

    /// Whether the peer has the block in its active chain.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Accepted | Self::AlreadyHad)
    }

    /// Whether something that is heard later may still improve on it.
    pub(super) fn is_provisional(&self) -> bool {
        matches!(self, Self::ProcessedUnproven | Self::Outraced { .. } | Self::Withheld { .. })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        self.detail().map_or(Ok(()), |detail| write!(f, " ({detail})"))
    }
}
