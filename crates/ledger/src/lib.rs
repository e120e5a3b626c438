//! The history of every block: its deliveries, every verdict, and the chain's last word.
//!
//! What operators ask about a block, days later, is in here: who handed it in and what they were told, each node's own
//! words and when they came, each peer's last stage and outcome, when the network was first heard to have it, where the
//! chain has it now, and why it is not there if it is not. The file is SQLite and can be read while the daemon runs:
//!
//! ```sh
//! sqlite3 -readonly data/ledger.sqlite "SELECT height, hash, state, diagnosis_text FROM blocks ORDER BY received_unix_ms DESC LIMIT 10"
//! ```
//!
//! It is derived, and nothing waits for it: blocks that are not done are the journal's business. Its loss, damage or lock
//! costs history and nothing else.
//!
//! ```
//! # async fn example() {
//! # let directory = tempfile::tempdir().unwrap();
//! # let path = directory.path().join("ledger.sqlite");
//! use std::time::Duration;
//! use ledger::{Filter, Ledger, Settings};
//!
//! let keep = Duration::from_secs(365 * 24 * 3600);
//! let ledger = Ledger::open(Settings { path, keep, max_bytes: 1_000_000_000, raw_blocks: 100 });
//! let newest = ledger.blocks(Filter { limit: 10, ..Filter::default() }).await.expect("the file can be used");
//! assert!(newest.is_empty());
//! ledger.shutdown();
//! # }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(example());
//! ```
//!
//! # Tables (version 1)
//!
//! | table | a row for | what is in it |
//! |---|---|---|
//! | `blocks` | each block (`chain`, `hash`) | height, parent, when and by which door it came first, the best `status` of its deliveries, the most peers, the first echo; what the chain says: `state`, `since_unix_ms`, `confirmations` of `required`, the `rival` and when it was first heard of, by which `node`'s word; the diagnosis; replays |
//! | `deliveries` | each time that it was sent on its way | its `form` (the double SHA-256 of the bytes), journal, inspection, `findings` (JSON), peers in numbers, first echo |
//! | `submissions` | each caller who handed it in | door, login and address, when, when answered, with what |
//! | `verdicts` | each node of a delivery | its `words` as they came (JSON: `null`, `"duplicate"`, `{"code", "message"}`), what they amount to, when, how often it was asked |
//! | `peers` | each connection of a delivery | last stage, outcome and its detail, the time of each stage |
//! | `places` | each node | where it has the block now |
//! | `changes` | each change of `state` | when, to what, by which node's word |
//! | `raw` | the newest blocks | the bytes: of several forms the one that a node has `taken` |
//!
//! Columns `…_unix_ms` are Unix milliseconds, columns `…_ms` milliseconds since the delivery's `received_unix_ms`.
//! `PRAGMA user_version` is the version; an older file is brought to the present one, step by step.
//!
//! # When something is wrong
//!
//! | the file | what happens |
//! |---|---|
//! | is damaged | it is renamed to `ledger.sqlite.corrupt-UNIXTIME`, with its `-wal` and `-shm`, and a new one begun |
//! | is of a newer version, or another program's database | it is left as it is; there is no history until it is moved away |
//! | is locked, read-only, or on a full disk | what is to be written waits in memory, the newest thousand deliveries, and is written once that works: it is tried every second, or every ten where the file could not even be opened |
//!
//! Each is told once in the log, and in [`Health`]. Nothing is ever overwritten.
//!
//! # How it works
//!
//! One thread, named `ledger`, owns the file. `ledger` is the handle, `worker` the thread, `pending` what waits, `database` the
//! file, `schema` the tables, `write` and `read` the rows, `report` and `block` what they are made of, `merge` how
//! history and what is running become one.

mod block;
mod database;
mod error;
mod filter;
mod ledger;
mod merge;
mod pending;
mod read;
mod report;
mod schema;
#[cfg(test)]
mod tests;
mod worker;
mod write;

pub use block::{Block, Change, Diagnosis, Fate, Heard, Place, Replays, Summary, is_last_word};
pub use error::{Fault, NotRecorded, Unavailable};
pub use filter::Filter;
pub use ledger::{Health, Ledger, Recorded, Settings};
pub use merge::rank;
pub use report::{
    EchoReport, FinalityReport, Finding, MergedReport, NodeReport, PeerReport, Report, Source,
    SubmissionReport,
};
