//! Where a peer is, and in whose neighbourhood.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use sha3::{Digest, Sha3_256};

/// The address of a peer. Its text is `host:port`, with IPv6 in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// An IP address; `::ffff:a.b.c.d` is `a.b.c.d`.
    Ip(SocketAddr),
    /// A name in lower case. `.onion` and `.b32.i2p` are reached through a proxy; any other is looked up when it is
    /// dialled, and only an operator gives one.
    Name(Box<str>, u16),
}

/// What is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address: write host:port, and an IPv6 host in brackets")]
pub struct NoAddress(String);

/// Neighbours, who are likely to be in one hand: a provider gives out whole /16s of IPv4 and /32s of IPv6.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// The first two bytes of an IPv4 address.
    V4([u8; 2]),
    /// The first four bytes of an IPv6 address.
    V6([u8; 4]),
    /// The first character of the name of a hidden service, which costs nothing to choose: of all Tor there are 32.
    Hidden(char),
    /// A name is its own.
    Name(Box<str>),
}

impl Address {
    /// A hidden service of Tor, by its public key. The name holds a checksum and the version 3 (Tor's rend-spec-v3, §6).
    pub fn onion(key: &[u8; 32], port: u16) -> Self {
        let digest = Sha3_256::new().chain_update(b".onion checksum").chain_update(key).chain_update([3]);
        let digest: [u8; 32] = digest.finalize().into();
        let bytes: Vec<u8> = key.iter().chain(&digest[..2]).chain(&[3]).copied().collect();
        Self::Name(format!("{}.onion", base32(&bytes)).into(), port)
    }

    /// A destination of I2P, by the hash of its key.
    pub fn i2p(hash: &[u8; 32], port: u16) -> Self {
        Self::Name(format!("{}.b32.i2p", base32(hash)).into(), port)
    }

    /// What a peer's gossip names, if it can be dialled at all.
    pub fn of_gossip(address: &wire::Address, port: u16) -> Option<Self> {
        match address {
            wire::Address::Ipv4(ip) => Some(SocketAddr::new((*ip).into(), port).into()),
            wire::Address::Ipv6(ip) => Some(SocketAddr::new((*ip).into(), port).into()),
            wire::Address::TorV3(key) => Some(Self::onion(key, port)),
            wire::Address::I2p(hash) => Some(Self::i2p(hash, port)),
            wire::Address::Cjdns(_) | wire::Address::Other { .. } => None,
        }
    }

    /// The host without the port: bans are of hosts.
    pub fn host(&self) -> String {
        match self {
            Self::Ip(address) => address.ip().to_string(),
            Self::Name(name, _) => name.to_string(),
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        match self {
            Self::Ip(address) => address.port(),
            Self::Name(_, port) => *port,
        }
    }

    /// Whether it is a hidden service, which only a proxy reaches.
    pub fn is_hidden(&self) -> bool {
        matches!(self, Self::Name(name, _) if name.ends_with(".onion") || name.ends_with(".b32.i2p"))
    }

    /// Whether it can be reached from anywhere: a public address with a port. Of names only those of hidden services are.
    pub fn is_public(&self) -> bool {
        self.port() != 0
            && match self {
                Self::Ip(address) => match address.ip() {
                    IpAddr::V4(ip) => is_public_v4(ip),
                    IpAddr::V6(ip) => is_public_v6(ip),
                },
                Self::Name(..) => self.is_hidden(),
            }
    }

    /// Whether it is one machine's: not zero, not everybody's. What a network of one's own (regtest) may use.
    pub fn is_somewhere(&self) -> bool {
        match self {
            Self::Ip(address) => {
                let ip = address.ip();
                let everybody = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
                address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !everybody
            }
            Self::Name(_, port) => *port != 0,
        }
    }

    /// Its neighbourhood.
    pub fn group(&self) -> Group {
        match self {
            Self::Ip(address) => Group::of(address.ip()),
            Self::Name(name, _) if self.is_hidden() => Group::Hidden(name.chars().next().unwrap_or_default()),
            Self::Name(name, _) => Group::Name(name.clone()),
        }
    }
}

impl Group {
    /// The neighbourhood of an IP address.
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let [a, b, ..] = ip.octets();
                Self::V4([a, b])
            }
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.octets();
                Self::V6([a, b, c, d])
            }
        }
    }
}

/// As the book's file has it: `a.b`, eight hex digits, `~` and a character, or `=` and a name.
impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4([a, b]) => write!(f, "{a}.{b}"),
            Self::V6(bytes) => write!(f, "{:08x}", u32::from_be_bytes(*bytes)),
            Self::Hidden(first) => write!(f, "~{first}"),
            Self::Name(name) => write!(f, "={name}"),
        }
    }
}

impl FromStr for Group {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let no_address = || NoAddress(text.chars().take(300).collect());
        if let Some(name) = text.strip_prefix('=') {
            return Ok(Self::Name(name.into()));
        }
        if let Some(first) = text.strip_prefix('~') {
            return first.chars().next().map(Self::Hidden).ok_or_else(no_address);
        }
        if let Some((a, b)) = text.split_once('.') {
            let bytes = (a.parse().ok()).zip(b.parse().ok());
            return bytes.map(|(a, b)| Self::V4([a, b])).ok_or_else(no_address);
        }
        u32::from_str_radix(text, 16).map(|bytes| Self::V6(bytes.to_be_bytes())).map_err(|_| no_address())
    }
}

