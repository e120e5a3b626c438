//! A connection between our session and a scripted peer, with whatever past, host and shelf a test wants.
#![allow(clippy::unwrap_used, reason = "a fault of the test's own machinery should fail the test")]

use std::{
    fmt,
    io::ErrorKind,
    net::TcpStream as StdStream,
    sync::Arc,
    time::{Duration, Instant},
};

use chain::IndexedBlock;
use net::{Closed, Connection, Host, Lane, Plan, socket};
use protocol::{
    PeerId,
    session::{Event, Introduction, Session, Shelf},
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::codec::Framed;
use wire::{BlockHash, FrameCodec, Header, Message, NetworkAddress};

use crate::support::{LANE_LIMIT, PATIENCE, Peer, chain, magic, version};

/// The nonce in our `version`.
pub(crate) const OUR_NONCE: u64 = 0x0123_4567_89ab_cdef;

/// What a host is told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Heard {
    Event(Event, Instant),
    /// Block, begin of the call that took its last byte, its end.
    Written(BlockHash, Instant, Instant),
}

/// What our side has and knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Goods {
    pub(crate) block: Option<Arc<IndexedBlock>>,
    pub(crate) locator: Vec<BlockHash>,
}

impl Shelf for Goods {
    fn block(&self, hash: &BlockHash) -> Option<Arc<IndexedBlock>> {
        self.block.clone().filter(|block| block.hash == *hash)
    }

    fn headers_after(&self, _: &[BlockHash], _: BlockHash) -> Vec<Header> {
        Vec::new()
    }

    fn locator(&self) -> Vec<BlockHash> {
        self.locator.clone()
    }

    fn knows(&self, _: &BlockHash) -> bool {
        false
    }
}

/// A host that passes on what it is told.
struct Listener<F> {
    goods: Goods,
    heard: F,
}

impl<F> fmt::Debug for Listener<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.goods.fmt(f)
    }
}

impl<F: Send + Sync> Shelf for Listener<F> {
    fn block(&self, hash: &BlockHash) -> Option<Arc<IndexedBlock>> {
        self.goods.block(hash)
    }

    fn headers_after(&self, locator: &[BlockHash], stop: BlockHash) -> Vec<Header> {
        self.goods.headers_after(locator, stop)
    }

    fn locator(&self) -> Vec<BlockHash> {
        self.goods.locator()
    }

    fn knows(&self, hash: &BlockHash) -> bool {
        self.goods.knows(hash)
    }
}

impl<F: Fn(Heard) + Send + Sync> Host for Listener<F> {
    fn event(&self, _: PeerId, event: Event, now: Instant) {
        (self.heard)(Heard::Event(event, now));
    }

    fn written(&self, _: PeerId, block: BlockHash, handed: Instant, now: Instant) {
        (self.heard)(Heard::Written(block, handed, now));
    }

    fn acked(&self, _: PeerId, _: BlockHash, _: Instant) {}

    fn sent(&self, _: usize) {}

    fn received(&self, _: usize) {}

    fn as_shelf(&self) -> &dyn Shelf {
        self
    }
}

/// A session that began `age` ago and has not heard anything yet.
pub(crate) fn session(age: Duration) -> Session {
    let introduction = Introduction {
        nonce: OUR_NONCE,
        user_agent: "/Blockcast:test/".into(),
        timestamp: 0,
        receiver: NetworkAddress::UNSPECIFIED,
        start_height: 0,
        gossip: false,
    };
    Session::new(chain(), introduction, past(age))
}

/// A session whose handshake was done `age` ago, in the very moment in which it began.
pub(crate) fn proven_session(age: Duration) -> Session {
    let mut session = session(age);
    session.handle(version(), &Goods::default(), past(age));
    session.handle(Message::Verack, &Goods::default(), past(age));
    assert!(session.is_ready());
    session
}

pub(crate) fn past(age: Duration) -> Instant {
    Instant::now().checked_sub(age).expect("the machine has been up for some minutes")
}

/// Our end.
pub(crate) struct Ours {
    pub(crate) lane: Lane,
    heard: mpsc::UnboundedReceiver<Heard>,
    running: JoinHandle<Closed>,
    /// The same socket once more, to look at what was not read yet.
    socket: StdStream,
}

impl Ours {
    /// The next thing that the host was told.
    pub(crate) async fn hear(&mut self) -> Heard {
        let heard = timeout(PATIENCE, self.heard.recv()).await.expect("something in time");
        heard.expect("the connection has ended")
    }

    /// The next event.
    pub(crate) async fn event(&mut self) -> Event {
        loop {
            if let Heard::Event(event, _) = self.hear().await {
                return event;
            }
        }
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

    /// Waits until our side has read everything that was sent to it.
    pub(crate) async fn has_read_all(&self) {
        let reading = async {
            while !matches!(self.socket.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock) {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, reading).await.expect("read in time");
    }
}

/// The two ends of a TCP connection over loopback. `receive_buffer` is the second's, in bytes; 0 leaves it to the kernel.
pub(crate) async fn sockets(receive_buffer: u32) -> (TcpStream, TcpStream) {
    let listener = TcpSocket::new_v4().unwrap();
    if receive_buffer > 0 {
        listener.set_recv_buffer_size(receive_buffer).unwrap();
    }
    listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener: TcpListener = listener.listen(1).unwrap();
    let (ours, theirs) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let (ours, (theirs, _)) = (ours.unwrap(), theirs.unwrap());
    socket::tune(&ours);
    theirs.set_nodelay(true).unwrap();
    (ours, theirs)
}

/// Runs a session on a socket; `heard` is told what the host is told.
pub(crate) fn run(
    stream: TcpStream,
    session: Session,
    goods: Goods,
    heard: impl Fn(Heard) + Send + Sync + 'static,
) -> (Lane, JoinHandle<Closed>) {
    let lane = Lane::new(LANE_LIMIT);
    let connection = Connection { id: PeerId(1), lane: lane.clone(), magic: magic() };
    let host = Arc::new(Listener { goods, heard });
    (lane, tokio::spawn(net::run(stream, connection, session, chain(), host)))
}

/// A peer at its end of a socket.
pub(crate) fn peer(stream: TcpStream) -> Peer {
    let mut codec = FrameCodec::new(magic());
    codec.set_limit(64_000_000);
    Peer { socket: Framed::new(stream, codec) }
}

/// A connection with this session and these goods on our side.
pub(crate) async fn open(session: Session, goods: Goods, receive_buffer: u32) -> (Ours, Peer) {
    let (ours, theirs) = sockets(receive_buffer).await;
    let ours = ours.into_std().unwrap();
    let socket = ours.try_clone().unwrap();
    let (sender, heard) = mpsc::unbounded_channel();
    // A test that is over wants to hear nothing more.
    let tell = move |heard| drop(sender.send(heard));
    let (lane, running) = run(TcpStream::from_std(ours).unwrap(), session, goods, tell);
    (Ours { lane, heard, running, socket }, peer(theirs))
}

/// A connection whose peer has said nothing yet.
pub(crate) async fn stranger() -> (Ours, Peer) {
    open(session(Duration::ZERO), Goods::default(), 0).await
}

/// A connection with the handshake done on both sides.
pub(crate) async fn proven(goods: Goods, receive_buffer: u32) -> (Ours, Peer) {
    let (mut ours, mut peer) = open(session(Duration::ZERO), goods, receive_buffer).await;
    peer.handshake().await;
    let ready = ours.event().await;
    assert!(matches!(ready, Event::Ready { .. }), "{ready:?}");
    (ours, peer)
}
