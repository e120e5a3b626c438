//! How a book that knows nobody finds peers.
//!
//! One node of ours, with eight outbound peers that it names, and two DNS seeds, in a network of 1,000 peers, each in one of
//! 600 neighbourhoods (/16). Of the peers 30% do not answer (gone, or behind a router that lets nobody in), and 10% refuse
//! (full); both are as likely to be named as the others, except by our node, which is connected to those it names. Who
//! answers is healthy: all are honest here. Whoever is connected names 230 addresses (23% of the network, as the daemons
//! answer `getaddr`) and then one in ten minutes. DNS seeds crawl, but not without pause: nine in ten of the 32 that each
//! gives at a time answer. Connections end after a day in the mean.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use protocol::book::{Address, Group, Heard, Kind, Seeding, Source};
use rand::{
    Rng,
    seq::{IndexedRandom, SliceRandom},
};
use serde_json::json;

use super::world::{Answer, DAY, Event, HOUR, MINUTE, World, address, rules};
use crate::{Scope, figure::Figure};

const NODES: u16 = 1000;

/// In how many neighbourhoods they are.
const GROUPS: u16 = 600;

/// Shares of the peers.
const SILENT: f64 = 0.3;
const REFUSING: f64 = 0.1;

/// How many peers our node names; how many a peer, and then how often one; how many each of the DNS seeds, and which share
/// of those answers.
const NAMED: usize = 8;
const GOSSIP: (usize, Duration) = (230, Duration::from_secs(600));
const DNS_SEEDS: (u16, usize, f64) = (2, 32, 0.9);

/// What has to be: healthy peers after an hour, addresses known after an hour and after a day.
const GOALS: (f64, f64, f64) = (18.0, 50.0, 200.0);

/// Peers on trial are judged every half hour, and those that were let go are replaced within seconds: counted is a moment
/// before that.
const MOMENT: Duration = Duration::from_secs(5);

/// Simulations whose results count.
const SEEDS: std::ops::Range<u64> = 1..11;

/// What came of one seed.
#[derive(Debug)]
struct Outcome {
    seed: u64,
    /// Healthy peers connected, and addresses known, after an hour.
    healthy: usize,
    known: usize,
    /// The same after a day.
    healthy_later: usize,
    known_later: usize,
    /// When 18 were connected for the first time, in seconds.
    after: Option<f64>,
    /// How often DNS seeds were asked in that day.
    asked: usize,
    /// Dials in the first hour.
    dials: usize,
}

/// What is planned.
#[derive(Debug)]
enum Plan {
    /// Our node is asked for its peers.
    Refresh,
    /// It is seen whether DNS seeds are to be asked.
    Seeds,
    /// A peer passes an address on.
    Gossip(Address),
    /// A peer goes away, unless it is a later connection.
    Leaves(Address, u64),
}

struct Simulation {
    world: World<Plan>,
    /// What comes of dialling each.
    answers: BTreeMap<Address, Answer>,
    all: Vec<Address>,
    healthy: Vec<Address>,
    named: Vec<Address>,
    own: Address,
    seeding: Seeding,
    peers: BTreeMap<Address, u64>,
    connections: u64,
    asked: usize,
    dials: usize,
    full_at: Option<f64>,
    seconds: f64,
}

/// Measures all rows.
pub(super) fn run(scope: Scope) -> Vec<Figure> {
    let seeds = match scope {
        Scope::Full => SEEDS,
        Scope::Short => SEEDS.start..SEEDS.start + 2,
    };
    rows(&seeds.map(simulate).collect::<Vec<_>>())
}

fn rows(outcomes: &[Outcome]) -> Vec<Figure> {
    let least = |of: &dyn Fn(&Outcome) -> usize| outcomes.iter().map(of).min().unwrap_or_default() as f64;
    let by_seed: Vec<_> = outcomes
        .iter()
        .map(|outcome| {
            json!({
                "seed": outcome.seed, "healthy": outcome.healthy, "known": outcome.known,
                "eighteen_after_s": outcome.after, "dials": outcome.dials, "after_a_day": {
                    "healthy": outcome.healthy_later, "known": outcome.known_later,
                    "dns_seeds_asked": outcome.asked,
                },
            })
        })
        .collect();
    let detail = json!({ "nodes": NODES, "silent": SILENT, "refusing": REFUSING, "by_seed": by_seed });
    let (healthy, known, later) = GOALS;
    vec![
        Figure::at_least(
            "peers/cold_start_healthy_after_an_hour",
            least(&|outcome| outcome.healthy),
            "peers",
            healthy,
            detail,
        ),
        Figure::at_least(
            "peers/cold_start_known_after_an_hour",
            least(&|outcome| outcome.known),
            "addresses",
            known,
            json!({}),
        ),
        Figure::at_least(
            "peers/cold_start_known_after_a_day",
            least(&|outcome| outcome.known_later),
            "addresses",
            later,
            json!({}),
        ),
    ]
}

