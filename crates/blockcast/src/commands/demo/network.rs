//! A chain of the demo, up and running: the simulated network, who is in it, and what is true there.

use std::collections::HashSet;

use anyhow::Context;
use engine::ChainHandle;
use relay::NodeHealth;
use simnet::sockets::{NodePlan, PeerPlan, Plan, World};
use simnet::{Link, Minted, Order, Promise, Quorum};
use wire::BlockHash;

use super::cast::{Role, Stage};
use super::home::{ChainEntry, Home, Login, NodeEntry, PeerEntry};
use super::record::{Member, Part, Truth};

/// How many blocks a network has when it begins.
const HISTORY: u32 = 3;

/// With how many others each of them gossips.
const NEIGHBOURS: usize = 4;

/// A running network.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) stage: &'static Stage,
    /// Everybody, with the addresses that the system gave them.
    pub(super) members: Vec<Member>,
    world: World,
}

impl Network {
    /// # Errors
    /// When it gets no ports, or a cookie cannot be written.
    pub(super) async fn start(stage: &'static Stage, seed: u64, home: &Home) -> anyhow::Result<Self> {
        let roles = stage.peers(seed);
        let peers = roles.iter().map(|role| PeerPlan {
            name: role.name.clone(),
            temperament: role.temperament,
            link: role.link,
        });
        let nodes = stage.nodes.iter().enumerate().map(|(at, (name, temperament))| NodePlan {
            name: (*name).into(),
            temperament: *temperament,
            link: Link::LOCAL,
            // Both ways to log in are shown.
            cookie_file: (at == 0).then(|| home.cookie(name)),
        });
        let plan = Plan {
            seed,
            history: HISTORY,
            neighbours: NEIGHBOURS,
            peers: peers.collect(),
            nodes: nodes.collect(),
            quorum: quorum(&roles),
        };
        let world = World::start((stage.profile)(), plan).await;
        let world = world.with_context(|| format!("cannot start the simulated {} network", stage.title))?;
        // The world keeps the plan's order.
        let nodes = (0..stage.nodes.len()).map(|at| Part::Node(Stage::role(at)));
        let parts = roles.iter().map(|role| role.part).chain(nodes);
        let members = world.members().iter().zip(parts).map(|(member, part)| Member {
            name: member.name().into(),
            address: member.p2p().to_string(),
            temperament: member.temperament(),
            part,
        });
        Ok(Self { stage, members: members.collect(), world })
    }

    /// The chain as the configuration names it.
    ///
    /// # Errors
    /// When one of our nodes has no RPC, which is a mistake.
    pub(super) fn entry(&self) -> anyhow::Result<ChainEntry> {
        let mut entry = ChainEntry { name: self.stage.chain, nodes: Vec::new(), fixed: Vec::new(), found: 0 };
        for (member, Member { name, part, .. }) in self.world.members().iter().zip(&self.members) {
            let (name, p2p) = (name.clone(), member.p2p());
            match part {
                Part::Node(role) => {
                    let rpc = member.rpc();
                    let rpc = rpc.with_context(|| format!("the simulated node {name} has no RPC"))?;
                    let login = match rpc.cookie_file() {
                        Some(file) => Login::Cookie(file.to_owned()),
                        None => Login::Password { user: rpc.user().into(), password: rpc.password().into() },
                    };
                    entry.nodes.push(NodeEntry { name, role, url: rpc.url(), p2p, login });
                }
                Part::Quorum => entry.found += 1,
                // See `quorum`.
                Part::Observer if self.stage.quorum > 0 => entry.found += 1,
                Part::Peer | Part::Observer => {
                    let observes = *part == Part::Observer;
                    entry.fixed.push(PeerEntry { name, address: p2p, observes });
                }
            }
        }
        Ok(entry)
    }

    /// Why the engine is not wholly ready for blocks of this chain, if that is so. Those who come and go are not waited
    /// for.
    pub(super) fn not_ready(&self, chain: &ChainHandle) -> Vec<String> {
        let (relay, name) = (&chain.relay, chain.name());
        let ready = relay.ready_peers();
        let is_there = |member: &Member| {
            let observes = member.part == Part::Observer;
            ready.iter().any(|peer| peer.address == member.address && peer.is_observer() == observes)
        };
        let awaited = self.members.iter().filter(|member| member.temperament.promise() != Promise::Perhaps);
        let missing = awaited.filter(|member| !is_there(member)).map(|member| member.name.as_str());
        let missing: Vec<_> = missing.collect();
        let answers = |member: &Member| {
            let node = relay.nodes().iter().find(|node| node.name() == member.name);
            node.is_some_and(|node| node.status().health == NodeHealth::Up)
        };
        let nodes = self.members.iter().filter(|member| matches!(member.part, Part::Node(_)));
        let down = nodes.filter(|node| node.keeps_its_word() && !answers(node));
        let mut reasons: Vec<_> = down.map(|node| format!("node {} does not answer", node.name)).collect();
        if relay.tip().is_none() {
            reasons.push(format!("the headers of {name} are not known"));
        }
        if !missing.is_empty() {
            let names = missing.join(", ");
            reasons.push(format!("{} of {name} are not connected: {names}", missing.len()));
        }
        reasons
    }

    /// Finds a block of about that many bytes. Nobody has it yet.
    pub(super) fn find(&self, size: usize) -> Minted {
        self.world.mint(&Order { size, ..Order::default() })
    }

    /// What is true of a block.
    pub(super) fn truth(&self, block: &BlockHash) -> Truth {
        let truth = self.world.truth(block);
        let holders = truth.iter().filter(|truth| truth.accepted_at.is_some());
        let holders: HashSet<String> = holders.map(|truth| truth.member.clone()).collect();
        let known = truth.iter().filter(|truth| truth.locked_at.is_some());
        let known = known.map(|truth| truth.member.clone()).collect();
        Truth { holders, final_to: (self.stage.quorum > 0).then_some(known) }
    }

    /// Ends it.
    pub(super) async fn shutdown(self) {
        self.world.shutdown().await;
    }
}

/// Those who make blocks final, if there are any. Our nodes tell the engine of them, and that is how it finds them: it
/// sends to them before any stranger. The least of them observes, so the observer is the one who could be in the quorum
/// and is not.
fn quorum(roles: &[Role]) -> Option<Quorum> {
    let all = |part| (0..).zip(roles).filter(move |(_, role)| role.part == part).map(|(at, _)| at);
    let quorum = Quorum { reserve: all(Part::Observer).collect(), ..Quorum::of(all(Part::Quorum)) };
    (!quorum.members.is_empty()).then_some(quorum)
}
