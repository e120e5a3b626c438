//! One round: blocks are handed in, the program is killed, starts again, and is held to what it said.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::ensure;
use tokio::runtime::Handle;

use super::{
    caller::{Door, Told, hand_in},
    gate::{Gate, Line},
    node::{Block, Flaw, Has, Node},
    program::{Home, Program, until},
    tracer::{self, Call, Tracer},
};

/// How long a block may take to the node after the restart, and anything else that takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// The same once a block was lost: the goal is missed then, and how many there are need not take an hour.
const IMPATIENCE: Duration = Duration::from_millis(300);

/// How long after the last reply a call may come at which the program is to be killed: what is written down behind the
/// replies may wait for company.
const AFTERWARDS: Duration = Duration::from_millis(1_500);

/// The same for the journal's tidying, which begins after an idle second.
const IDLE: Duration = Duration::from_secs(5);

/// How many bytes are handed in at once to make room for tidying: the node takes twice that in digits.
const BALLAST: usize = 14_000_000;

/// For how long no block is open when a program is at rest: what a start sends again, it sends within a second.
const QUIET: Duration = Duration::from_millis(1500);

/// How often a round is played in which the call does not come.
const TRIES: usize = 4;

/// When the program is killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kill {
    /// So long after the first block was handed in.
    Within(Duration),
    /// So long after everybody has a reply.
    Told(Duration),
    /// At a call of the journal's thread.
    At(Call),
    /// At a call of the journal's thread once everybody has a reply: when it tidies.
    Idle(Call),
}

/// When the program is killed once more, as it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KillAtStart {
    Within(Duration),
    At(Call),
}

/// Whether a call came at which the program was to be killed.
#[derive(Debug)]
enum Hit {
    /// It was to be killed at a moment.
    NotWanted,
    At(Call),
    /// It did not come, and the program was killed by hand.
    Missed,
}

/// What happens in a round.
#[derive(Debug, Clone)]
pub(super) struct Round {
    /// So many bytes of refused blocks go before, so that the journal has something to tidy.
    pub(super) ballast: usize,
    pub(super) line: Line,
    /// All handed in at the same time.
    pub(super) blocks: Vec<(Door, Option<Flaw>)>,
    pub(super) kill: Kill,
    /// Starts that do not get far, and the line meanwhile.
    pub(super) starts: Vec<(Line, KillAtStart)>,
}

/// What became of one block.
#[derive(Debug, Clone)]
pub(super) struct Fate {
    pub(super) block: Block,
    /// What the caller was told; `None` if no whole reply came.
    pub(super) told: Option<Told>,
    /// What the node had of it when the program had been killed.
    pub(super) before: Has,
    /// What the node had of it before the start that was let live.
    pub(super) later: Has,
    /// That start sent it again.
    pub(super) replayed: bool,
    /// What the caller was told who had no reply before, and handed the block in again after that start.
    pub(super) again: Option<Told>,
    /// What the node has of it in the end; it was waited for if it had been promised.
    pub(super) after: Has,
    /// Whether anything could pass to the node before that start.
    pub(super) reachable: bool,
}

/// What became of a round.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) fates: Vec<Fate>,
    /// The calls at which the program was killed.
    pub(super) hits: Vec<Call>,
    /// How often it was to be killed at a call that did not come, and was killed by hand.
    pub(super) misses: usize,
}

/// A program between its callers and its node.
#[derive(Debug)]
pub(super) struct Arena {
    // Before its directory and its node: fields drop in order.
    pub(super) program: Program,
    pub(super) home: Home,
    pub(super) gate: Gate,
    pub(super) node: Node,
    /// How long a block takes to its reply.
    pub(super) reply_takes: Duration,
    /// How long a start takes.
    pub(super) start_takes: Duration,
    /// How long a promised block is waited for.
    patience: Duration,
}

