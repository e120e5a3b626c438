//! A delivery, as it is told.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chain::{Finding, Severity};
use ledger::{EchoReport, FinalityReport, MergedReport, NodeReport, PeerReport, Report, SubmissionReport};
use protocol::{
    delivery::{self, WithheldReason},
    verdict::Answer,
};

use crate::{
    Delivery,
    delivery::{Fate, JournalState, NodeVerdict, State, Submitted},
};

/// Whether the peer should have got the block: nothing but our own intention may excuse that it did not.
fn was_to_be_reached(peer: &PeerReport) -> bool {
    let intended = [
        WithheldReason::Observer,
        WithheldReason::Finding,
        WithheldReason::Refused,
        WithheldReason::Superseded,
    ];
    let intended = intended.map(WithheldReason::as_str);
    peer.outcome.as_deref() != Some("withheld")
        || !peer.detail.as_deref().is_some_and(|detail| intended.contains(&detail))
}

/// Whether the block was put into its lane and not taken out again.
fn was_sent(peer: &PeerReport) -> bool {
    peer.queued_ms.is_some() && peer.outcome.as_deref() != Some("withheld")
}

/// A finding as it is told.
pub fn told(finding: &Finding) -> ledger::Finding {
    let severity = match finding.severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    ledger::Finding {
        check: finding.check.into(),
        severity: severity.into(),
        expected: finding.expected.clone(),
        found: finding.found.clone(),
    }
}

/// Unix milliseconds.
pub(crate) fn unix_ms(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |at| u64::try_from(at.as_millis()).unwrap_or(u64::MAX))
}

fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

impl Delivery {
    /// What is known right now.
    pub fn report(&self, chain: &str) -> Report {
        self.read(|state| {
            let other = state.peers_by.clone();
            let peers = match &other {
                Some(other) => other.read(|theirs| self.peers(theirs)),
                None => self.peers(state),
            };
            self.compose(chain, state, peers)
        })
    }

    fn peers(&self, state: &State) -> (Vec<PeerReport>, Option<EchoReport>, usize) {
        let peers = state.tracker.deliveries().iter().map(|delivery| self.peer(delivery)).collect();
        let echo = state.tracker.first_echo();
        let echo = echo.map(|(at, peer)| EchoReport { ms: ms(self.after(*at)), peer: peer.clone() });
        (peers, echo, state.tracker.successes())
    }

    fn compose(
        &self,
        chain: &str,
        state: &State,
        (peers, first_echo, successes): (Vec<PeerReport>, Option<EchoReport>, usize),
    ) -> Report {
        let (durable, durable_ms, journal_error) = match &state.journal {
            JournalState::Pending => (None, None, None),
            JournalState::Durable { after } => (Some(true), Some(ms(*after)), None),
            JournalState::NotDurable { why } => (Some(false), None, Some(why.clone())),
        };
        Report {
            chain: chain.into(),
            hash: self.block().to_string(),
            form: self.form().to_owned(),
            height: state.height,
            parent: self.parent.to_string(),
            merged_with: state.merged_with.map(|block| MergedReport { hash: block.to_string(), chain: None }),
            size: self.size,
            source: self.source,
            received_unix_ms: unix_ms(self.received_wall),
            age_ms: ms(self.since_received()),
            repeats: state.repeats,
            submissions: state.submissions.iter().map(|submitted| self.submission(submitted)).collect(),
            status: state.judgement().map_or("pending", |judgement| judgement.kind()).into(),
            durable,
            durable_ms,
            journal_error,
            inspected_ms: state.inspected.map(ms),
            findings: state.findings.iter().map(told).collect(),
            kept_off_p2p: state.kept_off_p2p.map(|reason| reason.as_str().into()),
            peers_with_block: successes,
            peers_addressed: Report::count_peers(&peers, was_to_be_reached),
            peers_sent_to: Report::count_peers(&peers, was_sent),
            first_echo,
            finality: self.finality.map(|word| finality(word, state)),
            nodes: state.nodes.iter().map(node).collect(),
            peers,
        }
    }

    fn submission(&self, submitted: &Submitted) -> SubmissionReport {
        SubmissionReport {
            source: submitted.source,
            submitter: submitted.submitter.clone(),
            unix_ms: unix_ms(self.wall(submitted.at)),
            answered_unix_ms: submitted.answered.as_ref().map(|(at, _)| unix_ms(self.wall(*at))),
            answer: submitted.answered.as_ref().map(|(_, words)| words.clone()),
        }
    }

    /// The wall clock's time at an instant, by the one reading of it that this delivery begins with: should the clock
    /// be set meanwhile, the order of what happened is still right.
    pub(crate) fn wall(&self, at: Instant) -> SystemTime {
        self.received_wall + at.saturating_duration_since(self.received_at)
    }

    fn after(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.received_at)
    }

    fn peer(&self, delivery: &delivery::Delivery) -> PeerReport {
        let stages = delivery.stages;
        let time = |at: Option<Instant>| at.map(|at| ms(self.after(at)));
        let passed = [
            (stages.processed, "processed"),
            (stages.acked, "acked"),
            (stages.written, "written"),
            (stages.queued, "queued"),
        ];
        let stage = passed.iter().find(|(at, _)| at.is_some()).map(|(_, name)| (*name).to_owned());
        PeerReport {
            peer: delivery.name.clone(),
            outcome: delivery.outcome.as_ref().map(|outcome| outcome.kind().to_owned()),
            detail: delivery.outcome.as_ref().and_then(|outcome| outcome.detail()),
            stage,
            queued_ms: time(stages.queued),
            written_ms: time(stages.written),
            acked_ms: time(stages.acked),
            processed_ms: time(stages.processed),
            outcome_ms: time(stages.settled),
        }
    }
}

fn finality(word: &'static str, state: &State) -> FinalityReport {
    let claimed_ms = state.claimed.map(ms);
    let (state, after, by, node) = match &state.fate {
        None => ("awaited", None, None, None),
        Some(Fate::Final { after, node }) => (word, Some(*after), None, Some(node.clone())),
        Some(Fate::Orphaned { by, after, node }) => {
            ("orphaned", Some(*after), Some(by.to_string()), Some(node.clone()))
        }
    };
    FinalityReport { state: state.into(), ms: after.map(ms), by, node, claimed_ms }
}

fn node(verdict: &NodeVerdict) -> NodeReport {
    let words = verdict.answer.as_ref().map(|answer| match answer {
        Answer::Null => serde_json::Value::Null,
        Answer::Word(word) => word.as_str().into(),
        Answer::Error { code, message } => serde_json::json!({ "code": code, "message": message }),
        Answer::Nothing { kind, message, .. } => {
            serde_json::json!({ "unanswered": kind, "message": message })
        }
    });
    let masked =
        matches!(verdict.judgement, Some(protocol::verdict::Judgement::Refused { masked: true, .. }));
    NodeReport {
        node: verdict.node.clone(),
        judgement: verdict.judgement.as_ref().map(|judgement| judgement.kind().into()),
        verdict: words,
        masked,
        answered_ms: verdict.answered.map(ms),
        judged_ms: verdict.judged.map(ms),
        attempts: verdict.attempts,
    }
}
