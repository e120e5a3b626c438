//! The show: blocks are found, handed in and followed, one after another, on one chain after another.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use engine::ChainHandle;
use relay::Delivery;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use wire::{BlockHash, Header, Reader};

use super::loose_ends::{LooseEnd, together};
use super::network::Network;
use super::pool::Pool;
use super::record::{PoolAnswer, Record};
use super::tally::Tally;
use crate::output;
use crate::view::demo::Story;

/// How often to look at a block on its way.
const LOOK: Duration = Duration::from_millis(25);

/// How often to look at those that were told already.
const LOOK_BACK: Duration = Duration::from_millis(250);

/// What those who do not keep their word are given to answer, from the moment when the block was found.
const FAIR: Duration = Duration::from_secs(3);

/// What the others are given at most. It is reached only when something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// For how long a block is looked at again: longer than the engine itself follows one.
const REMEMBERED: Duration = Duration::from_secs(150);

/// From everybody's connection to the first block. A peer's first questions are answered by then: an observer that
/// learnt of the block from such an answer would not announce it to us.
const CALM: Duration = Duration::from_secs(1);

/// Sizes of blocks in bytes unless one is asked for, in turn on each chain.
const SIZES: [usize; 3] = [20_000, 100_000, 400_000];

/// How the show is to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Programme {
    /// How many blocks; `None`: without end.
    pub(super) blocks: Option<u32>,
    /// From the finding of one block to that of the next.
    pub(super) interval: Duration,
    /// Bytes.
    pub(super) size: Option<usize>,
}

/// A chain on which blocks are found.
pub(super) struct Venue<'a> {
    pub(super) network: &'a Network,
    pub(super) chain: Arc<ChainHandle>,
    pub(super) pool: Pool,
}

/// The show.
pub(super) struct Show<'a> {
    programme: Programme,
    venues: Vec<Venue<'a>>,
    /// Tells people; without one, programs are told.
    story: Option<Story>,
    pub(super) tally: Tally,
    /// Whether a block was found that is not in the tally yet.
    pub(super) under_way: bool,
    loose_ends: VecDeque<LooseEnd<Block>>,
}

/// A block that is, or was, on its way.
#[derive(Debug)]
struct Block {
    number: u32,
    /// Where it was found, by its place among the venues.
    venue: usize,
    transactions: u64,
    hash: BlockHash,
    found: Instant,
    pool: PoolAnswer,
    delivery: Arc<Delivery>,
}

impl<'a> Show<'a> {
    /// At one venue at least.
    pub(super) fn new(programme: Programme, venues: Vec<Venue<'a>>, story: Option<Story>) -> Self {
        let (tally, loose_ends) = (Tally::default(), VecDeque::new());
        Self { programme, venues, story, tally, under_way: false, loose_ends }
    }

    /// Finds block after block. May be dropped at any point between two lines of output.
    ///
    /// # Errors
    /// When the front door does not take a block at all, or standard output cannot be written.
    pub(super) async fn run(&mut self) -> anyhow::Result<()> {
        let mut due = Instant::now() + CALM;
        for number in 1..=self.programme.blocks.unwrap_or(u32::MAX) {
            self.look_back_until(due).await?;
            due = Instant::now() + self.programme.interval;
            self.under_way = true;
            let (block, record) = self.deliver(number).await?;
            self.tally.add(&record);
            self.under_way = false;
            if let Some(story) = &mut self.story {
                output::print(&story.rest(&record))?;
            } else {
                output::print(&format!("{}\n", serde_json::to_string(&record)?))?;
            }
            // What became of earlier blocks explains who is not connected now.
            self.look_back()?;
            if let Some(story) = &mut self.story {
                output::print(&story.end(&record))?;
            }
            self.loose_ends.push_back(LooseEnd::new(block, &record));
        }
        Ok(())
    }

