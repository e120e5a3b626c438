//! Whom to dial.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    time::{Duration, Instant},
};

use rand::{Rng, RngCore};

use super::{Address, Entry, Group, Kind, PeerBook, Rules, State, buckets::Buckets};

/// Of how many unknown ones, each found by lot, the best is taken.
const DRAWN: usize = 4;

/// How long a place is kept for one who was just lost.
const RETURN: Duration = Duration::from_secs(6);

/// Who has a connection, by what there may not be too many of.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    groups: HashMap<Group, usize>,
    tellers: HashMap<Group, usize>,
    asns: HashMap<u32, usize>,
    countries: HashMap<[u8; 2], usize>,
    strangers: usize,
    newcomers: usize,
}

/// Whom there is a place for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Whether it is a place to find out what someone is worth.
    pub(super) on_trial: bool,
    /// Newcomers only, or none, or anybody.
    pub(super) newcomer: Option<bool>,
}

fn count<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: Option<K>) {
    if let Some(key) = key {
        *counts.entry(key).or_default() += 1;
    }
}

fn has_room<K: Eq + Hash>(counts: &HashMap<K, usize>, key: Option<K>, limit: usize) -> bool {
    limit == 0 || key.is_none_or(|key| counts.get(&key).is_none_or(|count| *count < limit))
}

impl Crowd {
    fn add(&mut self, address: &Address, entry: &Entry, rules: &Rules, now: Instant) {
        if entry.kind.is_own() || entry.kind.is_fixed() {
            return;
        }
        self.strangers += 1;
        self.newcomers += usize::from(entry.is_newcomer(now));
        count(&mut self.groups, Some(address.group()));
        count(&mut self.tellers, entry.heard_from.clone());
        count(&mut self.asns, asn(rules, address));
        count(&mut self.countries, country(rules, address));
    }

    /// Why one more like this would be one too many.
    pub(super) fn objection(
        &self,
        address: &Address,
        entry: &Entry,
        rules: &Rules,
        now: Instant,
    ) -> Option<&'static str> {
        if rules.local || entry.kind.is_own() || entry.kind.is_fixed() {
            return None;
        }
        if !has_room(&self.groups, Some(address.group()), rules.per_group) {
            return Some("a neighbour of it is connected");
        }
        if !has_room(&self.tellers, entry.heard_from.clone(), rules.per_teller()) {
            return Some("too many are connected that the same neighbourhood told of");
        }
        if !has_room(&self.asns, asn(rules, address), rules.per_asn) {
            return Some("enough are connected in its autonomous system");
        }
        if !has_room(&self.countries, country(rules, address), rules.per_country) {
            return Some("enough are connected in its country");
        }
        // With too few, anybody is better than nobody.
        let enough = self.strangers >= rules.min && self.newcomers >= rules.newcomers();
        if enough && entry.is_newcomer(now) {
            return Some("enough newcomers are connected that only strangers have named");
        }
        None
    }
}

fn ip(address: &Address) -> Option<IpAddr> {
    match address {
        Address::Ip(address) => Some(address.ip()),
        Address::Name(..) => None,
    }
}

fn asn(rules: &Rules, address: &Address) -> Option<u32> {
    rules.atlas.as_ref()?.asn(ip(address)?)
}

fn country(rules: &Rules, address: &Address) -> Option<[u8; 2]> {
    rules.atlas.as_ref()?.country(ip(address)?)
}

impl PeerBook {
    pub(super) fn crowd(&self, now: Instant) -> Crowd {
        let mut crowd = Crowd::default();
        for address in &self.busy {
            if let Some(entry) = self.entries.get(address) {
                crowd.add(address, entry, &self.rules, now);
            }
        }
        crowd
    }

    pub(super) fn is_free(&self, address: &Address, entry: &Entry, crowd: &Crowd, now: Instant) -> bool {
        entry.state == State::Idle
            && entry.is_due(now)
            && (entry.kind.is_fixed() || !self.is_banned(address, now))
            && crowd.objection(address, entry, &self.rules, now).is_none()
    }

    fn is_free_by_name(&self, address: &Address, crowd: &Crowd, now: Instant) -> bool {
        self.entries.get(address).is_some_and(|entry| self.is_free(address, entry, crowd, now))
    }

