//! DNS seeds: names whose addresses are those of nodes.
//!
//! What a seed answers is taken on trust by nobody. Here it is only kept from being too much; whether an address can be
//! routed, and what it is worth, is for the peer book to say. Whoever connects through a proxy does not ask seeds at all:
//! the question goes to the resolver of this machine, which tells others what is run here.

use std::{collections::HashSet, io, net::SocketAddr, time::Duration};

use tokio::{net::lookup_host, time::timeout};

/// How many addresses of a seed are taken: as many as daemons take (L net.cpp, `ThreadDNSAddressSeed`).
pub const MOST: usize = 256;

/// How many of its addresses are looked at, the repeated ones included.
const LOOKED_AT: usize = 16 * MOST;

/// Why a seed gave no addresses.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The name has no address, or nobody could be asked.
    #[error("{0}: the name does not resolve: {1}")]
    Resolve(String, io::Error),
    /// No answer in time.
    #[error("{0}: no answer within {1:?}")]
    Timeout(String, Duration),
    /// An answer, and no address in it.
    #[error("{0}: the answer holds no address")]
    Empty(String),
}

impl SeedError {
    /// A stable word for metric labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Resolve(..) => "unresolved",
            Self::Timeout(..) => "timeout",
            Self::Empty(_) => "empty",
        }
    }
}

/// Asks the system's resolver for the addresses of a seed: at most [`MOST`], none twice, IPv4 never in IPv6 dress, all
/// with this port. After `limit` the answer is not waited for any longer; the thread that asks may linger until the
/// resolver itself gives up.
///
/// # Errors
/// When there is no address, or none in time.
pub async fn lookup(seed: &str, port: u16, limit: Duration) -> Result<Vec<SocketAddr>, SeedError> {
    let system = |host, port| async move { lookup_host((host, port)).await.map(Vec::from_iter) };
    lookup_by(seed, port, limit, system).await
}

/// The same, by any resolver; it is told name and port.
///
/// # Errors
/// When there is no address, or none in time.
pub async fn lookup_by<A, F>(
    seed: &str,
    port: u16,
    limit: Duration,
    resolve: impl FnOnce(String, u16) -> F,
) -> Result<Vec<SocketAddr>, SeedError>
where
    A: IntoIterator<Item = SocketAddr>,
    F: Future<Output = io::Result<A>>,
{
    let answer = timeout(limit, resolve(seed.to_owned(), port)).await;
    let answer = answer.map_err(|_| SeedError::Timeout(seed.to_owned(), limit))?;
    let answer = answer.map_err(|error| SeedError::Resolve(seed.to_owned(), error))?;
    let mut seen = HashSet::new();
    let addresses: Vec<_> = answer
        .into_iter()
        .take(LOOKED_AT)
        .map(|address| SocketAddr::new(address.ip().to_canonical(), port))
        .filter(|address| seen.insert(*address))
        .take(MOST)
        .collect();
    if addresses.is_empty() { Err(SeedError::Empty(seed.to_owned())) } else { Ok(addresses) }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, ready},
        net::Ipv4Addr,
    };

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    async fn answered(answer: impl IntoIterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, SeedError> {
        let resolve = |host: String, port| {
            assert_eq!((host.as_str(), port), ("seed.example", 9333));
            ready(Ok(answer))
        };
        lookup_by("seed.example", 9333, LIMIT, resolve).await
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn of_too_many_addresses_the_first_are_taken_even_if_there_is_no_end_to_them() {
        let many = |n: u32| SocketAddr::new(Ipv4Addr::from(0x0800_0000 + n).into(), 9333);
        let found = answered((0..10_000).map(many)).await.unwrap();
        assert_eq!(found, (0..256).map(many).collect::<Vec<_>>());
        assert_eq!(answered((0..).map(|_| many(1))).await.unwrap(), [many(1)]);
    }

    #[tokio::test]
    async fn an_address_is_taken_once_and_by_its_plain_form_and_with_the_chains_port() {
        let answer = ["1.2.3.4:9333", "[::ffff:1.2.3.4]:9333", "1.2.3.4:1", "[2001:db8::1]:0"].map(address);
        assert_eq!(answered(answer).await.unwrap(), ["1.2.3.4:9333", "[2001:db8::1]:9333"].map(address));
    }

    #[tokio::test]
    async fn private_addresses_are_left_for_the_book_to_refuse() {
        let private = ["127.0.0.1:9333", "10.0.0.1:9333", "[fe80::1]:9333", "0.0.0.0:9333"].map(address);
        assert_eq!(answered(private).await.unwrap(), private);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_failure_and_nothing_are_told_apart() {
        assert_eq!(answered([]).await.unwrap_err().kind(), "empty");
        let silent = lookup_by("seed.example", 1, LIMIT, |_, _| pending::<io::Result<Vec<SocketAddr>>>());
        assert_eq!(silent.await.unwrap_err().kind(), "timeout");
        let failure = || io::Error::other("no such name");
        let failed = lookup_by("seed.example", 1, LIMIT, |_, _| ready(Err::<Vec<_>, _>(failure()))).await;
        assert_eq!(failed.unwrap_err().to_string(), "seed.example: the name does not resolve: no such name");
    }

    #[tokio::test]
    async fn the_system_is_asked() {
        // An address is its own name, so no server is needed.
        assert_eq!(lookup("127.0.0.1", 9333, LIMIT).await.unwrap(), [address("127.0.0.1:9333")]);
    }
}
