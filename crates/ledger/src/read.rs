//! From rows to reports.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params, types::Value};

use crate::{
    Block, Change, Diagnosis, EchoReport, Fate, Filter, Heard, MergedReport, NodeReport, PeerReport, Place,
    Replays, Report, Source, SubmissionReport, Summary,
};

/// How many blocks are followed at a time.
const OPEN: i64 = 1000;

/// The blocks that a filter wants, newest first. Rows that make no sense are left out.
pub(crate) fn blocks(connection: &Connection, filter: &Filter) -> rusqlite::Result<Vec<Summary>> {
    let (mut conditions, mut values) = (Vec::new(), Vec::<Value>::new());
    let mut also = |condition: &str, value: Value| {
        conditions.push(condition.to_owned());
        values.push(value);
    };
    if let Some(chain) = &filter.chain {
        also("chain = ?", chain.clone().into());
    }
    if let Some(source) = filter.source {
        also("source = ?", source.as_str().to_owned().into());
    }
    for (condition, bound) in [
        ("received_unix_ms >= ?", filter.since_unix_ms),
        ("received_unix_ms <= ?", filter.until_unix_ms),
        ("received_unix_ms < ?", filter.before),
    ] {
        if let Some(bound) = bound {
            also(condition, i64::try_from(bound).unwrap_or(i64::MAX).into());
        }
    }
    if !filter.states.is_empty() {
        let marks = vec!["?"; filter.states.len()].join(", ");
        conditions.push(format!("state IN ({marks})"));
        values.extend(filter.states.iter().cloned().map(Value::from));
    }
    let conditions = if conditions.is_empty() { "1".to_owned() } else { conditions.join(" AND ") };
    values.push(i64::try_from(filter.limit).unwrap_or(i64::MAX).into());
    let sql = format!("SELECT * FROM blocks WHERE {conditions} ORDER BY received_unix_ms DESC LIMIT ?");
    let mut select = connection.prepare_cached(&sql)?;
    let rows = select.query_map(rusqlite::params_from_iter(values), |row| Ok(summary(row)))?;
    collect(rows)
}

/// Those that could be read; an error that is about the file and no single row ends it.
fn collect<T>(rows: impl Iterator<Item = rusqlite::Result<rusqlite::Result<T>>>) -> rusqlite::Result<Vec<T>> {
    let mut found = Vec::new();
    for row in rows {
        match row? {
            Ok(row) => found.push(row),
            Err(error) if error.sqlite_error_code().is_some() => return Err(error),
            Err(error) => tracing::warn!(%error, "a row of the ledger makes no sense, and is left out"),
        }
    }
    Ok(found)
}

fn summary(row: &Row<'_>) -> rusqlite::Result<Summary> {
    Ok(Summary {
        chain: row.get("chain")?,
        hash: row.get("hash")?,
        height: row.get("height")?,
        size: row.get("size")?,
        source: source(row)?,
        received_unix_ms: row.get("received_unix_ms")?,
        status: row.get("status")?,
        state: row.get("state")?,
        since_unix_ms: row.get("since_unix_ms")?,
        confirmations: row.get("confirmations")?,
        by: row.get("rival")?,
        diagnosis: row.get("diagnosis")?,
        peers_with_block: row.get("peers_with_block")?,
        peers_addressed: row.get("peers_addressed")?,
        first_echo_ms: row.get("first_echo_ms")?,
        deliveries: row.get("deliveries")?,
    })
}

fn source(row: &Row<'_>) -> rusqlite::Result<Source> {
    let word: String = row.get("source")?;
    let known = Source::ALL.into_iter().find(|source| source.as_str() == word);
    known.ok_or_else(|| senseless(row, "source"))
}

fn senseless(row: &Row<'_>, column: &str) -> rusqlite::Error {
    let index = row.as_ref().column_index(column).unwrap_or_default();
    rusqlite::Error::InvalidColumnType(index, column.to_owned(), rusqlite::types::Type::Text)
}

fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| serde_json::from_str(&text).map_err(|_| senseless(row, column))).transpose()
}

