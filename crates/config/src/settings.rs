//! The configuration as the rest of the program sees it: checked, typed, defaults filled in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::address::{HostPort, RpcUrl};
use crate::problem::{Problem, path_text};
use crate::secret::SecretFile;

/// A whole configuration directory. See [`load`](crate::load).
#[derive(Clone, Debug, Serialize)]
pub struct Config {
    /// Journal, ledger and peer books live here. As written: relative to the process's working directory.
    #[serde(serialize_with = "path_text")]
    pub data_dir: PathBuf,
    /// Status, REST, metrics, dashboard.
    pub http: Http,
    /// What the process says about itself.
    pub log: Log,
    /// How much history is kept.
    pub ledger: Ledger,
    /// All chains, disabled ones too, by the stem of their file: `chains/litecoin.toml` is `litecoin`.
    pub chains: BTreeMap<String, Chain>,
    /// Allowed but doubtful settings, to be logged at the start.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// The chains to run; at least one.
    pub fn enabled_chains(&self) -> impl Iterator<Item = &Chain> {
        self.chains.values().filter(|chain| chain.enabled)
    }
}

/// `[http]`
#[derive(Clone, Debug, Serialize)]
pub struct Http {
    /// Where to listen; 127.0.0.1:7904 by default.
    pub listen: SocketAddr,
    /// The bearer token that callers must show. Always there when `listen` is not a loopback address.
    pub token: Option<SecretFile>,
}

/// `[log]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Log {
    /// How much; `info` by default.
    pub level: LogLevel,
    /// For people or for programs; `text` by default.
    pub format: LogFormat,
}

/// `[ledger]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// How long a block stays in it; 1 day to 100 years, a year by default.
    pub keep: Duration,
    /// How large its file may become, in bytes; at least 1 MB, a GB by default.
    pub max_bytes: u64,
    /// Of how many blocks the bytes are kept, for export and replay; 100 by default.
    pub raw_blocks: usize,
}

/// Keys whose value is one of a few words.
pub(crate) trait Word: Copy + 'static {
    /// Every allowed word with its meaning.
    const WORDS: &'static [(&'static str, Self)];
}

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        pub enum $name { $($(#[$what])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// The word that the files use.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl Word for $name {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, $name::$variant)),+];
        }
    };
}

words! {
    /// The least important sort of message that is logged.
    LogLevel {
        /// Failures only.
        Error = "error",
        /// And what an operator should look at.
        Warn = "warn",
        /// And one line per block, start, stop, peer changes.
        Info = "info",
        /// And what was decided and why.
        Debug = "debug",
        /// And every message.
        Trace = "trace",
    }
}

words! {
    /// The form of a log line.
    LogFormat {
        /// Lines for people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

words! {
    /// Which of a chain's networks.
    Network {
        /// The one with the money.
        Mainnet = "mainnet",
        /// The public test network.
        Testnet = "testnet",
        /// A private network that mines at will.
        Regtest = "regtest",
    }
}

words! {
    /// What a node of ours is for. Both kinds get every block at once.
    Role {
        /// Answers the calls that the front door passes through. One per chain.
        Primary = "primary",
        /// Takes blocks, and stands in.
        Backup = "backup",
    }
}

words! {
    /// How much a fixed peer matters; ordered, `Critical` is the greatest.
    #[derive(PartialOrd, Ord)]
    Priority {
        /// Kept like any peer that has proven itself.
        Normal = "normal",
        /// Dialled and sent to before normal ones.
        High = "high",
        /// Dialled and sent to first.
        Critical = "critical",
    }
}

words! {
    /// Whose word a pool is answered with.
    Acknowledge {
        /// The first node's that accepts; if none does, the best of all.
        First = "first",
        /// The primary node's, whatever the others say.
        Primary = "primary",
        /// The best of all nodes', once all have answered.
        All = "all",
    }
}

words! {
    /// Where the addresses of further peers come from.
    Discovery {
        /// The peers of our own nodes (`getpeerinfo`).
        Node = "node",
        /// What the chain itself knows of, such as Dash's masternodes, by the RPC of our own nodes.
        Chain = "chain",
        /// What connected peers, our own nodes among them, say when asked (`getaddr`), and pass on.
        Gossip = "gossip",
        /// The names in the chain's parameters, looked up by the system's resolver when few peers are known.
        Dns = "dns",
        /// The addresses in the chain's parameters, if they have any, when nobody else is known.
        Seeds = "seeds",
    }
}

/// The numbers of a chain that is like a known one: a file of the form of that chain's own data file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ParameterFile {
    /// Where it is.
    #[serde(serialize_with = "path_text")]
    pub path: PathBuf,
    /// What it says. Whether that makes sense only the chain's rules can tell.
    #[serde(skip)]
    pub text: String,
}

/// `chains/NAME.toml`
#[derive(Clone, Debug, Serialize)]
pub struct Chain {
    /// The stem of the file: the name in URLs, metrics and the data directory. 1 to 32 of `a-z 0-9 - _`.
    pub name: String,
    /// Whose word a pool is answered with.
    pub acknowledge: Acknowledge,
    /// How deep a block, or its rival, has to be in the chain for the last word on it; 1 to 1000. None: as many as there
    /// are in a quarter of an hour.
    pub confirmations: Option<u32>,
    /// Which rules: one of the `known_chains` given to [`load`](crate::load).
    pub chain: String,
    /// The numbers of a relative of that chain, if this is one.
    pub parameters: Option<ParameterFile>,
    /// Which network; mainnet by default.
    pub network: Network,
    /// Whether to run it; true by default.
    pub enabled: bool,
    /// Our own nodes, in the order of the file. Exactly one is primary, unless there are none; then
    /// `peers.fixed` is not empty.
    pub nodes: Vec<Node>,
    /// Everyone else.
    pub peers: Peers,
    /// The JSON-RPC port for the pool, if there is to be one; then there is a primary node.
    pub front_door: Option<FrontDoor>,
}

impl Chain {
    /// The primary node; `None` only for a chain without nodes.
    pub fn primary(&self) -> Option<&Node> {
        self.nodes.iter().find(|node| node.role == Role::Primary)
    }
}

/// `[[node]]`: a node of ours; protected, never dropped, always sent to.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    /// The name in status, metrics and ledger; unique in the chain. 1 to 32 of letters, digits, `- _ .`
    pub name: String,
    /// Primary by default.
    pub role: Role,
    /// How to submit to it.
    pub rpc: Rpc,
    /// Where to push to it, if it should get blocks over P2P too.
    pub p2p: Option<HostPort>,
}

