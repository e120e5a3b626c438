//! The parameters of Dogecoin's networks, and of its relatives'.

use chain::{Network, Networks, ParameterError, Params};
use serde::Deserialize;

/// The parameters of Dogecoin itself.
const DOGECOIN: &str = include_str!("../params.toml");

/// The largest chain id: it is the upper half of a signed number of 32 bits.
const LARGEST_CHAIN_ID: u16 = 0x7fff;

/// What is to be known of one network.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// What every chain has to say about a network.
    pub network: Params,
    /// What makes a block valid, and from which height on.
    pub rules: Rules,
    /// What differs in the conversation with its nodes.
    #[serde(default)]
    pub session: SessionParameters,
}

/// What makes a block valid, and from which height on. A rule whose height is absent is not known, and not checked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The number by which miners of several chains tell this one from the others.
    pub chain_ids: ChainIds,
    /// Whether a block must have the chain's id, and its parent must not (G dogecoin.cpp:95, auxpow.cpp:87).
    pub strict_chain_id: bool,
    /// The first height at which a block may have an auxpow.
    pub auxpow_height: u32,
    /// The first height at which legacy blocks (version 1, or 2 without a chain id) are refused.
    pub legacy_end_height: Option<u32>,
    /// The first height that a coinbase has to begin with.
    pub bip34_height: Option<u32>,
    /// The first height with a base version of at least 3.
    pub bip66_height: Option<u32>,
    /// The first height with a base version of at least 4.
    pub bip65_height: Option<u32>,
    /// Whether transactions of a block must not have witnesses.
    #[serde(default)]
    pub no_witnesses: bool,
}

/// What differs in the conversation with nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionParameters {
    /// The compact block format that its nodes ask for; absent if that is not known.
    pub compact_version: Option<u64>,
}

/// Whether a rule holds that begins at `from`. A block that does not tell its height is taken to be a new one.
pub(crate) fn holds(from: Option<u32>, height: Option<u32>) -> bool {
    from.is_some_and(|from| height.is_none_or(|height| height >= from))
}

impl Rules {
    /// The least base version that a block's header may have.
    pub(crate) fn least_base_version(&self, height: Option<u32>) -> Option<i32> {
        let rules = [(self.bip65_height, 4), (self.bip66_height, 3)];
        rules.into_iter().find(|&(from, _)| holds(from, height)).map(|(_, version)| version)
    }
}

/// A chain id, and the first height at which blocks have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainId {
    /// The height.
    pub from: u32,
    /// The id.
    pub id: u16,
}

/// The ids that a chain has had. Dingocoin left Dogecoin's for one of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<ChainId>")]
pub struct ChainIds {
    first: u16,
    later: Vec<ChainId>,
}

impl ChainIds {
    /// The id at a height. A block that does not tell its height is taken to be a new one.
    pub fn at(&self, height: Option<u32>) -> u16 {
        let begun = |change: &&ChainId| height.is_none_or(|height| height >= change.from);
        self.later.iter().rev().find(begun).map_or(self.first, |change| change.id)
    }

    /// All of them, old to new: what a header may have whose height is not known.
    pub fn all(&self) -> impl Iterator<Item = u16> {
        [self.first].into_iter().chain(self.later.iter().map(|change| change.id))
    }
}

impl TryFrom<Vec<ChainId>> for ChainIds {
    type Error = String;

    fn try_from(ids: Vec<ChainId>) -> Result<Self, String> {
        if let Some(ChainId { id, .. }) = ids.iter().find(|id| id.id > LARGEST_CHAIN_ID) {
            return Err(format!("a chain id is at most {LARGEST_CHAIN_ID}, not {id}"));
        }
        if !ids.is_sorted_by(|a, b| a.from < b.from) {
            return Err("the heights of `chain_ids` must rise".into());
        }
        match ids.split_first() {
            Some((first, later)) if first.from == 0 => Ok(Self { first: first.id, later: later.to_vec() }),
            _ => Err("`chain_ids` must begin at height 0".into()),
        }
    }
}

impl Parameters {
    /// Dogecoin's own parameters.
    pub fn of(network: Network) -> Self {
        Self::from_toml(DOGECOIN, network).expect("the embedded file is read by the tests, for each network")
    }

    /// The parameters of one network from a file of the form of `params.toml`.
    ///
    /// # Errors
    /// When the text is not of that form, or does not speak of the network.
    pub fn from_toml(text: &str, network: Network) -> Result<Self, ParameterError> {
        Networks::read(text, network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_file_speaks_of_every_network() {
        let all = [
            (Network::Mainnet, "main", [0xc0; 4], 22556, 22555, 60),
            (Network::Testnet, "test", [0xfc, 0xc1, 0xb7, 0xdc], 44556, 44555, 60),
            (Network::Regtest, "regtest", [0xfa, 0xbf, 0xb5, 0xda], 18444, 18332, 1),
        ];
        for (network, name, magic, p2p, rpc, spacing) in all {
            let Parameters { network, rules, .. } = Parameters::of(network);
            assert!(network.pow_limit().is_ok());
            assert_eq!((network.rpc_name.as_str(), network.magic), (name, magic));
            assert_eq!((network.p2p_port, network.rpc_port, network.block_spacing), (p2p, rpc, spacing));
            assert_eq!((rules.chain_ids.at(None), rules.no_witnesses), (98, true));
            assert_eq!(rules.legacy_end_height, Some(rules.auxpow_height));
        }
    }

    #[test]
    fn a_misspelt_key_is_refused_and_named() {
        let text = DOGECOIN.replacen("bip34_height", "bip34_hight", 1);
        let error = Parameters::from_toml(&text, Network::Mainnet).unwrap_err();
        assert_eq!(error.kind(), "form");
        assert!(error.to_string().contains("bip34_hight"), "{error}");
    }

    #[test]
    fn chain_ids_begin_at_the_beginning_and_rise() {
        let with = |ids: &str| {
            let text = DOGECOIN.replacen("[{ from = 0, id = 98 }]", ids, 1);
            Parameters::from_toml(&text, Network::Mainnet).map(|parameters| parameters.rules.chain_ids)
        };
        let ids = with("[{ from = 0, id = 98 }, { from = 265000, id = 50 }]").unwrap();
        assert_eq!([Some(0), Some(264_999), Some(265_000), None].map(|h| ids.at(h)), [98, 98, 50, 50]);
        assert_eq!(ids.all().collect::<Vec<_>>(), [98, 50]);
        for (ids, why) in [
            ("[]", "begin at height 0"),
            ("[{ from = 1, id = 98 }]", "begin at height 0"),
            ("[{ from = 0, id = 98 }, { from = 0, id = 50 }]", "must rise"),
            ("[{ from = 0, id = 32768 }]", "at most 32767"),
        ] {
            let error = with(ids).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn rules_begin_at_their_heights_and_a_block_without_a_height_is_new() {
        let rules = Parameters::of(Network::Mainnet).rules;
        let heights = [Some(1_034_382), Some(1_034_383), Some(3_464_750), Some(3_464_751), None];
        assert_eq!(
            heights.map(|height| rules.least_base_version(height)),
            [None, Some(3), Some(3), Some(4), Some(4)]
        );
        assert_eq!(heights.map(|height| holds(rules.bip34_height, height)), [false, true, true, true, true]);
        assert!(!holds(None, None), "a rule of which nothing is known is not checked");
    }
}
