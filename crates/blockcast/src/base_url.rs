//! The daemon's address as people write it, and the paths below it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use hyper::http::Uri;

/// Where a daemon listens whose configuration says nothing else.
pub(crate) const DEFAULT_URL: &str = "http://127.0.0.1:7904";

/// Where a daemon serves HTTP: `http://host:port`, and a path before its own if a proxy adds one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    /// `host:port`, with brackets around an IPv6 address.
    authority: String,
    /// Empty, or begins with `/` and does not end with one.
    prefix: String,
}

impl FromStr for BaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "write http://HOST:PORT, such as http://127.0.0.1:7904";
        if text.starts_with("https://") {
            return Err(
                "the daemon speaks plain http; reach one on another machine through a tunnel (ssh -L)".into(),
            );
        }
        let uri: Uri = text.parse().map_err(|error| format!("{error}; {FORM}"))?;
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http")).ok_or(FORM)?;
        if authority.as_str().contains('@') {
            return Err("a user or password has no place here; the daemon wants --token-file".into());
        }
        if authority.port_u16().is_none_or(|port| port == 0) || authority.host().is_empty() {
            return Err(FORM.into());
        }
        if uri.query().is_some() {
            return Err(format!("it may not hold a `?`; {FORM}"));
        }
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { authority: authority.as_str().to_owned(), prefix })
    }
}

impl BaseUrl {
    /// `host:port`, with brackets around an IPv6 address.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// What comes before the daemon's own paths.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Where to reach a daemon that listens there: one that listens on all addresses is called by loopback.
    pub(crate) fn of_listener(listen: SocketAddr) -> Self {
        let ip = match listen.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Self { authority: SocketAddr::new(ip, listen.port()).to_string(), prefix: String::new() }
    }
}

/// A name as one segment of a path (RFC 3986 §2.1), so that it cannot become another path.
pub(crate) fn segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    name.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_host_and_a_port_and_may_have_a_path_before_the_daemons_own() {
        let url: BaseUrl = "http://[::1]:7904/blockcast/".parse().unwrap();
        assert_eq!((url.authority.as_str(), url.prefix.as_str()), ("[::1]:7904", "/blockcast"));
        let default: BaseUrl = DEFAULT_URL.parse().unwrap();
        assert_eq!((default.authority.as_str(), default.prefix.as_str()), ("127.0.0.1:7904", ""));
        for wrong in [
            "",
            "127.0.0.1:7904",
            "http://",
            "http://localhost",
            "http://localhost:0",
            "http://localhost:x",
            "https://localhost:7904",
            "ftp://localhost:7904",
            "http://user:secret@localhost:7904",
            "http://localhost:7904/?x",
            "http://a b:7904",
        ] {
            let error = wrong.parse::<BaseUrl>().expect_err(wrong);
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_name_stays_one_segment_of_a_path() {
        assert_eq!(segment("litecoin-2"), "litecoin-2");
        assert_eq!(segment("a/../b?c#d é"), "a%2F..%2Fb%3Fc%23d%20%C3%A9");
    }

    #[test]
    fn a_daemon_that_listens_everywhere_is_called_by_loopback() {
        for (listen, reached) in
            [("0.0.0.0:7904", "127.0.0.1:7904"), ("[::]:7904", "[::1]:7904"), ("10.0.0.5:80", "10.0.0.5:80")]
        {
            assert_eq!(BaseUrl::of_listener(listen.parse().unwrap()).authority, reached);
        }
    }
}
