//! Which chains this build knows: the one place where they are named.

use std::sync::Arc;

use chain::{Chain, Network};

/// The chains that this build knows, by the names that `chain = "..."` may have.
pub const KNOWN_CHAINS: &[&str] = &["dash", "dogecoin", "litecoin"];

/// A chain that this build does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("chain {name:?} is not known to this build; known are {}", KNOWN_CHAINS.join(", "))]
pub struct UnknownChain {
    /// What was asked for.
    pub name: String,
}

/// The rules of a chain on one of its networks.
///
/// # Errors
/// When this build does not know the chain.
pub fn rules(name: &str, network: Network) -> Result<Arc<dyn Chain>, UnknownChain> {
    match name {
        "dash" => Ok(Arc::new(dash::Dash::new(network))),
        "dogecoin" => Ok(Arc::new(dogecoin::Dogecoin::new(network))),
        "litecoin" => Ok(Arc::new(litecoin::Litecoin::new(network))),
        other => Err(UnknownChain { name: other.into() }),
    }
}

/// The network that the configuration names.
pub fn network(network: config::Network) -> Network {
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
    fn every_known_chain_has_rules_and_no_other() {
        for name in KNOWN_CHAINS {
            for network in [Network::Mainnet, Network::Testnet, Network::Regtest] {
                assert!(rules(name, network).is_ok(), "{name} {network}");
            }
        }
        let error = rules("litecoins", Network::Mainnet).unwrap_err();
        assert!(error.to_string().contains("known are dash, dogecoin, litecoin"));
    }
}
