//! From reports to rows.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::{Fate, Report, merge::rank};

/// Writes a delivery down, in the place of what was written of it before.
pub(crate) fn delivery(
    transaction: &Transaction<'_>,
    report: &Report,
    raw: Option<&[u8]>,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO blocks (chain, hash, height, parent, received_unix_ms, source, size, status,
                 peers_with_block, peers_addressed, deliveries, state, since_unix_ms, confirmations, required, replays)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, 0, 0, 'open', ?5, 0, 0, 0)
             ON CONFLICT (chain, hash) DO UPDATE SET height = coalesce(height, excluded.height)",
        )?
        .execute(params![
            report.chain,
            report.hash,
            report.height,
            report.parent,
            integer(report.received_unix_ms),
            report.source.as_str(),
            size(report.size),
            report.status,
        ])?;
    let block =
        block_id(transaction, &report.chain, &report.hash)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    // The rows of its parts go with it.
    transaction
        .prepare_cached("DELETE FROM deliveries WHERE block = ?1 AND form = ?2 AND received_unix_ms = ?3")?
        .execute(params![block, report.form, integer(report.received_unix_ms)])?;
    transaction
        .prepare_cached(
            "INSERT INTO deliveries (block, form, received_unix_ms, height, source, size, merged_hash, merged_chain,
                 repeats, status, durable, durable_ms, journal_error, inspected_ms, findings, kept_off_p2p,
                 peers_with_block, peers_addressed, peers_sent_to, echo_ms, echo_peer, finality)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)",
        )?
        .execute(params![
            block,
            report.form,
            integer(report.received_unix_ms),
            report.height,
            report.source.as_str(),
            size(report.size),
            report.merged_with.as_ref().map(|merged| &merged.hash),
            report.merged_with.as_ref().and_then(|merged| merged.chain.as_ref()),
            integer(report.repeats),
            report.status,
            report.durable,
            report.durable_ms,
            report.journal_error,
            report.inspected_ms,
            json(&report.findings),
            report.kept_off_p2p,
            size(report.peers_with_block),
            size(report.peers_addressed),
            size(report.peers_sent_to),
            report.first_echo.as_ref().map(|echo| echo.ms),
            report.first_echo.as_ref().map(|echo| &echo.peer),
            report.finality.as_ref().map(json),
        ])?;
    parts(transaction, transaction.last_insert_rowid(), report)?;
    if let Some(bytes) = raw {
        transaction
            .prepare_cached(
                // The form that a node has taken is the block; until one has, the first.
                "INSERT INTO raw (block, form, taken, bytes) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (block) DO UPDATE
                     SET form = excluded.form, taken = excluded.taken, bytes = excluded.bytes
                     WHERE excluded.taken AND NOT raw.taken",
            )?
            .execute(params![block, report.form, rank(&report.status) < 2, bytes])?;
    }
    sum_up(transaction, block)
}

