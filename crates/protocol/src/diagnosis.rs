//! Why a block of ours is not in the chain.
//!
//! From what was written down while it was on its way ([`Evidence`]) follows one [`Cause`], the first of these that
//! fits: every node *rejected* it; it was built on the *wrong chain*; *our own node stalled*; we were *slow*, having had
//! it long before the rival came; or else it *lost the race*, by so many milliseconds. All times are milliseconds since
//! the block was received, so what came before it has a negative one.

/// How much earlier than ours a rival must have been heard of for the pool to have worked on an old parent, and how long
/// a node may take for a block: pools expect their node to switch, and to answer, well within this.
const STALLED: f64 = 2000.0;

/// How long a head start must be to be one. The median block reaches most of the network within a second
/// (propagation.md).
const HEAD_START: f64 = 1000.0;

/// What is known. Whatever is not known is absent, and no cause is made of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    /// What the nodes said, if all of them refused it for good.
    pub refused: Option<String>,
    /// Our own first finding that keeps it off P2P.
    pub finding: Option<String>,
    /// Whether its parent is in the active chain.
    pub parent_in_chain: Option<bool>,
    /// When the first node had it.
    pub accepted_ms: Option<f64>,
    /// When the first peer was proven to have it.
    pub first_proof_ms: Option<f64>,
    /// When a peer that it was not sent to announced it.
    pub echo_ms: Option<f64>,
    /// When each peer was proven to have it.
    pub proofs_ms: Vec<f64>,
    /// How many peers it was to reach.
    pub addressed: usize,
    /// When the rival was first heard of.
    pub rival_ms: Option<f64>,
    /// When a node of ours had the rival.
    pub rival_at_node_ms: Option<f64>,
}

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Every node refused it.
    Rejected,
    /// Its parent is not in the chain.
    WrongChain,
    /// A node of ours was behind, or did not take it.
    OwnNodeStalled,
    /// We had it first and did not get it out.
    Slow,
    /// The rival was in more hands.
    LostRace,
}

impl Cause {
    /// The word for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::WrongChain => "wrong_chain",
            Self::OwnNodeStalled => "own_node_stalled",
            Self::Slow => "slow",
            Self::LostRace => "lost_race",
        }
    }
}

/// The cause, and how it follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// In a word.
    pub cause: Cause,
    /// In a sentence, with its numbers.
    pub text: String,
    /// By how many milliseconds the rival was ahead; below zero if it was behind.
    pub behind_ms: Option<i64>,
}

/// The cause that fits.
pub fn diagnose(evidence: &Evidence) -> Diagnosis {
    let (cause, text) = rejected(evidence)
        .or_else(|| wrong_chain(evidence))
        .or_else(|| own_node_stalled(evidence))
        .or_else(|| slow(evidence))
        .unwrap_or_else(|| lost_race(evidence));
    Diagnosis { cause, text, behind_ms: evidence.behind().map(|ms| ms.round() as i64) }
}

impl Evidence {
    /// When the network had it, as far as is known: an echo is from there, a peer is part of it, and a node of ours the
    /// least that can be said.
    fn out_ms(&self) -> Option<f64> {
        self.echo_ms.or(self.first_proof_ms).or(self.accepted_ms)
    }

    fn behind(&self) -> Option<f64> {
        Some(self.out_ms()? - self.rival_ms?)
    }

    /// How many of the peers had it by then, in words.
    fn share(&self, by_ms: f64) -> (usize, String) {
        let had = self.proofs_ms.iter().filter(|at| **at <= by_ms).count();
        match self.addressed {
            0 => (had, "no peer was there to be sent ours".to_owned()),
            addressed => (had, format!("{had} of {addressed} peers were proven to have ours")),
        }
    }
}

fn rejected(evidence: &Evidence) -> Option<(Cause, String)> {
    let finding = evidence.finding.as_ref().map(|finding| format!("our own finding: {finding}"));
    let text = match (&evidence.refused, finding) {
        (Some(words), Some(finding)) => format!("every node refused it ({words}); {finding}"),
        (Some(words), None) => format!("every node refused it ({words})"),
        (None, Some(finding))
            if evidence.accepted_ms.is_none() && evidence.parent_in_chain != Some(false) =>
        {
            format!("no node took it; {finding}")
        }
        _ => return None,
    };
    Some((Cause::Rejected, text))
}

