//! Following our blocks on every node until the chain has had its last word, and writing down what becomes of them.
//!
//! Nothing here is on the way of a block. Four times a second the upkeep takes a look at each delivery that has changed
//! and hands its report to the [ledger]; whenever a node's tip moves, the node is asked where it has each block that is
//! followed. What they say is weighed by [`protocol::fate`], told, counted, and written down.
//!
//! The journal's record of a block is closed only once the ledger has the block, or is known not to work: a crash in
//! between brings the block back by the journal, and no block that was acknowledged is missing in the history.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use ledger::{Block, Ledger, Report, Source};
use parking_lot::Mutex;
use protocol::{
    fate::{Place, State, Weight, Word},
    finality::Standing,
};
use rpc::RpcError;
use serde::Deserialize;
use serde_json::{Value, json};
use wire::BlockHash;

use crate::{
    Delivery, Node, NodeTip, Relay, Submission,
    followed::{Followed, News},
    nodes::{NOT_FOUND, tips_of},
    report::unix_ms,
};

/// How many blocks are followed at a time. A pool that finds one a minute has this many within a day.
const MANY: usize = 1000;

/// How many questions go to a node in one request.
const BATCH: usize = 50;

/// How often a block is sent again that a node had and has no more.
const AGAIN: u32 = 20;

/// How long shutting down waits for the ledger.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);

/// Which blocks are followed.
pub(crate) type FollowedBlocks = Mutex<HashMap<BlockHash, Followed>>;

/// What `getblockheader` says that matters here.
#[derive(Deserialize)]
struct Header {
    height: u32,
    /// -1 for a block that is not in the active chain.
    confirmations: i64,
}

/// A question about one block.
struct Question {
    block: BlockHash,
    parent: BlockHash,
    height: Option<u32>,
}

impl Relay {
    /// Follows what the last run had not seen the end of; waits until the ledger can tell.
    pub(crate) async fn resume(self: Arc<Self>) {
        let Some(ledger) = self.ledger.clone() else { return };
        let mut health = ledger.watch();
        loop {
            let since = unix_ms(SystemTime::now()).saturating_sub(24 * 3600 * 1000);
            match ledger.open_blocks(self.name(), since).await {
                Ok(blocks) => return self.take_up(blocks),
                Err(error) => {
                    tracing::warn!(chain = self.name(), %error, "which blocks are still open is not known yet");
                }
            }
            if health.wait_for(|health| health.available).await.is_err() {
                return;
            }
        }
    }

    fn take_up(&self, blocks: Vec<Block>) {
        let mut followed = self.followed.lock();
        let count = blocks.len();
        for block in blocks {
            let Some(earlier) = Followed::of(block, self.settings.confirmations) else { continue };
            match followed.get_mut(&earlier.block) {
                // The journal brought it back before the ledger did: what is known of it goes on.
                Some(running) => {
                    let replays = running.told.replays.done;
                    running.told = earlier.told;
                    running.told.replays.done += replays;
                    running.recorded = true;
                }
                None => drop(followed.insert(earlier.block, earlier)),
            }
        }
        if count > 0 {
            tracing::info!(chain = self.name(), blocks = count, "blocks of earlier runs are followed");
        }
    }

    /// Writes down what has changed since the last look.
    pub(crate) fn write_down(self: &Arc<Self>, live: &[Arc<Delivery>]) {
        for delivery in live {
            let Some(seen) = delivery.unseen_change() else { continue };
            let report = delivery.report(self.name());
            self.take_in(delivery, report.clone());
            let Some(ledger) = &self.ledger else {
                delivery.seen(seen);
                continue;
            };
            // The block itself, once.
            let raw = (!delivery.read(|state| state.recorded)).then(|| delivery.submitted()).flatten();
            let written = ledger.record(report, raw);
            delivery.seen(seen);
            let (relay, delivery) = (self.clone(), delivery.clone());
            self.tasks.spawn(async move {
                if let Err(error) = written.await {
                    // The ledger has said it in the log, once; the journal does not wait for it.
                    tracing::debug!(chain = relay.name(), block = %delivery.block(), %error, "not in the ledger yet");
                }
                relay.recorded(&delivery);
            });
        }
        self.judge_followed(|_| true);
        self.followed.lock().retain(|_, followed| !followed.is_over());
    }

