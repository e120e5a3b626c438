//! `/api/v1/chains/{chain}/peers`: the peer book, and why a peer is where it is in it.

use std::{collections::HashMap, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path, Query},
};
use engine::{BookEntry, ChainHandle};
use protocol::book::{Address, Explanation, State};
use relay::Peer;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Problem;
use crate::shared::Shared;

/// An address of the peer book, and what is known of the connection to it.
#[derive(Serialize)]
struct BookPeer {
    #[serde(flatten)]
    entry: BookEntry,
    /// What the configuration says of a fixed peer.
    description: Option<String>,
    connection: Option<Connection>,
}

/// All that is known of one address.
#[derive(Serialize)]
struct Explained<'a> {
    chain: &'a str,
    #[serde(flatten)]
    explanation: Explanation,
    /// What the configuration says of a fixed peer.
    description: Option<String>,
    connection: Option<Connection>,
}

/// A banned host.
#[derive(Serialize)]
struct Ban {
    host: String,
    /// Unix seconds.
    until: f64,
}

#[derive(Serialize)]
struct Connection {
    /// The node's name if it is one of ours, else the address.
    name: String,
    /// Whether the handshake is done.
    ready: bool,
    /// Whether it is never pushed to.
    observer: bool,
    connected_seconds: u64,
    user_agent: String,
    protocol: i32,
    /// Bits, in hex.
    services: String,
    round_trip_ms: Option<f64>,
    /// The height that it is known or claims to have.
    height: Option<u32>,
    /// Bytes that wait for it.
    backlog_bytes: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    limit: Option<String>,
    state: Option<String>,
    source: Option<String>,
}

/// Which peers are wanted. Without a word any is.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    limit: usize,
    states: Vec<String>,
    sources: Vec<String>,
}

/// `{"chain", "total", "peers": [peer, …], "bans": [ban, …]}`: the book, best first, or what the query wants of it;
/// `total` is how many there are of those without the limit.
pub(super) async fn all(
    shared: Data<Shared>,
    name: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let chain = super::chain(&shared, &name)?;
    let sources: Vec<_> = chain.relay.peer_kinds().collect();
    let wanted = Wanted::of(request.query_string(), &sources)?;
    let live = chain.relay.peers();
    let live: HashMap<&str, &Arc<Peer>> = live.iter().map(|peer| (peer.address.as_str(), peer)).collect();
    let mut entries = chain.book();
    entries.retain(|entry| wanted.has(entry));
    let total = entries.len();
    let of_entry = |entry: BookEntry| {
        let connection = live.get(entry.address.as_str()).map(|peer| connection(chain, peer));
        BookPeer { description: description(chain, &entry.address), entry, connection }
    };
    let peers: Vec<_> = entries.into_iter().take(wanted.limit).map(of_entry).collect();
    let bans: Vec<_> = chain.bans().into_iter().map(|(host, until)| Ban { host, until }).collect();
    let body = json!({ "chain": chain.name(), "total": total, "peers": peers, "bans": bans });
    Ok(HttpResponse::Ok().json(body))
}

/// Everything that the book knows of one address, its score term by term.
pub(super) async fn one(shared: Data<Shared>, path: Path<(String, String)>) -> Result<HttpResponse, Problem> {
    const REMEDY: &str =
        "write host:port, and an IPv6 host in brackets: 203.0.113.7:9333, [2001:db8::1]:9333";
    let (name, text) = path.into_inner();
    let chain = super::chain(&shared, &name)?;
    let address: Address = text.parse().map_err(|_| {
        let shown: String = text.chars().take(300).collect();
        Problem::bad_request("bad_address", format!("address = {shown:?} is no address"), REMEDY)
    })?;
    let explanation = chain.explain_peer(&address).ok_or_else(|| {
        let host = address.host();
        let banned = chain.bans().iter().any(|(banned, _)| *banned == host);
        let note = if banned { "; its host is banned" } else { "" };
        let message = format!("the peer book of {} has no {address}{note}", chain.name());
        let remedy = format!("/api/v1/chains/{}/peers has the whole book, with ports", chain.name());
        Problem::not_found("unknown_peer", message, remedy)
    })?;
    let live = chain.relay.peers();
    let connection = live.iter().find(|peer| peer.address == explanation.address);
    let connection = connection.map(|peer| self::connection(chain, peer));
    Ok(HttpResponse::Ok().json(Explained {
        chain: chain.name(),
        description: description(chain, &explanation.address),
        explanation,
        connection,
    }))
}

