//! The show: blocks are found, handed in and followed, one after another, on one chain after another.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use engine::{ChainHandle, Engine};
use futures_util::future::join_all;
use relay::Delivery;
use simnet::Minted;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use wire::{BlockHash, Header, Reader};

use super::loose_ends::{LooseEnd, together};
use super::network::Network;
use super::pool::Pool;
use super::record::{PoolAnswer, Record, Truth, Twin};
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
    /// How many blocks were found there.
    pub(super) found: usize,
}

/// The show.
pub(super) struct Show<'a> {
    programme: Programme,
    /// Knows all chains.
    engine: Engine,
    venues: Vec<Venue<'a>>,
    /// Tells people; without one, programs are told.
    story: Option<Story>,
    pub(super) tally: Tally,
    /// How many blocks were found that are not in the tally yet.
    pub(super) under_way: usize,
    loose_ends: VecDeque<LooseEnd<Block>>,
}

/// A block that was found and is to be handed in.
#[derive(Debug)]
struct Find {
    number: u32,
    /// Where, by its place among the venues.
    venue: usize,
    minted: Minted,
    transactions: u64,
    /// The other block, if two were found at once.
    twin: Option<Twin>,
}

/// A block that is, or was, on its way.
#[derive(Debug)]
struct Block {
    number: u32,
    venue: usize,
    twin: Option<Twin>,
    transactions: u64,
    hash: BlockHash,
    found: Instant,
    pool: PoolAnswer,
    delivery: Arc<Delivery>,
}

impl Find {
    fn new(number: u32, venue: usize, minted: Minted, twin: Option<Twin>) -> anyhow::Result<Self> {
        let transactions = transactions(&minted)?;
        Ok(Self { number, venue, minted, transactions, twin })
    }
}

impl<'a> Show<'a> {
    /// At one venue at least.
    pub(super) fn new(
        programme: Programme,
        engine: Engine,
        venues: Vec<Venue<'a>>,
        story: Option<Story>,
    ) -> Self {
        let (tally, loose_ends) = (Tally::default(), VecDeque::new());
        Self { programme, engine, venues, story, tally, under_way: 0, loose_ends }
    }

    /// Finds block after block. May be dropped at any point between two lines of output.
    ///
    /// # Errors
    /// When the front door does not take a block at all, or standard output cannot be written.
    pub(super) async fn run(&mut self) -> anyhow::Result<()> {
        let last = self.programme.blocks.unwrap_or(u32::MAX);
        let mut due = Instant::now() + CALM;
        let mut number = 1;
        for venue in (0..self.venues.len()).cycle() {
            self.look_back_until(due).await?;
            due = Instant::now() + self.programme.interval;
            let finds = self.find(number, venue)?;
            self.under_way = finds.len();
            self.tell_of(&finds[0])?;
            let blocks = self.hand_in(&finds).await?;
            for (at, block) in blocks.into_iter().enumerate() {
                if at > 0 {
                    self.tell_of(&finds[at])?;
                }
                self.follow(block).await?;
                if number == last {
                    // The twin of the last one is one too many, and stays on its way.
                    return Ok(());
                }
                number += 1;
            }
        }
        Ok(())
    }

    /// Finds a block, or two at once if this chain's blocks have the work of another's.
    fn find(&mut self, number: u32, venue: usize) -> anyhow::Result<Vec<Find>> {
        let size = self.size(venue);
        let network = self.venues[venue].network;
        let of = |chain| self.venues.iter().position(|other| other.network.stage.chain == chain);
        let Some(there) = network.stage.mined_with.and_then(of) else {
            return Ok(vec![Find::new(number, venue, network.find(size), None)?]);
        };
        let size_there = self.size(there);
        let parents = self.venues[there].network;
        let (minted, parent) = network.find_with(size, parents, size_there)?;
        let next = number.saturating_add(1);
        let twin = |block, network: &Network, minted: &Minted, has_work| {
            let (chain, hash) = (network.stage.chain, minted.hash.to_string());
            Some(Twin { block, chain, hash, has_work })
        };
        let with_work = twin(next, parents, &parent, true);
        let without = twin(number, network, &minted, false);
        Ok(vec![Find::new(number, venue, minted, with_work)?, Find::new(next, there, parent, without)?])
    }

    /// How large the next block there is to be.
    fn size(&mut self, venue: usize) -> usize {
        let found = &mut self.venues[venue].found;
        *found += 1;
        self.programme.size.unwrap_or(SIZES[(*found - 1 + venue) % SIZES.len()])
    }

    /// Tells that a block was found.
    fn tell_of(&mut self, find: &Find) -> anyhow::Result<()> {
        let Some(story) = &mut self.story else { return Ok(()) };
        let Find { number, venue, minted, transactions, twin } = find;
        let chain = self.venues[*venue].chain.name();
        output::print(&story.found(*number, chain, minted, *transactions, twin.as_ref()))
    }

    /// Hands blocks in, each at its chain's front door, all at the same moment.
    async fn hand_in(&self, finds: &[Find]) -> anyhow::Result<Vec<Block>> {
        let found = Instant::now();
        let calls = finds.iter().map(|find| self.venues[find.venue].pool.submit(&find.minted.bytes));
        let answers = join_all(calls).await;
        let block = |(find, pool): (&Find, PoolAnswer)| {
            let Find { number, venue, ref minted, transactions, ref twin } = *find;
            let (hash, twin) = (minted.hash, twin.clone());
            let Some(delivery) = delivery(&self.venues[venue].chain, hash) else {
                bail!("the front door answered {}, and the engine does not know the block", pool.answer);
            };
            Ok(Block { number, venue, twin, transactions, hash, found, pool, delivery })
        };
        finds.iter().zip(answers).map(block).collect()
    }

    /// Follows a block until it can be judged, and judges it.
    async fn follow(&mut self, block: Block) -> anyhow::Result<()> {
        let mut looks = looks(LOOK);
        let record = loop {
            looks.tick().await;
            let record = self.record(&block);
            if let Some(story) = &mut self.story {
                output::print(&story.so_far(&record))?;
            }
            let waited = block.found.elapsed();
            if record.is_settled() || (record.is_complete() && waited >= FAIR) || waited >= PATIENCE {
                break record;
            }
        };
        self.tally.add(&record);
        self.under_way -= 1;
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
        Ok(())
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
        let mut report = block.delivery.report(chain.name());
        self.engine.complete(&mut report);
        let truth = Truth { twin: block.twin.clone(), ..network.truth(&block.hash) };
        let Block { number, transactions, pool, .. } = block;
        Record::new(*number, *transactions, pool.clone(), report, &network.members, &truth)
    }
}

fn looks(period: Duration) -> tokio::time::Interval {
    let mut looks = interval(period);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

fn delivery(chain: &ChainHandle, hash: BlockHash) -> Option<Arc<Delivery>> {
    chain.relay.live().into_iter().find(|delivery| delivery.block() == hash)
}

/// How many transactions a block says that it has.
fn transactions(block: &Minted) -> anyhow::Result<u64> {
    let mut reader = Reader::at(&block.bytes, Header::LEN + block.header.extension().len());
    reader.compact_size("transactions").context("the simulated block cannot be read")
}
