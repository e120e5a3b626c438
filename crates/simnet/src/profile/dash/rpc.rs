//! What dashd's RPC has of its own: ChainLocks, masternodes, quorums (D rpc/blockchain.cpp, rpc/masternode.cpp,
//! rpc/quorums.cpp), and what its replies have more or less than others (rpc_replies.json).

use std::{net::SocketAddr, time::Duration};

use serde_json::{Map, Value, json};
use wire::{BlockHash, sha256d};

use super::{SIGNATURE, payload, subsidy};
use crate::{
    Node,
    profile::Answer,
    rpc::{Fault, difficulty, fields, text, work},
};

/// The kind of quorums that sign ChainLocks on regtest (D chainparams.cpp): its name and its number.
pub(super) const QUORUMS: (&str, u8) = ("llmq_test", 100);

/// The other kinds that `quorum list` of a regtest node names.
const OTHER_QUORUMS: [&str; 3] = ["llmq_test_instantsend", "llmq_test_dip0024", "llmq_test_platform"];

/// From which height on masternodes are paid on regtest (D chainparams.cpp, nMasternodePaymentsStartBlock).
const PAYMENTS_START: u32 = 240;

/// From which height on a part of that is kept for the credit pool (regtest: MN_RR).
const POOL_START: u32 = 432;

pub(super) fn answer(node: &mut Node, method: &str, params: &[Value], _: Duration) -> Option<Answer> {
    match method {
        "getbestchainlock" => Some(best_chainlock(node)),
        "masternodelist" => Some(masternodes(node, params)),
        "quorum" => Some(quorum(node, params)),
        _ => None,
    }
}

fn best_chainlock(node: &Node) -> Answer {
    let lock = node.chain().lock();
    let lock = lock.ok_or_else(|| Fault::new(Fault::INTERNAL, "Unable to find any ChainLock"))?;
    let signature = &lock.object[lock.object.len().saturating_sub(SIGNATURE)..];
    Ok(json!({
        "blockhash": lock.block.to_string(),
        "height": lock.height,
        "signature": faster_hex::hex_string(signature),
        "known_block": node.chain().knows(&lock.block),
        "hex": faster_hex::hex_string(&lock.object),
    }))
}

fn members(node: &Node) -> &[SocketAddr] {
    node.roster().map_or(&[], |roster| roster.members())
}

/// The name of a masternode, from where it listens.
fn pro_tx(address: &SocketAddr) -> BlockHash {
    BlockHash::from_wire(sha256d(address.to_string().as_bytes()))
}

/// A BLS public key, in length.
fn operator_key(address: &SocketAddr) -> String {
    let half = faster_hex::hex_string(pro_tx(address).as_wire());
    format!("{half}{}", &half[..32])
}

/// The members of the quorum, and those who could be. Who owns them, and whom they pay, is left out.
fn masternodes(node: &Node, params: &[Value]) -> Answer {
    let mode = params.first().map_or(Ok("json"), text)?;
    if mode != "json" {
        // There are others, which are not simulated.
        return Err(Fault::new(Fault::PARAMETER, format!("strMode {mode} not found")));
    }
    let entry = |address: &SocketAddr| {
        let pro_tx = pro_tx(address).to_string();
        let entry = json!({
            "proTxHash": pro_tx,
            "address": address.to_string(),
            "addresses": { "core_p2p": [address.to_string()] },
            "payee": "UNKNOWN",
            "status": "ENABLED",
            "type": "Regular",
            "pospenaltyscore": 0,
            "consecutivePayments": 0,
            "lastpaidtime": 0,
            "lastpaidblock": 0,
            "pubkeyoperator": operator_key(address),
        });
        // The collateral is in the transaction that registered it, as those have it who begin today.
        (format!("{pro_tx}-0"), entry)
    };
    let reserve = node.roster().map_or(&[][..], |roster| roster.reserve());
    Ok(Value::Object(members(node).iter().chain(reserve).map(entry).collect()))
}

fn quorum(node: &Node, params: &[Value]) -> Answer {
    let name = node.roster().map(|roster| BlockHash::from_wire(roster.name()).to_string());
    match params.first().and_then(Value::as_str) {
        Some("list") => {
            let mut list = Map::new();
            list.insert(QUORUMS.0.into(), name.into_iter().collect());
            list.extend(OTHER_QUORUMS.map(|other| (other.to_owned(), json!([]))));
            Ok(Value::Object(list))
        }
        Some("info") => {
            let number = params.get(1).and_then(|value| match value {
                Value::String(text) => text.parse().ok(),
                other => other.as_u64(),
            });
            if number != Some(QUORUMS.1.into()) {
                return Err(Fault::new(Fault::PARAMETER, "invalid LLMQ type"));
            }
            let wanted = params
                .get(2)
                .map_or(Err(Fault::new(Fault::MISC, "quorum info llmqType \"quorumHash\"")), text)?;
            if wanted.len() != 64 {
                let message =
                    format!("quorumHash must be of length 64 (not {}, for '{wanted}')", wanted.len());
                return Err(Fault::new(Fault::PARAMETER, message));
            }
            match name.filter(|name| wanted == name) {
                Some(name) => Ok(quorum_info(node, &name)),
                None => Err(Fault::new(Fault::PARAMETER, "quorum not found")),
            }
        }
        _ => Err(Fault::new(Fault::PARAMETER, "Must be a valid command")),
    }
}

