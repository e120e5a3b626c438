//! Why a peer is in the book, and what that is worth.

use super::{Backoff, Score};

/// Why an address is in the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// One of our own nodes, by its configured name.
    Own {
        /// Its name.
        node: String,
    },
    /// A peer that the operator named.
    Fixed {
        /// How much it matters.
        priority: Priority,
    },
    /// A peer from the [chain's own source](chain::PeerSource): worth more than any other that the operator did not
    /// name.
    Preferred {
        /// What it is, in the source's words: `quorum`, `masternode`.
        label: &'static str,
        /// How much it is worth among its like: the source names its most valuable first, with the highest number.
        weight: u8,
    },
    /// Anybody else.
    Discovered(Source),
}

/// How we came to know of a stranger; what is greater is better known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Another peer told.
    Gossip,
    /// It is built in.
    Seed,
    /// A DNS seed named it.
    Dns,
    /// A node of ours is connected to it.
    Node,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Gossip, Self::Seed, Self::Dns, Self::Node];

    /// The word for status, files and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gossip => "gossip",
            Self::Seed => "seed",
            Self::Dns => "dns",
            Self::Node => "node",
        }
    }
}

/// How much a fixed peer matters to the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// As much as any.
    Normal,
    /// More.
    High,
    /// Most: sent to first, never made an observer.
    Critical,
}

/// How much a kind of peer matters; what is greater matters more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// A stranger.
    Discovered,
    /// Preferred by the chain, by weight.
    Preferred(u8),
    /// Named by the operator.
    Fixed(Priority),
    /// One of our own nodes.
    Own,
}

impl Kind {
    /// Whether it is one of our own nodes.
    pub fn is_own(&self) -> bool {
        matches!(self, Self::Own { .. })
    }

    /// Whether the operator named it.
    pub fn is_fixed(&self) -> bool {
        matches!(self, Self::Fixed { .. })
    }

    /// Whether it is a stranger, whom only strangers vouch for.
    pub fn is_discovered(&self) -> bool {
        matches!(self, Self::Discovered(_))
    }

    /// Peers of a [chain's own source](chain::PeerSource) by their labels, of which the first is worth most.
    pub fn preferred(labels: &[&'static str], label: &'static str) -> Self {
        let behind = labels.iter().rev().position(|known| *known == label).unwrap_or(0);
        Self::Preferred { label, weight: u8::try_from(behind).unwrap_or(u8::MAX) }
    }

    /// Own nodes before fixed peers by priority, before those that the chain prefers, before the rest.
    pub fn rank(&self) -> Rank {
        match self {
            Self::Own { .. } => Rank::Own,
            Self::Fixed { priority } => Rank::Fixed(*priority),
            Self::Preferred { weight, .. } => Rank::Preferred(*weight),
            Self::Discovered(_) => Rank::Discovered,
        }
    }

    /// The score that it begins with.
    pub(super) fn start(&self) -> f64 {
        match self {
            Self::Preferred { weight, .. } => Score::PREFERRED.0 + Score::PREFERRED.1 * f64::from(*weight),
            Self::Discovered(source) if *source < Source::Node => Score::DISCOVERED,
            _ => Score::KNOWN,
        }
    }

    /// Whether an address of this kind is, from now on, of another that was just heard of: of a better one, or of
    /// another that the chain prefers, since members of quorums come and go.
    pub(super) fn gives_way_to(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Preferred { .. }, Self::Preferred { .. }) => true,
            (Self::Discovered(known), Self::Discovered(source)) => source > known,
            _ => other.rank() > self.rank(),
        }
    }

    /// The word for status and metric labels.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Own { .. } => "own",
            Self::Fixed { .. } => "fixed",
            Self::Preferred { label, .. } => label,
            Self::Discovered(source) => source.as_str(),
        }
    }

    pub(super) fn backoff(&self) -> Backoff {
        match self {
            Self::Own { .. } => Backoff::OWN,
            Self::Fixed { .. } => Backoff::FIXED,
            Self::Preferred { .. } | Self::Discovered(_) => Backoff::PEER,
        }
    }
}
