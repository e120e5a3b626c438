//! What a whole run came to.

use simnet::Temperament;

use super::record::{Problem, Record};

/// Counts over all blocks that were judged.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) blocks: u32,
    /// How often a node that keeps its word accepted a block and was reported so, of how many times.
    pub(crate) nodes: (usize, usize),
    /// How often a peer that keeps its word was proven to have a block, of how many times; observers left aside.
    pub(crate) proven: (usize, usize),
    /// How many blocks were reported final, of how many that were to become so.
    pub(crate) finals: (u32, u32),
    /// When honest peers were proven to have a block, in milliseconds since it was received.
    pub(crate) honest_ms: Vec<f64>,
    /// What was not as it should be, by block.
    pub(crate) problems: Vec<(u32, Problem)>,
}

impl Tally {
    /// Adds a block.
    pub(crate) fn add(&mut self, record: &Record) {
        let simulation = &record.simulation;
        self.blocks += 1;
        for node in simulation.nodes.iter().filter(|node| node.keeps_its_word()) {
            self.nodes.0 += usize::from(node.called_accepted && node.has_block);
            self.nodes.1 += 1;
        }
        if let Some(finality) = &simulation.finality {
            self.finals.0 += u32::from(finality.called_final && finality.is_final);
            self.finals.1 += 1;
        }
        for peer in simulation.peers.iter().filter(|peer| peer.keeps_its_word() && !peer.observer) {
            self.proven.1 += 1;
            if !(peer.called_accepted && peer.has_block) {
                continue;
            }
            self.proven.0 += 1;
            if peer.temperament == Temperament::Honest {
                self.honest_ms.extend(peer.outcome_ms);
            }
        }
        self.note(simulation.block, &simulation.problems);
    }

    /// Adds problems, which may have come to light after the block was added.
    pub(crate) fn note(&mut self, block: u32, problems: &[Problem]) {
        self.problems.extend(problems.iter().map(|problem| (block, problem.clone())));
    }

    /// Whether every block is as it should be: the exit status.
    pub(crate) fn holds(&self) -> bool {
        self.problems.is_empty()
    }

    /// How often more was said than is true.
    pub(crate) fn false_claims(&self) -> usize {
        self.problems.iter().filter(|(_, problem)| problem.false_claim).count()
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{answer, entry, locked, members, record, report};
    use super::*;

    #[test]
    fn blocks_that_are_as_they_should_be_hold_and_a_single_false_claim_does_not() {
        let mut tally = Tally::default();
        tally.add(&record(report()));
        tally.add(&record(report()));
        assert!(tally.holds());
        assert_eq!((tally.blocks, tally.nodes, tally.proven), (2, (4, 4), (8, 8)));
        assert_eq!(tally.honest_ms, [213.6, 71.4, 8.1, 213.6, 71.4, 8.1]);

        let mut claimed = report();
        claimed.peers.push(entry("mute-1", Some("accepted"), Some(9.0)));
        tally.add(&record(claimed));
        assert!(!tally.holds());
        assert_eq!(tally.false_claims(), 1);
    }

    #[test]
    fn what_is_missing_does_not_hold_either_and_is_no_false_claim() {
        let mut tally = Tally::default();
        let mut missing = report();
        missing.peers.retain(|entry| entry.peer != "127.0.0.1:30000");
        tally.add(&record(missing));
        assert!(!tally.holds());
        assert_eq!((tally.false_claims(), tally.proven), (0, (3, 4)));
    }

    #[test]
    fn final_blocks_count_where_there_are_such() {
        let mut tally = Tally::default();
        tally.add(&record(report()));
        assert_eq!(tally.finals, (0, 0));
        let (mut report, truth) = locked(report(), 900.0);
        tally.add(&Record::new(2, 35, answer(), report.clone(), &members(), &truth));
        assert_eq!((tally.finals, tally.holds()), ((1, 1), true));
        report.finality = None;
        tally.add(&Record::new(3, 35, answer(), report, &members(), &truth));
        assert_eq!((tally.finals, tally.holds()), ((1, 2), false));
    }

    #[test]
    fn a_run_without_a_block_holds() {
        assert!(Tally::default().holds());
    }
}
