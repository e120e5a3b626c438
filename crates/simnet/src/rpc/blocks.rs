//! Calls about the chain.

use chain::Chain;
use serde_json::{Map, Value, json};
use wire::{BlockHash, Header};

use super::{Fault, text};
use crate::{Node, chainstate::ChainTip};

pub(super) fn chain_info(node: &Node) -> Value {
    let chain = node.chain();
    let tip = chain.tip();
    let best = chain.best_header();
    let bodies = (0..=chain.height()).filter_map(|height| chain.block(&chain.at(height)?));
    let size: usize = bodies.map(|block| block.bytes.len()).sum();
    json!({
        "chain": rules(node).params().rpc_name,
        "blocks": chain.height(),
        "headers": chain.height_of(&best),
        "bestblockhash": tip.to_string(),
        "difficulty": chain.header(&tip).map(difficulty),
        "mediantime": chain.median_time_past(&tip),
        "verificationprogress": 1,
        "initialblockdownload": node.initial_download(),
        "chainwork": work(node, &tip),
        "size_on_disk": size,
        "pruned": false,
        "softforks": {},
        "warnings": "",
    })
}

pub(super) fn hash_at(node: &Node, params: &[Value]) -> Result<Value, Fault> {
    let height = params.first().and_then(Value::as_i64);
    let height = height.ok_or_else(|| Fault::new(Fault::TYPE, "JSON value is not an integer as expected"))?;
    let hash = u32::try_from(height).ok().and_then(|height| node.chain().at(height));
    match hash {
        Some(hash) => Ok(json!(hash.to_string())),
        None => Err(Fault::new(Fault::PARAMETER, "Block height out of range")),
    }
}

pub(super) fn header(node: &Node, params: &[Value]) -> Result<Value, Fault> {
    let hash = known(node, params)?;
    let header = node.chain().header(&hash).ok_or_else(not_found)?;
    if params.get(1) == Some(&json!(false)) {
        let mut bytes = Vec::with_capacity(Header::LEN);
        header.write(&mut bytes);
        return Ok(json!(faster_hex::hex_string(&bytes)));
    }
    Ok(Value::Object(described(node, &hash, header)))
}

/// Verbosity 0 (or false): hex. 1, the default: the header's fields, the size and the txids. 2 and beyond as 1.
pub(super) fn block(node: &Node, params: &[Value]) -> Result<Value, Fault> {
    let hash = known(node, params)?;
    let header = node.chain().header(&hash).ok_or_else(not_found)?;
    let Some(block) = node.chain().block(&hash) else {
        return Err(Fault::new(Fault::MISC, "Block not available (pruned data)"));
    };
    if matches!(params.get(1), Some(verbosity) if *verbosity == json!(0) || *verbosity == json!(false)) {
        return Ok(json!(faster_hex::hex_string(&block.bytes)));
    }
    let mut fields = described(node, &hash, header);
    let txids: Vec<String> = block.transactions.iter().map(|entry| entry.txid.to_string()).collect();
    fields.insert("size".into(), json!(block.bytes.len()));
    fields.insert("tx".into(), json!(txids));
    Ok(Value::Object(fields))
}

pub(super) fn tips(node: &Node) -> Value {
    let tip = |tip: ChainTip| {
        json!({
            "height": tip.height,
            "hash": tip.hash.to_string(),
            "branchlen": tip.branch_length,
            "status": tip.status,
        })
    };
    node.chain().tips().into_iter().map(tip).collect()
}

fn described(node: &Node, hash: &BlockHash, header: &Header) -> Map<String, Value> {
    let chain = node.chain();
    let height = chain.height_of(hash);
    let active = chain.is_active(hash);
    let confirmations =
        if active { height.map_or(0, |height| i64::from(chain.height() - height) + 1) } else { -1 };
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.into(), value);
    put("hash", json!(hash.to_string()));
    put("confirmations", json!(confirmations));
    put("height", json!(height));
    put("version", json!(header.version()));
    put("versionHex", json!(format!("{:08x}", header.version())));
    put("merkleroot", json!(header.merkle_root().to_string()));
    put("time", json!(header.time()));
    put("mediantime", json!(chain.median_time_past(hash)));
    put("nonce", json!(header.nonce()));
    put("bits", json!(format!("{:08x}", header.bits())));
    put("difficulty", json!(difficulty(header)));
    put("chainwork", json!(work(node, hash)));
    put("nTx", json!(chain.block(hash).map_or(0, |block| block.transactions.len())));
    if header.parent() != BlockHash::ZERO {
        put("previousblockhash", json!(header.parent().to_string()));
    }
    let next = height.filter(|_| active).and_then(|height| chain.at(height + 1));
    if let Some(next) = next {
        put("nextblockhash", json!(next.to_string()));
    }
    fields
}

fn known(node: &Node, params: &[Value]) -> Result<BlockHash, Fault> {
    let Some(param) = params.first() else {
        return Err(Fault::new(Fault::MISC, "a block hash is required"));
    };
    let hash: BlockHash = text(param)?.parse().map_err(|_| {
        Fault::new(Fault::PARAMETER, format!("blockhash must be of length 64 and hexadecimal (not {param})"))
    })?;
    if node.chain().knows(&hash) { Ok(hash) } else { Err(not_found()) }
}

fn not_found() -> Fault {
    Fault::new(Fault::NOT_FOUND, "Block not found")
}

pub(super) fn rules(node: &Node) -> &dyn Chain {
    &*node.profile().chain
}

/// How many times harder than with bits 1d00ffff (rpc/blockchain.cpp, GetDifficulty).
pub(crate) fn difficulty(header: &Header) -> f64 {
    let bits = header.bits();
    let shift = (bits >> 24) as i32;
    f64::from(0xffff_u32) / f64::from(bits & 0x00ff_ffff) * 256_f64.powi(29 - shift)
}

pub(crate) fn work(node: &Node, hash: &BlockHash) -> Option<String> {
    let work = format!("{:?}", node.chain().work_at(hash)?);
    Some(format!("{:0>64}", work.trim_start_matches("0x")))
}
