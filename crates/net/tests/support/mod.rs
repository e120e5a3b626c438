//! The two ends of a connection over loopback: ours, with a host that takes notes, and a scripted peer.

#![allow(clippy::unwrap_used, reason = "a fault of the test's own machinery should fail the test")]

use std::{sync::Arc, time::Instant};

use bytes::{Bytes, BytesMut};
use chain::{Chain, IndexedBlock, Network};
use futures_util::StreamExt;
use litecoin::Litecoin;
use net::{Closed, Connection, Host, Lane, Plan, socket};
use protocol::{
    PeerId,
    session::{Event, Introduction, Session, Shelf},
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
    sync::mpsc,
    task::JoinHandle,
    time::{Duration, timeout},
};
use tokio_util::codec::{Encoder, Framed};
use wire::{
    BlockHash, Command, Frame, FrameCodec, Header, Message, NetworkAddress, Services, VersionDetails,
    VersionMessage,
};

/// How long a test waits for what should happen at once. Reaching it fails the test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Four times the chain's cap, as the relay gives its lanes.
pub(crate) const LANE_LIMIT: usize = 4 * 32_000_000;

pub(crate) fn chain() -> Arc<dyn Chain> {
    Arc::new(Litecoin::new(Network::Regtest))
}

pub(crate) fn magic() -> [u8; 4] {
    chain().params().magic
}

/// What the host was told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Note {
    Event(Event),
    Written(BlockHash),
    Acked(BlockHash),
}

#[derive(Debug)]
struct FakeHost(mpsc::UnboundedSender<Note>);

impl FakeHost {
    fn note(&self, note: Note) {
        // A test that is over needs no notes.
        drop(self.0.send(note));
    }
}

impl Shelf for FakeHost {
    fn block(&self, _: &BlockHash) -> Option<Arc<IndexedBlock>> {
        None
    }

    fn headers_after(&self, _: &[BlockHash], _: BlockHash) -> Vec<Header> {
        Vec::new()
    }

    fn locator(&self) -> Vec<BlockHash> {
        Vec::new()
    }

    fn knows(&self, _: &BlockHash) -> bool {
        true
    }
}

impl Host for FakeHost {
    fn event(&self, _: PeerId, event: Event, _: Instant) {
        self.note(Note::Event(event));
    }

    fn written(&self, _: PeerId, block: BlockHash, handed: Instant, now: Instant) {
        assert!(handed <= now);
        self.note(Note::Written(block));
    }

    fn acked(&self, _: PeerId, block: BlockHash, _: Instant) {
        self.note(Note::Acked(block));
    }

    fn sent(&self, _: usize) {}

    fn received(&self, _: usize) {}

    fn as_shelf(&self) -> &dyn Shelf {
        self
    }
}

/// Our end.
pub(crate) struct Ours {
    pub(crate) lane: Lane,
    notes: mpsc::UnboundedReceiver<Note>,
    running: JoinHandle<Closed>,
}

impl Ours {
    /// The next note for which `wanted` holds; those before it are passed over.
    pub(crate) async fn note(&mut self, wanted: impl Fn(&Note) -> bool) -> Note {
        timeout(PATIENCE, async {
            loop {
                let note = self.notes.recv().await.expect("the connection has ended");
                if wanted(&note) {
                    return note;
                }
            }
        })
        .await
        .expect("a note in time")
    }

    /// All notes until the connection ended.
    pub(crate) async fn rest(&mut self) -> Vec<Note> {
        let mut notes = Vec::new();
        while let Some(note) = timeout(PATIENCE, self.notes.recv()).await.expect("an end in time") {
            notes.push(note);
        }
        notes
    }

    /// How the connection ends.
    pub(crate) async fn closed(&mut self) -> Closed {
        timeout(PATIENCE, &mut self.running).await.expect("an end in time").expect("no panic")
    }

    pub(crate) fn is_running(&self) -> bool {
        !self.running.is_finished()
    }

