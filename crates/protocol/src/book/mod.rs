//! The peer book: who exists, how good they are, and whom to dial next.
//!
//! The book holds addresses, never sockets. It [hears](PeerBook::hear) of addresses, is asked what there is [to
//! do](PeerBook::work), is told what came of it, and keeps a bounded [score] that fading luck, proven deliveries and
//! measurements move. Our own nodes stand above all that: their score is shown as [`Score::OWN`], they are dialled for
//! ever and never dropped.
//!
//! # Who gets a connection
//!
//! Fixed peers first, then [anchors](mod@file) of the last run, then those that the chain prefers, then strangers: of
//! those known to be good the best, and of the unknown one found by lot, bucket by bucket. Of a few places at the end it is
//! the unknown who get them, on trial: the best of them takes the place of the worst of the others once it is clearly
//! better, and goes when it is clear that it is not. What counts is its *promise*: how much later we should hear of blocks
//! without it. Newcomers, whom nobody but strangers has named and who have not been
//! connected for a day in all, have a quarter of the places, those on trial among them, and contend with each other: there
//! are more of them only while there is not even the minimum.
//!
//! # Security
//!
//! Whoever wants to surround us must get into the book, be chosen, and stay. Into the book leads a place that a keyed
//! hash gives by neighbourhood and teller (`buckets`); chosen is one of each neighbourhood, and of one teller's at most a
//! quarter; and who is connected and delivers is not given up for a newcomer, before that has behaved for a day. What anyone
//! says of times, services and addresses is bounded, and believed of nobody but the operator and our own nodes.

mod address;
mod backoff;
mod buckets;
mod entry;
mod explanation;
pub mod file;
mod kind;
mod promise;
mod rules;
pub mod score;
mod selection;
mod trial;
mod upkeep;

pub use address::{Address, Group, NoAddress};
pub use backoff::Backoff;
pub use entry::{Entry, State};
pub use explanation::Explanation;
pub use file::BookFile;
pub use kind::{Kind, Priority, Rank, Source};
pub use rules::{Atlas, Rules};
pub use score::{Score, Term};
pub use upkeep::{Seeding, Task};

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use buckets::{Buckets, Place};
use upkeep::Rhythm;

/// How many peers of the chain's own source are held. Dash has some 3,000 masternodes.
const PREFERRED: usize = 8192;

/// Who was last alive so long ago, as others say, is not worth a place: 30 days.
const HORIZON: f64 = 30.0 * 86_400.0;

/// What a rumour's time is set to that cannot be: five days ago (as the daemons do, L net_processing.cpp `addr`).
const DOUBTFUL: f64 = 5.0 * 86_400.0;

/// How much older than it says a rumour is taken to be: two hours.
const HEARSAY: f64 = 2.0 * 3600.0;

/// With whom we were connected so lately, in seconds, is not doubted.
const UNDOUBTED: f64 = 86_400.0;

/// Says which wall clock time an [`Instant`] is; the book itself reads no clock.
#[derive(Debug, Clone, Copy)]
pub struct Calendar {
    /// A moment.
    pub instant: Instant,
    /// The same in Unix seconds.
    pub unix: f64,
}

impl Calendar {
    /// Unix seconds at a moment.
    pub fn unix(&self, at: Instant) -> f64 {
        match at.checked_duration_since(self.instant) {
            Some(after) => self.unix + after.as_secs_f64(),
            None => self.unix - self.instant.saturating_duration_since(at).as_secs_f64(),
        }
    }
}

/// What is heard of a peer.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Where it is.
    pub address: Address,
    /// What it is.
    pub kind: Kind,
    /// Who says so: the neighbourhood of a peer, or of a DNS seed. `None`: our own node, the configuration, the chain.
    pub from: Option<Group>,
    /// When it was last alive, Unix seconds, as a peer claims; `None`: it is so now.
    pub seen: Option<u32>,
    /// What it offers, as bits, as far as that is said.
    pub services: u64,
}

impl Heard {
    /// Of someone whom we need not doubt.
    pub fn of(address: Address, kind: Kind) -> Self {
        Self { address, kind, from: None, seen: None, services: 0 }
    }
}

/// The book of one chain.
#[derive(Debug, Clone)]
pub struct PeerBook {
    rules: Rules,
    calendar: Calendar,
    entries: HashMap<Address, Entry>,
    buckets: Buckets,
    /// Who is being dialled or connected.
    busy: BTreeSet<Address>,
    own: BTreeSet<Address>,
    fixed: BTreeSet<Address>,
    /// Hosts that are not dialled, and until when, Unix seconds.
    bans: BTreeMap<String, f64>,
    /// Who was connected when the last run ended, the best last.
    anchors: Vec<Address>,
    /// Whose place another wants that we were connected to: they are to be tried.
    doubted: BTreeSet<Address>,
    /// Who has announced a block that nobody else has announced yet, and when.
    leader: Option<(Address, Instant)>,
    rhythm: Rhythm,
}

