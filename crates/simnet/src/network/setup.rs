//! What a simulated network is made of.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{Link, Quorum, Temperament};

/// What a network is made of.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Its nodes.
    pub members: Vec<(Temperament, Link)>,
    /// How many blocks on genesis everybody has at the start.
    pub history: u32,
    /// How many neighbours each node has at least, if there are so many.
    pub neighbours: usize,
    /// Who makes blocks final, on a chain that knows such a thing.
    pub quorum: Option<Quorum>,
    /// Where all randomness comes from.
    pub seed: u64,
}

impl Setup {
    /// Nodes of these temperaments behind lines of 10 to 150 ms, most of them of some megabytes a second, without a
    /// quorum; seed 0.
    pub fn of(temperaments: impl IntoIterator<Item = Temperament>) -> Self {
        Self::seeded(temperaments, 0)
    }

    /// The same, with lines drawn from a seed.
    pub fn seeded(temperaments: impl IntoIterator<Item = Temperament>, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut line = || Link {
            latency: Duration::from_millis(rng.random_range(10..=150)),
            bandwidth: Some(rng.random_range(500_000..20_000_000)),
        };
        let members = temperaments.into_iter().map(|temperament| (temperament, line())).collect();
        Self { members, history: 3, neighbours: 4, quorum: None, seed }
    }
}
