//! Whether the book learns which peers are worth having.
//!
//! Our engine stands somewhere in the [network](Network), by the shares of the regions. It holds 20 peers, and gets to know
//! the network as any newcomer does: a node of ours names eight, two DNS seeds name 32 each when
//! they are asked, and whoever it is connected to names 230 (23% of the nodes, as the daemons answer `getaddr`). It sees what a real engine sees: how long handshakes and pings take, how far
//! behind the first of its peers each announces the 576 blocks of a day, and how soon our own blocks, one in a hundred,
//! are proven to have arrived. Blocks come at random, and from nodes at random. After the stated days, one of our blocks
//! is pushed once an hour for a day to all 20 at once.
//!
//! It is held against 20 random peers of the same book under the same quotas, by the mean of many draws; and, to tell what
//! there was to gain, against 20 chosen one after the other with the whole network in view.

use std::{collections::BTreeSet, time::Duration};

use protocol::book::{Address, Group, Heard, Kind, Seeding, Source};
use rand::{
    Rng, SeedableRng,
    rngs::StdRng,
    seq::{IndexedRandom, SliceRandom},
};
use serde_json::json;

use super::{
    network::{Network, region},
    world::{Answer, DAY, Event, HOUR, MINUTE, PLACES, World, address, rules},
};
use crate::{
    Scope,
    figure::{Figure, Series, rounded},
};

const NODES: usize = 1000;

/// In how many neighbourhoods the nodes are.
const GROUPS: u16 = 600;

/// How long there is to learn.
const DAYS: u32 = 28;

/// Simulations whose results count.
const SEEDS: std::ops::Range<u64> = 1..11;

/// What the time may be with learning, as a share of what it is without.
const GOAL: f64 = 0.7;

/// Which share of the nodes is to have the block.
const SHARE: f64 = 0.9;

/// Blocks of the chain, and which of them is ours.
const INTERVAL: Duration = Duration::from_secs(150);
const OURS: u64 = 100;

/// How many peers our node names, and how many anybody else.
const NAMED: (usize, usize) = (8, 230);

/// How many DNS seeds there are, and how many addresses each gives at a time.
const SEEDS_ASKED: (u16, usize) = (2, 32);

/// How often a random choice is made for comparison.
const DRAWS: usize = 200;

/// What came of one seed, in milliseconds.
#[derive(Debug)]
struct Outcome {
    seed: u64,
    /// With random peers.
    random: f64,
    /// With those that the book has.
    learnt: f64,
    /// With the best that could be found.
    best: f64,
    /// Blocks of other nodes.
    others: f64,
}

impl Outcome {
    fn ratio(&self) -> f64 {
        self.learnt / self.random
    }
}

/// What is planned.
#[derive(Debug)]
enum Plan {
    Block,
    Pings,
    /// Our node is asked for its peers.
    Refresh,
    /// It is seen whether DNS seeds are to be asked.
    Seeds,
}

struct Simulation {
    world: World<Plan>,
    network: Network,
    /// The region that we are in.
    home: usize,
    addresses: Vec<Address>,
    peers: BTreeSet<usize>,
    seeding: Seeding,
    blocks: u64,
}

/// Measures all rows.
pub(super) fn run(scope: Scope) -> Vec<Figure> {
    let (seeds, days) = match scope {
        Scope::Full => (SEEDS, DAYS),
        Scope::Short => (SEEDS.start..SEEDS.start + 1, 2),
    };
    let outcomes: Vec<_> = seeds.map(|seed| simulate(seed, days)).collect();
    rows(&outcomes, days, scope)
}

