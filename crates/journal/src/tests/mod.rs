//! Tests of the parts together, on a disk in memory.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::disk::memory::MemoryDisk;
use crate::entry::{Entry, Key};
use crate::limits::Limits;
use crate::recovery::{self, Damage};
use crate::store::Store;

mod crash;
mod damage;
mod faults;
mod thread;
mod tidy;

/// Limits small enough for a test to reach.
pub(crate) fn small_limits() -> Limits {
    Limits {
        retry: Duration::from_secs(1),
        idle: Duration::from_secs(1),
        tidy_pause: Duration::from_secs(60),
        segment_bytes: 2000,
        empty_bytes: 500,
        segments: 4,
        memory_bytes: 1 << 20,
        backlog_bytes: 1 << 20,
        batch_bytes: 1 << 20,
    }
}

pub(crate) fn entry(key: u8, size: usize) -> Entry {
    version(key, size, 0)
}

/// The block of one key is always the same; the caller's note about it may change.
pub(crate) fn version(key: u8, size: usize, version: u8) -> Entry {
    Entry {
        key: Key::new([key; 32]),
        chain: format!("chain-{key}"),
        meta: Bytes::from(vec![b'm'; usize::from(version)]),
        block: Bytes::from((0..size).map(|i| (i as u8).wrapping_mul(31) ^ key).collect::<Vec<u8>>()),
    }
}

/// A start as [`crate::Journal`] makes it, but without a thread and with the files of earlier runs still there.
pub(crate) fn start(disk: &MemoryDisk, limits: Limits, now: Instant) -> Started {
    use crate::disk::Disk;
    let mut disk = disk.clone();
    let writable = disk.prepare().is_ok();
    let found = recovery::recover(&disk, writable).unwrap();
    let open = found.open.iter().map(|(_, entry, _)| entry.clone()).collect();
    let damage = found.damage.clone();
    let mut store = Store::new(disk, found, limits);
    store.commit(now);
    Started { store, open, damage }
}

pub(crate) struct Started {
    pub(crate) store: Store<MemoryDisk>,
    pub(crate) open: Vec<Entry>,
    pub(crate) damage: Vec<Damage>,
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A journal that runs well, and the time.
pub(crate) fn running() -> (MemoryDisk, Started, Instant) {
    let (disk, now) = (MemoryDisk::default(), Instant::now());
    let started = start(&disk, small_limits(), now);
    assert!(started.store.health().durable);
    (disk, started, now)
}

/// What a start after a power cut finds.
pub(crate) fn after_power_cut(disk: &MemoryDisk) -> Vec<Entry> {
    disk.heal();
    disk.cut_power(|| false);
    start(disk, small_limits(), Instant::now()).open
}
