//! What can be wrong with a ledger.

use rusqlite::ErrorCode;

const READ_ONLY: &str = "it cannot be written: see to the rights of the file and its directory";

/// Why the file could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(
        "it is of version {found}, and this release knows versions up to {}: upgrade Blockcast, or move the file away and a new one is begun",
        crate::schema::VERSION
    )]
    Newer { found: i64 },
    #[error("it is a database of something else: move it away, or set another data_dir")]
    Foreign,
    #[error("it can only be read; {READ_ONLY}")]
    ReadOnly,
    #[error("it is damaged: {0}")]
    Damaged(String),
    #[error("{}", remedy(.0))]
    Sqlite(#[from] rusqlite::Error),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// What SQLite says, and what to do about it.
fn remedy(error: &rusqlite::Error) -> String {
    let remedy = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program holds it: let go of it there"
        }
        Some(ErrorCode::DiskFull) => "the disk is full: make room",
        Some(ErrorCode::ReadOnly) => READ_ONLY,
        Some(ErrorCode::CannotOpen) => "see to the directory and its rights",
        _ => return error.to_string(),
    };
    format!("{error}; {remedy}")
}

impl Trouble {
    /// A stable word for metrics and logs.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Newer { .. } => "newer_version",
            Self::Foreign => "foreign",
            Self::ReadOnly => "read_only",
            Self::Damaged(_) => "damaged",
            Self::Io(_) => "io",
            Self::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => "damaged",
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "locked",
                Some(ErrorCode::DiskFull) => "disk_full",
                Some(ErrorCode::ReadOnly) => "read_only",
                Some(ErrorCode::CannotOpen) => "cannot_open",
                _ => "sqlite",
            },
        }
    }

    /// Whether the file is beyond use, and to be set aside.
    pub(crate) fn is_damage(&self) -> bool {
        self.kind() == "damaged"
    }
}

/// A failure, for status and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A stable word: `locked`, `disk_full`, `read_only`, `damaged`, `newer_version`, `foreign`, `cannot_open`, `io`,
    /// `sqlite`.
    pub kind: &'static str,
    /// The file, what is wrong with it, and what to do.
    pub message: String,
    /// When, in Unix milliseconds.
    pub unix_ms: u64,
}

/// History cannot be had now.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unavailable {
    /// The file cannot be used.
    #[error("{0}")]
    File(String),
    /// The ledger has been shut down.
    #[error("the ledger has stopped")]
    Stopped,
}

/// A delivery is not written down now. It is later, as soon as that is possible, unless the ledger has stopped.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotRecorded {
    /// The file cannot be written; what was to be written is kept in memory.
    #[error("{0}")]
    File(String),
    /// The ledger has been shut down.
    #[error("the ledger has stopped")]
    Stopped,
}
