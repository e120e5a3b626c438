//! A block handed in, by whatever door.

use std::time::Instant;

use bytes::Bytes;
use ledger::Source;
use serde::Serialize;

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
    /// How far its origin is to be trusted.
    pub trust: Trust,
    /// Who handed it in, as far as that is known: for the history.
    pub submitter: Option<String>,
    /// The block as it came.
    pub bytes: Bytes,
    /// The caller's own hex digits of it, if it came in hex: the nodes get the very same, and no time is lost on
    /// writing them anew.
    pub hex: Option<Bytes>,
    /// Whether the journal has it already, from an earlier run.
    pub on_disk: bool,
    /// When its last byte had arrived. All times of the report count from here.
    pub received_at: Instant,
}

impl Submission {
    /// A block of our own pool, received now.
    pub fn own(source: Source, bytes: Bytes) -> Self {
        Self {
            source,
            trust: Trust::Own,
            submitter: None,
            bytes,
            hex: None,
            on_disk: false,
            received_at: Instant::now(),
        }
    }
}
