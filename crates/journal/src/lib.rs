//! Open blocks on disk: append, sync, replay.
//!
//! A pool's block is worth thousands of dollars, and between the moment the pool is told "got it" and the moment the
//! chain has it, this process is responsible for it. The journal is what makes that promise survive a crash or a power
//! cut: a block is written and synced *before* it is acknowledged to the pool, *beside* (never before) being sent to the
//! network, and handed back by the next start until somebody says that it is done. It holds open blocks only; history
//! is the ledger's business.
//!
//! ```
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! use journal::{Entry, Journal, Key};
//!
//! let (journal, recovery) = Journal::open(&dir.path().join("journal"))?;
//! for entry in recovery.open {
//!     // Send it again; close it when the chain has it.
//! }
//!
//! let key = Key::new([7; 32]); // a digest of the chain's name and the block's bytes
//! let block = bytes::Bytes::from_static(b"block");
//! let saved = journal.append(Entry { key, chain: "litecoin".into(), meta: Default::default(), block });
//! // ... the sends start here, without waiting ...
//! match saved.await {
//!     Ok(durable) => println!("acknowledge: on disk after {:?}", durable.took),
//!     Err(reason) => println!("still send it, but say that it is not durable: {reason}"),
//! }
//! // ... a node has confirmed it ...
//! journal.close(key);
//! journal.shutdown();
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
//! ```
//!
//! # What it guarantees
//!
//! - [`Append`] resolves to `Ok` only after `fdatasync` of the file has returned, and after `fsync` of the directory if
//!   the file is new. Such a block is in [`Recovery::open`] of every later start, byte for byte, until it is closed.
//! - Closing is written without a sync of its own, so a crash may hand back a block that was done. Sending it again does
//!   no harm, which makes this the cheap side to err on.
//! - When the disk is full or fails, the answer is [`NotDurable`] at once: the caller goes on sending. The block stays
//!   in memory and is tried again about once a second; [`Health::durable`] is true again when everything open is on disk.
//!   The log has one line when this begins and one when it ends.
//! - [`Journal::append`] never blocks and memory is bounded: 256 MiB of blocks waiting for the thread (then
//!   [`NotDurable::Backlog`]) and 256 MiB of open blocks (then those on disk leave memory and, where that is not enough,
//!   the oldest that cannot be saved is given up with an error in the log).
//! - Whatever the files contain, reading them does not panic and allocates no more than the largest record that a file
//!   has room for. Damage costs only the records it touches, is reported as [`Damage`], and its bytes are kept.
//! - Only two things in a directory keep it from opening: another process that holds it, and files of a newer release.
//!
//! # How it works
//!
//! One thread, named `journal`, does all file work, so a slow disk stalls nobody. It takes everything that waits, writes
//! it, syncs once and answers all (group commit): a hundred blocks at once cost little more than one.
//!
//! - `entry`: what is journaled. `journal`: the handle, the future and the thread.
//! - `store`: what is written when, and what a failure leads to; `held`: which blocks are open and where their bytes are.
//! - `record`: the bytes on disk. `segment`: one file being written. `scan`: one file being read. `recovery`: a
//!   directory being read.
//! - `disk`: the file system as a trait, so that tests can make every operation fail, and cut the power.
//!
//! Files are segments `00000001.log`, `00000002.log` and so on. Each start begins a new one and writes to it again what
//! is still open: bytes that can be read back after a crash may never have been synced. A segment is also left for good
//! after a failed sync, because the kernel may then have dropped the unwritten pages and report success the next time.
//! When files hold 64 MiB and less than half of it is open blocks, these are written to a new segment and the old ones
//! deleted. Beside them there may be `lock`, and what was set aside: `00000001.torn-123` (the end of a file, from offset
//! 123 on: a record that a crash cut short), `00000001.corrupt-123`, `00000001.unreadable-123`, and `00000001.damaged`
//! (a whole file, where a part could not be copied). The journal never reads or deletes these; an operator may.
//!
//! # Security
//!
//! The files hold what strangers submitted. They are created for the owner only; records carry a random salt so that a
//! block cannot pass parts of itself off as records where a damaged file is searched for the next one (see `record`).

mod disk;
mod entry;
mod error;
mod health;
mod held;
mod journal;
mod limits;
mod record;
mod recovery;
mod scan;
mod segment;
mod store;
#[cfg(test)]
mod tests;

pub use entry::{Entry, Key, MAX_BLOCK, MAX_CHAIN, MAX_META};
pub use error::{Fault, NotDurable, OpenError};
pub use health::Health;
pub use journal::{Append, Durable, Journal};
pub use recovery::{Damage, DamageKind, Recovery};
