//! Introductions.

use std::time::Instant;

use bytes::Bytes;
use wire::{Message, NetworkAddress, SendCompact, Services, VersionDetails, VersionMessage};

use super::{
    Disconnect, Event, Output, Session, Shelf, State,
    steady::{Question, Steady},
};

/// From this version on daemons know `sendaddrv2` (L version.h; L sends it only then, and so do we).
const ADDR_V2_VERSION: i32 = 70016;

impl Session {
    pub(super) fn our_version(&self) -> Message {
        let Self { policy, introduction, .. } = self;
        Message::Version(VersionMessage {
            protocol: policy.protocol,
            services: policy.services,
            timestamp: introduction.timestamp,
            receiver: (Services::default(), introduction.receiver),
            details: Some(VersionDetails {
                sender: (Services::default(), NetworkAddress::UNSPECIFIED),
                nonce: introduction.nonce,
                user_agent: Bytes::from(introduction.user_agent.clone()),
                start_height: i32::try_from(introduction.start_height).unwrap_or(0),
                // No transactions, please: it saves us their announcements, and on Litecoin and Dash it is what makes
                // us one of the block-only peers that are protected from eviction (protocol.md §2.5).
                relay: Some(false),
                extension: Bytes::from_static(policy.version_extension),
            }),
        })
    }

    pub(super) fn await_version(&mut self, message: Message) {
        let Message::Version(version) = message else {
            return self.hang_up(Disconnect::Unexpected { command: message.command().to_string() });
        };
        if version.nonce() == Some(self.introduction.nonce) {
            return self.hang_up(Disconnect::OurselfConnected);
        }
        let least = self.policy.min_peer_protocol;
        if version.protocol < least {
            return self.hang_up(Disconnect::TooOld { found: version.protocol, least });
        }
        let needed = self.policy.required_services;
        if !version.services.has(needed) {
            return self.hang_up(Disconnect::Services { found: version.services, needed });
        }
        if self.policy.addr_v2 && version.protocol >= ADDR_V2_VERSION {
            self.send(Message::SendAddrV2);
        }
        self.send(Message::Verack);
        self.state = State::AwaitingVerack(version);
    }

    pub(super) fn await_verack(&mut self, message: Message, shelf: &dyn Shelf, now: Instant) {
        // Features are announced between version and verack; a ping may come early. The rest can wait.
        match message {
            Message::Verack => {}
            Message::Ping(nonce) => return self.send(Message::Pong(nonce)),
            _ => return,
        }
        let State::AwaitingVerack(version) = &self.state else { return };
        let ready = Event::Ready {
            protocol: version.protocol,
            services: version.services,
            user_agent: version.user_agent(),
            start_height: version.start_height(),
        };
        let gossip = self.introduction.gossip;
        self.state = State::Ready(Steady::new(gossip, now));
        self.outbox.push_back(Output::RaiseLimit(self.policy.max_payload));
        if let Some(version) = self.policy.compact_version {
            self.send(Message::SendCompact(SendCompact { announce: false, version }));
        }
        self.send(Message::SendHeaders);
        self.ask(Question::Tip, shelf, now);
        if gossip {
            self.send(Message::GetAddr);
        }
        self.emit(ready);
    }
}