/// What the configuration says of a fixed peer.
fn description(chain: &ChainHandle, address: &str) -> Option<String> {
    let fixed = chain.config.peers.fixed.iter().find(|fixed| fixed.address.to_string() == address);
    fixed?.description.clone()
}

/// Whether an address is not dialled for now.
pub(super) fn is_in_backoff(entry: &BookEntry) -> bool {
    entry.state == State::Idle.as_str() && entry.backoff_seconds > 0.0
}

fn connection(chain: &ChainHandle, peer: &Peer) -> Connection {
    let info = peer.info();
    Connection {
        name: peer.name().to_owned(),
        ready: peer.is_ready(),
        observer: peer.is_observer(),
        connected_seconds: peer.since.elapsed().as_secs(),
        user_agent: info.user_agent,
        protocol: info.protocol,
        services: format!("{:016x}", info.services),
        round_trip_ms: info.round_trip.map(|time| time.as_secs_f64() * 1e3),
        height: chain.relay.peer_height(peer),
        backlog_bytes: peer.backlog(),
    }
}

impl Wanted {
    /// What a query wants; `sources` are those that the chain knows.
    fn of(query: &str, sources: &[&str]) -> Result<Self, Problem> {
        const REMEDY: &str = "write ?limit=N, ?state=connected,dialing and ?source=node,gossip, joined by &";
        let bad = |message: String, remedy: String| Problem::bad_request("bad_query", message, remedy);
        let Query(params) =
            Query::<Params>::from_query(query).map_err(|error| bad(error.to_string(), REMEDY.to_owned()))?;
        let limit = match params.limit.as_deref() {
            None => usize::MAX,
            Some(text) => text.parse().ok().filter(|limit| *limit > 0).ok_or_else(|| {
                let message = format!("limit={text} is no number of peers");
                bad(message, "write a whole number from 1 up, or leave it out for all".to_owned())
            })?,
        };
        let words = |key: &str, text: Option<String>, known: &[&str]| {
            let words: Vec<_> = text.iter().flat_map(|text| text.split(',')).map(str::to_owned).collect();
            match words.iter().find(|word| !known.contains(&word.as_str())) {
                None => Ok(words),
                Some(word) => {
                    let known = known.join(", ");
                    Err(bad(
                        format!("{key}={word} is none"),
                        format!("write one or more of {known}, with commas"),
                    ))
                }
            }
        };
        let states = [State::Idle, State::Dialing, State::Connected].map(State::as_str);
        Ok(Self {
            limit,
            states: words("state", params.state, &states)?,
            sources: words("source", params.source, sources)?,
        })
    }

    fn has(&self, entry: &BookEntry) -> bool {
        let has = |wanted: &[String], word: &str| wanted.is_empty() || wanted.iter().any(|one| one == word);
        has(&self.states, entry.state) && has(&self.sources, entry.source)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wanted(limit: usize, states: &[&str], sources: &[&str]) -> Wanted {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Wanted { limit, states: words(states), sources: words(sources) }
    }

    #[test]
    fn a_query_wants_some_states_and_sources_and_so_many() {
        let of = |query| Wanted::of(query, &["own", "gossip", "quorum"]).unwrap();
        assert_eq!(of(""), wanted(usize::MAX, &[], &[]));
        assert_eq!(of("limit=7&state=idle"), wanted(7, &["idle"], &[]));
        assert_eq!(
            of("state=connected,dialing&source=own,quorum%2Cgossip"),
            wanted(usize::MAX, &["connected", "dialing"], &["own", "quorum", "gossip"])
        );
    }

    #[test]
    fn a_wrong_query_is_told_by_key_and_value_with_what_is_right() {
        for (query, said, remedy) in [
            ("limit=0", "limit=0", "from 1 up"),
            ("limit=-1", "limit=-1", "from 1 up"),
            ("limit=", "limit=", "from 1 up"),
            ("limit=99999999999999999999999", "limit=9999", "from 1 up"),
            ("state=conected", "state=conected", "idle, dialing, connected"),
            ("state=", "state=", "connected"),
            ("state=idle,", "state=", "connected"),
            ("source=quorum", "source=quorum", "own, fixed"),
            ("sate=idle", "sate", "?state="),
            ("state=idle&state=idle", "state", "?state="),
        ] {
            let problem = Wanted::of(query, &["own", "fixed"]).expect_err(query).to_string();
            assert!(problem.contains(said) && problem.contains(remedy), "{query}: {problem}");
        }
    }

    proptest! {
        #[test]
        fn no_query_makes_it_panic(query: String) {
            let _ = Wanted::of(&query, &[]);
        }
    }
}
