//! Where a node listens, how we log in, and how long we are willing to wait.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

/// Everything that is needed to talk to one node.
///
/// `Debug` is safe to log: the password is redacted.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The node's name in logs, metrics and reports, as the operator wrote it.
    pub name: String,
    /// Where its RPC server listens.
    pub url: Url,
    /// How to log in there.
    pub auth: Auth,
    /// How long to wait for what.
    pub timeouts: Timeouts,
}

/// How to log in: HTTP Basic authentication, with one of two sources for the credentials.
#[derive(Debug, Clone)]
pub enum Auth {
    /// A fixed user and password (`rpcuser`/`rpcpassword` or `rpcauth` in the daemon's configuration).
    Password {
        /// The user. It must not contain a colon, which ends the user in Basic authentication.
        user: String,
        /// The password.
        password: SecretString,
        /// The file that the password was read from, so that an error can name it. Never read here.
        file: Option<PathBuf>,
    },
    /// The daemon's cookie file: `__cookie__:<64 hex>`, rewritten at each start of the daemon and removed when it
    /// stops. It is read when first needed, and again after a 401.
    Cookie(PathBuf),
}

impl Auth {
    /// A user and password that came from no file.
    pub fn password(user: impl Into<String>, password: impl Into<SecretString>) -> Self {
        Self::Password { user: user.into(), password: password.into(), file: None }
    }
}

/// Time limits. The defaults suit a node in the same building as well as one across an ocean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For name resolution and the TCP handshake together. Applies to every kind of request. Default 3 s.
    pub connect: Duration,
    /// For an ordinary call or batch, from its start to the last byte of the reply. Default 10 s.
    pub call: Duration,
    /// For one attempt at `submitblock`, from a ready connection to the last byte of the verdict. Default 30 s: a
    /// node validates a full block in about a second, and in many on a busy disk.
    pub submit: Duration,
    /// A connection that was idle for longer is not used again. Default 20 s; the daemons close an idle connection
    /// after 30 s (`-rpcservertimeout`), and a request that crosses that close on the wire is lost.
    pub idle: Duration,
    /// How often [`Client::keep_warm`](crate::Client::keep_warm) uses the idle submit connections. Default 15 s; it
    /// must be shorter than [`idle`](Self::idle) to be of use.
    pub warm: Duration,
    /// How soon [`Client::keep_warm`](crate::Client::keep_warm) tries again when the node is not ready. Default 1 s.
    pub warm_retry: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            call: Duration::from_secs(10),
            submit: Duration::from_secs(30),
            idle: Duration::from_secs(20),
            warm: Duration::from_secs(15),
            warm_retry: Duration::from_secs(1),
        }
    }
}

/// The address of an RPC server: `http://host:port`, optionally with a path such as `/wallet/pool`.
///
/// Parsed with [`FromStr`]. The port has to be written, because it differs by coin and network.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Url {
    host: String,
    port: u16,
    path: String,
}

/// Why a text is no [`Url`]. It never quotes the text, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// `https://`: the daemons speak plain HTTP only.
    #[error(
        "https is not possible: the daemons speak plain http. Write http://, and reach a node on another machine \
         through a tunnel (WireGuard, ssh -L, stunnel)"
    )]
    Https,
    /// Anything that does not begin with `http://`.
    #[error("it must begin with http://, for example http://127.0.0.1:9332")]
    Scheme,
    /// `user:password@` in front of the host.
    #[error(
        "it must not hold a user or password: write `user` and `password_file`, or `cookie_file`, beside it"
    )]
    Credentials,
    /// No host, or one with characters that no host name has.
    #[error(
        "the host must be a name, an IPv4 address, or an IPv6 address in brackets, as in http://[::1]:9332"
    )]
    Host,
    /// No port, or not a number from 1 to 65535.
    #[error(
        "it must name a port from 1 to 65535, the daemon's rpcport (mainnet: Litecoin 9332, Dogecoin 22555, Dash 9998)"
    )]
    Port,
    /// A path with characters that cannot stand in an HTTP request line.
    #[error("the path may hold visible ASCII characters only, without ? and #")]
    Path,
}

