//! Aux work: which node issued it, and the way back of what a pool has solved.
//!
//! Only the node that issued work can turn it into a block, so what is solved goes to that node at once. As soon as the
//! node has the block, the block itself is fetched from it and takes the way of every other: to all nodes by
//! `submitblock`, to all peers by P2P. What the node answers to the pool's call says only that the proof holds; what
//! the pool is told is where the block stands.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use chain::{AuxTemplate, AuxWork, Finding, unhex};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use journal::Key;
use protocol::{
    issuers::{Issued, Issuer},
    verdict::{Judgement, Position},
};
use rpc::RpcError;
use serde_json::Value;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use wire::BlockHash;

use crate::{
    Delivery, Node, Relay, Source, Submission,
    delivery::{ACKNOWLEDGE_WITHIN, JournalState},
    memo::{self, Memo},
    nodes::position,
};

/// How much work is remembered with its issuer.
pub(crate) const REMEMBERED_WORK: usize = 512;

/// How many solutions are remembered, so that a repeat joins what is under way.
const REMEMBERED_SOLUTIONS: usize = 32;

/// How long a pool is kept waiting: a little longer than the verdict on a block may take, of which the first part goes
/// to the node that issued the work. Pools give up after 5 s (pools.md §2).
const ANSWER_WITHIN: Duration = Duration::from_millis(4500);

/// How long a node is asked again that does not answer. Templates do not live longer than a few blocks.
const PERSIST: Duration = Duration::from_secs(30 * 60);

/// The wait between attempts: from the first to the second value, doubling.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Errors of a node that are about its state and not about the work: no connections, initial download, warming up, P2P
/// off (rpc/protocol.h).
const ABOUT_THE_NODE: [i64; 4] = [-9, -10, -28, -31];

/// JSON-RPC's code for a method that the node does not have.
const METHOD_NOT_FOUND: i64 = -32601;

/// What a pool is told about work that it has solved.
#[derive(Debug, Clone)]
pub enum AuxAnswer {
    /// The proof was judged: whether the block is in the active chain of the node whose word counts.
    Judged(bool),
    /// The node's own error.
    Error {
        /// Its code.
        code: i64,
        /// Its words.
        message: String,
    },
    /// The node that has the block cannot be asked. It goes on being asked.
    Unreachable {
        /// Why, for people.
        message: String,
    },
}

/// Solved work on its way.
#[derive(Debug)]
pub struct AuxDelivery {
    /// The block.
    pub block: BlockHash,
    /// What is wrong with the proof, as far as that can be told without the block. It is looked for once the proof has
    /// been refused: while it may be good, nothing is hashed twice.
    findings: OnceLock<Vec<Finding>>,
    key: Key,
    auxpow: String,
    received_at: Instant,
    answer: watch::Sender<Option<AuxAnswer>>,
    /// The node that made the block.
    maker: OnceLock<String>,
    /// Whether somebody still sees to it.
    running: AtomicBool,
}

impl AuxDelivery {
    /// What to tell the pool: waits for the answer, at most four and a half seconds.
    pub async fn answer(&self) -> AuxAnswer {
        let mut answers = self.answer.subscribe();
        let waited = timeout(ANSWER_WITHIN, answers.wait_for(Option::is_some)).await;
        let answer = waited.ok().and_then(Result::ok).and_then(|answer| answer.clone());
        answer.unwrap_or_else(|| AuxAnswer::Unreachable { message: "no answer in time".into() })
    }

    fn tell(&self, answer: AuxAnswer) {
        self.answer.send_replace(Some(answer));
    }
}

/// What came of handing work to one node.
enum HandedIn {
    /// The node has the block, or says so.
    Taken,
    /// The proof does not hold.
    Refused,
    /// The node's error, which asking again does not change.
    Error { code: i64, message: String },
    /// No answer, or an error about the node's state.
    Unanswered(String),
}

impl Relay {
    /// A node has issued work to a pool.
    pub fn note_issued(&self, template: AuxTemplate, node: &str) {
        self.remember(Issued { template, issuer: Issuer::Node(node.into()) });
    }

