//! A block handed in, by whatever door.

use std::time::Instant;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The door that a block came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The pool's JSON-RPC.
    FrontDoor,
    /// `POST /api/v1/chains/{chain}/blocks`.
    Rest,
    /// `blockcast submit`.
    Cli,
    /// The journal, after a restart.
    Replay,
}

impl Source {
    /// The word for reports and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FrontDoor => "front_door",
            Self::Rest => "rest",
            Self::Cli => "cli",
            Self::Replay => "replay",
        }
    }
}

/// How far the block's origin is to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Our own pool found it: it is pushed to peers as soon as it is found sound.
    Own,
}

/// A block handed in.
#[derive(Debug, Clone)]
pub struct Submission {
    /// By which door.
    pub source: Source,
    /// From whom.
    pub trust: Trust,
    /// The block as it came.
    pub bytes: Bytes,
    /// The caller's own hex digits of it, if it came in hex: the nodes get the very same, and no time is lost on
    /// writing them anew.
    pub hex: Option<Bytes>,
    /// When its last byte had arrived. All times of the report count from here.
    pub received_at: Instant,
}

impl Submission {
    /// A block of our own pool, received now.
    pub fn own(source: Source, bytes: Bytes) -> Self {
        Self { source, trust: Trust::Own, bytes, hex: None, received_at: Instant::now() }
    }
}
