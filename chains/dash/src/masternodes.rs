//! Masternodes as peers: they sign what they see first.
//!
//! The quorum that makes a ChainLock signs the block that its members saw first, so a block that reaches them early
//! wins against a rival that reached others earlier. They are ordinary nodes to connect to, and our own node knows them
//! all: `masternodelist` tells their addresses, `quorum list` and `quorum info` who sits in the quorums that sign
//! ChainLocks now.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
};

use chain::{Candidate, Inquiry, NodeCall, NodeReply, PeerSource, Step, UnreadableReply};
use serde::Deserialize;
use serde_json::{Value, json};

/// A member of a quorum that signs ChainLocks.
const QUORUM: &str = "quorum";

/// Any other masternode.
const MASTERNODE: &str = "masternode";

const LIST: &str = "masternodelist";

/// Most quorums of one kind that are active at a time, with room: mainnet has 4, testnet 24 (D llmq/params.h,
/// signingActiveQuorumCount).
const MOST_QUORUMS: usize = 32;

/// The kind of quorum that signs ChainLocks on a network (D chainparams.cpp, llmqTypeChainLocks).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuorumKind {
    /// Its name in `quorum list`: `llmq_400_60` on mainnet.
    pub name: String,
    /// Its number in `quorum info`.
    pub number: u8,
}

/// The masternodes that our node knows.
#[derive(Debug, Clone)]
pub struct Masternodes {
    chainlocks: QuorumKind,
}

impl Masternodes {
    /// For the network on which ChainLocks are signed by quorums of this kind.
    pub fn new(chainlocks: QuorumKind) -> Self {
        Self { chainlocks }
    }
}

impl PeerSource for Masternodes {
    fn labels(&self) -> &'static [&'static str] {
        &[QUORUM, MASTERNODE]
    }

    fn inquire(&self) -> Box<dyn Inquiry> {
        Box::new(Round { chainlocks: self.chainlocks.clone(), at: At::Start })
    }
}

/// One round of questions.
#[derive(Debug)]
struct Round {
    chainlocks: QuorumKind,
    at: At,
}

#[derive(Debug)]
enum At {
    Start,
    /// The lists of masternodes and of quorums are asked for.
    Lists,
    /// The members of the quorums are asked for; the masternodes are known.
    Members(Vec<String>),
    End,
}

/// An entry of `masternodelist`.
#[derive(Deserialize)]
struct Masternode {
    status: String,
    #[serde(flatten)]
    reach: Reach,
}

/// A member in `quorum info`.
#[derive(Deserialize)]
struct Member {
    /// Whether it took part in making the quorum's key: only then can it sign.
    valid: bool,
    #[serde(flatten)]
    reach: Reach,
}

#[derive(Deserialize)]
struct Members {
    members: Vec<Member>,
}

/// Where a masternode listens: in one field up to 22.1, in a list by purpose from 23.0 on.
#[derive(Deserialize)]
struct Reach {
    addresses: Option<Addresses>,
    #[serde(alias = "service")]
    address: Option<String>,
}

#[derive(Deserialize)]
struct Addresses {
    core_p2p: Option<Vec<String>>,
}

impl Reach {
    /// Those that can be dialled: an address and a port (a masternode that has been revoked has `[::]:0`).
    fn dialable(self) -> impl Iterator<Item = String> {
        let listed = self.addresses.and_then(|addresses| addresses.core_p2p);
        let all = listed.unwrap_or_else(|| self.address.into_iter().collect());
        all.into_iter().filter(|address| {
            let parsed = address.parse::<SocketAddr>();
            parsed.is_ok_and(|address| address.port() != 0 && !address.ip().is_unspecified())
        })
    }
}

impl Inquiry for Round {
    fn step(&mut self, replies: Vec<NodeReply>) -> Result<Step, UnreadableReply> {
        let mut replies = replies.into_iter();
        match std::mem::replace(&mut self.at, At::End) {
            At::Start => {
                self.at = At::Lists;
                Ok(Step::Ask(vec![
                    NodeCall::new(LIST, json!(["json"])),
                    NodeCall::new("quorum", json!(["list"])),
                ]))
            }
            At::Lists => {
                let masternodes = masternodes(replies.next())?;
                let Some(quorums) = self.quorums(replies.next()) else {
                    return Ok(Step::Done(candidates(Vec::new(), masternodes)));
                };
                self.at = At::Members(masternodes);
                let number = self.chainlocks.number;
                let calls = quorums.iter().map(|hash| NodeCall::new("quorum", json!(["info", number, hash])));
                Ok(Step::Ask(calls.collect()))
            }
            At::Members(masternodes) => {
                // A quorum of which the node says nothing has no members to prefer, and that is all.
                let infos = replies.filter_map(|reply| Members::deserialize(reply.ok()?).ok());
                let members = infos.flat_map(|info| info.members).filter(|member| member.valid);
                Ok(Step::Done(candidates(
                    members.flat_map(|member| member.reach.dialable()).collect(),
                    masternodes,
                )))
            }
            At::End => Ok(Step::Done(Vec::new())),
        }
    }
}

impl Round {
    /// The quorums that sign ChainLocks now; `None` if the node tells of none.
    fn quorums(&self, reply: Option<NodeReply>) -> Option<Vec<String>> {
        let lists = reply?.ok()?;
        let hashes = lists.get(&self.chainlocks.name)?.as_array()?;
        let hashes: Vec<_> =
            hashes.iter().filter_map(|hash| hash.as_str().map(str::to_owned)).take(MOST_QUORUMS).collect();
        (!hashes.is_empty()).then_some(hashes)
    }
}

