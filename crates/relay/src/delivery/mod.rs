//! One block's delivery: the handle that everyone who cares about it shares.

mod state;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use net::Plan;
use parking_lot::Mutex;
use protocol::{dedup::Digest, verdict::Judgement};
use tokio::sync::watch;
use wire::BlockHash;

pub(crate) use self::state::{Fate, JournalState, NodeVerdict, State, Submitted};
use crate::{Node, Source, Submission};

/// How long a pool is kept waiting for the journal and a verdict. Pools give up after 5 s (pools.md §2).
pub(crate) const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(4);

/// How many of those who handed a block in are remembered.
const SUBMISSIONS: usize = 64;

/// A block on its way. Shared by all who submitted it, and by the tasks that carry it.
#[derive(Debug)]
pub struct Delivery {
    block: BlockHash,
    /// What the submitted bytes are known by.
    pub(crate) digest: Arc<Digest>,
    /// The submitted bytes, until nothing more happens to them.
    submitted: Mutex<Option<Bytes>>,
    form: OnceLock<String>,
    pub(crate) source: Source,
    pub(crate) received_at: Instant,
    pub(crate) received_wall: SystemTime,
    pub(crate) size: usize,
    pub(crate) parent: BlockHash,
    /// The word for a block that is final, on a chain that has one.
    pub(crate) finality: Option<&'static str>,
    /// The nonce of the ping behind the block: whoever returns it has processed the block.
    pub(crate) barrier: u64,
    state: Mutex<State>,
    /// What is written to peers; made for the first of them.
    plan: Mutex<Option<Arc<Plan>>>,
    /// What is written before it to peers that lack the parent; made for the first of them.
    parent_plan: Mutex<Option<Arc<Plan>>>,
    /// Counts changes, for those who wait for one.
    changes: watch::Sender<u64>,
    /// How many of them have been written down.
    written: AtomicU64,
}

/// What the pool is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The judgement of whoever the caller is answered with, if there is one: of several nodes the best so far.
    pub judgement: Option<Judgement>,
    /// Whether the block is on disk. A replayed block always is.
    pub durable: bool,
    /// Our own first finding that keeps the block off P2P.
    pub finding: Option<String>,
}

/// Whose word the caller is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acknowledge {
    /// The first node's that accepts; if none does, the best of all.
    #[default]
    First,
    /// The primary node's.
    Primary,
    /// The best of all nodes', once all have answered.
    All,
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// A node's judgement, by the chain's rule of [whose word counts](Acknowledge): with the first, an acceptance or
    /// the word of every node.
    Node,
    /// That many peers that are proven to have the block.
    Peers(usize),
}

impl Delivery {
    pub(crate) fn new(
        block: BlockHash,
        parent: BlockHash,
        submission: &Submission,
        nodes: &[Arc<Node>],
        acknowledge: Acknowledge,
        finality: Option<&'static str>,
        barrier: u64,
    ) -> Self {
        let state = State::new((block, parent), submission, nodes, acknowledge);
        Self {
            block,
            digest: Arc::new(Digest::of(submission.bytes.clone())),
            submitted: Mutex::new(Some(submission.bytes.clone())),
            form: OnceLock::new(),
            source: submission.source,
            received_at: submission.received_at,
            received_wall: SystemTime::now(),
            size: submission.bytes.len(),
            parent,
            finality,
            barrier,
            state: Mutex::new(state),
            plan: Mutex::default(),
            parent_plan: Mutex::default(),
            changes: watch::Sender::new(1),
            written: AtomicU64::new(0),
        }
    }

    /// The block's name.
    pub fn block(&self) -> BlockHash {
        self.block
    }

    /// When the block was received: all times of the report count from here.
    pub fn received_at(&self) -> Instant {
        self.received_at
    }

    /// The canonical bytes of the block, once they are known.
    pub fn canonical(&self) -> Option<Bytes> {
        self.state.lock().block.as_ref().map(|block| block.bytes.clone())
    }

    /// What is written to peers. It is made once.
    pub(crate) fn plan(&self, make: impl FnOnce() -> Plan) -> Arc<Plan> {
        self.plan.lock().get_or_insert_with(|| Arc::new(make())).clone()
    }

    /// What is written before it to peers that lack the parent. It is made once.
    pub(crate) fn parent_plan(&self, make: impl FnOnce() -> Plan) -> Arc<Plan> {
        self.parent_plan.lock().get_or_insert_with(|| Arc::new(make())).clone()
    }

    /// Nothing more happens to the block: lets go of its bytes. What was found out stays.
    pub(crate) fn retire(&self) {
        *self.plan.lock() = None;
        *self.parent_plan.lock() = None;
        *self.submitted.lock() = None;
        self.update(|state| {
            state.block = None;
            state.retired = true;
        });
    }

