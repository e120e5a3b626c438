//! The parameters of Dash's networks, and of its relatives'.

use chain::{Network, ParameterError, Params};
use serde::Deserialize;

use crate::QuorumKind;

/// The parameters of Dash itself.
const DASH: &str = include_str!("../params.toml");

/// What is to be known of one network.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// What every chain has to say about a network.
    pub network: Params,
    /// From which height on which rules hold.
    pub rules: Rules,
    /// Who signs ChainLocks.
    pub chainlocks: QuorumKind,
}

/// The first heights at which Dash's rules hold. The names are those of `softforks` in the daemon's
/// `getblockchaininfo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// A coinbase begins with its height, and a block's version is at least 2.
    pub bip34_height: u32,
    /// Strict signatures; versions of at least 3.
    pub bip66_height: u32,
    /// Lock times in scripts; versions of at least 4.
    pub bip65_height: u32,
    /// Blocks of up to 2,000,000 bytes, and transactions of up to 100,000.
    pub dip1_height: u32,
    /// Transactions have types, and the coinbase's is 5.
    pub dip3_height: u32,
    /// ChainLocks. The coinbase's payload has version 2 or above *behind* this height.
    pub dip8_height: u32,
    /// The coinbase's payload has version 3: it holds the best ChainLock and the credit pool.
    pub v20_height: u32,
}

impl Rules {
    /// The least version that a block's header may have. A block that does not tell its height is taken to be a new
    /// one, here and below.
    pub(crate) fn least_version(&self, height: Option<u32>) -> i32 {
        let Some(height) = height else { return 4 };
        match height {
            height if height >= self.bip65_height => 4,
            height if height >= self.bip66_height => 3,
            height if height >= self.bip34_height => 2,
            _ => i32::MIN,
        }
    }

    /// The most bytes that a block may have (D consensus/consensus.h).
    pub(crate) fn max_block(&self, height: Option<u32>) -> usize {
        if height.is_none_or(|height| height >= self.dip1_height) { 2_000_000 } else { 1_000_000 }
    }

    /// The most bytes that a transaction may have (D validation.cpp:343, consensus/tx_check.cpp).
    pub(crate) fn max_transaction(&self, height: Option<u32>) -> usize {
        if height.is_none_or(|height| height >= self.dip1_height) { 100_000 } else { 1_000_000 }
    }

    /// Whether transactions have types.
    pub(crate) fn dip3(&self, height: Option<u32>) -> bool {
        height.is_none_or(|height| height >= self.dip3_height)
    }

    /// Whether a coinbase begins with its height: from BIP34 on, until the payload tells it.
    pub(crate) fn height_in_script(&self, height: Option<u32>) -> bool {
        height.is_some_and(|height| height >= self.bip34_height && height < self.dip3_height)
    }

    /// The versions that a coinbase's payload may have at a height (D evo/cbtx.cpp, CheckCbTx).
    pub(crate) fn coinbase_payload_versions(&self, height: u32) -> std::ops::RangeInclusive<u16> {
        match height {
            height if height >= self.v20_height => 3..=3,
            height if height > self.dip8_height => 2..=2,
            _ => 1..=2,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Networks {
    mainnet: Option<Parameters>,
    testnet: Option<Parameters>,
    devnet: Option<Parameters>,
    regtest: Option<Parameters>,
}

impl Parameters {
    /// Dash's own parameters.
    pub fn of(network: Network) -> Self {
        Self::from_toml(DASH, network).expect("the embedded file is read by the tests, for each network")
    }

    /// The parameters of Dash's devnets, which [`Network`] has no name for.
    pub fn devnet() -> Self {
        let networks: Result<Networks, _> = toml::from_str(DASH);
        networks.ok().and_then(|networks| networks.devnet).expect("the embedded file is read by the tests")
    }

    /// The parameters of one network from a file of the form of `params.toml`.
    ///
    /// # Errors
    /// When the text is not of that form, or does not speak of the network.
    pub fn from_toml(text: &str, network: Network) -> Result<Self, ParameterError> {
        let networks: Networks = toml::from_str(text)?;
        match network {
            Network::Mainnet => networks.mainnet,
            Network::Testnet => networks.testnet,
            Network::Regtest => networks.regtest,
        }
        .ok_or(ParameterError::Network(network))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_file_speaks_of_every_network() {
        let all = [
            (Parameters::of(Network::Mainnet), "main", [0xbf, 0x0c, 0x6b, 0xbd], 9999),
            (Parameters::of(Network::Testnet), "test", [0xce, 0xe2, 0xca, 0xff], 19999),
            (Parameters::devnet(), "devnet", [0xe2, 0xca, 0xff, 0xce], 19799),
            (Parameters::of(Network::Regtest), "regtest", [0xfc, 0xc1, 0xb7, 0xdc], 19899),
        ];
        for (parameters, name, magic, port) in all {
            assert!(parameters.network.pow_limit().is_ok());
            let network = parameters.network;
            assert_eq!((network.rpc_name.as_str(), network.magic, network.p2p_port), (name, magic, port));
            assert_eq!((network.rpc_port, network.block_spacing), (port - 1, 150));
        }
    }

    #[test]
    fn a_misspelt_key_is_refused_and_named() {
        let text = DASH.replacen("dip3_height", "dip3_hight", 1);
        let error = Parameters::from_toml(&text, Network::Mainnet).unwrap_err();
        assert_eq!(error.kind(), "form");
        assert!(error.to_string().contains("dip3_hight"), "{error}");
    }

    #[test]
    fn a_file_need_not_speak_of_every_network() {
        let regtest = DASH.split_once("[regtest.network]").unwrap().1;
        let text = format!("[regtest.network]{regtest}");
        assert_eq!(Parameters::from_toml(&text, Network::Regtest).unwrap(), Parameters::of(Network::Regtest));
        let error = Parameters::from_toml(&text, Network::Mainnet).unwrap_err();
        assert_eq!(error.to_string(), "there are no parameters for mainnet");
    }

    #[test]
    fn rules_begin_at_their_heights_and_a_block_without_a_height_is_new() {
        let rules = Parameters::of(Network::Mainnet).rules;
        let versions = [950, 951, 245_816, 245_817, 619_381, 619_382].map(|h| rules.least_version(Some(h)));
        assert_eq!(versions, [i32::MIN, 2, 2, 3, 3, 4]);
        assert_eq!(rules.least_version(None), 4);
        assert_eq!(
            [Some(782_207), Some(782_208), None].map(|h| rules.max_block(h)),
            [1_000_000, 2_000_000, 2_000_000]
        );
        assert_eq!(
            [Some(782_207), Some(782_208), None].map(|h| rules.max_transaction(h)),
            [1_000_000, 100_000, 100_000]
        );
        assert_eq!([Some(1_028_159), Some(1_028_160), None].map(|h| rules.dip3(h)), [false, true, true]);
        let in_script = [Some(950), Some(951), Some(1_028_159), Some(1_028_160), None];
        assert_eq!(in_script.map(|h| rules.height_in_script(h)), [false, true, true, false, false]);
        let payloads = [1_028_160, 1_088_640, 1_088_641, 1_987_775, 1_987_776];
        assert_eq!(payloads.map(|h| rules.coinbase_payload_versions(h)), [1..=2, 1..=2, 2..=2, 2..=2, 3..=3]);
    }
}
