//! What a node's answer to `submitblock` means.
//!
//! The daemons' words are ambiguous in two ways that have cost pools money. Our own P2P push can reach a node before
//! its `submitblock` does, and then it answers `duplicate`, which most pools count as a rejection. And a client that
//! runs into its timeout does not know that the node accepted the block a second later. Both are settled by asking the
//! node where the block stands: [`read`] says whether that is needed, [`judge`] gives the judgement.
//!
//! The raw answer is always kept beside the judgement; the caller of the front door is told what
//! [`Judgement`] says, operators see both.

use serde::Serialize;

/// A node's answer, as the JSON-RPC client understood it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The result was `null`.
    Null,
    /// The result was a string.
    Word(String),
    /// The node answered with a JSON-RPC error: it understood the call and did not process the block.
    Error {
        /// The error's code, e.g. -22 for bytes that do not decode.
        code: i64,
        /// Its message.
        message: String,
    },
    /// No answer: the connection failed or the deadline passed.
    Nothing {
        /// Whether the node may have the block all the same. If not, it need not be asked for it.
        maybe_done: bool,
        /// Why, as a stable word: `timeout`, `refused`, `unauthorized`, ...
        kind: &'static str,
        /// Why, for people.
        message: String,
    },
}

/// Where a node has a block, by `getblockheader` and `getchaintips`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// In its active chain.
    Active,
    /// On a side branch, with its body.
    Side,
    /// It does not know the block, or only its header: the block itself is still to be given to it.
    Unknown,
    /// It has found it invalid.
    Invalid,
}

/// JSON-RPC's code for bytes that are no block.
const DECODE_FAILED: i64 = -22;

/// Refusals that a node may take back: it lacks the parent (in Litecoin's and Dash's words, and in Dogecoin's), its
/// clock is behind, or it says that it has a block which it turns out not to have.
const CURABLE: [&str; 4] = ["prev-blk-not-found", "bad-prevblk", "time-too-new", "duplicate"];

/// What an answer amounts to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "judgement", rename_all = "snake_case")]
pub enum Judgement {
    /// The block is in the node's active chain.
    Accepted,
    /// The node has the block, on a side branch or not yet connected.
    Inconclusive,
    /// The node refused it.
    Refused {
        /// In its own words.
        reason: String,
        /// The node refused the block before, and says only that it did: the true reason is elsewhere (a peer's
        /// `reject`, or our own finding).
        masked: bool,
        /// The JSON-RPC error code, if it answered with an error.
        code: Option<i64>,
    },
    /// The node did not answer, and is not known to have the block.
    Unanswered {
        /// Why, as a stable word.
        kind: String,
        /// Why, for people.
        reason: String,
    },
}

impl Judgement {
    /// The word for metrics and reports.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Inconclusive => "inconclusive",
            Self::Refused { .. } => "refused",
            Self::Unanswered { .. } => "unanswered",
        }
    }

    /// Whether asking again can bring nothing better. Silence is not final, and of refusals those are not that time
    /// cures: the parent may still come, the clock may still pass, and an error other than -22 (bytes that do not
    /// decode) is about the node and not about the block.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Accepted | Self::Inconclusive => true,
            Self::Refused { code: Some(code), .. } => *code == DECODE_FAILED,
            Self::Refused { reason, .. } => !CURABLE.contains(&reason.as_str()),
            Self::Unanswered { .. } => false,
        }
    }

    /// How good the news is: of several nodes' judgements the caller is told the best.
    fn rank(&self) -> u8 {
        match self {
            Self::Accepted => 3,
            Self::Inconclusive => 2,
            Self::Refused { .. } => 1,
            Self::Unanswered { .. } => 0,
        }
    }

    /// The better of two; the first of equals.
    pub fn better<'a>(&'a self, other: &'a Self) -> &'a Self {
        if other.rank() > self.rank() { other } else { self }
    }
}

/// Whether an answer speaks for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// It does.
    Final(Judgement),
    /// The node must be asked where the block stands; then [`judge`].
    AskPosition,
}

/// Reads an answer.
pub fn read(answer: &Answer) -> Reading {
    match answer {
        Answer::Null => Reading::Final(Judgement::Accepted),
        Answer::Word(word) => match word.as_str() {
            "duplicate" | "duplicate-inconclusive" | "inconclusive" => Reading::AskPosition,
            _ => Reading::Final(judge(answer, Position::Unknown)),
        },
        Answer::Error { .. } => Reading::Final(judge(answer, Position::Unknown)),
        Answer::Nothing { maybe_done: true, .. } => Reading::AskPosition,
        Answer::Nothing { .. } => Reading::Final(judge(answer, Position::Unknown)),
    }
}

