//! The tables, and how an older file becomes one of this version.

use rusqlite::{Connection, Transaction};

use crate::error::Trouble;

/// `BCL1`: what `PRAGMA application_id` says of a file that is ours.
pub(crate) const APPLICATION: i64 = 0x4243_4c31;

/// The steps from each version to the next: an empty file is of version 0.
const STEPS: [&str; 1] = [VERSION_1];

/// The version that this release writes.
pub(crate) const VERSION: i64 = STEPS.len() as i64;

const VERSION_1: &str = "
CREATE TABLE blocks (
    id INTEGER PRIMARY KEY,
    chain TEXT NOT NULL,
    hash TEXT NOT NULL,
    height INTEGER,
    parent TEXT NOT NULL,
    received_unix_ms INTEGER NOT NULL,
    source TEXT NOT NULL,
    size INTEGER NOT NULL,
    status TEXT NOT NULL,
    peers_with_block INTEGER NOT NULL,
    peers_addressed INTEGER NOT NULL,
    first_echo_ms REAL,
    deliveries INTEGER NOT NULL,
    state TEXT NOT NULL,
    since_unix_ms INTEGER NOT NULL,
    confirmations INTEGER NOT NULL,
    required INTEGER NOT NULL,
    rival TEXT,
    node TEXT,
    rival_heard_unix_ms INTEGER,
    rival_heard_from TEXT,
    diagnosis TEXT,
    diagnosis_text TEXT,
    behind_ms INTEGER,
    replays INTEGER NOT NULL,
    next_replay_unix_ms INTEGER,
    UNIQUE (chain, hash)
);
CREATE INDEX blocks_by_time ON blocks (received_unix_ms);
CREATE INDEX blocks_by_hash ON blocks (hash);
CREATE INDEX blocks_by_chain ON blocks (chain, received_unix_ms);
CREATE INDEX blocks_by_state ON blocks (state, received_unix_ms);
CREATE INDEX blocks_by_source ON blocks (source, received_unix_ms);
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY,
    block INTEGER NOT NULL REFERENCES blocks ON DELETE CASCADE,
    form TEXT NOT NULL,
    received_unix_ms INTEGER NOT NULL,
    height INTEGER,
    source TEXT NOT NULL,
    size INTEGER NOT NULL,
    merged_hash TEXT,
    merged_chain TEXT,
    repeats INTEGER NOT NULL,
    status TEXT NOT NULL,
    durable INTEGER,
    durable_ms REAL,
    journal_error TEXT,
    inspected_ms REAL,
    findings TEXT NOT NULL,
    kept_off_p2p TEXT,
    peers_with_block INTEGER NOT NULL,
    peers_addressed INTEGER NOT NULL,
    peers_sent_to INTEGER NOT NULL,
    echo_ms REAL,
    echo_peer TEXT,
    finality TEXT,
    UNIQUE (block, form, received_unix_ms)
);
CREATE TABLE submissions (
    delivery INTEGER NOT NULL REFERENCES deliveries ON DELETE CASCADE,
    number INTEGER NOT NULL,
    source TEXT NOT NULL,
    submitter TEXT,
    unix_ms INTEGER NOT NULL,
    answered_unix_ms INTEGER,
    answer TEXT,
    PRIMARY KEY (delivery, number)
) WITHOUT ROWID;
CREATE TABLE verdicts (
    delivery INTEGER NOT NULL REFERENCES deliveries ON DELETE CASCADE,
    number INTEGER NOT NULL,
    node TEXT NOT NULL,
    judgement TEXT,
    words TEXT,
    masked INTEGER NOT NULL,
    answered_ms REAL,
    judged_ms REAL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (delivery, number)
) WITHOUT ROWID;
CREATE TABLE peers (
    delivery INTEGER NOT NULL REFERENCES deliveries ON DELETE CASCADE,
    number INTEGER NOT NULL,
    peer TEXT NOT NULL,
    outcome TEXT,
    detail TEXT,
    stage TEXT,
    queued_ms REAL,
    written_ms REAL,
    acked_ms REAL,
    processed_ms REAL,
    outcome_ms REAL,
    PRIMARY KEY (delivery, number)
) WITHOUT ROWID;
CREATE TABLE places (
    block INTEGER NOT NULL REFERENCES blocks ON DELETE CASCADE,
    number INTEGER NOT NULL,
    node TEXT NOT NULL,
    place TEXT NOT NULL,
    confirmations INTEGER NOT NULL,
    rival TEXT,
    unix_ms INTEGER NOT NULL,
    PRIMARY KEY (block, number)
) WITHOUT ROWID;
CREATE TABLE changes (
    block INTEGER NOT NULL REFERENCES blocks ON DELETE CASCADE,
    number INTEGER NOT NULL,
    unix_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    rival TEXT,
    node TEXT,
    PRIMARY KEY (block, number)
) WITHOUT ROWID;
CREATE TABLE raw (
    block INTEGER PRIMARY KEY REFERENCES blocks ON DELETE CASCADE,
    form TEXT NOT NULL,
    taken INTEGER NOT NULL,
    bytes BLOB NOT NULL
);
";

/// Brings a file to this version, one step at a time, each whole or not at all. Refuses what is not ours to change.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), Trouble> {
    let number = |connection: &Connection, pragma: &str| {
        connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0))
    };
    let application = number(connection, "application_id")?;
    let version = number(connection, "user_version")?;
    if application != APPLICATION {
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if application != 0 || version != 0 || tables != 0 {
            return Err(Trouble::Foreign);
        }
    }
    if version > VERSION {
        return Err(Trouble::Newer { found: version });
    }
    for (step, to) in STEPS.iter().zip(1..).skip(usize::try_from(version).unwrap_or_default()) {
        let transaction = connection.transaction()?;
        take(&transaction, step, to)?;
        transaction.commit()?;
        tracing::debug!(version = to, "the ledger is of this version now");
    }
    Ok(())
}

fn take(transaction: &Transaction<'_>, step: &str, to: i64) -> rusqlite::Result<()> {
    transaction.execute_batch(step)?;
    transaction.execute_batch(&format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {to};"))
}

/// Holds the tables of a file against those that this release makes: damage that hits their description is noticed by no
/// checksum, as SQLite has none.
pub(crate) fn verify(connection: &Connection) -> Result<(), Trouble> {
    let mut fresh = Connection::open_in_memory()?;
    migrate(&mut fresh)?;
    if described(connection)? != described(&fresh)? {
        return Err(Trouble::Damaged("its tables are not those of its version".into()));
    }
    Ok(())
}

fn described(connection: &Connection) -> rusqlite::Result<Vec<(String, Option<String>)>> {
    let mut select = connection.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")?;
    select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}
