//! The ledger as its users see it, on real files.

mod faults;
mod history;
mod property;

use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::{
    Change, Diagnosis, EchoReport, Fate, Finding, Health, Heard, Ledger, MergedReport, NodeReport,
    PeerReport, Place, Replays, Report, Settings, Source, SubmissionReport,
};

/// A directory, and how a ledger in it is opened.
struct Home {
    directory: TempDir,
}

impl Home {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("ledger.sqlite")
    }

    fn settings(&self) -> Settings {
        let keep = Duration::from_secs(365 * 24 * 3600);
        Settings { path: self.path(), keep, max_bytes: 1_000_000_000, raw_blocks: 100 }
    }

    fn open(&self) -> Ledger {
        Ledger::open(self.settings())
    }

    /// The names of all files there.
    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Waits until the ledger says so of itself.
async fn health(ledger: &Ledger, holds: impl FnMut(&Health) -> bool) -> Health {
    let mut watch = ledger.watch();
    let found = tokio::time::timeout(Duration::from_secs(30), watch.wait_for(holds)).await;
    found.expect("in time").expect("it runs").clone()
}

fn hash(number: u32) -> String {
    format!("{number:064x}")
}

/// A delivery with everything in it.
fn report(number: u32, received_unix_ms: u64) -> Report {
    Report {
        chain: "litecoin".into(),
        hash: hash(number),
        form: format!("{number:063x}f"),
        height: Some(number),
        parent: hash(number.wrapping_sub(1)),
        merged_with: Some(MergedReport { hash: hash(7), chain: Some("litecoin".into()) }),
        size: 1000,
        source: Source::FrontDoor,
        received_unix_ms,
        age_ms: 0.0,
        repeats: 1,
        submissions: vec![SubmissionReport {
            source: Source::FrontDoor,
            submitter: Some("pool@127.0.0.1:5".into()),
            unix_ms: received_unix_ms,
            answered_unix_ms: Some(received_unix_ms + 4),
            answer: Some("null".into()),
        }],
        status: "accepted".into(),
        durable: Some(true),
        durable_ms: Some(1.25),
        journal_error: None,
        inspected_ms: Some(0.1),
        findings: vec![Finding {
            check: "bad-witness".into(),
            severity: "warning".into(),
            expected: "a".into(),
            found: "b".into(),
        }],
        kept_off_p2p: None,
        peers_with_block: 2,
        peers_addressed: 3,
        peers_sent_to: 2,
        first_echo: Some(EchoReport { ms: 12.5, peer: "1.2.3.4:9333".into() }),
        finality: None,
        nodes: vec![
            node("a", Some("accepted"), Some(json!(null))),
            node("b", Some("refused"), Some(json!({"code": -22, "message": "Block decode failed"}))),
            node("c", None, None),
        ],
        peers: vec![PeerReport {
            peer: "1.2.3.4:9333".into(),
            outcome: Some("accepted".into()),
            detail: None,
            stage: Some("processed".into()),
            queued_ms: Some(0.1),
            written_ms: Some(0.2),
            acked_ms: Some(0.3),
            processed_ms: None,
            outcome_ms: Some(0.1 + 0.2),
        }],
    }
}

fn node(name: &str, judgement: Option<&str>, verdict: Option<serde_json::Value>) -> NodeReport {
    NodeReport {
        node: name.into(),
        judgement: judgement.map(str::to_owned),
        verdict,
        masked: false,
        answered_ms: judgement.map(|_| 3.5),
        judged_ms: judgement.map(|_| 3.75),
        attempts: 1,
    }
}

/// What the chain may say, with everything in it.
fn fate(state: &str, since_unix_ms: u64) -> Fate {
    Fate {
        state: state.into(),
        since_unix_ms,
        confirmations: 0,
        required: 6,
        by: Some(hash(99)),
        node: Some("a".into()),
        places: vec![Place {
            node: "a".into(),
            place: "side".into(),
            confirmations: 0,
            rival: Some(hash(99)),
            unix_ms: since_unix_ms,
        }],
        changes: vec![Change {
            unix_ms: since_unix_ms,
            state: state.into(),
            by: Some(hash(99)),
            node: Some("a".into()),
        }],
        rival_heard: Some(Heard { unix_ms: since_unix_ms - 5, from: "1.2.3.4:9333".into() }),
        diagnosis: Some(Diagnosis { kind: "lost_race".into(), text: "by 5 ms".into(), behind_ms: Some(5) }),
        replays: Replays { done: 2, next_unix_ms: Some(since_unix_ms + 9) },
    }
}
