//! Which headers exist, and which peer has them.
//!
//! The header view is fed by our own nodes: their tip is asked for on a schedule, whatever lies between it and the view
//! is fetched, and what they announce as peers is taken. What other peers announce says what *they* have, and nothing
//! about the chain: a header can carry the work that it claims and still be worthless, and serving it to others would
//! get us punished. Only a relay without a node of its own takes headers from strangers, if they connect, carry their
//! work, and claim about as much of it as their parents.

use std::{sync::Arc, time::Instant};

use chain::{Finding, Target, Work, unhex};
use protocol::{
    fate::Weight,
    finality::Standing,
    headers::{DEPTH, HeaderView, Inserted},
    session::Via,
};
use rpc::RpcError;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use wire::{BlockHash, Header, MAX_HEADERS, ParseHashError, Reader};

use crate::{Delivery, Node, NodeTip, Peer, Relay, tips::claims_enough};

/// How many headers of a message are checked for work, at most. An announcement holds one or a few; a peer that tells
/// us of more is behind, or wants to cost us a millisecond each.
const CHECKED: usize = 16;

/// By how many blocks a node may be behind the best header that it has and still be up to date.
const LAG: u32 = 3;

/// How far back to walk from a node's new tip header by header before loading the recent chain anew.
const WALK: usize = 50;

/// The finding that a block's parent is unknown; it lasts until the parent comes.
const PARENT_UNKNOWN: &str = "prev-blk-not-found";

/// Why a node could not be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    #[error(transparent)]
    Rpc(#[from] RpcError),
    #[error(
        "the node is on network {found:?}, this chain is configured for {expected:?}: check its port and `network`"
    )]
    WrongChain { found: String, expected: String },
    #[error("the node's answer cannot be read: {0}")]
    Answer(String),
}

impl FollowError {
    fn kind(&self) -> &'static str {
        match self {
            Self::Rpc(error) => error.kind(),
            Self::WrongChain { .. } => "wrong_chain",
            Self::Answer(_) => "malformed",
        }
    }
}

/// What `getblockchaininfo` says that matters here.
#[derive(Deserialize)]
struct ChainInfo {
    chain: String,
    blocks: u32,
    bestblockhash: String,
    /// The height of the best header that it has, whether it has the block or not.
    #[serde(default)]
    headers: u32,
    #[serde(default, rename = "initialblockdownload")]
    initial_download: bool,
    /// All the work of the active chain, in hex.
    #[serde(default)]
    chainwork: String,
}

impl ChainInfo {
    fn weight(&self) -> Weight {
        let mut work = [0; 32];
        // A node that does not tell its work is weighed by its height.
        let told = unhex(&self.chainwork).unwrap_or_default();
        if let Some(start) = work.len().checked_sub(told.len()) {
            work[start..].copy_from_slice(&told);
        }
        Weight { work, height: self.blocks }
    }
}

/// What `getblockheader` says that matters here.
#[derive(Deserialize)]
pub(crate) struct BlockPlace {
    height: u32,
    /// -1 for a block that is not in the active chain.
    confirmations: i64,
}

impl BlockPlace {
    /// Whether the block is in the node's active chain.
    pub(crate) fn is_active(&self) -> bool {
        self.confirmations >= 0
    }
}

impl Relay {
    /// Asks a node for its tip, and follows it there. Failures end up in the node's status, the log and the metrics.
    pub async fn poll_node(self: &Arc<Self>, node: &Arc<Node>) {
        match self.follow_node(node).await {
            Ok(()) => self.metrics.node_up(node.name(), 1),
            Err(error) => {
                node.failed(error.kind(), error.to_string());
                self.metrics.node_up(node.name(), 0);
                self.metrics.node_error(node.name(), error.kind());
            }
        }
    }

    async fn follow_node(self: &Arc<Self>, node: &Arc<Node>) -> Result<(), FollowError> {
        let info: ChainInfo = node.client().call("getblockchaininfo", json!([])).await?;
        let expected = &self.chain.params().rpc_name;
        if info.chain != *expected {
            return Err(FollowError::WrongChain { found: info.chain, expected: expected.clone() });
        }
        let unreadable = |error: ParseHashError| FollowError::Answer(format!("bestblockhash: {error}"));
        let hash = info.bestblockhash.parse().map_err(unreadable)?;
        node.set_catching_up(info.initial_download || info.headers > info.blocks.saturating_add(LAG));
        // Of a node that is asked for the first time it is not known whether its tip is new.
        let followed = node.status().tip.is_some();
        let before = self.tip().map(|(_, height)| height);
        let tip = NodeTip { hash, height: info.blocks };
        let moved = node.answered(tip);
        if moved {
            self.sightings.lock().at_node(node.name(), hash, Instant::now());
            tracing::info!(chain = self.name(), node = node.name(), height = info.blocks, tip = %hash, "new tip");
            self.hint_at_lock();
        }
        self.metrics.node_tip_height(node.name(), info.blocks as usize);
        if !self.headers.lock().contains(&hash) {
            self.fetch_headers(node, hash, info.blocks).await?;
            self.view_changed();
        }
        if let Some(before) = before.filter(|_| moved && followed) {
            self.tip_in_view(hash, info.blocks.saturating_sub(before) as usize, true);
        }
        self.ask_where(node, tip, info.weight()).await;
        Ok(())
    }

