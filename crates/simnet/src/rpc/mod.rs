//! JSON-RPC of a simulated node, without its sockets.
//!
//! [`answer`] is one call, [`respond`] the body of one HTTP request: a call or a batch of them, in the daemons' own
//! form (`{"result":…,"error":…,"id":…}`, JSON-RPC 1.0, whatever version the caller names). Passwords are the business
//! of [`sockets`](crate::sockets).
//!
//! What is answered: `submitblock`, `getblocktemplate`, `getblockchaininfo`, `getbestblockhash`, `getblockcount`,
//! `getblockhash`, `getblockheader`, `getblock`, `getchaintips`, `getpeerinfo`, `getconnectioncount`,
//! `getnetworkinfo`, `getnettotals`, `getmininginfo`, `uptime`, and what a daemon has of its own: dashd's
//! `getbestchainlock`, `masternodelist` and `quorum` (list, info); dogecoind's `createauxblock`, `getauxblock`,
//! `submitauxblock` and `listbanned`. Everything else is "Method not found" (-32601).

mod blocks;
mod envelope;
mod network;
mod template;

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::{Node, Verdict};

pub(crate) use blocks::{difficulty, work};
pub use envelope::{Reply, respond};

/// An error in JSON-RPC's sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({code})")]
pub struct Fault {
    /// The daemons' number (rpc/protocol.h).
    pub code: i64,
    /// In words.
    pub message: String,
}

impl Fault {
    /// `RPC_MISC_ERROR`: wrong number of parameters, among others.
    pub(crate) const MISC: i64 = -1;
    /// `RPC_TYPE_ERROR`
    const TYPE: i64 = -3;
    /// `RPC_INVALID_ADDRESS_OR_KEY`: not found.
    const NOT_FOUND: i64 = -5;
    /// `RPC_INVALID_PARAMETER`
    pub(crate) const PARAMETER: i64 = -8;
    /// `RPC_CLIENT_NOT_CONNECTED`
    const NOT_CONNECTED: i64 = -9;
    /// `RPC_CLIENT_IN_INITIAL_DOWNLOAD`
    const INITIAL_DOWNLOAD: i64 = -10;
    /// `RPC_DESERIALIZATION_ERROR`
    const UNDECODABLE: i64 = -22;
    /// `RPC_IN_WARMUP`
    const WARM_UP: i64 = -28;
    /// `RPC_INVALID_REQUEST`
    const REQUEST: i64 = -32600;
    /// `RPC_METHOD_NOT_FOUND`
    pub(crate) const METHOD: i64 = -32601;
    /// `RPC_INTERNAL_ERROR`
    pub(crate) const INTERNAL: i64 = -32603;
    /// `RPC_PARSE_ERROR`
    const PARSE: i64 = -32700;

    pub(crate) fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// Answers one call at `now` since the network's start.
///
/// # Errors
/// The daemons' error, also while the node is [starting](Node::set_warm_up).
pub fn answer(node: &mut Node, method: &str, params: &Value, now: Duration) -> Result<Value, Fault> {
    node.tick(now);
    if let Some(message) = node.warm_up() {
        return Err(Fault::new(Fault::WARM_UP, message));
    }
    let params = match params {
        Value::Null => &[][..],
        Value::Array(params) => params,
        _ => return Err(Fault::new(Fault::PARAMETER, "simulated nodes take their parameters by position")),
    };
    let own = (node.profile().rpc.answer)(node, method, params, now);
    let mut result = own.unwrap_or_else(|| common(node, method, params, now))?;
    (node.profile().rpc.amend)(node, method, &mut result);
    Ok(result)
}

/// What all daemons have in common.
fn common(node: &mut Node, method: &str, params: &[Value], now: Duration) -> Result<Value, Fault> {
    match method {
        "submitblock" => submit(node, params, now),
        "getblocktemplate" => template::template(node, params, now),
        "getblockchaininfo" => Ok(blocks::chain_info(node)),
        "getbestblockhash" => Ok(json!(node.chain().tip().to_string())),
        "getblockcount" => Ok(json!(node.chain().height())),
        "getblockhash" => blocks::hash_at(node, params),
        "getblockheader" => blocks::header(node, params),
        "getblock" => blocks::block(node, params),
        "getchaintips" => Ok(blocks::tips(node)),
        "getpeerinfo" => Ok(network::peers(node, now)),
        "getconnectioncount" => Ok(json!(network::connections(node))),
        "getnetworkinfo" => Ok(network::network_info(node)),
        "getnettotals" => Ok(network::totals(node, now)),
        "getmininginfo" => Ok(template::mining_info(node)),
        "uptime" => Ok(json!(now.as_secs())),
        _ => Err(Fault::new(Fault::METHOD, "Method not found")),
    }
}

fn submit(node: &mut Node, params: &[Value], now: Duration) -> Result<Value, Fault> {
    let Some(data) = params.first() else {
        let usage = "submitblock \"hexdata\" ( \"dummy\" )\n\nAttempts to submit new block to network.\n";
        return Err(Fault::new(Fault::MISC, usage));
    };
    submit_hex(node, text(data)?, now)
}

pub(crate) fn submit_hex(node: &mut Node, hex: &str, now: Duration) -> Result<Value, Fault> {
    let undecodable = || Fault::new(Fault::UNDECODABLE, "Block decode failed");
    match node.submit(&chain::unhex(hex).map_err(|_| undecodable())?, now) {
        Verdict::Undecodable => Err(undecodable()),
        Verdict::Refused(word) if word == "bad-cb-missing" => {
            Err(Fault::new(Fault::UNDECODABLE, "Block does not start with a coinbase"))
        }
        verdict => Ok(verdict.word().map_or(Value::Null, Value::from)),
    }
}

/// The fields of an object, to be added to others.
pub(crate) fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

pub(crate) fn text(value: &Value) -> Result<&str, Fault> {
    value.as_str().ok_or_else(|| Fault::new(Fault::TYPE, "Expected type string"))
}