    /// Finds a block, hands it in and follows it until it can be judged.
    async fn deliver(&mut self, number: u32) -> anyhow::Result<(Block, Record)> {
        let (round, at) = turn(number, self.venues.len());
        let size = self.programme.size.unwrap_or(SIZES[(round + at) % SIZES.len()]);
        let venue = &self.venues[at];
        let minted = venue.network.find(size);
        let transactions = transactions(&minted.bytes)?;
        let found = Instant::now();
        if let Some(story) = &mut self.story {
            output::print(&story.found(number, venue.chain.name(), &minted, transactions))?;
        }
        let pool = venue.pool.submit(&minted.bytes).await;
        let Some(delivery) = find(&venue.chain, minted.hash) else {
            bail!("the front door answered {}, and the engine does not know the block", pool.answer);
        };
        let block = Block { number, venue: at, transactions, hash: minted.hash, found, pool, delivery };
        let mut looks = looks(LOOK);
        loop {
            looks.tick().await;
            let record = self.record(&block);
            if let Some(story) = &mut self.story {
                output::print(&story.so_far(&record))?;
            }
            let waited = found.elapsed();
            if record.is_settled() || (record.is_complete() && waited >= FAIR) || waited >= PATIENCE {
                return Ok((block, record));
            }
        }
    }

    /// Waits, and tells meanwhile what became of earlier blocks.
    async fn look_back_until(&mut self, due: Instant) -> anyhow::Result<()> {
        let mut looks = looks(LOOK_BACK);
        // However little time there is, once at least.
        self.look_back()?;
        loop {
            tokio::select! {
                () = sleep_until(due) => return Ok(()),
                _ = looks.tick() => self.look_back()?,
            }
        }
    }

    /// Looks at the blocks of the last minutes again, and tells what is new. The tally hears of it, too.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(super) fn look_back(&mut self) -> anyhow::Result<()> {
        let mut news = Vec::new();
        let mut ends = std::mem::take(&mut self.loose_ends);
        for end in &mut ends {
            let record = self.record(&end.block);
            self.tally.note(end.block.number, &end.claims(&record));
            news.extend(end.news(&record).into_iter().map(|peer| (end.block.number, peer)));
        }
        ends.retain(|end| end.block.found.elapsed() < REMEMBERED);
        self.loose_ends = ends;
        if let Some(story) = &mut self.story {
            for (peer, blocks) in together(news) {
                output::print(&story.later(&peer, &blocks))?;
            }
        }
        Ok(())
    }

    /// What the engine says of a block now, and then what is true of it.
    fn record(&self, block: &Block) -> Record {
        let Venue { network, chain, .. } = &self.venues[block.venue];
        let report = block.delivery.report(chain.name());
        let truth = network.truth(&block.hash);
        let Block { number, transactions, pool, .. } = block;
        Record::new(*number, *transactions, pool.clone(), report, &network.members, &truth)
    }
}

/// Whose turn a block is: which round of all venues, and which venue, both from 0.
fn turn(number: u32, venues: usize) -> (usize, usize) {
    let before = number as usize - 1;
    (before / venues, before % venues)
}

fn looks(period: Duration) -> tokio::time::Interval {
    let mut looks = interval(period);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

fn find(chain: &ChainHandle, hash: BlockHash) -> Option<Arc<Delivery>> {
    chain.relay.live().into_iter().find(|delivery| delivery.block() == hash)
}

/// How many transactions a block says that it has.
fn transactions(block: &Bytes) -> anyhow::Result<u64> {
    let mut reader = Reader::at(block, Header::LEN);
    reader.compact_size("transactions").context("the simulated block cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_take_turns_and_each_sees_blocks_of_every_size() {
        for venues in 1..=4 {
            let turns: Vec<_> = (1..=12).map(|number| turn(number, venues)).collect();
            assert!(turns.iter().zip((0..venues).cycle()).all(|((_, at), due)| *at == due));
            for venue in 0..venues {
                let rounds = turns.iter().filter(|(_, at)| *at == venue).map(|(round, _)| *round);
                assert_eq!(rounds.collect::<Vec<_>>(), (0..12 / venues).collect::<Vec<_>>());
            }
        }
    }
}
