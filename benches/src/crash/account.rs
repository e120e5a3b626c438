//! What came of many rounds of one kind.

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    node::Has,
    round::{Fate, Outcome},
    tracer::Call,
};
use crate::figure::Figure;

/// How many failures are told in words.
const EXAMPLES: usize = 5;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Rounds in which the program was killed when it was to be.
    pub(super) rounds: usize,
    /// Rounds in which a call did not come at which it was to be killed. What was checked in them counts all the same.
    missed: usize,
    blocks: usize,
    flawed: usize,
    /// Blocks about which a whole reply said something, before the kill or after it.
    told: usize,
    /// Good blocks of which a caller was told that they will be at the node.
    acknowledged: usize,
    /// Those of them of which nothing was told before the kill, and which were handed in again.
    again: usize,
    /// Those of them that were on disk and nowhere else.
    pub(super) only_on_disk: usize,
    replayed: usize,
    before_any_reply: usize,
    between_replies: usize,
    after_all_replies: usize,
    lost: usize,
    untruths: BTreeMap<&'static str, usize>,
    pub(super) hits: BTreeMap<Call, usize>,
    examples: Vec<String>,
}

impl Account {
    /// Enters what became of a round.
    pub(super) fn enter(&mut self, outcome: &Outcome) {
        if outcome.misses == 0 {
            self.rounds += 1;
            match outcome.fates.iter().filter(|fate| fate.told.is_some()).count() {
                told if told == outcome.fates.len() => self.after_all_replies += 1,
                0 => self.before_any_reply += 1,
                _ => self.between_replies += 1,
            }
        } else {
            self.missed += 1;
        }
        for call in &outcome.hits {
            *self.hits.entry(call.clone()).or_default() += 1;
        }
        for fate in &outcome.fates {
            self.enter_block(fate, outcome);
        }
    }

    fn enter_block(&mut self, fate: &Fate, outcome: &Outcome) {
        let count = |condition: bool| usize::from(condition);
        self.blocks += 1;
        self.flawed += count(fate.block.flaw.is_some());
        self.told += count(fate.told.or(fate.again).is_some());
        self.acknowledged += count(fate.is_promised());
        self.again += count(fate.is_promised() && fate.told.is_none());
        self.only_on_disk += count(fate.is_promised() && fate.told.is_some() && fate.later == Has::Nothing);
        self.replayed += count(fate.replayed);
        self.lost += count(fate.is_lost());
        let untruth = fate.untruth();
        if let Some(untruth) = untruth {
            *self.untruths.entry(untruth).or_default() += 1;
        }
        if (fate.is_lost() || untruth.is_some()) && self.examples.len() < EXAMPLES {
            let Fate { block, told, before, later, replayed, again, after, .. } = fate;
            let (hash, flaw) = (&block.hash, block.flaw);
            let calls: Vec<_> = outcome.hits.iter().map(ToString::to_string).collect();
            self.examples.push(format!(
                "{hash} {flaw:?}: {told:?}, again {again:?}, at the node {before:?}, {later:?}, {after:?}; replayed \
                 {replayed}; {calls:?}"
            ));
        }
    }

    /// Its two rows.
    pub(super) fn figures(&self, kind: &str, seed: u64) -> Vec<Figure> {
        let hits: BTreeMap<_, _> = self.hits.iter().map(|(call, count)| (call.to_string(), *count)).collect();
        let mut detail = json!({
            "seed": seed,
            "rounds": self.rounds,
            "rounds_in_which_the_call_did_not_come": self.missed,
            "killed_before_any_reply": self.before_any_reply,
            "killed_between_replies": self.between_replies,
            "killed_after_all_replies": self.after_all_replies,
            "blocks": self.blocks,
            "of_them_flawed": self.flawed,
            "acknowledged": self.acknowledged,
            "of_them_when_handed_in_again": self.again,
            "of_them_only_on_disk": self.only_on_disk,
            "replayed": self.replayed,
            "killed_at": hits,
        });
        let wrong: usize = self.untruths.values().sum();
        let mut untruths = json!({ "seed": seed, "replies": self.told, "by_kind": self.untruths });
        if !self.examples.is_empty() {
            detail["examples"] = json!(self.examples);
            untruths["examples"] = json!(self.examples);
        }
        vec![
            Figure::at_most(
                format!("crash/{kind}/acknowledged_lost"),
                self.lost as f64,
                "blocks",
                0.0,
                detail,
            ),
            Figure::at_most(format!("crash/{kind}/wrong_verdicts"), wrong as f64, "verdicts", 0.0, untruths),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::{caller::Told, node::Block};

    fn outcome(told: Option<Told>, after: Has, misses: usize) -> Outcome {
        let block = Block { hash: "aa".into(), bytes: Vec::new(), flaw: None };
        let (before, later) = (Has::Nothing, Has::Nothing);
        let (replayed, again, reachable) = (true, None, false);
        let fate = Fate { block, told, before, later, replayed, again, after, reachable };
        Outcome { fates: vec![fate], hits: vec![Call::new("write", 2)], misses }
    }

    #[test]
    fn a_lost_block_misses_the_goal_and_a_round_without_its_kill_is_none() {
        let kept = Some(Told { kept: true, durable: true, ..Told::default() });
        let mut account = Account::default();
        account.enter(&outcome(kept, Has::Active, 0));
        account.enter(&outcome(None, Has::Nothing, 1));
        let figures = account.figures("x", 1);
        assert!(figures.iter().all(|figure| figure.holds), "{figures:?}");
        assert_eq!((account.rounds, account.missed, account.acknowledged), (1, 1, 1));
        account.enter(&outcome(kept, Has::Nothing, 0));
        let figures = account.figures("x", 1);
        assert_eq!((figures[0].value, figures[0].holds), (Some(1.0), false));
        assert_eq!(figures[1].value, Some(0.0));
    }
}