/// IANA's registry of special addresses (RFC 6890), and multicast.
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127, ..)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
            | (224..=255, ..)
    )
}

/// Only 2000::/3 is given out, and of that not what is for documentation or carries IPv4 through a tunnel.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    let given_out = a & 0xe000 == 0x2000;
    let special = matches!((a, b), (0x2001, 0..=0x1ff | 0xdb8) | (0x2002, _) | (0x3fff, 0..=0xfff));
    given_out && !special
}

/// RFC 4648, in lower case and without padding.
fn base32(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let digit = |from: usize| (from..from + 5).fold(0, |digit, at| digit << 1 | bit(at));
    (0..8 * bytes.len()).step_by(5).map(|from| char::from(DIGITS[usize::from(digit(from))])).collect()
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }
}

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(address.into());
        }
        let no_address = || NoAddress(text.chars().take(300).collect());
        let (host, port) = text.rsplit_once(':').ok_or_else(no_address)?;
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        let is_name = (1..=253).contains(&host.len())
            && host.bytes().all(good)
            // A name's last part is no number: that would be an IPv4 address with a slip in it.
            && host.trim_end_matches('.').rsplit('.').next().is_none_or(|last| last.parse::<u64>().is_err());
        match port.parse::<u16>() {
            Ok(number) if is_name && !port.starts_with('+') => {
                Ok(Self::Name(host.to_ascii_lowercase().into(), number))
            }
            _ => Err(no_address()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn what_is_reachable_from_anywhere_is_told_from_what_is_not() {
        for public in
            ["8.8.8.8:9333", "172.32.0.1:1", "[2a01:4f8::1]:9333", "[::ffff:8.8.8.8]:1", "100.128.0.1:2"]
        {
            assert!(address(public).is_public(), "{public}");
        }
        let not = [
            "8.8.8.8:0",
            "10.0.0.1:9333",
            "127.0.0.1:9333",
            "192.168.1.1:9333",
            "172.16.0.1:1",
            "169.254.1.1:1",
            "100.64.0.1:1",
            "0.0.0.0:1",
            "224.0.0.1:1",
            "255.255.255.255:1",
            "203.0.113.9:1",
            "198.18.0.1:1",
            "[::1]:9333",
            "[fe80::1]:1",
            "[fc00::1]:1",
            "[ff02::1]:1",
            "[2001:db8::1]:1",
            "[2002:808:808::1]:1",
            "[2001::1]:1",
            "[::]:1",
            "[::ffff:10.0.0.1]:1",
            "node.example:9333",
        ];
        for private in not {
            assert!(!address(private).is_public(), "{private}");
        }
        for somewhere in ["127.0.0.1:19444", "10.1.2.3:1", "node.example:1"] {
            assert!(address(somewhere).is_somewhere(), "{somewhere}");
        }
        for nowhere in
            ["127.0.0.1:0", "0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "[::]:1", "[ff02::1]:1"]
        {
            assert!(!address(nowhere).is_somewhere(), "{nowhere}");
        }
    }

    #[test]
    fn neighbours_are_a_16_of_ipv4_and_a_32_of_ipv6() {
        let group = |text| address(text).group();
        assert_eq!(group("8.8.8.8:1"), group("[::ffff:8.8.4.4]:2"));
        assert_ne!(group("8.8.8.8:1"), group("8.9.8.8:1"));
        assert_eq!(group("[2a01:4f8::1]:1"), group("[2a01:4f8:ffff::1]:1"));
        assert_ne!(group("[2a01:4f8::1]:1"), group("[2a01:4f9::1]:1"));
    }

    /// The Tor project's own example (spec/torspec: rend-spec-v3): the name is the key, and proves it.
    #[test]
    fn a_hidden_service_is_named_by_its_key() {
        let name = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
        let key: Vec<u8> = name
            .bytes()
            .take(52)
            .fold((Vec::new(), 0u32, 0), |(mut bytes, buffer, bits), byte| {
                let digit = u32::from(if byte.is_ascii_digit() { byte - b'2' + 26 } else { byte - b'a' });
                let (buffer, bits) = ((buffer << 5 | digit) & 0xffff, bits + 5);
                if bits < 8 {
                    return (bytes, buffer, bits);
                }
                bytes.push((buffer >> (bits - 8)) as u8);
                (bytes, buffer, bits - 8)
            })
            .0;
        let onion = Address::onion(key[..32].try_into().expect("32 bytes"), 9333);
        assert_eq!(onion.to_string(), format!("{name}:9333"));
        assert!(onion.is_hidden() && onion.is_public());
        assert_eq!(address(&onion.to_string()), onion);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for wrong in
            ["", "a", "a:", ":1", "1.2.3:1", "1.2.3.4", "[::1]", "a b:1", "a:70000", "::1:1", "a:-1", "x/y:1"]
        {
            assert!(wrong.parse::<Address>().is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn an_address_is_read_as_it_is_written(ip: IpAddr, port: u16, key: [u8; 32]) {
            for address in [SocketAddr::new(ip, port).into(), Address::onion(&key, port), Address::i2p(&key, port)] {
                prop_assert_eq!(address.group().to_string().parse(), Ok(address.group()));
                prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
            }
        }

        #[test]
        fn no_text_panics(text: String) {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse(), Ok(address));
            }
        }
    }
}
