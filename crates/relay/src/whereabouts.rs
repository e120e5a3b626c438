//! Where a node has our blocks: the questions, and what the answers amount to.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Instant, SystemTime},
};

use protocol::fate::{Place, Weight, Word};
use rpc::RpcError;
use serde::Deserialize;
use serde_json::{Value, json};
use wire::BlockHash;

use crate::{
    Node, NodeTip, Relay,
    nodes::{ChainTip, NOT_FOUND, tips_of},
    report::unix_ms,
};

/// How many blocks are asked about in one request.
const BATCH: usize = 50;

/// JSON-RPC's code for a height that the active chain does not reach, in `getblockhash`.
const OUT_OF_RANGE: i64 = -8;

/// A question about one block.
pub(crate) struct Question {
    pub(crate) block: BlockHash,
    pub(crate) parent: BlockHash,
    pub(crate) height: Option<u32>,
}

/// A node's answer about one block.
struct Answer {
    block: BlockHash,
    place: Place,
    rival: Option<(BlockHash, u32)>,
    parent_in_chain: Option<bool>,
    height: Option<u32>,
}

/// What `getblockheader` says that matters here.
#[derive(Deserialize)]
struct Header {
    height: Option<u32>,
    /// -1 for a block that is not in the active chain.
    confirmations: i64,
}

impl Header {
    /// How deep it is in the active chain, if it is in it; 1 is the tip.
    fn depth(&self) -> Option<u32> {
        u32::try_from(self.confirmations).ok().map(|depth| depth.max(1))
    }
}

impl Question {
    /// The place, as far as the header tells; the list of chain tips tells the rest.
    fn place(&self, header: Option<&Header>, tips: &[ChainTip]) -> Place {
        let Some(header) = header else { return Place::Unknown };
        if let Some(depth) = header.depth() {
            return Place::Active(depth);
        }
        let name = self.block.to_string();
        match tips.iter().find(|tip| tip.hash == name).map(|tip| tip.status.as_str()) {
            Some("invalid" | "conflicting") => Place::Invalid,
            Some("headers-only") => Place::Unknown,
            _ => Place::Side,
        }
    }
}

impl Relay {
    /// Asks a node where it has the blocks that are followed, as far as it has moved since it was last asked, or has taken
    /// a block since.
    pub(crate) async fn ask_where(self: &Arc<Self>, node: &Node, tip: NodeTip, weight: Weight) {
        // Before the questions leave: what happens after this moment is not in the answers.
        let asked_at = Instant::now();
        let questions: Vec<_> = {
            let followed = self.followed.lock();
            followed
                .values()
                .filter(|followed| followed.is_due(node.name(), tip.hash))
                .map(|followed| Question {
                    block: followed.block,
                    parent: followed.parent,
                    height: followed.height,
                })
                .collect()
        };
        for part in questions.chunks(BATCH) {
            match self.ask_part(node, tip, part).await {
                Ok(answers) => {
                    let now = unix_ms(SystemTime::now());
                    let mut followed = self.followed.lock();
                    for Answer { block, place, rival, parent_in_chain, height } in answers {
                        let Some(followed) = followed.get_mut(&block) else { continue };
                        followed.height = followed.height.or(height);
                        followed.parent_in_chain = parent_in_chain.or(followed.parent_in_chain);
                        followed.hear(node.name(), Word { place, rival, weight }, tip.hash, asked_at, now);
                    }
                }
                Err(error) => {
                    tracing::debug!(chain = self.name(), node = node.name(), %error, "where our blocks are cannot be told");
                    self.metrics.node_error(node.name(), error.kind());
                    break;
                }
            }
        }
        if !questions.is_empty() {
            self.judge_followed();
        }
    }

    /// The answers that make sense; where a node changes while it is asked, it is asked again.
    async fn ask_part(
        &self,
        node: &Node,
        tip: NodeTip,
        questions: &[Question],
    ) -> Result<Vec<Answer>, RpcError> {
        let blocks: Vec<_> = questions.iter().map(|question| question.block).collect();
        let parents: Vec<_> = questions.iter().map(|question| question.parent).collect();
        let headers = headers_of(node, &blocks).await?;
        let parents = headers_of(node, &parents).await?;
        // Only of what is beside the chain it is worth knowing why.
        let is_beside = |header: &Header| header.depth().is_none();
        let tips = match headers.iter().flatten().any(is_beside) {
            true => tips_of(node).await?,
            false => Vec::new(),
        };
        let height = |index: usize| {
            headers[index].as_ref().and_then(|header| header.height).or(questions[index].height)
        };
        let lost: Vec<_> = (0..questions.len())
            .filter(|index| headers[*index].as_ref().is_none_or(is_beside))
            .filter_map(|index| Some((index, height(index)?)))
            .filter(|(_, height)| *height <= tip.height)
            .collect();
        let calls: Vec<_> = lost.iter().map(|(_, height)| ("getblockhash", json!([height]))).collect();
        let mut rivals = HashMap::new();
        for ((index, height), answer) in lost.iter().zip(node.client().batch(&calls).await?) {
            let hash = match answer {
                Ok(Value::String(hash)) => hash,
                Ok(_) => continue,
                // The node has just gone back: it is lower than it said.
                Err(RpcError::Rpc { code: OUT_OF_RANGE, .. }) => continue,
                Err(error) => return Err(error),
            };
            if let Ok(rival) = hash.parse::<BlockHash>() {
                rivals.insert(*index, (rival, (tip.height - height).saturating_add(1)));
            }
        }
        let answers = questions.iter().enumerate().filter_map(|(index, question)| {
            let rival = rivals.get(&index).copied();
            if rival.is_some_and(|(rival, _)| rival == question.block) {
                // It has just become a part of the chain.
                return None;
            }
            Some(Answer {
                block: question.block,
                place: question.place(headers[index].as_ref(), &tips),
                rival,
                parent_in_chain: parents[index].as_ref().map(|parent| !is_beside(parent)),
                height: height(index),
            })
        });
        Ok(answers.collect())
    }
}

/// Where a node has these, in their order; `None` for what it does not know.
async fn headers_of(node: &Node, blocks: &[BlockHash]) -> Result<Vec<Option<Header>>, RpcError> {
    let calls: Vec<_> = blocks.iter().map(|block| ("getblockheader", json!([block.to_string()]))).collect();
    let answers = node.client().batch(&calls).await?.into_iter().map(|answer| match answer {
        Ok(header) => serde_json::from_value(header).map(Some).map_err(|error| RpcError::Malformed {
            address: node.name().to_owned(),
            reason: format!("getblockheader: {error}"),
        }),
        Err(RpcError::Rpc { code: NOT_FOUND, .. }) => Ok(None),
        Err(error) => Err(error),
    });
    answers.collect()
}
