//! The parameters of Litecoin's networks, and of its relatives'.

use chain::{Network, Networks, ParameterError, Params};
use serde::Deserialize;

/// The parameters of Litecoin itself.
const LITECOIN: &str = include_str!("../params.toml");

/// What is to be known of one network.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// What every chain has to say about a network.
    pub network: Params,
    /// From which height on which rules hold.
    pub rules: Rules,
}

/// From which height on which of Litecoin's rules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The first height with segwit (BIP141), and with the rules that came before it: the height in the coinbase
    /// (BIP34) and versions of at least 0x20000000.
    pub segwit_height: u32,
    /// A height from which on every block is known to have an MWEB part; it need not be the first. Absent where
    /// miners' signals decide.
    pub mweb_height: Option<u32>,
}

impl Rules {
    /// Whether segwit is in force. A block that does not tell its height is taken to be a new one.
    pub(crate) fn segwit(&self, height: Option<u32>) -> bool {
        height.is_none_or(|height| height >= self.segwit_height)
    }

    /// Whether an MWEB part is known to be due. Nothing is known of a block that does not tell its height.
    pub(crate) fn mweb(&self, height: Option<u32>) -> bool {
        height.zip(self.mweb_height).is_some_and(|(height, from)| height >= from)
    }
}

impl Parameters {
    /// Litecoin's own parameters.
    pub fn of(network: Network) -> Self {
        Self::from_toml(LITECOIN, network).expect("the embedded file is read by the tests, for each network")
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
        for network in [Network::Mainnet, Network::Testnet, Network::Regtest] {
            let parameters = Parameters::of(network);
            assert!(parameters.network.pow_limit().is_ok());
            assert_eq!(parameters.network.block_spacing, 150);
        }
        let mainnet = Parameters::of(Network::Mainnet).network;
        assert_eq!((mainnet.magic, mainnet.p2p_port), ([0xfb, 0xc0, 0xb6, 0xdb], 9333));
        assert_eq!(mainnet.rpc_name, "main");
        assert_eq!(Parameters::of(Network::Testnet).network.magic, [0xfd, 0xd2, 0xc8, 0xf1]);
        assert_eq!(Parameters::of(Network::Regtest).network.magic, [0xfa, 0xbf, 0xb5, 0xda]);
    }

    #[test]
    fn a_misspelt_key_is_refused_and_named() {
        let text = LITECOIN.replacen("segwit_height", "segwit_hight", 1);
        let error = Parameters::from_toml(&text, Network::Mainnet).unwrap_err();
        assert_eq!(error.kind(), "form");
        assert!(error.to_string().contains("segwit_hight"), "{error}");
    }

    #[test]
    fn a_file_need_not_speak_of_every_network() {
        let regtest = LITECOIN.split_once("[regtest.network]").unwrap().1;
        let text = format!("[regtest.network]{regtest}");
        assert_eq!(Parameters::from_toml(&text, Network::Regtest).unwrap(), Parameters::of(Network::Regtest));
        let error = Parameters::from_toml(&text, Network::Mainnet).unwrap_err();
        assert_eq!(error.to_string(), "there are no parameters for mainnet");
    }

    #[test]
    fn without_a_height_a_block_is_new_and_owes_no_mweb_part() {
        let rules = Parameters::of(Network::Mainnet).rules;
        assert!(rules.segwit(None) && rules.segwit(Some(1_201_536)) && !rules.segwit(Some(1_201_535)));
        assert!(!rules.mweb(None) && rules.mweb(Some(3_000_000)) && !rules.mweb(Some(2_000_000)));
        assert!(!Parameters::of(Network::Regtest).rules.mweb(Some(3_000_000)));
    }
}