    /// The ledger has a delivery, or has said that it cannot take it now.
    fn recorded(&self, delivery: &Delivery) {
        let is_new = delivery.read(|state| !state.recorded);
        if !is_new {
            return;
        }
        delivery.note(|state| state.recorded = true);
        if let (Some(ledger), Some(followed)) =
            (&self.ledger, self.followed.lock().get_mut(&delivery.block()))
        {
            followed.recorded = true;
            ledger.fate(self.name(), &delivery.block().to_string(), followed.told.clone());
        }
        self.close_if_done(delivery);
    }

    /// What is known of a delivery is what is known of its block.
    fn take_in(&self, delivery: &Delivery, report: Report) {
        let refused = {
            let of_block: Vec<_> =
                self.live().into_iter().filter(|other| other.block() == delivery.block()).collect();
            !of_block.is_empty()
                && of_block.iter().all(|other| other.read(|state| state.is_refused_for_good()))
        };
        let mut followed = self.followed.lock();
        if followed.len() >= MANY
            && !followed.contains_key(&delivery.block())
            && let Some(oldest) = followed.values().min_by_key(|followed| followed.received_at)
        {
            let oldest = oldest.block;
            tracing::warn!(chain = self.name(), block = %oldest, "too many blocks to follow: the oldest is let go");
            followed.remove(&oldest);
        }
        let required = self.settings.confirmations;
        let replays = delivery.read(|state| state.replays.clone());
        let new = || {
            Followed::new(delivery.block(), delivery.parent, required, report.clone(), delivery.received_at())
        };
        let followed = followed.entry(delivery.block()).or_insert_with(new);
        followed.fate.refused(refused);
        followed.told.replays.next_unix_ms = replays.next.map(|at| unix_ms(delivery.wall(at)));
        followed.told.replays.done += replays.done.saturating_sub(replays.told);
        delivery.note(|state| state.replays.told = replays.done);
        followed.learn(report);
    }

    /// Asks a node where it has the blocks that are followed, as far as its tip has moved since it was last asked.
    pub(crate) async fn ask_where(self: &Arc<Self>, node: &Node, tip: NodeTip, weight: Weight) {
        let questions: Vec<_> = {
            let followed = self.followed.lock();
            let due = |followed: &&Followed| followed.asked.get(node.name()) != Some(&tip.hash);
            let question = |followed: &Followed| Question {
                block: followed.block,
                parent: followed.parent,
                height: followed.height,
            };
            followed.values().filter(due).map(question).collect()
        };
        for part in questions.chunks(BATCH) {
            match self.ask_part(node, tip, part).await {
                Ok(words) => {
                    let now = unix_ms(SystemTime::now());
                    let mut followed = self.followed.lock();
                    for (block, place, rival, parent_in_chain, height) in words {
                        let Some(followed) = followed.get_mut(&block) else { continue };
                        followed.height = followed.height.or(height);
                        followed.fate.hear(node.name(), Word { place, rival, weight });
                        followed.spoken.insert(node.name().into(), now);
                        followed.asked.insert(node.name().into(), tip.hash);
                        followed.parent_in_chain = parent_in_chain.or(followed.parent_in_chain);
                    }
                }
                Err(error) => {
                    tracing::debug!(chain = self.name(), node = node.name(), %error, "where our blocks are cannot be told");
                    self.metrics.node_error(node.name(), error.kind());
                    return;
                }
            }
        }
        if !questions.is_empty() {
            self.judge_followed(|followed| questions.iter().any(|question| question.block == followed.block));
        }
    }

