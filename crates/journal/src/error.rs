//! What can go wrong, with a stable word for metric labels.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

/// One failure of the storage below the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    kind: &'static str,
    text: String,
}

impl Fault {
    pub(crate) fn new(kind: &'static str, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// `action` says what was being done to which file.
    pub(crate) fn io(action: impl fmt::Display, error: &io::Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "disk_full",
            ErrorKind::FileTooLarge => "file_too_large",
            ErrorKind::ReadOnlyFilesystem => "read_only",
            ErrorKind::PermissionDenied => "permission",
            ErrorKind::NotFound | ErrorKind::NotADirectory => "missing",
            _ => "io",
        };
        Self::new(kind, format!("{action}: {error}"))
    }

    /// A stable word: `disk_full`, `file_too_large`, `read_only`, `permission`, `missing`, `locked`, `unreadable`,
    /// `stopped`, or `io` for anything else.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// What was attempted and the operating system's own words.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Fault {}

/// Why an entry is not on disk. The block must be sent all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDurable {
    /// The storage failed. The entry stays in memory and is written as soon as the storage works again.
    #[error("the journal cannot save the block: {0}")]
    Storage(#[source] Fault),
    /// The entry exceeds a limit of this format; it is not kept.
    #[error("the block's {what} has {length} bytes, the journal takes at most {limit}")]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// So many bytes wait for a disk that does not keep up that this entry was not kept.
    #[error("too many blocks are waiting for the journal's disk")]
    Backlog,
    /// The journal was shut down, or its thread died, before the entry was on disk.
    #[error("the journal has stopped")]
    Stopped,
}

impl NotDurable {
    /// A stable word for metric labels: a [`Fault::kind`], `too_large`, `backlog` or `stopped`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Storage(fault) => fault.kind(),
            Self::TooLarge { .. } => "too_large",
            Self::Backlog => "backlog",
            Self::Stopped => "stopped",
        }
    }
}

/// Why the journal cannot be opened at all. Everything else (a full, broken or read-only disk, damaged files) opens,
/// and is told by [`Health`](crate::Health) and [`Recovery`](crate::Recovery).
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another `Journal` of this one, works on the directory.
    #[error(
        "the journal in {} is in use by another process: stop that one, or give this one its own data_dir",
        dir.display()
    )]
    Locked {
        /// The journal's directory.
        dir: PathBuf,
    },
    /// A newer release wrote this file; reading it with this one could lose blocks.
    #[error(
        "{} was written by a newer release (journal format {found}, this one reads up to {supported}): start the newer \
         release and let it close its open blocks, or move the file away if these blocks no longer matter",
        file.display()
    )]
    NewerVersion {
        /// The file.
        file: PathBuf,
        /// The version it names.
        found: u32,
        /// The newest version this release reads.
        supported: u32,
    },
    /// The operating system refused a thread.
    #[error("the journal's thread cannot be started: {0}")]
    Thread(#[source] io::Error),
}

impl OpenError {
    /// A stable word: `locked`, `newer_version` or `thread`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "locked",
            Self::NewerVersion { .. } => "newer_version",
            Self::Thread(_) => "thread",
        }
    }
}
