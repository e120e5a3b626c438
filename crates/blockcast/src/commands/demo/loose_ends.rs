//! Blocks whose story was told while something about them was still open.

use std::collections::HashSet;

use super::record::{Peer, Problem, Record};

/// A block, and what was said of it.
#[derive(Debug)]
pub(super) struct LooseEnd<B> {
    /// How to look at it again.
    pub(super) block: B,
    /// Names and outcomes that were told.
    told: HashSet<(String, String)>,
    problems: Vec<Problem>,
}

impl<B> LooseEnd<B> {
    /// What this record says was just told.
    pub(super) fn new(block: B, record: &Record) -> Self {
        let told = record.simulation.peers.iter().map(|peer| (peer.name.clone(), peer.outcome.clone()));
        Self { block, told: told.collect(), problems: record.simulation.problems.clone() }
    }

    /// The peers that have an outcome which they did not have before. One that is cut off again and again is told once.
    pub(super) fn news(&mut self, record: &Record) -> Vec<Peer> {
        let peers = record.simulation.peers.iter();
        let settled = peers.filter(|peer| !peer.is_open() && peer.connections > 0);
        settled.filter(|peer| self.told.insert((peer.name.clone(), peer.outcome.clone()))).cloned().collect()
    }

    /// False claims that were not made before. What was missing then is no matter of later: it was missing.
    pub(super) fn claims(&mut self, record: &Record) -> Vec<Problem> {
        let claims = record.simulation.problems.iter().filter(|problem| problem.false_claim);
        let new: Vec<_> = claims.filter(|problem| !self.problems.contains(problem)).cloned().collect();
        self.problems.extend(new.iter().cloned());
        new
    }
}

/// Brings together what is the same news of several blocks. Who is meant shows in the address: on two chains there may
/// be peers of the same name.
pub(super) fn together(news: impl IntoIterator<Item = (u32, Peer)>) -> Vec<(Peer, Vec<u32>)> {
    let mut groups: Vec<(Peer, Vec<u32>)> = Vec::new();
    for (block, peer) in news {
        let same = |(known, _): &&mut (Peer, Vec<u32>)| {
            known.address == peer.address && known.outcome == peer.outcome
        };
        match groups.iter_mut().find(same) {
            Some((_, blocks)) => blocks.push(block),
            None => groups.push((peer, vec![block])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::super::samples::{entry, record, report};
    use super::*;

    fn names(news: Vec<Peer>) -> Vec<(String, String)> {
        news.into_iter().map(|peer| (peer.name, peer.outcome)).collect()
    }

    fn settled(name: &str, outcome: &str) -> Record {
        let mut report = report();
        report.peers.push(entry(name, Some(outcome), Some(5000.0)));
        record(report)
    }

    #[test]
    fn an_outcome_is_news_once() {
        let mut end = LooseEnd::new((), &record(report()));
        assert!(end.news(&record(report())).is_empty());
        let cut_off = settled("deaf-1", "disconnected");
        assert_eq!(names(end.news(&cut_off)), [("deaf-1".into(), "disconnected".into())]);
        assert!(end.news(&cut_off).is_empty());
        assert!(end.news(&record(report())).is_empty(), "it is sent the block again: open is no news");
        assert!(end.news(&cut_off).is_empty(), "and is cut off again");
    }

    #[test]
    fn a_claim_that_turns_out_false_later_is_noticed_once() {
        let mut end = LooseEnd::new((), &record(report()));
        assert!(end.claims(&record(report())).is_empty());
        let claimed = settled("mute-1", "accepted");
        assert_eq!(end.claims(&claimed).len(), 1);
        assert!(end.claims(&claimed).is_empty());
    }

    #[test]
    fn the_same_news_of_several_blocks_are_one() {
        let peer = |outcome| record_peer("deaf-1", outcome);
        let news = [(1, peer("disconnected")), (2, peer("disconnected")), (2, peer("timed_out"))];
        let blocks: Vec<_> =
            together(news).into_iter().map(|(peer, blocks)| (peer.outcome, blocks)).collect();
        assert_eq!(blocks, [("disconnected".into(), vec![1, 2]), ("timed_out".into(), vec![2])]);
    }

    #[test]
    fn peers_of_the_same_name_on_two_chains_are_two() {
        let here = record_peer("deaf-1", "disconnected");
        let there = Peer { address: "127.0.0.1:31000".into(), ..here.clone() };
        let blocks = together([(1, here), (2, there)]).into_iter().map(|(_, blocks)| blocks);
        assert_eq!(blocks.collect::<Vec<_>>(), [[1], [2]]);
    }

    fn record_peer(name: &str, outcome: &str) -> Peer {
        let record = settled(name, outcome);
        record.simulation.peers.into_iter().find(|peer| peer.name == name).unwrap()
    }
}