    /// Fetches what lies between the view and a block that a node has.
    async fn fetch_headers(&self, node: &Node, tip: BlockHash, height: u32) -> Result<(), FollowError> {
        let _alone = node.fetching.lock().await;
        // A node that lags behind the others, in initial block download for instance, has nothing to teach, and the
        // view must not be led back to where it is.
        let lags =
            |headers: &HeaderView| headers.tip_height().is_some_and(|ours| height + WALK as u32 <= ours);
        if lags(&self.headers.lock()) {
            return Ok(());
        }
        let mut missing = Vec::new();
        let mut next = tip;
        let start_over = loop {
            {
                let headers = self.headers.lock();
                if headers.contains(&next) {
                    break false;
                }
                if headers.is_empty() || missing.len() == WALK {
                    break true;
                }
            }
            let header = self.fetch_header(node, next).await?;
            let parent = header.parent();
            missing.push((next, header));
            next = parent;
        };
        if start_over {
            return self.load_headers(node, height).await;
        }
        let mut headers = self.headers.lock();
        let now = Instant::now();
        for (hash, header) in missing.into_iter().rev() {
            self.sightings.lock().at_node(node.name(), hash, now);
            self.admit(&mut headers, hash, header);
        }
        Ok(())
    }

    /// Loads the last headers below and at a height, in two requests.
    async fn load_headers(&self, node: &Node, height: u32) -> Result<(), FollowError> {
        let lowest = height.saturating_sub(DEPTH - 1);
        let calls: Vec<_> = (lowest..=height).map(|height| ("getblockhash", json!([height]))).collect();
        let hashes = node.client().batch(&calls).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
        let calls: Vec<_> = hashes.iter().map(|hash| ("getblockheader", json!([hash, false]))).collect();
        let replies = node.client().batch(&calls).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
        let loaded: Vec<_> = replies.iter().map(|reply| self.read_header(reply)).collect::<Result<_, _>>()?;
        let mut headers = self.headers.lock();
        for (height, header) in (lowest..).zip(loaded) {
            let hash = self.chain.block_hash(&header);
            if height == lowest {
                headers.anchor(hash, header, height);
            } else {
                self.admit(&mut headers, hash, header);
            }
        }
        tracing::info!(
            chain = self.name(),
            node = node.name(),
            from = lowest,
            to = height,
            "recent headers loaded"
        );
        Ok(())
    }

    async fn fetch_header(&self, node: &Node, hash: BlockHash) -> Result<Header, FollowError> {
        self.read_header(&node.client().call("getblockheader", json!([hash.to_string(), false])).await?)
    }

    fn read_header(&self, reply: &Value) -> Result<Header, FollowError> {
        let unreadable = |error: String| FollowError::Answer(format!("header: {error}"));
        let bytes = unhex(reply.as_str().unwrap_or_default()).map_err(unreadable)?;
        Header::read(&mut Reader::new(&bytes), self.chain.dialect())
            .map_err(|error| FollowError::Answer(format!("header: {error}")))
    }

    /// A block came whose parent the view lacks: perhaps it is so new that the schedule has not brought it yet. Ask
    /// all nodes at once.
    pub(crate) async fn find_parent(self: Arc<Self>, delivery: Arc<Delivery>) {
        let parent = delivery.parent;
        let mut asked = JoinSet::new();
        for node in &self.nodes {
            let (relay, node) = (self.clone(), node.clone());
            asked.spawn(async move { relay.find_block(&node, parent).await });
        }
        while let Some(found) = asked.join_next().await {
            match found {
                // A node that lags behind has nothing to tell, and says so with success.
                Ok(Ok(_)) if self.headers.lock().contains(&parent) => return self.view_changed(),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::debug!(chain = self.name(), %parent, %error, "parent not found"),
                Err(error) => {
                    tracing::error!(chain = self.name(), %parent, %error, "looking for the parent crashed")
                }
            }
        }
        if !self.headers.lock().contains(&parent) {
            let expected = "a parent that one of our nodes knows";
            let finding = Finding::error(PARENT_UNKNOWN, expected, parent.to_string());
            tracing::warn!(chain = self.name(), block = %delivery.block(), %finding, "finding");
            delivery.update(|state| state.findings.push(finding));
        }
    }

