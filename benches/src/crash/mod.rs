//! `crash`: whether anything that a caller was told is untrue once the program has been killed.
//!
//! The program is the real one, run as an operator runs it. Each round hands in blocks, good ones and others, kills the
//! program (SIGKILL), lets it start again, and holds it to what the callers had been told before: a good block that was
//! acknowledged is at the node in the end (`acknowledged_lost`); and whoever was told that the node has a block, that a
//! good block is refused, or that a block is on disk, was told the truth (`wrong_verdicts`). Only a reply that came whole
//! tells anything; whoever got none hands the block in again, as pools do, and is told the truth then.
//!
//! The line to the node is open, silent or cut meanwhile: unless it is open, the journal is the only place where a block
//! can be. What the program is killed by is the kind of a round:
//!
//! | kind | killed |
//! |---|---|
//! | `random` | at a random moment of some blocks' way; every fourth time once more while it starts |
//! | `commit` | at each system call of the journal's thread between a block and the note that it is done; and so with several blocks at once |
//! | `start` | with blocks on disk only, and again at each system call of the next start that is about the journal |
//! | `tidy` | at each system call of the journal's tidying, after which old files are gone |
//! | `litecoind` | the first three, with a real node |
//!
//! A killed process tells nothing of a power cut: what it has written stays, synced or not. That acknowledgements wait for
//! the sync is shown by the order of the system calls, in `tests/tests/durability.rs`.
//!
//! `CRASH_SEED` repeats the choices of another run; the moments are the machine's.

