//! The node: a simulated one for the many rounds, litecoind for the rest. Both are asked the same questions in the same
//! way, by JSON-RPC and past the gate.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use e2e::{Auth, Base, Daemon, Options, RpcClient, Template, template};
use serde_json::json;
use simnet::{
    Link, Order, Temperament, profile,
    sockets::{NodePlan, Plan, World},
};
use tokio::runtime::Handle;

use super::program::Login;

const NAME: &str = "a";

/// The login of a litecoind; the simulated node has its own.
const USER: &str = "figures";

/// JSON-RPC's code for a block that is not known.
const NOT_FOUND: i64 = -5;

/// See the module.
#[derive(Debug)]
pub(super) enum Node {
    Simulated(Box<World>),
    Litecoind {
        node: Box<Daemon>,
        /// litecoind gives no template to whoever is alone.
        _neighbour: Box<Daemon>,
    },
}

/// What is wrong with a block, in words of its own for both kinds of node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    MerkleRoot,
    Work,
    Amount,
}

impl Flaw {
    pub(super) const ALL: [Self; 3] = [Self::MerkleRoot, Self::Work, Self::Amount];
}

/// A block to be handed in.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) hash: String,
    pub(super) bytes: Vec<u8>,
    pub(super) flaw: Option<Flaw>,
}

/// What the node has of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Has {
    /// It is in the active chain.
    Active,
    /// It is kept beside the active chain, as the second of two siblings is.
    Beside,
    Nothing,
}

impl Node {
    pub(super) fn simulated(runtime: &Handle, seed: u64) -> anyhow::Result<Self> {
        let node = NodePlan {
            name: NAME.into(),
            temperament: Temperament::Honest,
            link: Link::LOCAL,
            cookie_file: None,
        };
        let plan = Plan { seed, history: 12, nodes: vec![node], ..Plan::default() };
        Ok(Self::Simulated(Box::new(runtime.block_on(World::start(profile::litecoin::regtest(), plan))?)))
    }

    /// Two daemons on a chain that is short of MWEB's activation by some three hundred blocks.
    pub(super) fn litecoind() -> Self {
        let options = |name: &str| Options {
            name: name.into(),
            base: Some(Base::Segwit),
            password: Some((USER.into(), USER.into())),
            ..Options::default()
        };
        let (node, neighbour) = (Daemon::start(options("node")), Daemon::start(options("neighbour")));
        node.connect_to(&neighbour);
        Self::Litecoind { node: Box::new(node), _neighbour: Box::new(neighbour) }
    }

    /// Where it answers, past any gate.
    pub(super) fn login(&self) -> anyhow::Result<Login> {
        match self {
            Self::Simulated(world) => {
                let rpc = world.member(NAME)?.rpc().context("a node without RPC")?;
                let address: SocketAddr = rpc.url().trim_start_matches("http://").parse()?;
                Ok(Login { address, user: rpc.user().to_owned(), password: rpc.password().to_owned() })
            }
            Self::Litecoind { node, .. } => {
                Ok(Login { address: node.rpc_addr(), user: USER.into(), password: USER.into() })
            }
        }
    }

    /// Blocks on the node's tip, all siblings: of those without a flaw the first to come becomes the tip.
    pub(super) fn mint(&self, flaws: &[Option<Flaw>]) -> Vec<Block> {
        match self {
            Self::Simulated(world) => {
                let mint = |flaw: &Option<Flaw>| {
                    let minted = world.mint(&Order { size: 0, flaw: flaw.map(simulated) });
                    Block { hash: minted.hash.to_string(), bytes: minted.bytes.to_vec(), flaw: *flaw }
                };
                flaws.iter().map(mint).collect()
            }
            Self::Litecoind { node, .. } => {
                let template = Template::of(node);
                let mint = |flaw: &Option<Flaw>| {
                    let block = flaw.map_or_else(|| template.block(), |flaw| template.flawed(real(flaw)));
                    Block { hash: block.hash, bytes: block.bytes, flaw: *flaw }
                };
                flaws.iter().map(mint).collect()
            }
        }
    }

    /// What it has of a block.
    pub(super) fn has(&self, hash: &str) -> anyhow::Result<Has> {
        let Login { address, user, password } = self.login()?;
        let client = RpcClient::new(address, Auth::password(&user, &password));
        match client.call("getblockheader", json!([hash])) {
            Ok(header) => {
                let confirmations = header["confirmations"].as_i64();
                let confirmations = confirmations.context("a header without confirmations")?;
                Ok(if confirmations >= 0 { Has::Active } else { Has::Beside })
            }
            Err(failure) => {
                ensure!(failure.code == Some(NOT_FOUND), "the node does not answer: {failure}");
                Ok(Has::Nothing)
            }
        }
    }
}

fn simulated(flaw: Flaw) -> simnet::Flaw {
    match flaw {
        Flaw::MerkleRoot => simnet::Flaw::BadMerkleRoot,
        Flaw::Work => simnet::Flaw::HighHash,
        Flaw::Amount => simnet::Flaw::BadCoinbaseAmount,
    }
}

fn real(flaw: Flaw) -> template::Flaw {
    match flaw {
        Flaw::MerkleRoot => template::Flaw::BadMerkleRoot,
        Flaw::Work => template::Flaw::BadProofOfWork,
        Flaw::Amount => template::Flaw::Overpaying,
    }
}