/// The blocks of this name, of whatever chain.
pub(crate) fn block(connection: &Connection, hash: &str) -> rusqlite::Result<Vec<Block>> {
    whole(connection, "SELECT * FROM blocks WHERE hash = ?1 ORDER BY chain", params![hash])
}

/// The blocks of a chain that have no last word yet, or have it only since then.
pub(crate) fn open_blocks(connection: &Connection, chain: &str, since: u64) -> rusqlite::Result<Vec<Block>> {
    let sql = "SELECT * FROM blocks WHERE chain = ?1 AND (state IN ('open', 'active', 'side') OR since_unix_ms >= ?2)
               ORDER BY received_unix_ms DESC LIMIT ?3";
    whole(connection, sql, params![chain, i64::try_from(since).unwrap_or(i64::MAX), OPEN])
}

fn whole(
    connection: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
) -> rusqlite::Result<Vec<Block>> {
    let mut select = connection.prepare_cached(sql)?;
    collect(select.query_map(values, |row| Ok(one(connection, row)))?)
}

fn one(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<Block> {
    let id: i64 = row.get("id")?;
    let (chain, hash, parent): (String, String, String) =
        (row.get("chain")?, row.get("hash")?, row.get("parent")?);
    let of = |sql: &str| connection.prepare_cached(sql);
    let deliveries = collect(
        of("SELECT * FROM deliveries WHERE block = ?1 ORDER BY received_unix_ms, id")?
            .query_map([id], |row| Ok(report(connection, row, (&chain, &hash, &parent))))?,
    )?;
    let raw_kept = of("SELECT 1 FROM raw WHERE block = ?1")?.exists([id])?;
    Ok(Block {
        height: row.get("height")?,
        fate: fate(connection, row, id)?,
        deliveries,
        raw_kept,
        chain,
        hash,
        parent,
    })
}

fn fate(connection: &Connection, row: &Row<'_>, id: i64) -> rusqlite::Result<Fate> {
    let places = collect(
        connection.prepare_cached("SELECT * FROM places WHERE block = ?1 ORDER BY number")?.query_map(
            [id],
            |row| {
                Ok((|| {
                    Ok(Place {
                        node: row.get("node")?,
                        place: row.get("place")?,
                        confirmations: row.get("confirmations")?,
                        rival: row.get("rival")?,
                        unix_ms: row.get("unix_ms")?,
                    })
                })())
            },
        )?,
    )?;
    let changes = collect(
        connection.prepare_cached("SELECT * FROM changes WHERE block = ?1 ORDER BY number")?.query_map(
            [id],
            |row| {
                Ok((|| {
                    let (by, node) = (row.get("rival")?, row.get("node")?);
                    Ok(Change { unix_ms: row.get("unix_ms")?, state: row.get("state")?, by, node })
                })())
            },
        )?,
    )?;
    let heard = (row.get("rival_heard_unix_ms")?, row.get("rival_heard_from")?);
    let diagnosis = (row.get("diagnosis")?, row.get("diagnosis_text")?);
    let behind_ms = row.get("behind_ms")?;
    Ok(Fate {
        state: row.get("state")?,
        since_unix_ms: row.get("since_unix_ms")?,
        confirmations: row.get("confirmations")?,
        required: row.get("required")?,
        by: row.get("rival")?,
        node: row.get("node")?,
        places,
        changes,
        rival_heard: if let (Some(unix_ms), Some(from)) = heard {
            Some(Heard { unix_ms, from })
        } else {
            None
        },
        diagnosis: match diagnosis {
            (Some(kind), Some(text)) => Some(Diagnosis { kind, text, behind_ms }),
            _ => None,
        },
        replays: Replays { done: row.get("replays")?, next_unix_ms: row.get("next_replay_unix_ms")? },
    })
}

fn report(
    connection: &Connection,
    row: &Row<'_>,
    (chain, hash, parent): (&str, &str, &str),
) -> rusqlite::Result<Report> {
    let id: i64 = row.get("id")?;
    let merged: Option<String> = row.get("merged_hash")?;
    let merged_chain = row.get("merged_chain")?;
    let echo: (Option<f64>, Option<String>) = (row.get("echo_ms")?, row.get("echo_peer")?);
    Ok(Report {
        chain: chain.into(),
        hash: hash.into(),
        form: row.get("form")?,
        height: row.get("height")?,
        parent: parent.into(),
        merged_with: merged.map(|hash| MergedReport { hash, chain: merged_chain }),
        size: row.get("size")?,
        source: source(row)?,
        received_unix_ms: row.get("received_unix_ms")?,
        age_ms: 0.0,
        repeats: row.get("repeats")?,
        submissions: submissions(connection, id)?,
        status: row.get("status")?,
        durable: row.get("durable")?,
        durable_ms: row.get("durable_ms")?,
        journal_error: row.get("journal_error")?,
        inspected_ms: row.get("inspected_ms")?,
        findings: json(row, "findings")?.unwrap_or_default(),
        kept_off_p2p: row.get("kept_off_p2p")?,
        peers_with_block: row.get("peers_with_block")?,
        peers_addressed: row.get("peers_addressed")?,
        peers_sent_to: row.get("peers_sent_to")?,
        first_echo: if let (Some(ms), Some(peer)) = echo { Some(EchoReport { ms, peer }) } else { None },
        finality: json(row, "finality")?,
        nodes: verdicts(connection, id)?,
        peers: peers(connection, id)?,
    })
}

fn submissions(connection: &Connection, delivery: i64) -> rusqlite::Result<Vec<SubmissionReport>> {
    let mut select =
        connection.prepare_cached("SELECT * FROM submissions WHERE delivery = ?1 ORDER BY number")?;
    let read = |row: &Row<'_>| {
        Ok(SubmissionReport {
            source: source(row)?,
            submitter: row.get("submitter")?,
            unix_ms: row.get("unix_ms")?,
            answered_unix_ms: row.get("answered_unix_ms")?,
            answer: row.get("answer")?,
        })
    };
    collect(select.query_map([delivery], |row| Ok(read(row)))?)
}