fn parts(transaction: &Transaction<'_>, delivery: i64, report: &Report) -> rusqlite::Result<()> {
    let mut insert =
        transaction.prepare_cached("INSERT INTO submissions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    for (number, one) in (0_i64..).zip(&report.submissions) {
        let answered = one.answered_unix_ms.map(integer);
        let source = one.source.as_str();
        insert.execute(params![
            delivery,
            number,
            source,
            one.submitter,
            integer(one.unix_ms),
            answered,
            one.answer
        ])?;
    }
    let mut insert =
        transaction.prepare_cached("INSERT INTO verdicts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
    for (number, node) in (0_i64..).zip(&report.nodes) {
        insert.execute(params![
            delivery,
            number,
            node.node,
            node.judgement,
            node.verdict.as_ref().map(ToString::to_string),
            node.masked,
            node.answered_ms,
            node.judged_ms,
            integer(node.attempts),
        ])?;
    }
    let mut insert = transaction
        .prepare_cached("INSERT INTO peers VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")?;
    for (number, peer) in (0_i64..).zip(&report.peers) {
        insert.execute(params![
            delivery,
            number,
            peer.peer,
            peer.outcome,
            peer.detail,
            peer.stage,
            peer.queued_ms,
            peer.written_ms,
            peer.acked_ms,
            peer.processed_ms,
            peer.outcome_ms,
        ])?;
    }
    Ok(())
}

/// What a list shows of a block, from its deliveries.
fn sum_up(transaction: &Transaction<'_>, block: i64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "WITH of AS (SELECT * FROM deliveries WHERE block = ?1),
                  first AS (SELECT * FROM of ORDER BY received_unix_ms LIMIT 1),
                  furthest AS (SELECT * FROM of ORDER BY peers_with_block DESC, peers_addressed DESC LIMIT 1)
             UPDATE blocks SET
                 received_unix_ms = (SELECT received_unix_ms FROM first),
                 source = (SELECT source FROM first),
                 size = (SELECT size FROM first),
                 status = (SELECT status FROM of ORDER BY CASE status WHEN 'accepted' THEN 0
                     WHEN 'inconclusive' THEN 1 WHEN 'pending' THEN 2 WHEN 'unanswered' THEN 3 ELSE 4 END LIMIT 1),
                 peers_with_block = (SELECT peers_with_block FROM furthest),
                 peers_addressed = (SELECT peers_addressed FROM furthest),
                 first_echo_ms = (SELECT min(echo_ms) FROM of),
                 deliveries = (SELECT count(*) FROM of)
             WHERE id = ?1",
        )?
        .execute([block])?;
    Ok(())
}

/// Writes down what the chain says of a block; `false` if there is no such block.
pub(crate) fn fate(
    transaction: &Transaction<'_>,
    chain: &str,
    hash: &str,
    fate: &Fate,
) -> rusqlite::Result<bool> {
    let Some(block) = block_id(transaction, chain, hash)? else { return Ok(false) };
    transaction
        .prepare_cached(
            "UPDATE blocks SET state = ?2, since_unix_ms = ?3, confirmations = ?4, required = ?5, rival = ?6, node = ?7,
                 rival_heard_unix_ms = ?8, rival_heard_from = ?9, diagnosis = ?10, diagnosis_text = ?11, behind_ms = ?12,
                 replays = ?13, next_replay_unix_ms = ?14 WHERE id = ?1",
        )?
        .execute(params![
            block,
            fate.state,
            integer(fate.since_unix_ms),
            fate.confirmations,
            fate.required,
            fate.by,
            fate.node,
            fate.rival_heard.as_ref().map(|heard| integer(heard.unix_ms)),
            fate.rival_heard.as_ref().map(|heard| &heard.from),
            fate.diagnosis.as_ref().map(|diagnosis| &diagnosis.kind),
            fate.diagnosis.as_ref().map(|diagnosis| &diagnosis.text),
            fate.diagnosis.as_ref().and_then(|diagnosis| diagnosis.behind_ms),
            fate.replays.done,
            fate.replays.next_unix_ms.map(integer),
        ])?;
    for table in ["places", "changes"] {
        transaction.prepare_cached(&format!("DELETE FROM {table} WHERE block = ?1"))?.execute([block])?;
    }
    let mut insert = transaction.prepare_cached("INSERT INTO places VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    for (number, place) in (0_i64..).zip(&fate.places) {
        let (at, depth) = (integer(place.unix_ms), place.confirmations);
        insert.execute(params![block, number, place.node, place.place, depth, place.rival, at])?;
    }
    let mut insert = transaction.prepare_cached("INSERT INTO changes VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for (number, change) in (0_i64..).zip(&fate.changes) {
        insert.execute(params![
            block,
            number,
            integer(change.unix_ms),
            change.state,
            change.by,
            change.node
        ])?;
    }
    Ok(true)
}

fn block_id(connection: &Connection, chain: &str, hash: &str) -> rusqlite::Result<Option<i64>> {
    let mut select = connection.prepare_cached("SELECT id FROM blocks WHERE chain = ?1 AND hash = ?2")?;
    select.query_row([chain, hash], |row| row.get(0)).optional()
}

/// SQLite's numbers have a sign. What does not fit is no time and no count of ours.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn size(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Our types have nothing that JSON cannot write.
fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
