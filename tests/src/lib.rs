//! Everything an end-to-end test needs: real nodes, real blocks, a real `blockcast` process.
//!
//! A test of Blockcast that talks to a simulated node proves that two programs by the same author agree. The
//! tests in `tests/tests/` therefore run the `blockcast` binary against `litecoind`, `dashd` and `dogecoind` on regtest, and hand
//! it blocks that were put together here or mined by a node, without any of the engine's own crates.
//!
//! # The parts
//!
//! * [`Daemon`]: one node on free ports with a temporary data directory; kill it, pause it, restart it. Its
//!   [`Program`] is [`litecoind`], [`dashd`] or [`dogecoind`].
//! * [`Regtest`]: the four nodes that most tests want, on one chain: `ours`, two `plain` peers that know
//!   nobody, and an `observer` that is connected to `plain[1]` only. [`Base`] says how long the chain is; it is
//!   made once per build directory and copied, so that a cluster is up in about a second.
//! * [`Template`], [`Block`], [`Flaw`]: the pool's side. [`Template::block`] gives a new valid sibling at
//!   each call, [`Template::flawed`] a block that is wrong in one named way.
//! * [`Miner`], [`Damage`]: the pool's side on Dash, whose X11 we have not written a second time: a node apart mines
//!   the blocks, and tells what their ids are.
//! * [`AuxWork`], [`Fault`]: the pool's side of merged mining: a proof for work that a dogecoind issued.
//! * [`masternode`]: who signs ChainLocks.
//! * [`Blockcast`] and [`Setup`]: the program under test, with its configuration, HTTP, front door, command line
//!   and log.
//! * [`clock`]: a wall clock that jumps.
//! * [`eventually`]: waiting for a condition. It is the only place in the tests that sleeps.
//! * [`require_litecoind!`], [`require_dashd!`], [`require_dogecoind!`]: the first line of every test that needs a node.
//!
//! ```no_run
//! use e2e::{Base, Blockcast, Regtest, Setup, require_litecoind};
//! use serde_json::json;
//!
//! fn a_block_given_to_the_front_door_becomes_every_tip() {
//!     require_litecoind!();
//!     let net = Regtest::start(Base::Segwit);
//!     let mut blockcast = Blockcast::start(Setup::of(&net));
//!     blockcast.wait_ready();
//!     let block = net.template().block();
//!     let verdict = blockcast.front_door().call("submitblock", json!([block.hex()]));
//!     assert_eq!(verdict, Ok(json!(null)));
//!     net.wait_for_tip(&block.hash);
//! }
//! ```
//!
//! # What is guaranteed
//!
//! Nothing is left running: not when a test panics (`Drop` kills, a paused process too), and not when the test
//! runner itself is killed (the kernel then kills its children, see [`process`]). Temporary directories live below
//! the build directory, so `cargo clean` removes what a killed runner could not.
//!
//! This crate is part of tests. Where a library would return an error, most of it panics with a message that
//! names the process and ends with its log, since a test could do nothing else with the error.

pub mod base;
pub mod block;
pub mod blockcast;
pub mod clock;
pub mod daemon;
pub mod dashd;
pub mod dogecoind;
pub mod gossip;
pub mod http;
pub mod litecoind;
pub mod masternode;
pub mod merged;
pub mod miner;
pub mod namespace;
pub mod process;
pub mod program;
mod proxy;
pub mod regtest;
pub mod rpc;
pub mod setup;
pub mod template;
pub mod wait;
pub mod warm_up;

mod ports;
mod scratch;
mod skip;

pub use base::Base;
pub use block::Block;
pub use blockcast::Blockcast;
pub use daemon::Daemon;
pub use dashd::Dashd;
pub use dogecoind::Dogecoind;
pub use litecoind::Litecoind;
pub use merged::{AuxWork, Fault};
pub use miner::{Damage, Miner};
pub use ports::free_port;
pub use program::{Options, Program};
pub use proxy::Proxy;
pub use regtest::Regtest;
pub use rpc::{Auth, RpcClient, RpcFailure};
pub use setup::Setup;
pub use template::{Flaw, Template};
pub use wait::eventually;
pub use warm_up::WarmUp;

/// Returns from the calling test when there is no `litecoind` on this machine, and says so loudly.
///
/// Where the environment has `CI` set it panics instead: there, a skipped test is a failed one.
#[macro_export]
macro_rules! require_litecoind {
    () => {
        if !$crate::litecoind::available() {
            return;
        }
    };
}

/// Returns from the calling test when the environment variable `DASHD` names no `dashd`, and says so loudly.
///
/// That is no failure, not where `CI` is set either: unlike litecoind, no package manager has it.
#[macro_export]
macro_rules! require_dashd {
    () => {
        if !$crate::dashd::available() {
            return;
        }
    };
}

/// Returns from the calling test when the environment variable `DOGECOIND` names no `dogecoind`, and says so loudly.
///
/// That is no failure, not where `CI` is set either: unlike litecoind, no package manager has it.
#[macro_export]
macro_rules! require_dogecoind {
    () => {
        if !$crate::dogecoind::available() {
            return;
        }
    };
}