fn rows(outcomes: &[Outcome], days: u32, scope: Scope) -> Vec<Figure> {
    let mean = |of: &dyn Fn(&Outcome) -> f64| outcomes.iter().map(of).sum::<f64>() / outcomes.len() as f64;
    let ratios = Series::new(outcomes.iter().map(Outcome::ratio).collect());
    let by_seed: Vec<_> = outcomes
        .iter()
        .map(|outcome| {
            let [learnt, random, best] = [outcome.learnt, outcome.random, outcome.best].map(rounded);
            json!({ "seed": outcome.seed, "ratio": rounded(outcome.ratio()), "ms": [learnt, random, best] })
        })
        .collect();
    let detail = json!({
        "days": days,
        "worst_seed": rounded(ratios.last()),
        "ms_learnt": rounded(mean(&|outcome| outcome.learnt)),
        "ms_random": rounded(mean(&|outcome| outcome.random)),
        "ms_with_the_whole_network_in_view": rounded(mean(&|outcome| outcome.best)),
        "ms_block_of_another_node": rounded(mean(&|outcome| outcome.others)),
        "by_seed": by_seed,
    });
    let (learnt, random) = (mean(&|outcome| outcome.learnt), mean(&|outcome| outcome.random));
    let best = mean(&|outcome| outcome.best);
    // The unit is one of simulated time, which nothing else on the machine tells on.
    let row = match scope {
        Scope::Full => {
            Figure::at_most("peers/learning", learnt / random, "of random peers' time", GOAL, detail)
        }
        Scope::Short => Figure::told("peers/learning", learnt / random, "of random peers' time", detail),
    };
    let bound = Figure::told("peers/learning_bound", best / random, "of random peers' time", json!({}));
    vec![row, bound]
}

/// One seed.
fn simulate(seed: u64, days: u32) -> Outcome {
    let mut simulation = Simulation::new(seed);
    simulation.pass(days * DAY);
    let mut learnt = Vec::new();
    for _ in 0..24 {
        simulation.pass(HOUR);
        let peers: Vec<_> = simulation.peers.iter().copied().collect();
        learnt.push(simulation.network.reaches(SHARE, &peers, simulation.home));
    }
    simulation.outcome(seed, &learnt)
}

