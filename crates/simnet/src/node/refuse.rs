//! Refusing: telling why, counting points, hanging up, and shutting the door to an address.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use bytes::Bytes;
use wire::{BlockHash, Command, Message, Reject, RejectCode};

use super::{ConnectionId, HangUp, Node};
use crate::{Verdict, profile::UNKNOWN_PARENT};

/// From how many points on a peer is hung up on.
const POINTS: u32 = 100;

/// An address from which nothing is taken for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ban {
    /// Which.
    pub address: IpAddr,
    /// Since when, counted from the network's start.
    pub since: Duration,
    /// Until when.
    pub until: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Bans(BTreeMap<IpAddr, Ban>);

impl Bans {
    pub(super) fn holds(&self, address: &IpAddr, now: Duration) -> bool {
        self.0.get(address).is_some_and(|ban| now < ban.until)
    }
}

impl Node {
    /// The addresses from which it takes nothing at `now`.
    pub fn banned(&self, now: Duration) -> impl Iterator<Item = Ban> {
        self.bans.0.values().filter(move |ban| now < ban.until).copied()
    }

    /// Tells why a block is refused, and punishes its sender.
    pub(super) fn refuse(&mut self, id: ConnectionId, block: BlockHash, refusal: &Verdict, at: Duration) {
        if let Some(rejects) = self.profile.rejects {
            let (code, reason) = rejects(refusal);
            let reason = Bytes::copy_from_slice(reason.as_bytes());
            let data = Bytes::copy_from_slice(block.as_wire());
            let command = Bytes::from_static(b"block");
            self.send(id, Message::Reject(Reject { command, code, reason, data }), at);
        }
        self.punish_for(id, refusal, at);
    }

    /// Tells what is wrong with a message that names no block, if the daemon tells such things.
    pub(super) fn reject(
        &mut self,
        id: ConnectionId,
        command: Command,
        code: RejectCode,
        reason: &[u8],
        at: Duration,
    ) {
        if self.profile.rejects.is_some() {
            let command = Bytes::copy_from_slice(command.as_str().as_bytes());
            let reason = Bytes::copy_from_slice(reason);
            let reject = Reject { command, code, reason, data: Bytes::new() };
            self.send(id, Message::Reject(reject), at);
        }
    }

    /// The message cannot be read.
    pub(super) fn reject_malformed(&mut self, id: ConnectionId, command: Command, at: Duration) {
        self.reject(id, command, RejectCode(0x01), b"error parsing message", at);
    }

    /// The peer's protocol version is too low.
    pub(super) fn reject_version(&mut self, id: ConnectionId, at: Duration) {
        let least = self.profile.identity.least_protocol;
        let reason = format!("Version must be {least} or greater");
        self.reject(id, Command::VERSION, RejectCode(0x11), reason.as_bytes(), at);
    }

    /// What a refused block or header costs whoever sent it.
    pub(super) fn punish_for(&mut self, id: ConnectionId, refusal: &Verdict, at: Duration) {
        let word = match refusal {
            Verdict::Orphan(_) => UNKNOWN_PARENT,
            refusal => refusal.word().unwrap_or_default(),
        };
        self.punish(id, (self.profile.points)(word), at);
    }

    pub(super) fn punish(&mut self, id: ConnectionId, points: u32, at: Duration) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.points = connection.points.saturating_add(points);
        if connection.points < POINTS {
            return;
        }
        let address = connection.address.ip();
        self.hang_up(id, HangUp::Misbehaving, at);
        if let Some(length) = self.profile.ban.filter(|_| !address.is_loopback()) {
            self.bans.0.insert(address, Ban { address, since: at, until: at + length });
            let from_there = self.connections.iter().filter(|(_, c)| c.address.ip() == address);
            let others: Vec<ConnectionId> = from_there.map(|(id, _)| *id).collect();
            others.into_iter().for_each(|id| self.hang_up(id, HangUp::Banned, at));
        }
    }
}