    pub(crate) fn remember(&self, issued: Issued) {
        let key = |issued: &Issued| memo::key(self.name(), "issued", issued.template.block, &[]);
        let Some(gone) = self.issuers.lock().note(issued.clone()) else { return };
        gone.iter().for_each(|gone| self.journal.close(key(gone)));
        // Nobody waits for the disk: should it fail, the journal says so, and the work is known until the next start.
        drop(self.journal.append(Memo::issued(&issued).entry(key(&issued), self.name(), Bytes::new())));
    }

    /// The node that issued work, by its name, if that is known.
    pub fn issuer_of(&self, block: &BlockHash) -> Option<Issuer> {
        self.issuers.lock().get(block).map(|issued| issued.issuer.clone())
    }

    /// Takes solved work and sends it on its way; returns at once. The same once more joins what is under way.
    pub fn hand_in(self: &Arc<Self>, block: BlockHash, auxpow: &str) -> Arc<AuxDelivery> {
        let key = memo::key(self.name(), "solved", block, auxpow.as_bytes());
        let known = self.issuers.lock().get(&block).cloned();
        let aux = Arc::new(AuxDelivery {
            block,
            findings: OnceLock::new(),
            key,
            auxpow: auxpow.to_owned(),
            received_at: Instant::now(),
            answer: watch::Sender::new(None),
            maker: OnceLock::new(),
            running: AtomicBool::new(true),
        });
        {
            let mut solutions = self.solutions.lock();
            // One that has ended is judged anew: what was true then may not hold any more.
            let is_open = |known: &Arc<AuxDelivery>| known.key == key && known.running.load(Relaxed);
            if let Some(known) = solutions.iter().find(|known| is_open(known)) {
                tracing::info!(chain = self.name(), %block, "solved work handed in again");
                return known.clone();
            }
            solutions.retain(|known| known.key != key);
            let ended = |known: &Arc<AuxDelivery>| !known.running.load(Relaxed);
            if solutions.len() >= REMEMBERED_SOLUTIONS
                && let Some(oldest) = solutions.iter().position(ended)
            {
                solutions.remove(oldest);
            }
            solutions.push_back(aux.clone());
        }
        let issuer = known.map(|issued| issued.issuer);
        tracing::info!(chain = self.name(), %block, ?issuer, "solved work received");
        let proof = Bytes::copy_from_slice(auxpow.as_bytes());
        // Beside the call to the node, as with blocks. Its failure is the journal's to tell.
        drop(self.journal.append(Memo::Solved { block: block.to_string() }.entry(key, self.name(), proof)));
        let (relay, solved) = (self.clone(), aux.clone());
        self.spawn(async move {
            let running = Running(solved);
            let solve = AssertUnwindSafe(relay.solve(&running.0, issuer)).catch_unwind();
            if solve.await.is_err() {
                let message = "handing it in crashed in the program; please report the log".to_owned();
                tracing::error!(chain = relay.name(), block = %running.0.block, "{message}; the next start tries again");
                running.0.tell(AuxAnswer::Unreachable { message });
            }
        });
        aux
    }

