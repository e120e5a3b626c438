//! The file: opening it, setting it aside, keeping it small.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, params};

use crate::{error::Trouble, schema};

/// How long to wait for another program to let go of the file.
const BUSY: Duration = Duration::from_secs(1);

/// How long a block without a last word stays at least.
const OPEN: Duration = Duration::from_secs(30 * 24 * 3600);

/// How many blocks retention removes before it looks again at the size.
const PORTION: i64 = 200;

/// Opens the file, which is made if it is missing, and checks it.
pub(crate) fn open(path: &Path) -> Result<Connection, Trouble> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    // For the owner only: it says who hands blocks in. SQLite gives its other files the same rights.
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    if !path.exists() {
        drop(options.open(path)?);
    }
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    // Before anything is written: whose file is it?
    let known: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if known > schema::VERSION {
        return Err(Trouble::Newer { found: known });
    }
    // SQLite would make do with reading, and go on doing so when the file can be written again.
    if connection.is_readonly(rusqlite::MAIN_DB)? {
        return Err(Trouble::ReadOnly);
    }
    let checked: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if checked != "ok" {
        return Err(Trouble::Damaged(checked));
    }
    if known == 0 {
        // Has an effect on an empty file only: freed pages go back to the disk.
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL")?;
    }
    schema::migrate(&mut connection)?;
    schema::verify(&connection)?;
    // A write ahead log: whoever reads waits for nobody. Synced when it is merged: a power cut may cost the last
    // moments of history, and nothing else.
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON")?;
    connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?;
    Ok(connection)
}

/// Renames a file that is beyond use, with what belongs to it; nothing is ever overwritten. Says where it is now.
pub(crate) fn set_aside(path: &Path, unix_seconds: u64) -> std::io::Result<PathBuf> {
    let named = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let free =
        |base: &String| ["", "-wal", "-shm"].iter().all(|part| !named(&format!("{base}{part}")).exists());
    let base = (0..1000).map(|n| match n {
        0 => format!(".corrupt-{unix_seconds}"),
        _ => format!(".corrupt-{unix_seconds}-{n}"),
    });
    let Some(base) = base.into_iter().find(free) else {
        return Err(std::io::Error::other("a thousand damaged files of this second are there already"));
    };
    for part in ["-wal", "-shm", ""] {
        match fs::rename(named(part), named(&format!("{base}{part}"))) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            moved => moved?,
        }
    }
    Ok(named(&base))
}

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) keep: Duration,
    pub(crate) max_bytes: u64,
    pub(crate) raw_blocks: usize,
}

/// Lets go of what is too old, too much, or no longer to be sent again.
pub(crate) fn tidy(connection: &Connection, bounds: Bounds, now_unix_ms: u64) -> rusqlite::Result<()> {
    let before = |age: Duration| {
        let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        i64::try_from(now_unix_ms.saturating_sub(age)).unwrap_or(i64::MAX)
    };
    // What has no last word is the last to go.
    const FINAL: &str = "state NOT IN ('open', 'active', 'side')";
    connection.execute(
        &format!("DELETE FROM blocks WHERE received_unix_ms < ?1 AND ({FINAL} OR received_unix_ms < ?2)"),
        [before(bounds.keep), before(bounds.keep.max(OPEN))],
    )?;
    connection.execute(
        &format!(
            "DELETE FROM raw WHERE block IN (SELECT id FROM blocks WHERE {FINAL}) AND block NOT IN
                 (SELECT raw.block FROM raw JOIN blocks ON blocks.id = raw.block
                  ORDER BY received_unix_ms DESC, blocks.id DESC LIMIT ?1)"
        ),
        params![i64::try_from(bounds.raw_blocks).unwrap_or(i64::MAX)],
    )?;
    while bytes(connection)? > bounds.max_bytes {
        let removed = connection.execute(
            &format!(
                "DELETE FROM blocks WHERE id IN (SELECT id FROM blocks WHERE {FINAL} OR received_unix_ms < ?1
                     ORDER BY received_unix_ms LIMIT ?2)"
            ),
            params![before(OPEN), PORTION],
        )?;
        if removed == 0 {
            break;
        }
    }
    connection.execute_batch("PRAGMA incremental_vacuum")
}

/// How many bytes of the file are in use.
pub(crate) fn bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let number =
        |pragma: &str| connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, u64>(0));
    Ok((number("page_count")?.saturating_sub(number("freelist_count")?)) * number("page_size")?)
}

/// How many blocks there are.
pub(crate) fn count(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT count(*) FROM blocks", [], |row| row.get(0))
}
