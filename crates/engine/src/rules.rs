//! Which chains this build knows: the one place where they are named.

use std::{path::PathBuf, sync::Arc};

use chain::{Chain, Network, ParameterError};

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

/// Why the rules that a configuration asks for cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// This build does not know the chain.
    #[error(transparent)]
    UnknownChain(#[from] UnknownChain),
    /// The parameter file is of no use.
    #[error("{}: {}", path.display(), error.message())]
    Parameters {
        /// The file.
        path: PathBuf,
        /// The line, if it is one that is wrong.
        line: Option<usize>,
        /// What is wrong with it.
        error: Box<ParameterError>,
    },
}

/// The rules that a chain's configuration asks for: those of a known chain, or with a parameter file those of a relative.
///
/// # Errors
/// When this build does not know the chain, or the file is of no use.
pub fn of(chain: &config::Chain) -> Result<Arc<dyn Chain>, RulesError> {
    let network = network(chain.network);
    let Some(file) = &chain.parameters else { return Ok(rules(&chain.chain, network)?) };
    let relative = || -> Result<Option<Arc<dyn Chain>>, ParameterError> {
        let text = &file.text;
        Ok(Some(match chain.chain.as_str() {
            "dash" => Arc::new(dash::Dash::try_from(dash::Parameters::from_toml(text, network)?)?),
            "dogecoin" => {
                Arc::new(dogecoin::Dogecoin::try_from(dogecoin::Parameters::from_toml(text, network)?)?)
            }
            "litecoin" => {
                Arc::new(litecoin::Litecoin::try_from(litecoin::Parameters::from_toml(text, network)?)?)
            }
            _ => return Ok(None),
        }))
    };
    match relative() {
        Ok(Some(rules)) => Ok(rules),
        Ok(None) => Err(UnknownChain { name: chain.chain.clone() }.into()),
        Err(error) => {
            let (path, line) = (file.path.clone(), error.line(&file.text));
            Err(RulesError::Parameters { path, line, error: Box::new(error) })
        }
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

    fn relative(chain: &str, text: &str) -> Result<Arc<dyn Chain>, RulesError> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("chains")).unwrap();
        let file = format!(
            "chain = {chain:?}\nparameters = \"relative.toml\"\n[peers]\nfixed = [{{ address = \"a:1\" }}]\n"
        );
        for (path, text) in [("blockcast.toml", ""), ("relative.toml", text), ("chains/x.toml", &file)] {
            std::fs::write(dir.path().join(path), text).unwrap();
        }
        let config = config::load(dir.path(), [], KNOWN_CHAINS).unwrap();
        of(&config.chains["x"])
    }

    #[test]
    fn a_relative_is_a_known_chain_with_other_numbers() {
        for (name, magic) in [("bellscoin", "c0c0c0c0"), ("pepecoin", "c0a0f0e0"), ("luckycoin", "fbc0b6db")]
        {
            let path = format!("{}/../../chains/dogecoin/relatives/{name}.toml", env!("CARGO_MANIFEST_DIR"));
            let rules = relative("dogecoin", &std::fs::read_to_string(path).unwrap()).unwrap();
            let found: String = rules.params().magic.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(found, magic, "{name}");
            assert_ne!(rules.params().genesis, dogecoin::Dogecoin::new(Network::Mainnet).params().genesis);
        }
    }

    #[test]
    fn a_parameter_file_that_makes_no_sense_is_told_with_its_line() {
        let Err(RulesError::Parameters { line, error, .. }) =
            relative("litecoin", "[mainnet.network]\nmagick = 1\n")
        else {
            panic!("it makes no sense")
        };
        assert_eq!(line, Some(2));
        assert!(error.message().contains("magick"), "{}", error.message());
        let Err(RulesError::Parameters { line, error, .. }) = relative("dogecoin", "") else {
            panic!("it is empty")
        };
        assert_eq!((line, error.message().as_str()), (None, "there are no parameters for mainnet"));
    }
}
