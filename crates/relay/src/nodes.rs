//! From one block to every node, and what their answers amount to.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use protocol::{
    delivery::WithheldReason,
    verdict::{self, Answer, Judgement, Position, Reading},
};
use rpc::{RpcError, SubmitRequest};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep};
use wire::BlockHash;

use crate::{Delivery, Node, Relay, delivery::State};

/// How long one round of submitting may retry a node that refuses connections, warms up or is overloaded.
const ROUND: Duration = Duration::from_secs(4);

/// The wait between rounds: from the first to the second value, doubling.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// How long a node is asked again, every few seconds, that did not answer or lacked the parent. Beyond that it is only if
/// no other node has the block.
const PERSIST: Duration = Duration::from_secs(30 * 60);

/// The wait between replays, which are what follows as long as no node has the block: from the first to the second
/// value, doubling.
const REPLAY: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(30 * 60));

/// For how long a block is sent again at all.
pub(crate) const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// How many crashes of one submit are borne.
const CRASHES: usize = 3;

/// JSON-RPC's code for "no such block" in `getblockheader`.
pub(crate) const NOT_FOUND: i64 = -5;

impl Relay {
    /// Gives a block to one node. Should that crash, the delivery says so, and begins again.
    pub(crate) async fn submit_to_node(
        self: Arc<Self>,
        node: Arc<Node>,
        delivery: Arc<Delivery>,
        request: SubmitRequest,
    ) {
        for _ in 0..CRASHES {
            let submit = AssertUnwindSafe(self.stay_with(&node, &delivery, &request)).catch_unwind();
            if submit.await.is_ok() {
                return;
            }
            let reason = "submitting to the node crashed in the program; please report the log".to_owned();
            self.judged(&node, &delivery, &Judgement::Unanswered { kind: "crashed".into(), reason });
            sleep(PAUSE.1).await;
        }
    }

