//! What the operator wants of the book.

use std::{fmt, net::IpAddr, sync::Arc};

use super::Address;

/// Limits on connections, and what may be connected to.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How many peers to be connected to at most, own nodes not counted. 0: own nodes only.
    pub max: usize,
    /// With fewer there is no time to lose.
    pub min: usize,
    /// How many dials may run at the same time.
    pub dials_at_once: usize,
    /// How many dials may begin within five seconds.
    pub dials_per_cycle: usize,
    /// How many peers may be connected in one [neighbourhood](super::Group), beyond those that the operator named.
    pub per_group: usize,
    /// How many in one autonomous system and in one country, 0 for any number. Where the atlas knows nothing, nothing
    /// is limited.
    pub per_asn: usize,
    /// See `per_asn`.
    pub per_country: usize,
    /// Who is where.
    pub atlas: Option<Arc<dyn Atlas>>,
    /// Whether the network is our own (regtest): then addresses need not be public, and neighbours are no sign of anything.
    pub local: bool,
    /// Whether there is a proxy: only then hidden services are of use.
    pub hidden: bool,
}

/// Tells in whose network and country an address is.
pub trait Atlas: fmt::Debug + Send + Sync {
    /// The number of the autonomous system.
    fn asn(&self, ip: IpAddr) -> Option<u32>;
    /// The country, as two letters.
    fn country(&self, ip: IpAddr) -> Option<[u8; 2]>;
}

impl Rules {
    /// How many of the places are for peers on trial: one of ten.
    pub(super) fn trials(&self) -> usize {
        if self.max < 3 { 0 } else { self.max.div_ceil(10) }
    }

    /// How many of the places newcomers may have, those on trial among them: a quarter.
    pub(super) fn newcomers(&self) -> usize {
        self.max.div_ceil(4)
    }

    /// How many peers one teller may have vouched for among those that are connected: a quarter.
    pub(super) fn per_teller(&self) -> usize {
        self.max.div_ceil(4)
    }

    /// Whether a stranger with this address may be dialled.
    pub(super) fn admits(&self, address: &Address) -> bool {
        if address.is_hidden() {
            return self.hidden && address.is_public();
        }
        if self.local { address.is_somewhere() } else { address.is_public() }
    }
}