impl PeerBook {
    /// An empty book. Nobody else may know the key.
    pub fn new(rules: Rules, calendar: Calendar, key: u64) -> Self {
        Self {
            rules,
            calendar,
            entries: HashMap::new(),
            buckets: Buckets::new(key),
            busy: BTreeSet::new(),
            own: BTreeSet::new(),
            fixed: BTreeSet::new(),
            bans: BTreeMap::new(),
            anchors: Vec::new(),
            doubted: BTreeSet::new(),
            leader: None,
            rhythm: Rhythm::default(),
        }
    }

    /// Hears of an address; says whether it is in the book now. One that is known already keeps its history, and takes the
    /// better of its two kinds; of two that the chain prefers, the later.
    pub fn hear(&mut self, heard: Heard, now: Instant) -> bool {
        self.hear_at(heard, None, now)
    }

    /// The same for one that had a certain one of its places when the book was written.
    fn hear_at(&mut self, heard: Heard, choice: Option<usize>, now: Instant) -> bool {
        let Heard { address, kind, from, seen, services } = heard;
        if kind.is_discovered() && !self.rules.admits(&address) {
            return false;
        }
        let unix = self.calendar.unix(now);
        let seen = seen.map_or(unix, |claimed| believed(claimed, unix));
        if unix - seen > HORIZON {
            return false;
        }
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.heard_as(kind.clone(), from, unix, now);
            entry.last_seen = entry.last_seen.max(seen);
            entry.services |= services;
            self.reserve(&address, &kind);
            return true;
        }
        let mut entry = Entry::new(kind.clone(), from, unix, now);
        (entry.last_seen, entry.services) = (seen, services);
        if kind.is_discovered() {
            let places = self.buckets.new_places(&address, entry.heard_from.as_ref());
            let first = choice.and_then(|choice| places.get(choice).copied());
            let free = first.into_iter().chain(places).find(|place| self.buckets.is_free(*place));
            let free = free.or_else(|| places.into_iter().find(|place| self.make_room(*place, now)));
            let Some(place) = free.or_else(|| self.outrank(places, &kind, now)) else { return false };
            entry.place = place;
            self.buckets.put(place, address.clone());
        } else if matches!(kind, Kind::Preferred { .. }) && !self.make_room_for_preferred(now) {
            return false;
        }
        self.entries.insert(address.clone(), entry);
        self.reserve(&address, &kind);
        true
    }

    /// Who is no stranger needs no bucket.
    fn reserve(&mut self, address: &Address, kind: &Kind) {
        match kind {
            Kind::Own { .. } => drop(self.own.insert(address.clone())),
            Kind::Fixed { .. } => drop(self.fixed.insert(address.clone())),
            Kind::Preferred { .. } => {}
            Kind::Discovered(_) => return,
        }
        if let Some(entry) = self.entries.get_mut(address) {
            self.buckets.clear(std::mem::replace(&mut entry.place, Place::Reserved));
        }
        self.rhythm.stir();
    }

    /// Makes a place free if whoever stands there is worth less than nothing; says whether it is free now.
    fn make_room(&mut self, place: Place, now: Instant) -> bool {
        let Some(occupant) = self.buckets.occupant(place) else { return true };
        let unix = self.calendar.unix(now);
        let worn = self.entries.get(&occupant).is_none_or(|entry| {
            let stale = unix - entry.last_seen > HORIZON;
            entry.state == State::Idle && !entry.is_proven() && (stale || entry.has_failed_for_long(unix))
        });
        if worn {
            self.forget(&occupant);
        }
        worn
    }

    /// Takes one of these places from a rumour about one to whom we were never connected, the one that is worth least:
    /// whoever is named by someone better than strangers is not kept out by a flood of what strangers say.
    fn outrank(&mut self, places: [Place; buckets::CHOICES], kind: &Kind, now: Instant) -> Option<Place> {
        let Kind::Discovered(source) = kind else { return None };
        let occupants = places.into_iter().filter_map(|place| Some((place, self.buckets.occupant(place)?)));
        let lower = |(place, address): (Place, Address)| {
            let entry = self.entries.get(&address)?;
            let is_lower = matches!(entry.kind, Kind::Discovered(known) if known < *source);
            let is_spare = entry.state == State::Idle && !entry.is_proven() && entry.uptime(now).is_zero();
            (is_lower && is_spare).then(|| (entry.score(now), place, address))
        };
        let occupants: Vec<_> = occupants.collect();
        let lowest = occupants.into_iter().filter_map(lower).min_by_key(|(score, ..)| *score);
        let (_, place, address) = lowest?;
        self.forget(&address);
        Some(place)
    }

    /// The chain's own source names these, and nobody else any more: who is missing is what it was before, or gone.
    pub fn prefer(&mut self, named: Vec<Heard>, now: Instant) {
        let kept: BTreeSet<_> = named.iter().map(|heard| heard.address.clone()).collect();
        for heard in named {
            self.hear(heard, now);
        }
        let is_missing = |(address, entry): &(&Address, &Entry)| {
            matches!(entry.kind, Kind::Preferred { .. }) && !kept.contains(*address)
        };
        let missing: Vec<_> =
            self.entries.iter().filter(is_missing).map(|(address, _)| address.clone()).collect();
        for address in missing {
            let was_connected = self.entries.get(&address).is_some_and(|entry| !entry.uptime(now).is_zero());
            self.update(&address, |entry| entry.kind = Kind::Discovered(Source::Node));
            if !was_connected || !self.settle(&address) {
                self.let_go(&address);
            }
        }
    }

    /// Forgets one for whom there is no place, unless it is connected or on its way: then as soon as that is over.
    fn let_go(&mut self, address: &Address) {
        if self.entries.get(address).is_some_and(|entry| entry.state == State::Idle) {
            self.forget(address);
        }
    }

    fn make_room_for_preferred(&mut self, now: Instant) -> bool {
        let preferred =
            || self.entries.iter().filter(|(_, entry)| matches!(entry.kind, Kind::Preferred { .. }));
        if preferred().count() < PREFERRED {
            return true;
        }
        let spare = preferred().filter(|(_, entry)| entry.state == State::Idle && !entry.is_proven());
        let worst = spare.min_by_key(|(_, entry)| (entry.kind.rank(), entry.score(now)));
        let worst = worst.map(|(address, _)| address.clone());
        worst.inspect(|address| self.forget(address)).is_some()
    }

    fn forget(&mut self, address: &Address) {
        if let Some(entry) = self.entries.remove(address) {
            self.buckets.clear(entry.place);
            self.busy.remove(address);
            self.doubted.remove(address);
            self.rhythm.end_of_dial(address);
        }
    }

    /// Forgets one that has failed for long, or has no place in the book.
    fn forget_if_hopeless(&mut self, address: &Address, now: Instant) {
        let unix = self.calendar.unix(now);
        if self.entries.get(address).is_some_and(|entry| entry.is_hopeless(unix, now) || entry.is_homeless())
        {
            self.forget(address);
        }
    }

    /// An address's entry.
    pub fn get(&self, address: &Address) -> Option<&Entry> {
        self.entries.get(address)
    }

    /// How many addresses it holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Address, &Entry)> {
        self.entries.iter()
    }

    /// All entries, best first.
    pub fn ranked(&self, now: Instant) -> Vec<(&Address, &Entry)> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by_cached_key(|(address, entry)| {
            (std::cmp::Reverse((entry.kind.rank(), entry.score(now))), (*address).clone())
        });
        entries
    }

    /// Unix seconds at a moment, by the book's calendar.
    pub fn unix(&self, at: Instant) -> f64 {
        self.calendar.unix(at)
    }

    fn update(&mut self, address: &Address, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.get_mut(address) {
            change(entry);
        }
    }

    /// The dial or the handshake failed. `jitter` in 0..1 spreads the redials of many.
    ///
    /// It is held against a peer only if that was its doing (`counts`), while another connection works: an hour without
    /// network must not empty the book.
    pub fn dial_failed(&mut self, address: &Address, counts: bool, jitter: f64, now: Instant) {
        let unix = self.calendar.unix(now);
        self.busy.remove(address);
        self.doubted.remove(address);
        self.update(address, |entry| entry.failed(counts, jitter, unix, now));
        self.forget_if_hopeless(address, now);
        self.rhythm.end_of_dial(address);
    }

    /// The handshake is done, so long after the dial began.
    pub fn connected(&mut self, address: &Address, services: u64, took: Option<Duration>, now: Instant) {
        let unix = self.calendar.unix(now);
        let on_trial = self.rhythm.end_of_dial(address);
        self.update(address, |entry| {
            entry.connected(took, unix, now);
            entry.services = services;
            entry.on_trial = on_trial && !entry.kind.is_own() && !entry.kind.is_fixed();
        });
        if self.entries.contains_key(address) {
            self.busy.insert(address.clone());
        }
        self.doubted.remove(address);
        self.promote(address, now);
    }

    /// A stranger to whom we are connected gets a place among those we were connected to, unless someone is there who has
    /// not failed: then that one is tried first, unless that was within a day, and the stranger has its chance later.
    fn promote(&mut self, address: &Address, now: Instant) {
        let is_new = |entry: &&Entry| matches!(entry.place, Place::New { .. });
        if self.entries.get(address).filter(is_new).is_none() {
            return;
        }
        let place = self.buckets.tried_place(address);
        if let Some(occupant) = self.buckets.occupant(place) {
            let failed =
                |entry: &Entry| entry.state == State::Idle && entry.strikes > 0 && !entry.is_proven();
            if !self.entries.get(&occupant).is_none_or(failed) {
                let unix = self.calendar.unix(now);
                if self.entries.get(&occupant).is_some_and(|entry| unix - entry.met > UNDOUBTED) {
                    self.doubted.insert(occupant);
                }
                return;
            }
            self.step_back(&occupant);
        }
        if let Some(entry) = self.entries.get_mut(address) {
            self.buckets.clear(std::mem::replace(&mut entry.place, place));
            self.buckets.put(place, address.clone());
        }
    }

    /// One that we were connected to goes back among those that we were not, if there is a place.
    fn step_back(&mut self, address: &Address) {
        let Some(entry) = self.entries.get_mut(address) else { return };
        let places = self.buckets.new_places(address, entry.heard_from.as_ref());
        match places.into_iter().find(|place| self.buckets.is_free(*place)) {
            Some(place) => {
                self.buckets.clear(std::mem::replace(&mut entry.place, place));
                self.buckets.put(place, address.clone());
            }
            None => self.forget(address),
        }
    }

    /// Gives one that was connected a place among its like, if that is free; says whether it has one.
    fn settle(&mut self, address: &Address) -> bool {
        let place = self.buckets.tried_place(address);
        if !self.buckets.is_free(place) {
            return false;
        }
        let Some(entry) = self.entries.get_mut(address) else { return false };
        self.buckets.clear(std::mem::replace(&mut entry.place, place));
        self.buckets.put(place, address.clone());
        true
    }

    /// A connection that had been established has ended.
    pub fn disconnected(&mut self, address: &Address, jitter: f64, now: Instant) {
        let unix = self.calendar.unix(now);
        self.busy.remove(address);
        self.update(address, |entry| entry.disconnected(jitter, unix, now));
        self.forget_if_hopeless(address, now);
        self.rhythm.end_of_dial(address);
    }

    /// It is not what we look for: of another chain, too old, ourselves. It is left alone for as long as any.
    pub fn unsuitable(&mut self, address: &Address, now: Instant) {
        let unix = self.calendar.unix(now);
        self.busy.remove(address);
        self.update(address, |entry| entry.unsuitable(unix, now));
        self.forget_if_hopeless(address, now);
        self.rhythm.end_of_dial(address);
    }

    /// Whoever looks after the book is new: these are connected (`true`) or on their way, and nobody else.
    pub fn adopt(&mut self, live: impl Iterator<Item = (Address, bool)>, now: Instant) {
        for address in std::mem::take(&mut self.busy) {
            self.update(&address, |entry| (entry.state, entry.since) = (State::Idle, None));
        }
        for (address, ready) in live {
            let Some(entry) = self.entries.get_mut(&address) else { continue };
            (entry.state, entry.since) =
                if ready { (State::Connected, Some(now)) } else { (State::Dialing, None) };
            self.busy.insert(address);
        }
        self.rhythm.stir();
    }

    /// It hung up right after a block of ours, as one does that bans us.
    pub fn hung_up_after_block(&mut self, address: &Address) {
        self.update(address, Entry::hung_up_after_our_block);
    }

    /// The peer did what no honest daemon does.
    pub fn misbehaved(&mut self, address: &Address, now: Instant) {
        self.update(address, |entry| entry.misbehaved(now));
    }

    /// The peer has returned a ping.
    pub fn pinged(&mut self, address: &Address, round_trip: Duration, now: Instant) {
        let unix = self.calendar.unix(now);
        self.update(address, |entry| entry.pinged(round_trip, unix, now));
    }

    /// A block of ours is proven to have reached the peer, so long after it was written to its socket.
    pub fn delivered(&mut self, address: &Address, after: Option<Duration>, now: Instant) {
        self.update(address, |entry| entry.delivered(after, now));
    }

    /// A block of ours did not reach the peer, and it was the peer's doing.
    pub fn delivery_failed(&mut self, address: &Address, now: Instant) {
        self.update(address, |entry| entry.delivery_failed(now));
    }
}

/// What is believed of the time in a rumour. What cannot be (far from now, or before there was anything) is taken to be
/// days old, and the rest somewhat older than it says.
fn believed(claimed: u32, unix: f64) -> f64 {
    let claimed = f64::from(claimed);
    let possible = claimed > 100_000_000.0 && claimed <= unix + 600.0;
    if possible { claimed.min(unix) - HEARSAY } else { unix - DOUBTFUL }
}

#[cfg(test)]
mod tests;
