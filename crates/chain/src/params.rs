//! The numbers of a network.

use std::{fmt, net::SocketAddr, str::FromStr};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error},
};
use wire::BlockHash;

use crate::{Target, TargetError};

/// Which of a chain's networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// The one that pays.
    Mainnet,
    /// The public one that does not.
    Testnet,
    /// One's own, with blocks at the press of a button.
    Regtest,
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mainnet => "mainnet",
            Self::Testnet => "testnet",
            Self::Regtest => "regtest",
        })
    }
}

/// Not the name of a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a network is mainnet, testnet or regtest, not {0:?}")]
pub struct ParseNetworkError(String);

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, ParseNetworkError> {
        match text {
            "mainnet" => Ok(Self::Mainnet),
            "testnet" => Ok(Self::Testnet),
            "regtest" => Ok(Self::Regtest),
            other => Err(ParseNetworkError(other.into())),
        }
    }
}

/// What every chain has to say about one of its networks. Read from the chain's data file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The network's name in the daemon's `getblockchaininfo`: what tells that a node is on another network.
    pub rpc_name: String,
    /// The four bytes before every message, in wire order. Not unique: some chains share them.
    #[serde(deserialize_with = "magic")]
    pub magic: [u8; 4],
    /// The port that nodes listen on by default.
    pub p2p_port: u16,
    /// The port of the daemon's JSON-RPC by default.
    pub rpc_port: u16,
    /// The first block's name: what tells chains with the same magic apart.
    #[serde(deserialize_with = "block_hash")]
    pub genesis: BlockHash,
    /// The easiest target allowed, in compact form.
    pub pow_limit_bits: u32,
    /// Seconds between blocks, on average.
    pub block_spacing: u32,
    /// Names whose addresses are those of nodes.
    #[serde(default)]
    pub dns_seeds: Vec<String>,
    /// `host:port` of nodes that were long-lived when the file was written, for when nobody else can be asked. The
    /// chains that are built in have none: the daemons' lists (`chainparamsseeds.h`) age with each release, and a node
    /// of one's own knows better. A parameter file of one's own may name some, at most [`MAX_FIXED_SEEDS`].
    #[serde(default, deserialize_with = "fixed_seeds")]
    pub fixed_seeds: Vec<String>,
}

/// The most [fixed seeds](Params::fixed_seeds): as many as a peer may tell at a time.
pub const MAX_FIXED_SEEDS: usize = 1000;

impl Params {
    /// The easiest target allowed.
    ///
    /// # Errors
    /// When no target can be made of `pow_limit_bits`.
    pub fn pow_limit(&self) -> Result<Target, ParameterError> {
        let bits = self.pow_limit_bits;
        Target::from_compact(bits).map_err(|source| ParameterError::PowLimit { bits, source })
    }
}

/// A chain's data file: one table per network that it speaks of. `P` is what the chain wants to know of a network.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Networks<P> {
    mainnet: Option<P>,
    testnet: Option<P>,
    regtest: Option<P>,
}

impl<P: DeserializeOwned> Networks<P> {
    /// The parameters of one network from a data file's text.
    ///
    /// # Errors
    /// When the text is not of the file's form, or does not speak of the network.
    pub fn read(text: &str, network: Network) -> Result<P, ParameterError> {
        let networks: Self = toml::from_str(text)?;
        match network {
            Network::Mainnet => networks.mainnet,
            Network::Testnet => networks.testnet,
            Network::Regtest => networks.regtest,
        }
        .ok_or(ParameterError::Network(network))
    }
}

/// Why parameters are of no use.
#[derive(Debug, thiserror::Error)]
pub enum ParameterError {
    /// The text is not TOML of the right form. The message names line and key.
    #[error(transparent)]
    Form(#[from] toml::de::Error),
    /// The text does not speak of that network.
    #[error("there are no parameters for {0}")]
    Network(Network),
    /// No target can be made of `pow_limit_bits`.
    #[error("pow_limit_bits = {bits:#010x}: {source}")]
    PowLimit {
        /// The value in the file.
        bits: u32,
        /// What is wrong with it.
        source: TargetError,
    },
}

impl ParameterError {
    /// The line of the text that is wrong, counted from 1, if it is one line.
    pub fn line(&self, text: &str) -> Option<usize> {
        match self {
            Self::Form(error) => {
                let before = text.get(..error.span()?.start)?;
                Some(1 + before.matches('\n').count())
            }
            Self::Network(_) | Self::PowLimit { .. } => None,
        }
    }

