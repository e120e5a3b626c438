//! What is running and what is history, put together.

use std::cmp::Reverse;

use crate::{Block, Report, Summary};

/// Which status of several deliveries of a block says most about it: the lowest.
pub fn rank(status: &str) -> usize {
    let order = ["accepted", "inconclusive", "pending", "unanswered", "refused"];
    order.iter().position(|word| *word == status).unwrap_or(order.len())
}

impl Report {
    /// Whether the other is the same delivery at another time.
    pub fn is_of_the_same(&self, other: &Self) -> bool {
        self.form == other.form && self.received_unix_ms == other.received_unix_ms
    }
}

impl Block {
    /// The delivery that says most about the block: the one that a node took, and the first of these.
    pub fn best(&self) -> Option<&Report> {
        self.deliveries.iter().min_by_key(|report| rank(&report.status))
    }

    /// Takes over what is known now.
    pub fn update(&mut self, now: Self) {
        self.height = self.height.or(now.height);
        if now.fate.since_unix_ms >= self.fate.since_unix_ms {
            self.fate = now.fate;
        }
        for report in now.deliveries {
            match self.deliveries.iter_mut().find(|known| known.is_of_the_same(&report)) {
                Some(known) => *known = report,
                None => self.deliveries.push(report),
            }
        }
        self.deliveries.sort_by_key(|report| report.received_unix_ms);
        self.raw_kept |= now.raw_kept;
    }

    /// The block in a list; `None` if it was never sent on its way.
    pub fn summary(&self) -> Option<Summary> {
        let (first, best) = (self.deliveries.first()?, self.best()?);
        let furthest = self
            .deliveries
            .iter()
            .min_by_key(|report| (Reverse(report.peers_with_block), Reverse(report.peers_addressed)))?;
        Some(Summary {
            chain: self.chain.clone(),
            hash: self.hash.clone(),
            height: self.height,
            size: first.size,
            source: first.source,
            received_unix_ms: first.received_unix_ms,
            status: best.status.clone(),
            state: self.fate.state.clone(),
            since_unix_ms: self.fate.since_unix_ms,
            confirmations: self.fate.confirmations,
            by: self.fate.by.clone(),
            diagnosis: self.fate.diagnosis.as_ref().map(|diagnosis| diagnosis.kind.clone()),
            peers_with_block: furthest.peers_with_block,
            peers_addressed: furthest.peers_addressed,
            first_echo_ms: self
                .deliveries
                .iter()
                .filter_map(|report| report.first_echo.as_ref())
                .map(|echo| echo.ms)
                .reduce(f64::min),
            deliveries: self.deliveries.len(),
        })
    }
}

impl Summary {
    /// Takes over what is known now. History may go further back than what is running.
    pub fn update(&mut self, now: Self) {
        let earlier = self.received_unix_ms < now.received_unix_ms;
        let (before, known) = (self.clone(), rank(&self.status) < rank(&now.status));
        *self = now;
        if earlier {
            self.size = before.size;
            self.source = before.source;
            self.received_unix_ms = before.received_unix_ms;
            self.deliveries = before.deliveries.max(self.deliveries);
            self.first_echo_ms = before.first_echo_ms.or(self.first_echo_ms);
        }
        if known {
            self.status = before.status;
        }
        if before.since_unix_ms > self.since_unix_ms {
            self.state = before.state;
            self.since_unix_ms = before.since_unix_ms;
            self.confirmations = before.confirmations;
            self.by = before.by;
            self.diagnosis = before.diagnosis;
        }
        if before.peers_with_block > self.peers_with_block {
            self.peers_with_block = before.peers_with_block;
            self.peers_addressed = before.peers_addressed;
        }
    }
}
