//! Addresses, in `version`, `addr` and `addrv2`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::{BufMut, Bytes};

use crate::{DecodeError, Encode, Reader, Services};

/// The most entries in one `addr` or `addrv2`; more costs 20 points at every daemon.
pub const MAX_ADDRESSES: usize = 1000;

/// The longest address of a network that we do not know (BIP155).
const MAX_UNKNOWN: usize = 512;

/// A 16-byte address and a port, as in `version` and `addr`. IPv4 is mapped into IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkAddress {
    /// The 16 bytes.
    pub ip: Ipv6Addr,
    /// The port, big-endian on the wire.
    pub port: u16,
}

impl NetworkAddress {
    /// All zeros: "I would rather not say".
    pub const UNSPECIFIED: Self = Self { ip: Ipv6Addr::UNSPECIFIED, port: 0 };

    /// As a socket address; `::ffff:a.b.c.d` is `a.b.c.d`.
    pub fn to_socket_addr(self) -> SocketAddr {
        SocketAddr::new(IpAddr::V6(self.ip).to_canonical(), self.port)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { ip: Ipv6Addr::from(reader.array::<16>("address")?), port: reader.u16_be("port")? })
    }

    pub(crate) fn write(&self, out: &mut impl BufMut) {
        out.put_slice(&self.ip.octets());
        out.put_u16(self.port);
    }
}

impl From<SocketAddr> for NetworkAddress {
    fn from(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        Self { ip, port: address.port() }
    }
}

/// One entry of `addr`, 30 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddrEntry {
    /// When it was last seen, Unix seconds, as the sender claims.
    pub time: u32,
    /// Its services, as the sender claims.
    pub services: Services,
    /// The address.
    pub address: NetworkAddress,
}

impl AddrEntry {
    const SIZE: usize = 30;

    pub(crate) fn read_all(reader: &mut Reader<'_>) -> Result<Vec<Self>, DecodeError> {
        let count = reader.count("addresses", MAX_ADDRESSES, Self::SIZE)?;
        (0..count)
            .map(|_| {
                Ok(Self {
                    time: reader.u32("time")?,
                    services: Services(reader.u64("services")?),
                    address: NetworkAddress::read(reader)?,
                })
            })
            .collect()
    }

    pub(crate) fn write(&self, out: &mut impl BufMut) {
        out.put_u32_le(self.time);
        out.put_u64_le(self.services.0);
        self.address.write(out);
    }
}

/// An address of any network (BIP155).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Network 1, 4 bytes.
    Ipv4(Ipv4Addr),
    /// Network 2, 16 bytes.
    Ipv6(Ipv6Addr),
    /// Network 4, the 32-byte public key of an onion service, version 3.
    TorV3([u8; 32]),
    /// Network 5, 32 bytes.
    I2p([u8; 32]),
    /// Network 6, 16 bytes.
    Cjdns([u8; 16]),
    /// A network that is gone (3, Tor version 2) or not yet known: kept, and of no use.
    Other {
        /// Its number.
        network: u8,
        /// Its bytes, at most 512.
        bytes: Bytes,
    },
}

impl Address {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let network = reader.u8("network")?;
        let offset = reader.offset();
        let bytes = reader.byte_string("address", MAX_UNKNOWN)?;
        let wrong = |why: &str| DecodeError::Invalid { what: "address", offset, why: why.into() };
        fn fixed<const N: usize>(bytes: &Bytes) -> Option<[u8; N]> {
            bytes.as_ref().try_into().ok()
        }
        match network {
            1 => {
                fixed(&bytes).map(|b: [u8; 4]| Self::Ipv4(b.into())).ok_or_else(|| wrong("IPv4 has 4 bytes"))
            }
            2 => fixed(&bytes)
                .map(|b: [u8; 16]| Self::Ipv6(b.into()))
                .ok_or_else(|| wrong("IPv6 has 16 bytes")),
            3 if bytes.len() != 10 => Err(wrong("Tor version 2 has 10 bytes")),
            4 => fixed(&bytes).map(Self::TorV3).ok_or_else(|| wrong("Tor version 3 has 32 bytes")),
            5 => fixed(&bytes).map(Self::I2p).ok_or_else(|| wrong("I2P has 32 bytes")),
            6 => fixed(&bytes).map(Self::Cjdns).ok_or_else(|| wrong("CJDNS has 16 bytes")),
            _ => Ok(Self::Other { network, bytes }),
        }
    }

    fn write(&self, out: &mut impl BufMut) {
        let (network, bytes): (u8, &[u8]) = match self {
            Self::Ipv4(ip) => (1, &ip.octets()),
            Self::Ipv6(ip) => (2, &ip.octets()),
            Self::TorV3(key) => (4, key),
            Self::I2p(key) => (5, key),
            Self::Cjdns(ip) => (6, ip),
            Self::Other { network, bytes } => (*network, bytes),
        };
        out.put_u8(network);
        out.put_byte_string(bytes);
    }
}

/// One entry of `addrv2` (BIP155).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddrV2Entry {
    /// When it was last seen, Unix seconds, as the sender claims.
    pub time: u32,
    /// Its services, as the sender claims.
    pub services: Services,
    /// The address.
    pub address: Address,
    /// The port, big-endian on the wire.
    pub port: u16,
}

impl AddrV2Entry {
    /// The shortest entry: time 4, services 1, network 1, length 1, port 2.
    const LEAST_SIZE: usize = 9;

    pub(crate) fn read_all(reader: &mut Reader<'_>) -> Result<Vec<Self>, DecodeError> {
        let count = reader.count("addresses", MAX_ADDRESSES, Self::LEAST_SIZE)?;
        (0..count)
            .map(|_| {
                Ok(Self {
                    time: reader.u32("time")?,
                    services: Services(reader.compact_size("services")?),
                    address: Address::read(reader)?,
                    port: reader.u16_be("port")?,
                })
            })
            .collect()
    }

    pub(crate) fn write(&self, out: &mut impl BufMut) {
        out.put_u32_le(self.time);
        out.put_compact_size(self.services.0);
        self.address.write(out);
        out.put_u16(self.port);
    }

    /// As a socket address, if it is one.
    pub fn to_socket_addr(&self) -> Option<SocketAddr> {
        match self.address {
            Address::Ipv4(ip) => Some(SocketAddr::new(ip.into(), self.port)),
            Address::Ipv6(ip) => Some(SocketAddr::new(IpAddr::V6(ip).to_canonical(), self.port)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_is_the_same_in_every_dress() {
        let plain: SocketAddr = "1.2.3.4:9333".parse().unwrap();
        let mapped: SocketAddr = "[::ffff:1.2.3.4]:9333".parse().unwrap();
        assert_ne!(plain, mapped, "to the standard library they are two");
        for dressed in [plain, mapped] {
            assert_eq!(NetworkAddress::from(dressed).to_socket_addr(), plain);
        }
        let ipv6 = Ipv4Addr::new(1, 2, 3, 4).to_ipv6_mapped();
        for address in [Address::Ipv4(Ipv4Addr::new(1, 2, 3, 4)), Address::Ipv6(ipv6)] {
            let entry = AddrV2Entry { time: 0, services: Services(1), address, port: 9333 };
            assert_eq!(entry.to_socket_addr(), Some(plain));
        }
    }
}
