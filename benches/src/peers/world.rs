//! A peer book in a world that is made up: time passes by leaps, and who is dialled answers as the simulation says.
//!
//! The book is the real one, driven as the engine drives it: asked for work on a beat, and after everything that happens.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant},
};

use protocol::book::{Address, Calendar, PeerBook, Rules, State, Task};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// When simulations begin, by the wall clock.
const EPOCH: f64 = 1_764_374_400.0;

/// How often the book is asked for work when nothing happens. The engine asks twice a second; the book looks for
/// something to do once in five.
const BEAT: Duration = Duration::from_secs(5);

/// How long the engine waits for whoever does not answer.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// What happens.
#[derive(Debug)]
pub(super) enum Event<E> {
    /// The book dials; the simulation has to [answer](World::answer).
    Dial(Address),
    /// The handshake is done.
    Connected(Address),
    /// The book has let go of one.
    Dropped(Address),
    /// What the simulation has put on the agenda.
    Due(E),
}

/// What a dial comes to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    /// A handshake that takes so long.
    Greeting(Duration),
    /// A refusal after so long.
    Refusal(Duration),
    /// None.
    Silence,
}

#[derive(Debug)]
enum Item<E> {
    Greets { address: Address, dialled: Instant },
    Fails(Address),
    Due(E),
}

/// The book, the time and the dice.
#[derive(Debug)]
pub(super) struct World<E> {
    pub(super) book: PeerBook,
    pub(super) now: Instant,
    pub(super) rng: StdRng,
    agenda: BTreeMap<(Instant, u64), Item<E>>,
    /// How many things were ever on the agenda: of two at the same time the earlier noted comes first.
    noted: u64,
    happened: VecDeque<Event<E>>,
    beat: Instant,
}

impl<E> World<E> {
    pub(super) fn new(rules: Rules, seed: u64) -> Self {
        // Only what is added to it matters.
        let now = Instant::now();
        let mut rng = StdRng::seed_from_u64(seed);
        let book = PeerBook::new(rules, Calendar { instant: now, unix: EPOCH }, rng.random());
        Self { book, now, rng, agenda: BTreeMap::new(), noted: 0, happened: VecDeque::new(), beat: now }
    }

    /// What happens next, unless that is after `end`: then it is `end` now.
    pub(super) fn next(&mut self, end: Instant) -> Option<Event<E>> {
        loop {
            if let Some(event) = self.happened.pop_front() {
                return Some(event);
            }
            let planned = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let at = planned.map_or(self.beat, |planned| planned.min(self.beat));
            if at > end {
                self.now = end;
                return None;
            }
            self.now = at;
            if at == self.beat {
                self.beat += BEAT;
            } else if let Some((_, item)) = self.agenda.pop_first() {
                self.happen(item);
            }
            self.work();
        }
    }

    fn happen(&mut self, item: Item<E>) {
        match item {
            Item::Greets { address, dialled } => {
                self.book.connected(&address, 1, Some(self.now - dialled), self.now);
                self.happened.push_back(Event::Connected(address));
            }
            Item::Fails(address) => {
                // As the engine has it: while nobody is heard, there may be no network.
                let counts = self.book.iter().any(|(_, entry)| entry.state == State::Connected);
                let jitter = self.rng.random();
                self.book.dial_failed(&address, counts, jitter, self.now);
            }
            Item::Due(event) => self.happened.push_back(Event::Due(event)),
        }
    }

    fn work(&mut self) {
        for task in self.book.work(&mut self.rng, self.now) {
            let event = match task {
                Task::Dial { address, .. } => Event::Dial(address),
                Task::Drop { address, .. } => {
                    self.hang_up(&address);
                    Event::Dropped(address)
                }
            };
            self.happened.push_back(event);
        }
    }

    fn note(&mut self, after: Duration, item: Item<E>) {
        self.noted += 1;
        self.agenda.insert((self.now + after, self.noted), item);
    }

    /// Puts something on the agenda.
    pub(super) fn plan(&mut self, after: Duration, event: E) {
        self.note(after, Item::Due(event));
    }

    /// Says what becomes of a dial.
    pub(super) fn answer(&mut self, address: Address, answer: Answer) {
        let dialled = self.now;
        match answer {
            Answer::Greeting(after) => self.note(after, Item::Greets { address, dialled }),
            Answer::Refusal(after) => self.note(after, Item::Fails(address)),
            Answer::Silence => self.note(DIAL_TIMEOUT, Item::Fails(address)),
        }
    }

    /// Ends a connection.
    pub(super) fn hang_up(&mut self, address: &Address) {
        let jitter = self.rng.random();
        self.book.disconnected(address, jitter, self.now);
    }

    /// When something happens that happens at random, once in `mean`.
    pub(super) fn sometime(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-(1.0 - self.rng.random::<f64>()).ln())
    }
}

/// A public address: the `host`th of the `group`th neighbourhood, of which there are 20,000.
pub(super) fn address(group: u16, host: u16) -> Address {
    let ([a, b], [c, d]) = ((20 * 256 + group).to_be_bytes(), host.to_be_bytes());
    SocketAddr::from(([a, b, c, d], 9333)).into()
}

/// The book's rules as the engine has them by default, with 20 places.
pub(super) fn rules() -> Rules {
    Rules {
        max: PLACES,
        min: 5,
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

/// How many peers are held.
pub(super) const PLACES: usize = 20;