fn quorum_info(node: &Node, name: &str) -> Value {
    let member = |address: &SocketAddr| {
        json!({
            "proTxHash": pro_tx(address).to_string(),
            "service": address.to_string(),
            "addresses": { "core_p2p": [address.to_string()] },
            "pubKeyOperator": operator_key(address),
            "valid": true,
            "pubKeyShare": operator_key(address),
        })
    };
    json!({
        "height": 0,
        "type": QUORUMS.0,
        "quorumHash": name,
        "quorumIndex": 0,
        "minedBlock": name,
        "members": members(node).iter().map(member).collect::<Vec<_>>(),
        "quorumPublicKey": format!("{name}{}", name.get(..32).unwrap_or_default()),
    })
}

pub(super) fn amend(node: &Node, method: &str, result: &mut Value) {
    match (method, result) {
        ("getpeerinfo", Value::Array(peers)) => {
            peers.iter_mut().filter_map(Value::as_object_mut).for_each(amend_peer)
        }
        ("getchaintips", Value::Array(tips)) => {
            tips.iter_mut().filter_map(Value::as_object_mut).for_each(|tip| amend_tip(node, tip));
        }
        ("getblockheader" | "getblock", Value::Object(block)) => {
            let is_locked = hash(block).is_some_and(|hash| node.chain().is_locked(&hash));
            block.insert("chainlock".into(), json!(is_locked));
        }
        ("getblockchaininfo", Value::Object(info)) => {
            let time = node.chain().header(&node.chain().tip()).map(wire::Header::time);
            info.insert("time".into(), json!(time));
        }
        ("getmininginfo", Value::Object(info)) => {
            info.remove("currentblockweight");
            info.insert("currentblocksize".into(), json!(1000));
        }
        ("getnetworkinfo", Value::Object(info)) => amend_network(info),
        ("getblocktemplate", Value::Object(template)) => amend_template(template),
        _ => {}
    }
}

fn hash(fields: &Map<String, Value>) -> Option<BlockHash> {
    fields.get("hash")?.as_str()?.parse().ok()
}

fn amend_peer(peer: &mut Map<String, Value>) {
    peer.remove("minfeefilter");
    peer.extend(fields(json!({
        "network": "not_publicly_routable",
        "bip152_hb_to": false,
        "bip152_hb_from": false,
        "masternode": false,
        "addr_relay_enabled": true,
        "addr_processed": 0,
        "addr_rate_limited": 0,
        "transport_protocol_type": "v1",
        "session_id": "",
    })));
}

fn amend_tip(node: &Node, tip: &mut Map<String, Value>) {
    let Some(hash) = hash(tip) else { return };
    let chain = node.chain();
    let mut fork = hash;
    while let Some(header) = chain.header(&fork).filter(|_| !chain.is_active(&fork)) {
        fork = header.parent();
    }
    tip.insert("difficulty".into(), json!(chain.header(&hash).map(difficulty)));
    tip.insert("chainwork".into(), json!(work(node, &hash)));
    tip.insert("forkpoint".into(), json!(fork.to_string()));
}

fn amend_network(info: &mut Map<String, Value>) {
    info.extend(fields(json!({
        "buildversion": "v23.1.2",
        "connections_mn": 0,
        "connections_mn_in": 0,
        "connections_mn_out": 0,
        "socketevents": "epoll",
    })));
    if let Some(networks) = info.get_mut("networks").and_then(Value::as_array_mut) {
        networks.extend(["onion", "i2p", "cjdns"].map(|name| {
            json!({
                "name": name,
                "limited": true,
                "reachable": false,
                "proxy": "",
                "proxy_randomize_credentials": false,
            })
        }));
    }
}

fn amend_template(template: &mut Map<String, Value>) {
    template.remove("weightlimit");
    let height = template.get("height").and_then(Value::as_u64).and_then(|height| u32::try_from(height).ok());
    let height = height.unwrap_or_default();
    let bits = template.get("bits").cloned();
    // Three quarters of the subsidy are masternodes', and 37.5 % of that the pool's.
    let pool = subsidy(height) * 3 / 4 * 375 / 1000;
    let burnt = json!({"payee": "", "script": "6a", "amount": pool});
    let payload = payload(height).map_or_else(String::new, |payload| faster_hex::hex_string(&payload.bytes));
    template.extend(fields(json!({
        "sigoplimit": 40_000,
        "sizelimit": 2_000_000,
        "previousbits": bits,
        "masternode": if height >= POOL_START { vec![burnt] } else { vec![] },
        "masternode_payments_started": height > PAYMENTS_START,
        "masternode_payments_enforced": true,
        "superblock": [],
        "superblocks_started": false,
        "superblocks_enabled": false,
        "coinbase_payload": payload,
    })));
}
