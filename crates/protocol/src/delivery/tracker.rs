//! The bookkeeping of one block's delivery to all peers.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use wire::{BlockHash, Header};

use super::{Outcome, WithheldReason};
use crate::PeerId;

/// When a delivery passed its stages.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stages {
    /// The block was put into the peer's lane.
    pub queued: Option<Instant>,
    /// Its last byte was given to the kernel.
    pub written: Option<Instant>,
    /// The peer's kernel has acknowledged its last byte.
    pub acked: Option<Instant>,
    /// The peer's program has processed it.
    pub processed: Option<Instant>,
    /// The outcome as it stands was learnt.
    pub settled: Option<Instant>,
}

/// A block's way to one peer.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The connection.
    pub peer: PeerId,
    /// The peer's name in reports: a node's name, or an address.
    pub name: String,
    /// When it passed its stages.
    pub stages: Stages,
    /// What became of it; `None` while that is open.
    pub outcome: Option<Outcome>,
    /// When the peer announced the block although we have not heard yet that its last byte was written: whether that
    /// is an acceptance or an earlier possession is known once the writer reports.
    heard: Option<Instant>,
}

impl Delivery {
    fn is_open(&self) -> bool {
        self.outcome.as_ref().is_none_or(Outcome::is_provisional)
    }

    /// Whether the block is on its way: in the lane or beyond, and nothing final is known.
    fn is_sent(&self) -> bool {
        self.stages.queued.is_some() && self.is_open()
    }

    fn settle(&mut self, outcome: Outcome, now: Instant) -> Option<Outcome> {
        if !self.is_open() || self.outcome.as_ref() == Some(&outcome) {
            return None;
        }
        self.outcome = Some(outcome.clone());
        self.stages.settled = Some(now);
        Some(outcome)
    }
}

/// One block's delivery to all peers: told what happens, it knows what that proves.
///
/// Methods that may change a peer's outcome return the new one, so that the caller can score the peer and tell whoever
/// waits.
#[derive(Debug)]
pub struct Tracker {
    block: BlockHash,
    parent: BlockHash,
    deliveries: Vec<Delivery>,
    first_echo: Option<(Instant, String)>,
}

impl Tracker {
    /// For a block and its parent.
    pub fn new(block: BlockHash, parent: BlockHash) -> Self {
        Self { block, parent, deliveries: Vec::new(), first_echo: None }
    }

    /// All deliveries, in the order in which they began.
    pub fn deliveries(&self) -> &[Delivery] {
        &self.deliveries
    }

    /// When and from whom the block was first heard, among the peers that it was not sent to.
    pub fn first_echo(&self) -> Option<&(Instant, String)> {
        self.first_echo.as_ref()
    }

    /// How many peers are known to have the block. One that has come back since, and has said so again, is one peer.
    pub fn successes(&self) -> usize {
        let has_it = |delivery: &&Delivery| delivery.outcome.as_ref().is_some_and(Outcome::is_success);
        let names: HashSet<&str> =
            self.deliveries.iter().filter(has_it).map(|delivery| delivery.name.as_str()).collect();
        names.len()
    }

    /// Whether every peer that the block was sent to has answered, one way or the other.
    pub fn is_answered(&self) -> bool {
        self.deliveries.iter().all(|delivery| delivery.outcome.is_some())
    }

    fn get(&mut self, peer: PeerId) -> Option<&mut Delivery> {
        self.deliveries.iter_mut().find(|delivery| delivery.peer == peer)
    }

    fn entry(&mut self, peer: PeerId, name: &str) -> &mut Delivery {
        let index = self.deliveries.iter().position(|delivery| delivery.peer == peer).unwrap_or_else(|| {
            let (name, stages) = (name.into(), Stages::default());
            self.deliveries.push(Delivery { peer, name, stages, outcome: None, heard: None });
            self.deliveries.len() - 1
        });
        &mut self.deliveries[index]
    }

    /// Whether the block may be sent to a peer: it was not yet, or was withheld.
    pub fn may_send(&self, peer: PeerId) -> bool {
        let delivery = self.deliveries.iter().find(|delivery| delivery.peer == peer);
        delivery.is_none_or(|delivery| matches!(delivery.outcome, Some(Outcome::Withheld { .. })))
    }

    /// The stages that a peer's delivery has passed.
    pub fn stages(&self, peer: PeerId) -> Option<Stages> {
        self.deliveries.iter().find(|delivery| delivery.peer == peer).map(|delivery| delivery.stages)
    }

    /// Whether anything is recorded about a peer.
    pub fn knows(&self, peer: PeerId) -> bool {
        self.deliveries.iter().any(|delivery| delivery.peer == peer)
    }

