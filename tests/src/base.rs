//! Chains that nodes start with, made once and copied.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::daemon::Daemon;
use crate::dashd::DASHD;
use crate::dogecoind::DOGECOIND;
use crate::litecoind::LITECOIND;
use crate::masternode;
use crate::program::{Options, Program};
use crate::scratch;

/// Name of the wallet that owns a base chain's coinbase outputs.
pub(crate) const WALLET: &str = "miner";

/// Part of the cache's name; to be raised when the way a chain is made changes.
const RECIPE: u32 = 1;

/// A chain that a node starts with; where its program has a wallet, mined to that of whoever starts with one.
///
/// Making it takes seconds, so it is done once for each version of the program and kept as a data directory in
/// `target/tmp`. Two test processes that need it at the same moment take turns by a file lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Base {
    /// 110 blocks: segwit is active (on regtest from the start) and ten coinbase outputs are mature. No MWEB.
    Segwit,
    /// 433 blocks: MWEB is active from 432, the first height after three periods of 144 blocks in which version
    /// bits can be signalled, locked in and activated (litecoind's own miner signals).
    ///
    /// Block 432 must hold a peg-in: without one its HogEx has no input, and litecoind refuses to mine it
    /// (`bad-txns-vin-empty`, seen with 0.21.2.1). From then on each block spends the previous HogEx.
    Mweb,
    /// 441 blocks of Dash: DIP3, V20 and the masternodes' share are in force from 432, so that a coinbase is of
    /// type 5. The next block, 442, holds quorum commitments (three, and null); those behind it have a coinbase only.
    Dip3,
    /// 526 blocks of Dash on which there is a masternode that signs ChainLocks; see [`masternode`].
    /// Every block up to 537 holds a coinbase only.
    ChainLocks,
    /// 24 blocks of Dogecoin: from 20 on blocks are merge-mined.
    Auxpow,
}

impl Base {
    /// The program whose chain it is.
    pub fn program(self) -> &'static Program {
        match self {
            Self::Segwit | Self::Mweb => &LITECOIND,
            Self::Dip3 | Self::ChainLocks => &DASHD,
            Self::Auxpow => &DOGECOIND,
        }
    }

    /// Height of the chain's last block.
    pub fn height(self) -> u64 {
        match self {
            Self::Segwit => 110,
            Self::Mweb => 433,
            Self::Dip3 => 441,
            Self::ChainLocks => 526,
            Self::Auxpow => 24,
        }
    }

    /// Puts the chain into an empty data directory.
    pub(crate) fn copy_to(self, data_dir: &Path) {
        copy(&self.cached().join("regtest"), &data_dir.join("regtest"));
    }

    fn cached(self) -> PathBuf {
        let root = scratch::root().join("base-chains");
        fs::create_dir_all(&root).unwrap_or_else(|e| panic!("cannot create {}: {e}", root.display()));
        let done = root.join(format!("{}-{self:?}-{RECIPE}", self.program().version()));
        let lock = File::create(done.with_extension("lock")).expect("a lock file can be created");
        lock.lock().expect("a file can be locked");
        if !done.exists() {
            // Made aside and renamed, so that a run killed half-way leaves nothing that looks finished.
            let aside = scratch::dir_in(&root, "unfinished");
            self.make(aside.path());
            fs::rename(aside.keep(), &done)
                .unwrap_or_else(|e| panic!("cannot create {}: {e}", done.display()));
        }
        done
    }

    fn make(self, target: &Path) {
        let name = format!("{self:?} base");
        let args = if self == Self::ChainLocks { masternode::args_of_founder() } else { Vec::new() };
        let mut node = Daemon::start(Options {
            name,
            program: self.program(),
            wallet: true,
            args,
            ..Options::default()
        });
        match self {
            Self::Segwit | Self::Mweb => self.mine_to_wallet(&node),
            Self::Dip3 | Self::Auxpow => {
                let count = usize::try_from(self.height()).expect("a short chain");
                node.mine(count);
            }
            Self::ChainLocks => masternode::found(&node),
        }
        assert_eq!(node.height(), self.height());
        node.stop();
        copy(&node.data_dir().join("regtest"), &target.join("regtest"));
    }

    fn mine_to_wallet(self, node: &Daemon) {
        let address = node.must("getnewaddress", json!(["", "bech32"]));
        let mine = |count: u64| node.must("generatetoaddress", json!([count, address]));
        if self == Self::Mweb {
            mine(431);
            let mweb = node.must("getnewaddress", json!(["", "mweb"]));
            node.must("sendtoaddress", json!([mweb, 10]));
        }
        mine(self.height() - node.height());
    }
}

/// Copies a directory, without what belongs to one run of one node.
fn copy(from: &Path, to: &Path) {
    const SKIPPED: [&str; 6] = [".cookie", ".lock", "debug.log", "peers.dat", "anchors.dat", "mempool.dat"];
    let failed =
        |e: std::io::Error| -> ! { panic!("cannot copy {} to {}: {e}", from.display(), to.display()) };
    fs::create_dir_all(to).unwrap_or_else(|e| failed(e));
    for entry in fs::read_dir(from).unwrap_or_else(|e| failed(e)) {
        let entry = entry.unwrap_or_else(|e| failed(e));
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if SKIPPED.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if entry.file_type().unwrap_or_else(|e| failed(e)).is_dir() {
            copy(&source, &target);
        } else {
            fs::copy(&source, &target).unwrap_or_else(|e| failed(e));
        }
    }
}
