//! Configuration: one TOML file per chain, errors that name file, line, key, value and remedy.
//!
//! ```text
//! config/
//!   blockcast.toml        the process: data directory, HTTP, log
//!   chains/litecoin.toml  one file per chain; the file's name is the chain's name everywhere else
//! ```
//!
//! [`load`] reads such a directory and returns a [`Config`] in which every value has been checked, or
//! [`Problems`]: everything that is wrong, not only the first thing.
//!
//! ```text
//! config/chains/litecoin.toml:14:9: node[0].rpc.ulr = "http://127.0.0.1:9332": unknown key; did you mean `url`?
//! BLOCKCAST_CHAINS__LITECOIN__PEERS__MAX: peers.max = "many": expected a whole number, found a string; set the variable to a whole number
//! ```
//!
//! # How the parts fit
//!
//! A file goes through five steps, each in a module of its own:
//!
//! 1. `source` reads it (a regular file, at most 256 KiB, UTF-8);
//! 2. `tree` parses it into values that each remember the line and column, or the variable, they came from;
//! 3. `overrides` lays the environment over the tree;
//! 4. `schema`, the one list of known keys, finds unknown keys and wrong types;
//! 5. `process` and `chain` turn the tree into the types of [`Config`] and check what the values mean.
//!
//! Why not `serde::Deserialize`: it stops at the first error, and it cannot say that a value came from the
//! environment. An operator who mends a file at 3 a.m. wants the whole list at once.
//!
//! # Overrides from the environment
//!
//! Any key that holds a string, a number or true/false can be set by a variable: `BLOCKCAST_`, then the path of
//! the key with `__` between its parts, `-` and `.` written `_`, upper or lower case:
//!
//! ```text
//! BLOCKCAST_DATA_DIR=/var/lib/blockcast
//! BLOCKCAST_LOG__LEVEL=debug
//! BLOCKCAST_CHAINS__LITECOIN__PEERS__MAX=40
//! BLOCKCAST_CHAINS__LITECOIN__NODE__a__RPC__URL=http://10.0.0.5:9332     nodes go by their name
//! ```
//!
//! **Every** variable that begins with `BLOCKCAST_` must be such an override, else it is an error: a misspelt
//! override that is silently ignored sends blocks to the wrong node. So `BLOCKCAST_DATA_DIR` is the only known
//! one without a `__`. (Kubernetes puts `BLOCKCAST_PORT` and the like into every pod when a Service is called
//! `blockcast`: set `enableServiceLinks: false`.) A variable can add a key to a file, but not a chain or a node.
//!
//! # Paths
//!
//! Paths in the files are relative to the configuration directory, so that it can be moved as a whole;
//! `data_dir` alone is relative to the directory that the process was started in, since data does not belong
//! among the configuration. `~` is not expanded, and says so.
//!
//! # Guarantees
//!
//! - A configuration that loads has a delivery path for every chain, exactly one primary node per chain that
//!   has nodes, no two listeners on one address, and no unauthenticated listener beyond loopback.
//! - Disabled chains are checked like the others (only their listeners are not compared), so that enabling one
//!   in a hurry holds no surprise.
//! - A secret is read from a file, once, at load, and is kept in a [`secrecy::SecretString`]. Neither `Debug` nor
//!   `Serialize` of anything here shows it; in messages, the value of a key that looks like a secret and
//!   the user part of a URL are hidden.
//! - Nothing is read but the given directory and the secret files that it names; the environment is an argument.
//!   Cookie files are *not* read: the node writes a new one at each start, and may be down now. Of `asn_file` and
//!   `country_file` it is only seen to that they are there.
//! - With a `proxy`, no peer's name is looked up on this machine, and no DNS seed is asked.

#![allow(
    clippy::result_large_err,
    reason = "a Problem is built once per mistake, at start or reload; boxing it would only burden its readers"
)]

mod address;
mod chain;
mod loader;
mod overrides;
mod problem;
mod process;
mod schema;
mod secret;
mod section;
mod settings;
mod source;
mod suggestion;
mod tree;

pub use address::{HostPort, RpcUrl};
pub use loader::load;
pub use problem::{Kind, Place, Problem, Problems};
pub use secret::SecretFile;
pub use settings::{
    Acknowledge, Auth, Chain, Config, Discovery, Diversity, FixedPeer, FrontDoor, Http, Log, LogFormat,
    LogLevel, Network, Node, ParameterFile, Peers, Priority, Proxy, ProxyLogin, Role, Rpc,
};
