//! Making connections.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use crate::socket;

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
}

impl DialError {
    /// A stable word for metric labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Resolve(..) => "unresolved",
            Self::Refused(_) => "refused",
            Self::Timeout(..) => "timeout",
            Self::Io(..) => "unreachable",
        }
    }
}

/// Connects to `host:port` and tunes the socket. A name's addresses are tried in turn; the last one's failure is told.
///
/// # Errors
/// When the name does not resolve or no address answers within `limit`, which holds for all of it together.
pub async fn dial(address: &str, limit: Duration) -> Result<(TcpStream, SocketAddr), DialError> {
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
    let (stream, remote) =
        timeout(limit, attempt).await.map_err(|_| DialError::Timeout(address.into(), limit))??;
    let congestion_control = socket::tune(&stream);
    tracing::info!(peer = address, %remote, congestion_control, "connected");
    Ok((stream, remote))
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
        dial(&address, limit).await.unwrap();
        drop(listener);
        assert_eq!(dial(&address, limit).await.unwrap_err().kind(), "refused");
        assert_eq!(dial("no port here", limit).await.unwrap_err().kind(), "unresolved");
    }
}
