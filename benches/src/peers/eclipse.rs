//! Whether a flood of addresses gets hold of our connections.
//!
//! 200 honest peers stand in 120 neighbourhoods (/16), 5,000 hostile ones in two or in fifty. For 23 hours the hostile do
//! nothing wrong: they take every dial, never hang up, answer pings, have our blocks and announce others' as quickly as
//! anybody. All that gives them away is that they are so many. The book begins empty, and the flood is there already:
//!
//! - Our own node names its eight outbound peers, all honest, and anew every half hour. It answers `getaddr`, too, and
//!   half of that is hostile.
//! - An honest peer answers `getaddr` with 46 addresses (23% of 200), half of them hostile, and passes on one in ten
//!   minutes, half of which is hostile.
//! - A hostile peer names hostile addresses only, and as many as it is allowed: 1000 at once, and then one in ten seconds.
//! - One honest peer in ten is full whenever it is dialled, and connections to honest peers end after a day in the mean.
//! - A block of ours goes out every two hours; whoever is connected is proven to have it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use protocol::book::{Address, Group, Heard, Kind, Source};
use rand::{Rng, seq::IndexedRandom};
use serde_json::json;

use super::world::{Answer, DAY, Event, HOUR, MINUTE, PLACES, World, address, rules};
use crate::{
    Scope,
    figure::{Figure, rounded},
};

const HONEST: (u16, u16) = (200, 120);
const HOSTILE: u16 = 5000;

/// In how many neighbourhoods the hostile are, and which share of the places they may have.
const VARIANTS: [(u16, &str, f64); 2] = [(2, "two", 0.10), (50, "fifty", 0.25)];

/// How long the hostile behave.
const TIME: Duration = Duration::from_secs(23 * 3600);

/// Simulations whose results count.
const SEEDS: std::ops::Range<u64> = 1..11;

/// How many peers our node names.
const NAMED: usize = 8;

/// How many addresses an honest peer names at once, and then how often one; and a hostile one.
const HONEST_GOSSIP: (usize, Duration) = (46, Duration::from_secs(600));
const HOSTILE_GOSSIP: (usize, Duration) = (1000, Duration::from_secs(10));

/// Of what honest peers pass on, so much is hostile.
const POISONED: f64 = 0.5;

/// Of honest peers, so many are full.
const FULL: f64 = 0.1;

/// Blocks of the chain, and ours.
const INTERVAL: Duration = Duration::from_secs(150);
const OURS: Duration = Duration::from_secs(7200);

/// What came of one seed.
#[derive(Debug, Default)]
struct Outcome {
    seed: u64,
    /// Hostile peers connected at the end, and at the worst moment.
    at_end: usize,
    worst: usize,
    /// Own nodes that were let go, and honest peers that had a block of ours.
    own_displaced: usize,
    proven_displaced: usize,
    /// Honest peers that had a block of ours, and are not in the book any more.
    proven_forgotten: usize,
    /// How many peers are connected at the end, and how many addresses the book holds.
    connected: usize,
    book: usize,
    deliveries: usize,
}

/// What is planned.
#[derive(Debug)]
enum Plan {
    Refresh,
    Pings,
    Block,
    OurBlock,
    /// A peer passes an address on.
    Gossip(Address),
    /// A peer goes away, unless it is a later connection.
    Leaves(Address, u64),
}

/// What a peer is like.
#[derive(Debug, Clone, Copy)]
struct Nature {
    hostile: bool,
    /// Seconds.
    round_trip: f64,
    /// How far behind the miner it has a block, in seconds, in the mean.
    behind: f64,
}

struct Simulation {
    world: World<Plan>,
    natures: BTreeMap<Address, Nature>,
    honest: Vec<Address>,
    hostile: Vec<Address>,
    own: Address,
    named: Vec<Address>,
    /// Who is connected, and which of all connections that is.
    peers: BTreeMap<Address, u64>,
    connections: u64,
    /// Honest peers with a proven delivery.
    proven: BTreeSet<Address>,
    outcome: Outcome,
}

/// Measures all rows.
pub(super) fn run(scope: Scope) -> Vec<Figure> {
    let seeds = match scope {
        Scope::Full => SEEDS,
        Scope::Short => SEEDS.start..SEEDS.start + 1,
    };
    let mut figures = Vec::new();
    for (groups, name, goal) in VARIANTS {
        let outcomes: Vec<_> = seeds.clone().map(|seed| simulate(seed, groups)).collect();
        figures.extend(rows(&outcomes, name, goal));
    }
    figures
}

