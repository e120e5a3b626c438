//! `/api/v1/blocks`: what became of every block.
//!
//! The ledger has the history; what has changed in the last moments is known to the relays alone. So both are asked, and
//! where both know a delivery the relay is right. Without the ledger there is what the relays know.

use std::collections::HashMap;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CONTENT_DISPOSITION, CONTENT_TYPE},
    web::{Data, Path, Query},
};
use bytes::Bytes;
use ledger::{Block, Filter, Source, Summary};
use relay::{Submission, Trust};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Instant;
use wire::BlockHash;

use super::{Problem, chain, submit};
use crate::shared::Shared;

/// How many blocks a list has, unless the caller says otherwise, and at most.
const LIMIT: (usize, usize) = (100, 1000);

/// The words for what any chain says of a block. One that has other means than work to be final has its own for that.
const STATES: [&str; 6] = ["open", "active", "side", "confirmed", "orphaned", "rejected"];

/// Every word for what the chains that run say of a block.
fn states(shared: &Shared) -> Vec<&'static str> {
    let own = shared.engine.chains().iter().filter_map(|chain| chain.relay.chain().finality());
    let mut own: Vec<_> = own.map(|finality| finality.word()).collect();
    own.sort_unstable();
    own.dedup();
    STATES.into_iter().chain(own).collect()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    chain: Option<String>,
    state: Option<String>,
    source: Option<String>,
    since: Option<u64>,
    until: Option<u64>,
    before: Option<u64>,
    limit: Option<usize>,
}

/// What the caller wants to see.
fn filter(query: &str, known: &[&str]) -> Result<Filter, Problem> {
    let bad = |message: String| {
        let remedy = format!(
            "write ?chain=NAME, &state= with some of {}, &source= with one of {}, &since=, &until= and &before= in Unix \
             milliseconds, &limit= up to {}",
            known.join(","),
            Source::ALL.map(Source::as_str).join(","),
            LIMIT.1
        );
        Problem::bad_request("bad_query", message, remedy)
    };
    let Query(params) = Query::<Params>::from_query(query).map_err(|error| bad(error.to_string()))?;
    let states: Vec<String> =
        params.state.iter().flat_map(|states| states.split(',')).map(str::to_owned).collect();
    if let Some(wrong) = states.iter().find(|state| !known.contains(&state.as_str())) {
        return Err(bad(format!("state={wrong} is no state of a block")));
    }
    let source = match &params.source {
        None => None,
        Some(word) => {
            let source = Source::ALL.into_iter().find(|source| source.as_str() == word);
            Some(source.ok_or_else(|| bad(format!("source={word} is no door")))?)
        }
    };
    Ok(Filter {
        chain: params.chain,
        states,
        source,
        since_unix_ms: params.since,
        until_unix_ms: params.until,
        before: params.before,
        limit: params.limit.unwrap_or(LIMIT.0).min(LIMIT.1),
    })
}

/// Whether history can be had, for the caller.
fn ledger_state(why: Option<String>) -> Value {
    json!({ "available": why.is_none(), "why": why })
}

/// What the relays know, of all chains.
fn running(shared: &Shared) -> Vec<Block> {
    let mut blocks: Vec<_> = shared.engine.chains().iter().flat_map(|chain| chain.relay.blocks()).collect();
    blocks
        .iter_mut()
        .flat_map(|block| &mut block.deliveries)
        .for_each(|report| shared.engine.complete(report));
    blocks
}