fn verdicts(connection: &Connection, delivery: i64) -> rusqlite::Result<Vec<NodeReport>> {
    let mut select =
        connection.prepare_cached("SELECT * FROM verdicts WHERE delivery = ?1 ORDER BY number")?;
    let read = |row: &Row<'_>| {
        Ok(NodeReport {
            node: row.get("node")?,
            judgement: row.get("judgement")?,
            verdict: json(row, "words")?,
            masked: row.get("masked")?,
            answered_ms: row.get("answered_ms")?,
            judged_ms: row.get("judged_ms")?,
            attempts: row.get("attempts")?,
        })
    };
    collect(select.query_map([delivery], |row| Ok(read(row)))?)
}

fn peers(connection: &Connection, delivery: i64) -> rusqlite::Result<Vec<PeerReport>> {
    let mut select = connection.prepare_cached("SELECT * FROM peers WHERE delivery = ?1 ORDER BY number")?;
    let read = |row: &Row<'_>| {
        Ok(PeerReport {
            peer: row.get("peer")?,
            outcome: row.get("outcome")?,
            detail: row.get("detail")?,
            stage: row.get("stage")?,
            queued_ms: row.get("queued_ms")?,
            written_ms: row.get("written_ms")?,
            acked_ms: row.get("acked_ms")?,
            processed_ms: row.get("processed_ms")?,
            outcome_ms: row.get("outcome_ms")?,
        })
    };
    collect(select.query_map([delivery], |row| Ok(read(row)))?)
}

/// The bytes of a block, if they are kept, and its chain.
pub(crate) fn raw(
    connection: &Connection,
    chain: Option<&str>,
    hash: &str,
) -> rusqlite::Result<Option<(String, Bytes)>> {
    let mut select = connection.prepare_cached(
        "SELECT blocks.chain, raw.bytes FROM blocks JOIN raw ON raw.block = blocks.id
         WHERE blocks.hash = ?1 AND (?2 IS NULL OR blocks.chain = ?2) LIMIT 1",
    )?;
    let found = select.query_row(params![hash, chain], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)));
    Ok(found.optional()?.map(|(chain, bytes)| (chain, bytes.into())))
}