/// `rpc = { … }` of a node.
#[derive(Clone, Debug, Serialize)]
pub struct Rpc {
    /// Plain HTTP.
    pub url: RpcUrl,
    /// How to log in.
    pub auth: Auth,
}

/// How to log in to a node.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// The node writes `user:password` into this file at each of its starts. Not read at load.
    CookieFile(#[serde(serialize_with = "path_text")] PathBuf),
    /// What the node's own configuration has as `rpcuser` and `rpcpassword`, or `rpcauth`.
    Password {
        /// Without a colon (RFC 7617 §2).
        user: String,
        /// Read at load.
        password: SecretFile,
    },
}

/// `[peers]`
#[derive(Clone, Debug, Serialize)]
pub struct Peers {
    /// False: blocks go to our own nodes only. True by default.
    pub enabled: bool,
    /// How many peers to hold, fixed ones included, our own nodes not; 1 to 1000, 20 by default.
    pub max: usize,
    /// With fewer than this the chain counts as unhealthy; at most `max`. 5 by default, or `max` if that is
    /// smaller.
    pub min: usize,
    /// How many peers are never pushed to, so that their announcement of our block proves that the network has
    /// it; fewer than `max`. 1 by default.
    pub observers: usize,
    /// Peers to hold always; at most `max`.
    pub fixed: Vec<FixedPeer>,
    /// Where further peers come from; every source by default. Without repetition, and never `dns` with a `proxy`:
    /// looking a name up would tell others what the proxy is to hide.
    pub discovery: Vec<Discovery>,
    /// Through what peers are connected to, if not directly; our own nodes always are.
    pub proxy: Option<Proxy>,
    /// How many peers may be dialled at the same time; 1 to 50, 3 by default.
    pub dials_at_once: usize,
    /// How many peers may be dialled each time that more are needed; 1 to 100, 5 by default.
    pub dials_per_cycle: usize,
    /// How long a TCP connection may take to be made; 1 to 120 seconds, 10 by default.
    #[serde(serialize_with = "seconds")]
    pub connect_timeout: Duration,
    /// Of how many networks, countries and the like they must be.
    pub diversity: Diversity,
    /// Whether a new tip is announced to peers; true by default.
    pub pass_on_tips: bool,
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs())
}

/// `proxy`, and `proxy_password_file`.
#[derive(Clone, Debug, Serialize)]
pub struct Proxy {
    /// Where it is. It speaks SOCKS5, and is the only name that is looked up here.
    pub address: HostPort,
    /// How to log in, if it asks for that.
    pub login: Option<ProxyLogin>,
}

/// How to log in to a proxy.
#[derive(Clone, Debug, Serialize)]
pub struct ProxyLogin {
    /// 1 to 255 bytes (RFC 1929 §2), without a colon.
    pub user: String,
    /// Read at load; at most 255 bytes.
    pub password: SecretFile,
}

/// How many peers at most may have something in common, fixed ones aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diversity {
    /// In one /16 of IPv4 or /32 of IPv6; 1 to 1000, 1 by default.
    pub per_group: usize,
    /// Which autonomous system an address is in: a file of MaxMind's format, that is there at load.
    #[serde(serialize_with = "optional_path")]
    pub asn_file: Option<PathBuf>,
    /// In one autonomous system, as far as `asn_file` tells; 2 by default, 0 for any number.
    pub per_asn: usize,
    /// Which country an address is in: a file of MaxMind's format, that is there at load.
    #[serde(serialize_with = "optional_path")]
    pub country_file: Option<PathBuf>,
    /// In one country, as far as `country_file` tells; 0, any number, by default.
    pub per_country: usize,
}

fn optional_path<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => path_text(path, serializer),
        None => serializer.serialize_none(),
    }
}

/// An entry of `fixed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FixedPeer {
    /// Unique in the list, and not the `p2p` of a node of ours.
    pub address: HostPort,
    /// Normal by default.
    pub priority: Priority,
    /// For people.
    pub description: Option<String>,
}

/// `[front_door]`: speaks the daemon's JSON-RPC to the pool.
#[derive(Clone, Debug, Serialize)]
pub struct FrontDoor {
    /// Where to listen. Plain HTTP, always with a password.
    pub listen: SocketAddr,
    /// What the pool logs in with; without a colon.
    pub user: String,
    /// Read at load.
    pub password: SecretFile,
    /// RPC methods that are refused; `stop`, `dumpprivkey` and `dumpwallet` by default. Never `submitblock`.
    pub deny: Vec<String>,
}
