//! The few operations of a file system that the journal needs, so that tests can make each of them fail.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

#[cfg(test)]
pub(crate) mod memory;

/// The file that is locked while a journal is open. It stays empty.
const LOCK: &str = "lock";

/// One directory.
pub(crate) trait Disk: Send + 'static {
    type File: DiskFile;

    /// Makes the directory exist and holds its lock. Called before every file that is begun: what failed at start
    /// may work later.
    fn prepare(&mut self) -> Result<(), PrepareError>;
    /// The names of all files.
    fn list(&self) -> io::Result<Vec<String>>;
    /// A new, empty file; fails where one has that name already.
    fn create(&self, name: &str) -> io::Result<Self::File>;
    /// An existing file, for reading.
    fn open(&self, name: &str) -> io::Result<Self::File>;
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes files created, renamed and removed so far survive a power cut.
    fn sync_directory(&self) -> io::Result<()>;
    /// How a person would name the file, or the directory where `name` is empty.
    fn path(&self, name: &str) -> PathBuf;
}

/// One file.
pub(crate) trait DiskFile: Send + 'static {
    fn length(&self) -> io::Result<u64>;
    /// Fills all of `buffer`, or fails.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
    /// Adds to the end. After an error any part of `bytes` may have been added.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    /// Returns when the content would survive a power cut.
    fn sync(&mut self) -> io::Result<()>;
}

/// Why a directory cannot be written to.
#[derive(Debug)]
pub(crate) enum PrepareError {
    Locked,
    Io(io::Error),
}

impl From<io::Error> for PrepareError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The real thing.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    lock: Option<File>,
    /// Directories that hold a directory made here and have yet to be synced.
    unsynced_parents: Vec<PathBuf>,
}

impl Directory {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), lock: None, unsynced_parents: Vec::new() }
    }

    /// The journal's directory, and any above it that is missing, each entered durably in its parent: a synced file in
    /// a directory that is gone after a power cut is gone too.
    fn make(&mut self) -> io::Result<()> {
        let missing: Vec<&Path> =
            self.path.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.is_dir()).collect();
        let parents = missing.iter().filter_map(|path| path.parent());
        self.unsynced_parents.extend(parents.map(|parent| {
            if parent.as_os_str().is_empty() { PathBuf::from(".") } else { parent.to_owned() }
        }));
        if !missing.is_empty() {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        }
        while let Some(parent) = self.unsynced_parents.last() {
            File::open(parent)?.sync_all()?;
            self.unsynced_parents.pop();
        }
        Ok(())
    }

    /// On a read-only file system an existing lock file can still be locked, which keeps a second reader out.
    fn open_lock(&self) -> io::Result<File> {
        let path = self.path.join(LOCK);
        let created = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        created.or_else(|error| File::open(&path).map_err(|_| error))
    }
}

impl Disk for Directory {
    type File = File;

    fn prepare(&mut self) -> Result<(), PrepareError> {
        // The second condition notices a directory that was deleted under the running process.
        if self.lock.is_some() && self.path.join(LOCK).try_exists()? {
            return Ok(());
        }
        self.lock = None;
        self.make()?;
        let lock = self.open_lock()?;
        match lock.try_lock() {
            Ok(()) => self.lock = Some(lock),
            Err(TryLockError::WouldBlock) => return Err(PrepareError::Locked),
            Err(TryLockError::Error(error)) => return Err(PrepareError::Io(error)),
        }
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(self.path(name))
    }

    fn open(&self, name: &str) -> io::Result<File> {
        let file = File::open(self.path(name))?;
        if file.metadata()?.is_file() {
            Ok(file)
        } else {
            Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file"))
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.path.clone() } else { self.path.join(name) }
    }
}

impl Drop for Directory {
    /// Closing the file would unlock it too, but not while a child process that was just forked still has it open.
    fn drop(&mut self) {
        if let Some(lock) = &self.lock
            && let Err(error) = lock.unlock()
        {
            tracing::warn!(dir = %self.path.display(), %error, "the journal's lock was not released explicitly");
        }
    }
}

impl DiskFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(buffer, offset)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()?;
        // A deleted file takes writes and syncs without complaint for as long as it is held open.
        if self.metadata()?.nlink() == 0 {
            return Err(io::Error::new(ErrorKind::NotFound, "the file was deleted while in use"));
        }
        Ok(())
    }
}
