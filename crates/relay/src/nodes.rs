//! From one block to every node, and what their answers amount to.

use std::{sync::Arc, time::Duration};

use protocol::verdict::{self, Answer, Judgement, Position, Reading};
use rpc::{RpcError, SubmitRequest};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use wire::BlockHash;

use crate::{Delivery, Goal, Node, Relay};

/// How long one round of submitting may retry a node that refuses connections, warms up or is overloaded.
const ROUND: Duration = Duration::from_secs(4);

/// The wait between rounds: from the first to the second value, doubling.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));

/// How long a node is asked again that did not answer, or lacked the parent. Beyond that the journal holds the block
/// until the next start, if no other node has it.
const PERSIST: Duration = Duration::from_secs(30 * 60);

/// JSON-RPC's code for "no such block" in `getblockheader`.
const NOT_FOUND: i64 = -5;

impl Relay {
    /// Gives a block to one node and stays with it until its judgement is final.
    pub(crate) async fn submit_to_node(
        self: Arc<Self>,
        node: Arc<Node>,
        delivery: Arc<Delivery>,
        request: SubmitRequest,
    ) {
        let mut patience = Patience { give_up: Instant::now() + PERSIST, pause: PAUSE.0 };
        loop {
            let answer = self.submit_once(&node, &delivery, &request).await;
            let judgement = self.judge(&node, &delivery, &answer, &mut patience).await;
            self.judged(&node, &delivery, &judgement);
            let open = match &judgement {
                Judgement::Unanswered { .. } => true,
                Judgement::Refused { reason, .. } => lacks_parent(reason),
                Judgement::Accepted | Judgement::Inconclusive => false,
            };
            if !open || !patience.wait().await {
                return;
            }
        }
    }

    /// Judges an answer. Where the node must be asked where the block stands and cannot be, it is asked again and
    /// again, and the block counts as unanswered meanwhile; a submit that may have succeeded is not repeated blindly.
    async fn judge(
        &self,
        node: &Node,
        delivery: &Arc<Delivery>,
        answer: &Answer,
        patience: &mut Patience,
    ) -> Judgement {
        if let Reading::Final(judgement) = verdict::read(answer) {
            return judgement;
        }
        loop {
            let error = match position(node, delivery.block()).await {
                Ok(position) => return verdict::judge(answer, position),
                Err(error) => error,
            };
            let (kind, reason) = match answer {
                Answer::Nothing { kind, message } => (*kind, message.clone()),
                _ => (error.kind(), error.to_string()),
            };
            let unanswered = Judgement::Unanswered { kind: kind.into(), reason };
            self.judged(node, delivery, &unanswered);
            if !patience.wait().await {
                return unanswered;
            }
        }
    }

    async fn submit_once(&self, node: &Node, delivery: &Delivery, request: &SubmitRequest) -> Answer {
        let submission = node.client().submit_block(request, Instant::now() + ROUND).await;
        let answer = match submission.outcome {
            Ok(answer) if answer.is_accepted() => Answer::Null,
            Ok(answer) => Answer::Word(answer.reason().unwrap_or_default().into()),
            Err(RpcError::Rpc { code, message }) => Answer::Error { code, message },
            Err(error) => {
                node.failed(error.kind(), error.to_string());
                self.metrics.node_error(node.name(), error.kind());
                Answer::Nothing { kind: error.kind(), message: error.to_string() }
            }
        };
        let after = delivery.since_received();
        tracing::info!(chain = self.name(), node = node.name(), block = %delivery.block(), ?answer, ?after, "node answered");
        delivery.update(|state| {
            if let Some(verdict) = state.node(node.name()) {
                verdict.attempts += submission.tried;
                // The first real words stay: what a node says to a repetition is about the repetition.
                if matches!(verdict.answer, None | Some(Answer::Nothing { .. })) {
                    verdict.answer = Some(answer.clone());
                    verdict.answered = Some(after);
                }
            }
        });
        answer
    }

    fn judged(&self, node: &Node, delivery: &Arc<Delivery>, judgement: &Judgement) {
        let after = delivery.since_received();
        let news = delivery.update(|state| {
            let verdict = state.node(node.name())?;
            let before = verdict.judgement.replace(judgement.clone());
            let news = before.as_ref() != Some(judgement);
            if news {
                verdict.judged = Some(after);
            }
            news.then(|| state.first_error().map(ToString::to_string))
        });
        let Some(finding) = news else { return };
        self.metrics.rpc_submission(node.name(), judgement.kind());
        self.metrics.rpc_submit(node.name(), after);
        let (chain, node, block) = (self.name(), node.name(), delivery.block());
        match judgement {
            Judgement::Accepted => tracing::info!(chain, node, %block, ?after, "node has the block"),
            Judgement::Inconclusive => {
                tracing::warn!(chain, node, %block, ?after, "node has it beside its active chain")
            }
            Judgement::Refused { reason, .. } => {
                tracing::error!(chain, node, %block, reason, finding, "node refuses the block");
            }
            Judgement::Unanswered { kind, reason } => {
                tracing::error!(chain, node, %block, kind, "node has not answered: {reason}");
            }
        }
        self.close_if_done(delivery);
    }

    /// Closes the journal's record once a node has the block, or every node has refused it for a reason that time does
    /// not cure. (Without nodes, a peer's proof stands for a node's.)
    pub(crate) fn close_if_done(&self, delivery: &Delivery) {
        let done = delivery.read(|state| {
            let has =
                |judgement: &Judgement| matches!(judgement, Judgement::Accepted | Judgement::Inconclusive);
            let hopeless = |judgement: &Judgement| match judgement {
                Judgement::Refused { reason, .. } => !lacks_parent(reason) && reason != "time-too-new",
                _ => false,
            };
            let judgements: Vec<_> = state.nodes.iter().map(|node| node.judgement.as_ref()).collect();
            if judgements.is_empty() {
                return state.has_reached(Goal::Peers(1));
            }
            judgements.iter().flatten().any(|judgement| has(judgement))
                || judgements.iter().all(|judgement| judgement.is_some_and(hopeless))
        });
        if done {
            self.journal.close(self.journal_key(delivery));
        }
    }
}

/// How long to stay with a node, and how often to ask it.
struct Patience {
    give_up: Instant,
    pause: Duration,
}

impl Patience {
    /// Waits a little longer each time; `false` once it is over.
    async fn wait(&mut self) -> bool {
        if Instant::now() >= self.give_up {
            return false;
        }
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSE.1);
        true
    }
}

/// Whether a refusal only says that the node is behind.
fn lacks_parent(reason: &str) -> bool {
    matches!(reason, "prev-blk-not-found" | "bad-prevblk")
}

/// Asks a node where it has a block.
async fn position(node: &Node, block: BlockHash) -> Result<Position, RpcError> {
    match node.client().call::<Value>("getblockheader", json!([block.to_string()])).await {
        Ok(header) => Ok(match header.get("confirmations").and_then(Value::as_i64) {
            Some(0..) => Position::Active,
            _ => Position::Side,
        }),
        Err(RpcError::Rpc { code: NOT_FOUND, .. }) => Ok(Position::Unknown),
        Err(error) => Err(error),
    }
}