fn rows(outcomes: &[Outcome], name: &str, goal: f64) -> Vec<Figure> {
    let most = |of: &dyn Fn(&Outcome) -> usize| outcomes.iter().map(of).max().unwrap_or_default();
    let share = |peers: usize| peers as f64 / PLACES as f64;
    let by_seed: Vec<_> = outcomes
        .iter()
        .map(|outcome| {
            json!({
                "seed": outcome.seed, "at_end": outcome.at_end, "worst": outcome.worst,
                "connected": outcome.connected, "book": outcome.book,
                "proven_displaced": outcome.proven_displaced, "proven_forgotten": outcome.proven_forgotten,
            })
        })
        .collect();
    let at_end: usize = outcomes.iter().map(|outcome| outcome.at_end).sum();
    let detail = json!({
        "hours": rounded(TIME.as_secs_f64() / 3600.0),
        "at_end": share(most(&|outcome| outcome.at_end)),
        "at_end_in_the_mean": rounded(share(at_end) / outcomes.len() as f64),
        "by_seed": by_seed,
    });
    let displaced =
        most(&|outcome| outcome.own_displaced + outcome.proven_displaced + outcome.proven_forgotten);
    let deliveries = json!({
        "own_nodes": most(&|outcome| outcome.own_displaced),
        "proven_let_go": most(&|outcome| outcome.proven_displaced),
        "proven_forgotten": most(&|outcome| outcome.proven_forgotten),
        "deliveries": most(&|outcome| outcome.deliveries),
    });
    vec![
        Figure::at_most(
            format!("peers/eclipse_{name}_neighbourhoods"),
            share(most(&|outcome| outcome.worst)),
            "of the places",
            goal,
            detail,
        ),
        Figure::at_most(
            format!("peers/eclipse_{name}_neighbourhoods_displaced"),
            displaced as f64,
            "peers",
            0.0,
            deliveries,
        ),
    ]
}

/// One seed.
fn simulate(seed: u64, groups: u16) -> Outcome {
    let mut simulation = Simulation::new(seed, groups);
    simulation.pass(TIME);
    let mut outcome = simulation.outcome;
    let book = &simulation.world.book;
    outcome.at_end = simulation.peers.keys().filter(|peer| simulation.natures[*peer].hostile).count();
    outcome.proven_forgotten = simulation.proven.iter().filter(|peer| book.get(peer).is_none()).count();
    outcome.connected = simulation.peers.len();
    outcome.book = book.len();
    outcome
}

