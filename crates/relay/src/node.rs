//! One of our own nodes.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Instant,
};

use parking_lot::Mutex;
use rpc::Client;
use serde::Serialize;
use wire::BlockHash;

/// Whether a node answers its RPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum NodeHealth {
    /// Not asked yet.
    Unknown,
    /// It answers.
    Up,
    /// It does not.
    Down {
        /// Why, as a stable word: `refused`, `unauthorized`, `warming_up`, ...
        kind: &'static str,
        /// Why, and what to do about it.
        message: String,
    },
}

/// A node's tip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeTip {
    /// The block.
    pub hash: BlockHash,
    /// Its height.
    pub height: u32,
}

/// What is known of a node.
#[derive(Debug, Clone)]
pub struct NodeStatus {
    /// Whether it answers.
    pub health: NodeHealth,
    /// Since when.
    pub since: Instant,
    /// Its tip, when it last answered.
    pub tip: Option<NodeTip>,
}

/// One of our own nodes: its RPC, and what is known of it.
#[derive(Debug)]
pub struct Node {
    client: Client,
    primary: bool,
    p2p: Option<String>,
    status: Mutex<NodeStatus>,
    catching_up: AtomicBool,
    /// Held while headers are fetched from it, so that two do not fetch the same.
    pub(crate) fetching: tokio::sync::Mutex<()>,
}

impl Node {
    /// A node of which nothing is known yet. `p2p` is the address under which it is also a peer.
    pub fn new(client: Client, primary: bool, p2p: Option<String>) -> Self {
        let status = NodeStatus { health: NodeHealth::Unknown, since: Instant::now(), tip: None };
        Self {
            client,
            primary,
            p2p,
            status: Mutex::new(status),
            catching_up: AtomicBool::new(false),
            fetching: tokio::sync::Mutex::default(),
        }
    }

    /// Its name in configuration, reports and metrics.
    pub fn name(&self) -> &str {
        self.client.name()
    }

    /// Its RPC.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Whether it is the one that the front door passes calls to.
    pub fn is_primary(&self) -> bool {
        self.primary
    }

    /// Its address as a peer.
    pub fn p2p(&self) -> Option<&str> {
        self.p2p.as_deref()
    }

    /// What is known of it.
    pub fn status(&self) -> NodeStatus {
        self.status.lock().clone()
    }

    /// Whether it said, when it last answered, that it has yet to learn of blocks that are old.
    pub(crate) fn is_catching_up(&self) -> bool {
        self.catching_up.load(Relaxed)
    }

    pub(crate) fn set_catching_up(&self, catching_up: bool) {
        self.catching_up.store(catching_up, Relaxed);
    }

    /// Waits until the node is ready for blocks after it was not, as its warm connections find out first.
    pub(crate) async fn is_back(&self) {
        let mut readiness = self.client.readiness();
        readiness.mark_unchanged();
        while readiness.changed().await.is_ok() {
            if readiness.borrow().is_ready() {
                return;
            }
        }
        // Nobody watches the node: it will not be told.
        std::future::pending().await
    }

    /// It answered; returns whether its tip is another than before.
    pub(crate) fn answered(&self, tip: NodeTip) -> bool {
        let changed = self.change(NodeHealth::Up);
        if changed {
            tracing::info!(node = self.name(), height = tip.height, tip = %tip.hash, "node is up");
        }
        self.status.lock().tip.replace(tip) != Some(tip)
    }

    /// It did not answer.
    pub(crate) fn failed(&self, kind: &'static str, message: String) {
        if self.change(NodeHealth::Down { kind, message: message.clone() }) {
            tracing::warn!(node = self.name(), kind, "node is not usable: {message}");
        }
    }

    fn change(&self, health: NodeHealth) -> bool {
        let mut status = self.status.lock();
        let kind = |health: &NodeHealth| match health {
            NodeHealth::Unknown => "unknown",
            NodeHealth::Up => "up",
            NodeHealth::Down { kind, .. } => kind,
        };
        let changed = kind(&status.health) != kind(&health);
        if changed {
            status.since = Instant::now();
        }
        status.health = health;
        changed
    }
}