    /// Stays with a node until its judgement of a block is final.
    async fn stay_with(&self, node: &Node, delivery: &Arc<Delivery>, request: &SubmitRequest) {
        let mut patience = Patience {
            give_up: Instant::now() + PERSIST,
            end: Instant::now() + LONGEST,
            pause: PAUSE.0,
            repeats: 0,
        };
        loop {
            patience.repeats = delivery.repeats();
            let answer = self.submit_once(node, delivery, request).await;
            let judgement = self.judge(node, delivery, &answer, &mut patience).await;
            self.judged(node, delivery, &judgement);
            if judgement.is_final() || !patience.wait(node, delivery).await {
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
            patience.repeats = delivery.repeats();
            let error = match position(node, delivery.block()).await {
                Ok(position) => {
                    // It answers again: should it lack the block, there is no reason to keep it waiting.
                    patience.pause = PAUSE.0;
                    return verdict::judge(answer, position);
                }
                Err(error) => error,
            };
            let (kind, reason) = match answer {
                Answer::Nothing { kind, message, .. } => (*kind, message.clone()),
                _ => (error.kind(), error.to_string()),
            };
            let unanswered = Judgement::Unanswered { kind: kind.into(), reason };
            self.judged(node, delivery, &unanswered);
            if !patience.wait(node, delivery).await {
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
                Answer::Nothing {
                    maybe_done: error.may_have_been_done(),
                    kind: error.kind(),
                    message: error.to_string(),
                }
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
        self.events.tell(chain, "verdict", || {
            let ms = after.as_secs_f64() * 1e3;
            json!({ "block": block.to_string(), "node": node, "judgement": judgement.kind(), "ms": ms })
        });
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
        self.give_up_if_refused(delivery);
    }

    /// Once every node has refused a block, no further peer gets it, from us or on request, and another form of it may
    /// go in its place.
    fn give_up_if_refused(&self, delivery: &Arc<Delivery>) {
        if delivery.read(|state| state.carries && state.is_refused_for_good()) {
            self.shelf.lock().remove(&delivery.block());
            self.headers.lock().forget(&delivery.block());
            self.keep_off_p2p(delivery, WithheldReason::Refused);
            delivery.update(|state| state.carries = false);
        }
    }

    /// Closes the journal's record once a node has the block, or every node has refused it for good. (Without nodes, a
    /// peer's proof stands for a node's.)
    /// Not before the ledger has it, or is known not to work.
    pub(crate) fn close_if_done(&self, delivery: &Delivery) {
        let written = self.ledger.is_none() || delivery.read(|state| state.recorded);
        if written && delivery.read(|state| !state.replaced && state.is_done()) {
            self.journal.close(self.journal_key(delivery));
        }
    }
}

/// How long to stay with a node, and how often to ask it.
struct Patience {
    /// Until then it is asked whatever others say.
    give_up: Instant,
    end: Instant,
    pause: Duration,
    /// How often the block had been handed in again when the node was last asked.
    repeats: u64,
}

impl Patience {
    /// Waits a little longer each time, or until the node is back or the block is handed in again; `false` once it is
    /// over.
    async fn wait(&mut self, node: &Node, delivery: &Delivery) -> bool {
        let now = Instant::now();
        let settled = |state: &State| state.given_up || state.retired || state.is_done();
        let is_replay = now >= self.give_up;
        if now >= self.end || delivery.read(|state| state.given_up || (is_replay && settled(state))) {
            return false;
        }
        if is_replay {
            self.pause = self.pause.max(REPLAY.0 / 2);
            let pause = (self.pause * 2).min(REPLAY.1);
            delivery.update(|state| state.replays.next = Some((now + pause).into_std()));
        }
        let longest = if is_replay { REPLAY.1 } else { PAUSE.1 };
        tokio::select! {
            () = sleep(self.pause) => self.pause = (self.pause * 2).min(longest),
            () = delivery.repeated(self.repeats) => self.pause = PAUSE.0,
            () = node.is_back() => self.pause = PAUSE.0,
            () = delivery.until(|state| state.given_up || (is_replay && settled(state))) => return false,
        }
        if is_replay {
            delivery.update(|state| {
                state.replays.done += 1;
                state.replays.next = None;
            });
        }
        true
    }
}

/// What `getblockheader` says that matters here.
#[derive(Deserialize)]
struct Header {
    /// -1 for a block that is not in the active chain, for whatever reason.
    confirmations: i64,
}

/// An entry of `getchaintips`.
#[derive(Deserialize)]
pub(crate) struct ChainTip {
    pub(crate) hash: String,
    pub(crate) status: String,
}

/// Every tip that a node knows, of the active chain and of branches.
pub(crate) async fn tips_of(node: &Node) -> Result<Vec<ChainTip>, RpcError> {
    node.client().call("getchaintips", json!([])).await
}

/// Asks a node where it has a block. One that is not in the active chain may be on a side branch, but also be invalid,
/// or be known by its header only; the list of chain tips tells.
pub(crate) async fn position(node: &Node, block: BlockHash) -> Result<Position, RpcError> {
    let block = block.to_string();
    match node.client().call::<Header>("getblockheader", json!([block])).await {
        Ok(Header { confirmations: 0.. }) => return Ok(Position::Active),
        Ok(_) => {}
        Err(RpcError::Rpc { code: NOT_FOUND, .. }) => return Ok(Position::Unknown),
        Err(error) => return Err(error),
    }
    let tips = tips_of(node).await?;
    Ok(match tips.iter().find(|tip| tip.hash == block).map(|tip| tip.status.as_str()) {
        Some("headers-only") => Position::Unknown,
        // What a final block forbids is as dead as what breaks a rule.
        Some("invalid" | "conflicting") => Position::Invalid,
        Some("active") => Position::Active,
        // A tip with its body, or below the tip of a branch that was built on it.
        _ => Position::Side,
    })
}
