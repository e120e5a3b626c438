//! Who gossips with whom.

use std::collections::BTreeSet;

use rand::{Rng, seq::IteratorRandom};

use crate::{Link, Temperament};

/// Members of a network by their place in its list, and their neighbours among those that
/// [gossip](Temperament::gossips).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topology {
    neighbours: Vec<BTreeSet<usize>>,
}

impl Topology {
    /// Joins all who gossip in a ring, so that everybody hears of everything in the end, and each with random others
    /// until it has `degree` neighbours or nobody is left.
    pub(crate) fn random(temperaments: &[Temperament], degree: usize, rng: &mut impl Rng) -> Self {
        let talkers: Vec<usize> =
            (0..temperaments.len()).filter(|index| temperaments[*index].gossips()).collect();
        let mut neighbours = vec![BTreeSet::new(); temperaments.len()];
        let join = |a: usize, b: usize, neighbours: &mut Vec<BTreeSet<usize>>| {
            if a != b {
                neighbours[a].insert(b);
                neighbours[b].insert(a);
            }
        };
        for (place, talker) in talkers.iter().enumerate() {
            join(*talker, talkers[(place + 1) % talkers.len()], &mut neighbours);
        }
        for talker in &talkers {
            let lacking = degree.saturating_sub(neighbours[*talker].len());
            let strangers =
                talkers.iter().filter(|other| !neighbours[*talker].contains(other) && *other != talker);
            for stranger in strangers.copied().choose_multiple(rng, lacking) {
                join(*talker, stranger, &mut neighbours);
            }
        }
        Self { neighbours }
    }

    /// A member's neighbours.
    pub(crate) fn of(&self, member: usize) -> impl Iterator<Item = usize> {
        self.neighbours.get(member).into_iter().flatten().copied()
    }
}

/// How long it takes until a neighbour has a block's last byte: announcement, request and block each cross both lines,
/// and the block passes the receiver's at its pace.
pub(crate) fn gossip_delay(from: Link, to: Link, bytes: usize) -> std::time::Duration {
    const CROSSINGS: u32 = 3;
    (from.latency + to.latency) * CROSSINGS + to.transfer(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    proptest! {
        #[test]
        fn everyone_who_gossips_can_be_reached_and_nobody_else(
            kinds in prop::collection::vec(0usize..7, 1..40),
            degree in 0usize..6,
            seed: u64,
        ) {
            let temperaments: Vec<Temperament> = kinds.into_iter().map(|kind| Temperament::ALL[kind]).collect();
            let topology = Topology::random(&temperaments, degree, &mut StdRng::seed_from_u64(seed));
            let mut reached = BTreeSet::new();
            let mut next: Vec<usize> = (0..temperaments.len()).find(|i| temperaments[*i].gossips()).into_iter().collect();
            while let Some(member) = next.pop() {
                if reached.insert(member) {
                    next.extend(topology.of(member));
                }
            }
            let talkers = (0..temperaments.len()).filter(|i| temperaments[*i].gossips());
            prop_assert_eq!(reached, talkers.collect::<BTreeSet<_>>());
            prop_assert!((0..temperaments.len()).all(|member| topology.of(member).all(|other| other != member)));
        }
    }
}
