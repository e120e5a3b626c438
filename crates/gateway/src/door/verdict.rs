//! What the pool is told: the nodes' judgement in the daemon's words.

use std::fmt;

use protocol::verdict::Judgement;
use relay::Acknowledgement;

use super::reply::NOT_DELIVERED;

/// The answer to a `submitblock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Words {
    /// The result `null`: accepted.
    Null,
    /// The result is a word: why not.
    Word(String),
    /// An error.
    Error {
        /// JSON-RPC's code.
        code: i64,
        /// The message.
        message: String,
    },
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Word(word) => f.write_str(word),
            Self::Error { code, message } => write!(f, "error {code}: {message}"),
        }
    }
}

/// An answer, and its name for the metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// What the pool is told.
    pub(crate) words: Words,
    /// `accepted`, `inconclusive`, `refused`, `open` or `undelivered`.
    pub(crate) kind: &'static str,
}

/// Words a verdict by the table on the crate's front page. `at_a_peer`: a peer is proven to have the block.
pub(crate) fn verdict(acknowledgement: &Acknowledgement, at_a_peer: bool) -> Verdict {
    let (kind, words) = match &acknowledgement.judgement {
        Some(Judgement::Accepted) => ("accepted", Words::Null),
        Some(Judgement::Inconclusive) => ("inconclusive", Words::Word("inconclusive".into())),
        Some(Judgement::Refused { reason, code: None, .. }) => ("refused", Words::Word(reason.clone())),
        Some(Judgement::Refused { reason, code: Some(code), .. }) => {
            ("refused", Words::Error { code: *code, message: reason.clone() })
        }
        Some(Judgement::Unanswered { .. }) | None if acknowledgement.durable || at_a_peer => {
            ("open", Words::Word("inconclusive".into()))
        }
        unanswered => {
            let why = match unanswered {
                Some(Judgement::Unanswered { reason, .. }) => reason,
                _ => "no node answered within 4 s",
            };
            let message = format!(
                "blockcast: no node and no peer is known to have the block, and it is not on disk; it is still being \
                 sent, and submitting it again does no harm: {why}"
            );
            ("undelivered", Words::Error { code: NOT_DELIVERED, message })
        }
    };
    Verdict { words, kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_judgement_has_its_words() {
        let refused =
            |reason: &str, masked, code| Some(Judgement::Refused { reason: reason.into(), masked, code });
        let unanswered =
            || Some(Judgement::Unanswered { kind: "refused".into(), reason: "connection refused".into() });
        let word = |word: &str| Words::Word(word.into());
        let decode = Words::Error { code: -22, message: "Block decode failed".into() };
        // judgement, on disk, at a peer: what the pool is told
        let table = [
            (Some(Judgement::Accepted), true, false, "accepted", Words::Null),
            (Some(Judgement::Accepted), false, false, "accepted", Words::Null),
            (Some(Judgement::Inconclusive), true, false, "inconclusive", word("inconclusive")),
            (refused("high-hash", false, None), true, false, "refused", word("high-hash")),
            (refused("duplicate-invalid", true, None), true, false, "refused", word("duplicate-invalid")),
            (refused("Block decode failed", false, Some(-22)), true, false, "refused", decode),
            (unanswered(), true, false, "open", word("inconclusive")),
            (unanswered(), false, true, "open", word("inconclusive")),
            (None, true, false, "open", word("inconclusive")),
            (None, false, true, "open", word("inconclusive")),
        ];
        for (judgement, durable, at_a_peer, kind, words) in table {
            let acknowledgement = Acknowledgement { judgement, durable, finding: None };
            let found = verdict(&acknowledgement, at_a_peer);
            assert_eq!(found, Verdict { words, kind }, "{acknowledgement:?} {at_a_peer}");
        }
    }

    #[test]
    fn a_block_that_is_nowhere_is_an_error_that_says_why() {
        let judgement =
            Some(Judgement::Unanswered { kind: "refused".into(), reason: "nothing listens there".into() });
        for (judgement, why) in [(judgement, "nothing listens there"), (None, "within 4 s")] {
            let nowhere = Acknowledgement { judgement, durable: false, finding: None };
            let Words::Error { code, message } = verdict(&nowhere, false).words else { panic!("an error") };
            assert_eq!(code, NOT_DELIVERED);
            assert!(message.contains(why), "{message}");
        }
    }
}
