//! Calls about the node and its peers.

use std::time::Duration;

use serde_json::{Value, json};
use wire::Services;

use crate::{Node, node::PeerInfo};

/// Base units per 1000 bytes, as every reply of the daemon has it.
const RELAY_FEE: f64 = 0.000_01;

/// Who has connected, and the neighbours as peers that the node dialled itself: it hears of blocks from them, if not
/// over a connection of this kind.
pub(super) fn peers(node: &Node, now: Duration) -> Value {
    let inbound = node.peers().into_iter().map(|peer| entry(node, &peer, now));
    let identity = node.profile().identity;
    let outbound = node.addresses().iter().zip(1_000_000_u64..).map(|(address, id)| {
        json!({
            "id": id,
            "addr": address.to_string(),
            "services": services(identity.services),
            "servicesnames": identity.service_names,
            "relaytxes": true,
            "conntime": node.chain().unix(Duration::ZERO),
            "version": identity.protocol,
            "subver": identity.user_agent,
            "inbound": false,
            "startingheight": 0,
            "synced_headers": node.chain().height(),
            "synced_blocks": node.chain().height(),
            "connection_type": "outbound-full-relay",
        })
    });
    inbound.chain(outbound).collect()
}

fn entry(node: &Node, peer: &PeerInfo, now: Duration) -> Value {
    let ping = peer.ping_time.unwrap_or_default().as_secs_f64();
    json!({
        "id": peer.id.0,
        "addr": peer.address.to_string(),
        "addrbind": "127.0.0.1:0",
        "network": "unroutable",
        "services": services(peer.services),
        "servicesnames": names(node, peer.services),
        "relaytxes": true,
        "lastsend": node.chain().unix(now),
        "lastrecv": node.chain().unix(now),
        "last_transaction": 0,
        "last_block": 0,
        "bytessent": peer.sent,
        "bytesrecv": peer.received,
        "conntime": node.chain().unix(peer.since),
        "timeoffset": 0,
        "pingtime": ping,
        "minping": ping,
        "version": peer.protocol,
        "subver": peer.user_agent,
        "inbound": true,
        "startingheight": peer.start_height,
        "synced_headers": -1,
        "synced_blocks": -1,
        "inflight": [],
        "permissions": [],
        "minfeefilter": 0.0,
        "bytessent_per_msg": {},
        "bytesrecv_per_msg": {},
        "connection_type": "inbound",
    })
}

pub(super) fn connections(node: &Node) -> usize {
    node.peers().len() + node.addresses().len()
}

pub(super) fn network_info(node: &Node) -> Value {
    let identity = node.profile().identity;
    let network = |name: &str| {
        json!({
            "name": name,
            "limited": false,
            "reachable": true,
            "proxy": "",
            "proxy_randomize_credentials": false,
        })
    };
    json!({
        "version": identity.version,
        "subversion": identity.user_agent,
        "protocolversion": identity.protocol,
        "localservices": services(identity.services),
        "localservicesnames": identity.service_names,
        "localrelay": true,
        "timeoffset": 0,
        "networkactive": true,
        "connections": connections(node),
        "connections_in": node.peers().len(),
        "connections_out": node.addresses().len(),
        "networks": [network("ipv4"), network("ipv6")],
        "relayfee": RELAY_FEE,
        "incrementalfee": RELAY_FEE,
        "localaddresses": [],
        "warnings": "",
    })
}

pub(super) fn totals(node: &Node, now: Duration) -> Value {
    let sum = |count: fn(&PeerInfo) -> u64| node.peers().iter().map(count).sum::<u64>();
    json!({
        "totalbytesrecv": sum(|peer| peer.received),
        "totalbytessent": sum(|peer| peer.sent),
        "timemillis": u64::from(node.chain().unix(now)) * 1000,
        "uploadtarget": {
            "timeframe": 86400,
            "target": 0,
            "target_reached": false,
            "serve_historical_blocks": true,
            "bytes_left_in_cycle": 0,
            "time_left_in_cycle": 0,
        },
    })
}

fn services(services: Services) -> String {
    format!("{:016x}", services.0)
}

/// The names of those of the daemon's own services that a peer offers too; of others only the number is told.
fn names(node: &Node, services: Services) -> Vec<&'static str> {
    let identity = node.profile().identity;
    let bits = (0..u64::BITS).map(|bit| Services(1 << bit)).filter(|bit| identity.services.has(*bit));
    bits.zip(identity.service_names).filter(|(bit, _)| services.has(*bit)).map(|(_, name)| *name).collect()
}
