//! The rules of a chain, by the name that the configuration and the command line use.

use std::sync::Arc;

use anyhow::bail;
use chain::{Chain, Network};
use engine::KNOWN_CHAINS;

/// The rules of `chain` on `network`.
///
/// # Errors
/// When this build does not know the chain.
pub(crate) fn of(chain: &str, network: Network) -> anyhow::Result<Arc<dyn Chain>> {
    match chain {
        "litecoin" => Ok(Arc::new(litecoin::Litecoin::new(network))),
        other => bail!("chain {other:?} is not known to this build; known are {}", KNOWN_CHAINS.join(", ")),
    }
}

/// The network that the configuration names.
pub(crate) fn network(network: config::Network) -> Network {
    match network {
        config::Network::Mainnet => Network::Mainnet,
        config::Network::Testnet => Network::Testnet,
        config::Network::Regtest => Network::Regtest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chain_that_the_engine_knows_has_rules_here_too() {
        for name in KNOWN_CHAINS {
            for network in [Network::Mainnet, Network::Testnet, Network::Regtest] {
                of(name, network).unwrap_or_else(|error| panic!("{name} {network}: {error}"));
            }
        }
        assert!(of("litecoins", Network::Mainnet).unwrap_err().to_string().contains("known are litecoin"));
    }
}
