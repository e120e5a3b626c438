//! What was promised is kept through any sequence of appends, closes, crashes, power cuts and failures.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Started, small_limits, start, version};
use crate::disk::memory::{MemoryDisk, Operation};
use crate::entry::{Entry, Key};
use crate::limits::Limits;

#[derive(Debug, Clone)]
enum Step {
    Append {
        key: u8,
        version: u8,
    },
    Close {
        key: u8,
    },
    /// The next `count` of an operation fail.
    Fail {
        operation: Operation,
        count: usize,
        kind: ErrorKind,
    },
    /// The disk has so much room beyond what is used.
    Room(usize),
    Heal,
    /// Time passes without a command.
    Wait {
        seconds: u64,
    },
    /// The process dies; the page cache stays.
    Kill,
    /// An orderly stop.
    Stop,
    /// The machine dies; what survives of the unsynced is drawn from this.
    PowerCut {
        seed: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    use Operation::*;
    let operation = prop::sample::select(vec![
        Prepare,
        Create,
        Open,
        Read,
        Append,
        Append,
        Truncate,
        Sync,
        Sync,
        SyncDirectory,
        Remove,
        Rename,
    ]);
    let kind = prop::sample::select(vec![ErrorKind::StorageFull, ErrorKind::Other]);
    prop_oneof![
        8 => (0..6u8, 0..3u8).prop_map(|(key, version)| Step::Append { key, version }),
        4 => (0..6u8).prop_map(|key| Step::Close { key }),
        4 => (operation, 1..4usize, kind).prop_map(|(operation, count, kind)| Step::Fail { operation, count, kind }),
        1 => (0..1500usize).prop_map(Step::Room),
        2 => Just(Step::Heal),
        4 => (1..100u64).prop_map(|seconds| Step::Wait { seconds }),
        2 => Just(Step::Kill),
        1 => Just(Step::Stop),
        2 => any::<u64>().prop_map(|seed| Step::PowerCut { seed }),
    ]
}

/// What may and must be found at the next start.
#[derive(Debug, Default)]
struct Promise {
    /// Said to be durable, and not closed.
    durable: Option<Entry>,
    /// Appended after that without being promised: may have replaced it or not.
    later: Vec<Entry>,
    /// Everything ever appended: what was closed may come back, what never was may not.
    ever: Vec<Entry>,
    /// The version that the journal was last given, while it is open.
    latest: Option<Entry>,
}

struct World {
    disk: MemoryDisk,
    limits: Limits,
    started: Started,
    promises: HashMap<Key, Promise>,
    now: Instant,
}

impl World {
    fn new(limits: Limits) -> Self {
        let (disk, now) = (MemoryDisk::default(), Instant::now());
        let started = start(&disk, limits, now);
        Self { disk, limits, started, promises: HashMap::new(), now }
    }

    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        let now = self.now;
        let store = &mut self.started.store;
        match step {
            Step::Append { key, version: number } => {
                let entry = version(key, usize::from(key) * 97, number);
                let promise = self.promises.entry(entry.key).or_default();
                promise.later.push(entry.clone());
                promise.ever.push(entry.clone());
                promise.latest = Some(entry.clone());
                store.append(entry);
                store.commit(now);
                store.tidy_if_overdue(now);
            }
            Step::Close { key } => {
                store.close(Key::new([key; 32]));
                store.commit(now);
                if let Some(promise) = self.promises.get_mut(&Key::new([key; 32])) {
                    (promise.durable, promise.latest) = (None, None);
                    promise.later.clear();
                }
            }
            Step::Fail { operation, count, kind } => self.disk.fail(operation, count, kind),
            Step::Room(bytes) => self.disk.set_capacity(Some(self.disk.used() + bytes)),
            Step::Heal => self.disk.heal(),
            Step::Wait { seconds } => {
                self.now += Duration::from_secs(seconds);
                store.tick(self.now);
            }
            Step::Kill => return self.restart(),
            Step::Stop => {
                store.finish(now);
                self.note_saved();
                return self.restart();
            }
            Step::PowerCut { mut seed } => {
                self.disk.cut_power(|| {
                    seed =
                        seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    seed >> 63 == 1
                });
                return self.restart();
            }
        }
        self.note_saved();
        Ok(())
    }

    fn note_saved(&mut self) {
        for (key, promise) in &mut self.promises {
            if let Some(latest) = promise.latest.as_ref().filter(|_| self.started.store.saved(key).is_ok()) {
                promise.durable = Some(latest.clone());
                promise.later.clear();
            }
        }
    }

    fn restart(&mut self) -> Result<(), TestCaseError> {
        // A disk that cannot be read now cannot show what it holds. That it does hold it is what is tested.
        self.disk.heal_only(Operation::Open);
        self.disk.heal_only(Operation::Read);
        self.started = start(&self.disk, self.limits, self.now);
        let found: HashMap<Key, Entry> =
            self.started.open.iter().map(|entry| (entry.key, entry.clone())).collect();
        prop_assert_eq!(found.len(), self.started.open.len(), "one open entry for each key");
        for (key, promise) in &mut self.promises {
            let found = found.get(key);
            if let Some(durable) = &promise.durable {
                prop_assert!(
                    found.is_some_and(|found| found == durable || promise.later.contains(found)),
                    "promised {:?}, found {:?}",
                    durable,
                    found
                );
            }
            promise.latest = found.cloned();
        }
        for (key, entry) in &found {
            let known = self.promises.get(key).is_some_and(|promise| promise.ever.contains(entry));
            prop_assert!(known, "never appended: {:?}", entry);
        }
        self.note_saved();
        Ok(())
    }

    /// Whatever happened, a disk that works again makes the journal durable again.
    fn end(&mut self) -> Result<(), TestCaseError> {
        self.disk.heal();
        for _ in 0..3 {
            self.take(Step::Wait { seconds: 100 })?;
        }
        let health = self.started.store.health().clone();
        prop_assert!(health.durable, "{:?}", health);
        // The current file, at most one that is not finished with yet, and what was set aside.
        let logs = self.disk.names().iter().filter(|name| name.ends_with(".log")).count();
        prop_assert!(logs <= self.limits.segments + 1, "{:?}", self.disk.names());
        self.disk.cut_power(|| false);
        self.restart()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn every_durable_open_block_survives_anything(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new(small_limits());
        for step in steps {
            world.take(step)?;
        }
        world.end()?;
    }

    /// With hardly any memory every block is read back from disk to be written again.
    #[test]
    fn every_durable_open_block_survives_when_memory_is_short(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new(Limits { memory_bytes: 300, ..small_limits() });
        for step in steps {
            let step = match step {
                // With one version for each key, "saved" always speaks of that one.
                Step::Append { key, .. } => Step::Append { key, version: 0 },
                step => step,
            };
            world.take(step)?;
        }
        world.end()?;
    }
}
