//! What members of a world tell one another, and what a quorum makes of it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::BlockHash;

use super::host::{Host, News, What};
use crate::{
    Node,
    quorum::Ballot,
    topology::{Topology, gossip_delay},
};

/// Carries accepted blocks and locks from member to member.
pub(super) struct Gossip {
    pub(super) hosts: Vec<Arc<Host>>,
    pub(super) topology: Topology,
    pub(super) ballot: Option<Ballot>,
    pub(super) tasks: TaskTracker,
    pub(super) ending: CancellationToken,
}

impl Gossip {
    /// Until the world ends. Counts all news.
    pub(super) async fn run(mut self, mut heard: mpsc::UnboundedReceiver<News>, counter: watch::Sender<u64>) {
        loop {
            let news = tokio::select! {
                () = self.ending.cancelled() => return,
                news = heard.recv() => news,
            };
            let Some(News { member, what }) = news else { return };
            counter.send_modify(|count| *count += 1);
            match what {
                What::Accepted { hash, block } => {
                    tracing::debug!(member, %hash, "accepted");
                    self.spread(member, &block, Node::hear_of);
                    self.sign(member, hash);
                }
                What::Locked { object } => {
                    tracing::debug!(member, "locked");
                    self.spread(member, &object, Node::hear_of_lock);
                }
            }
        }
    }

    fn spread(&self, member: usize, what: &Bytes, hear: fn(&mut Node, &Bytes, Duration)) {
        for to in self.topology.of(member) {
            let delay = gossip_delay(self.hosts[member].link, self.hosts[to].link, what.len());
            self.deliver(to, delay, what.clone(), hear);
        }
    }

    fn deliver(&self, to: usize, delay: Duration, what: Bytes, hear: fn(&mut Node, &Bytes, Duration)) {
        let (host, ending) = (self.hosts[to].clone(), self.ending.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = ending.cancelled() => {}
                () = sleep(delay) => host.with(|node, now| hear(node, &what, now)),
            }
        });
    }

    /// A member of the quorum signs what it has accepted.
    fn sign(&mut self, member: usize, block: BlockHash) {
        let Some(ballot) = &mut self.ballot else { return };
        let Some(height) = self.hosts[member].look(|node| node.chain().height_of(&block)) else { return };
        let Some(decision) = ballot.accepted(member, height, block) else { return };
        tracing::debug!(%block, height, "a quorum has signed");
        for to in decision.signers {
            self.deliver(to, decision.delay, decision.object.clone(), Node::hear_of_lock);
        }
    }
}
