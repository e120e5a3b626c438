//! Which system calls there are to be killed at: the program is watched once at each of three things.

use std::{collections::BTreeSet, fs, time::Duration};

use anyhow::ensure;

use super::{
    caller::Door,
    gate::Line,
    program::until,
    round::Arena,
    tracer::{self, Call},
};

const PATIENCE: Duration = Duration::from_secs(10);

/// What the journal is bound to do, by what it promises. A path without these was not seen whole, or has lost its sync,
/// of which a killed process cannot tell: the kernel keeps what it has not written yet.
const COMMIT: &[&str] = &["write", "fdatasync"];
const START: &[&str] = &["openat", "write", "fdatasync", "fsync", "unlink"];
const TIDY: &[&str] = START;

/// The calls of each path, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Survey {
    /// From a block at the journal to the note that it is done.
    pub(super) commit: Vec<Call>,
    /// From the start to an open journal in which two blocks are open.
    pub(super) start: Vec<Call>,
    /// From an idle second to the old file's end.
    pub(super) tidy: Vec<Call>,
}

impl Survey {
    /// Watches.
    ///
    /// # Errors
    /// When strace may not, or a path lacks what it must have.
    pub(super) fn of(arena: &mut Arena) -> anyhow::Result<Self> {
        let survey = Self { commit: commit(arena)?, start: start(arena)?, tidy: tidy(arena)? };
        for (path, needed) in [(&survey.commit, COMMIT), (&survey.start, START), (&survey.tidy, TIDY)] {
            let names = names(path);
            let lacks: Vec<_> = needed.iter().filter(|name| !names.contains(**name)).collect();
            ensure!(lacks.is_empty(), "the journal does without {lacks:?} where it did {names:?}");
        }
        Ok(survey)
    }
}

/// The names of the calls of a path.
pub(super) fn names(path: &[Call]) -> BTreeSet<&str> {
    path.iter().map(|call| call.name.as_str()).collect()
}

fn commit(arena: &mut Arena) -> anyhow::Result<Vec<Call>> {
    arena.come_to_rest()?;
    let tracer = arena.watch(None)?;
    arena.hand_in(&[(Door::Front, None)]);
    ensure!(until(PATIENCE, || Ok(arena.program.open_blocks()? == 0.0))?, "a block stays in the journal");
    arena.program.kill()?;
    let path = tracer::path(&tracer.seen()?);
    arena.start()?;
    Ok(path)
}

fn start(arena: &mut Arena) -> anyhow::Result<Vec<Call>> {
    arena.gate.set(Line::Silent);
    arena.hand_in(&[(Door::Disk, None), (Door::Disk, None)]);
    arena.program.kill()?;
    arena.gate.set(Line::Cut);
    arena.program = arena.home.start(&tracer::runner(&arena.home, None)?)?;
    arena.program.ready()?;
    arena.program.kill()?;
    let path = tracer::path(&tracer::seen_at_start(&arena.home, arena.program.id())?);
    arena.start()?;
    Ok(path)
}

fn tidy(arena: &mut Arena) -> anyhow::Result<Vec<Call>> {
    arena.fill(super::ALL_DONE)?;
    let files = || -> anyhow::Result<BTreeSet<_>> {
        let names = fs::read_dir(arena.home.journal())?.map(|entry| Ok(entry?.file_name()));
        names.collect()
    };
    let before = files()?;
    let tracer = arena.watch(None)?;
    ensure!(until(PATIENCE, || Ok(!files()?.is_superset(&before)))?, "the journal is not tidied");
    // Its thread is done with that when it takes the next block.
    arena.gate.set(Line::Silent);
    arena.hand_in(&[(Door::Disk, None)]);
    arena.program.kill()?;
    let mut seen = tracer.seen()?;
    let unlinked = seen.iter().rposition(|name| name.starts_with("unlink")).unwrap_or(0);
    let next = seen[unlinked..].iter().position(|name| name == "write");
    seen.truncate(next.map_or(seen.len(), |next| unlinked + next));
    // A block that the start has found in the history, without a word on it, may still have been on its way. Tidying begins
    // with a look at the file, and a new one.
    let opened = seen[..unlinked].iter().position(|name| name.starts_with("open")).unwrap_or(0);
    let looked = seen[..opened].last().is_some_and(|name| name.contains("stat"));
    seen.drain(..opened - usize::from(looked));
    arena.start()?;
    Ok(tracer::path(&seen))
}
