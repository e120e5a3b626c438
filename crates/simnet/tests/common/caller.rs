//! Worlds to be talked to, and someone who talks to them.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses its own part, and may panic")]

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use chain::Chain;
use simnet::{
    Link, Minted, Profile, Temperament, node, profile,
    sockets::{NodePlan, PeerPlan, Plan, World},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_util::codec::Decoder;
use wire::{BlockHash, Frame, FrameCodec, GetHeaders, Message};

/// More than anything takes on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How long silence must last to be taken for silence.
pub(crate) const SILENCE: Duration = Duration::from_millis(300);

pub(crate) const MAGIC: [u8; 4] = [0xfa, 0xbf, 0xb5, 0xda];

pub(crate) fn peer(name: &str, temperament: Temperament) -> PeerPlan {
    PeerPlan { name: name.into(), temperament, link: Link::LOCAL }
}

pub(crate) fn node_plan(name: &str, temperament: Temperament) -> NodePlan {
    NodePlan { name: name.into(), temperament, link: Link::LOCAL, cookie_file: None }
}

pub(crate) async fn world(peers: Vec<PeerPlan>, nodes: Vec<NodePlan>) -> World {
    let plan = Plan { seed: 1, history: 3, neighbours: 2, peers, nodes, quorum: None };
    World::start(profile::litecoin::regtest(), plan).await.unwrap()
}

pub(crate) async fn world_of(temperament: Temperament) -> World {
    world(vec![peer("it", temperament)], vec![]).await
}

/// A client that has shaken hands.
pub(crate) struct Caller {
    pub(crate) stream: TcpStream,
    chain: Arc<dyn Chain>,
    codec: FrameCodec,
    buffer: BytesMut,
}

impl Caller {
    pub(crate) async fn new(address: SocketAddr) -> Self {
        Self::try_new(address).await.expect("a handshake")
    }

    /// `None` if it is hung up on.
    pub(crate) async fn try_new(address: SocketAddr) -> Option<Self> {
        Self::of(&profile::litecoin::regtest(), address).await
    }

    /// The same on another chain.
    pub(crate) async fn of(profile: &Profile, address: SocketAddr) -> Option<Self> {
        let chain = profile.chain.clone();
        let mut codec = FrameCodec::new(profile.magic());
        codec.set_limit(4_000_000);
        let stream = TcpStream::connect(address).await.unwrap();
        let introduction = version(chain.clone());
        let mut caller = Self { stream, chain, codec, buffer: BytesMut::new() };
        caller.try_say(&introduction).await?;
        caller.try_say(&Message::Verack).await?;
        while caller.hear().await? != Message::Verack {}
        Some(caller)
    }

    pub(crate) async fn try_say(&mut self, message: &Message) -> Option<()> {
        let bytes = node::frame(self.chain.params().magic, message);
        timeout(PATIENCE, self.stream.write_all(&bytes)).await.expect("it is taken").ok()
    }

    pub(crate) async fn say(&mut self, message: Message) {
        self.try_say(&message).await.expect("an open connection");
    }

    /// The next message; `None` when it is hung up on.
    pub(crate) async fn hear(&mut self) -> Option<Message> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.buffer).unwrap() {
                let Frame::Intact { command, payload } = frame else { panic!("{frame:?}") };
                return Some(Message::decode(command, payload, self.chain.dialect()).unwrap());
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await.expect("an answer");
            if read.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// Everything up to the pong to this ping.
    pub(crate) async fn until_pong(&mut self, nonce: u64) -> Vec<Message> {
        let mut heard = Vec::new();
        loop {
            match self.hear().await.expect("an open connection") {
                Message::Pong(found) if found == nonce => return heard,
                message => heard.push(message),
            }
        }
    }

    /// Pushes a block as the relay does.
    pub(crate) async fn push(&mut self, block: &Minted) {
        self.say(Message::Block(block.bytes.clone())).await;
        self.say(question(block.parent)).await;
        self.say(Message::Ping(5)).await;
    }

    pub(crate) async fn is_silent(&mut self) -> bool {
        timeout(SILENCE, self.stream.read_buf(&mut self.buffer)).await.is_err()
    }
}

pub(crate) fn version(chain: Arc<dyn Chain>) -> Message {
    let introduction = protocol::session::Introduction {
        nonce: 77,
        user_agent: "/test:1/".into(),
        timestamp: 0,
        receiver: wire::NetworkAddress::UNSPECIFIED,
        start_height: 0,
        gossip: false,
    };
    let mut session = protocol::session::Session::new(chain, introduction, Instant::now());
    match session.poll() {
        Some(protocol::session::Output::Send(message)) => message,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn question(parent: BlockHash) -> Message {
    Message::GetHeaders(GetHeaders { protocol: 70_016, locator: vec![parent], stop: BlockHash::ZERO })
}

/// Whether the member has the block.
pub(crate) fn has(world: &World, name: &str, block: &Minted) -> bool {
    world.truth(&block.hash).iter().any(|truth| truth.member == name && truth.active)
}
