//! The numbers of a network.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, de::Error};
use wire::BlockHash;

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
