//! Peers of our own nodes, as a source of peers.

use std::sync::Arc;

use actix::Addr;
use chain::{Candidate, PeerSource, Step, UnreadableReply};
use protocol::book::{Heard, Kind, Source};
use relay::{Node, answer_of};
use rpc::RpcError;
use serde::Deserialize;
use serde_json::json;

use crate::{
    ChainHandle,
    peer_book::{Candidates, PeerBook, Preferred, heard},
};

/// What matters of an entry of `getpeerinfo`.
#[derive(Debug, Deserialize)]
struct NodePeer {
    addr: String,
    inbound: bool,
}

/// Asks a node for its peers and tells the book. Failures are logged; the node's status shows them anyway.
pub(crate) async fn ask(chain: &ChainHandle, node: &Arc<Node>, book: &Addr<PeerBook>) {
    match node.client().call::<Vec<NodePeer>>("getpeerinfo", json!([])).await {
        Ok(peers) => {
            {
                let mut dials = chain.dials.lock();
                dials.refreshes += 1;
                dials.refreshed_at = Some(std::time::SystemTime::now());
            }
            book.do_send(Candidates(candidates(peers)));
        }
        Err(error) => {
            tracing::debug!(chain = chain.name(), node = node.name(), %error, "peers could not be asked for");
        }
    }
}

/// Asks a node for the peers of the chain's own source, if it has one, and tells the book. Failures are logged; what
/// they say about the node its status shows anyway.
pub(crate) async fn ask_source(chain: &ChainHandle, node: &Arc<Node>, book: &Addr<PeerBook>) {
    let Some(source) = chain.relay.chain().peer_source() else { return };
    match inquire(source, node).await {
        Ok(candidates) => {
            let labels = source.labels();
            let preferred =
                |candidate: Candidate| heard(&candidate.address, Kind::preferred(labels, candidate.label));
            let named: Vec<_> = candidates.into_iter().filter_map(preferred).collect();
            // A node that knows of none is still finding out.
            if !named.is_empty() {
                book.do_send(Preferred(named));
            }
        }
        Err(error) => {
            tracing::warn!(chain = chain.name(), node = node.name(), %error, "the chain's own peers could not be learnt");
        }
    }
}

/// Why a node did not tell the peers of the chain's own source.
#[derive(Debug, thiserror::Error)]
enum InquiryError {
    #[error(transparent)]
    Rpc(#[from] RpcError),
    #[error(transparent)]
    Unreadable(#[from] UnreadableReply),
}

async fn inquire(source: &dyn PeerSource, node: &Node) -> Result<Vec<Candidate>, InquiryError> {
    let mut inquiry = source.inquire();
    let mut replies = Vec::new();
    loop {
        let calls = match inquiry.step(std::mem::take(&mut replies))? {
            Step::Done(candidates) => return Ok(candidates),
            Step::Ask(calls) => calls,
        };
        let calls: Vec<_> = calls.into_iter().map(|call| (call.method, call.params)).collect();
        for answer in node.client().batch(&calls).await? {
            replies.push(answer_of(answer)?);
        }
    }
}

/// Those that the node dialled itself: the port of one that dialled the node is of no use to anyone.
fn candidates(peers: Vec<NodePeer>) -> Vec<Heard> {
    let dialled = peers.into_iter().filter(|peer| !peer.inbound);
    dialled.filter_map(|peer| heard(&peer.addr, Kind::Discovered(Source::Node))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_peers_that_the_node_dialled_are_taken() {
        let peers = json!([
            {"addr": "203.0.113.5:9333", "inbound": false},
            {"addr": "203.0.113.6:50123", "inbound": true},
            {"addr": "[2001:db8::1]:9333", "inbound": false},
            {"addr": "abcdefgh.onion:9333", "inbound": false},
        ]);
        let taken: Vec<_> = candidates(serde_json::from_value(peers).unwrap())
            .into_iter()
            .map(|heard| heard.address.to_string())
            .collect();
        // Which of them can be dialled is the book's to know.
        assert_eq!(taken, ["203.0.113.5:9333", "[2001:db8::1]:9333", "abcdefgh.onion:9333"]);
    }

    /// The recorded answers hold nobody that the node dialled: that is the last part of the test.
    #[test]
    fn the_recorded_answers_of_each_daemon_are_understood() {
        for chain in ["dash", "litecoin"] {
            let mut recording = recordings::read(&format!("{chain}/rpc_replies.json"));
            let answer = &mut recording["replies"]["getpeerinfo"]["json"]["result"];
            let read = |answer: &serde_json::Value| -> Vec<NodePeer> {
                serde_json::from_value(answer.clone()).unwrap_or_else(|error| panic!("{chain}: {error}"))
            };
            let peers = read(answer);
            let (told, inbound) = (peers.len(), peers.iter().filter(|peer| peer.inbound).count());
            assert!(told >= 2 && candidates(peers).len() == told - inbound, "{chain}");

            let first = &mut answer[0];
            first["inbound"] = false.into();
            let expected = first["addr"].as_str().unwrap().to_owned();
            let found = candidates(read(answer));
            assert!(found.iter().any(|heard| heard.address.to_string() == expected), "{chain}");
        }
    }
}
