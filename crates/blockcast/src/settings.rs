//! The configuration, as every command loads it.

use std::env;
use std::path::Path;

use config::{Chain, Config, Kind, Place, Problem, Problems};
use engine::{KNOWN_CHAINS, RulesError, rules};

/// What an override's name begins with.
const PREFIX: &str = "BLOCKCAST_";

/// Loads a configuration directory, with the overrides of the process's environment.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn load(dir: &Path) -> Result<Config, Problems> {
    let config = config::load(dir, overrides()?, KNOWN_CHAINS)?;
    // Only the rules themselves can say whether a parameter file makes sense.
    let problems: Vec<_> = config.chains.values().filter_map(problem_with_rules).collect();
    if problems.is_empty() { Ok(config) } else { Err(Problems(problems)) }
}

fn problem_with_rules(chain: &Chain) -> Option<Problem> {
    let error = rules::of(chain).err()?;
    let (path, line) = match &error {
        RulesError::Parameters { path, line, .. } => (path.clone(), *line),
        RulesError::UnknownChain(_) => return None,
    };
    let RulesError::Parameters { error, .. } = error else { return None };
    Some(Problem {
        kind: Kind::BadValue,
        place: Place::File { path, line, column: None },
        key: None,
        value: None,
        message: error.message(),
        remedy: format!("write it as the source's chains/{}/params.toml is written", chain.chain),
    })
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
