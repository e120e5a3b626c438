//! The open blocks: which there are, and where each one's bytes are.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use crate::entry::{Entry, Key};
use crate::record;
use crate::segment::Location;

/// One open block.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) key: Key,
    /// Size of its record, in bytes.
    pub(crate) size: u64,
    /// It is a note of the caller's and holds no block.
    pub(crate) is_note: bool,
    /// In memory, unless let go for the sake of memory; then `home` has it.
    pub(crate) body: Option<Entry>,
    /// Its record on disk.
    pub(crate) home: Option<Location>,
    /// `home` has an older version than `body`.
    stale: bool,
    /// To be written with the next commit.
    pub(crate) wanted: bool,
    /// Its bytes could not be read back from `home`, and the log has said so.
    pub(crate) lost: bool,
    /// When this version was known to be on disk; `None` while it is not.
    pub(crate) synced_at: Option<Instant>,
}

impl Held {
    /// `home` has just been synced, with this version.
    pub(crate) fn settle(&mut self, home: Location, at: Instant) {
        self.home = Some(home);
        self.size = home.length;
        self.stale = false;
        self.wanted = false;
        self.lost = false;
        self.synced_at = Some(at);
    }

    /// `home` may not be on disk, whatever reading it back says.
    pub(crate) fn doubt(&mut self) {
        self.wanted = true;
        self.synced_at = None;
    }
}

/// A block that had to leave memory and is not on disk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GivenUp {
    pub(crate) key: Key,
    pub(crate) chain: String,
    /// An older version is still on disk.
    pub(crate) older_kept: bool,
}

/// All open blocks by age: a number that grows with every new key.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    by_age: BTreeMap<u64, Held>,
    ages: HashMap<Key, u64>,
    next_age: u64,
}

impl Holdings {
    /// What an earlier run left open, oldest first. It is to be written again: that it can be read does not prove that
    /// it was ever synced.
    pub(crate) fn restore(found: impl IntoIterator<Item = (u64, Entry, Location)>) -> Self {
        let mut holdings = Self::default();
        for (age, entry, home) in found {
            // A file that came back from deletion may hold an age that was given again since.
            holdings.next_age = holdings.next_age.max(age);
            let held = holdings.insert(entry);
            held.home = Some(home);
        }
        holdings
    }

    /// Takes a block in, to be written with the next commit. The same block once more changes nothing.
    pub(crate) fn put(&mut self, entry: Entry) {
        let Some(held) = self.ages.get(&entry.key).and_then(|age| self.by_age.get_mut(age)) else {
            self.insert(entry);
            return;
        };
        if held.body.as_ref() != Some(&entry) {
            held.size = record::entry_size(&entry);
            held.is_note = entry.block.is_empty();
            held.body = Some(entry);
            held.stale = held.home.is_some();
            held.doubt();
        }
    }

    fn insert(&mut self, entry: Entry) -> &mut Held {
        let age = self.next_age;
        self.next_age += 1;
        self.ages.insert(entry.key, age);
        let (key, size, is_note) = (entry.key, record::entry_size(&entry), entry.block.is_empty());
        self.by_age.entry(age).or_insert(Held {
            key,
            size,
            is_note,
            body: Some(entry),
            home: None,
            stale: false,
            wanted: true,
            lost: false,
            synced_at: None,
        })
    }

    /// The block is done. Returns whether it was open.
    pub(crate) fn remove(&mut self, key: &Key) -> bool {
        self.ages.remove(key).and_then(|age| self.by_age.remove(&age)).is_some()
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Held> {
        self.by_age.get(self.ages.get(key)?)
    }

    pub(crate) fn at(&self, age: u64) -> Option<&Held> {
        self.by_age.get(&age)
    }

    pub(crate) fn at_mut(&mut self, age: u64) -> Option<&mut Held> {
        self.by_age.get_mut(&age)
    }

    /// Ages of all, oldest first.
    pub(crate) fn ages(&self) -> Vec<u64> {
        self.by_age.keys().copied().collect()
    }

    /// Ages of those to be written. What no file has comes first: on a disk with little room it needs it most.
    pub(crate) fn wanted(&self) -> Vec<u64> {
        let wanted = |homed: bool| {
            self.by_age
                .iter()
                .filter(move |(_, held)| held.wanted && (held.home.is_some() && !held.stale) == homed)
        };
        wanted(false).chain(wanted(true)).map(|(age, _)| *age).collect()
    }

    /// A sync of `segment` failed: what is in it is to be written again elsewhere.
    pub(crate) fn doubt(&mut self, segment: u32) {
        self.by_age
            .values_mut()
            .filter(|held| held.home.is_some_and(|home| home.segment == segment))
            .for_each(Held::doubt);
    }

    /// Whether an open block needs `segment`: its record is there, or is in a later file of which it is not known that it
    /// was ever synced, so that an older copy may be all there is.
    pub(crate) fn live_in(&self, segment: u32) -> bool {
        self.by_age.values().any(|held| {
            held.home.is_some_and(|home| {
                home.segment == segment || (held.synced_at.is_none() && home.segment > segment)
            })
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.by_age.len()
    }

    /// How many of them are blocks, and not notes.
    pub(crate) fn blocks(&self) -> usize {
        self.by_age.values().filter(|held| !held.is_note).count()
    }

    /// Size of all as records, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.by_age.values().map(|held| held.size).sum()
    }

    pub(crate) fn unsaved(&self) -> usize {
        self.by_age.values().filter(|held| held.synced_at.is_none()).count()
    }

    /// Lets go of bytes until at most `budget` are in memory: first, from the oldest, those that can be read back from
    /// disk; where that is not enough, the oldest blocks that cannot.
    pub(crate) fn trim(&mut self, budget: u64) -> Vec<GivenUp> {
        let mut resident: u64 =
            self.by_age.values().filter(|held| held.body.is_some()).map(|held| held.size).sum();
        for held in self.by_age.values_mut() {
            if resident <= budget {
                return Vec::new();
            }
            if held.home.is_some() && !held.stale && held.body.take().is_some() {
                resident -= held.size;
            }
        }
        let mut given_up = Vec::new();
        for age in self.ages() {
            let Some(held) = self.by_age.get_mut(&age).filter(|_| resident > budget) else { break };
            let Some(entry) = held.body.take() else { continue };
            resident -= held.size;
            given_up.push(GivenUp { key: held.key, chain: entry.chain, older_kept: held.home.is_some() });
            match held.home {
                Some(home) => {
                    held.size = home.length;
                    held.stale = false;
                }
                None => {
                    self.ages.remove(&entry.key);
                    self.by_age.remove(&age);
                }
            }
        }
        given_up
    }
}
