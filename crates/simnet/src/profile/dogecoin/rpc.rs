//! What dogecoind's RPC has of its own: merged mining (G rpc/auxpow.cpp), its words for submitted blocks (G
//! rpc/mining.cpp), bans, and what its replies have more or less than others (rpc_replies.json).

use std::time::Duration;

use ::dogecoin::{AuxPow, Branch};
use bytes::Bytes;
use chain::Target;
use serde_json::{Map, Value, json};
use wire::{BlockHash, Header};

use super::CHAIN_ID;
use crate::{
    AuxBlock, Node, Verdict,
    chainstate::Standing,
    node::Solution,
    profile::Answer,
    rpc::{self, Fault, fields, text},
};

/// Base units per 1000 bytes, in coins.
const RELAY_FEE: f64 = 0.001;
const INCREMENTAL_FEE: f64 = 0.000_1;

/// The states of soft forks on regtest, which no simulated block changes (rpc_replies.json, getblockchaininfo).
const SOFT_FORKS: [(&str, u32); 3] = [("bip34", 2), ("bip66", 3), ("bip65", 4)];

/// How long an address is: 25 bytes in base 58.
const ADDRESS: std::ops::RangeInclusive<usize> = 26..=35;

pub(super) fn answer(node: &mut Node, method: &str, params: &[Value], now: Duration) -> Option<Answer> {
    match (method, params) {
        ("createauxblock", [address]) => Some(create(node, Some(address), now)),
        ("getauxblock", []) => Some(create(node, None, now)),
        ("submitauxblock" | "getauxblock", [block, auxpow]) => Some(solved(node, block, auxpow, now)),
        ("createauxblock", _) => Some(usage("createauxblock <address>")),
        ("getauxblock", _) => Some(usage("getauxblock (hash auxpow)")),
        ("submitauxblock", _) => Some(usage("submitauxblock <hash> <auxpow>")),
        ("submitblock", [data, ..]) => Some(submit(node, data, now)),
        ("listbanned", _) => Some(Ok(banned(node, now))),
        // 1.14 knows no levels of verbosity (G rpc/blockchain.cpp).
        ("getblock" | "getblockheader", [_, verbose, ..]) if !verbose.is_boolean() => {
            Some(Err(Fault::new(Fault::MISC, "JSON value is not a boolean as expected")))
        }
        ("uptime", _) => Some(Err(Fault::new(Fault::METHOD, "Method not found"))),
        _ => None,
    }
}

fn usage(usage: &str) -> Answer {
    Err(Fault::new(Fault::MISC, usage))
}

/// Work on the tip. On regtest it is to be had without peers, and in initial block download.
fn create(node: &mut Node, payee: Option<&Value>, now: Duration) -> Answer {
    let payee = payee.map(text).transpose()?;
    if payee.is_some_and(|address| !looks_like_an_address(address)) {
        return Err(Fault::new(Fault::PARAMETER, "Invalid coinbase payout address"));
    }
    let block = node.issue(payee, now);
    // So it is of the other calls, too, and in these words.
    let block = block.ok_or_else(|| Fault::new(Fault::MISC, "getauxblock method is not yet available"))?;
    Ok(issued(node, &block))
}

/// The form of createauxblock_reply in block_auxpow_*.json.
fn issued(node: &Node, block: &AuxBlock) -> Value {
    let header = block.header();
    let target = Target::from_compact(header.bits()).map(|target| target.to_string()).unwrap_or_default();
    // In the order of the bytes in memory.
    let target: String =
        target.as_bytes().rchunks(2).filter_map(|byte| std::str::from_utf8(byte).ok()).collect();
    json!({
        "hash": block.hash().to_string(),
        "chainid": CHAIN_ID,
        "previousblockhash": header.parent().to_string(),
        "coinbasevalue": (node.profile().mining.subsidy)(block.height()),
        "bits": format!("{:08x}", header.bits()),
        "height": block.height(),
        "target": target,
    })
}

fn looks_like_an_address(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() && !b"0OIl".contains(&byte);
    ADDRESS.contains(&text.len()) && text.bytes().all(is_digit)
}

/// rpc_auxblock_errors.json: false if the proof does not hold, true whatever becomes of the block otherwise.
fn solved(node: &mut Node, block: &Value, auxpow: &Value, now: Duration) -> Answer {
    let (block, auxpow) = (text(block)?, text(auxpow)?);
    let unknown = || Fault::new(Fault::PARAMETER, "block hash unknown");
    let block: BlockHash = block.parse().map_err(|_| unknown())?;
    // What is no hex is left away (G utilstrencodings.cpp, ParseHex), and then something is missing.
    let proof = chain::unhex(auxpow).unwrap_or_default();
    match node.solve(&block, &proof, now) {
        Solution::Unknown => Err(unknown()),
        Solution::Unreadable => {
            Err(Fault::new(Fault::MISC, "CDataStream::read(): end of data: iostream error"))
        }
        Solution::Wrong | Solution::Right(Verdict::Refused(_) | Verdict::Orphan(_)) => Ok(json!(false)),
        Solution::Right(_) => Ok(json!(true)),
    }
}

/// As all daemons do, but of a block whose header is known already little is said (protocol.md §6.2).
fn submit(node: &mut Node, data: &Value, now: Duration) -> Answer {
    let known = chain::unhex(text(data)?).ok().and_then(|bytes| standing(node, &bytes));
    let result = rpc::submit_hex(node, text(data)?, now)?;
    Ok(match (known, result.as_str()) {
        (None | Some(Standing::Validated), _) | (_, Some("duplicate-invalid")) => result,
        (Some(Standing::Stored), Some("duplicate")) | (_, Some("inconclusive")) => {
            json!("duplicate-inconclusive")
        }
        _ => json!("duplicate"),
    })
}

