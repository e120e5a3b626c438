//! The history of every block: its deliveries, every verdict, and the chain's last word.

mod block;
mod report;

pub use block::{Block, Change, Diagnosis, Fate, Heard, Place, Replays, Summary};
pub use report::{
    EchoReport, FinalityReport, Finding, MergedReport, NodeReport, PeerReport, Report, Source,
    SubmissionReport,
};
