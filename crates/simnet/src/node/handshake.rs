//! Introductions, in the order of the chain's [profile](crate::Profile).

use std::time::Duration;

use bytes::Bytes;
use rand::Rng;
use wire::{
    BlockHash, Command, GetHeaders, Message, NetworkAddress, RejectCode, SendCompact, Services,
    VersionDetails, VersionMessage,
};

use super::{
    ConnectionId, HangUp, Node,
    connection::{Peer, Phase},
};
use crate::{
    Temperament,
    profile::{Say, Step},
};

impl Node {
    pub(super) fn await_version(&mut self, id: ConnectionId, message: Message, at: Duration) {
        // Whatever else comes first is not looked at ("ping before version").
        let Message::Version(version) = message else { return self.hear_early(id, &message, at) };
        if version.protocol < self.profile.identity.least_protocol {
            self.reject_version(id, at);
            return self.hang_up(id, HangUp::TooOld, at);
        }
        let ours = |nonce| self.connections.values().any(|connection| connection.nonce == Some(nonce));
        if version.nonce().is_some_and(ours) {
            return self.hang_up(id, HangUp::SelfConnected, at);
        }
        let protocol = version.protocol;
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.phase = Phase::AwaitingVerack(Box::new(Peer::new(version)));
        }
        self.recite(id, self.profile.greeting, protocol, at);
    }

    pub(super) fn await_verack(&mut self, id: ConnectionId, message: Message, at: Duration) {
        let knows_addrv2 = self.greets_with(|say| matches!(say, Say::SendAddrV2));
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Phase::AwaitingVerack(peer) = &mut connection.phase else { return };
        match message {
            Message::SendAddrV2 if knows_addrv2 => peer.wants_addrv2 = true,
            Message::Verack => {
                let phase = std::mem::replace(&mut connection.phase, Phase::AwaitingVersion);
                let Phase::AwaitingVerack(peer) = phase else { return };
                let protocol = peer.version.protocol;
                connection.phase = Phase::Ready(peer);
                if self.temperament != Temperament::Mute {
                    self.recite(id, self.profile.welcome, protocol, at);
                    self.plan_afterthought(id, at);
                }
            }
            // Not before verack, not even a ping ("ping before verack (after version)").
            message => self.hear_early(id, &message, at),
        }
    }

    /// A message before its time. Most daemons overlook it, some count.
    fn hear_early(&mut self, id: ConnectionId, message: &Message, at: Duration) {
        match message {
            // Whoever is refused something may say so at any time (G net_processing.cpp, ProcessMessage).
            Message::Reject(_) => {}
            Message::Version(_) => self.hear_second_version(id, at),
            _ => self.punish(id, self.profile.early, at),
        }
    }

    pub(super) fn hear_second_version(&mut self, id: ConnectionId, at: Duration) {
        self.reject(id, Command::VERSION, RejectCode(0x12), b"Duplicate version message", at);
        self.punish(id, self.profile.early, at);
    }

    pub(super) fn recite(&mut self, id: ConnectionId, steps: &'static [Step], protocol: i32, at: Duration) {
        let common = protocol.min(self.profile.identity.protocol);
        for step in steps.iter().filter(|step| common >= step.from) {
            self.utter(id, step.say, at);
        }
    }

    pub(super) fn utter(&mut self, id: ConnectionId, what: Say, at: Duration) {
        let message = match what {
            Say::Version => self.our_version(id, at),
            Say::Verack => Message::Verack,
            Say::WtxidRelay => Message::WtxidRelay,
            Say::SendAddrV2 => Message::SendAddrV2,
            Say::SendHeaders => Message::SendHeaders,
            Say::SendCompact(version) => Message::SendCompact(SendCompact { announce: false, version }),
            Say::FeeFilter(rate) => Message::FeeFilter(rate),
            Say::Fixed(command, payload) => {
                Message::Unknown { command, payload: Bytes::from_static(payload) }
            }
            Say::Ping => return self.ping(id, at),
            Say::GetHeaders => return self.ask_for_chain(id, at),
        };
        self.send(id, message, at);
    }

    fn our_version(&mut self, id: ConnectionId, at: Duration) -> Message {
        let nonce = self.rng.random();
        let extension = self.version_tail();
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.nonce = Some(nonce);
        }
        let identity = self.profile.identity;
        Message::Version(VersionMessage {
            protocol: identity.protocol,
            services: identity.services,
            timestamp: self.chain.unix(at).into(),
            // A daemon tells a peer its address only if it is a routable one, and loopback is not.
            receiver: (Services::default(), NetworkAddress::UNSPECIFIED),
            details: Some(VersionDetails {
                sender: (identity.services, NetworkAddress::UNSPECIFIED),
                nonce,
                user_agent: Bytes::from_static(identity.user_agent.as_bytes()),
                start_height: i32::try_from(self.chain.height()).unwrap_or(i32::MAX),
                relay: Some(true),
                extension,
            }),
        })
    }

    fn version_tail(&mut self) -> Bytes {
        let tail = self.profile.version_tail;
        let mut bytes = vec![0; tail.random];
        if tail.random > 0 {
            self.rng.fill_bytes(&mut bytes);
        }
        bytes.extend_from_slice(tail.fixed);
        bytes.into()
    }

    /// The first `getheaders`: from below the best header on, so that a peer with the same one answers with it.
    fn ask_for_chain(&mut self, id: ConnectionId, at: Duration) {
        let Some(peer) = self.peer(id) else { return };
        if !(self.profile.asks)(peer.version.services) {
            return;
        }
        let best = self.chain.best_header();
        let below =
            self.chain.header(&best).map(wire::Header::parent).filter(|parent| self.chain.knows(parent));
        self.ask_for_headers(id, below.unwrap_or(best), BlockHash::ZERO, at);
    }

    pub(super) fn ask_for_headers(
        &mut self,
        id: ConnectionId,
        from: BlockHash,
        stop: BlockHash,
        at: Duration,
    ) {
        let (own, patience) = (self.profile.identity.protocol, self.profile.patience);
        let Some(peer) = self.peer_mut(id) else { return };
        let waits = |(since, patience): (Duration, Duration)| at < since + patience;
        if peer.questioned.zip(patience).is_some_and(waits) {
            return;
        }
        peer.questioned = Some(at);
        // The daemons write it in the version that both speak (handshake_inbound_pv70230.json of Dash).
        let protocol = own.min(peer.version.protocol) as u32;
        let locator = self.chain.locator(from);
        self.send(id, Message::GetHeaders(GetHeaders { protocol, locator, stop }), at);
    }
}
