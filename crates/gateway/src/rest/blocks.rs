//! `/api/v1/blocks`: the blocks that are on their way, and those of the last minutes.

use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use relay::Report;
use serde::Serialize;
use serde_json::json;
use wire::BlockHash;

use super::Problem;
use crate::shared::Shared;

/// The reports of all chains, newest first.
fn reports(shared: &Shared, only: Option<BlockHash>) -> Vec<Report> {
    let of_chain = |chain: &std::sync::Arc<engine::ChainHandle>| {
        let live = chain.relay.live().into_iter();
        let wanted = live.filter(|delivery| only.is_none_or(|block| delivery.block() == block));
        wanted.map(|delivery| delivery.report(chain.name())).collect::<Vec<_>>()
    };
    let mut reports: Vec<_> = shared.engine.chains().iter().flat_map(of_chain).collect();
    reports.iter_mut().for_each(|report| shared.engine.complete(report));
    reports.sort_by(|a, b| a.age_ms.total_cmp(&b.age_ms));
    reports
}

/// `{"blocks": [report, …]}`, newest first.
pub(super) async fn all(shared: Data<Shared>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "blocks": reports(&shared, None) }))
}

/// The report of one block.
#[derive(Serialize)]
struct Block {
    #[serde(flatten)]
    report: Report,
    /// The reports of other bytes with the same hash, such as one without the coinbase's witness.
    other_forms: Vec<Report>,
}

pub(super) async fn one(shared: Data<Shared>, hash: Path<String>) -> Result<HttpResponse, Problem> {
    let block = hash.parse::<BlockHash>().map_err(|error| {
        Problem::bad_request("bad_hash", error.to_string(), "write the block's hash as the daemons print it")
    })?;
    let mut reports = reports(&shared, Some(block));
    // Other bytes with the same header may have been refused since; the block is what its best form is.
    let rank = |report: &Report| {
        ["accepted", "inconclusive", "pending", "unanswered"]
            .iter()
            .position(|status| *status == report.status)
    };
    reports.sort_by_key(|report| rank(report).unwrap_or(usize::MAX));
    let mut reports = reports.into_iter();
    let report = reports.next().ok_or_else(|| {
        Problem::not_found(
            "unknown_block",
            format!("no delivery of {block} is running, and none ended in the last two minutes"),
            "look into the log, which has a line for every block, or ask the node",
        )
    })?;
    Ok(HttpResponse::Ok().json(Block { report, other_forms: reports.collect() }))
}
