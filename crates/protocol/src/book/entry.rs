//! What the book knows about one address.

use std::time::Instant;

use super::{Backoff, Score};

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

impl Kind {
    /// Whether it is one of our own nodes.
    pub fn is_own(&self) -> bool {
        matches!(self, Self::Own { .. })
    }

    /// Own nodes before fixed peers by priority before the rest.
    pub fn rank(&self) -> u8 {
        match self {
            Self::Own { .. } => 4,
            Self::Fixed { priority: Priority::Critical } => 3,
            Self::Fixed { priority: Priority::High } => 2,
            Self::Fixed { priority: Priority::Normal } => 1,
            Self::Discovered => 0,
        }
    }

    /// The word for status and metric labels.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Own { .. } => "own",
            Self::Fixed { .. } => "fixed",
            Self::Discovered => "node",
        }
    }

    fn backoff(&self) -> Backoff {
        match self {
            Self::Own { .. } => Backoff::OWN,
            Self::Fixed { .. } => Backoff::FIXED,
            Self::Discovered => Backoff::PEER,
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
}

impl Entry {
    pub(super) fn new(kind: Kind, now: Instant) -> Self {
        let score = Score::new(Score::KNOWN, now);
        Self {
            backoff: kind.backoff(),
            kind,
            state: State::Idle,
            deliveries: 0,
            failures: 0,
            score,
            due: now,
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
        self.backoff.succeed();
    }

    pub(super) fn disconnected(&mut self, jitter: f64, now: Instant) {
        self.wait(jitter, now);
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
