//! What the book knows about one address.

use std::time::{Duration, Instant};

use super::{Backoff, Score};

/// How long a connection must have lasted to count as a success.
const LASTING: Duration = Duration::from_secs(60);

/// Why an address is in the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// One of our own nodes, by its configured name.
    Own {
        /// Its name.
        node: String,
    },
    /// A peer that the operator named.
    Fixed {
        /// How much it matters.
        priority: Priority,
    },
    /// A peer from the [chain's own source](chain::PeerSource): worth more than any other that the operator did not
    /// name.
    Preferred {
        /// What it is, in the source's words: `quorum`, `masternode`.
        label: &'static str,
        /// How much it is worth among its like: the source names its most valuable first, with the highest number.
        weight: u8,
    },
    /// A peer of one of our nodes.
    Discovered,
}

/// How much a fixed peer matters to the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// As much as any.
    Normal,
    /// More.
    High,
    /// Most: sent to first, never made an observer.
    Critical,
}

/// How much a kind of peer matters; what is greater matters more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// A stranger.
    Discovered,
    /// Preferred by the chain, by weight.
    Preferred(u8),
    /// Named by the operator.
    Fixed(Priority),
    /// One of our own nodes.
    Own,
}

impl Kind {
    /// Whether it is one of our own nodes.
    pub fn is_own(&self) -> bool {
        matches!(self, Self::Own { .. })
    }

    /// Peers of a [chain's own source](chain::PeerSource) by their labels, of which the first is worth most.
    pub fn preferred(labels: &[&'static str], label: &'static str) -> Self {
        let behind = labels.iter().rev().position(|known| *known == label).unwrap_or(0);
        Self::Preferred { label, weight: u8::try_from(behind).unwrap_or(u8::MAX) }
    }

    /// Own nodes before fixed peers by priority, before those that the chain prefers, before the rest.
    pub fn rank(&self) -> Rank {
        match self {
            Self::Own { .. } => Rank::Own,
            Self::Fixed { priority } => Rank::Fixed(*priority),
            Self::Preferred { weight, .. } => Rank::Preferred(*weight),
            Self::Discovered => Rank::Discovered,
        }
    }

    /// The score that it begins with.
    fn start(&self) -> f64 {
        match self {
            Self::Preferred { weight, .. } => Score::PREFERRED.0 + Score::PREFERRED.1 * f64::from(*weight),
            _ => Score::KNOWN,
        }
    }

    /// Whether an address of this kind is, from now on, of another that was just heard of: of a better one, or of
    /// another that the chain prefers, since members of quorums come and go.
    fn gives_way_to(&self, other: &Self) -> bool {
        other.rank() > self.rank()
            || matches!((self, other), (Self::Preferred { .. }, Self::Preferred { .. }))
    }

    /// Whether the book may let go of it to make room: nobody named it.
    pub(super) fn is_replaceable(&self) -> bool {
        matches!(self, Self::Preferred { .. } | Self::Discovered)
    }

    /// The word for status and metric labels.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Own { .. } => "own",
            Self::Fixed { .. } => "fixed",
            Self::Preferred { label, .. } => label,
            Self::Discovered => "node",
        }
    }

    fn backoff(&self) -> Backoff {
        match self {
            Self::Own { .. } => Backoff::OWN,
            Self::Fixed { .. } => Backoff::FIXED,
            Self::Preferred { .. } | Self::Discovered => Backoff::PEER,
        }
    }
}

/// Whether there is a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// No.
    Idle,
    /// One is being made.
    Dialing,
    /// Yes, with the handshake done.
    Connected,
}

/// One address.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Why it is here.
    pub kind: Kind,
    /// Whether there is a connection.
    pub state: State,
    /// Proven deliveries.
    pub deliveries: u64,
    /// Failed deliveries.
    pub failures: u64,
    score: Score,
    backoff: Backoff,
    due: Instant,
    /// When the present connection was made.
    since: Option<Instant>,
}

impl Entry {
    pub(super) fn new(kind: Kind, now: Instant) -> Self {
        let score = Score::new(kind.start(), now);
        Self {
            backoff: kind.backoff(),
            kind,
            state: State::Idle,
            deliveries: 0,
            failures: 0,
            score,
            due: now,
            since: None,
        }
    }

    /// It was heard of again, as something else perhaps.
    pub(super) fn heard_as(&mut self, kind: Kind, now: Instant) {
        if kind != self.kind && self.kind.gives_way_to(&kind) {
            self.score.restart(kind.start(), now);
            self.kind = kind;
        }
    }

    /// The score, [`Score::OWN`] for our own nodes.
    pub fn score(&self) -> u32 {
        if self.kind.is_own() { Score::OWN } else { self.score.last() }
    }

    /// The score as it has decayed until now.
    pub fn score_at(&self, now: Instant) -> u32 {
        if self.kind.is_own() { Score::OWN } else { self.score.at(now) }
    }

    /// When it may be dialled again.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Whether it may be dialled.
    pub fn is_due(&self, now: Instant) -> bool {
        self.due <= now
    }

    /// Failures to connect in a row.
    pub fn failures_in_a_row(&self) -> u32 {
        self.backoff.failures()
    }

    pub(super) fn failed(&mut self, online: bool, jitter: f64, now: Instant) {
        if online {
            self.score.punish(now);
        }
        self.wait(jitter, now);
    }

    fn wait(&mut self, jitter: f64, now: Instant) {
        self.state = State::Idle;
        self.due = now + self.backoff.fail(jitter);
    }

    pub(super) fn connected(&mut self, now: Instant) {
        self.state = State::Connected;
        self.due = now;
        self.since = Some(now);
    }

    /// Only a connection that lasted forgives the failures before it: a node that greets and hangs up (because it is
    /// full, or dislikes us, or is busy with itself) is left alone for longer each time.
    pub(super) fn disconnected(&mut self, jitter: f64, now: Instant) {
        let lasted = self.since.take().is_some_and(|since| now.saturating_duration_since(since) >= LASTING);
        if lasted {
            self.backoff.succeed();
        }
        self.wait(jitter, now);
    }

    pub(super) fn misbehaved(&mut self, now: Instant) {
        self.score.punish(now);
    }

    pub(super) fn delivered(&mut self, now: Instant) {
        self.deliveries += 1;
        self.score.reward(now);
    }

    pub(super) fn delivery_failed(&mut self, now: Instant) {
        self.failures += 1;
        self.score.punish(now);
    }
}
