//! A network of simulated nodes with real sockets.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    net::TcpSocket,
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use wire::{BlockHash, Header, Message};

use super::{
    Member, Plan, RpcAddress, WorldError,
    draft::{Draft, Port, drafts},
    gossip::Gossip,
    host::Host,
    http::Server,
};
use crate::{
    AuxBlock, ChainState, Inspections, Mint, Minted, Node, Order, Parent, ParentBlock, Profile, Promise,
    Temperament, Verdict,
    quorum::{Ballot, Roster},
    topology::Topology,
};

/// The best block of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// Its name.
    pub hash: BlockHash,
    /// Its height.
    pub height: u32,
}

/// What one member really has of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// The member's name.
    pub member: String,
    /// How it behaves.
    pub temperament: Temperament,
    /// Whether it is a node, with RPC.
    pub is_node: bool,
    /// When the block became part of its active chain, since the world's start.
    pub accepted_at: Option<Duration>,
    /// Whether it is still part of it.
    pub active: bool,
    /// When the member learned that the block is final, since the world's start.
    pub locked_at: Option<Duration>,
}

/// A running world. Dropping it ends everything too, without waiting for it.
#[derive(Debug)]
pub struct World {
    members: Vec<Member>,
    hosts: Vec<Arc<Host>>,
    mint: Mutex<Mint>,
    start: Instant,
    epoch: u32,
    profile: Arc<Profile>,
    /// Counts the blocks that were accepted and the locks that were learned of anywhere.
    news: watch::Receiver<u64>,
    tasks: TaskTracker,
    ending: CancellationToken,
    _ending: DropGuard,
    /// Of those who are down.
    _shut: Vec<TcpSocket>,
}

impl World {
    /// Starts everything. Must be called in a tokio runtime with time and I/O.
    ///
    /// # Errors
    /// When there are no members, names are not unique, no port is to be had, a cookie file cannot be written, or a
    /// quorum is wanted that cannot be.
    pub async fn start(profile: Profile, plan: Plan) -> Result<Self, WorldError> {
        let drafts = drafts(plan.peers, plan.nodes)?;
        if drafts.is_empty() {
            return Err(WorldError::Empty);
        }
        let profile = Arc::new(profile);
        let mut rng = StdRng::seed_from_u64(plan.seed);
        let inspections = Inspections::new(profile.chain.clone());
        let epoch = unix_now();
        let mut mint = Mint::new(&profile, rng.random());
        let origin = ChainState::new(profile.clone(), inspections.clone(), epoch);
        let history = mint.history(&origin.next(), plan.history, epoch);
        let history: Vec<Header> = history.into_iter().map(|block| block.header).collect();

        let temperaments: Vec<Temperament> = drafts.iter().map(|draft| draft.plan.temperament).collect();
        let topology = Topology::random(&temperaments, plan.neighbours, &mut rng);
        let addresses: Vec<SocketAddr> = drafts.iter().map(|draft| draft.p2p).collect();
        let mut roster = None;
        let mut ballot = None;
        if let Some(quorum) = plan.quorum {
            let locking = profile.locking.ok_or(WorldError::NoLocks)?;
            let address =
                |member: &usize| addresses.get(*member).copied().ok_or(WorldError::Stranger(*member));
            let members = quorum.members.iter().map(address).collect::<Result<_, _>>()?;
            let reserve = quorum.reserve.iter().map(address).collect::<Result<_, _>>()?;
            let known = roster.insert(Arc::new(Roster::new(plan.seed, members, reserve)));
            ballot = Some(Ballot::new(quorum, known.clone(), locking));
        }
        let (start, tasks, ending) = (Instant::now(), TaskTracker::new(), CancellationToken::new());
        let (telling, heard) = mpsc::unbounded_channel();
        let (counter, news) = watch::channel(0);

        let (mut members, mut hosts, mut shut) = (Vec::new(), Vec::new(), Vec::new());
        for (index, draft) in drafts.into_iter().enumerate() {
            let Draft { plan, port, rpc, p2p } = draft;
            let seed = StdRng::seed_from_u64(rng.random());
            let mut node = Node::new(profile.clone(), inspections.clone(), plan.temperament, epoch, seed);
            node.chain_mut().adopt(&history);
            node.know_addresses(topology.of(index).map(|other| addresses[other]).collect());
            if let Some(roster) = &roster {
                node.join(roster.clone());
            }
            let host = Arc::new(Host::new(index, plan.link, node, start, telling.clone()));
            tasks.spawn(host.clone().keep_time(ending.clone()));
            match port {
                Port::Open(listener) => {
                    tasks.spawn(host.clone().listen(listener, tasks.clone(), ending.clone()));
                }
                Port::Shut(socket) => shut.push(socket),
            }
            let rpc = rpc.map(|(port, address)| {
                match port {
                    Port::Open(listener) => {
                        let login = format!("{}:{}", address.user, address.password);
                        let server = Arc::new(Server { host: host.clone(), login });
                        tasks.spawn(server.listen(listener, tasks.clone(), ending.clone()));
                    }
                    Port::Shut(socket) => shut.push(socket),
                }
                address
            });
            members.push(Member {
                name: plan.name,
                temperament: plan.temperament,
                link: plan.link,
                p2p,
                rpc,
            });
            hosts.push(host);
        }
        let (for_gossip, until) = (tasks.clone(), ending.clone());
        let gossip = Gossip { hosts: hosts.clone(), topology, ballot, tasks: for_gossip, ending: until };
        tasks.spawn(gossip.run(heard, counter));
        let world = Self {
            members,
            hosts,
            mint: Mutex::new(mint),
            start,
            epoch,
            profile,
            news,
            tasks,
            _ending: ending.clone().drop_guard(),
            ending,
            _shut: shut,
        };
        for rpc in world.members.iter().filter_map(Member::rpc) {
            rpc.write_cookie().map_err(|source| WorldError::Cookie {
                path: rpc.cookie_file.clone().unwrap_or_default(),
                source,
            })?;
        }
        Ok(world)
    }