    /// The next to dial for a place: one that was promised another chance, or else the best or one by lot.
    pub(super) fn pick(
        &mut self,
        crowd: &Crowd,
        wanted: Wanted,
        rng: &mut impl RngCore,
        now: Instant,
    ) -> Option<Address> {
        while let Some(doubted) = self.doubted.pop_first() {
            if self.is_free_by_name(&doubted, crowd, now) {
                return Some(doubted);
            }
        }
        while let Some(anchor) = self.anchors.pop() {
            if self.is_free_by_name(&anchor, crowd, now) {
                return Some(anchor);
            }
        }
        let fits = |entry: &Entry| wanted.newcomer.is_none_or(|newcomer| entry.is_newcomer(now) == newcomer);
        if wanted.on_trial {
            return self.pick_for_trial(crowd, fits, rng, now);
        }
        let known = self.best_known(crowd, fits, rng, now);
        let Some(entry) = known.as_ref().and_then(|address| self.entries.get(address)) else {
            // Whoever was here a moment ago has the first claim.
            let place_is_kept = self.somebody_is_about_to_return(crowd, now);
            return if place_is_kept { None } else { self.unknown(crowd, fits, rng, now) };
        };
        let is_wanted =
            matches!(entry.kind, Kind::Preferred { .. }) || entry.is_proven() || rng.random_bool(0.75);
        if is_wanted { known } else { self.unknown(crowd, fits, rng, now).or(known) }
    }

    /// Whether one whom we were connected to is to be dialled within seconds.
    fn somebody_is_about_to_return(&self, crowd: &Crowd, now: Instant) -> bool {
        self.entries.iter().any(|(address, entry)| {
            let soon = !entry.is_due(now) && entry.is_due(now + RETURN) && entry.failures_in_a_row() == 0;
            soon && self.is_free(address, entry, crowd, now + RETURN)
        })
    }

    /// The best of those that the chain prefers, and after them of those to whom we were connected. Between equals those
    /// win that our own nodes do not have: through them the nodes are heard anyway.
    pub(super) fn best_known(
        &self,
        crowd: &Crowd,
        fits: impl Fn(&Entry) -> bool,
        rng: &mut impl RngCore,
        now: Instant,
    ) -> Option<Address> {
        let known = |entry: &Entry| matches!(entry.kind, Kind::Preferred { .. }) || entry.was_connected();
        let free = self.entries.iter().filter(|(address, entry)| {
            known(entry) && fits(entry) && self.is_free(address, entry, crowd, now)
        });
        let unix = self.unix(now);
        let rank = |entry: &Entry| (entry.kind.rank(), entry.score(now), !entry.is_known_to_node(unix));
        let mut ranked: Vec<_> = free.map(|(address, entry)| (rank(entry), address)).collect();
        let best = ranked.iter().map(|(rank, _)| *rank).max()?;
        ranked.retain(|(rank, _)| *rank == best);
        // The map has them in an order that is another in every run; the lot alone is to decide.
        ranked.sort();
        ranked.get(rng.random_range(0..ranked.len())).map(|(_, address)| (*address).clone())
    }

    /// One of those to whom we were never connected: of a few drawn from as many buckets the best.
    pub(super) fn unknown(
        &self,
        crowd: &Crowd,
        fits: impl Fn(&Entry) -> bool,
        rng: &mut impl RngCore,
        now: Instant,
    ) -> Option<Address> {
        let mut drawn: Vec<(&Address, &Entry)> = Vec::new();
        // The number of buckets is a power of two: an odd step passes through all of them.
        let (start, step) =
            (rng.random_range(0..Buckets::COUNT), 2 * rng.random_range(0..Buckets::COUNT) + 1);
        for n in 0..Buckets::COUNT {
            let free: Vec<_> = self
                .buckets
                .bucket((start + n * step) % Buckets::COUNT)
                .filter_map(|address| self.entries.get_key_value(address))
                .filter(|(address, entry)| fits(entry) && self.is_free(address, entry, crowd, now))
                .collect();
            if !free.is_empty() {
                drawn.push(free[rng.random_range(0..free.len())]);
            }
            if drawn.len() == DRAWN {
                break;
            }
        }
        let unix = self.unix(now);
        let rank = |entry: &Entry| (entry.score(now), !entry.is_known_to_node(unix));
        drawn.into_iter().max_by_key(|(_, entry)| rank(entry)).map(|(address, _)| address.clone())
    }

    /// Fixed peers that are to be dialled, by priority.
    pub(super) fn fixed_to_dial(&self, now: Instant) -> Vec<Address> {
        let free = |address: &&Address| self.is_free_by_name(address, &Crowd::default(), now);
        let mut fixed: Vec<_> = self.fixed.iter().filter(free).cloned().collect();
        fixed.sort_by_key(|address| {
            std::cmp::Reverse(self.entries.get(address).map(|entry| (entry.kind.rank(), entry.score(now))))
        });
        fixed
    }
}
