//! An engine and its peers, the healthy and the ailing.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, ensure};
use protocol::book::Kind;
use relay::{PeerNotice, PeerSpec};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{Instant, timeout},
};

use super::{CUTTING, DEAF, HEALTHY, PATIENCE};
use crate::{
    fanout::Engine,
    receivers::{Manner, Receivers},
};

/// Where the ailing are.
pub(super) struct Ailing {
    deaf: Vec<SocketAddr>,
    cutting: Vec<SocketAddr>,
}

impl Ailing {
    pub(super) fn listen(receivers: &mut Receivers) -> anyhow::Result<Self> {
        let ip = Ipv4Addr::LOCALHOST.into();
        Ok(Self {
            deaf: receivers.listen_at(ip, DEAF, Manner::Deaf)?,
            cutting: receivers.listen_at(ip, CUTTING, Manner::Cutting)?,
        })
    }

    /// Whether a name in a report is one of theirs.
    pub(super) fn are(&self, name: &str) -> bool {
        self.deaf.iter().chain(&self.cutting).any(|at| at.to_string() == name)
    }

    /// The order in which they are connected to: the cutting in the middle.
    fn in_order(&self) -> Vec<SocketAddr> {
        let (before, behind) = self.deaf.split_at(DEAF / 2);
        [before, &self.cutting, behind].concat()
    }

    /// Makes them hang up. The cutting have done so already.
    pub(super) fn dismiss(&self, receivers: &mut Receivers) -> anyhow::Result<()> {
        let (deaf, cutting) = (receivers.dismiss(self.deaf[0])?, receivers.dismiss(self.cutting[0])?);
        ensure!((deaf, cutting) == (DEAF, 0), "{deaf} deaf and {cutting} cutting peers were still there");
        Ok(())
    }
}

/// An engine with peers of known scores: they decide on the order in which it sends.
pub(super) struct Crew {
    pub(super) engine: Engine,
    /// Where the healthy are.
    pub(super) healthy_at: Vec<SocketAddr>,
    /// What the ailing peers' connections tell, and when.
    told: UnboundedReceiver<(Instant, PeerNotice)>,
    tell: UnboundedSender<(Instant, PeerNotice)>,
}

impl Crew {
    /// Connects the healthy: their scores leave room between them.
    pub(super) async fn start(healthy_at: Vec<SocketAddr>) -> anyhow::Result<Self> {
        let (tell, told) = unbounded_channel();
        let mut crew = Self { engine: Engine::connect(&[]).await?, healthy_at, told, tell };
        for (place, at) in crew.healthy_at.iter().enumerate() {
            crew.connect(*at, healthy_score(place));
        }
        crew.all_ready(HEALTHY).await?;
        Ok(crew)
    }

    /// Connects as many ailing ones, evenly between the healthy.
    pub(super) async fn connect_ailing(&mut self, ailing: &Ailing) -> anyhow::Result<()> {
        for (place, at) in ailing.in_order().into_iter().enumerate() {
            self.connect(at, ailing_score(place));
        }
        self.all_ready(DEAF + CUTTING).await
    }

    fn connect(&self, at: SocketAddr, score: u32) {
        let tell = self.tell.clone();
        self.engine.relay.connect(
            PeerSpec { address: at.to_string(), kind: Kind::Discovered(protocol::book::Source::Node), score },
            move |notice| {
                // At the very end nobody listens any more.
                drop(tell.send((Instant::now(), notice)));
            },
        );
    }

    async fn all_ready(&mut self, peers: usize) -> anyhow::Result<()> {
        for _ in 0..peers {
            let (_, notice) = self.next(|notice| !matches!(notice, PeerNotice::Outcome(..))).await?;
            ensure!(matches!(notice, PeerNotice::Ready), "a peer is not ready: {notice:?}");
        }
        Ok(())
    }

    /// Waits until all ailing peers are gone; says when each went, and why.
    pub(super) async fn all_ailing_gone(&mut self) -> anyhow::Result<Vec<(Instant, &'static str)>> {
        let mut gone = Vec::new();
        while gone.len() < DEAF + CUTTING {
            let (at, notice) = self.next(|notice| matches!(notice, PeerNotice::Ended(_))).await?;
            if let PeerNotice::Ended(ended) = notice {
                gone.push((at, ended.kind()));
            }
        }
        let left = self.engine.relay.ready_peers().len();
        ensure!(left == HEALTHY, "{left} peers are left of {HEALTHY} healthy ones");
        Ok(gone)
    }

    async fn next(&mut self, of_interest: fn(&PeerNotice) -> bool) -> anyhow::Result<(Instant, PeerNotice)> {
        loop {
            let next = timeout(PATIENCE, self.told.recv()).await.context("a peer says nothing")?;
            let (at, notice) = next.context("no peer can say anything any more")?;
            if of_interest(&notice) {
                return Ok((at, notice));
            }
        }
    }
}

/// The score of a healthy peer: the first is sent to first.
fn healthy_score(place: usize) -> u32 {
    1000 - 10 * place as u32
}

/// The score of an ailing peer: just before that of the healthy one which it is put before. The first is before all of
/// them, the others are spread evenly.
fn ailing_score(place: usize) -> u32 {
    healthy_score(place * HEALTHY / (DEAF + CUTTING)) + 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ailing_stand_between_the_healthy_and_none_beside_another() {
        let healthy: Vec<_> = (0..HEALTHY).map(healthy_score).collect();
        let ailing: Vec<_> = (0..DEAF + CUTTING).map(ailing_score).collect();
        assert!(ailing.iter().all(|score| !healthy.contains(score)), "the order would be that of connecting");
        let before = |score: u32| healthy.iter().filter(|other| **other > score).count();
        let places: Vec<_> = ailing.iter().map(|score| before(*score)).collect();
        assert_eq!(places, [0, 3, 7, 10, 14, 17, 21, 24, 28, 31, 35]);
    }
}