    /// Fetches the headers up to a block from a node, if it has it, and tells where it has it.
    pub(crate) async fn find_block(&self, node: &Node, block: BlockHash) -> Result<BlockPlace, FollowError> {
        let place: BlockPlace = node.client().call("getblockheader", json!([block.to_string()])).await?;
        if !self.headers.lock().contains(&block) {
            self.fetch_headers(node, block, place.height).await?;
        }
        Ok(place)
    }

    /// Puts a header into the view, unless a lock forbids its block: what is in the view is served to peers, who punish
    /// whoever serves them a dead block. A node may have such a block as its tip for a moment.
    pub(crate) fn admit(
        &self,
        headers: &mut HeaderView,
        hash: BlockHash,
        header: Header,
    ) -> Option<Inserted> {
        let standing = self.locks.lock().standing(hash, header.parent(), None, headers);
        let work = work(&header);
        (!matches!(standing, Standing::Dead { .. })).then(|| headers.insert(hash, header, work))
    }

    /// The view has grown: perhaps a block can now be sent that could not before.
    pub(crate) fn view_changed(self: &Arc<Self>) {
        let live = self.live();
        self.judge_fates();
        for delivery in &live {
            if self.headers.lock().contains(&delivery.parent) {
                delivery.update(|state| state.findings.retain(|finding| finding.check != PARENT_UNKNOWN));
            }
        }
        if !live.is_empty() {
            self.peers.ready().iter().for_each(|peer| self.catch_up(peer));
        }
    }

    /// Headers have come from a peer.
    pub(crate) fn headers_from(
        self: &Arc<Self>,
        peer: &Arc<Peer>,
        headers: Vec<Header>,
        via: Via,
        now: Instant,
    ) {
        let named: Vec<_> =
            headers.into_iter().map(|header| (self.chain.block_hash(&header), header)).collect();
        for delivery in self.live().iter().filter(|_| via.is_proof()) {
            let outcome = delivery.update(|state| state.tracker.headers(peer.id, &named, now));
            self.settled(delivery, peer, outcome);
        }
        let Some((last, _)) = named.last() else { return };
        let last = *last;
        let unknown: Vec<_> = {
            let view = self.headers.lock();
            named.into_iter().filter(|(hash, _)| !view.contains(hash)).take(MAX_HEADERS).collect()
        };
        // Whether we know the block or not, the peer has it.
        if via.is_proof() {
            self.learn(peer, last);
            self.heard_of(peer, last, now);
        } else {
            peer.chain.lock().assume(last);
        }
        let teaches = peer.kind.is_own() || self.nodes.is_empty();
        if unknown.is_empty() || !teaches {
            if let Some((block, header)) = unknown.into_iter().next() {
                self.look_into(peer, block, header);
            }
            return self.catch_up(peer);
        }
        // One lesson at a time: a peer that talks faster than we can check is not worth more.
        let Ok(lesson) = peer.lesson.clone().try_lock_owned() else { return };
        let (relay, peer) = (self.clone(), peer.clone());
        self.spawn(async move {
            relay.take_headers(peer, unknown).await;
            drop(lesson);
        });
    }

    /// Takes a peer's headers into the view, as far as they connect and carry their work.
    async fn take_headers(self: Arc<Self>, peer: Arc<Peer>, unknown: Vec<(BlockHash, Header)>) {
        let own = peer.kind.is_own();
        let limit = if own { unknown.len() } else { CHECKED };
        let (grown, mut tip) = (unknown.len(), None);
        for (hash, header) in unknown.into_iter().take(limit) {
            let Some(parent) = self.headers.lock().header(&header.parent()).cloned() else { break };
            if !own && !claims_enough(&header, &parent) {
                break;
            }
            if !self.carries_work(&peer, &header).await {
                return;
            }
            if self.admit(&mut self.headers.lock(), hash, header) == Some(Inserted::Tip) {
                tracing::info!(chain = self.name(), peer = peer.name(), tip = %hash, "new tip announced");
                tip = Some(hash);
            }
            self.learn(&peer, hash);
        }
        self.view_changed();
        if let Some(tip) = tip {
            self.tip_in_view(tip, grown, own);
        }
    }

    /// Whether a peer's header carries the work that it claims; a peer whose header does not is no peer.
    pub(crate) async fn carries_work(&self, peer: &Peer, header: &Header) -> bool {
        let Ok(_permit) = self.work_checks.acquire().await else { return false };
        let (chain, candidate) = (self.chain.clone(), header.clone());
        match tokio::task::spawn_blocking(move || chain.check_work(&candidate)).await {
            Ok(Ok(())) => return true,
            Ok(Err(finding)) => {
                tracing::warn!(chain = self.name(), peer = peer.name(), %finding, "a header without its work");
                peer.close();
            }
            Err(error) => {
                tracing::error!(chain = self.name(), peer = peer.name(), %error, "a header could not be checked");
            }
        }
        false
    }
}

/// The work that a header claims.
pub(crate) fn work(header: &Header) -> Work {
    Target::from_compact(header.bits()).map_or(Work::ZERO, Target::work)
}