impl Arena {
    /// Starts everything, and looks how long things take here.
    pub(super) fn open(runtime: &Handle, node: Node) -> anyhow::Result<Self> {
        let mut login = node.login()?;
        let gate = Gate::start(runtime, login.address)?;
        login.address = gate.address();
        let home = Home::new(&login)?;
        gate.set(Line::Open);
        let mut program = home.start(&[])?;
        program.ready()?;
        let (reply_takes, start_takes) = (Duration::ZERO, Duration::ZERO);
        let patience = PATIENCE;
        let mut arena = Self { program, home, gate, node, reply_takes, start_takes, patience };
        arena.program.kill()?;
        let start = Instant::now();
        arena.start()?;
        arena.start_takes = start.elapsed();
        for _ in 0..5 {
            let start = Instant::now();
            let [(_, told)] = &arena.hand_in(&[(Door::Front, None)])[..] else { unreachable!("one block") };
            ensure!(told.is_some_and(|told| told.accepted), "a good block is not accepted: {told:?}");
            arena.reply_takes = arena.reply_takes.max(start.elapsed());
        }
        Ok(arena)
    }

    /// Starts the program again, and lets it.
    pub(super) fn start(&mut self) -> anyhow::Result<()> {
        self.gate.set(Line::Open);
        self.program = self.home.start(&[])?;
        self.program.ready()
    }

    /// Hands blocks in and waits for all replies.
    pub(super) fn hand_in(&self, blocks: &[(Door, Option<Flaw>)]) -> Vec<(Block, Option<Told>)> {
        let flaws: Vec<_> = blocks.iter().map(|(_, flaw)| *flaw).collect();
        let doors = self.program.doors();
        let minted = self.node.mint(&flaws).into_iter().zip(blocks);
        minted.map(|(block, (door, _))| (block.clone(), hand_in(doors, &block, *door))).collect()
    }

    /// Fills the journal with what is done: blocks that the node refuses, and zeros behind them.
    pub(super) fn fill(&self, bytes: usize) -> anyhow::Result<()> {
        let mut left = bytes;
        while left > 0 {
            let size = left.min(BALLAST);
            left -= size;
            for mut block in self.node.mint(&[Some(Flaw::Work)]) {
                block.bytes.resize(block.bytes.len() + size, 0);
                let told = hand_in(self.program.doors(), &block, Door::Disk);
                ensure!(told.is_some_and(|told| told.durable), "ballast is not on disk: {told:?}");
            }
        }
        let done = until(PATIENCE, || Ok(self.program.open_blocks()? == 0.0))?;
        ensure!(done, "the journal holds on to what the node has refused");
        Ok(())
    }

    /// Waits until the program is done with what it found in its history at the start, and sent again.
    pub(super) fn come_to_rest(&self) -> anyhow::Result<()> {
        let mut quiet = Instant::now();
        let rests = until(PATIENCE, || {
            if self.program.open_blocks()? > 0.0 {
                quiet = Instant::now();
            }
            Ok(quiet.elapsed() >= QUIET)
        })?;
        ensure!(rests, "the program goes on sending");
        Ok(())
    }

