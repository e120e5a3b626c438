//! Who is simulated, chain by chain: peers of mixed temperament, and nodes of ours.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use simnet::profile::{self, Profile};
use simnet::{Link, Temperament};

use super::record::Part;

/// A chain: its network, and our nodes in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stage {
    /// How its rules are called, and its file.
    pub(super) chain: &'static str,
    /// How people call it.
    pub(super) title: &'static str,
    /// Its daemon.
    pub(super) profile: fn() -> Profile,
    /// Our nodes, the primary one first. Their names are unlike those on any other chain.
    pub(super) nodes: &'static [(&'static str, Temperament)],
    /// How often each temperament occurs among the peers, quorum and observer left aside.
    pub(super) company: &'static [(Temperament, usize)],
    /// How many honest peers more there are, who make blocks final; none where nothing but work decides.
    pub(super) quorum: usize,
}

/// All chains, in the order in which they take turns.
pub(super) const STAGES: &[Stage] = &[LITECOIN, DASH];

const LITECOIN: Stage = Stage {
    chain: "litecoin",
    title: "Litecoin",
    profile: profile::litecoin::regtest,
    nodes: &[("alpha", Temperament::Honest), ("beta", Temperament::Honest)],
    company: &[
        (Temperament::Honest, 11),
        (Temperament::SLOW, 2),
        (Temperament::Deaf, 1),
        (Temperament::Mute, 1),
        (Temperament::Zombie, 1),
        (Temperament::Cutting, 1),
        (flapping(13, 4), 1),
        (flapping(21, 6), 1),
    ],
    quorum: 0,
};

const DASH: Stage = Stage {
    chain: "dash",
    title: "Dash",
    profile: profile::dash::regtest,
    nodes: &[("gamma", Temperament::Honest), ("delta", Temperament::Honest)],
    company: &[
        (Temperament::Honest, 3),
        (Temperament::SLOW, 1),
        (Temperament::Mute, 1),
        (Temperament::Zombie, 1),
    ],
    quorum: 5,
};

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
    /// What it is and a number, or `observer`.
    pub(super) name: String,
    pub(super) temperament: Temperament,
    pub(super) link: Link,
    pub(super) part: Part,
}

impl Stage {
    /// The peers in the order in which they are dialled. The seed decides that order and how far away each is.
    pub(super) fn peers(&self, seed: u64) -> Vec<Role> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut peers: Vec<(String, Temperament, Part)> = Vec::new();
        for temperament in
            self.company.iter().flat_map(|(temperament, count)| std::iter::repeat_n(*temperament, *count))
        {
            let number = 1 + peers.iter().filter(|(_, other, _)| other.name() == temperament.name()).count();
            peers.push((format!("{temperament}-{number}"), temperament, Part::Peer));
        }
        let signers = (1..=self.quorum).map(|number| format!("quorum-{number}"));
        peers.extend(signers.map(|name| (name, Temperament::Honest, Part::Quorum)));
        peers.push(("observer".into(), Temperament::Honest, Part::Observer));
        peers.shuffle(&mut rng);
        let mut link = || Link {
            latency: Duration::from_millis(rng.random_range(LATENCY)),
            bandwidth: Some(rng.random_range(BANDWIDTH)),
        };
        let role = |(name, temperament, part)| Role { name, temperament, link: link(), part };
        peers.into_iter().map(role).collect()
    }

    /// The role of one of our nodes, by its place among them.
    pub(super) fn role(node: usize) -> &'static str {
        if node == 0 { "primary" } else { "backup" }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn everybody_has_a_name_of_his_own_and_one_peer_of_each_chain_observes() {
        let mut nodes = HashSet::new();
        for stage in STAGES {
            let peers = stage.peers(1);
            let names: HashSet<_> = peers.iter().map(|peer| peer.name.as_str()).collect();
            assert_eq!(peers.len(), names.len());
            assert_eq!(peers.iter().filter(|peer| peer.part == Part::Observer).count(), 1);
            assert_eq!(peers.iter().filter(|peer| peer.part == Part::Quorum).count(), stage.quorum);
            assert!(stage.nodes.iter().all(|(node, _)| nodes.insert(*node)), "{}", stage.chain);
            assert!(engine::KNOWN_CHAINS.contains(&stage.chain));
        }
    }

    #[test]
    fn twenty_peers_of_every_temperament_are_on_the_first_chain() {
        let peers = STAGES[0].peers(1);
        assert_eq!(peers.len(), 20);
        let kinds: HashSet<_> = peers.iter().map(|peer| peer.temperament.name()).collect();
        let all: HashSet<_> = Temperament::ALL.iter().map(|temperament| temperament.name()).collect();
        assert_eq!(kinds, all);
    }

    #[test]
    fn the_seed_decides_who_comes_first_and_how_far_away_everyone_is() {
        let peers = |seed| STAGES[0].peers(seed);
        assert_eq!(peers(1), peers(1));
        assert_ne!(peers(1), peers(2));
        let order = |seed| peers(seed).into_iter().map(|peer| peer.name).collect::<Vec<_>>();
        assert_ne!(order(1), order(2));
    }
}
