//! What can go wrong with a world.

use std::{io, path::PathBuf};

/// Why a world could not be started, or did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorldError {
    /// No port could be had on the loopback interface.
    #[error("no port on 127.0.0.1 for {member}: {source}")]
    Bind {
        /// For whom.
        member: String,
        /// What the system says.
        source: io::Error,
    },
    /// A cookie file could not be written.
    #[error("the cookie file {} cannot be written: {source}", path.display())]
    Cookie {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A world without members.
    #[error("a world needs at least one member")]
    Empty,
    /// A quorum on a chain that makes no block final.
    #[error("the chain knows no locks, so it needs no quorum")]
    NoLocks,
    /// A member of the quorum that is none of the world.
    #[error("member {0} of the quorum is not among the world's")]
    Stranger(usize),
    /// Two members have the same name.
    #[error("two members are called {0:?}")]
    SameName(String),
    /// Nobody has this name.
    #[error("no member is called {0:?}")]
    Unknown(String),
}

impl WorldError {
    /// A stable word for metric labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bind { .. } => "bind",
            Self::Cookie { .. } => "cookie",
            Self::Empty => "empty",
            Self::NoLocks => "no_locks",
            Self::Stranger(_) => "stranger",
            Self::SameName(_) => "same_name",
            Self::Unknown(_) => "unknown_member",
        }
    }
}
