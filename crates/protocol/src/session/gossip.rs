//! Addresses of others, as peers tell them.
//!
//! A session asks for them once, when it is [told to](super::Introduction::gossip), and reports what comes: the answer
//! (up to 1000 addresses, mean 30 s later) and whatever the peer passes on from then on. Whether an address is of any
//! use, and whether the peer that named it may be believed, is for the peer book to say.
//!
//! # Security
//!
//! A peer can name as many addresses as it likes, and all of them may lead to itself. So each has an allowance, which is
//! what daemons give one another (protocol.md §3: 0.1 addresses a second, at most 1000): what exceeds it is dropped here
//! and counted. It is no fault: an honest daemon's trickle may exceed it, too.

use std::{
    net::{IpAddr, Ipv6Addr},
    time::Instant,
};

use wire::{AddrEntry, AddrV2Entry, Address, Services};

use super::{Event, Session, State};

/// Where a peer says that another is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GossipAddress {
    /// When that one was last seen, Unix seconds, as the peer claims: it may be zero or in the future.
    pub time: u32,
    /// What it offers, as the peer claims.
    pub services: Services,
    /// The address. IPv4 is IPv4, also where it came in IPv6 dress; never [`Address::Other`].
    pub address: Address,
    /// The port; it may be zero.
    pub port: u16,
}

impl From<AddrEntry> for GossipAddress {
    fn from(entry: AddrEntry) -> Self {
        let AddrEntry { time, services, address } = entry;
        Self { time, services, address: canonical(address.ip), port: address.port }
    }
}

impl GossipAddress {
    /// `None` for an address of a network that is gone or not known: it can be neither dialled nor told apart.
    fn of(entry: AddrV2Entry) -> Option<Self> {
        let AddrV2Entry { time, services, address, port } = entry;
        let address = match address {
            Address::Ipv6(ip) => canonical(ip),
            Address::Other { .. } => return None,
            other => other,
        };
        Some(Self { time, services, address, port })
    }
}

/// `::ffff:a.b.c.d` is a.b.c.d: under two names it would be two peers.
fn canonical(ip: Ipv6Addr) -> Address {
    match IpAddr::V6(ip).to_canonical() {
        IpAddr::V4(ip) => Address::Ipv4(ip),
        IpAddr::V6(ip) => Address::Ipv6(ip),
    }
}

impl Session {
    pub(super) fn addresses_told(&mut self, entries: Vec<AddrEntry>, now: Instant) {
        self.addresses(entries.into_iter().map(GossipAddress::from), now);
    }

    pub(super) fn addresses_told_v2(&mut self, entries: Vec<AddrV2Entry>, now: Instant) {
        self.addresses(entries.into_iter().filter_map(GossipAddress::of), now);
    }

    /// Reports as many as the peer's allowance lets through, and how many more there were.
    fn addresses(&mut self, told: impl Iterator<Item = GossipAddress>, now: Instant) {
        let State::Ready(steady) = &mut self.state else { return };
        // Nobody wants them.
        let Some(allowance) = &mut steady.addresses else { return };
        let (mut heard, mut dropped) = (Vec::new(), 0);
        for address in told {
            if allowance.take(now) {
                heard.push(address);
            } else {
                dropped += 1;
            }
        }
        if !heard.is_empty() {
            self.emit(Event::Addresses(heard));
        }
        if dropped > 0 {
            self.emit(Event::AddressesDropped(dropped));
        }
    }
}