    /// Stays with solved work until its block is on its way, or it is known that there will be none.
    async fn solve(self: &Arc<Self>, aux: &Arc<AuxDelivery>, issuer: Option<Issuer>) {
        let Some(rules) = self.chain.aux_work() else {
            let message = "this chain knows no aux work".into();
            return aux.tell(AuxAnswer::Unreachable { message });
        };
        let give_up = Instant::now() + PERSIST;
        let mut pause = PAUSE.0;
        // Those who have not spoken yet, and the best that the others said.
        let mut silent = self.those_who_may_have(issuer.as_ref());
        let mut error = None;
        loop {
            // Of a node that did not issue it, it is "unknown" at worst. The first that has it is enough.
            let nodes = std::mem::take(&mut silent);
            let mut answers: FuturesUnordered<_> = nodes
                .iter()
                .map(|node| async move { (node, self.hand_to(rules, node, aux).await) })
                .collect();
            let mut silence = None;
            while let Some((node, answer)) = answers.next().await {
                match answer {
                    HandedIn::Taken => {
                        drop(answers);
                        return self.take_whole(rules, node, aux).await;
                    }
                    HandedIn::Refused => error = Some(AuxAnswer::Judged(false)),
                    HandedIn::Error { code, message } => {
                        error = error.or(Some(AuxAnswer::Error { code, message }));
                    }
                    HandedIn::Unanswered(message) => {
                        silence = Some(format!("{}: {message}", node.name()));
                        silent.push(node.clone());
                    }
                }
            }
            drop(answers);
            let over = Instant::now() >= give_up;
            match (&error, silence) {
                // Someone who may have the block has not spoken yet.
                (_, Some(message)) if !over => {
                    // The caller must not wait longer than pools do; the work goes on being handed in.
                    if aux.received_at.elapsed() + pause >= ACKNOWLEDGE_WITHIN {
                        aux.tell(AuxAnswer::Unreachable { message });
                    }
                }
                (error, silence) => {
                    self.explain(aux).await;
                    let (chain, block) = (self.name(), aux.block);
                    let tried: Vec<_> = nodes.iter().map(|node| node.name()).collect();
                    tracing::error!(chain, %block, ?tried, ?error, silence, finding = aux.finding(), "solved work leads to no block");
                    let nobody = || "this chain has no node that could have issued it".to_owned();
                    return match (error.clone(), silence) {
                        (Some(error), None) => {
                            // Every node that may have it has spoken.
                            aux.tell(error);
                            self.journal.close(aux.key);
                        }
                        // Silence is no word: the next start hands it in again.
                        (_, silence) => {
                            let message = silence.unwrap_or_else(nobody);
                            aux.tell(AuxAnswer::Unreachable { message });
                        }
                    };
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// Looks for what is wrong with a proof that a node refuses, on a thread for such work.
    async fn explain(self: &Arc<Self>, aux: &Arc<AuxDelivery>) {
        let Some(Issued { template, .. }) = self.issuers.lock().get(&aux.block).cloned() else { return };
        let (relay, judged) = (self.clone(), aux.clone());
        let judge = move || {
            let rules = relay.chain.aux_work()?;
            Some(match unhex(&judged.auxpow) {
                Ok(bytes) => rules.judge(&template, &bytes),
                Err(error) => vec![Finding::error("auxpow-decode-failed", "hex digits", error)],
            })
        };
        match tokio::task::spawn_blocking(judge).await {
            Ok(findings) => drop(aux.findings.set(findings.unwrap_or_default())),
            Err(error) => {
                tracing::error!(chain = self.name(), block = %aux.block, %error, "the judge of a proof crashed")
            }
        }
    }

    /// The node that issued the work; if that is not known (or it is configured no more), all of them.
    fn those_who_may_have(&self, issuer: Option<&Issuer>) -> Vec<Arc<Node>> {
        let issued = |node: &&Arc<Node>| match issuer {
            Some(Issuer::Node(name)) => node.name() == name,
            None => false,
        };
        match self.nodes.iter().find(issued) {
            Some(node) => vec![node.clone()],
            None => self.nodes.clone(),
        }
    }

    async fn hand_to(&self, rules: &dyn AuxWork, node: &Node, aux: &AuxDelivery) -> HandedIn {
        let mut answer = Err(RpcError::Rpc { code: METHOD_NOT_FOUND, message: "no such method".into() });
        for call in rules.solved(aux.block, &aux.auxpow) {
            answer = node.client().call::<Value>(call.method, call.params).await;
            if !matches!(answer, Err(RpcError::Rpc { code: METHOD_NOT_FOUND, .. })) {
                break;
            }
        }
        let after = aux.received_at.elapsed();
        tracing::info!(chain = self.name(), node = node.name(), block = %aux.block, ?answer, ?after, "node answered to solved work");
        match answer {
            Ok(Value::Bool(true)) => HandedIn::Taken,
            Ok(Value::Bool(false)) => HandedIn::Refused,
            Ok(other) => HandedIn::Error { code: -1, message: format!("the node answered {other}") },
            Err(RpcError::Rpc { code, message }) if ABOUT_THE_NODE.contains(&code) => {
                HandedIn::Unanswered(format!("{message} ({code})"))
            }
            Err(error) => {
                // It may have taken the work and forgotten it since, or its answer may have been lost.
                match (position(node, aux.block).await, error) {
                    (Ok(Position::Active | Position::Side), _) => HandedIn::Taken,
                    (Ok(_), RpcError::Rpc { code, message }) => HandedIn::Error { code, message },
                    (Ok(_), error) | (Err(_), error) => {
                        self.metrics.node_error(node.name(), error.kind());
                        HandedIn::Unanswered(error.to_string())
                    }
                }
            }
        }
    }

    /// The node has turned the work into a block: fetches it and sends it everywhere.
    async fn take_whole(self: &Arc<Self>, rules: &dyn AuxWork, node: &Node, aux: &Arc<AuxDelivery>) {
        let (chain, block) = (self.name().to_owned(), aux.block);
        let mut pause = PAUSE.0;
        // Should it have been made before, by the same node as a rule, that one stays.
        let _ = aux.maker.set(node.name().to_owned());
        if let Ok(Position::Active) = position(node, block).await {
            // The chain has been asked: whatever becomes of it elsewhere, this is true.
            aux.tell(AuxAnswer::Judged(true));
        }
        let bytes = loop {
            let call = rules.whole_block(block);
            let error = match node.client().call::<String>(call.method, call.params).await {
                Ok(hex) => break unhex(&hex).ok(),
                Err(error) => error,
            };
            if matches!(error, RpcError::Rpc { .. })
                && let Ok(Position::Unknown | Position::Invalid) = position(node, block).await
            {
                tracing::error!(chain, node = node.name(), %block, %error, "the node took the work and does not have its block");
                aux.tell(AuxAnswer::Judged(false));
                return self.journal.close(aux.key);
            }
            if aux.received_at.elapsed() >= PERSIST {
                tracing::error!(chain, node = node.name(), %block, %error, "the block could not be fetched; the next start tries again");
                return aux.tell(AuxAnswer::Unreachable { message: error.to_string() });
            }
            tracing::warn!(chain, node = node.name(), %block, %error, "the block cannot be fetched yet");
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        };
        let named = |bytes: &Bytes| {
            let header = bytes.first_chunk().map(|fixed| wire::Header::new(*fixed));
            header.is_some_and(|header| self.chain.block_hash(&header) == block)
        };
        let Some(bytes) = bytes.filter(named) else {
            tracing::error!(chain, node = node.name(), %block, "what the node calls the block is another one; the next start tries again");
            return aux
                .tell(AuxAnswer::Error { code: -1, message: "the node's block is another one".into() });
        };
        let mut submission = Submission::own(Source::FrontDoor, bytes);
        submission.received_at = aux.received_at;
        let delivery = self.submit(submission);
        if aux.answer.borrow().is_none() {
            aux.tell(verdict(&delivery).await);
        }
        // The proof is needed until the block itself is on disk, or some node has it for good.
        delivery
            .until(|state| matches!(state.journal, JournalState::Durable { .. }) || state.is_done())
            .await;
        self.journal.close(aux.key);
    }
}

/// What is said of a block by those whose word counts.
async fn verdict(delivery: &Delivery) -> AuxAnswer {
    match delivery.acknowledgement().await.judgement {
        Some(Judgement::Accepted) => AuxAnswer::Judged(true),
        Some(Judgement::Inconclusive | Judgement::Refused { .. }) => AuxAnswer::Judged(false),
        Some(Judgement::Unanswered { reason, .. }) => AuxAnswer::Unreachable { message: reason },
        None => AuxAnswer::Unreachable { message: "no node has judged the block in time".into() },
    }
}

/// Seen to while this lives, also if it goes by a panic.
struct Running(Arc<AuxDelivery>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.store(false, Relaxed);
    }
}

impl AuxDelivery {
    /// The node that made the block, once one has.
    pub fn maker(&self) -> Option<&str> {
        self.maker.get().map(String::as_str)
    }

    /// The first thing that is wrong with a proof that was refused, if that is known.
    pub fn finding(&self) -> Option<String> {
        self.findings.get()?.first().map(ToString::to_string)
    }
}