impl Simulation {
    fn new(seed: u64, groups: u16) -> Self {
        let mut world: World<Plan> = World::new(rules(), seed);
        let honest: Vec<_> = (0..HONEST.0).map(|n| address(n % HONEST.1, n)).collect();
        let hostile: Vec<_> = (0..HOSTILE).map(|n| address(1000 + n % groups, n)).collect();
        let mut nature = |hostile| Nature {
            hostile,
            round_trip: world.rng.random_range(0.02..0.3),
            behind: world.rng.random_range(0.1..1.0),
        };
        let mut natures: BTreeMap<_, _> = honest.iter().map(|at| (at.clone(), nature(false))).collect();
        natures.extend(hostile.iter().map(|at| (at.clone(), nature(true))));
        let own = address(19_000, 1);
        natures.insert(own.clone(), Nature { hostile: false, round_trip: 0.001, behind: 0.3 });
        let named: Vec<_> = honest.choose_multiple(&mut world.rng, NAMED).cloned().collect();
        world.book.hear(Heard::of(own.clone(), Kind::Own { node: "a".into() }), world.now);
        for (after, plan) in [
            (Duration::ZERO, Plan::Refresh),
            (MINUTE, Plan::Pings),
            (INTERVAL, Plan::Block),
            (HOUR, Plan::OurBlock),
        ] {
            world.plan(after, plan);
        }
        Self {
            world,
            natures,
            honest,
            hostile,
            own,
            named,
            peers: BTreeMap::new(),
            connections: 0,
            proven: BTreeSet::new(),
            outcome: Outcome { seed, ..Outcome::default() },
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.world.now + time;
        while let Some(event) = self.world.next(end) {
            match event {
                Event::Dial(address) => {
                    let nature = self.natures[&address];
                    let took = Duration::from_secs_f64(2.0 * nature.round_trip);
                    let honest = !nature.hostile && address != self.own;
                    let answer = match honest && self.world.rng.random_bool(FULL) {
                        true => Answer::Refusal(took),
                        false => Answer::Greeting(took),
                    };
                    self.world.answer(address, answer);
                }
                Event::Connected(address) => self.connected(address),
                Event::Dropped(address) => self.dropped(&address),
                Event::Due(plan) => self.due(plan),
            }
        }
    }

    fn connected(&mut self, peer: Address) {
        let (count, pause) = self.gossip_of(&peer);
        for _ in 0..count {
            self.gossip(&peer);
        }
        let pause = self.world.sometime(pause);
        self.world.plan(pause, Plan::Gossip(peer.clone()));
        if peer == self.own {
            return;
        }
        self.connections += 1;
        self.peers.insert(peer.clone(), self.connections);
        if !self.natures[&peer].hostile {
            let stays = self.world.sometime(DAY);
            self.world.plan(stays, Plan::Leaves(peer, self.connections));
        }
        let hostile = self.peers.keys().filter(|peer| self.natures[*peer].hostile).count();
        self.outcome.worst = self.outcome.worst.max(hostile);
    }

    /// The book has let go of one.
    fn dropped(&mut self, peer: &Address) {
        self.peers.remove(peer);
        self.outcome.own_displaced += usize::from(*peer == self.own);
        self.outcome.proven_displaced += usize::from(self.proven.contains(peer));
    }

    fn gossip_of(&self, peer: &Address) -> (usize, Duration) {
        if self.natures[peer].hostile { HOSTILE_GOSSIP } else { HONEST_GOSSIP }
    }

    /// A peer names one address.
    fn gossip(&mut self, peer: &Address) {
        let hostile = self.natures[peer].hostile || self.world.rng.random_bool(POISONED);
        let among = if hostile { &self.hostile } else { &self.honest };
        let Some(named) = among.choose(&mut self.world.rng).cloned() else { return };
        let (from, now) = (Some(peer.group()), self.world.now);
        self.hear(named, Source::Gossip, from, Some(self.world.book.unix(now) as u32));
    }

    fn hear(&mut self, address: Address, source: Source, from: Option<Group>, seen: Option<u32>) {
        let heard = Heard { from, seen, ..Heard::of(address, Kind::Discovered(source)) };
        self.world.book.hear(heard, self.world.now);
    }

    fn due(&mut self, plan: Plan) {
        match plan {
            Plan::Refresh => {
                for address in self.named.clone() {
                    self.hear(address, Source::Node, None, None);
                }
                self.world.plan(30 * MINUTE, Plan::Refresh);
            }
            Plan::Gossip(peer) => {
                if peer == self.own || self.peers.contains_key(&peer) {
                    self.gossip(&peer);
                    let (_, pause) = self.gossip_of(&peer);
                    let pause = self.world.sometime(pause);
                    self.world.plan(pause, Plan::Gossip(peer));
                }
            }
            Plan::Leaves(peer, connection) => {
                if self.peers.get(&peer) == Some(&connection) {
                    self.peers.remove(&peer);
                    self.world.hang_up(&peer);
                }
            }
            Plan::Pings => {
                for peer in self.peers.keys() {
                    let round_trip = Duration::from_secs_f64(self.natures[peer].round_trip);
                    self.world.book.pinged(peer, round_trip, self.world.now);
                }
                self.world.plan(MINUTE, Plan::Pings);
            }
            Plan::Block => {
                self.block();
                let next = self.world.sometime(INTERVAL);
                self.world.plan(next, Plan::Block);
            }
            Plan::OurBlock => {
                for (peer, nature) in self.peers.keys().map(|peer| (peer, self.natures[peer])) {
                    let after = Duration::from_secs_f64(nature.round_trip + 0.05);
                    self.world.book.delivered(peer, Some(after), self.world.now);
                    self.outcome.deliveries += 1;
                    if !nature.hostile {
                        self.proven.insert(peer.clone());
                    }
                }
                self.world.plan(OURS, Plan::OurBlock);
            }
        }
    }

    /// Somebody else's block is announced, by each peer when it has it: earlier or later by half.
    fn block(&mut self) {
        let mut announced: Vec<_> = self
            .peers
            .keys()
            .map(|peer| (self.natures[peer].behind * self.world.rng.random_range(0.5..1.5), peer))
            .collect();
        announced.sort_by(|a, b| a.0.total_cmp(&b.0));
        let Some(&(first, _)) = announced.first() else { return };
        for (at, peer) in announced {
            self.world.book.announced(peer, Duration::from_secs_f64(at - first), self.world.now);
        }
    }
}
