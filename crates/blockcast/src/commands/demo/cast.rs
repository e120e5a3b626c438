//! Who is simulated: twenty peers of mixed temperament, and two nodes.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use simnet::{Link, Temperament};

/// The two nodes, the primary one first.
pub(super) const NODES: [&str; 2] = ["alpha", "beta"];

/// The peer that the engine is to choose as its observer.
pub(super) const OBSERVER: &str = "observer";

/// How often each temperament occurs among the peers, the observer left aside.
const COMPANY: [(Temperament, usize); 8] = [
    (Temperament::Honest, 11),
    (Temperament::SLOW, 2),
    (Temperament::Deaf, 1),
    (Temperament::Mute, 1),
    (Temperament::Zombie, 1),
    (Temperament::Cutting, 1),
    (flapping(13, 4), 1),
    (flapping(21, 6), 1),
];

/// Away often enough that somebody who watches for half a minute sees it, and not in step with the blocks.
const fn flapping(up: u64, down: u64) -> Temperament {
    Temperament::Flapping { up: Duration::from_secs(up), down: Duration::from_secs(down) }
}

/// One way, in milliseconds: from the next town to another continent.
const LATENCY: std::ops::RangeInclusive<u64> = 2..=60;

/// Bytes a second.
const BANDWIDTH: std::ops::RangeInclusive<u64> = 2_000_000..=20_000_000;

/// A simulated peer before it has an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Role {
    /// Its temperament and a number, or [`OBSERVER`].
    pub(super) name: String,
    pub(super) temperament: Temperament,
    pub(super) link: Link,
}

/// The peers in the order in which they are dialled. The seed decides that order and how far away each is.
pub(super) fn peers(seed: u64) -> Vec<Role> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut names: Vec<(String, Temperament)> = Vec::new();
    for temperament in
        COMPANY.into_iter().flat_map(|(temperament, count)| std::iter::repeat_n(temperament, count))
    {
        let number = 1 + names.iter().filter(|(_, other)| other.name() == temperament.name()).count();
        names.push((format!("{temperament}-{number}"), temperament));
    }
    names.push((OBSERVER.to_owned(), Temperament::Honest));
    names.shuffle(&mut rng);
    let mut link = || Link {
        latency: Duration::from_millis(rng.random_range(LATENCY)),
        bandwidth: Some(rng.random_range(BANDWIDTH)),
    };
    names.into_iter().map(|(name, temperament)| Role { name, temperament, link: link() }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn twenty_peers_of_every_temperament_have_names_of_their_own() {
        let peers = peers(1);
        let names: HashSet<_> = peers.iter().map(|peer| peer.name.as_str()).collect();
        assert_eq!((peers.len(), names.len()), (20, 20));
        let kinds: HashSet<_> = peers.iter().map(|peer| peer.temperament.name()).collect();
        let all: HashSet<_> = Temperament::ALL.iter().map(|temperament| temperament.name()).collect();
        assert_eq!(kinds, all);
        assert_eq!(peers.iter().filter(|peer| peer.name == OBSERVER).count(), 1);
    }

    #[test]
    fn the_seed_decides_who_comes_first_and_how_far_away_everyone_is() {
        assert_eq!(peers(1), peers(1));
        assert_ne!(peers(1), peers(2));
        let order = |seed| peers(seed).into_iter().map(|peer| peer.name).collect::<Vec<_>>();
        assert_ne!(order(1), order(2));
    }
}
