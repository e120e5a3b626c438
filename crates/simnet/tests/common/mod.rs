//! Recordings of real daemons, and nodes to hold against them.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses its own part, and may panic")]

use std::{collections::VecDeque, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use rand::RngCore;
use serde_json::Value;
use simnet::{ConnectionId, HangUp, Inspections, Mint, Node, Order, Output, Profile, Temperament, profile};
use wire::{BlockHash, Header, Message};

/// The one connection of most tests.
pub(crate) const CALLER: ConnectionId = ConnectionId(1);

/// Where it comes from.
pub(crate) fn caller() -> SocketAddr {
    "127.0.0.1:40000".parse().unwrap()
}

/// The day of the recordings, Unix seconds.
pub(crate) const EPOCH: u32 = 1_795_172_000;

/// A daemon that was recorded.
#[derive(Clone, Copy)]
pub(crate) struct Daemon {
    /// Where its recordings are.
    pub(crate) folder: &'static str,
    pub(crate) profile: fn() -> Profile,
    /// How the recorder introduced itself.
    pub(crate) protocol: i32,
    pub(crate) services: u64,
    /// The format of compact blocks that it takes.
    pub(crate) compact: u64,
    /// From which height on its chain's blocks are like today's.
    pub(crate) today: u32,
}

pub(crate) const LITECOIN: Daemon = Daemon {
    folder: "litecoin",
    profile: profile::litecoin::regtest,
    protocol: 70_016,
    services: 0x100_0409,
    compact: 3,
    today: 0,
};

pub(crate) const DASH: Daemon = Daemon {
    folder: "dash",
    profile: profile::dash::regtest,
    protocol: 70_240,
    services: 0x405,
    compact: 1,
    today: 0,
};

pub(crate) const DOGECOIN: Daemon = Daemon {
    folder: "dogecoin",
    profile: profile::dogecoin::regtest,
    protocol: 70_015,
    services: 0x5,
    compact: 2,
    today: 20,
};

pub(crate) const DAEMONS: [Daemon; 3] = [LITECOIN, DASH, DOGECOIN];

impl Daemon {
    pub(crate) fn recording(&self, file: &str) -> Value {
        recordings::read(&format!("{}/{file}", self.folder))
    }

    /// The headers of the recorded chain from block 1 on: the node's own answer to `getheaders`.
    pub(crate) fn recorded_headers(&self) -> Vec<Header> {
        let recording = self.recording("handshake_inbound_full.json");
        let messages = recording["messages"].as_array().unwrap();
        let reply = messages.iter().find(|message| message["cmd"] == "headers").expect("it holds one");
        let payload = unhex(&reply["raw_hex"]).slice(wire::HEADER_LEN..);
        match Message::decode(wire::Command::HEADERS, payload, (self.profile)().chain.dialect()) {
            Ok(Message::Headers(headers)) => headers,
            other => panic!("{other:?}"),
        }
    }

    /// A node that has nothing but genesis. What comes to its mind some time after the handshake is left out, as long
    /// as it is not what a test is about.
    pub(crate) fn stage(self, temperament: Temperament) -> Stage {
        let profile = Profile { afterthought: None, ..(self.profile)() };
        Stage::with(self, profile, temperament, Counting::default())
    }

    /// With so many blocks of its own behind it since its chain's blocks are like today's.
    pub(crate) fn with_history(self, temperament: Temperament, length: u32) -> Stage {
        let length = self.today + length;
        let mut stage = self.stage(temperament);
        let history = stage.mint.history(&stage.node.chain().next(), length, EPOCH);
        let headers: Vec<Header> = history.into_iter().map(|block| block.header).collect();
        stage.node.chain_mut().adopt(&headers);
        stage
    }

    /// Connected to a full node of today, which has the same tip.
    pub(crate) fn ready(self, temperament: Temperament) -> Stage {
        let mut stage = self.with_history(temperament, 3);
        stage.shake_hands();
        stage
    }
}

pub(crate) fn unhex(value: &Value) -> Bytes {
    recordings::unhex(value.as_str().expect("hex"))
}

/// Draws these numbers and these bytes, and nothing else.
#[derive(Default)]
pub(crate) struct Scripted {
    pub(crate) numbers: VecDeque<u64>,
    pub(crate) bytes: Bytes,
}

impl RngCore for Scripted {
    fn next_u32(&mut self) -> u32 {
        self.next_u64() as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.numbers.pop_front().expect("no more random numbers than were recorded")
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        assert!(bytes.len() <= self.bytes.len(), "no more random bytes than were recorded");
        bytes.copy_from_slice(&self.bytes.split_to(bytes.len()));
    }
}

/// Draws 1, 2, 3 and so on.
#[derive(Default)]
pub(crate) struct Counting(u64);

impl RngCore for Counting {
    fn next_u32(&mut self) -> u32 {
        self.next_u64() as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// A node and whoever talks to it, at an instant of its own.
pub(crate) struct Stage {
    pub(crate) daemon: Daemon,
    pub(crate) profile: Arc<Profile>,
    pub(crate) node: Node,
    pub(crate) mint: Mint,
    pub(crate) now: Duration,
    /// Where whoever talks to it comes from.
    pub(crate) from: SocketAddr,
}

impl Stage {
    pub(crate) fn new(temperament: Temperament) -> Self {
        LITECOIN.stage(temperament)
    }

    pub(crate) fn with(
        daemon: Daemon,
        profile: Profile,
        temperament: Temperament,
        rng: impl RngCore + Send + 'static,
    ) -> Self {
        let profile = Arc::new(profile);
        let inspections = Inspections::new(profile.chain.clone());
        let node = Node::new(profile.clone(), inspections, temperament, EPOCH, rng);
        let mint = Mint::new(&profile, 1);
        Self { daemon, profile, node, mint, now: Duration::ZERO, from: caller() }
    }

    /// With so many blocks of its own behind it.
    pub(crate) fn with_history(temperament: Temperament, length: u32) -> Self {
        LITECOIN.with_history(temperament, length)
    }

    /// A block on the node's tip, not given to it.
    pub(crate) fn block(&mut self, order: &Order) -> simnet::Minted {
        let parent = self.node.chain().next();
        let time = self.node.chain().unix(self.now);
        self.mint.mint(&parent, time, order)
    }

    /// Lets the node do everything that is due within a time, and hands over what it did.
    pub(crate) fn wait(&mut self, time: Duration) -> Vec<Output> {
        self.now += time;
        self.node.tick(self.now);
        std::iter::from_fn(|| self.node.poll()).collect()
    }

    /// As [`wait`](Self::wait), for as long as a block or its announcement takes.
    pub(crate) fn settle(&mut self) -> Vec<Output> {
        self.wait(Duration::from_millis(100))
    }

    pub(crate) fn say(&mut self, message: Message) {
        self.node.handle(CALLER, message, self.now);
    }

    pub(crate) fn say_bytes(&mut self, bytes: &[u8]) {
        self.node.read(CALLER, bytes, self.now);
    }

    /// Connects and shakes hands as the recorder did; what was said so far is dropped.
    pub(crate) fn shake_hands(&mut self) {
        self.shake_hands_with(self.daemon.services);
    }

    /// The same with other services.
    pub(crate) fn shake_hands_with(&mut self, services: u64) {
        self.node.connect(CALLER, self.from, self.now);
        // As bytes, since it matters how a stream begins.
        for message in [version(self.daemon.protocol, services), Message::Verack] {
            self.say_bytes(&self.node.frame(&message));
        }
        self.settle();
    }

    /// As a full node of today, which has the same tip.
    pub(crate) fn ready(temperament: Temperament) -> Self {
        LITECOIN.ready(temperament)
    }
}

pub(crate) fn version(protocol: i32, services: u64) -> Message {
    Message::Version(wire::VersionMessage {
        protocol,
        services: wire::Services(services),
        timestamp: EPOCH.into(),
        receiver: (wire::Services::default(), wire::NetworkAddress::UNSPECIFIED),
        details: Some(wire::VersionDetails {
            sender: (wire::Services::default(), wire::NetworkAddress::UNSPECIFIED),
            nonce: 0xdead_beef,
            user_agent: Bytes::from_static(b"/recorder:0.1/"),
            start_height: 0,
            relay: Some(true),
            extension: Bytes::new(),
        }),
    })
}

/// A question about what follows a block.
pub(crate) fn getheaders(locator: BlockHash) -> Message {
    Message::GetHeaders(wire::GetHeaders { protocol: 70_016, locator: vec![locator], stop: BlockHash::ZERO })
}

/// What was sent, in order.
pub(crate) fn sent(outputs: &[Output]) -> Vec<&Message> {
    fn message(output: &Output) -> Option<&Message> {
        match output {
            Output::Send { message, .. } => Some(message),
            _ => None,
        }
    }
    outputs.iter().filter_map(message).collect()
}

/// The names of what was sent, in the recorder's words.
pub(crate) fn words(outputs: &[Output]) -> Vec<String> {
    sent(outputs).into_iter().map(word).collect()
}

/// A message in the words of the recorder's summary lines, without hashes, nonces and lengths.
pub(crate) fn word(message: &Message) -> String {
    match message {
        Message::SendCompact(offer) => {
            format!("sendcmpct announce={} v={}", u8::from(offer.announce), offer.version)
        }
        Message::FeeFilter(rate) => format!("feefilter {rate}"),
        Message::GetData(items) => format!("getdata {:#x}", items[0].kind),
        Message::Inv(items) => format!("inv {:#x}", items[0].kind),
        Message::Headers(headers) => format!("headers n={}", headers.len()),
        Message::Reject(reject) => {
            let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
            let (command, reason) = (text(&reject.command), text(&reject.reason));
            let block = reject.block().map_or_else(String::new, |block| block.to_string()[..12].to_owned());
            format!("reject {command} code={:#x} reason={reason} data={block}", reject.code.0)
        }
        other => other.command().to_string(),
    }
}

/// Why the node hung up, if it did.
pub(crate) fn hung_up(outputs: &[Output]) -> Option<HangUp> {
    outputs.iter().find_map(|output| match output {
        Output::HangUp { reason, .. } => Some(*reason),
        _ => None,
    })
}

/// The blocks that became part of the node's active chain.
pub(crate) fn accepted(outputs: &[Output]) -> Vec<BlockHash> {
    let block = |output: &Output| match output {
        Output::Accepted { hash, .. } => Some(*hash),
        _ => None,
    };
    outputs.iter().filter_map(block).collect()
}

/// What a node refuses, without the names of blocks.
pub(crate) fn rejections(said: Vec<String>) -> Vec<String> {
    let rejects = said.into_iter().filter(|said| said.starts_with("reject"));
    rejects.filter_map(|said| said.split_once(" data=").map(|(said, _)| said.to_owned())).collect()
}

/// The node's lines to the caller, without times.
pub(crate) fn to_caller(lines: &Value) -> Vec<String> {
    let lines = lines.as_array().unwrap().iter().map(|line| line.as_str().unwrap());
    lines.filter_map(|line| line.split_once("<- ")).map(|(_, said)| said.to_owned()).collect()
}