fn standing(node: &Node, block: &Bytes) -> Option<Standing> {
    let header = Header::new(*block.first_chunk()?);
    node.chain().standing(&node.profile().chain.block_hash(&header))
}

/// relay_invalid_blocks.json, "listbanned".
fn banned(node: &Node, now: Duration) -> Value {
    let ban = |ban: crate::node::Ban| {
        let bits = if ban.address.is_ipv4() { 32 } else { 128 };
        json!({
            "address": format!("{}/{bits}", ban.address),
            "banned_until": node.chain().unix(ban.until),
            "ban_created": node.chain().unix(ban.since),
            "ban_reason": "node misbehaving",
        })
    };
    node.banned(now).map(ban).collect()
}

pub(super) fn amend(node: &Node, method: &str, result: &mut Value) {
    match (method, result) {
        ("getpeerinfo", Value::Array(peers)) => {
            peers.iter_mut().filter_map(Value::as_object_mut).for_each(|peer| amend_peer(node, peer));
        }
        ("getblock", Value::Object(block)) => amend_block(node, block),
        ("getblockheader", Value::Object(header)) => {
            header.remove("nTx");
        }
        ("getblockchaininfo", Value::Object(info)) => amend_chain(info),
        ("getmininginfo", Value::Object(info)) => {
            info.remove("warnings");
            info.extend(fields(json!({"currentblocksize": 1000, "errors": ""})));
        }
        ("getnetworkinfo", Value::Object(info)) => amend_network(info),
        ("getblocktemplate", Value::Object(template)) => {
            template.remove("weightlimit");
            template.extend(fields(
                json!({"coinbaseaux": {"flags": ""}, "sigoplimit": 20_000, "sizelimit": 1_000_000}),
            ));
        }
        _ => {}
    }
}

fn amend_peer(node: &Node, peer: &mut Map<String, Value>) {
    let others = [
        "addrbind",
        "network",
        "servicesnames",
        "last_transaction",
        "last_block",
        "permissions",
        "minfeefilter",
        "connection_type",
    ];
    others.into_iter().for_each(|field| drop(peer.remove(field)));
    let id = peer.get("id").and_then(Value::as_u64);
    let points = node.peers().iter().find(|known| Some(known.id.0) == id).map_or(0, |known| known.points);
    peer.extend(fields(json!({
        "addnode": false,
        "feefilter": "0.00",
        "banscore": points,
        "addr_processed": 0,
        "addr_rate_limited": 0,
        "whitelisted": false,
    })));
}

fn amend_chain(info: &mut Map<String, Value>) {
    let fork = |(id, version)| json!({"id": id, "version": version, "reject": {"status": false}});
    let defined = json!({"status": "defined", "startTime": 0, "timeout": 999_999_999_999_u64, "since": 0});
    info.extend(fields(json!({
        "softforks": SOFT_FORKS.map(fork),
        "bip9_softforks": {"csv": defined, "segwit": defined},
    })));
}

fn amend_network(info: &mut Map<String, Value>) {
    let others = ["localservicesnames", "connections_in", "connections_out"];
    others.into_iter().for_each(|field| drop(info.remove(field)));
    info.extend(fields(json!({
        "relayfee": RELAY_FEE,
        "incrementalfee": INCREMENTAL_FEE,
        "softdustlimit": 0.01,
        "harddustlimit": 0.001,
    })));
    if let Some(networks) = info.get_mut("networks").and_then(Value::as_array_mut) {
        networks.push(json!({
            "name": "onion",
            "limited": true,
            "reachable": false,
            "proxy": "",
            "proxy_randomize_credentials": false,
        }));
    }
}

/// block_auxpow_by_node.json, getblock_verbose.
fn amend_block(node: &Node, block: &mut Map<String, Value>) {
    block.remove("nTx");
    if let Some(size) = block.get("size").and_then(Value::as_u64) {
        block.extend(fields(json!({"strippedsize": size, "weight": 4 * size})));
    }
    let hash = block.get("hash").and_then(Value::as_str).and_then(|hash| hash.parse().ok());
    let auxpow = hash.and_then(|hash: BlockHash| AuxPow::of(node.chain().header(&hash)?));
    if let Some(auxpow) = auxpow {
        block.insert("auxpow".into(), described(&auxpow));
    }
}

/// An auxpow, without what its coinbase pays.
fn described(auxpow: &AuxPow) -> Value {
    let coinbase = auxpow.coinbase();
    let hashes = |branch: &Branch| -> Vec<String> {
        branch.hashes().map(|hash| BlockHash::from_wire(*hash).to_string()).collect()
    };
    json!({
        "tx": {
            "hex": faster_hex::hex_string(coinbase),
            "txid": auxpow.coinbase_txid().to_string(),
            "hash": wire::Txid::from_wire(wire::sha256d(coinbase)).to_string(),
            "size": coinbase.len(),
            "blockhash": BlockHash::from_wire(*auxpow.named_block()).to_string(),
        },
        "index": auxpow.coinbase_branch().index(),
        "chainindex": auxpow.chain_branch().index(),
        "merklebranch": hashes(auxpow.coinbase_branch()),
        "chainmerklebranch": hashes(auxpow.chain_branch()),
        "parentblock": faster_hex::hex_string(auxpow.parent().fixed()),
    })
}
