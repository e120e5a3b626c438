//! A network of nodes that pass blocks on, in which nothing ever changes.
//!
//! - **Where nodes are**: in five regions, with the shares that SimBlock has for Litecoin and its round trips of 2019
//!   between regions (`NetworkConfiguration.java`: `REGION_DISTRIBUTION_LITECOIN`, `LATENCY_2019`; Japan is counted as
//!   Asia). Half a round trip is one way.
//! - **Who is connected to whom**: every node has eight neighbours, by four random rings through all nodes.
//! - **How a block is passed on** (BIP 152, BIP 130): a node asks the three neighbours that serve it soonest to push
//!   compact blocks, which takes one way. The others announce a header, are asked, and send: three ways.
//! - **What a node takes** before it passes a block on (to fetch what its pool lacks, to check, to send): drawn once for each
//!   node, log-normal with a median of 200 ms and sigma 1, so that one in twenty takes less than 40 ms and one in twenty
//!   more than a second. Assumed; the scale is set so that a block of a node anywhere has 90% of the nodes after some 0.85
//!   s, since most peers of Litecoin and Dogecoin have one within a second (measured, SAC'22).

use std::{cmp::Reverse, collections::BinaryHeap, f64::consts::TAU};

use rand::{Rng, seq::SliceRandom};

/// Shares of nodes: North America, Europe, South America, Asia, Oceania.
const SHARES: [f64; 5] = [0.3661, 0.4791, 0.0149, 0.1260, 0.0139];

/// Round trips between regions in milliseconds.
const ROUND_TRIPS: [[f64; 5]; 5] = [
    [32.0, 124.0, 184.0, 198.0, 189.0],
    [124.0, 11.0, 227.0, 237.0, 294.0],
    [184.0, 227.0, 88.0, 325.0, 322.0],
    [198.0, 237.0, 325.0, 85.0, 198.0],
    [189.0, 294.0, 322.0, 198.0, 16.0],
];

/// Half of the neighbours of a node.
const RINGS: usize = 4;

/// How many neighbours push to a node before they are asked.
const PUSHING: usize = 3;

/// How many ways it takes to announce, ask and send.
const ASKED: f64 = 3.0;

/// Median, in milliseconds, and sigma of what nodes take.
const PROCESSING: (f64, f64) = (200.0, 1.0);

/// The network. All times are in milliseconds.
#[derive(Debug)]
pub(super) struct Network {
    /// Where each node is.
    regions: Vec<usize>,
    /// What it takes.
    processing: Vec<f64>,
    /// When whom has a block of each node, since that node had it.
    arrivals: Vec<Vec<f32>>,
}

impl Network {
    pub(super) fn new(nodes: usize, rng: &mut impl Rng) -> Self {
        let regions: Vec<_> = (0..nodes).map(|_| region(rng)).collect();
        let processing: Vec<_> =
            (0..nodes).map(|_| PROCESSING.0 * (PROCESSING.1 * normal(rng)).exp()).collect();
        let mut neighbours = vec![Vec::new(); nodes];
        for _ in 0..RINGS {
            let mut ring: Vec<_> = (0..nodes).collect();
            ring.shuffle(rng);
            for (n, &node) in ring.iter().enumerate() {
                let next = ring[(n + 1) % nodes];
                neighbours[node].push(next);
                neighbours[next].push(node);
            }
        }
        let one_way = |a: usize, b: usize| ROUND_TRIPS[regions[a]][regions[b]] / 2.0;
        // To whom each node passes a block on, and how long that is under way.
        let mut links: Vec<Vec<(usize, f64)>> = vec![Vec::new(); nodes];
        for (node, near) in neighbours.iter_mut().enumerate() {
            near.sort_by(|a, b| {
                let soon = |from: &usize| one_way(*from, node) + processing[*from];
                soon(a).total_cmp(&soon(b))
            });
            for (n, from) in near.iter().enumerate() {
                let ways = if n < PUSHING { 1.0 } else { ASKED };
                links[*from].push((node, ways * one_way(*from, node)));
            }
        }
        let arrivals = (0..nodes).map(|from| spread(from, &links, &processing)).collect();
        Self { regions, processing, arrivals }
    }

    /// Half a round trip between a region and a node.
    pub(super) fn one_way(&self, region: usize, node: usize) -> f64 {
        ROUND_TRIPS[region][self.regions[node]] / 2.0
    }

    /// What a node takes before it passes a block on, or says that it has it.
    pub(super) fn processing(&self, node: usize) -> f64 {
        self.processing[node]
    }

    /// When a node announces a block to someone in a region, since another has mined it.
    pub(super) fn announces(&self, node: usize, miner: usize, region: usize) -> f64 {
        let processing = if node == miner { 0.0 } else { self.processing[node] };
        f64::from(self.arrivals[miner][node]) + processing + self.one_way(region, node)
    }

    /// When this share of all nodes has a block that someone in a region pushes to some of them at once.
    pub(super) fn reaches(&self, share: f64, pushed_to: &[usize], region: usize) -> f64 {
        let ahead = |node: usize| self.one_way(region, node);
        let mut first: Vec<_> = (0..self.regions.len())
            .map(|node| {
                let through = |&peer: &usize| match peer == node {
                    true => ahead(peer),
                    false => ahead(peer) + self.processing[peer] + f64::from(self.arrivals[peer][node]),
                };
                pushed_to.iter().map(through).fold(f64::INFINITY, f64::min)
            })
            .collect();
        let rank = (share * first.len() as f64).ceil() as usize - 1;
        *first.select_nth_unstable_by(rank, f64::total_cmp).1
    }

    /// When this share of all nodes has a block that one of them mines.
    pub(super) fn spreads(&self, share: f64, miner: usize) -> f64 {
        let mut arrivals = self.arrivals[miner].clone();
        let rank = (share * arrivals.len() as f64).ceil() as usize - 1;
        f64::from(*arrivals.select_nth_unstable_by(rank, f32::total_cmp).1)
    }
}

/// A region, by the share that it has of the nodes.
pub(super) fn region(rng: &mut impl Rng) -> usize {
    let mut dice: f64 = rng.random();
    for (region, share) in SHARES.iter().enumerate() {
        dice -= share;
        if dice < 0.0 {
            return region;
        }
    }
    0
}

/// A number of the normal distribution (Box and Muller).
fn normal(rng: &mut impl Rng) -> f64 {
    let (radius, angle) = (1.0 - rng.random::<f64>(), rng.random::<f64>());
    (-2.0 * radius.ln()).sqrt() * (TAU * angle).cos()
}

/// When each node has a block that one has mined (Dijkstra).
fn spread(miner: usize, links: &[Vec<(usize, f64)>], processing: &[f64]) -> Vec<f32> {
    let mut arrivals = vec![f32::INFINITY; links.len()];
    // Times that are not negative are ordered as their bits are.
    let mut next = BinaryHeap::from([(Reverse(0f32.to_bits()), miner)]);
    arrivals[miner] = 0.0;
    while let Some((Reverse(bits), node)) = next.pop() {
        let at = f32::from_bits(bits);
        if at > arrivals[node] {
            continue;
        }
        let passed_on = f64::from(at) + if node == miner { 0.0 } else { processing[node] };
        for &(to, way) in &links[node] {
            let arrival = (passed_on + way) as f32;
            if arrival < arrivals[to] {
                arrivals[to] = arrival;
                next.push((Reverse(arrival.to_bits()), to));
            }
        }
    }
    arrivals
}