    /// What is wrong, on one line.
    pub fn message(&self) -> String {
        match self {
            Self::Form(error) => error.message().trim().replace('\n', " "),
            other => other.to_string(),
        }
    }

    /// A stable name for metric labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Form(_) => "form",
            Self::Network(_) => "network",
            Self::PowLimit { .. } => "pow_limit",
        }
    }
}

fn magic<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 4], D::Error> {
    let text = String::deserialize(deserializer)?;
    let number = u32::from_str_radix(&text, 16).ok().filter(|_| text.len() == 8);
    number
        .map(u32::to_be_bytes)
        .ok_or_else(|| D::Error::custom(format!("magic is eight hex digits, not {text:?}")))
}

fn block_hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BlockHash, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// Each a place that can be dialled. Whether it can be routed is not judged here: on a network of one's own it need not.
fn fixed_seeds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let seeds = Vec::<String>::deserialize(deserializer)?;
    if seeds.len() > MAX_FIXED_SEEDS {
        let count = seeds.len();
        return Err(D::Error::custom(format!("fixed_seeds are at most {MAX_FIXED_SEEDS}, not {count}")));
    }
    match seeds.iter().find(|seed| !is_host_and_port(seed)) {
        Some(seed) => Err(D::Error::custom(format!("a fixed seed is host:port, not {seed:?}"))),
        None => Ok(seeds),
    }
}

fn is_host_and_port(text: &str) -> bool {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return address.port() != 0 && !address.ip().is_unspecified();
    }
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let label = |label: &str| {
        let inside = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        (1..=63).contains(&label.len()) && inside
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    // No top-level domain is a number (RFC 3696 §2): that would be an IPv4 address with a slip in it.
    let named = host.rsplit('.').next().is_some_and(|last| !last.bytes().all(|byte| byte.is_ascii_digit()));
    let port = port.parse::<u16>().is_ok_and(|port| port != 0);
    host.len() <= 253 && host.split('.').all(label) && named && digits && port
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Params, toml::de::Error> {
        let genesis = "00".repeat(32);
        toml::from_str(&format!(
            "rpc_name = \"main\"\nmagic = \"01020304\"\np2p_port = 1\nrpc_port = 2\ngenesis = \"{genesis}\"\n\
             pow_limit_bits = 1\nblock_spacing = 60\n{line}\n"
        ))
    }

    #[test]
    fn fixed_seeds_are_places_that_can_be_dialled_and_none_by_default() {
        assert!(read("").unwrap().fixed_seeds.is_empty());
        let good = ["1.2.3.4:9333", "[2001:db8::1]:9333", "node.example:1", "abc.onion:65535"];
        let list = format!("fixed_seeds = {good:?}");
        assert_eq!(read(&list).unwrap().fixed_seeds, good);
        let bad = [
            "",
            ":1",
            "a",
            "a:",
            "a:0",
            "a:+1",
            "a:65536",
            "1.2.3:1",
            "0.0.0.0:1",
            "::1:1",
            "[a]:1",
            "a b:1",
            "a..b:1",
        ];
        for seed in bad {
            let error = read(&format!("fixed_seeds = [{seed:?}]")).unwrap_err();
            assert!(error.message().contains(&format!("not {seed:?}")), "{seed}: {error}");
            assert!(error.to_string().contains("line 8"), "{error}");
        }
        for (count, good) in [(MAX_FIXED_SEEDS, true), (MAX_FIXED_SEEDS + 1, false)] {
            let list = format!("fixed_seeds = {:?}", vec!["a:1"; count]);
            assert_eq!(read(&list).is_ok(), good, "{count}");
        }
    }
}
