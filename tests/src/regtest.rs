//! The four nodes that most end-to-end tests want.

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::base::Base;
use crate::daemon::Daemon;
use crate::program::Options;
use crate::template::Template;
use crate::wait::eventually;

/// A block crosses from one node to the next in milliseconds; this is the patience on a loaded machine.
pub const PROPAGATION: Duration = Duration::from_secs(20);

/// Four nodes with one chain.
///
/// ```text
///   ours        plain[0]        plain[1] ──── observer
/// ```
///
/// `ours` and the plain peers know nobody, so a block can reach them only from Blockcast. The observer hears
/// of blocks from `plain[1]`, and so does whoever asks it. It has the wallet, and it makes the templates: litecoind
/// 0.21 refuses `getblocktemplate` without a connection (error -9, on regtest too).
///
/// On a chain of Dash there is no wallet, and a [`Miner`](crate::Miner) has the part of the templates.
///
/// The nodes are public so that a test can kill, pause or replace any of them.
#[derive(Debug)]
pub struct Regtest {
    /// The pool's own node: RPC and P2P.
    pub ours: Daemon,
    /// Peers that are connected to nobody of ours.
    pub plain: [Daemon; 2],
    /// Connected to `plain[1]` only; has a wallet.
    pub observer: Daemon,
}

impl Regtest {
    /// Starts the nodes on a base chain, all at once.
    ///
    /// # Panics
    /// When a node does not come up; see [`Daemon::start`].
    #[track_caller]
    pub fn start(base: Base) -> Self {
        let start = |name: &str| {
            let wallet = name == "observer";
            Daemon::start(Options { name: name.into(), base: Some(base), wallet, ..Options::default() })
        };
        let [ours, plain_0, plain_1, observer] = thread::scope(|scope| {
            ["ours", "plain 0", "plain 1", "observer"]
                .map(|name| scope.spawn(move || start(name)))
                .map(|node| node.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        observer.connect_to(&plain_1);
        Self { ours, plain: [plain_0, plain_1], observer }
    }

    /// All four, `ours` first and the observer last.
    pub fn nodes(&self) -> [&Daemon; 4] {
        [&self.ours, &self.plain[0], &self.plain[1], &self.observer]
    }

    /// The tips of the four, in the order of [`Regtest::nodes`].
    #[track_caller]
    pub fn tips(&self) -> [String; 4] {
        self.nodes().map(Daemon::tip)
    }

    /// Waits until this block is the tip of all four.
    #[track_caller]
    pub fn wait_for_tip(&self, hash: &str) {
        for node in self.nodes() {
            let what = format!("block {hash} becomes the tip of {}", node.name());
            eventually(PROPAGATION, what, || node.tip() == hash);
        }
    }

    /// A template for the block after the observer's tip.
    #[track_caller]
    pub fn template(&self) -> Template {
        Template::of(&self.observer)
    }

    /// Lets the observer's wallet pay to itself `count` times, and returns a template with at least so many
    /// transactions. The other nodes hear of them only if they are connected to the observer.
    ///
    /// litecoind renews the template of a tip after 5 s at the earliest, so a template that was asked for after the
    /// tip changed and before this call costs that wait.
    #[track_caller]
    pub fn template_with_transactions(&self, count: usize) -> Template {
        for _ in 0..count {
            let address = self.observer.must("getnewaddress", json!(["", "bech32"]));
            self.observer.must("sendtoaddress", json!([address, 0.1]));
        }
        eventually(PROPAGATION, format!("a template holds {count} transactions"), || {
            let template = self.template();
            (template.transaction_count() >= count).then_some(template)
        })
    }

    /// Lets the observer mine `count` blocks, hands them to the other three by RPC, and returns their hashes.
    #[track_caller]
    pub fn mine(&self, count: usize) -> Vec<String> {
        let hashes = self.observer.mine(count);
        for hash in &hashes {
            self.hand_over(hash);
        }
        if let Some(last) = hashes.last() {
            self.wait_for_tip(last);
        }
        hashes
    }

    /// Hands a block that the observer holds to the other three, by RPC.
    ///
    /// # Panics
    /// When one of them finds fault with it.
    #[track_caller]
    pub fn hand_over(&self, hash: &str) {
        let hex = self.observer.block_hex(hash);
        for node in &self.nodes()[..3] {
            let verdict = node.submit(&hex);
            // "duplicate" from plain[1], which may have it from the observer already.
            let fine = verdict.is_null() || verdict == "duplicate" || verdict == "inconclusive";
            assert!(fine, "{}: {verdict} for block {hash}", node.name());
        }
    }
}
