//! The conversation after the handshake.

use std::time::{Duration, Instant};

use wire::{BlockHash, GetHeaders, Header, Message};

use super::{Disconnect, Event, Session, Shelf, State, Via, objects::Awaited, serve::Allowance};

/// How many undecodable messages are too many. Each intelligible one forgives one.
const GARBAGE_LIMIT: u32 = 10;

/// How often at most we ask a peer for headers.
const ASK_INTERVAL: Duration = Duration::from_millis(250);

/// What is remembered of a peer after the handshake.
pub(super) struct Steady {
    ping: Ping,
    garbage: u32,
    asked: Option<Instant>,
    /// What was named in the last question for headers, while its answer is awaited.
    awaited: Option<Vec<BlockHash>>,
    /// What the last answer followed that followed nothing we know.
    stranger: Option<BlockHash>,
    /// What could not be asked yet: it was too early to ask again, or we knew no chain to ask about.
    wanted: Option<Question>,
    pub(super) served: Allowance,
    pub(super) headers_served: Allowance,
    pub(super) objects: Awaited,
    pub(super) faults: Allowance,
    /// How many addresses the peer may still tell; `None` if nobody wants them.
    pub(super) addresses: Option<Allowance>,
}

/// Why to ask a peer for headers.
#[derive(Clone, Copy)]
pub(super) enum Question {
    /// Which part of our chain does it have?
    Tip,
    /// What is this block that it announced?
    Block(BlockHash),
}

enum Ping {
    Idle { since: Instant },
    Awaiting { nonce: u64, since: Instant },
}

impl Steady {
    pub(super) fn new(gossip: bool, now: Instant) -> Self {
        Self {
            ping: Ping::Idle { since: now },
            garbage: 0,
            asked: None,
            awaited: None,
            stranger: None,
            wanted: None,
            served: Allowance::of_bodies(now),
            headers_served: Allowance::of_headers(now),
            objects: Awaited::new(now),
            faults: Allowance::of_faults(now),
            addresses: gossip.then(|| Allowance::of_addresses(now)),
        }
    }

    /// Whether that was one too many.
    pub(super) fn count_garbage(&mut self) -> bool {
        self.garbage += 1;
        self.garbage >= GARBAGE_LIMIT
    }
}

impl Session {
    pub(super) fn converse(&mut self, message: Message, shelf: &dyn Shelf, now: Instant) {
        if let State::Ready(steady) = &mut self.state {
            steady.garbage = steady.garbage.saturating_sub(1);
        }
        match message {
            Message::Ping(nonce) => self.send(Message::Pong(nonce)),
            Message::Pong(nonce) => self.pong(nonce, now),
            Message::Inv(items) => {
                let kind = self.dialect.dialect().inv_types().block;
                let blocks = items.iter().filter(|item| item.kind == kind).map(|item| item.block_hash());
                // A tip is one block, a reorganisation a few; whoever announces more is catching up.
                for block in blocks.take(16) {
                    self.emit(Event::Announced { block, via: Via::Inv });
                    self.ask(Question::Block(block), shelf, now);
                }
                self.objects_announced(&items, shelf, now);
            }
            Message::Headers(headers) => {
                if let Some(stranger) = self.foreign(&headers, shelf) {
                    return self.hang_up(Disconnect::WrongChain { stranger });
                }
                self.emit(Event::Headers { headers, via: Via::Headers });
            }
            Message::CompactBlock(compact) => {
                let block = self.dialect.block_hash(&compact.header);
                self.emit(Event::Headers { headers: vec![compact.header], via: Via::CompactBlock });
                self.emit(Event::Announced { block, via: Via::CompactBlock });
            }
            Message::GetData(items) => self.serve_data(&items, shelf, now),
            Message::GetBlockTxn(request) => self.serve_transactions(request, shelf, now),
            Message::GetHeaders(request) => self.serve_headers(&request, shelf, now),
            Message::NotFound(items) => {
                self.blocks_missing(&items, shelf);
                self.objects_missing(&items);
            }
            Message::SendHeaders => self.emit(Event::PrefersHeaders),
            Message::Block(payload) => self.block_arrived(payload, shelf),
            Message::SendCompact(offer) => {
                self.emit(Event::OffersCompact { announce: offer.announce, version: offer.version });
            }
            Message::Addr(entries) => self.addresses_told(entries, now),
            Message::AddrV2(entries) => self.addresses_told_v2(entries, now),
            Message::Reject(reject) => {
                if let Some(block) = reject.block() {
                    self.emit(Event::Rejected { block, reason: reject.reason() });
                }
            }
            Message::Unknown { command, payload } => match self.object {
                Some(kind) if kind.command == command => self.object_arrived(payload, kind.max_len, now),
                _ if self.policy.never_asked_for.contains(&command) => self.fault("unasked_for", now),
                _ => {}
            },
            // Transactions and filters are not a block relay's business; a second `version` costs its sender a point and
            // us nothing.
            _ => {}
        }
    }

