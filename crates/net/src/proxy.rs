//! Connecting through a SOCKS5 proxy (RFC 1928, RFC 1929).
//!
//! # Security
//!
//! Whoever sets a proxy does not want to be seen doing what it does for him. So a name, and a Tor or I2P name above all,
//! goes to the proxy as it stands; nothing here asks the resolver of this machine for it. Only the proxy's own address
//! is looked up here.
//!
//! # Correctness
//!
//! A proxy that is down must not look like a hundred peers that are. Whose fault it was is therefore told apart: until
//! the proxy has said its first word everything is the [proxy's fault](ProxyFault), and so is whatever it says that is
//! not SOCKS5. What it [answers](Answer) is about the peer; so is its silence once it has greeted, for that is how long
//! it takes to connect.

use std::{
    fmt, io,
    net::{Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_socks::{Error, TargetAddr, tcp::Socks5Stream};

use crate::DialError;

/// The longest name that SOCKS5 can carry, in bytes (RFC 1928 §5).
const LONGEST_NAME: usize = 255;

/// A SOCKS5 proxy, and how to log in to it. `Debug` shows neither user nor password.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// `host:port`
    pub address: String,
    /// User and password, 1 to 255 bytes each (RFC 1929 §2). Without, the proxy must not ask for any.
    pub login: Option<(String, String)>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Why a proxy is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ProxyFault {
    /// There is no connection to it.
    #[error("cannot be connected to: {0}")]
    Unreachable(io::Error),
    /// It does not take the connection in time, or takes it and says nothing.
    #[error("no answer within {0:?}")]
    Silent(Duration),
    /// It refuses the login, hangs up, or what it says is not SOCKS5.
    #[error("{0}")]
    Negotiation(#[source] Error),
}

/// What a proxy says when it could not connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Answer {
    /// Nobody listens there.
    #[error("connection refused")]
    Refused,
    /// There is no way there, or none that it may or can take.
    #[error("{0}")]
    Unreachable(&'static str),
    /// Nobody answered in time.
    #[error("timed out")]
    TimedOut,
}

impl Answer {
    /// A stable word for metric labels, the same that a direct connection would have failed with.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::TimedOut => "timeout",
        }
    }

    /// `None` if what failed is not about the peer.
    fn of(error: &Error) -> Option<Self> {
        Some(match error {
            Error::ConnectionRefused => Self::Refused,
            Error::TtlExpired => Self::TimedOut,
            // How Tor says that a circuit could not be built, among others.
            Error::GeneralSocksServerFailure => Self::Unreachable("general failure"),
            Error::ConnectionNotAllowedByRuleset => Self::Unreachable("not allowed by its rules"),
            Error::NetworkUnreachable => Self::Unreachable("network unreachable"),
            Error::HostUnreachable => Self::Unreachable("host unreachable"),
            Error::AddressTypeNotSupported => Self::Unreachable("it has no addresses of this kind"),
            _ => return None,
        })
    }
}

impl Proxy {
    /// Connects to the proxy, and through it to `host:port`.
    pub(crate) async fn connect(
        &self,
        address: &str,
        limit: Duration,
    ) -> Result<(TcpStream, SocketAddr), DialError> {
        let (target, remote) = target(address).ok_or_else(|| {
            DialError::Resolve(address.into(), io::Error::new(io::ErrorKind::InvalidInput, "not host:port"))
        })?;
        let useless = |fault| DialError::Proxy(self.address.clone(), fault);
        let deadline = Instant::now() + limit;
        let mut stream = timeout_at(deadline, TcpStream::connect(&self.address))
            .await
            .map_err(|_| useless(ProxyFault::Silent(limit)))?
            .map_err(|error| useless(ProxyFault::Unreachable(error)))?;
        let greeted = AtomicBool::new(false);
        let line = Line { stream: &mut stream, greeted: &greeted };
        let negotiation = async {
            match &self.login {
                Some((user, password)) => {
                    Socks5Stream::connect_with_password_and_socket(line, target, user, password).await
                }
                None => Socks5Stream::connect_with_socket(line, target).await,
            }
            // What the proxy calls its own end of the connection is of no interest.
            .map(|_| ())
        };
        match timeout_at(deadline, negotiation).await {
            Ok(Ok(())) => Ok((stream, remote)),
            Ok(Err(error)) => Err(match Answer::of(&error) {
                Some(answer) => DialError::Answered(address.into(), answer),
                None => useless(ProxyFault::Negotiation(error)),
            }),
            Err(_) if greeted.load(Relaxed) => Err(DialError::Timeout(address.into(), limit)),
            Err(_) => Err(useless(ProxyFault::Silent(limit))),
        }
    }
}

/// What to ask the proxy for, and what is known of who that is.
fn target(address: &str) -> Option<(TargetAddr<'_>, SocketAddr)> {
    if let Ok(remote) = address.parse::<SocketAddr>() {
        let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
        return Some((TargetAddr::Ip(remote), remote));
    }
    let (host, port) = address.rsplit_once(':')?;
    let named = (1..=LONGEST_NAME).contains(&host.len()) && !host.contains([':', '[', ']']);
    let target = TargetAddr::Domain(host.into(), port.parse().ok()?);
    named.then_some((target, SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0)))
}

/// The connection to the proxy, which remembers whether the proxy has said anything.
struct Line<'a> {
    stream: &'a mut TcpStream,
    greeted: &'a AtomicBool,
}

impl AsyncRead for Line<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut *self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.greeted.store(true, Relaxed);
        }
        polled
    }
}

impl AsyncWrite for Line<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_a_name_and_an_ipv4_address_is_one_in_every_dress() {
        let ipv4: SocketAddr = "1.2.3.4:9333".parse().unwrap();
        for text in ["1.2.3.4:9333", "[::ffff:1.2.3.4]:9333"] {
            assert_eq!(target(text), Some((TargetAddr::Ip(ipv4), ipv4)), "{text}");
        }
        let nobody = "[::]:0".parse().unwrap();
        for name in ["node.example", "abc.onion", "abc.b32.i2p", &"a".repeat(255)] {
            let expected = TargetAddr::Domain(name.into(), 9333);
            assert_eq!(target(&format!("{name}:9333")), Some((expected, nobody)), "{name}");
        }
        for text in
            ["", ":", "a", ":1", "a:", "a:65536", "::1:9333", "[a]:1", &format!("{}:1", "a".repeat(256))]
        {
            assert_eq!(target(text), None, "{text}");
        }
    }

    #[test]
    fn a_login_is_not_shown() {
        let login = Some(("canary-user".to_owned(), "canary-password".to_owned()));
        let proxy = Proxy { address: "127.0.0.1:9050".into(), login };
        let shown = format!("{proxy:?} {proxy:#?}");
        assert!(shown.contains("127.0.0.1:9050") && !shown.contains("canary"), "{shown}");
    }
}
