//! The configuration, as every command loads it.

use std::env;
use std::path::Path;

use config::{Config, Kind, Place, Problem, Problems};
use engine::KNOWN_CHAINS;

/// What an override's name begins with.
const PREFIX: &str = "BLOCKCAST_";

/// Loads a configuration directory, with the overrides of the process's environment.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn load(dir: &Path) -> Result<Config, Problems> {
    config::load(dir, overrides()?, KNOWN_CHAINS)
}

/// Our variables. Read lossily, a path that is not UTF-8 would be another path, so such a value is a problem.
fn overrides() -> Result<Vec<(String, String)>, Problems> {
    let ours = env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with(PREFIX));
    ours.map(|(name, value)| match (name.into_string(), value.into_string()) {
        (Ok(name), Ok(value)) => Ok((name, value)),
        (name, _) => {
            let name = name.unwrap_or_else(|name| name.to_string_lossy().into_owned());
            Err(Problems(vec![Problem {
                kind: Kind::UnknownVariable,
                place: Place::Variable { name },
                key: None,
                value: None,
                message: "the variable is not UTF-8 text".into(),
                remedy: "unset it, or write the value in the configuration file".into(),
            }]))
        }
    })
    .collect()
}