    /// Plays a round until the call comes at which the program is to be killed, which another block's may have taken the
    /// place of; a few times at most. Says what came of each.
    pub(super) fn play_until_hit(&mut self, round: &Round) -> anyhow::Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        while outcomes.len() < TRIES && outcomes.last().is_none_or(|outcome: &Outcome| outcome.misses > 0) {
            outcomes.push(self.play(round)?);
        }
        Ok(outcomes)
    }

    /// Plays a round. Afterwards the program runs, and has nothing to hide.
    pub(super) fn play(&mut self, round: &Round) -> anyhow::Result<Outcome> {
        if round.ballast > 0 {
            self.fill(round.ballast)?;
        }
        let flaws: Vec<_> = round.blocks.iter().map(|(_, flaw)| *flaw).collect();
        let blocks = self.node.mint(&flaws);
        let doors: Vec<_> = round.blocks.iter().map(|(door, _)| *door).collect();
        self.gate.set(round.line);
        let (mut hits, mut misses) = (Vec::new(), 0);
        let mut note = |hit| match hit {
            Hit::At(call) => hits.push(call),
            Hit::Missed => misses += 1,
            Hit::NotWanted => {}
        };
        let (told, hit) = self.hand_in_and_die(&blocks, &doors, &round.kill)?;
        note(hit);
        self.gate.set(Line::Cut);
        let before = self.have(&blocks)?;
        for (line, kill) in &round.starts {
            self.gate.set(*line);
            note(self.start_and_die(kill)?);
            self.gate.set(Line::Cut);
        }
        let later = self.have(&blocks)?;
        let reachable = [round.line].into_iter().chain(round.starts.iter().map(|(line, _)| *line));
        let reachable = reachable.into_iter().any(|line| line == Line::Open);

        self.start()?;
        let replays = self.program.replays()?;
        let mut fates = Vec::new();
        for (((block, told), before), later) in blocks.into_iter().zip(told).zip(before).zip(later) {
            let again = match told {
                None => hand_in(self.program.doors(), &block, Door::Front),
                Some(_) => None,
            };
            let (after, replayed) = (Has::Nothing, replays.contains(&block.hash));
            let mut fate = Fate { block, told, before, later, replayed, again, after, reachable };
            if fate.is_promised() {
                // Whether it came in time shows below.
                until(self.patience, || Ok(self.node.has(&fate.block.hash)? != Has::Nothing))?;
            }
            fate.after = self.node.has(&fate.block.hash)?;
            if fate.is_lost() {
                self.patience = IMPATIENCE;
            }
            fates.push(fate);
        }
        Ok(Outcome { fates, hits, misses })
    }

    fn have(&self, blocks: &[Block]) -> anyhow::Result<Vec<Has>> {
        blocks.iter().map(|block| self.node.has(&block.hash)).collect()
    }

    /// What everybody was told until the program was gone.
    fn hand_in_and_die(
        &mut self,
        blocks: &[Block],
        doors: &[Door],
        kill: &Kill,
    ) -> anyhow::Result<(Vec<Option<Told>>, Hit)> {
        let at = self.program.doors().clone();
        let mut tracer = match kill {
            Kill::At(call) => Some(self.watch(Some(call))?),
            _ => None,
        };
        let (told, ended) = thread::scope(|scope| {
            let callers = blocks.iter().zip(doors);
            let callers: Vec<_> =
                callers.map(|(block, door)| scope.spawn(|| hand_in(&at, block, *door))).collect();
            let all_told = || callers.iter().all(|caller| caller.is_finished());
            let mut live_on = || match kill {
                Kill::Within(time) => {
                    thread::sleep(*time);
                    Ok(false)
                }
                Kill::Told(time) => {
                    until(PATIENCE, || Ok(all_told()))?;
                    thread::sleep(*time);
                    Ok(false)
                }
                Kill::At(_) => {
                    until(PATIENCE, || Ok(self.program.has_ended()? || all_told()))?;
                    until(AFTERWARDS, || self.program.has_ended())
                }
                Kill::Idle(call) => {
                    until(PATIENCE, || Ok(all_told()))?;
                    tracer = Some(self.watch(Some(call))?);
                    until(IDLE, || self.program.has_ended())
                }
            };
            let ended: anyhow::Result<bool> = live_on();
            // Whatever happened: else the callers would wait.
            let killed = self.program.kill();
            let told: Vec<_> =
                callers.into_iter().map(|caller| caller.join().expect("a caller does not panic")).collect();
            killed.and(ended).map(|ended| (told, ended))
        })?;
        let hit = match tracer {
            Some(tracer) => Hit::of(&tracer.seen()?, ended),
            None => Hit::NotWanted,
        };
        Ok((told, hit))
    }

    /// strace on the journal's thread.
    pub(super) fn watch(&self, call: Option<&Call>) -> anyhow::Result<Tracer> {
        Tracer::attach(&self.home, self.program.journal_thread()?, call)
    }

    fn start_and_die(&mut self, kill: &KillAtStart) -> anyhow::Result<Hit> {
        match kill {
            KillAtStart::Within(time) => {
                self.program = self.home.start(&[])?;
                thread::sleep(*time);
                self.program.kill()?;
                Ok(Hit::NotWanted)
            }
            KillAtStart::At(call) => {
                self.program = self.home.start(&tracer::runner(&self.home, Some(call))?)?;
                until(PATIENCE, || Ok(self.program.has_ended()? || self.program.answers()))?;
                let ended = self.program.has_ended()?;
                self.program.kill()?;
                Ok(Hit::of(&tracer::seen_at_start(&self.home, self.program.id())?, ended))
            }
        }
    }
}