mod account;
mod caller;
mod choice;
mod gate;
mod node;
mod program;
mod round;
mod survey;
mod tracer;

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use rand::{SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::json;

use self::{
    account::Account,
    caller::Door,
    choice::Dice,
    gate::Line,
    node::Node,
    round::{Arena, Kill, Round},
    survey::{Survey, names},
    tracer::Call,
};
use crate::{Scope, figure::Figure};

/// What has to be on disk, and done, for the journal to tidy when no block is open, in bytes.
const ALL_DONE: usize = 1_200_000;

/// The same when blocks are open: they are less than half of it.
const MOSTLY_DONE: usize = 70_000_000;

/// How much of everything.
#[derive(Debug)]
struct Amounts {
    random: usize,
    /// Rounds for each call of a path, and besides them with several blocks at once.
    commit: usize,
    groups: usize,
    /// Rounds for each call of a path, and besides them at random moments.
    start: usize,
    start_random: usize,
    /// Rounds for each call of a path with no block open, and with some, which takes 70 MB a round.
    tidy: usize,
    tidy_open: usize,
    litecoind: usize,
    /// Rounds that have to come of it in all, and with litecoind.
    goal: f64,
    goal_litecoind: f64,
    /// One call of each name instead of every call.
    names_only: bool,
}

impl Amounts {
    fn of(scope: Scope) -> Self {
        match scope {
            Scope::Full => Self {
                random: 620,
                commit: 25,
                groups: 70,
                start: 5,
                start_random: 60,
                tidy: 2,
                tidy_open: 1,
                litecoind: 66,
                goal: 1000.0,
                goal_litecoind: 50.0,
                names_only: false,
            },
            Scope::Short => Self {
                random: 40,
                commit: 1,
                groups: 8,
                start: 1,
                start_random: 6,
                tidy: 0,
                tidy_open: 1,
                litecoind: 9,
                goal: 60.0,
                goal_litecoind: 5.0,
                names_only: true,
            },
        }
    }
}

/// Measures all rows.
pub(crate) fn run(scope: Scope) -> anyhow::Result<Vec<Figure>> {
    let amounts = Amounts::of(scope);
    let seed = match std::env::var("CRASH_SEED") {
        Ok(seed) => seed.parse().context("CRASH_SEED is no number")?,
        Err(_) => rand::random(),
    };
    let mut series = Series {
        dice: Dice(StdRng::seed_from_u64(seed)),
        seed,
        amounts,
        rounds: 0,
        only_on_disk: 0,
        rows: Vec::new(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut arena = Arena::open(runtime.handle(), Node::simulated(runtime.handle(), seed)?)?;
    series.random(&mut arena)?;
    let survey = match tracer_missing(&arena) {
        Some(why) => {
            for kind in ["commit", "start", "tidy"] {
                series.skip(&format!("crash/{kind}"), &why)?;
            }
            None
        }
        None => {
            let survey = Survey::of(&mut arena)?;
            series.commit(&mut arena, &survey)?;
            series.start(&mut arena, &survey)?;
            series.tidy(&mut arena, &survey)?;
            Some(survey)
        }
    };
    drop(arena);
    match ["litecoind", "setpriv"].iter().find(|name| e2e::process::find_program(name).is_none()) {
        Some(missing) => series.skip("crash/litecoind", &format!("{missing} is not installed"))?,
        None => {
            let mut arena = Arena::open(runtime.handle(), Node::litecoind())?;
            series.litecoind(&mut arena, survey.as_ref())?;
        }
    }
    series.end(survey.is_some())
}

/// Why nothing can be killed at a system call here.
fn tracer_missing(arena: &Arena) -> Option<String> {
    if e2e::process::find_program("strace").is_none() {
        return Some("strace is not installed".to_owned());
    }
    // It lets go of the thread as it is dropped.
    arena.watch(None).err().map(|error| format!("{error:#}"))
}

/// Rounds of all kinds.
#[derive(Debug)]
struct Series {
    dice: Dice,
    seed: u64,
    amounts: Amounts,
    rounds: usize,
    only_on_disk: usize,
    rows: Vec<Figure>,
}

impl Series {
    fn random(&mut self, arena: &mut Arena) -> anyhow::Result<()> {
        let mut account = Account::default();
        for _ in 0..self.amounts.random {
            let round = self.dice.at_random(arena);
            account.enter(&arena.play(&round)?);
        }
        self.close("random", &account)
    }

    fn commit(&mut self, arena: &mut Arena, survey: &Survey) -> anyhow::Result<()> {
        let mut account = Account::default();
        for call in self.wanted(&survey.commit) {
            for _ in 0..self.amounts.commit {
                let round = self.dice.at_commit(&call, survey);
                arena.play_until_hit(&round)?.iter().for_each(|outcome| account.enter(outcome));
            }
        }
        for _ in 0..self.amounts.groups {
            let round = self.dice.in_group(survey);
            account.enter(&arena.play(&round)?);
        }
        self.close("commit", &account)?;
        self.calls_missed("commit", &survey.commit, &account)
    }

    fn start(&mut self, arena: &mut Arena, survey: &Survey) -> anyhow::Result<()> {
        let mut account = Account::default();
        for call in self.wanted(&survey.start) {
            for _ in 0..self.amounts.start {
                let round = self.dice.at_start(&call, arena);
                arena.play_until_hit(&round)?.iter().for_each(|outcome| account.enter(outcome));
            }
        }
        for _ in 0..self.amounts.start_random {
            let round = self.dice.in_start(arena);
            account.enter(&arena.play(&round)?);
        }
        self.close("start", &account)?;
        self.calls_missed("start", &survey.start, &account)
    }

    fn tidy(&mut self, arena: &mut Arena, survey: &Survey) -> anyhow::Result<()> {
        let mut account = Account::default();
        let calls = self.wanted(&survey.tidy);
        for call in &calls {
            let kill = Kill::Idle(call.clone());
            let round = Round { ballast: ALL_DONE, line: Line::Open, blocks: vec![], kill, starts: vec![] };
            for _ in 0..self.amounts.tidy {
                arena.play_until_hit(&round)?.iter().for_each(|outcome| account.enter(outcome));
            }
        }
        // Open blocks are written once more, in two parts each.
        let blocks = [(Door::Disk, None), (Door::Disk, self.dice.flaw()), (Door::Disk, None)];
        let parts = (2..=1 + 2 * blocks.len()).map(|nth| Call::new("write", nth));
        let parts: Vec<_> = parts.filter(|_| !self.amounts.names_only).collect();
        for call in calls.into_iter().chain(parts) {
            for _ in 0..self.amounts.tidy_open {
                let (line, kill) = (self.dice.shut_line(), Kill::Idle(call.clone()));
                let round =
                    Round { ballast: MOSTLY_DONE, line, blocks: blocks.to_vec(), kill, starts: vec![] };
                arena.play_until_hit(&round)?.iter().for_each(|outcome| account.enter(outcome));
            }
        }
        self.close("tidy", &account)?;
        self.calls_missed("tidy", &survey.tidy, &account)
    }

    fn litecoind(&mut self, arena: &mut Arena, survey: Option<&Survey>) -> anyhow::Result<()> {
        let mut account = Account::default();
        for turn in 0..self.amounts.litecoind {
            let round = match (turn % 3, survey) {
                (1, Some(survey)) => {
                    let call = survey.commit.choose(&mut self.dice.0).context("an empty path")?;
                    self.dice.at_commit(call, survey)
                }
                (2, Some(survey)) => {
                    let call = survey.start.choose(&mut self.dice.0).context("an empty path")?;
                    self.dice.at_start(call, arena)
                }
                _ => self.dice.at_random(arena),
            };
            account.enter(&arena.play(&round)?);
        }
        self.close("litecoind", &account)?;
        let (rounds, goal) = (account.rounds as f64, self.amounts.goal_litecoind);
        self.print(Figure::at_least("crash/litecoind/rounds", rounds, "rounds", goal, json!({})))
    }

    /// What all kinds together have to come to.
    fn end(mut self, with_strace: bool) -> anyhow::Result<Vec<Figure>> {
        let detail = json!({ "seed": self.seed });
        let (rounds, goal) = (self.rounds as f64, self.amounts.goal);
        if with_strace {
            self.print(Figure::at_least("crash/rounds", rounds, "rounds", goal, detail.clone()))?;
        } else {
            self.print(Figure::told("crash/rounds", rounds, "rounds", detail.clone()))?;
        }
        // Else nothing would have been put to the test.
        let only_on_disk = self.only_on_disk as f64;
        self.print(Figure::at_least("crash/only_on_disk", only_on_disk, "blocks", goal / 10.0, detail))?;
        Ok(self.rows)
    }

    fn close(&mut self, kind: &str, account: &Account) -> anyhow::Result<()> {
        self.rounds += account.rounds;
        self.only_on_disk += account.only_on_disk;
        account.figures(kind, self.seed).into_iter().try_for_each(|row| self.print(row))
    }

    /// Whether the program was really killed at each system call of a path.
    fn calls_missed(&mut self, kind: &str, path: &[Call], account: &Account) -> anyhow::Result<()> {
        let hit: BTreeSet<_> = account.hits.keys().map(|call| call.name.as_str()).collect();
        let missed: Vec<_> = names(path).into_iter().filter(|name| !hit.contains(name)).collect();
        let never = path.iter().filter(|call| !account.hits.contains_key(*call));
        let detail = json!({
            "path": path.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "missed": missed,
            "never_at": never.map(ToString::to_string).collect::<Vec<_>>(),
        });
        let name = format!("crash/{kind}/calls_missed");
        self.print(Figure::at_most(name, missed.len() as f64, "calls", 0.0, detail))
    }

    fn skip(&mut self, name: &str, why: &str) -> anyhow::Result<()> {
        ensure!(std::env::var_os("CI").is_none(), "{name} cannot be measured: {why}");
        self.print(Figure::skipped(name.to_owned(), "blocks", why))
    }

    fn print(&mut self, row: Figure) -> anyhow::Result<()> {
        row.print()?;
        self.rows.push(row);
        Ok(())
    }

    /// The calls of a path to be killed at: all of them, or one of each name.
    fn wanted(&mut self, path: &[Call]) -> Vec<Call> {
        if !self.amounts.names_only {
            return path.to_vec();
        }
        let one = |name: &str| {
            let of_name: Vec<_> = path.iter().filter(|call| call.name == name).collect();
            of_name.choose(&mut self.dice.0).map(|call| (*call).clone())
        };
        names(path).into_iter().filter_map(one).collect()
    }
}
