//! Where strangers may stand: the defence against whoever floods the book with addresses.
//!
//! A stranger has a few places that it may have, by a hash with a secret key: of its neighbourhood and of whoever told us
//! of it. Whoever can speak through a few neighbourhoods only, of a few neighbourhoods only, fills a few buckets only, with
//! however many addresses; and whoever is looked for is looked for bucket by bucket. Peers that we were connected to have
//! places of their own, which no rumour can reach.
//!
//! The idea is Bitcoin Core's address manager (addrman.h); the measures are our own.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::address::{Address, Group};

/// How many buckets there are for those that we were never connected to, and how many addresses each holds: 16,384.
const NEW: usize = 256;
/// Buckets for those that we were connected to: 4,096.
const TRIED: usize = 64;
/// Places in each.
const DEPTH: usize = 64;
/// Of how many new buckets one teller's addresses can be spread over: an eighth.
const BUCKETS_PER_TELLER: u64 = 32;
/// How many places in its bucket a stranger may choose from: so that a book of a few hundred turns nobody away by chance.
pub(super) const CHOICES: usize = 4;
/// Over how many tried buckets one neighbourhood can be spread.
const BUCKETS_PER_GROUP: u64 = 4;

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In no bucket: own nodes, fixed peers, those that the chain prefers.
    Reserved,
    /// Among those that we were never connected to.
    New { bucket: usize, slot: usize },
    /// Among those that we were connected to.
    Tried { bucket: usize, slot: usize },
}

/// The buckets.
#[derive(Debug, Clone)]
pub(super) struct Buckets {
    key: u64,
    new: Vec<Option<Address>>,
    tried: Vec<Option<Address>>,
}

impl Buckets {
    /// How many buckets of new addresses there are: a power of two.
    pub(super) const COUNT: usize = NEW;

    /// Empty ones; nobody may know the key.
    pub(super) fn new(key: u64) -> Self {
        Self { key, new: vec![None; NEW * DEPTH], tried: vec![None; TRIED * DEPTH] }
    }

    fn hash(&self, what: impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.key, what).hash(&mut hasher);
        hasher.finish()
    }

    /// The key, for the book's own file.
    pub(super) fn key(&self) -> u64 {
        self.key
    }

    /// The places that a stranger may have, by who told of it: a few in one bucket.
    pub(super) fn new_places(&self, address: &Address, teller: Option<&Group>) -> [Place; CHOICES] {
        let group = address.group();
        let bucket = match teller {
            Some(teller) => {
                let share = self.hash(("share", teller, &group)) % BUCKETS_PER_TELLER;
                self.hash(("bucket", teller, share))
            }
            // Whom we need not doubt has all of them.
            None => self.hash(("trusted", &group)),
        };
        let bucket = (bucket % NEW as u64) as usize;
        let slot = |choice: usize| (self.hash(("slot", bucket, address, choice)) % DEPTH as u64) as usize;
        std::array::from_fn(|choice| Place::New { bucket, slot: slot(choice) })
    }

    /// The place that one may have to which we were connected.
    pub(super) fn tried_place(&self, address: &Address) -> Place {
        let share = self.hash(("tried share", address)) % BUCKETS_PER_GROUP;
        let bucket = (self.hash(("tried", address.group(), share)) % TRIED as u64) as usize;
        Place::Tried { bucket, slot: (self.hash(("tried slot", bucket, address)) % DEPTH as u64) as usize }
    }

    fn cell(&mut self, place: Place) -> Option<&mut Option<Address>> {
        match place {
            Place::Reserved => None,
            Place::New { bucket, slot } => self.new.get_mut(bucket * DEPTH + slot),
            Place::Tried { bucket, slot } => self.tried.get_mut(bucket * DEPTH + slot),
        }
    }

    /// Who stands there.
    pub(super) fn occupant(&mut self, place: Place) -> Option<Address> {
        self.cell(place)?.clone()
    }

    /// Whether nobody stands there.
    pub(super) fn is_free(&mut self, place: Place) -> bool {
        self.cell(place).is_some_and(|cell| cell.is_none())
    }

    /// Puts one there; whoever stood there is returned.
    pub(super) fn put(&mut self, place: Place, address: Address) -> Option<Address> {
        self.cell(place)?.replace(address)
    }

    /// Leaves the place empty.
    pub(super) fn clear(&mut self, place: Place) {
        if let Some(cell) = self.cell(place) {
            *cell = None;
        }
    }

    /// The new addresses of a bucket, of which there are [`COUNT`](Self::COUNT).
    pub(super) fn bucket(&self, bucket: usize) -> impl Iterator<Item = &Address> {
        self.new.iter().skip(bucket * DEPTH).take(DEPTH).flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn address(a: u8, b: u8, rest: u16) -> Address {
        let [c, d] = rest.to_be_bytes();
        std::net::SocketAddr::from(([a, b, c, d], 9333)).into()
    }

    #[test]
    fn whoever_has_few_neighbourhoods_fills_few_buckets() {
        let buckets = Buckets::new(7);
        let place_of = |n: u16, teller: u8| {
            let hostile = address(20, (n % 2) as u8, n);
            buckets.new_places(&hostile, Some(&Group::V4([30, teller])))[0]
        };
        let filled = |tellers: u8| {
            let places = (0..5000).map(|n| place_of(n, (n % u16::from(tellers)) as u8));
            let bucket = |place| match place {
                Place::New { bucket, .. } => bucket,
                other => panic!("{other:?}"),
            };
            places.map(bucket).collect::<HashSet<_>>().len()
        };
        assert!(filled(1) <= 2 && filled(4) <= 8, "{} {}", filled(1), filled(4));
    }

    #[test]
    fn one_teller_reaches_an_eighth_of_the_buckets_with_whatever_it_makes_up() {
        let buckets = Buckets::new(7);
        let places = (0..50_000u32).map(|n| {
            let [a, b, c, d] = (0x1400_0000 + n * 65_537).to_be_bytes();
            address_place(&buckets, [a, b, c, d])
        });
        fn address_place(buckets: &Buckets, ip: [u8; 4]) -> usize {
            let address = std::net::SocketAddr::from((ip, 9333)).into();
            match buckets.new_places(&address, Some(&Group::V4([30, 1])))[0] {
                Place::New { bucket, .. } => bucket,
                other => panic!("{other:?}"),
            }
        }
        assert!(places.collect::<HashSet<_>>().len() <= BUCKETS_PER_TELLER as usize);
    }

    #[test]
    fn another_key_means_other_places() {
        let places = [1, 2].map(|key| Buckets::new(key).tried_place(&address(8, 8, 1)));
        assert_ne!(places[0], places[1]);
    }
}
