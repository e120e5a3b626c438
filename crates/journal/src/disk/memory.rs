//! A disk in memory that fails on demand and forgets what was not synced.
//!
//! It models what is nastiest about real ones: the page cache, which shows data that is not on disk; a failed sync after
//! which the kernel calls the lost pages clean; file names that vanish because their directory was not synced; and a
//! full disk that takes half of a write.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::{Disk, DiskFile, PrepareError};

/// What can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Prepare,
    List,
    Create,
    Open,
    Read,
    Append,
    Truncate,
    Sync,
    SyncDirectory,
    Remove,
    Rename,
}

#[derive(Debug, Clone, Default)]
struct Inode {
    /// What a reader sees.
    cached: Vec<u8>,
    /// What is left after a power cut.
    durable: Vec<u8>,
    /// Written since the last sync, successful or not.
    dirty: Vec<Range<usize>>,
}

#[derive(Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// How many more of each operation fail, and how.
    faults: Vec<(Operation, usize, ErrorKind)>,
    capacity: Option<usize>,
    locked: bool,
    /// Everything that happened, for tests of order.
    log: Vec<String>,
}

/// Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
pub(crate) struct MemoryFile {
    state: Arc<Mutex<State>>,
    inode: usize,
    name: String,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no test panics while it holds the disk")
}

impl State {
    fn attempt(&mut self, operation: Operation, name: &str) -> io::Result<()> {
        self.log.push(format!("{operation:?} {name}"));
        let Some(fault) = self.faults.iter_mut().find(|fault| fault.0 == operation && fault.1 > 0) else {
            return Ok(());
        };
        fault.1 -= 1;
        Err(fault.2.into())
    }

    fn used(&self) -> usize {
        self.names.values().map(|inode| self.inodes[*inode].cached.len()).sum()
    }
}

impl MemoryDisk {
    /// The next `count` of `operation` fail.
    pub(crate) fn fail(&self, operation: Operation, count: usize, kind: ErrorKind) {
        lock(&self.state).faults.push((operation, count, kind));
    }

    /// Nothing fails any more.
    pub(crate) fn heal(&self) {
        let mut state = lock(&self.state);
        state.faults.clear();
        state.capacity = None;
    }

    /// This no longer fails.
    pub(crate) fn heal_only(&self, operation: Operation) {
        lock(&self.state).faults.retain(|fault| fault.0 != operation);
    }

    /// All files together take at most so many bytes.
    pub(crate) fn set_capacity(&self, bytes: Option<usize>) {
        lock(&self.state).capacity = bytes;
    }

    pub(crate) fn used(&self) -> usize {
        lock(&self.state).used()
    }

    /// Another process holds the directory, or not.
    pub(crate) fn set_locked(&self, locked: bool) {
        lock(&self.state).locked = locked;
    }

    /// Only what was synced is left. Of unsynced bytes and names, `chance` says for each whether it made it all the
    /// same: a kernel writes back what it likes when it likes.
    pub(crate) fn cut_power(&self, mut chance: impl FnMut() -> bool) {
        let mut state = lock(&self.state);
        let names: Vec<String> = state.names.keys().chain(state.durable_names.keys()).cloned().collect();
        for name in names {
            if state.names.get(&name) != state.durable_names.get(&name) && chance() {
                match state.names.get(&name).copied() {
                    Some(inode) => state.durable_names.insert(name, inode),
                    None => state.durable_names.remove(&name),
                };
            }
        }
        for inode in &mut state.inodes {
            for range in std::mem::take(&mut inode.dirty) {
                if range.end <= inode.cached.len() && chance() {
                    // Part of a write, and zeros where earlier ones are missing, as file systems leave them.
                    let end = if chance() { range.end } else { range.start + range.len() / 2 };
                    inode.durable.resize(inode.durable.len().max(end), 0);
                    let written = inode.cached[range.start..end].to_vec();
                    inode.durable[range.start..end].copy_from_slice(&written);
                }
            }
            inode.cached = inode.durable.clone();
        }
        state.names = state.durable_names.clone();
        state.locked = false;
    }