fn wrong_chain(evidence: &Evidence) -> Option<(Cause, String)> {
    (evidence.parent_in_chain == Some(false)).then(|| {
        let text = "its parent is not in the chain: the pool worked on a branch that the network had left, or on a chain \
                    that it never had";
        (Cause::WrongChain, text.to_owned())
    })
}

fn own_node_stalled(evidence: &Evidence) -> Option<(Cause, String)> {
    if let Some(rival) = evidence.rival_ms.filter(|rival| *rival <= -STALLED)
        && evidence.rival_at_node_ms.is_none_or(|at| at >= 0.0)
    {
        let node = match evidence.rival_at_node_ms {
            Some(at) => format!("your nodes had it only {} after that", span(at)),
            None => "your nodes did not have it".to_owned(),
        };
        let text = format!(
            "peers had the rival {} before our block came, and {node}: the pool was working on an old parent",
            span(-rival)
        );
        return Some((Cause::OwnNodeStalled, text));
    }
    let rival = evidence.rival_ms.filter(|rival| *rival >= 0.0)?;
    let late = evidence.accepted_ms.is_none_or(|at| at > STALLED && at > rival);
    (late && rival >= STALLED).then(|| {
        let text = match evidence.accepted_ms {
            Some(at) => {
                format!("no node of yours took it for {}; the rival came after {}", span(at), span(rival))
            }
            None => format!("no node of yours took it; the rival came after {}", span(rival)),
        };
        (Cause::OwnNodeStalled, text)
    })
}

fn slow(evidence: &Evidence) -> Option<(Cause, String)> {
    let rival = evidence.rival_ms.filter(|rival| *rival >= HEAD_START)?;
    let (had, share) = evidence.share(rival);
    let heard = evidence.echo_ms.is_some_and(|echo| echo <= rival);
    (!heard && 2 * had < evidence.addressed.max(1)).then(|| {
        let text = format!(
            "we had it {} before the rival was heard of, and did not get it out: by then {share}",
            span(rival)
        );
        (Cause::Slow, text)
    })
}

fn lost_race(evidence: &Evidence) -> (Cause, String) {
    let text = match (evidence.rival_ms, evidence.behind()) {
        (None, _) => "lost the race; when the rival was first heard of is not known".to_owned(),
        (Some(rival), None) => {
            format!(
                "lost the race: that anybody had ours is not known; the rival was heard of {}",
                after(rival)
            )
        }
        (Some(rival), Some(behind)) if behind >= 0.0 => {
            let (_, share) = evidence.share(rival.max(0.0));
            format!(
                "lost the race by {behind:.0} ms: the rival was heard of {}, and then {share}",
                after(rival)
            )
        }
        (Some(rival), Some(behind)) => {
            let (_, share) = evidence.share(rival);
            format!(
                "lost the race though the rival was heard of {:.0} ms later than ours was out; by then {share}",
                -behind
            )
        }
    };
    (Cause::LostRace, text)
}

fn after(ms: f64) -> String {
    if ms < 0.0 { format!("{} before ours came", span(-ms)) } else { format!("{} after ours came", span(ms)) }
}