/// Judges an answer by where the node has the block.
///
/// `duplicate` for a block in the active chain is an acceptance: it is a block that this deployment submitted, and it
/// stands where the pool wants it. So is silence, once the node turns out to have the block.
pub fn judge(answer: &Answer, position: Position) -> Judgement {
    match (answer, position) {
        (Answer::Null, _) => Judgement::Accepted,
        (Answer::Word(_) | Answer::Nothing { .. }, Position::Invalid) if reading_is_open(answer) => {
            Judgement::Refused { reason: "duplicate-invalid".into(), masked: true, code: None }
        }
        (Answer::Word(word), position) => match (word.as_str(), position) {
            ("duplicate" | "duplicate-inconclusive" | "inconclusive", Position::Active) => {
                Judgement::Accepted
            }
            ("inconclusive" | "duplicate-inconclusive", _) | ("duplicate", Position::Side) => {
                Judgement::Inconclusive
            }
            (reason, _) => Judgement::Refused {
                reason: reason.into(),
                masked: reason == "duplicate-invalid",
                code: None,
            },
        },
        (Answer::Error { code, message }, _) => {
            Judgement::Refused { reason: message.clone(), masked: false, code: Some(*code) }
        }
        (Answer::Nothing { .. }, Position::Active) => Judgement::Accepted,
        (Answer::Nothing { .. }, Position::Side) => Judgement::Inconclusive,
        (Answer::Nothing { kind, message, .. }, Position::Unknown | Position::Invalid) => {
            Judgement::Unanswered { kind: (*kind).into(), reason: message.clone() }
        }
    }
}

/// Whether the answer left open what the node makes of the block.
fn reading_is_open(answer: &Answer) -> bool {
    read(answer) == Reading::AskPosition
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(word: &str) -> Answer {
        Answer::Word(word.into())
    }

    fn nothing() -> Answer {
        Answer::Nothing { maybe_done: true, kind: "timeout", message: "no answer within 30 s".into() }
    }

    fn refused(reason: &str, masked: bool) -> Judgement {
        Judgement::Refused { reason: reason.into(), masked, code: None }
    }

    #[test]
    fn the_rule_holds_for_every_answer_and_position() {
        use Judgement::*;
        use Position::*;
        let unanswered = Unanswered { kind: "timeout".into(), reason: "no answer within 30 s".into() };
        let table = [
            (Answer::Null, Unknown, Accepted),
            (word("duplicate"), Active, Accepted),
            (word("duplicate"), Side, Inconclusive),
            (word("duplicate"), Unknown, refused("duplicate", false)),
            (word("duplicate-inconclusive"), Active, Accepted),
            (word("duplicate-inconclusive"), Side, Inconclusive),
            (word("inconclusive"), Active, Accepted),
            (word("inconclusive"), Side, Inconclusive),
            (word("inconclusive"), Unknown, Inconclusive),
            (word("duplicate-invalid"), Unknown, refused("duplicate-invalid", true)),
            (word("high-hash"), Unknown, refused("high-hash", false)),
            (nothing(), Active, Accepted),
            (nothing(), Side, Inconclusive),
            (nothing(), Unknown, unanswered),
            (nothing(), Invalid, refused("duplicate-invalid", true)),
            (word("duplicate"), Invalid, refused("duplicate-invalid", true)),
            (word("high-hash"), Invalid, refused("high-hash", false)),
        ];
        for (answer, position, expected) in table {
            assert_eq!(judge(&answer, position), expected, "{answer:?} {position:?}");
        }
    }

    #[test]
    fn a_refusal_needs_no_question_and_a_duplicate_or_silence_does() {
        assert_eq!(read(&Answer::Null), Reading::Final(Judgement::Accepted));
        assert_eq!(read(&word("bad-cb-amount")), Reading::Final(refused("bad-cb-amount", false)));
        for answer in [word("duplicate"), word("inconclusive"), nothing()] {
            assert_eq!(read(&answer), Reading::AskPosition, "{answer:?}");
        }
        let unsent = Answer::Nothing { maybe_done: false, kind: "refused", message: "nobody listens".into() };
        assert!(matches!(read(&unsent), Reading::Final(Judgement::Unanswered { .. })));
    }

    #[test]
    fn only_what_time_cannot_cure_is_final() {
        let error = |code| Judgement::Refused { reason: "error".into(), masked: false, code: Some(code) };
        let silence = Judgement::Unanswered { kind: "timeout".into(), reason: "none".into() };
        let last_words =
            [Judgement::Accepted, Judgement::Inconclusive, refused("high-hash", false), error(-22)];
        assert!(last_words.iter().all(Judgement::is_final));
        let open =
            [silence, refused("prev-blk-not-found", false), refused("time-too-new", false), error(-25)];
        assert!(!open.iter().any(Judgement::is_final));
    }

    #[test]
    fn the_best_of_several_judgements_is_the_one_that_is_told() {
        let refused = refused("high-hash", false);
        assert_eq!(refused.better(&Judgement::Accepted), &Judgement::Accepted);
        assert_eq!(Judgement::Accepted.better(&Judgement::Inconclusive), &Judgement::Accepted);
    }
}
