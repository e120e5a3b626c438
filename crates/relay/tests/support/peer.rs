//! A scripted peer: a P2P node that does with a block what its manner says.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use litecoin::LitecoinDialect;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_util::codec::{Decoder, Encoder};
use wire::{
    BlockHash, Command, CompactBlock, Frame, FrameCodec, Header, InvItem, Message, NetworkAddress, Services,
    VersionDetails, VersionMessage,
};

use super::{Block, PATIENCE};

/// The magic of Litecoin's regtest.
const MAGIC: [u8; 4] = [0xfa, 0xbf, 0xb5, 0xda];

/// What a peer does with a block that it is given. All but the mute one answer pings.
#[derive(Debug, Clone)]
pub(crate) enum Manner {
    /// Takes it as its tip, and says so when asked for headers.
    Accept,
    /// Has this one on the same parent, and keeps it.
    Prefer(Header),
    /// Says nothing of headers, ever.
    OnlyPong,
    /// Says nothing at all.
    Mute,
    /// Hangs up.
    HangUp,
    /// Passes it on as a compact block before it has looked at it, and then says nothing of headers.
    EchoUnvalidated,
}

#[derive(Debug, Default)]
struct Log {
    messages: Vec<Message>,
    /// How often it was connected to.
    connections: usize,
}

/// A peer. It takes any number of connections, one after the other.
pub(crate) struct FakePeer {
    pub(crate) address: String,
    log: watch::Receiver<Log>,
    orders: mpsc::UnboundedSender<Message>,
    reading: watch::Sender<bool>,
    nonce: Mutex<u64>,
}

impl FakePeer {
    /// A peer that claims this height.
    pub(crate) async fn start(manner: Manner, height: i32) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), manner, height)
    }

    /// One at an address of its own on this machine, of which there are many: all of 127.0.0.0/8.
    pub(crate) async fn at(address: &str, manner: Manner, height: i32) -> Self {
        Self::on(TcpListener::bind((address, 0)).await.unwrap(), manner, height)
    }

    /// One whose kernel takes little when it [stops reading](Self::stop_reading).
    pub(crate) async fn with_small_buffer(manner: Manner, height: i32) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self::on(socket.listen(8).unwrap(), manner, height)
    }

    fn on(listener: TcpListener, manner: Manner, height: i32) -> Self {
        let address = listener.local_addr().unwrap().to_string();
        let (sender, log) = watch::channel(Log::default());
        let (orders, mut inbox) = mpsc::unbounded_channel();
        let (reading, mut gate) = watch::channel(true);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                sender.send_modify(|log| log.connections += 1);
                let mut conversation = Conversation {
                    stream,
                    codec: FrameCodec::new(MAGIC),
                    buffer: BytesMut::new(),
                    manner: manner.clone(),
                    children: HashMap::new(),
                };
                conversation.codec.set_limit(64_000_000);
                conversation.run(height, &sender, &mut inbox, &mut gate).await;
            }
        });
        Self { address, log, orders, reading, nonce: Mutex::new(0x7000) }
    }

    /// Reads nothing from now on. Not for more than five seconds: then it is hung up on.
    pub(crate) async fn stop_reading(&self) {
        self.settle().await;
        self.reading.send_replace(false);
    }

    /// Reads again.
    pub(crate) fn read_on(&self) {
        self.reading.send_replace(true);
    }

    /// Makes the peer say something.
    pub(crate) fn say(&self, message: Message) {
        self.orders.send(message).expect("a running peer");
    }

    /// Makes the peer announce a block by `inv`.
    pub(crate) fn announce(&self, block: BlockHash) {
        self.say(Message::Inv(vec![InvItem::block(2, block)]));
    }

    /// Makes the peer announce a block by its header.
    pub(crate) fn announce_header(&self, block: &Block) {
        self.say(Message::Headers(vec![block.header.clone()]));
    }

    /// Waits until everything that was sent to the peer so far, and everything that what it said so far leads to at
    /// once, has arrived: it pings, and the pong comes last.
    pub(crate) async fn settle(&self) {
        let nonce = {
            let mut nonce = self.nonce.lock();
            *nonce += 1;
            *nonce
        };
        self.say(Message::Ping(nonce));
        self.until(|messages| messages.contains(&Message::Pong(nonce))).await;
    }

    /// Waits until what it received is as it should be.
    pub(crate) async fn until(&self, holds: impl Fn(&[Message]) -> bool) {
        let mut log = self.log.clone();
        let waited = timeout(PATIENCE, log.wait_for(|log| holds(&log.messages))).await;
        match waited {
            Ok(found) => drop(found.expect("a running peer")),
            Err(_) => panic!("the peer only received {:?}", summary(&self.log.borrow().messages)),
        }
    }

    /// The blocks that it was given, in order.
    pub(crate) fn blocks(&self) -> Vec<Bytes> {
        blocks(&self.log.borrow().messages)
    }

    /// Waits until it was given so many blocks, and gives them.
    pub(crate) async fn given(&self, count: usize) -> Vec<Bytes> {
        self.until(|messages| blocks(messages).len() >= count).await;
        self.blocks()
    }

    /// Everything else that it was sent, by name.
    pub(crate) fn received(&self, command: Command) -> Vec<Message> {
        let log = self.log.borrow();
        log.messages.iter().filter(|message| message.command() == command).cloned().collect()
    }

    /// How often it was connected to.
    pub(crate) fn connections(&self) -> usize {
        self.log.borrow().connections
    }
}