    /// Everybody, peers first, in the plan's order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// One of them.
    ///
    /// # Errors
    /// When nobody has this name.
    pub fn member(&self, name: &str) -> Result<&Member, WorldError> {
        self.index(name).map(|index| &self.members[index])
    }

    fn index(&self, name: &str) -> Result<usize, WorldError> {
        let index = self.members.iter().position(|member| member.name == name);
        index.ok_or_else(|| WorldError::Unknown(name.into()))
    }

    /// The time since the world's start, from which [`Truth::accepted_at`] is counted.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The best block among members that [promise](Promise::Accepts) to take blocks; of equal ones the first member's.
    /// Without such a member, the past that all began with.
    pub fn tip(&self) -> Tip {
        self.best().look(|node| Tip { hash: node.chain().tip(), height: node.chain().height() })
    }

    fn best(&self) -> &Host {
        let promising = self.hosts.iter().filter(|host| host.temperament.promise() == Promise::Accepts);
        // `max_by_key` gives the last of equals.
        let best = promising.rev().max_by_key(|host| host.look(|node| node.chain().work()));
        best.or(self.hosts.first()).expect("a world is started with members")
    }

    /// Makes the next block on the [tip](Self::tip). Nobody has it yet.
    pub fn mint(&self, order: &Order) -> Minted {
        self.mint_with(order, &[])
    }

    /// The same, with a note in the coinbase's script: what [commits](AuxBlock::commitment) it to another chain's block.
    pub fn mint_with(&self, order: &Order, note: &[u8]) -> Minted {
        let (parent, time) = self.next();
        self.mint.lock().mint_with(&parent, time, order, note)
    }

    /// Makes the next block on the [tip](Self::tip), whose work is to be done on another chain's; `None` if the chain has
    /// no such blocks at this height.
    pub fn aux(&self, order: &Order) -> Option<AuxBlock> {
        let (parent, time) = self.next();
        self.mint.lock().aux(&parent, time, order)
    }

    /// One find for two chains: the next block here and the next one of `parents`, on whose work it rests. Nobody has
    /// either yet. `None` if this chain has no such blocks at this height.
    pub fn mint_merged(&self, order: &Order, parents: &Self, of_parent: &Order) -> Option<(Minted, Minted)> {
        let aux = self.aux(order)?;
        let parent = parents.mint_with(of_parent, aux.commitment());
        Some((aux.seal(&ParentBlock::from(&parent)), parent))
    }