    /// Asks for headers, if the answer is not known by now and not too often: what cannot be asked yet is remembered
    /// (the last question only, for every answer tells the peer's tip) and asked later.
    pub(super) fn ask(&mut self, question: Question, shelf: &dyn Shelf, now: Instant) {
        let State::Ready(steady) = &mut self.state else { return };
        let answered = matches!(question, Question::Block(block) if shelf.knows(&block));
        if answered {
            return;
        }
        let too_early = steady.asked.is_some_and(|asked| now.saturating_duration_since(asked) < ASK_INTERVAL);
        let locator = if too_early { Vec::new() } else { shelf.locator() };
        if locator.is_empty() {
            steady.wanted = Some(question);
            return;
        }
        steady.asked = Some(now);
        steady.wanted = None;
        steady.awaited = Some(locator.clone());
        let protocol = self.policy.protocol as u32;
        self.send(Message::GetHeaders(GetHeaders { protocol, locator, stop: BlockHash::ZERO }));
    }

    /// The block that shows that a peer is on another chain, which may have our magic: its answers to our questions do
    /// not follow any of the blocks that the questions named, of which the last is genesis, but its own genesis.
    ///
    /// One such message may be an announcement that overtook the answer, of a block whose parent we have not heard of
    /// yet. So the question is asked again: whoever is on our chain does not begin at the same strange block twice.
    fn foreign(&mut self, headers: &[Header], shelf: &dyn Shelf) -> Option<BlockHash> {
        let State::Ready(steady) = &mut self.state else { return None };
        let named = steady.awaited.take()?;
        let parent = headers.first()?.parent();
        if named.contains(&parent) || shelf.knows(&parent) {
            steady.stranger = None;
            return None;
        }
        if steady.stranger == Some(parent) {
            return Some(parent);
        }
        steady.stranger = Some(parent);
        steady.wanted = Some(Question::Tip);
        None
    }

    fn pong(&mut self, nonce: u64, now: Instant) {
        let State::Ready(steady) = &mut self.state else { return };
        match steady.ping {
            Ping::Awaiting { nonce: ours, since } if ours == nonce => {
                steady.ping = Ping::Idle { since: now };
                self.emit(Event::RoundTrip(now.saturating_duration_since(since)));
            }
            _ => self.emit(Event::Pong(nonce)),
        }
    }

    pub(super) fn keep_alive(&mut self, shelf: &dyn Shelf, now: Instant) {
        let State::Ready(steady) = &mut self.state else { return };
        match steady.ping {
            Ping::Idle { since } if now.saturating_duration_since(since) >= self.policy.ping_interval => {
                // Unpredictable enough: it proves nothing but life, and the barrier behind a block has its own nonce.
                let nonce =
                    self.introduction.nonce ^ now.saturating_duration_since(self.opened).as_nanos() as u64;
                steady.ping = Ping::Awaiting { nonce, since: now };
                self.send(Message::Ping(nonce));
            }
            Ping::Awaiting { since, .. } => {
                // A peer that still talks is busy, not dead.
                let silent = now.saturating_duration_since(since.max(self.last_heard));
                if silent >= self.policy.pong_timeout {
                    return self.hang_up(Disconnect::PongTimeout(self.policy.pong_timeout));
                }
            }
            Ping::Idle { .. } => {}
        }
        let State::Ready(steady) = &mut self.state else { return };
        if let Some(question) = steady.wanted.take() {
            self.ask(question, shelf, now);
        }
    }
}
