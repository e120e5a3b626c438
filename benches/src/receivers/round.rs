//! What blocks the receivers wait for.

use std::{collections::HashMap, fs, path::PathBuf};

use anyhow::Context;
use wire::Header;

use super::{Arrived, Followed, connection::Connection};

/// How long a block may be on its way to one of many before it counts as missing, in nanoseconds: longer than a sender's
/// kernel goes on trying.
const PATIENCE: u64 = 60_000_000_000;

/// One block, timed.
pub(super) struct Round {
    /// Places of the connections that it goes to.
    pub(super) members: Vec<usize>,
    block: Vec<u8>,
    /// When it is too late.
    ends: u64,
}

impl Round {
    pub(super) fn new(members: Vec<usize>, block: Vec<u8>, now: u64) -> Self {
        Self { members, block, ends: now + PATIENCE }
    }

    /// Whether all have it, or the rest will not have it any more.
    pub(super) fn is_over(&self, connections: &[Connection], now: u64) -> bool {
        let settled = |member: &usize| {
            let connection = &connections[*member];
            connection.arrival.is_some() || !connection.is_open()
        };
        now >= self.ends || self.members.iter().all(settled)
    }

    /// Compares every byte. Whoever has the block is at its height from now on.
    pub(super) fn judge(&self, connections: &mut [Connection]) -> Arrived {
        let header = self.block.first_chunk::<{ Header::LEN }>().map(|fixed| Header::new(*fixed));
        let mut arrived = Arrived::default();
        for &member in &self.members {
            let connection = &mut connections[member];
            let Some(arrival) = connection.arrival else {
                arrived.missing += 1;
                continue;
            };
            arrived.first.push(arrival.first);
            arrived.last.push(arrival.last);
            let intact =
                arrival.length == self.block.len() && connection.body[..arrival.length] == self.block[..];
            arrived.intact += usize::from(intact);
            connection.tip = header.clone();
        }
        arrived
    }
}

/// Many blocks, each of which is looked at when it comes.
#[derive(Default)]
pub(super) struct Course {
    pub(super) members: Vec<usize>,
    blocks: Vec<Vec<u8>>,
    /// Which block has this header.
    by_header: HashMap<[u8; Header::LEN], usize>,
    followed: Followed,
}

impl Course {
    pub(super) fn new(members: Vec<usize>, block_files: &[PathBuf]) -> anyhow::Result<Self> {
        let mut course = Self { members, ..Self::default() };
        for file in block_files {
            let block = fs::read(file).context("cannot read a block")?;
            let header = *block.first_chunk().context("a block without a header")?;
            course.by_header.insert(header, course.blocks.len());
            course.blocks.push(block);
        }
        Ok(course)
    }

    /// Takes note of a block that one of the members was sent. `taken` says which it has, in the order of the files.
    pub(super) fn note(&mut self, block: &[u8], taken: &mut Vec<bool>) {
        taken.resize(self.blocks.len(), false);
        let place = block.first_chunk().and_then(|header| self.by_header.get(header)).copied();
        match place.filter(|&place| self.blocks[place] == block) {
            None => self.followed.foreign += 1,
            Some(place) if taken[place] => self.followed.repeated += 1,
            Some(place) => {
                taken[place] = true;
                self.followed.whole += 1;
            }
        }
    }

    pub(super) fn count(&self, connections: &[Connection]) -> Followed {
        let open = self.members.iter().filter(|&&member| connections[member].is_open()).count();
        Followed { open, ..self.followed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(first: u8, length: usize) -> Vec<u8> {
        let mut block = vec![7; length];
        block[0] = first;
        block
    }

    #[test]
    fn a_course_counts_each_block_once_and_tells_what_else_came() {
        let directory = tempfile::tempdir().unwrap();
        let files: Vec<_> = (0..3).map(|place| directory.path().join(place.to_string())).collect();
        for (place, file) in files.iter().enumerate() {
            fs::write(file, block(place as u8, 200)).unwrap();
        }
        let mut course = Course::new(Vec::new(), &files).unwrap();
        let (mut one, mut other) = (Vec::new(), Vec::new());
        course.note(&block(1, 200), &mut one);
        course.note(&block(1, 200), &mut other);
        course.note(&block(1, 200), &mut one);
        course.note(&block(2, 199), &mut one);
        course.note(&block(9, 200), &mut other);
        course.note(&[], &mut other);
        assert_eq!(one, [false, true, false]);
        assert_eq!(course.count(&[]), Followed { whole: 2, repeated: 1, foreign: 3, open: 0 });
    }
}
