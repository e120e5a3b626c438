//! Seeds: where to ask when the book knows nobody.

use std::{sync::Arc, time::Duration};

use actix::Addr;
use futures_util::future::join_all;
use protocol::book::{Address, Group, Heard, Kind, Source};

use crate::{
    ChainHandle,
    peer_book::{Candidates, PeerBook, heard},
};

/// How long the answer of a DNS seed is waited for.
const WITHIN: Duration = Duration::from_secs(10);

/// Asks the chain's seeds, as far as the configuration wants them, and tells the book. Failures are logged.
pub(crate) async fn ask(chain: Arc<ChainHandle>, book: Addr<PeerBook>) {
    let sources = &chain.config.peers.discovery;
    let params = chain.relay.chain().params();
    let mut found = Vec::new();
    if sources.contains(&config::Discovery::Seeds) {
        let built_in = params.fixed_seeds.iter();
        found.extend(built_in.filter_map(|seed| heard(seed, Kind::Discovered(Source::Seed))));
    }
    if sources.contains(&config::Discovery::Dns) {
        let lookup = |seed: &String| {
            let (chain, seed) = (chain.clone(), seed.clone());
            async move { by_name(&chain, &seed).await }
        };
        found.extend(join_all(params.dns_seeds.iter().map(lookup)).await.into_iter().flatten());
    }
    if !found.is_empty() {
        tracing::info!(
            chain = chain.name(),
            addresses = found.len(),
            "too few peers are known; seeds were asked"
        );
        book.do_send(Candidates(found));
    }
}

/// What one DNS seed says. Whoever it speaks for, it is one voice.
async fn by_name(chain: &ChainHandle, seed: &str) -> Vec<Heard> {
    let port = chain.relay.chain().params().p2p_port;
    match net::seeds::lookup(seed, port, WITHIN).await {
        Ok(addresses) => {
            let heard = |address| Heard {
                from: Some(Group::Name(seed.into())),
                ..Heard::of(Address::from(address), Kind::Discovered(Source::Dns))
            };
            addresses.into_iter().map(heard).collect()
        }
        Err(error) => {
            tracing::warn!(chain = chain.name(), seed, %error, "a DNS seed gave no addresses");
            Vec::new()
        }
    }
}