impl Hit {
    /// By what was seen until the program ended, which it did by itself or not.
    fn of(seen: &[String], ended: bool) -> Self {
        tracer::killed_at(seen).filter(|_| ended).map_or(Self::Missed, Self::At)
    }
}

impl Fate {
    /// A good block of which the caller was told that it will reach the node.
    pub(super) fn is_promised(&self) -> bool {
        self.block.flaw.is_none() && self.told.or(self.again).is_some_and(|told| told.kept)
    }

    /// A promised block that the node does not have.
    pub(super) fn is_lost(&self) -> bool {
        self.is_promised() && self.after == Has::Nothing
    }

    /// What the caller was told that was not so.
    pub(super) fn untruth(&self) -> Option<&'static str> {
        let flawed = self.block.flaw.is_some();
        // Whoever asks again is answered by a program that lives on, and has sent the block to its node by then.
        let (told, has, anew) = match (self.told, self.again) {
            (Some(told), _) => (told, self.before, false),
            (None, again) => (again?, self.after, true),
        };
        if told.accepted && (flawed || has != Has::Active) {
            return Some("accepted by a node that does not have it");
        }
        if told.refused && !flawed {
            return Some("a good block refused");
        }
        // A flawed block is nowhere in the end; that it was on disk shows only where no node could have refused it.
        let had =
            anew || self.before != Has::Nothing || self.later != Has::Nothing || (flawed && self.reachable);
        (told.durable && !had && !self.replayed).then_some("on disk and not sent again")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate(flaw: Option<Flaw>, told: Told) -> Fate {
        let block = Block { hash: String::new(), bytes: Vec::new(), flaw };
        let (before, later, after) = (Has::Nothing, Has::Nothing, Has::Nothing);
        let (told, again, replayed, reachable) = (Some(told), None, false, false);
        Fate { block, told, before, later, replayed, again, after, reachable }
    }

    #[test]
    fn what_was_promised_and_does_not_come_is_lost() {
        let kept = Told { kept: true, ..Told::default() };
        assert!(fate(None, kept).is_lost());
        assert!(!Fate { after: Has::Beside, ..fate(None, kept) }.is_lost());
        assert!(!fate(Some(Flaw::Work), kept).is_lost(), "no node will ever have it");
        assert!(!fate(None, Told::default()).is_lost(), "nothing was promised");
        assert!(!Fate { told: None, ..fate(None, kept) }.is_lost(), "nor is it by half a reply");
    }

    #[test]
    fn an_untruth_is_known_by_what_the_node_had_when_it_was_told() {
        let accepted = Told { accepted: true, kept: true, ..Told::default() };
        assert!(fate(None, accepted).untruth().is_some());
        assert!(Fate { before: Has::Beside, after: Has::Active, ..fate(None, accepted) }.untruth().is_some());
        assert!(Fate { before: Has::Active, ..fate(None, accepted) }.untruth().is_none());
        assert!(Fate { before: Has::Active, ..fate(Some(Flaw::Amount), accepted) }.untruth().is_some());
        let again = |after| Fate { told: None, again: Some(accepted), after, ..fate(None, accepted) };
        assert!(again(Has::Active).untruth().is_none() && again(Has::Beside).untruth().is_some());
        assert!(fate(None, Told { refused: true, ..Told::default() }).untruth().is_some());
        assert!(fate(Some(Flaw::Work), Told { refused: true, ..Told::default() }).untruth().is_none());
    }

    #[test]
    fn on_disk_is_what_is_sent_again_unless_the_node_has_had_it() {
        let durable = Told { durable: true, kept: true, ..Told::default() };
        let fate = |flaw| fate(flaw, durable);
        assert!(fate(None).untruth().is_some() && fate(Some(Flaw::Work)).untruth().is_some());
        assert!(Fate { replayed: true, ..fate(Some(Flaw::Work)) }.untruth().is_none());
        assert!(Fate { later: Has::Active, ..fate(None) }.untruth().is_none());
        assert!(Fate { reachable: true, ..fate(Some(Flaw::Work)) }.untruth().is_none());
        assert!(Fate { reachable: true, ..fate(None) }.untruth().is_some());
    }
}