/// One seed.
fn simulate(seed: u64) -> Outcome {
    let mut simulation = Simulation::new(seed);
    simulation.pass(HOUR - MOMENT);
    let counts = |simulation: &Simulation| (simulation.peers.len(), simulation.world.book.len() - 1);
    let ((healthy, known), dials) = (counts(&simulation), simulation.dials);
    simulation.pass(DAY - HOUR);
    let (healthy_later, known_later) = counts(&simulation);
    let (after, asked) = (simulation.full_at, simulation.asked);
    Outcome { seed, healthy, known, healthy_later, known_later, after, asked, dials }
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut world: World<Plan> = World::new(rules(), seed);
        let mut groups: Vec<_> = (0..NODES).map(|node| node % GROUPS).collect();
        groups.shuffle(&mut world.rng);
        let all: Vec<_> = (0..).zip(groups).map(|(node, group)| address(group, node)).collect();
        let mut answers = BTreeMap::new();
        for address in &all {
            let round_trip = world.rng.random_range(0.02..0.3);
            let dice: f64 = world.rng.random();
            let answer = if dice < SILENT {
                Answer::Silence
            } else if dice < SILENT + REFUSING {
                Answer::Refusal(Duration::from_secs_f64(round_trip))
            } else {
                Answer::Greeting(Duration::from_secs_f64(2.0 * round_trip))
            };
            answers.insert(address.clone(), answer);
        }
        let greets = |address: &&Address| matches!(answers[*address], Answer::Greeting(_));
        let healthy: Vec<_> = all.iter().filter(greets).cloned().collect();
        let named: Vec<_> = healthy.choose_multiple(&mut world.rng, NAMED).cloned().collect();
        let own = address(19_000, 1);
        answers.insert(own.clone(), Answer::Greeting(Duration::from_millis(2)));
        world.book.hear(Heard::of(own.clone(), Kind::Own { node: "a".into() }), world.now);
        world.plan(Duration::ZERO, Plan::Refresh);
        world.plan(Duration::ZERO, Plan::Seeds);
        let seeding = Seeding::new(world.now);
        Self {
            world,
            answers,
            all,
            healthy,
            named,
            own,
            seeding,
            peers: BTreeMap::new(),
            connections: 0,
            asked: 0,
            dials: 0,
            full_at: None,
            seconds: 0.0,
        }
    }

    fn pass(&mut self, time: Duration) {
        let (start, end) = (self.world.now, self.world.now + time);
        while let Some(event) = self.world.next(end) {
            match event {
                Event::Dial(address) => {
                    self.dials += 1;
                    let answer = self.answers[&address];
                    self.world.answer(address, answer);
                }
                Event::Connected(address) => self.connected(address),
                Event::Dropped(address) => drop(self.peers.remove(&address)),
                Event::Due(plan) => self.due(plan),
            }
            if self.full_at.is_none() && self.peers.len() as f64 >= GOALS.0 {
                self.full_at = Some(self.seconds + (self.world.now - start).as_secs_f64());
            }
        }
        self.seconds += time.as_secs_f64();
    }

    fn connected(&mut self, peer: Address) {
        let named: Vec<_> = self.all.choose_multiple(&mut self.world.rng, GOSSIP.0).cloned().collect();
        self.hear(named, Source::Gossip, Some(peer.group()));
        let pause = self.world.sometime(GOSSIP.1);
        self.world.plan(pause, Plan::Gossip(peer.clone()));
        if peer != self.own {
            self.connections += 1;
            self.peers.insert(peer.clone(), self.connections);
            let stays = self.world.sometime(DAY);
            self.world.plan(stays, Plan::Leaves(peer, self.connections));
        }
    }

    fn hear(&mut self, addresses: Vec<Address>, source: Source, from: Option<Group>) {
        let seen = from.as_ref().map(|_| self.world.book.unix(self.world.now) as u32);
        for address in addresses {
            let heard = Heard { from: from.clone(), seen, ..Heard::of(address, Kind::Discovered(source)) };
            self.world.book.hear(heard, self.world.now);
        }
    }

    fn due(&mut self, plan: Plan) {
        match plan {
            Plan::Refresh => {
                self.hear(self.named.clone(), Source::Node, None);
                self.world.plan(30 * MINUTE, Plan::Refresh);
            }
            Plan::Seeds => {
                let thin = self.world.book.is_thin(self.world.now);
                if self.seeding.is_due(thin, self.world.now) {
                    self.asked += 1;
                    (0..DNS_SEEDS.0)
                        .for_each(|seed| self.ask(Group::Name(format!("seed{seed}.example").into())));
                }
                self.world.plan(MINUTE / 12, Plan::Seeds);
            }
            Plan::Gossip(peer) => {
                if peer == self.own || self.peers.contains_key(&peer) {
                    let named = self.all.choose(&mut self.world.rng).cloned();
                    self.hear(named.into_iter().collect(), Source::Gossip, Some(peer.group()));
                    let pause = self.world.sometime(GOSSIP.1);
                    self.world.plan(pause, Plan::Gossip(peer));
                }
            }
            Plan::Leaves(peer, connection) => {
                if self.peers.get(&peer) == Some(&connection) {
                    self.peers.remove(&peer);
                    self.world.hang_up(&peer);
                }
            }
        }
    }

    /// A DNS seed answers.
    fn ask(&mut self, seed: Group) {
        let (_, count, fresh) = DNS_SEEDS;
        let mut given = BTreeSet::new();
        while given.len() < count {
            let among = if self.world.rng.random_bool(fresh) { &self.healthy } else { &self.all };
            given.extend(among.choose(&mut self.world.rng).cloned());
        }
        self.hear(given.into_iter().collect(), Source::Dns, Some(seed));
    }
}