fn span(ms: f64) -> String {
    if ms < 10_000.0 { format!("{ms:.0} ms") } else { format!("{:.1} s", ms / 1e3) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn race() -> Evidence {
        Evidence {
            parent_in_chain: Some(true),
            accepted_ms: Some(4.0),
            first_proof_ms: Some(20.0),
            echo_ms: Some(120.0),
            proofs_ms: vec![20.0, 25.0, 90.0],
            addressed: 4,
            rival_ms: Some(50.0),
            rival_at_node_ms: Some(60.0),
            ..Evidence::default()
        }
    }

    fn told(evidence: &Evidence) -> (Cause, Option<i64>, String) {
        let Diagnosis { cause, text, behind_ms } = diagnose(evidence);
        (cause, behind_ms, text)
    }

    #[test]
    fn a_race_is_lost_by_the_time_between_the_rival_and_our_echo() {
        let (cause, behind, text) = told(&race());
        assert_eq!((cause, behind), (Cause::LostRace, Some(70)));
        assert_eq!(
            text,
            "lost the race by 70 ms: the rival was heard of 50 ms after ours came, and then 2 of 4 peers were proven to have ours"
        );
        let early = Evidence { rival_ms: Some(-300.0), rival_at_node_ms: Some(-290.0), ..race() };
        assert_eq!((told(&early).0, told(&early).1), (Cause::LostRace, Some(420)));
        let ahead = Evidence { rival_ms: Some(500.0), ..race() };
        assert_eq!((told(&ahead).0, told(&ahead).1), (Cause::LostRace, Some(-380)));
        let unknown = Evidence { rival_ms: None, ..race() };
        assert_eq!((told(&unknown).0, told(&unknown).1), (Cause::LostRace, None));
        assert!(told(&unknown).2.contains("not known"));
        let alone = Evidence { addressed: 0, proofs_ms: vec![], ..race() };
        assert!(told(&alone).2.ends_with("and then no peer was there to be sent ours"), "{}", told(&alone).2);
    }

    #[test]
    fn what_every_node_refused_is_rejected_whatever_else_is_true() {
        let refused = Some("high-hash".to_owned());
        let finding = Some("high-hash: expected a, found b".to_owned());
        let evidence = Evidence { refused, finding, accepted_ms: None, ..race() };
        assert_eq!(told(&evidence).0, Cause::Rejected);
        assert!(told(&evidence).2.contains("(high-hash); our own finding: high-hash"));
        let bad = Evidence { refused: None, ..evidence };
        assert_eq!(told(&bad).0, Cause::Rejected);
        assert_eq!(told(&Evidence { accepted_ms: Some(3.0), ..bad }).0, Cause::LostRace);
    }

    #[test]
    fn a_parent_that_is_not_in_the_chain_is_the_cause_before_any_race() {
        let evidence = Evidence { parent_in_chain: Some(false), ..race() };
        assert_eq!(told(&evidence).0, Cause::WrongChain);
        let finding = Some("prev-blk-not-found: expected a, found b".to_owned());
        assert_eq!(told(&Evidence { finding, accepted_ms: None, ..evidence }).0, Cause::WrongChain);
    }

    #[test]
    fn a_node_that_had_the_rival_long_after_the_peers_has_stalled() {
        let evidence = Evidence { rival_ms: Some(-5000.0), rival_at_node_ms: Some(700.0), ..race() };
        let (cause, _, text) = told(&evidence);
        assert_eq!(cause, Cause::OwnNodeStalled);
        assert!(text.contains("5000 ms before") && text.contains("700 ms after"), "{text}");
        // It had switched in time: then the pool was late by itself, and the race was lost.
        let switched = Evidence { rival_at_node_ms: Some(-4900.0), ..evidence };
        assert_eq!(told(&switched).0, Cause::LostRace);
        let silent = Evidence { rival_ms: Some(3000.0), accepted_ms: Some(7000.0), ..race() };
        assert_eq!(told(&silent).0, Cause::OwnNodeStalled);
    }

    #[test]
    fn a_head_start_that_reached_few_was_slow() {
        let evidence = Evidence {
            rival_ms: Some(1500.0),
            echo_ms: None,
            proofs_ms: vec![1400.0],
            first_proof_ms: Some(1400.0),
            ..race()
        };
        assert_eq!(told(&evidence).0, Cause::Slow);
        let out = Evidence { proofs_ms: vec![20.0, 30.0, 40.0], ..evidence.clone() };
        assert_eq!(told(&out).0, Cause::LostRace);
        assert_eq!(told(&Evidence { echo_ms: Some(200.0), ..evidence }).0, Cause::LostRace);
    }

    #[test]
    fn nothing_known_is_said_to_be_nothing_known() {
        let (cause, behind, text) = told(&Evidence::default());
        assert_eq!((cause, behind), (Cause::LostRace, None));
        assert!(text.contains("not known"));
    }
}