    /// The block was handed in again while it is on its way: nodes that have not said their last word are asked again
    /// at once, and what they said before is no answer to the new caller.
    pub(crate) fn repeat(&self, submission: &Submission) {
        self.update(|state| {
            state.repeats += 1;
            if state.submissions.len() < SUBMISSIONS {
                state.submissions.push(Submitted::of(submission));
            }
            let open = |node: &&mut NodeVerdict| node.judgement.as_ref().is_some_and(|last| !last.is_final());
            state.nodes.iter_mut().filter(open).for_each(|node| node.judgement = None);
        });
    }

    /// The caller who handed the block in at `received_at` has been told this.
    pub fn answered(&self, received_at: Instant, words: impl Into<String>) {
        let now = Instant::now();
        self.update(|state| {
            let open =
                |submitted: &&mut Submitted| submitted.at == received_at && submitted.answered.is_none();
            if let Some(submitted) = state.submissions.iter_mut().find(open) {
                submitted.answered = Some((now, words.into()));
            }
        });
    }

    /// What the submitted bytes are known by in the history: their double SHA-256, in hex.
    pub(crate) fn form(&self) -> &str {
        self.form.get_or_init(|| faster_hex::hex_string(self.digest.get()))
    }

    /// How often the block was handed in again so far.
    pub(crate) fn repeats(&self) -> u64 {
        self.read(|state| state.repeats)
    }

    /// Waits until the block is handed in more often than that.
    pub(crate) async fn repeated(&self, seen: u64) {
        self.until(|state| state.repeats > seen).await;
    }

    pub(crate) fn since_received(&self) -> Duration {
        self.received_at.elapsed()
    }

    /// Looks at the state without changing it.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.state.lock())
    }

    /// Changes the state and wakes whoever waits for a change.
    pub(crate) fn update<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.state.lock());
        self.changes.send_modify(|count| *count += 1);
        result
    }

    /// Changes what is nobody's news, and still wakes whoever waits for it.
    pub(crate) fn note(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
        self.changes.send_modify(|_| {});
    }

    /// The number of the latest change, if it has not been [seen](Self::seen).
    pub(crate) fn unseen_change(&self) -> Option<u64> {
        let latest = *self.changes.borrow();
        (latest != self.written.load(Relaxed)).then_some(latest)
    }

    /// Everything up to this change has been seen.
    pub(crate) fn seen(&self, change: u64) {
        self.written.store(change, Relaxed);
    }

    /// The submitted bytes, if the ledger was not given them yet, or not as those that a node has `taken`.
    pub(crate) fn bytes_to_keep(&self, taken: bool) -> Option<Bytes> {
        let bytes = self.submitted()?;
        let mut state = self.state.lock();
        let is_due = state.bytes_kept.is_none_or(|as_taken| taken && !as_taken);
        is_due.then(|| {
            state.bytes_kept = Some(taken);
            bytes
        })
    }

    /// The submitted bytes, while something may still happen to them.
    pub(crate) fn submitted(&self) -> Option<Bytes> {
        self.submitted.lock().clone()
    }

    /// Waits until something about the state holds, which may include the state of the delivery that takes care of the
    /// peers.
    pub(crate) async fn until(&self, mut holds: impl FnMut(&State) -> bool) {
        let mut ours = self.changes.subscribe();
        loop {
            let other = self.read(|state| state.peers_by.clone());
            let mut theirs = other.as_deref().unwrap_or(self).changes.subscribe();
            if self.read(&mut holds) {
                return;
            }
            // Neither can fail: the senders are held by the deliveries, and those by us.
            let (Ok(()) | Err(_)) = tokio::select! {
                changed = ours.changed() => changed,
                changed = theirs.changed() => changed,
            };
        }
    }

    /// Waits for the journal and for the goal, at most `limit`; says whether the goal was reached.
    pub async fn reached(&self, goal: Goal, limit: Duration) -> bool {
        let both = self.until(|state| state.journal.is_settled() && state.has_reached(goal));
        tokio::time::timeout(limit, both).await.is_ok()
    }

    /// What to tell the pool: waits for the journal and for a node's judgement, at most four seconds.
    pub async fn acknowledgement(&self) -> Acknowledgement {
        self.reached(Goal::Node, ACKNOWLEDGE_WITHIN).await;
        self.read(|state| Acknowledgement {
            judgement: state.spokesman().cloned(),
            durable: matches!(state.journal, JournalState::Durable { .. }),
            finding: state.first_error().map(ToString::to_string),
        })
    }

    /// Our own first finding that keeps the block off P2P, if there is one; waits for the inspection, at most `limit`.
    pub async fn finding(&self, limit: Duration) -> Option<String> {
        // Whether it was done in time or not, what is known is told.
        let _ = tokio::time::timeout(limit, self.until(|state| state.inspected.is_some())).await;
        self.read(|state| state.first_error().map(ToString::to_string))
    }

    /// The node whose judgement the caller was given, to which a question about the block should go.
    pub fn judged_by(&self) -> Option<String> {
        self.read(|state| {
            let best = state.spokesman()?;
            state
                .nodes
                .iter()
                .find(|node| node.judgement.as_ref() == Some(best))
                .map(|node| node.node.clone())
        })
    }
}