    /// The peer announced the block before it was its turn.
    pub fn already_had(&mut self, peer: PeerId, name: &str, now: Instant) -> Option<Outcome> {
        self.entry(peer, name).settle(Outcome::AlreadyHad, now)
    }

    /// The block is about to be put into the peer's lane. `false` if someone else has done that, or an outcome is
    /// known: then it must not be.
    #[must_use]
    pub fn queued(&mut self, peer: PeerId, name: &str, now: Instant) -> bool {
        let delivery = self.entry(peer, name);
        let is_free = match delivery.outcome {
            None => delivery.stages.queued.is_none(),
            Some(Outcome::Withheld { .. }) => true,
            Some(_) => false,
        };
        if is_free {
            delivery.outcome = None;
            delivery.stages = Stages { queued: Some(now), ..Stages::default() };
        }
        is_free
    }

    /// The block is not sent to the peer.
    pub fn withheld(
        &mut self,
        peer: PeerId,
        name: &str,
        reason: WithheldReason,
        now: Instant,
    ) -> Option<Outcome> {
        let delivery = self.entry(peer, name);
        if delivery.stages.written.is_some() {
            return None;
        }
        delivery.settle(Outcome::Withheld { reason }, now)
    }

    /// The block's last byte was given to the kernel, by a call that began at `handed` and has returned.
    ///
    /// The reader may hear the peer's answer before the writer comes to say that it wrote. What was heard before the
    /// call began cannot be an answer to it: the peer already had the block.
    pub fn written(&mut self, peer: PeerId, handed: Instant, now: Instant) -> Option<Outcome> {
        let delivery = self.get(peer).filter(|delivery| delivery.is_sent())?;
        let heard = delivery.heard.take();
        // What the peer has answered to had been written by then, whenever the writer comes to say so.
        let answered = heard.filter(|heard| *heard >= handed);
        delivery.stages.written.get_or_insert(answered.map_or(now, |heard| heard.min(now)));
        let heard = heard?;
        delivery.settle(if heard >= handed { Outcome::Accepted } else { Outcome::AlreadyHad }, heard)
    }

    /// The block was taken back out of the peer's lane, not a byte of it written.
    pub fn withdrawn(&mut self, peer: PeerId, now: Instant) -> Option<Outcome> {
        let delivery = self.get(peer)?;
        let outcome = match delivery.heard.take() {
            Some(_) => Outcome::AlreadyHad,
            None => Outcome::Withheld { reason: WithheldReason::Superseded },
        };
        delivery.settle(outcome, now)
    }

    /// The peer's kernel has acknowledged the block's last byte.
    pub fn acked(&mut self, peer: PeerId, now: Instant) {
        if let Some(delivery) = self.get(peer) {
            delivery.stages.acked.get_or_insert(now);
        }
    }

    /// The pong to the ping behind the block has come.
    pub fn pong(&mut self, peer: PeerId, now: Instant) -> Option<Outcome> {
        let delivery = self.get(peer)?;
        delivery.stages.queued?;
        delivery.stages.processed.get_or_insert(now);
        match delivery.outcome {
            None if delivery.heard.is_none() => delivery.settle(Outcome::ProcessedUnproven, now),
            _ => None,
        }
    }

    /// Headers have come from the peer: the reply to our probe, an announcement, or neither.
    pub fn headers(
        &mut self,
        peer: PeerId,
        headers: &[(BlockHash, Header)],
        now: Instant,
    ) -> Option<Outcome> {
        if headers.iter().any(|(hash, _)| *hash == self.block) {
            return self.announced(peer, now);
        }
        let parent = self.parent;
        let rival = headers.iter().find(|(_, header)| header.parent() == parent).map(|(hash, _)| *hash)?;
        let delivery = self.get(peer).filter(|delivery| delivery.is_sent())?;
        delivery.settle(Outcome::Outraced { by: rival }, now)
    }

    /// The peer has our block in its active chain: it announced it by `inv` or `headers`, or its answer to a probe
    /// holds it.
    pub fn announced(&mut self, peer: PeerId, now: Instant) -> Option<Outcome> {
        let delivery = self.get(peer)?;
        if let Some(Outcome::Withheld { reason }) = delivery.outcome {
            let name = delivery.name.clone();
            // An observer stays one: its announcement is the network's, not the success of a delivery.
            let observes = reason == WithheldReason::Observer;
            let outcome = if observes { None } else { delivery.settle(Outcome::AlreadyHad, now) };
            self.first_echo.get_or_insert((now, name));
            return outcome;
        }
        if delivery.stages.written.is_none() {
            delivery.heard.get_or_insert(now);
            return None;
        }
        delivery.settle(Outcome::Accepted, now)
    }

