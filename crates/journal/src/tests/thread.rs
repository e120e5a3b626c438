//! The handle and its thread.

use std::io::ErrorKind;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{entry, small_limits};
use crate::disk::memory::{MemoryDisk, MemoryFile, Operation};
use crate::disk::{Disk, DiskFile, PrepareError};
use crate::entry::{Entry, Key, MAX_BLOCK, MAX_META};
use crate::error::NotDurable;
use crate::journal::Journal;
use crate::limits::Limits;

/// A disk whose syncs take until the test lets them go on.
struct GatedDisk {
    disk: MemoryDisk,
    gate: std::sync::Arc<std::sync::Mutex<Option<Gate>>>,
}

struct Gate {
    arrived: mpsc::Sender<()>,
    open: mpsc::Receiver<()>,
}

struct GatedFile {
    file: MemoryFile,
    gate: std::sync::Arc<std::sync::Mutex<Option<Gate>>>,
}

impl Disk for GatedDisk {
    type File = GatedFile;
    fn prepare(&mut self) -> Result<(), PrepareError> {
        self.disk.prepare()
    }
    fn list(&self) -> std::io::Result<Vec<String>> {
        self.disk.list()
    }
    fn create(&self, name: &str) -> std::io::Result<GatedFile> {
        Ok(GatedFile { file: self.disk.create(name)?, gate: self.gate.clone() })
    }
    fn open(&self, name: &str) -> std::io::Result<GatedFile> {
        Ok(GatedFile { file: Disk::open(&self.disk, name)?, gate: self.gate.clone() })
    }
    fn rename(&self, from: &str, to: &str) -> std::io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, name: &str) -> std::io::Result<()> {
        self.disk.remove(name)
    }
    fn sync_directory(&self) -> std::io::Result<()> {
        self.disk.sync_directory()
    }
    fn path(&self, name: &str) -> std::path::PathBuf {
        self.disk.path(name)
    }
}

impl DiskFile for GatedFile {
    fn length(&self) -> std::io::Result<u64> {
        self.file.length()
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        self.file.read_at(offset, buffer)
    }
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.append(bytes)
    }
    fn truncate(&mut self, length: u64) -> std::io::Result<()> {
        self.file.truncate(length)
    }
    fn sync(&mut self) -> std::io::Result<()> {
        if let Some(gate) = &*self.gate.lock().unwrap() {
            gate.arrived.send(()).unwrap();
            gate.open.recv().unwrap();
        }
        self.file.sync()
    }
}

/// A journal, a receiver that tells when a sync has begun, and a sender that lets it go on.
fn gated(disk: &MemoryDisk, limits: Limits) -> (Journal, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let gate = std::sync::Arc::new(std::sync::Mutex::new(None));
    let slow = GatedDisk { disk: disk.clone(), gate: gate.clone() };
    let (journal, _) = Journal::start(slow, limits).unwrap();
    let (arrived, has_arrived) = mpsc::channel();
    let (go_on, open) = mpsc::channel();
    *gate.lock().unwrap() = Some(Gate { arrived, open });
    (journal, has_arrived, go_on)
}

/// Polls once.
fn is_answered(append: &mut crate::Append) -> bool {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    std::pin::Pin::new(append).poll(&mut context).is_ready()
}

#[tokio::test]
async fn the_answer_comes_after_the_sync_and_all_that_waited_share_the_next_one() {
    let disk = MemoryDisk::default();
    let (journal, sync_begun, go_on) = gated(&disk, small_limits());
    let before = journal.health().syncs;
    let mut first = journal.append(entry(0, 100));
    sync_begun.recv().unwrap();
    assert!(!is_answered(&mut first), "written, but not synced");
    let others: Vec<_> = (1..100).map(|key| journal.append(entry(key, 100))).collect();
    let asked = Instant::now();
    go_on.send(()).unwrap();
    assert!(first.await.unwrap().synced_at >= asked);
    sync_begun.recv().unwrap();
    go_on.send(()).unwrap();
    let mut times = Vec::new();
    for other in others {
        times.push(other.await.unwrap().synced_at);
    }
    times.dedup();
    assert_eq!(times.len(), 1);
    assert_eq!(journal.health().syncs, before + 2);
    // Stopping syncs once more.
    go_on.send(()).unwrap();
    journal.shutdown();
    disk.cut_power(|| false);
    assert_eq!(Journal::start(disk, small_limits()).unwrap().1.open.len(), 100);
}