impl UrlError {
    /// A short constant name of the error, for metric labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Scheme => "scheme",
            Self::Credentials => "credentials",
            Self::Host => "host",
            Self::Port => "port",
            Self::Path => "path",
        }
    }
}

// === impl Url ===

impl Url {
    /// The host: a name or an address, IPv6 without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path, at least `/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// `host:port`, with brackets around an IPv6 address: what goes into the `Host` header and into messages.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.path)
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        if scheme.eq_ignore_ascii_case("https") {
            return Err(UrlError::Https);
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(UrlError::Scheme);
        }
        // Before anything else: a password may hold a slash, so look for the @ in the whole rest.
        if rest.contains('@') {
            return Err(UrlError::Credentials);
        }
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (host, port) = match authority.strip_prefix('[') {
            Some(bracketed) => {
                let (host, after) = bracketed.split_once(']').ok_or(UrlError::Host)?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| UrlError::Host)?;
                (host, after.strip_prefix(':').ok_or(UrlError::Port)?)
            }
            None => {
                let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
                let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
                if host.is_empty() || host.len() > 253 || !host.chars().all(fits) {
                    return Err(UrlError::Host);
                }
                (host, port)
            }
        };
        if !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(UrlError::Port);
        }
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(UrlError::Port)?;
        if !is_path(path) {
            return Err(UrlError::Path);
        }
        Ok(Self { host: host.to_owned(), port, path: path.to_owned() })
    }
}

/// Whether `path` may stand in a request line: no blank or control character can end the line early.
pub(crate) fn is_path(path: &str) -> bool {
    path.starts_with('/')
        && path.len() <= 2048
        && path.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_put_together_again() {
        for (text, host, port, path) in [
            ("http://127.0.0.1:9332", "127.0.0.1", 9332, "/"),
            ("HTTP://node-a.pool_net:22555/", "node-a.pool_net", 22555, "/"),
            ("http://[::1]:19443/wallet/pool", "::1", 19443, "/wallet/pool"),
        ] {
            let url: Url = text.parse().unwrap();
            assert_eq!((url.host(), url.port(), url.path()), (host, port, path), "{text}");
            assert_eq!(url.to_string().parse::<Url>().unwrap(), url);
        }
        assert_eq!("http://[::1]:19443".parse::<Url>().unwrap().authority(), "[::1]:19443");
    }

    #[test]
    fn each_fault_in_a_url_has_its_own_error() {
        for (text, error) in [
            ("https://127.0.0.1:9332", UrlError::Https),
            ("ftp://127.0.0.1:9332", UrlError::Scheme),
            ("127.0.0.1:9332", UrlError::Scheme),
            ("", UrlError::Scheme),
            ("http://user:pass@127.0.0.1:9332", UrlError::Credentials),
            ("http://user:pa/ss@127.0.0.1:9332", UrlError::Credentials),
            ("http://:9332", UrlError::Host),
            ("http://a b:9332", UrlError::Host),
            ("http://a\r\nX: y:9332", UrlError::Host),
            ("http://[localhost]:9332", UrlError::Host),
            ("http://[::1", UrlError::Host),
            ("http://localhost", UrlError::Port),
            ("http://[::1]", UrlError::Port),
            ("http://localhost:0", UrlError::Port),
            ("http://localhost:65536", UrlError::Port),
            ("http://localhost:+80", UrlError::Port),
            ("http://localhost:9332/a b", UrlError::Path),
            ("http://localhost:9332/a\nb", UrlError::Path),
            ("http://localhost:9332/?x", UrlError::Path),
        ] {
            assert_eq!(text.parse::<Url>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn https_is_refused_with_the_remedy() {
        let error = "https://node:9332".parse::<Url>().unwrap_err().to_string();
        assert!(error.contains("plain http") && error.contains("tunnel"), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_parses_cannot_break_a_request_line(text in "(http://)?\\PC{0,40}") {
            if let Ok(url) = text.parse::<Url>() {
                let line = format!("{}{}", url.authority(), url.path());
                prop_assert!(line.bytes().all(|b| b.is_ascii_graphic()));
                prop_assert_eq!(url.to_string().parse::<Url>().unwrap(), url);
            }
        }
    }
}