    pub(crate) fn push(&self, plan: Plan) {
        self.lane.push(Arc::new(plan)).expect("room in the lane");
    }
}

/// The other end: a framed socket that a test drives.
pub(crate) struct Peer {
    pub(crate) socket: Framed<TcpStream, FrameCodec>,
}

impl Peer {
    pub(crate) async fn send(&mut self, message: &Message) {
        self.send_raw(&frame(message)).await;
    }

    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        let written = timeout(PATIENCE, self.socket.get_mut().write_all(bytes)).await;
        written.expect("sent in time").expect("an open connection");
    }

    /// The next message, or `None` at the end of the connection.
    pub(crate) async fn receive(&mut self) -> Option<Message> {
        match timeout(PATIENCE, self.socket.next()).await.expect("a message in time")? {
            Ok(Frame::Intact { command, payload }) => {
                Some(Message::decode(command, payload, chain().dialect()).expect("we send what decodes"))
            }
            other => panic!("{other:?}"),
        }
    }

    /// The next message with this command; those before it are passed over.
    pub(crate) async fn expect(&mut self, command: Command) -> Message {
        loop {
            let message = self.receive().await.unwrap_or_else(|| panic!("closed before {command}"));
            if message.command() == command {
                return message;
            }
        }
    }

    pub(crate) async fn handshake(&mut self) {
        self.expect(Command::VERSION).await;
        self.send(&version()).await;
        self.expect(Command::VERACK).await;
        self.send(&Message::Verack).await;
        self.expect(Command::SENDHEADERS).await;
    }
}

pub(crate) fn version() -> Message {
    Message::Version(VersionMessage {
        protocol: 70_017,
        services: Services(0x100_0409),
        timestamp: 0,
        receiver: (Services::default(), NetworkAddress::UNSPECIFIED),
        details: Some(VersionDetails {
            sender: (Services::default(), NetworkAddress::UNSPECIFIED),
            nonce: 1,
            user_agent: Bytes::from_static(b"/Scripted:1/"),
            start_height: 0,
            relay: Some(true),
            extension: Bytes::new(),
        }),
    })
}

/// The bytes of a message.
pub(crate) fn frame(message: &Message) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    FrameCodec::new(magic()).encode((message.command(), message.encode()), &mut bytes).expect("it fits");
    bytes.to_vec()
}

/// A connection whose peer has said nothing yet. `receive_buffer` is the peer's, in bytes; 0 leaves it to the kernel.
pub(crate) async fn connect(receive_buffer: u32) -> (Ours, Peer) {
    let listener = TcpSocket::new_v4().unwrap();
    if receive_buffer > 0 {
        listener.set_recv_buffer_size(receive_buffer).unwrap();
    }
    listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = listener.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let (stream, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (stream, (peer, _)) = (stream.unwrap(), accepted.unwrap());
    socket::tune(&stream);
    peer.set_nodelay(true).unwrap();

    let introduction = Introduction {
        nonce: 7,
        user_agent: "/Blockcast:test/".into(),
        timestamp: 0,
        receiver: NetworkAddress::from(address),
        start_height: 0,
        gossip: false,
    };
    let session = Session::new(chain(), introduction, Instant::now());
    let lane = Lane::new(LANE_LIMIT);
    let connection = Connection { id: PeerId(1), lane: lane.clone(), magic: magic() };
    let (sender, notes) = mpsc::unbounded_channel();
    let host = Arc::new(FakeHost(sender));
    let running = tokio::spawn(net::run(stream, connection, session, chain(), host));
    let mut codec = FrameCodec::new(magic());
    codec.set_limit(64_000_000);
    (Ours { lane, notes, running }, Peer { socket: Framed::new(peer, codec) })
}

/// A connection with the handshake done on both sides.
pub(crate) async fn ready(receive_buffer: u32) -> (Ours, Peer) {
    let (mut ours, mut peer) = connect(receive_buffer).await;
    peer.handshake().await;
    ours.note(|note| matches!(note, Note::Event(Event::Ready { .. }))).await;
    (ours, peer)
}
