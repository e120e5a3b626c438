//! Calls about mining.

use std::time::Duration;

use chain::{Target, merkle};
use serde_json::{Value, json};
use wire::sha256d;

use super::{Fault, blocks, network, submit_hex, text};
use crate::Node;

/// A template without transactions: enough for a pool to make a block of.
pub(super) fn template(node: &mut Node, params: &[Value], now: Duration) -> Result<Value, Fault> {
    let request = params.first().unwrap_or(&Value::Null);
    match request.get("mode").map_or(Ok("template"), text)? {
        "template" => {}
        "submit" => {
            let data =
                request.get("data").ok_or_else(|| Fault::new(Fault::TYPE, "Missing data String key"))?;
            return submit_hex(node, text(data)?, now);
        }
        _ => return Err(Fault::new(Fault::PARAMETER, "Invalid mode")),
    }
    let profile = node.profile().clone();
    let mining = profile.mining;
    let name = profile.identity.name;
    if network::connections(node) == 0 && !mining.alone {
        return Err(Fault::new(Fault::NOT_CONNECTED, format!("{name} is not connected!")));
    }
    if node.initial_download() && !mining.alone {
        let message = format!("{name} {}", mining.downloading);
        return Err(Fault::new(Fault::INITIAL_DOWNLOAD, message));
    }
    let known: Vec<&str> =
        request["rules"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !mining.required_rules.iter().all(|rule| known.contains(rule)) {
        return Err(Fault::new(Fault::PARAMETER, mining.rules_message));
    }
    let chain = node.chain();
    let parent = chain.next();
    let height = parent.height + 1;
    let bits = blocks::rules(node).params().pow_limit_bits;
    let mut template = json!({
        "capabilities": ["proposal"],
        "version": mining.version,
        "rules": mining.template_rules,
        "vbavailable": {},
        "vbrequired": 0,
        "previousblockhash": parent.hash.to_string(),
        "transactions": [],
        "coinbaseaux": {},
        "coinbasevalue": (mining.subsidy)(height),
        "longpollid": format!("{}{}", parent.hash, height),
        "target": Target::from_compact(bits).map(|target| target.to_string()).ok(),
        "mintime": parent.least_time,
        "mutable": ["time", "transactions", "prevblock"],
        "noncerange": "00000000ffffffff",
        "sigoplimit": 80000,
        "sizelimit": 4_000_000,
        "weightlimit": 4_000_000,
        "curtime": chain.unix(now).max(parent.least_time),
        "bits": format!("{bits:08x}"),
        "height": height,
    });
    if mining.witness_commitment {
        // Of the coinbase alone, which counts as zero, and the reserved value of 32 zeros.
        let root = merkle::tree(vec![[0; 32]]).root;
        let hash = sha256d(&[root, [0; 32]].concat());
        let script = format!("6a24aa21a9ed{}", faster_hex::hex_string(&hash));
        template["default_witness_commitment"] = json!(script);
    }
    Ok(template)
}

pub(super) fn mining_info(node: &Node) -> Value {
    let chain = node.chain();
    json!({
        "blocks": chain.height(),
        "currentblockweight": 4000,
        "currentblocktx": 0,
        "difficulty": chain.header(&chain.tip()).map(blocks::difficulty),
        "networkhashps": 0.0,
        "pooledtx": 0,
        "chain": blocks::rules(node).params().rpc_name,
        "warnings": "",
    })
}