/// The addresses of all masternodes that are not banned for being away.
fn masternodes(reply: Option<NodeReply>) -> Result<Vec<String>, UnreadableReply> {
    let unreadable = |why: String| UnreadableReply::new(LIST, why);
    let value = reply.ok_or_else(|| unreadable("it is missing".into()))?;
    let value: Value = value.map_err(|error| unreadable(error.to_string()))?;
    let list: HashMap<String, Value> =
        serde_json::from_value(value).map_err(|error| unreadable(error.to_string()))?;
    // One entry of an unknown form, of a newer daemon perhaps, is no reason to do without the others.
    let entries = list.into_values().filter_map(|entry| Masternode::deserialize(entry).ok());
    let enabled = entries.filter(|masternode| masternode.status == "ENABLED");
    Ok(enabled.flat_map(|masternode| masternode.reach.dialable()).collect())
}

/// Each address once, as what it is worth most; in an order that does not depend on a map's.
fn candidates(members: Vec<String>, mut masternodes: Vec<String>) -> Vec<Candidate> {
    masternodes.sort_unstable();
    let mut seen = HashSet::new();
    let labelled = |label: &'static str| move |address: String| Candidate { address, label };
    let all =
        members.into_iter().map(labelled(QUORUM)).chain(masternodes.into_iter().map(labelled(MASTERNODE)));
    all.filter(|candidate| seen.insert(candidate.address.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain::NodeError;

    fn source() -> Masternodes {
        Masternodes::new(QuorumKind { name: "llmq_test".into(), number: 100 })
    }

    #[test]
    fn what_a_real_daemon_says_leads_to_its_one_masternode_which_is_the_quorum() {
        let recording = recordings::read("dash/rpc_chainlocks_and_masternodes.json");
        let reply = |name: &str| Ok(recording["replies"][name]["json"]["result"].clone());
        let mut round = source().inquire();
        let _ = round.step(vec![]);
        let Ok(Step::Ask(calls)) = round.step(vec![reply("masternodelist_json"), reply("quorum_list")])
        else {
            panic!("it asks for the members")
        };
        let asked: Vec<_> =
            calls.into_iter().map(|call| json!({"method": call.method, "params": call.params})).collect();
        assert_eq!(asked, [recording["replies"]["quorum_info"]["request"].clone()]);
        let done = round.step(vec![reply("quorum_info")]).unwrap();
        assert_eq!(names(done), [("127.0.0.1:19899".to_owned(), QUORUM)]);
    }

    /// In the forms of dashd 22 and 23.1 (rpc/masternode.cpp, rpc/quorums.cpp), with what the recording does not have.
    fn list() -> Value {
        json!({
            "aa-0": {"status": "ENABLED", "addresses": {"core_p2p": ["203.0.113.1:9999"]}},
            "bb-0": {"status": "ENABLED", "address": "203.0.113.2:9999"},
            "cc-0": {"status": "POSE_BANNED", "address": "203.0.113.3:9999"},
            "dd-0": {"status": "ENABLED", "address": "[::]:0"},
            "ee-0": {"status": "ENABLED", "addresses": {"core_p2p": ["abcd.onion:9999", "[2001:db8::5]:9999"]}},
            "ff-0": "of another mode",
        })
    }

    fn names(step: Step) -> Vec<(String, &'static str)> {
        match step {
            Step::Done(candidates) => candidates.into_iter().map(|c| (c.address, c.label)).collect(),
            Step::Ask(calls) => panic!("it asks {calls:?}"),
        }
    }

    fn no_method() -> NodeReply {
        Err(NodeError { code: -32601, message: "Method not found".into() })
    }

    #[test]
    fn members_of_the_quorums_that_sign_come_first_and_each_address_once() {
        let mut round = source().inquire();
        let Ok(Step::Ask(calls)) = round.step(vec![]) else { panic!("it begins with a question") };
        assert_eq!(calls, [NodeCall::new(LIST, json!(["json"])), NodeCall::new("quorum", json!(["list"]))]);
        let quorums = json!({"llmq_test": ["q1", "q2"], "llmq_other": ["q3"]});
        let Ok(Step::Ask(calls)) = round.step(vec![Ok(list()), Ok(quorums)]) else {
            panic!("it asks for members")
        };
        let infos = ["q1", "q2"].map(|hash| NodeCall::new("quorum", json!(["info", 100, hash])));
        assert_eq!(calls, infos);
        let members = json!({"members": [
            {"valid": true, "service": "203.0.113.2:9999"},
            {"valid": false, "service": "203.0.113.9:9999"},
        ]});
        let done = round.step(vec![Ok(members), no_method()]).unwrap();
        let expected = [
            ("203.0.113.2:9999", QUORUM),
            ("203.0.113.1:9999", MASTERNODE),
            ("[2001:db8::5]:9999", MASTERNODE),
        ];
        assert_eq!(names(done), expected.map(|(address, label)| (address.to_owned(), label)));
        assert_eq!(names(round.step(vec![]).unwrap()), []);
    }

    #[test]
    fn a_node_that_tells_of_no_quorum_tells_of_masternodes_all_the_same() {
        for quorums in [no_method(), Ok(json!({})), Ok(json!({"llmq_test": []})), Ok(json!("what?"))] {
            let mut round = source().inquire();
            let _ = round.step(vec![]);
            assert_eq!(names(round.step(vec![Ok(list()), quorums]).unwrap()).len(), 3);
        }
    }

    #[test]
    fn a_node_without_a_list_is_an_error_that_names_the_question() {
        for reply in [no_method(), Ok(json!([]))] {
            let mut round = source().inquire();
            let _ = round.step(vec![]);
            let error = round.step(vec![reply, no_method()]).unwrap_err();
            assert_eq!(error.method, LIST);
        }
        let mut round = source().inquire();
        let _ = round.step(vec![]);
        assert!(round.step(vec![]).is_err());
    }
}
