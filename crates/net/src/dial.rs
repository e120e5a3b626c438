//! Making connections.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use crate::{
    proxy::{Answer, Proxy, ProxyFault},
    socket,
};

/// Why no connection could be made.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name has no address.
    #[error("{0}: the name does not resolve: {1}")]
    Resolve(String, io::Error),
    /// Nobody listens there.
    #[error("{0}: connection refused")]
    Refused(String),
    /// No answer in time.
    #[error("{0}: no answer within {1:?}")]
    Timeout(String, Duration),
    /// Anything else.
    #[error("{0}: {1}")]
    Io(String, io::Error),
    /// The proxy is of no use. That says nothing of the peer, which was not asked.
    #[error("the proxy {0}: {1}")]
    Proxy(String, ProxyFault),
    /// The proxy could not connect to it, as it says itself.
    #[error("{0}: the proxy says: {1}")]
    Answered(String, Answer),
}

impl DialError {
    /// A stable word for metric labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Resolve(..) => "unresolved",
            Self::Refused(_) => "refused",
            Self::Timeout(..) => "timeout",
            Self::Io(..) => "unreachable",
            Self::Proxy(..) => "proxy_down",
            Self::Answered(_, answer) => answer.kind(),
        }
    }
}

/// Connects to `host:port` and tunes the socket, directly or through a proxy; `limit` holds for all of it together.
///
/// Returns the connection and whom it leads to. Through a proxy that is known only of an address that is an IP address:
/// a name is handed to the proxy as it stands and never looked up here, and who that is remains `[::]:0`. And it is the
/// proxy whose socket it is: what TCP tells of progress is then the proxy's progress.
///
/// # Errors
/// When the name does not resolve or nobody answers within `limit`; when the proxy cannot be used, or cannot connect.
pub async fn dial(
    address: &str,
    proxy: Option<&Proxy>,
    limit: Duration,
) -> Result<(TcpStream, SocketAddr), DialError> {
    let (stream, remote) = match proxy {
        Some(proxy) => proxy.connect(address, limit).await?,
        None => directly(address, limit).await?,
    };
    let congestion_control = socket::tune(&stream);
    tracing::debug!(peer = address, %remote, proxied = proxy.is_some(), congestion_control, "connected");
    Ok((stream, remote))
}

/// A name's addresses are tried in turn; the last one's failure is told.
async fn directly(address: &str, limit: Duration) -> Result<(TcpStream, SocketAddr), DialError> {
    let attempt = async {
        let resolve = |error| DialError::Resolve(address.into(), error);
        let candidates = lookup_host(address).await.map_err(resolve)?;
        let mut last = resolve(io::ErrorKind::NotFound.into());
        for candidate in candidates {
            match TcpStream::connect(candidate).await {
                Ok(stream) => return Ok((stream, candidate)),
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    last = DialError::Refused(address.into());
                }
                Err(error) => last = DialError::Io(address.into(), error),
            }
        }
        Err(last)
    };
    timeout(limit, attempt).await.map_err(|_| DialError::Timeout(address.into(), limit))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn refused_and_unresolvable_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let limit = Duration::from_secs(5);
        dial(&address, None, limit).await.unwrap();
        drop(listener);
        assert_eq!(dial(&address, None, limit).await.unwrap_err().kind(), "refused");
        assert_eq!(dial("no port here", None, limit).await.unwrap_err().kind(), "unresolved");
    }
}
