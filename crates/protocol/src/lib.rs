//! The protocol without the sockets: state machines that are told what happened and say what to do.
//!
//! Nothing here does I/O, reads a clock or draws a random number. Whoever drives a machine passes the time in, hands
//! it what arrived, and carries out what it asks for; so a test can replay a day in a millisecond, and every decision
//! that matters can be read in one place.
//!
//! | module | the question it answers |
//! |---|---|
//! | [`session`] | What do we say to this peer, and what does it tell us? |
//! | [`headers`] | Which chain is the best, and does that peer have this block's parent? |
//! | [`delivery`] | What became of a block at each peer, and how do we know? |
//! | [`fate`] | Where does the chain have our block, and is that its last word? |
//! | [`diagnosis`] | Why is it not there? |
//! | [`finality`] | What is final, who says so, and what follows for our blocks? |
//! | [`issuers`] | Which node issued this work, and so can take it back? |
//! | [`verdict`] | What does a node's answer to `submitblock` mean, and what is the pool told? |
//! | [`dedup`] | Have we seen this block before, perhaps in other bytes? |
//! | [`announcements`] | Who brings us new blocks, and how early? |
//! | [`sightings`] | When was a block of others first heard of, and from whom? |
//! | [`tips`] | Which blocks of others may be passed on? |
//! | [`book`] | Which peers are there, how good are they, and whom do we dial next? |
//!
//! # What is never claimed
//!
//! A byte in a socket buffer is not a delivered block. A delivery is called *accepted* only when the peer itself said
//! something that it can only say with our block in its active chain; see [`delivery`] for what counts and what does
//! not. A node's verdict is kept word for word beside whatever we make of it; see [`verdict`].

pub mod announcements;
pub mod book;
pub mod dedup;
pub mod delivery;
pub mod diagnosis;
pub mod fate;
pub mod finality;
pub mod headers;
pub mod issuers;
pub mod session;
pub mod sightings;
pub mod tips;
pub mod verdict;

use std::fmt;

/// A live connection's number, unique while the process runs. A peer that reconnects gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct PeerId(pub u64);

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}