    /// What the next block is to be built on, and the time.
    fn next(&self) -> (Parent, u32) {
        let time = self.epoch.saturating_add(u32::try_from(self.elapsed().as_secs()).unwrap_or(u32::MAX));
        (self.best().look(|node| node.chain().next()), time)
    }

    /// A block appears at a member, as if found there; it gossips from there if it is accepted.
    ///
    /// # Errors
    /// When nobody has this name.
    pub fn inject(&self, member: &str, block: &Bytes) -> Result<Verdict, WorldError> {
        let index = self.index(member)?;
        Ok(self.hosts[index].with(|node, now| node.submit(block, now)))
    }

    /// Makes a member say something to everybody who is connected to it, whatever it is.
    ///
    /// # Errors
    /// When nobody has this name.
    pub fn say(&self, member: &str, message: &Message) -> Result<(), WorldError> {
        let index = self.index(member)?;
        self.hosts[index].with(|node, now| node.say(message, now));
        Ok(())
    }

    /// Makes a member announce a lock that no quorum has made, and give it to whoever asks. Gives the lock.
    ///
    /// # Errors
    /// When nobody has this name, or the chain knows no locks.
    pub fn forge_lock(&self, member: &str, height: u32, block: &BlockHash) -> Result<Bytes, WorldError> {
        let index = self.index(member)?;
        let locking = self.profile.locking.ok_or(WorldError::NoLocks)?;
        // Nobody's key.
        let object = (locking.make)(&[0; 32], height, block);
        self.hosts[index].with(|node, now| node.forge(object.clone(), now));
        Ok(object)
    }

    /// When the first member learned that a block is final, since the world's start. `None`: none knows that.
    pub fn locked(&self, block: &BlockHash) -> Option<Duration> {
        self.hosts.iter().filter_map(|host| host.look(|node| node.chain().locked_at(block))).min()
    }

    /// Makes a node's RPC answer that it is starting (-28), in these words, or answer again.
    ///
    /// # Errors
    /// When nobody has this name.
    pub fn set_warm_up(&self, member: &str, message: Option<String>) -> Result<(), WorldError> {
        let index = self.index(member)?;
        self.hosts[index].with(|node, _| node.set_warm_up(message));
        Ok(())
    }

    /// What everybody really has of a block.
    pub fn truth(&self, block: &BlockHash) -> Vec<Truth> {
        let truth = |(member, host): (&Member, &Arc<Host>)| {
            host.look(|node| Truth {
                member: member.name.clone(),
                temperament: member.temperament,
                is_node: member.rpc.is_some(),
                accepted_at: node.chain().connected_at(block),
                active: node.chain().is_active(block),
                locked_at: node.chain().locked_at(block),
            })
        };
        self.members.iter().zip(&self.hosts).map(truth).collect()
    }

    /// Waits until all members that [promise](Promise::Accepts) to take blocks have a block. For ever, if it is not one
    /// that they take: set a limit.
    pub async fn everyone_has(&self, block: &BlockHash) {
        self.everyone(block, |truth| truth.accepted_at.is_some()).await;
    }

    /// Waits until all members that [promise](Promise::Accepts) to take blocks know that a block is final. For ever, if
    /// it does not become so: set a limit.
    pub async fn everyone_locked(&self, block: &BlockHash) {
        self.everyone(block, |truth| truth.locked_at.is_some()).await;
    }

    async fn everyone(&self, block: &BlockHash, is_so: fn(&Truth) -> bool) {
        let mut news = self.news.clone();
        let lacks = |truth: &Truth| truth.temperament.promise() == Promise::Accepts && !is_so(truth);
        loop {
            news.borrow_and_update();
            if !self.truth(block).iter().any(lacks) {
                return;
            }
            if news.changed().await.is_err() {
                // The world is ending; nobody gets anything any more.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Ends everything and waits until it has ended: connections are closed, ports free, cookie files removed.
    pub async fn shutdown(self) {
        self.ending.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.members.iter().filter_map(Member::rpc).for_each(RpcAddress::remove_cookie);
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host")
            .field("index", &self.index)
            .field("temperament", &self.temperament)
            .finish_non_exhaustive()
    }
}

fn unix_now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}
