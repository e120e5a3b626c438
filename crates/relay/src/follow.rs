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

use bytes::Bytes;
use ledger::{Block, Ledger, Report, Source};
use parking_lot::Mutex;
use protocol::{fate::State, finality::Standing, sightings::Sighting};
use serde_json::json;
use wire::BlockHash;

use crate::{
    Delivery, Relay, Submission,
    followed::{Followed, History, News},
    report::unix_ms,
};

/// How many blocks are followed at a time. A pool that finds one a minute has this many within a day.
const MANY: usize = 1000;

/// How often a block is sent again that is gone, at most, and how long to wait in between.
const AGAIN: (u32, Duration) = (20, Duration::from_secs(60));

/// How long shutting down waits for the ledger.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);

/// Which blocks are followed.
pub(crate) type FollowedBlocks = Mutex<HashMap<BlockHash, Followed>>;

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
            let Some(earlier) = Followed::of(block, self.settings.confirmations, self.lock_word()) else {
                continue;
            };
            // What the journal has brought back asks for its own history.
            followed.entry(earlier.block).or_insert(earlier);
        }
        if count > 0 {
            tracing::info!(chain = self.name(), blocks = count, "blocks of earlier runs are followed");
        }
    }

    /// The chain's word for a block that is final by other means than work.
    fn lock_word(&self) -> Option<&'static str> {
        self.chain.finality().map(|finality| finality.word())
    }

    /// Asks the ledger what it has of a block that is followed from now on: it may not be new.
    async fn ask_history(self: Arc<Self>, ledger: Ledger, block: BlockHash) {
        let mut health = ledger.watch();
        loop {
            let known = ledger.block(&block.to_string()).await;
            {
                let mut followed = self.followed.lock();
                let Some(followed) = followed.get_mut(&block) else { return };
                match known {
                    Ok(blocks) => {
                        let of_chain = blocks.into_iter().find(|known| known.chain == self.name());
                        match of_chain {
                            Some(known) => followed.recall(known, self.lock_word()),
                            None => followed.history = History::Known { rival: None },
                        }
                        followed.touch();
                        return self.write_fate(followed);
                    }
                    Err(_) => followed.history = History::Unavailable,
                }
            }
            // The ledger says in the log why not.
            if health.wait_for(|health| health.available).await.is_err() {
                return;
            }
        }
    }

    /// Writes down what is told of a block, if the ledger has the block, and what it has from earlier is part of it.
    fn write_fate(&self, followed: &Followed) {
        if let (Some(ledger), true, History::Known { .. }) =
            (&self.ledger, followed.recorded, &followed.history)
        {
            ledger.fate(self.name(), &followed.block.to_string(), followed.told.clone());
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
            // The block itself: at first, and once more if it is the form that a node has taken.
            let taken = ["accepted", "inconclusive"].contains(&report.status.as_str());
            let raw = delivery.bytes_to_keep(taken);
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
        self.judge_followed();
        self.followed.lock().retain(|_, followed| !followed.is_over());
    }

    /// The ledger has a delivery, or has said that it cannot take it now.
    fn recorded(&self, delivery: &Delivery) {
        let is_new = delivery.read(|state| !state.recorded);
        if !is_new {
            return;
        }
        delivery.note(|state| state.recorded = true);
        if let Some(followed) = self.followed.lock().get_mut(&delivery.block()) {
            followed.recorded = true;
            self.write_fate(followed);
        }
        self.close_if_done(delivery);
    }

    /// What is known of a delivery is what is known of its block.
    fn take_in(self: &Arc<Self>, delivery: &Delivery, report: Report) {
        let block = delivery.block();
        let (mut refused, mut forms) = (true, 0);
        for other in self.live().iter().filter(|other| other.block() == block) {
            forms += 1;
            refused &= other.read(|state| state.is_refused_for_good());
        }
        let mut followed = self.followed.lock();
        if followed.len() >= MANY && !followed.contains_key(&block) {
            // One that has its last word goes first.
            let last = followed.values().min_by_key(|one| (!one.told.is_final(), one.first_at));
            if let Some((last, is_final)) = last.map(|one| (one.block, one.told.is_final())) {
                tracing::warn!(chain = self.name(), block = %last, is_final, "too many blocks to follow: the oldest is let go");
                followed.remove(&last);
            }
        }
        let followed = followed.entry(block).or_insert_with(|| {
            let required = self.settings.confirmations;
            let mut new =
                Followed::new(block, delivery.parent, required, report.clone(), delivery.received_at());
            new.recorded = delivery.read(|state| state.recorded);
            if let Some(ledger) = &self.ledger {
                new.history = History::Awaited;
                self.spawn(self.clone().ask_history(ledger.clone(), block));
            }
            new
        });
        let replays = delivery.read(|state| state.replays.clone());
        followed.told.replays.next_unix_ms = replays.next.map(|at| unix_ms(delivery.wall(at)));
        let untold = replays.done.saturating_sub(replays.told);
        followed.told.replays.done = followed.told.replays.done.saturating_add(untold);
        delivery.note(|state| state.replays.told = replays.done);
        followed.learn(report, delivery.received_at());
        followed.refused(refused && forms > 0);
        followed.touch();
    }

    /// Weighs the words on blocks anew, and says what is new.
    pub(crate) fn judge_followed(self: &Arc<Self>) {
        let lock = self.lock_word().unwrap_or("final");
        let nodes: Vec<&str> = self.nodes.iter().map(|node| node.name()).collect();
        let (mut news, mut gone, mut lost) = (Vec::new(), Vec::new(), Vec::new());
        let mut open = 0;
        {
            let mut followed = self.followed.lock();
            for followed in followed.values_mut() {
                if let Some(new) = followed.judge(lock, self.sighting(followed).as_ref()) {
                    self.write_fate(followed);
                    news.push((followed.block, new, followed.told.clone(), followed.report.source));
                }
                if followed.is_lost() {
                    lost.push(followed.block);
                } else if followed.is_gone(&nodes) {
                    gone.push(followed.block);
                }
                open += usize::from(!followed.told.is_final());
            }
        }
        self.metrics.open_blocks(open);
        for (block, new, told, source) in news {
            self.tell_fate(block, &new, &told, source);
        }
        self.give_up(&lost);
        gone.into_iter().for_each(|block| self.find_again(block));
    }

    /// When a block's rival came, as far as that can be told.
    fn sighting(&self, followed: &Followed) -> Option<Sighting> {
        let verdict = followed.fate.verdict();
        let (rival, _) = verdict.rival?;
        if !followed.may_date(&rival) {
            return None;
        }
        let mut sightings = self.sightings.lock();
        if let Some(node) = &verdict.node {
            sightings.at_node(node, rival, Instant::now());
        }
        sightings.get(&rival).cloned()
    }

    /// Holds every block against the newest lock: there is a new one.
    pub(crate) fn judge_followed_by_lock(self: &Arc<Self>) {
        self.followed.lock().values_mut().for_each(|followed| self.hold_against_lock(followed));
        self.judge_followed();
    }

    fn hold_against_lock(&self, followed: &mut Followed) {
        let headers = self.headers.lock();
        let locks = self.locks.lock();
        let Some((_, node)) = locks.newest() else { return };
        let standing = locks.standing(followed.block, followed.parent, followed.height, &headers);
        if standing != Standing::Open {
            followed.fate.locked(standing, node);
            followed.touch();
        }
    }

    fn tell_fate(&self, block: BlockHash, new: &News, told: &ledger::Fate, source: Source) {
        if new.is_first_word {
            self.metrics.block(source.as_str(), &told.state);
        }
        if let Some(before) = &new.took_back {
            self.metrics.final_word_changed(before, &told.state);
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
        match new.state {
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
    }

    /// Rivals are in these blocks' places that are so deep that they do not go away: the blocks are not sent again. (What
    /// a lock says is one node's word, and no reason to keep a block from another that has not answered.)
    fn give_up(&self, lost: &[BlockHash]) {
        if lost.is_empty() {
            return;
        }
        for delivery in self.live().iter().filter(|delivery| lost.contains(&delivery.block())) {
            if !delivery.read(|state| state.given_up) {
                delivery.update(|state| state.given_up = true);
                self.close_if_done(delivery);
            }
        }
    }

    /// No node has a block any more that one had taken, nor a rival in its place: sends it again. A node writes its chain
    /// to disk when it has time; what it took just before a crash is gone.
    fn find_again(self: &Arc<Self>, block: BlockHash) {
        // While a node is still to judge it, it is on its way.
        let is_under_way = |delivery: &Arc<Delivery>| {
            delivery.block() == block && delivery.read(|state| !state.is_judged_for_good())
        };
        if self.live().iter().any(is_under_way) {
            return;
        }
        let may = |followed: &mut Followed| followed.send_again(AGAIN.0, AGAIN.1);
        if self.followed.lock().get_mut(&block).is_some_and(may) {
            self.spawn(self.clone().send_again(block));
        }
    }

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

    /// The bytes of a block that is on its way: of several forms of it the one that a node has taken.
    pub fn raw(&self, block: &BlockHash) -> Option<Bytes> {
        let of_block = self.live().into_iter().filter(|delivery| delivery.block() == *block);
        let best = of_block.min_by_key(|delivery| {
            delivery.read(|state| {
                let judgement = state.judgement().map_or("pending", |judgement| judgement.kind());
                ledger::rank(judgement)
            })
        })?;
        best.submitted()
    }
}
