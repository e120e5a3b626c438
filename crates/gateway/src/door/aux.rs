//! Aux work at the front door: out to the pool, and back as a block.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chain::{AuxCall, AuxWork};
use relay::{AuxAnswer, Node};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use super::{
    Context, Door,
    call::Call,
    reply::{NODE_UNREACHABLE, Note, Reply},
};

/// Errors that say that a node cannot issue work for the time being: no connections, initial download, warming up.
const NOT_NOW: [i64; 3] = [-9, -10, -28];

/// The longest proof that is kept and handed in by ourselves, in hex digits: it is a part of a block of 1 MB at most. What
/// a node says to a longer one is the node's business.
const LONGEST_PROOF: usize = 2_000_000;

/// How long a node may take to issue work that any other can issue, too.
const ISSUED_WITHIN: Duration = Duration::from_secs(2);

/// A node's reply, as far as it matters who issued what.
#[derive(Deserialize)]
struct Issued {
    result: Value,
    error: Option<Trouble>,
}

#[derive(Deserialize)]
struct Trouble {
    code: i64,
}

fn hangs(call: &Call<'_>, node: &Node) -> Reply {
    let message = format!("blockcast: node {}: no answer within {} s", node.name(), ISSUED_WITHIN.as_secs());
    Reply::error(call.id, NODE_UNREACHABLE, &message).with_status(503)
}

impl Door {
    /// Answers a call about aux work; `None`: it is about something else.
    pub(super) async fn take_aux(
        &self,
        call: &Call<'_>,
        raw: &Bytes,
        context: &Context<'_>,
    ) -> Option<Reply> {
        let chain = self.chain.relay.chain().clone();
        let rules = chain.aux_work()?;
        let aux = rules.read(&call.method, &call.texts()?)?;
        if matches!(aux, AuxCall::Solved { auxpow, .. } if auxpow.len() > LONGEST_PROOF) {
            return None;
        }
        Some(match aux {
            AuxCall::Create { portable } => self.issue(rules, call, raw, context, portable).await,
            AuxCall::Solved { block, auxpow } => {
                let (aux, _waiting) = self.shared.hand_in(&self.chain, block, auxpow);
                let answer = aux.answer().await;
                // The issuer has the block first: questions about it go where the answer came from.
                if let Some(node) = aux.maker() {
                    self.pins.remember_maker(block, node);
                }
                let finding = aux.finding();
                tracing::info!(chain = self.chain.name(), %block, ?answer, finding, method = &*call.method, "front door answered");
                let reply = match answer {
                    AuxAnswer::Judged(stands) => {
                        self.count(if stands { "accepted" } else { "refused" });
                        Reply::result(call.id, if stands { "true" } else { "false" })
                    }
                    AuxAnswer::Error { code, message } => {
                        self.count("refused");
                        Reply::error(call.id, code, &message)
                    }
                    AuxAnswer::Unreachable { message } => {
                        self.count("unreachable");
                        let message = format!(
                            "blockcast: the node that has this block cannot be asked; the work goes on being handed in: {message}"
                        );
                        Reply::error(call.id, NODE_UNREACHABLE, &message)
                    }
                };
                reply.with_note(Note { block, finding })
            }
        })
    }

    /// Passes a call for work on, to the primary node or, where any node may issue it, to the first that can; and
    /// remembers who did.
    async fn issue(
        &self,
        rules: &dyn AuxWork,
        call: &Call<'_>,
        raw: &Bytes,
        context: &Context<'_>,
        portable: bool,
    ) -> Reply {
        let mut first = None;
        for node in self.issuers(portable) {
            let forward = self.forward(&node, raw.clone(), call.id, context.path);
            let reply = match portable {
                // Another node can do it as well: one that hangs is not waited for.
                true => timeout(ISSUED_WITHIN, forward).await.unwrap_or_else(|_| hangs(call, &node)),
                false => forward.await,
            };
            let issued = serde_json::from_slice::<Issued>(&reply.body).ok();
            let unable = reply.status == 503
                || issued.as_ref().is_none_or(|issued| {
                    issued.error.as_ref().is_some_and(|error| NOT_NOW.contains(&error.code))
                });
            if unable {
                first.get_or_insert(reply);
                continue;
            }
            if let Some(Issued { result, error: None }) = issued {
                match rules.template(&result) {
                    Ok(template) => self.chain.relay.note_issued(template, node.name()),
                    Err(error) => {
                        tracing::error!(chain = self.chain.name(), node = node.name(), %error, "work of which it will not be known who issued it");
                    }
                }
            }
            return reply;
        }
        first.unwrap_or_else(|| {
            Reply::error(call.id, NODE_UNREACHABLE, "blockcast: this chain has no node to ask")
                .with_status(503)
        })
    }

    /// Whom to ask for work: the primary node, and then the others if any will do.
    fn issuers(&self, portable: bool) -> Vec<Arc<Node>> {
        let nodes = self.chain.relay.nodes();
        let mut nodes: Vec<_> = nodes.iter().filter(|node| portable || node.is_primary()).cloned().collect();
        nodes.sort_by_key(|node| !node.is_primary());
        nodes
    }
}
