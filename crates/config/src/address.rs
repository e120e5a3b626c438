//! Addresses: where to listen, where to connect, where a node's RPC is.
//!
//! All ports are explicit: a default port would have to know the chain and its network, and would then be
//! wrong exactly when somebody runs two.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Why a text is not an address, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) remedy: String,
}

fn fault<T>(message: impl Into<String>, remedy: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { message: message.into(), remedy: remedy.into() })
}

/// Somewhere to connect to: a host name or IP address, and a port. Host names are not looked up here.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    /// A host name in lower case, an IPv4 address, or an IPv6 address without brackets: with
    /// [`port`](Self::port) what `tokio::net::lookup_host((host, port))` takes.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Never 0.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address, unless the host is a name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether it is a name of Tor or I2P, which only a proxy into that network can reach.
    pub fn needs_proxy(&self) -> bool {
        let name = self.host.strip_suffix('.').unwrap_or(&self.host);
        name.ends_with(".onion") || name.ends_with(".i2p")
    }

    /// Reads `host:port` or `[ipv6]:port` of somewhere that is connected to directly.
    pub(crate) fn parse(text: &str) -> Result<HostPort, Fault> {
        let address = Self::parse_any(text)?;
        if address.needs_proxy() {
            return fault(
                "a Tor or I2P address is reached through a proxy, and here none is used",
                "give an address that can be connected to directly",
            );
        }
        Ok(address)
    }

    /// The same of somewhere that may need a proxy.
    pub(crate) fn parse_any(text: &str) -> Result<HostPort, Fault> {
        const FORM: &str = "write host:port, such as 127.0.0.1:9333, node.example:9333 or [::1]:9333";
        if text.contains("://") {
            return fault("this is a URL, and an address is needed", FORM);
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => match rest.split_once("]:") {
                Some((host, port)) => (host, port),
                None => return fault("the port is missing", FORM),
            },
            None => match text.rsplit_once(':') {
                Some((host, port)) => (host, port),
                None => return fault("the port is missing", FORM),
            },
        };
        let bracketed = text.starts_with('[');
        if bracketed && host.parse::<Ipv6Addr>().is_err() {
            return fault("not an IPv6 address between the brackets", FORM);
        }
        if !bracketed && host.contains(':') {
            return fault("an IPv6 address needs brackets around it", FORM);
        }
        Ok(HostPort { host: parse_host(host)?, port: parse_port(port)? })
    }
}

fn parse_port(text: &str) -> Result<u16, Fault> {
    match text.parse::<u16>() {
        // `parse` takes a sign, and a port has none.
        Ok(port) if port > 0 && !text.starts_with('+') => Ok(port),
        Ok(0) => fault("port 0 means \"any\" and cannot be used", "write the real port, 1 to 65535"),
        _ => fault("the port is not a number from 1 to 65535", "write the real port after the last `:`"),
    }
}

/// Checks a host name by RFC 1123 §2.1, with `_` allowed since container networks use it.
fn parse_host(host: &str) -> Result<String, Fault> {
    if let Ok(ip) = IpAddr::from_str(host) {
        if ip.is_unspecified() {
            return fault(
                "this address means \"all interfaces\": one can listen there, not connect",
                "write the address to connect to, such as 127.0.0.1",
            );
        }
        // An IPv4 address in IPv6 dress is the same peer, and must compare equal.
        return Ok(ip.to_canonical().to_string());
    }
    let host = host.to_ascii_lowercase();
    let good_label = |label: &str| {
        let inside = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        (1..=63).contains(&label.len()) && inside && !label.starts_with('-') && !label.ends_with('-')
    };
    let name = host.strip_suffix('.').unwrap_or(&host);
    if name.len() > 253 || !name.split('.').all(good_label) {
        return fault("not a host name or IP address", "write a name such as node.example, or an IP address");
    }
    // No top-level domain is a number (RFC 3696 §2): this is an IPv4 address with a slip in it.
    if name.rsplit('.').next().is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit())) {
        return fault("not an IPv4 address", "write four numbers from 0 to 255, such as 127.0.0.1");
    }
    Ok(host)
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Serialize for HostPort {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where a node's JSON-RPC is: plain HTTP, an explicit port, no login in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcUrl {
    address: HostPort,
    path: String,
}

impl RpcUrl {
    /// Host and port.
    pub fn address(&self) -> &HostPort {
        &self.address
    }

    /// What to request: begins with `/`, visible ASCII only.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Reads `http://host:port` with or without a path.
    pub(crate) fn parse(text: &str) -> Result<RpcUrl, Fault> {
        const FORM: &str = "write http://host:port, such as http://127.0.0.1:9332";
        let Some((scheme, rest)) = text.split_once("://") else {
            return fault("the URL does not begin with http://", FORM);
        };
        if scheme.eq_ignore_ascii_case("https") {
            return fault(
                "https is not spoken to nodes (they have none themselves)",
                "write http://; for a node on another machine use a tunnel (WireGuard, ssh -L, stunnel)",
            );
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return fault("the URL does not begin with http://", FORM);
        }
        if rest.contains('@') {
            return fault(
                "a login in the URL would end up in logs",
                "put `user` and `password_file` beside the URL, and change that password if the file was shared",
            );
        }
        if rest.contains(['?', '#']) || !rest.bytes().all(|b| b.is_ascii_graphic()) {
            return fault("a node's URL has only a host, a port and a path", FORM);
        }
        let (address, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = if path.is_empty() { "/" } else { path };
        let address = HostPort::parse(address).map_err(|fault| Fault { remedy: FORM.to_owned(), ..fault })?;
        Ok(RpcUrl { address, path: path.to_owned() })
    }
}

impl fmt::Display for RpcUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path == "/" { "" } else { &self.path };
        write!(f, "http://{}{path}", self.address)
    }
}

