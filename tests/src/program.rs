//! What a node runs, and how it is started.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::base::Base;
use crate::block;
use crate::daemon::Daemon;
use crate::litecoind::LITECOIND;

/// What the harness has to know of a program that a node can run.
///
/// All that is not here is the same for all descendants of Bitcoin Core: RPC, cookie file, folder of regtest, log.
#[derive(Debug)]
pub struct Program {
    /// What it is called.
    pub name: &'static str,
    /// Its chain, as the engine's configuration names it.
    pub chain: &'static str,
    /// Where it is.
    pub(crate) path: fn() -> OsString,
    /// Arguments besides those that every node gets.
    pub(crate) args: &'static [&'static str],
    /// The file of its folder that lists banned addresses.
    pub(crate) ban_list: &'static str,
    /// Whether it takes `-bind=…=onion`, and binds a fixed port for Tor without.
    pub(crate) has_onion_bind: bool,
    /// Mines so many blocks on the node's tip, to a script of its own at each call; gives the RPC's answer.
    pub(crate) mine: fn(&Daemon, usize) -> Value,
    /// Whether it has a wallet.
    pub(crate) has_wallet: bool,
    /// What is done with a node that has begun to answer, before it is used.
    pub(crate) settle: fn(&Daemon),
}

impl Program {
    /// The version of the installed program, such as `v0.21.2.1-gfce5d459f0a83f56`.
    ///
    /// # Panics
    /// When it cannot be run.
    pub fn version(&self) -> String {
        let output = Command::new((self.path)()).arg("--version").output();
        let output = output.unwrap_or_else(|e| panic!("{} cannot be run: {e}", self.name));
        let text = String::from_utf8_lossy(&output.stdout);
        let first = text.lines().next().and_then(|line| line.split(' ').next_back());
        first.unwrap_or_else(|| panic!("{} --version: {output:?}", self.name)).to_owned()
    }
}

/// A number of its own for each call of a miner, so that two nodes with the same tip mine different blocks.
pub(crate) fn next_call() -> [u8; 4] {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    CALLS.fetch_add(1, Ordering::Relaxed).to_le_bytes()
}

/// How daemons mine that know descriptors.
pub(crate) fn mine_to_descriptor(node: &Daemon, count: usize) -> Value {
    // A push of four bytes, OP_DROP, OP_TRUE: anyone can spend it.
    let descriptor = format!("raw(04{}7551)", block::to_hex(&next_call()));
    node.must("generatetodescriptor", json!([count, descriptor]))
}

/// Options of a node; the default is a litecoind with an empty chain, cookie authentication and no wallet.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name for messages.
    pub name: String,
    /// The program of a node without a base; a base is of one program.
    pub program: &'static Program,
    /// The chain that the node starts with; without it, the genesis block.
    pub base: Option<Base>,
    /// Whether the node has a wallet, if its program has any. That of a [`Base`] holds the base's coinbase outputs.
    pub wallet: bool,
    /// `rpcuser` and `rpcpassword`; the node then writes no cookie file.
    pub password: Option<(String, String)>,
    /// Where it listens for peers; its RPC stays on 127.0.0.1.
    pub host: Ipv4Addr,
    /// Further arguments, such as `-maxconnections=8`.
    pub args: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: String::new(),
            program: &LITECOIND,
            base: None,
            wallet: false,
            password: None,
            host: Ipv4Addr::LOCALHOST,
            args: Vec::new(),
        }
    }
}
