//! Whoever hands a block in, and what it was told before the program was gone.

use std::time::Duration;

use e2e::block::to_hex;
use serde_json::{Value, json};

use super::{node::Block, program::Doors};

/// The front door says something within four seconds.
const LIMIT: Duration = Duration::from_secs(10);

/// JSON-RPC's code of the front door's own answer that a block is neither delivered nor on disk.
const NOT_DELIVERED: i64 = -32_002;

/// By which door a block is handed in, and what is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// `submitblock`: the journal, and a node's verdict or four seconds.
    Front,
    /// REST: the journal, and a node's verdict for a moment.
    Node,
    /// REST: the journal only.
    Disk,
}

impl Door {
    pub(super) const ALL: [Self; 3] = [Self::Front, Self::Node, Self::Disk];
}

/// What a whole reply says. A reply that was cut short says nothing: nobody may rely on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Told {
    /// The node has taken the block.
    pub(super) accepted: bool,
    /// The node has refused the block.
    pub(super) refused: bool,
    /// Whatever happens, the block will reach the node: it is at the node, or on disk.
    pub(super) kept: bool,
    /// The block is on disk, in so many words.
    pub(super) durable: bool,
}

/// Hands a block in; `None` if there was no whole reply.
pub(super) fn hand_in(doors: &Doors, block: &Block, door: Door) -> Option<Told> {
    let query = match door {
        Door::Front => return submit(doors, block),
        Door::Node => "wait=node&timeout=0.2",
        Door::Disk => "wait=peers:0",
    };
    let path = format!("/api/v1/chains/litecoin/blocks?{query}");
    let reply = doors.rest("POST", &path, &block.bytes, LIMIT).ok()?;
    let report = serde_json::from_slice(&reply.body).ok()?;
    Some(told_by_report(&report))
}

fn submit(doors: &Doors, block: &Block) -> Option<Told> {
    match doors.front_door(LIMIT).call("submitblock", json!([to_hex(&block.bytes)])) {
        Ok(verdict) => Some(told_by_verdict(&verdict)),
        Err(failure) => {
            // Without a status there was no whole reply.
            failure.http_status?;
            Some(Told { refused: failure.code != Some(NOT_DELIVERED), ..Told::default() })
        }
    }
}

fn told_by_verdict(verdict: &Value) -> Told {
    match verdict.as_str() {
        None => Told { accepted: verdict.is_null(), kept: verdict.is_null(), ..Told::default() },
        // The node keeps it beside its chain, or nobody has answered and it is on disk.
        Some("inconclusive") => Told { kept: true, ..Told::default() },
        Some(_) => Told { refused: true, ..Told::default() },
    }
}

fn told_by_report(report: &Value) -> Told {
    let (durable, accepted) = (report["durable"] == true, report["status"] == "accepted");
    Told { accepted, refused: report["status"] == "refused", kept: durable || accepted, durable }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_promised_is_read_from_the_words() {
        let kept = Told { kept: true, ..Told::default() };
        assert_eq!(told_by_verdict(&Value::Null), Told { accepted: true, ..kept });
        assert_eq!(told_by_verdict(&json!("inconclusive")), kept);
        assert_eq!(told_by_verdict(&json!("high-hash")), Told { refused: true, ..Told::default() });
        let report = |durable: Value, status| told_by_report(&json!({"durable": durable, "status": status}));
        assert_eq!(report(json!(true), "pending"), Told { durable: true, ..kept });
        assert_eq!(report(json!(null), "accepted"), Told { accepted: true, ..kept });
        assert_eq!(report(json!(null), "pending"), Told::default());
        let refused = Told { refused: true, durable: true, ..kept };
        assert_eq!(report(json!(true), "refused"), refused);
    }
}