    #[allow(
        clippy::type_complexity,
        reason = "what a node says of each block, taken apart at once by the one caller"
    )]
    async fn ask_part(
        &self,
        node: &Node,
        tip: NodeTip,
        questions: &[Question],
    ) -> Result<Vec<(BlockHash, Place, Option<(BlockHash, u32)>, Option<bool>, Option<u32>)>, RpcError> {
        let calls: Vec<_> = questions
            .iter()
            .flat_map(|question| [question.block, question.parent])
            .map(|block| ("getblockheader", json!([block.to_string()])))
            .collect();
        let answers = node.client().batch(&calls).await?;
        let mut places = Vec::new();
        for answer in answers {
            places.push(match answer {
                Ok(header) => serde_json::from_value::<Header>(header).ok(),
                Err(RpcError::Rpc { code: NOT_FOUND, .. }) => None,
                Err(error) => return Err(error),
            });
        }
        let is_beside = |header: &Header| header.confirmations < 0;
        // Only of what is beside the chain it is worth knowing why.
        let beside = places.iter().step_by(2).flatten().any(is_beside);
        let tips = if beside { tips_of(node).await? } else { Vec::new() };
        let height_of = |question: &Question, header: &Option<Header>| {
            header.as_ref().map(|header| header.height).or(question.height)
        };
        let lost: Vec<_> = questions
            .iter()
            .zip(places.iter().step_by(2))
            .filter(|(_, header)| header.as_ref().is_none_or(is_beside))
            .filter_map(|(question, header)| {
                let height = height_of(question, header)?;
                (height <= tip.height).then_some((question.block, height))
            })
            .collect();
        let calls: Vec<_> = lost.iter().map(|(_, height)| ("getblockhash", json!([height]))).collect();
        let answers = node.client().batch(&calls).await?;
        let mut rivals = HashMap::new();
        for ((block, height), answer) in lost.iter().zip(answers) {
            // A node that has just gone back is lower than it said.
            let Ok(Value::String(hash)) = answer else { continue };
            if let Ok(rival) = hash.parse::<BlockHash>()
                && rival != *block
            {
                rivals.insert(*block, (rival, tip.height - height + 1));
            }
        }
        let words = questions.iter().zip(places.chunks(2)).map(|(question, headers)| {
            let (header, parent) = (&headers[0], &headers[1]);
            let depth = header.as_ref().and_then(|header| u32::try_from(header.confirmations).ok());
            let tip_of = || tips.iter().find(|tip| tip.hash == question.block.to_string());
            let place = match (header, depth) {
                (None, _) => Place::Unknown,
                (_, Some(depth)) => Place::Active(depth.max(1)),
                (Some(_), None) => match tip_of().map(|tip| tip.status.as_str()) {
                    Some("invalid" | "conflicting") => Place::Invalid,
                    Some("headers-only") => Place::Unknown,
                    _ => Place::Side,
                },
            };
            let parent_in_chain = parent.as_ref().map(|parent| !is_beside(parent));
            (
                question.block,
                place,
                rivals.get(&question.block).copied(),
                parent_in_chain,
                height_of(question, header),
            )
        });
        Ok(words.collect())
    }

    /// Weighs the words on blocks anew, and says what is new.
    fn judge_followed(self: &Arc<Self>, which: impl Fn(&Followed) -> bool) {
        let lock = self.chain.finality().map_or("final", |finality| finality.word());
        let mut news = Vec::new();
        let mut open = 0;
        {
            let mut followed = self.followed.lock();
            for followed in followed.values_mut() {
                if which(followed) {
                    self.hold_against_lock(followed);
                    let rival = followed.fate.verdict().rival.and_then(|(rival, _)| {
                        let mut sightings = self.sightings.lock();
                        if let Some(node) = followed.fate.verdict().node {
                            sightings.at_node(&node, rival, Instant::now());
                        }
                        sightings.get(&rival).cloned()
                    });
                    if let Some(new) = followed.judge(lock, rival.as_ref()) {
                        news.push((
                            followed.block,
                            new,
                            followed.told.clone(),
                            followed.report.clone(),
                            followed.recorded,
                        ));
                    }
                }
                open += usize::from(!followed.told.is_final());
            }
        }
        self.metrics.open_blocks(open);
        for (block, new, told, report, recorded) in news {
            if let (Some(ledger), true) = (&self.ledger, recorded) {
                ledger.fate(self.name(), &block.to_string(), told.clone());
            }
            self.tell_fate(block, &new, &told, &report);
        }
    }

    fn hold_against_lock(&self, followed: &mut Followed) {
        let headers = self.headers.lock();
        let locks = self.locks.lock();
        let Some((_, node)) = locks.newest() else { return };
        let standing = locks.standing(followed.block, followed.parent, followed.height, &headers);
        if standing != Standing::Open {
            followed.fate.locked(standing, node);
        }
    }

    fn tell_fate(self: &Arc<Self>, block: BlockHash, new: &News, told: &ledger::Fate, report: &Report) {
        if new.is_first_word {
            self.metrics.block(report.source.as_str(), &told.state);
        } else if told.state != new.before && new.verdict.state.is_final() {
            self.metrics.final_word_changed(&new.before, &told.state);
        }
        if told.state == new.before {
            return;
        }
        self.events.tell(self.name(), "fate", || {
            json!({ "block": block.to_string(), "state": told.state, "by": told.by, "node": told.node,
                    "confirmations": told.confirmations, "diagnosis": told.diagnosis })
        });
        let (chain, node, by, before) = (self.name(), &told.node, told.by.as_deref(), &new.before);
        let why = told.diagnosis.as_ref().map(|diagnosis| diagnosis.text.as_str());
        match new.verdict.state {
            State::Open | State::Active => {
                tracing::info!(chain, %block, node, before, state = told.state, "what the chain says of a block has changed");
            }
            State::Confirmed | State::Locked => {
                let confirmations = told.confirmations;
                tracing::info!(chain, %block, node, confirmations, "block is {}", told.state);
            }
            State::Side => tracing::warn!(chain, %block, node, by, why, "a rival is in the block's place"),
            State::Orphaned => tracing::error!(chain, %block, node, by, why, "block is orphaned"),
            State::Rejected => tracing::error!(chain, %block, why, "block is rejected"),
        }
        if new.verdict.state == State::Open && told.replays.done < AGAIN {
            self.spawn(self.clone().send_again(block));
        }
        // What a lock says is one node's word, and no reason to keep the block from another that has not answered.
        let is_deep = new.verdict.rival.is_some_and(|(_, depth)| depth >= told.required);
        if new.verdict.state == State::Orphaned && is_deep {
            // A rival that is this deep does not go away: the block is not sent again.
            let lost = self.live().into_iter().filter(|delivery| delivery.block() == block);
            lost.for_each(|delivery| {
                delivery.update(|state| state.given_up = true);
                self.close_if_done(&delivery);
            });
        }
    }

    /// No node has a block any more that one had, nor a rival in its place. A node writes its chain to disk when it has
    /// time: what it took just before a crash is gone.
    async fn send_again(self: Arc<Self>, block: BlockHash) {
        let bytes = match (self.raw(&block), &self.ledger) {
            (Some(bytes), _) => Some(bytes),
            (None, Some(ledger)) => match ledger.raw(Some(self.name()), &block.to_string()).await {
                Ok(kept) => kept.map(|(_, bytes)| bytes),
                Err(error) => {
                    tracing::debug!(chain = self.name(), %block, %error, "the ledger does not give its bytes");
                    None
                }
            },
            (None, None) => None,
        };
        let chain = self.name();
        let Some(bytes) = bytes else {
            return tracing::error!(chain, %block, "no node has the block any more, and its bytes are not kept");
        };
        tracing::warn!(chain, %block, "no node has the block any more: it is sent again");
        for delivery in self.live().iter().filter(|delivery| delivery.block() == block) {
            delivery.note(|state| state.forgotten = true);
        }
        if let Some(followed) = self.followed.lock().get_mut(&block) {
            followed.told.replays.done += 1;
        }
        self.submit(Submission::own(Source::Replay, bytes));
    }

    /// Writes down everything as it is in the end, and waits for it a little.
    pub(crate) async fn write_down_the_last(self: &Arc<Self>) {
        let live = self.live();
        self.write_down(&live);
        let written = async {
            for delivery in live.iter().filter(|_| self.ledger.is_some()) {
                delivery.until(|state| state.recorded).await;
            }
        };
        if tokio::time::timeout(WRITTEN_WITHIN, written).await.is_err() {
            tracing::warn!(
                chain = self.name(),
                "the ledger does not have all that became of the last blocks"
            );
        }
    }

    /// The blocks on their way and those that are followed, as they are now.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks: HashMap<BlockHash, Block> = HashMap::new();
        let followed = self.followed.lock();
        let live = self.live();
        for delivery in &live {
            let report = delivery.report(self.name());
            let told = followed.get(&delivery.block()).map(|followed| followed.told.clone());
            let new = || Block {
                chain: report.chain.clone(),
                hash: report.hash.clone(),
                height: report.height,
                parent: report.parent.clone(),
                fate: told.unwrap_or_else(|| ledger::Fate {
                    state: "open".into(),
                    since_unix_ms: report.received_unix_ms,
                    required: self.settings.confirmations,
                    ..ledger::Fate::default()
                }),
                deliveries: Vec::new(),
                raw_kept: true,
            };
            let block = blocks.entry(delivery.block()).or_insert_with(new);
            block.height = block.height.or(report.height);
            block.deliveries.push(report);
        }
        blocks.into_values().collect()
    }

    /// The bytes of a block that is on its way.
    pub fn raw(&self, block: &BlockHash) -> Option<bytes::Bytes> {
        let live = self.live();
        let delivery = live.iter().find(|delivery| delivery.block() == *block)?;
        delivery.canonical().or_else(|| delivery.submitted())
    }

    /// The ledger's own, if there is one.
    pub fn ledger(&self) -> Option<&Ledger> {
        self.ledger.as_ref()
    }
}