/// `{"blocks": [summary, …], "ledger": …}`, newest first.
pub(super) async fn all(shared: Data<Shared>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let filter = filter(request.query_string(), &states(&shared))?;
    if let Some(name) = &filter.chain {
        chain(&shared, name)?;
    }
    let limit = filter.limit;
    let running: Vec<Summary> =
        running(&shared).iter().filter_map(Block::summary).filter(|summary| filter.admits(summary)).collect();
    let (history, why) = match shared.engine.history().blocks(filter).await {
        Ok(history) => (history, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let key = |summary: &Summary| (summary.chain.clone(), summary.hash.clone());
    let mut blocks: HashMap<_, _> = history.into_iter().map(|summary| (key(&summary), summary)).collect();
    for now in running {
        let known = blocks.entry(key(&now)).or_insert_with(|| now.clone());
        known.update(now);
    }
    let mut blocks: Vec<_> = blocks.into_values().collect();
    blocks.sort_by_key(|summary| std::cmp::Reverse(summary.received_unix_ms));
    blocks.truncate(limit);
    Ok(HttpResponse::Ok().json(json!({ "blocks": blocks, "ledger": ledger_state(why) })))
}

fn read_hash(hash: &str) -> Result<BlockHash, Problem> {
    hash.parse::<BlockHash>().map_err(|error| {
        Problem::bad_request("bad_hash", error.to_string(), "write the block's hash as the daemons print it")
    })
}

/// `{"block": …, "ledger": …}`
pub(super) async fn one(shared: Data<Shared>, hash: Path<String>) -> Result<HttpResponse, Problem> {
    let hash = read_hash(&hash)?.to_string();
    let (history, why) = match shared.engine.history().block(&hash).await {
        Ok(history) => (history, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let mut running = running(&shared).into_iter().find(|block| block.hash == hash);
    let chain = running.as_ref().map(|block| block.chain.clone());
    // Of two chains with a block of one name (there are none), the one that is busy with it.
    let known = history.into_iter().find(|block| chain.as_ref().is_none_or(|chain| *chain == block.chain));
    let block = match (known, running.take()) {
        (Some(mut known), Some(now)) => {
            known.update(now);
            Some(known)
        }
        (known, now) => known.or(now),
    };
    let block = block.ok_or_else(|| unknown(&hash, why.as_deref()))?;
    Ok(HttpResponse::Ok().json(json!({ "block": block, "ledger": ledger_state(why) })))
}

fn unknown(hash: &str, why: Option<&str>) -> Problem {
    let ledger = why.map_or_else(|| "the ledger does not have it".to_owned(), ToOwned::to_owned);
    Problem::not_found(
        "unknown_block",
        format!("no delivery of {hash} is running, and {ledger}"),
        "see /api/v1/blocks for those that are known; the log has a line for every block",
    )
}

/// The block's bytes, from whoever has them.
async fn bytes(shared: &Shared, hash: &BlockHash) -> Result<(String, Bytes), Problem> {
    let of_chain =
        |chain: &std::sync::Arc<engine::ChainHandle>| Some((chain.name().to_owned(), chain.relay.raw(hash)?));
    if let Some(found) = shared.engine.chains().iter().find_map(of_chain) {
        return Ok(found);
    }
    let hash = hash.to_string();
    match shared.engine.history().raw(None, &hash).await {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(Problem::not_found(
            "bytes_not_kept",
            format!("the bytes of {hash} are not kept, or were never here"),
            "ask a node: getblock HASH 0; [ledger] raw_blocks says of how many blocks they are kept",
        )),
        Err(error) => Err(unknown(&hash, Some(&error.to_string()))),
    }
}

/// The block itself.
pub(super) async fn raw(shared: Data<Shared>, hash: Path<String>) -> Result<HttpResponse, Problem> {
    let hash = read_hash(&hash)?;
    let (_, bytes) = bytes(&shared, &hash).await?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/octet-stream"))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{hash}.block\"")))
        .body(bytes))
}

/// Sends a block on its way again, as if it were handed in: its running delivery goes on, or another begins.
pub(super) async fn replay(
    shared: Data<Shared>,
    hash: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let hash = read_hash(&hash)?;
    let (goal, timeout) = submit::wait(request.query_string())?;
    let (name, bytes) = bytes(&shared, &hash).await?;
    let submitter = request.peer_addr().map(|address| address.to_string());
    let submission = Submission {
        source: Source::Replay,
        trust: Trust::Own,
        submitter,
        bytes,
        hex: None,
        on_disk: false,
        received_at: Instant::now(),
    };
    let chain = chain(&shared, &name)?;
    tracing::info!(chain = name, block = %hash, "a block is to be sent again");
    Ok(submit::hand_in(&shared, chain, submission, goal, timeout).await)
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;

    use super::*;

    #[test]
    fn a_query_names_what_is_wrong_with_it() {
        let filter = |query| filter(query, &STATES);
        let good =
            filter("chain=litecoin&state=open,side&source=rest&since=5&until=9&before=8&limit=5000").unwrap();
        assert_eq!((good.limit, good.states.len(), good.source), (1000, 2, Some(Source::Rest)));
        assert_eq!(filter("").unwrap().limit, 100);
        for (query, named) in
            [("state=opne", "opne"), ("source=door", "door"), ("since=x", "invalid"), ("sinec=1", "sinec")]
        {
            let problem = filter(query).expect_err(query);
            assert_eq!(problem.status_code(), 400);
            assert!(problem.to_string().contains(named), "{problem}");
        }
    }
}