    pub(crate) fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let state = lock(&self.state);
        state.names.get(name).map(|inode| state.inodes[*inode].cached.clone())
    }

    /// A file that was always there.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = lock(&self.state);
        let inode = state.inodes.len();
        state.inodes.push(Inode { cached: bytes.to_vec(), durable: bytes.to_vec(), dirty: Vec::new() });
        state.names.insert(name.to_owned(), inode);
        state.durable_names.insert(name.to_owned(), inode);
    }

    pub(crate) fn names(&self) -> Vec<String> {
        lock(&self.state).names.keys().cloned().collect()
    }

    /// What was done since the last call.
    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.state).log)
    }

    fn file(&self, inode: usize, name: &str) -> MemoryFile {
        MemoryFile { state: Arc::clone(&self.state), inode, name: name.to_owned() }
    }
}

impl Disk for MemoryDisk {
    type File = MemoryFile;

    fn prepare(&mut self) -> Result<(), PrepareError> {
        let mut state = lock(&self.state);
        state.attempt(Operation::Prepare, "")?;
        if state.locked { Err(PrepareError::Locked) } else { Ok(()) }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        lock(&self.state).attempt(Operation::List, "")?;
        Ok(self.names())
    }

    fn create(&self, name: &str) -> io::Result<MemoryFile> {
        let mut state = lock(&self.state);
        state.attempt(Operation::Create, name)?;
        if state.names.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let inode = state.inodes.len();
        state.inodes.push(Inode::default());
        state.names.insert(name.to_owned(), inode);
        drop(state);
        Ok(self.file(inode, name))
    }

    fn open(&self, name: &str) -> io::Result<MemoryFile> {
        let mut state = lock(&self.state);
        state.attempt(Operation::Open, name)?;
        let inode = *state.names.get(name).ok_or(ErrorKind::NotFound)?;
        drop(state);
        Ok(self.file(inode, name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.attempt(Operation::Rename, from)?;
        let inode = state.names.remove(from).ok_or(ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.attempt(Operation::Remove, name)?;
        state.names.remove(name).map(|_| ()).ok_or(ErrorKind::NotFound.into())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.attempt(Operation::SyncDirectory, "")?;
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("/memory").join(name)
    }
}

impl DiskFile for MemoryFile {
    fn length(&self) -> io::Result<u64> {
        Ok(lock(&self.state).inodes[self.inode].cached.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.attempt(Operation::Read, &self.name)?;
        let start = usize::try_from(offset).map_err(|_| ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(buffer.len()).ok_or(ErrorKind::UnexpectedEof)?;
        let bytes = state.inodes[self.inode].cached.get(start..end).ok_or(ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = lock(&self.state);
        let mut result = state.attempt(Operation::Append, &self.name);
        let mut taken = if result.is_ok() { bytes.len() } else { bytes.len() / 2 };
        let room = state.capacity.map_or(usize::MAX, |capacity| capacity.saturating_sub(state.used()));
        if room < taken {
            taken = room;
            result = result.and(Err(ErrorKind::StorageFull.into()));
        }
        let inode = &mut state.inodes[self.inode];
        let start = inode.cached.len();
        inode.cached.extend(&bytes[..taken]);
        inode.dirty.push(start..start + taken);
        result
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.attempt(Operation::Truncate, &self.name)?;
        state.inodes[self.inode].cached.truncate(length as usize);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = lock(&self.state);
        let result = state.attempt(Operation::Sync, &self.name);
        let inode = &mut state.inodes[self.inode];
        // After a failure too the pages count as clean: a second sync succeeds without writing them.
        let dirty = std::mem::take(&mut inode.dirty);
        if result.is_ok() {
            inode.durable.resize(inode.cached.len(), 0);
            for range in dirty {
                let range = range.start..range.end.min(inode.cached.len());
                if !range.is_empty() {
                    inode.durable[range.clone()].copy_from_slice(&inode.cached[range]);
                }
            }
        }
        result
    }
}
