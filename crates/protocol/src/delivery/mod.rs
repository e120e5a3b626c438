//! What became of a block at each peer.
//!
//! A delivery passes through **stages**, each with its time: *queued* in the peer's lane, *written* to the socket,
//! *acked* by the peer's kernel, *processed* by its program. None of them means that the peer likes the block. Its
//! **outcome** says that, and every outcome has its evidence:
//!
//! | what we see | what it proves |
//! |---|---|
//! | bytes written, even acknowledged by TCP | nothing: a stopped daemon "takes" megabytes in milliseconds |
//! | the pong to a ping sent right behind the block | the peer has processed the block message, whatever it made of it |
//! | the reply to a `getheaders` with the block's parent as locator begins with our block | our block is in its active chain: **accepted** |
//! | the same reply begins with another block | a rival is: **outraced** |
//! | the peer announces our block by `inv` or `headers` | **accepted**; if nothing was sent to it before, it **already had** it |
//! | a `cmpctblock` of ours comes back | nothing: it may be sent before validation |
//! | the connection ends before the pong | **disconnected**: perhaps a punishment |
//! | neither pong nor proof in time | **timed out** |
//!
//! So every push is three messages on one connection: the block, the `getheaders` probe, the ping. Daemons process
//! them in order and answer in order, hence the pong closes the question: no proof before it means
//! *processed, unproven*, which a later announcement can still turn into *accepted*.

mod outcome;
mod tracker;

pub use outcome::{Outcome, WithheldReason};
pub use tracker::{Delivery, Stages, Tracker};
