mod attack;
mod choice;
mod files;
mod history;
mod trial;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use rand::{SeedableRng, rngs::StdRng};

use super::*;

/// When the tests begin, by the wall clock.
const EPOCH: f64 = 1_764_374_400.0;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const NODE: Kind = Kind::Discovered(Source::Node);
const GOSSIP: Kind = Kind::Discovered(Source::Gossip);

fn rules() -> Rules {
    Rules {
        max: 10,
        min: 3,
        dials_at_once: 3,
        dials_per_cycle: 5,
        per_group: 1,
        per_asn: 0,
        per_country: 0,
        atlas: None,
        local: false,
        hidden: false,
    }
}

/// A book, and a clock that the test moves.
struct World {
    book: PeerBook,
    now: Instant,
    rng: StdRng,
}

impl World {
    fn new(rules: Rules) -> Self {
        let now = Instant::now();
        let book = PeerBook::new(rules, Calendar { instant: now, unix: EPOCH }, 1);
        Self { book, now, rng: StdRng::seed_from_u64(1) }
    }

    fn hear(&mut self, address: &str, kind: Kind) -> bool {
        self.book.hear(Heard::of(at(address), kind), self.now)
    }

    fn work(&mut self) -> Vec<Task> {
        self.book.work(&mut self.rng, self.now)
    }

    /// The addresses to dial now.
    fn dials(&mut self) -> Vec<String> {
        let dial = |task| match task {
            Task::Dial { address, .. } => Some(address.to_string()),
            Task::Drop { .. } => None,
        };
        self.work().into_iter().filter_map(dial).collect()
    }

    fn connected(&mut self, address: &str) {
        self.book.connected(&at(address), 1, Some(Duration::from_millis(50)), self.now);
    }

    fn failed(&mut self, address: &str, counts: bool) {
        self.book.dial_failed(&at(address), counts, 1.0, self.now);
    }

    /// Lets time pass, cycle by cycle. Who is dialled is connected at once; who is dropped is gone.
    fn run(&mut self, time: Duration) -> Vec<Task> {
        let (end, mut all) = (self.now + time, Vec::new());
        while self.now < end {
            let tasks = self.work();
            for task in &tasks {
                match task {
                    Task::Dial { address, .. } => {
                        self.book.connected(address, 1, Some(Duration::from_millis(50)), self.now);
                    }
                    Task::Drop { address, .. } => self.book.disconnected(address, 1.0, self.now),
                }
            }
            all.extend(tasks);
            self.now += upkeep::CYCLE;
        }
        all
    }

    fn score(&self, address: &str) -> u32 {
        self.book.get(&at(address)).unwrap_or_else(|| panic!("{address} is in the book")).score(self.now)
    }

    fn connected_now(&self) -> Vec<String> {
        let connected = self.book.iter().filter(|(_, entry)| entry.state == State::Connected);
        connected.map(|(address, _)| address.to_string()).collect()
    }
}

fn at(address: &str) -> Address {
    address.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// The `n`th address of a neighbourhood.
fn neighbour(a: u8, b: u8, n: u16) -> Address {
    let [c, d] = n.to_be_bytes();
    SocketAddr::from(([a, b, c, d], 9333)).into()
}

fn fixed(priority: Priority) -> Kind {
    Kind::Fixed { priority }
}

fn own() -> Kind {
    Kind::Own { node: "a".into() }
}