#[tokio::test]
async fn a_disk_that_hangs_fills_no_memory() {
    let disk = MemoryDisk::default();
    let (journal, sync_begun, go_on) = gated(&disk, Limits { backlog_bytes: 1000, ..small_limits() });
    let first = journal.append(entry(0, 100));
    sync_begun.recv().unwrap();
    let waiting: Vec<_> = (1..4).map(|key| journal.append(entry(key, 200))).collect();
    let mut one_too_many = journal.append(entry(4, 200));
    assert!(is_answered(&mut one_too_many), "nobody waits for a disk that hangs");
    assert_eq!(one_too_many.await, Err(NotDurable::Backlog));
    for _ in 0..3 {
        go_on.send(()).unwrap();
    }
    first.await.unwrap();
    for append in waiting {
        append.await.unwrap();
    }
    // There is room again.
    journal.append(entry(4, 200)).await.unwrap();
    go_on.send(()).unwrap();
}

#[tokio::test]
async fn a_block_closed_while_it_is_being_written_still_gets_its_answer() {
    let disk = MemoryDisk::default();
    let (journal, sync_begun, go_on) = gated(&disk, small_limits());
    let first = journal.append(entry(0, 100));
    sync_begun.recv().unwrap();
    // These two are taken together, when the first is done.
    let second = journal.append(entry(1, 100));
    journal.close(Key::new([1; 32]));
    for _ in 0..4 {
        go_on.send(()).unwrap();
    }
    first.await.unwrap();
    second.await.unwrap();
    journal.shutdown();
    let (_, recovery) = Journal::start(disk, small_limits()).unwrap();
    assert_eq!(recovery.open, [entry(0, 100)]);
}

#[tokio::test]
async fn a_failure_is_in_the_health_before_the_answer_and_ends_by_itself() {
    let disk = MemoryDisk::default();
    let limits = Limits { retry: Duration::from_millis(1), ..small_limits() };
    let (journal, _) = Journal::start(disk.clone(), limits).unwrap();
    let mut health = journal.watch();
    assert!(health.borrow_and_update().durable);
    disk.fail(Operation::Append, usize::MAX, ErrorKind::StorageFull);
    let error = journal.append(entry(1, 100)).await.unwrap_err();
    assert_eq!(error.kind(), "disk_full");
    assert!(!health.borrow_and_update().durable);
    disk.heal();
    let health = health.wait_for(|health| health.durable).await.unwrap().clone();
    assert_eq!((health.open_blocks, health.unsaved_blocks), (1, 0));
    assert_eq!(health.last_error.unwrap().kind(), "disk_full");
    drop(journal);
    disk.cut_power(|| false);
    assert_eq!(Journal::start(disk, limits).unwrap().1.open, [entry(1, 100)]);
}

#[tokio::test]
async fn what_could_not_be_read_back_is_refused_before_it_is_written() {
    let disk = MemoryDisk::default();
    let (journal, _) = Journal::start(disk, small_limits()).unwrap();
    let large = |block, meta, chain: usize| Entry {
        key: Key::new([0; 32]),
        chain: "x".repeat(chain),
        meta: Bytes::from(vec![0; meta]),
        block: Bytes::from(vec![0; block]),
    };
    for entry in [large(MAX_BLOCK + 1, 0, 0), large(0, MAX_META + 1, 0), large(0, 0, 256)] {
        assert_eq!(journal.append(entry).await.unwrap_err().kind(), "too_large");
    }
    assert!(journal.health().durable);
    assert_eq!(journal.health().open_blocks, 0);
}

#[tokio::test]
async fn a_block_of_the_largest_size_comes_back() {
    let disk = MemoryDisk::default();
    let largest = Entry {
        key: Key::new([1; 32]),
        chain: "x".repeat(255),
        meta: Bytes::from(vec![7; MAX_META]),
        block: Bytes::from(vec![9; MAX_BLOCK]),
    };
    let (journal, _) = Journal::start(disk.clone(), Limits::default()).unwrap();
    journal.append(largest.clone()).await.unwrap();
    drop(journal);
    let (_, recovery) = Journal::start(disk, Limits::default()).unwrap();
    assert!(recovery.open == [largest]);
}

#[tokio::test]
async fn after_a_shutdown_other_clones_are_told_and_the_health_says_so() {
    let disk = MemoryDisk::default();
    let (journal, _) = Journal::start(disk.clone(), small_limits()).unwrap();
    let clone = journal.clone();
    let health = journal.watch();
    let saved = journal.append(entry(1, 100));
    journal.shutdown();
    saved.await.unwrap();
    assert_eq!(clone.append(entry(2, 100)).await, Err(NotDurable::Stopped));
    clone.close(Key::new([1; 32]));
    assert!(!health.borrow().durable);
    assert_eq!(health.borrow().last_error.as_ref().unwrap().kind(), "stopped");
}