fn milliseconds(time: f64) -> Duration {
    Duration::from_secs_f64(time / 1e3)
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let network = Network::new(NODES, &mut rng);
        let home = region(&mut rng);
        let mut groups: Vec<_> = (0..NODES as u16).map(|node| node % GROUPS).collect();
        groups.shuffle(&mut rng);
        let addresses: Vec<_> = (0..).zip(groups).map(|(node, group)| address(group, node)).collect();
        let mut world = World::new(rules(), seed);
        world.plan(Duration::ZERO, Plan::Refresh);
        world.plan(Duration::ZERO, Plan::Seeds);
        world.plan(MINUTE, Plan::Pings);
        world.plan(INTERVAL, Plan::Block);
        let seeding = Seeding::new(world.now);
        Self { world, network, home, addresses, peers: BTreeSet::new(), seeding, blocks: 0 }
    }

    /// Lets time pass.
    fn pass(&mut self, time: Duration) {
        let end = self.world.now + time;
        while let Some(event) = self.world.next(end) {
            match event {
                Event::Dial(address) => {
                    // A round trip for TCP, and one for the greetings.
                    let took = milliseconds(4.0 * self.network.one_way(self.home, node(&address)));
                    self.world.answer(address, Answer::Greeting(took));
                }
                Event::Connected(address) => {
                    self.peers.insert(node(&address));
                    self.hear(NAMED.1, Source::Gossip, Some(address.group()));
                }
                Event::Dropped(address) => drop(self.peers.remove(&node(&address))),
                Event::Due(Plan::Refresh) => self.hear(NAMED.0, Source::Node, None),
                Event::Due(Plan::Seeds) => {
                    let thin = self.world.book.is_thin(self.world.now);
                    if self.seeding.is_due(thin, self.world.now) {
                        for seed in 0..SEEDS_ASKED.0 {
                            self.hear(
                                SEEDS_ASKED.1,
                                Source::Dns,
                                Some(Group::Name(format!("seed{seed}.example").into())),
                            );
                        }
                    }
                    self.world.plan(MINUTE / 12, Plan::Seeds);
                }
                Event::Due(Plan::Pings) => {
                    for &peer in &self.peers {
                        let round_trip = milliseconds(2.0 * self.network.one_way(self.home, peer));
                        self.world.book.pinged(&self.addresses[peer], round_trip, self.world.now);
                    }
                    self.world.plan(MINUTE, Plan::Pings);
                }
                Event::Due(Plan::Block) => {
                    self.block();
                    let next = self.world.sometime(INTERVAL);
                    self.world.plan(next, Plan::Block);
                }
            }
        }
    }

    fn hear(&mut self, count: usize, source: Source, from: Option<Group>) {
        let seen = from.as_ref().map(|_| self.world.book.unix(self.world.now) as u32);
        let named: Vec<_> = self.addresses.choose_multiple(&mut self.world.rng, count).cloned().collect();
        for address in named {
            let heard = Heard { from: from.clone(), seen, ..Heard::of(address, Kind::Discovered(source)) };
            self.world.book.hear(heard, self.world.now);
        }
    }

    fn block(&mut self) {
        self.blocks += 1;
        let now = self.world.now;
        if self.blocks.is_multiple_of(OURS) {
            for &peer in &self.peers {
                // There, through its hands, and its answer back.
                let after = 2.0 * self.network.one_way(self.home, peer) + self.network.processing(peer);
                self.world.book.delivered(&self.addresses[peer], Some(milliseconds(after)), now);
            }
            return;
        }
        let miner = self.world.rng.random_range(0..NODES);
        let announces = |peer: &usize| (self.network.announces(*peer, miner, self.home), *peer);
        let mut announced: Vec<_> = self.peers.iter().map(announces).collect();
        announced.sort_by(|a, b| a.0.total_cmp(&b.0));
        let Some(&(first, _)) = announced.first() else { return };
        for (at, peer) in announced {
            self.world.book.announced(&self.addresses[peer], milliseconds(at - first), now);
        }
    }

    fn outcome(&mut self, seed: u64, learnt: &[f64]) -> Outcome {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let book: Vec<_> = self.world.book.iter().map(|(address, _)| address.clone()).collect();
        let random: Vec<_> = (0..DRAWS).map(|_| self.random_choice(&book)).collect();
        let others: Vec<_> = (0..NODES).map(|miner| self.network.spreads(SHARE, miner)).collect();
        Outcome {
            seed,
            random: mean(&random),
            learnt: mean(learnt),
            best: self.best_choice(),
            others: mean(&others),
        }
    }

    /// With 20 random peers of a book, of each neighbourhood one at most. (With so many tellers their quota is no limit.)
    fn random_choice(&mut self, book: &[Address]) -> f64 {
        let mut book = book.to_vec();
        book.sort();
        book.shuffle(&mut self.world.rng);
        let mut groups = BTreeSet::new();
        book.retain(|address| groups.insert(address.group()));
        let peers: Vec<_> = book.iter().take(PLACES).map(node).collect();
        self.network.reaches(SHARE, &peers, self.home)
    }

    /// With 20 that are chosen one after the other, each the best for those that are chosen already.
    fn best_choice(&self) -> f64 {
        let (mut chosen, mut groups) = (Vec::new(), BTreeSet::new());
        while chosen.len() < PLACES {
            let with = |node: usize| {
                let peers: Vec<_> = chosen.iter().copied().chain([node]).collect();
                self.network.reaches(SHARE, &peers, self.home)
            };
            let free = (0..NODES).filter(|&node| !groups.contains(&self.addresses[node].group()));
            let Some(best) = free.map(|node| (with(node), node)).min_by(|a, b| a.0.total_cmp(&b.0)) else {
                break;
            };
            groups.insert(self.addresses[best.1].group());
            chosen.push(best.1);
        }
        self.network.reaches(SHARE, &chosen, self.home)
    }
}

/// Which node has an address.
fn node(address: &Address) -> usize {
    match address {
        Address::Ip(std::net::SocketAddr::V4(address)) => {
            let [_, _, c, d] = address.ip().octets();
            u16::from_be_bytes([c, d]).into()
        }
        other => unreachable!("all have IPv4 addresses, not {other}"),
    }
}