impl Serialize for RpcUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads an address to listen on: an IP address, since a name may resolve to more than was meant.
pub(crate) fn parse_listener(text: &str) -> Result<SocketAddr, Fault> {
    if let Ok(address) = SocketAddr::from_str(text) {
        if address.port() == 0 {
            return parse_port("0").map(|_| address);
        }
        return Ok(address);
    }
    let port = text.rsplit_once(':').and_then(|(_, port)| parse_port(port).ok());
    let (host, port) = match (text.rsplit_once(':'), port) {
        (Some((host, _)), Some(port)) => (host, port.to_string()),
        _ => {
            return fault(
                "not an address to listen on",
                "write IP:port, such as 127.0.0.1:7904 or [::1]:7904",
            );
        }
    };
    let remedy =
        format!("write an IP address: 127.0.0.1:{port} for this machine, 0.0.0.0:{port} for all networks");
    fault(if host.is_empty() { "the IP address is missing" } else { "not an IP address and port" }, remedy)
}

/// Whether two listeners cannot both be had: the same port, on the same address or with one on all of them.
/// `[::]` takes IPv4 too, by the default of every system that we run on.
pub(crate) fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let covers = |wide: IpAddr, ip: IpAddr| match wide {
        IpAddr::V4(wide) => wide.is_unspecified() && ip.is_ipv4(),
        IpAddr::V6(wide) => wide.is_unspecified(),
    };
    let (x, y) = (a.ip(), b.ip());
    a.port() == b.port() && (x == y || covers(x, y) || covers(y, x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_prints_as_it_was_written() {
        for text in ["127.0.0.1:9333", "[::1]:9333", "node_a.example:1", "litecoind:65535"] {
            assert_eq!(HostPort::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(HostPort::parse("[0::1]:9333").unwrap(), HostPort::parse("[::1]:9333").unwrap());
        assert_eq!(HostPort::parse("NODE:1").unwrap().host(), "node");
    }

    #[test]
    fn what_needs_a_proxy_is_known_by_its_name() {
        for (text, needed) in [
            ("abc.onion:80", true),
            ("ABC.Onion.:80", true),
            ("abc.b32.i2p:80", true),
            ("onion.example:80", false),
            ("onion:80", false),
            ("1.2.3.4:80", false),
        ] {
            assert_eq!(HostPort::parse_any(text).unwrap().needs_proxy(), needed, "{text}");
            assert_eq!(HostPort::parse(text).is_err(), needed, "{text}");
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", "port is missing"),
            ("127.0.0.1", "port is missing"),
            ("127.0.0.1:", "not a number"),
            ("127.0.0.1:+80", "not a number"),
            ("127.0.0.1:0", "port 0"),
            ("127.0.0.1:65536", "not a number"),
            ("300.0.0.1:80", "not an IPv4"),
            ("1.2.3:80", "not an IPv4"),
            ("::1:80", "brackets"),
            ("[::1]", "port is missing"),
            ("[127.0.0.1]:80", "between the brackets"),
            ("0.0.0.0:80", "all interfaces"),
            ("ho st:80", "not a host name"),
            ("-a.example:80", "not a host name"),
            (":80", "not a host name"),
            ("http://a:80", "URL"),
            ("abc.onion:80", "Tor"),
        ] {
            let fault = HostPort::parse(text).unwrap_err();
            assert!(fault.message.contains(reason), "{text}: {}", fault.message);
        }
    }

    #[test]
    fn a_url_has_an_explicit_port_and_no_login() {
        let url = RpcUrl::parse("http://127.0.0.1:9332/wallet/a").unwrap();
        assert_eq!((url.address().port(), url.path()), (9332, "/wallet/a"));
        assert_eq!(url.to_string(), "http://127.0.0.1:9332/wallet/a");
        assert_eq!(RpcUrl::parse("HTTP://[::1]:1/").unwrap().to_string(), "http://[::1]:1");
        for (text, reason) in [
            ("127.0.0.1:9332", "begin with http"),
            ("ftp://a:1", "begin with http"),
            ("https://a:1", "https"),
            ("http://a", "port is missing"),
            ("http://u:p@a:1", "login"),
            ("http://a:1?x", "only a host"),
            ("http://a:1/\r\nx", "only a host"),
        ] {
            let fault = RpcUrl::parse(text).unwrap_err();
            assert!(fault.message.contains(reason), "{text}: {}", fault.message);
        }
    }

    #[test]
    fn a_listener_is_an_ip_address_with_a_port() {
        assert!(parse_listener("127.0.0.1:7904").is_ok());
        assert!(parse_listener("[::]:7904").is_ok());
        for (text, remedy) in [
            ("localhost:7904", "127.0.0.1:7904"),
            (":7904", "0.0.0.0:7904"),
            ("7904", "IP:port"),
            ("127.0.0.1:0", "1 to 65535"),
        ] {
            let fault = parse_listener(text).unwrap_err();
            assert!(fault.remedy.contains(remedy), "{text}: {}", fault.remedy);
        }
    }

    #[test]
    fn all_interfaces_collide_with_each_one_of_them() {
        let collides = |a: &str, b: &str| collide(a.parse().unwrap(), b.parse().unwrap());
        assert!(collides("127.0.0.1:1", "127.0.0.1:1"));
        assert!(collides("0.0.0.0:1", "127.0.0.1:1"));
        assert!(collides("127.0.0.1:1", "[::]:1"));
        assert!(!collides("0.0.0.0:1", "[::1]:1"));
        assert!(!collides("127.0.0.1:1", "127.0.0.2:1"));
        assert!(!collides("127.0.0.1:1", "127.0.0.1:2"));
    }
}