fn blocks(messages: &[Message]) -> Vec<Bytes> {
    let block = |message: &Message| match message {
        Message::Block(bytes) => Some(bytes.clone()),
        _ => None,
    };
    messages.iter().filter_map(block).collect()
}

fn summary(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| message.command().to_string()).collect()
}

struct Conversation {
    stream: TcpStream,
    codec: FrameCodec,
    buffer: BytesMut,
    manner: Manner,
    /// What it has on top of what.
    children: HashMap<BlockHash, Header>,
}

impl Conversation {
    async fn run(
        &mut self,
        height: i32,
        log: &watch::Sender<Log>,
        inbox: &mut mpsc::UnboundedReceiver<Message>,
        gate: &mut watch::Receiver<bool>,
    ) {
        let mut shaken = false;
        loop {
            let reads = *gate.borrow_and_update();
            let message = tokio::select! {
                message = self.receive(), if reads => message,
                Ok(()) = gate.changed() => continue,
                order = inbox.recv(), if shaken => {
                    let Some(order) = order else { return };
                    self.send(order).await;
                    continue;
                }
            };
            let Some(message) = message else { return };
            log.send_modify(|log| log.messages.push(message.clone()));
            shaken |= message == Message::Verack;
            let hangs_up = matches!((&message, &self.manner), (Message::Block(_), Manner::HangUp));
            if hangs_up {
                return;
            }
            for answer in self.answers(message, height) {
                self.send(answer).await;
            }
        }
    }

    async fn receive(&mut self) -> Option<Message> {
        loop {
            match self.codec.decode(&mut self.buffer).expect("we send frames") {
                Some(Frame::Intact { command, payload }) => {
                    return Some(
                        Message::decode(command, payload, &LitecoinDialect).expect("we send messages"),
                    );
                }
                Some(Frame::Damaged(damage)) => panic!("{damage:?}"),
                None => {}
            }
            // An error is an end too: whoever is dropped while bytes wait sends a reset.
            if self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    async fn send(&mut self, message: Message) {
        let mut bytes = BytesMut::new();
        self.codec.encode((message.command(), message.encode()), &mut bytes).expect("it fits");
        // A connection that has ended is noticed by the next read.
        drop(self.stream.write_all(&bytes).await);
    }

    fn answers(&mut self, message: Message, height: i32) -> Vec<Message> {
        match message {
            Message::Version(_) => vec![version(height), Message::Verack],
            _ if matches!(self.manner, Manner::Mute) => Vec::new(),
            Message::Ping(nonce) => vec![Message::Pong(nonce)],
            Message::Block(bytes) => {
                let header = Header::new(*bytes.first_chunk().expect("a header"));
                match &self.manner {
                    Manner::Accept => drop(self.children.insert(header.parent(), header)),
                    Manner::Prefer(rival) => drop(self.children.insert(rival.parent(), rival.clone())),
                    Manner::EchoUnvalidated => {
                        return vec![Message::CompactBlock(Box::new(CompactBlock {
                            header,
                            nonce: 1,
                            short_ids: vec![[1; 6]],
                            prefilled: Vec::new(),
                            extension: Bytes::new(),
                        }))];
                    }
                    Manner::OnlyPong | Manner::Mute | Manner::HangUp => {}
                }
                Vec::new()
            }
            Message::GetHeaders(question) => match self.manner {
                Manner::OnlyPong | Manner::EchoUnvalidated => Vec::new(),
                _ => {
                    let known = question.locator.iter().find_map(|hash| self.children.get(hash));
                    vec![Message::Headers(known.into_iter().cloned().collect())]
                }
            },
            _ => Vec::new(),
        }
    }
}

fn version(height: i32) -> Message {
    Message::Version(VersionMessage {
        protocol: 70_017,
        services: Services(0x100_0409),
        timestamp: 0,
        receiver: (Services::default(), NetworkAddress::UNSPECIFIED),
        details: Some(VersionDetails {
            sender: (Services::default(), NetworkAddress::UNSPECIFIED),
            nonce: 1,
            user_agent: Bytes::from_static(b"/Scripted:1/"),
            start_height: height,
            relay: Some(true),
            extension: Bytes::new(),
        }),
    })
}
