//! dashd, which no distribution has a package of: the environment variable `DASHD` names one, for example a
//! release's `bin/dashd` or one that was built without a wallet. The tests want version 23.
//!
//! # What is particular about it
//!
//! * Its wallet is not used, since a dashd can be built without. Nodes mine to descriptors.
//! * A dashd asks its peers for masternodes and votes before it calls itself synced, which without peers never
//!   happens and with them takes half a minute. Until then it ignores ChainLocks and, where a superblock is due, gives
//!   no template. `mnsync next` takes it a step further, and is what we do after each start.
//! * `-llmqtestparams=1:1` makes the quorum that signs ChainLocks one of a single member, on all nodes alike; see
//!   [`masternode`](crate::masternode).
//! * The quorums of regtest are mined at fixed heights whether or not there are masternodes, as null commitments: the
//!   blocks 10 to 18 above a multiple of 24. dashd's own miner adds them, and who builds a block without them
//!   is told `bad-qc-missing`.

use std::time::Duration;

use serde_json::json;

use crate::daemon::Daemon;
use crate::program::{self, Program};
use crate::skip;
use crate::wait::eventually;

/// A node that runs dashd; a [`Base`](crate::Base) of Dash makes it one, or [`DASHD`] in its options.
pub type Dashd = Daemon;

/// The environment variable that names the program.
const VARIABLE: &str = "DASHD";

/// dashd 23: what `DASHD` names.
pub static DASHD: Program = Program {
    name: "dashd",
    chain: "dash",
    path: || skip::named(VARIABLE).expect("DASHD is set: require_dashd! comes first in a test"),
    args: &["-llmqtestparams=1:1"],
    ban_list: "banlist.json",
    has_onion_bind: true,
    mine: program::mine_to_descriptor,
    has_wallet: false,
    settle: finish_masternode_sync,
};

/// Whether this machine can run dashd. If not it says so on standard error, past the test harness's capture.
///
/// That is no failure where the environment has `CI` set: there is no package to install.
///
/// # Panics
/// When `DASHD` names something that is not a program: then the tests were asked for.
pub fn available() -> bool {
    skip::named_program(VARIABLE, "dashd 23")
}

/// Two steps: blockchain, governance.
fn finish_masternode_sync(node: &Daemon) {
    eventually(Duration::from_secs(10), format!("{} calls itself synced", node.name()), || {
        let synced = node.must("mnsync", json!(["status"]))["IsSynced"] == true;
        if !synced {
            node.must("mnsync", json!(["next"]));
        }
        synced
    });
}