    /// The peer said that it refuses the block.
    pub fn rejected(&mut self, peer: PeerId, reason: &str, now: Instant) -> Option<Outcome> {
        let delivery = self.get(peer).filter(|delivery| delivery.is_sent())?;
        delivery.settle(Outcome::Rejected { reason: reason.into() }, now)
    }

    /// The connection has ended.
    pub fn disconnected(&mut self, peer: PeerId, now: Instant) -> Option<Outcome> {
        let delivery = self.get(peer)?;
        match (&delivery.outcome, delivery.heard) {
            (None, Some(heard)) => delivery.settle(Outcome::AlreadyHad, heard),
            (None, None) => delivery.settle(Outcome::Disconnected, now),
            (Some(_), _) => None,
        }
    }

    /// Gives up on peers of which nothing was heard for `timeout` since the block was queued for them.
    pub fn expire(&mut self, timeout: Duration, now: Instant) -> Vec<(PeerId, Outcome)> {
        let late = |delivery: &Delivery| {
            delivery.outcome.is_none()
                && delivery
                    .stages
                    .queued
                    .is_some_and(|queued| now.saturating_duration_since(queued) >= timeout)
        };
        let expired = self.deliveries.iter_mut().filter(|delivery| late(delivery));
        let settle = |delivery: &mut Delivery| match delivery.heard {
            Some(heard) => delivery.settle(Outcome::AlreadyHad, heard),
            None => delivery.settle(Outcome::TimedOut, now),
        };
        expired.filter_map(|delivery| Some((delivery.peer, settle(delivery)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::sha256d;

    const PEER: PeerId = PeerId(1);

    fn header(parent: BlockHash, nonce: u8) -> (BlockHash, Header) {
        let mut fixed = [nonce; 80];
        fixed[4..36].copy_from_slice(parent.as_wire());
        (BlockHash::from_wire(sha256d(&fixed)), Header::new(fixed))
    }

    fn block() -> (BlockHash, BlockHash, Header) {
        let parent = BlockHash::from_wire([7; 32]);
        let (hash, header) = header(parent, 1);
        (hash, parent, header)
    }

    fn sent(now: Instant) -> (Tracker, (BlockHash, Header)) {
        let (hash, parent, header) = block();
        let mut tracker = Tracker::new(hash, parent);
        assert!(tracker.queued(PEER, "peer", now));
        tracker.written(PEER, now, now);
        (tracker, (hash, header))
    }

    fn outcome(tracker: &Tracker) -> Option<Outcome> {
        tracker.deliveries()[0].outcome.clone()
    }

    #[test]
    fn written_and_acknowledged_bytes_are_no_success() {
        let now = Instant::now();
        let (mut tracker, _) = sent(now);
        tracker.acked(PEER, now);
        assert_eq!((outcome(&tracker), tracker.successes()), (None, 0));
        let expired = tracker.expire(Duration::from_secs(60), now + Duration::from_secs(60));
        assert_eq!(expired, [(PEER, Outcome::TimedOut)]);
    }

    #[test]
    fn a_peer_that_comes_back_and_has_the_block_still_is_one_peer() {
        let now = Instant::now();
        let (mut tracker, _) = sent(now);
        tracker.announced(PEER, now);
        for (again, name) in [(PeerId(2), "peer"), (PeerId(3), "another")] {
            assert!(tracker.queued(again, name, now));
            tracker.written(again, now, now);
            tracker.announced(again, now);
        }
        assert_eq!((tracker.deliveries().len(), tracker.successes()), (3, 2));
    }

    #[test]
    fn a_pong_alone_is_processed_and_no_more_until_the_peer_announces_the_block() {
        let now = Instant::now();
        let (mut tracker, _) = sent(now);
        assert_eq!(tracker.pong(PEER, now), Some(Outcome::ProcessedUnproven));
        assert_eq!(tracker.successes(), 0);
        assert_eq!(tracker.announced(PEER, now), Some(Outcome::Accepted));
    }

    #[test]
    fn the_probe_tells_our_block_from_a_rival() {
        let now = Instant::now();
        let (mut tracker, ours) = sent(now);
        assert_eq!(tracker.headers(PEER, &[ours], now), Some(Outcome::Accepted));

        let (mut tracker, _) = sent(now);
        let (rival, rival_header) = header(BlockHash::from_wire([7; 32]), 2);
        assert_eq!(
            tracker.headers(PEER, &[(rival, rival_header)], now),
            Some(Outcome::Outraced { by: rival })
        );
        assert_eq!(tracker.pong(PEER, now), None, "the pong adds nothing");
        assert_eq!(outcome(&tracker), Some(Outcome::Outraced { by: rival }));
    }

    #[test]
    fn headers_that_speak_of_other_blocks_prove_nothing() {
        let now = Instant::now();
        let (mut tracker, _) = sent(now);
        assert_eq!(tracker.headers(PEER, &[header(BlockHash::from_wire([8; 32]), 3)], now), None);
        assert_eq!(tracker.headers(PEER, &[], now), None);
        assert_eq!(outcome(&tracker), None);
    }

    #[test]
    fn a_peer_that_announces_the_block_before_it_was_written_already_had_it() {
        let now = Instant::now();
        let (hash, parent, _) = block();
        let mut tracker = Tracker::new(hash, parent);
        assert!(tracker.queued(PEER, "peer", now));
        assert_eq!(tracker.announced(PEER, now), None, "whether we had written it is not known yet");
        let later = now + Duration::from_millis(1);
        assert_eq!(tracker.written(PEER, later, later), Some(Outcome::AlreadyHad));
    }

    #[test]
    fn an_answer_that_overtakes_the_writers_report_is_an_acceptance() {
        let now = Instant::now();
        let at = |ms| now + Duration::from_millis(ms);
        let (hash, parent, header) = block();
        let mut tracker = Tracker::new(hash, parent);
        assert!(tracker.queued(PEER, "peer", now));
        assert_eq!(tracker.headers(PEER, &[(hash, header)], at(5)), None);
        assert_eq!(tracker.pong(PEER, at(6)), None);
        assert_eq!(tracker.written(PEER, at(4), at(7)), Some(Outcome::Accepted));
        let stages = tracker.stages(PEER).expect("it was sent");
        assert!(stages.written <= stages.settled, "what was answered to had been written");
    }

    #[test]
    fn a_block_taken_out_of_the_lane_was_superseded_or_already_there() {
        let now = Instant::now();
        let (hash, parent, _) = block();
        let mut tracker = Tracker::new(hash, parent);
        assert!(tracker.queued(PEER, "peer", now));
        let superseded = Outcome::Withheld { reason: WithheldReason::Superseded };
        assert_eq!(tracker.withdrawn(PEER, now), Some(superseded));

        let mut tracker = Tracker::new(hash, parent);
        assert!(tracker.queued(PEER, "peer", now));
        tracker.announced(PEER, now);
        assert_eq!(tracker.withdrawn(PEER, now), Some(Outcome::AlreadyHad));
    }

    #[test]
    fn an_observers_announcement_is_the_first_echo_and_not_a_delivery() {
        let now = Instant::now();
        let (hash, parent, _) = block();
        let mut tracker = Tracker::new(hash, parent);
        tracker.withheld(PEER, "observer", WithheldReason::Observer, now);
        assert_eq!(tracker.announced(PEER, now + Duration::from_millis(5)), None);
        assert_eq!(tracker.successes(), 0);
        assert_eq!(
            tracker.first_echo().map(|(at, name)| (*at - now, name.as_str())),
            Some((Duration::from_millis(5), "observer"))
        );
    }

    #[test]
    fn a_withheld_block_can_still_be_sent_and_then_counts_from_there() {
        let now = Instant::now();
        let (hash, parent, _) = block();
        let mut tracker = Tracker::new(hash, parent);
        tracker.withheld(PEER, "peer", WithheldReason::ParentUnknown, now);
        assert!(tracker.may_send(PEER));
        assert!(tracker.queued(PEER, "peer", now));
        assert!(!tracker.may_send(PEER) && !tracker.queued(PEER, "peer", now), "once is enough");
        tracker.written(PEER, now, now);
        assert_eq!(tracker.announced(PEER, now), Some(Outcome::Accepted));
    }

    #[test]
    fn a_block_that_left_us_cannot_be_withheld_any_more() {
        let now = Instant::now();
        let (mut tracker, _) = sent(now);
        assert_eq!(tracker.withheld(PEER, "peer", WithheldReason::Superseded, now), None);
    }

    #[test]
    fn a_connection_that_ends_before_the_pong_is_disconnected_and_after_it_is_not() {
        let now = Instant::now();
        let (mut tracker, _) = sent(now);
        assert_eq!(tracker.disconnected(PEER, now), Some(Outcome::Disconnected));
        assert_eq!(tracker.announced(PEER, now), None, "nothing comes from a dead connection");

        let (mut tracker, _) = sent(now);
        tracker.pong(PEER, now);
        assert_eq!(tracker.disconnected(PEER, now), None);
        assert_eq!(outcome(&tracker), Some(Outcome::ProcessedUnproven));
    }

    #[test]
    fn a_reject_is_kept_in_the_peers_words() {
        let now = Instant::now();
        let (mut tracker, _) = sent(now);
        let refused = Outcome::Rejected { reason: "bad-cb-amount".into() };
        assert_eq!(tracker.rejected(PEER, "bad-cb-amount", now), Some(refused));
        assert_eq!(tracker.pong(PEER, now), None);
    }
}
