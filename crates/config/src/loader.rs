//! From a directory and an environment to a [`Config`] or to everything that is wrong with it.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::Path;

use crate::address;
use crate::chain::{self, Context};
use crate::overrides::{self, Files};
use crate::problem::{Kind, Place, Problem, Problems, Report};
use crate::process;
use crate::schema;
use crate::section::{Found, Section};
use crate::settings::{Chain, Config};
use crate::source;
use crate::tree::{self, Table};

/// A chain's name ends up in URLs, metric labels and directory names.
const CHAIN_NAME_LIMIT: usize = 32;

/// Loads the configuration directory `dir`, with the variables of `env` that begin with `BLOCKCAST_` laid over it
/// (the [front page](crate) says how). `known_chains` are the chains whose rules the program has, as `chain = …`
/// names them.
///
/// Relative paths in the files become relative to `dir`. Reads the configuration files and the secret files that
/// they name, and looks whether a cookie file is a directory; does no other I/O, and looks up no host names.
///
/// # Errors
///
/// All problems that were found, by file and line, those of the environment last. A file that is not TOML is
/// reported as that alone: what it would have said is not guessed at.
pub fn load(
    dir: &Path,
    env: impl IntoIterator<Item = (String, String)>,
    known_chains: &[&str],
) -> Result<Config, Problems> {
    let mut report = Report::default();
    let config = read(dir, env, known_chains, &mut report);
    report.settle();
    let Report { problems, warnings } = report;
    match config {
        Some(config) if problems.is_empty() => Ok(Config { warnings, ..config }),
        _ => Err(Problems(problems)),
    }
}

/// `None` only where a problem has been reported.
fn read(
    dir: &Path,
    env: impl IntoIterator<Item = (String, String)>,
    known_chains: &[&str],
    report: &mut Report,
) -> Option<Config> {
    check_directory(dir, report)?;
    let process_path = dir.join("blockcast.toml");
    let chain_paths = report.keep(source::chain_files(dir))?;
    if chain_paths.is_empty() && !process_path.exists() {
        let message = "there is neither blockcast.toml nor chains/*.toml";
        let remedy = "start from the examples in the source's config/, or pass the right directory";
        report.problem(Problem::at(Kind::File, Place::file(dir), message, remedy));
        return None;
    }

    let mut files = Files { process: parse(&process_path, report), chains: BTreeMap::new() };
    for (name, path) in &chain_paths {
        check_chain_name(name, path, report);
        files.chains.insert(name.clone(), parse(path, report));
    }
    overrides::apply(&mut files, env, &mut report.problems);

    let process = files.process.as_ref().map(|table| {
        schema::check(table, &schema::PROCESS, &mut report.problems);
        process::read(&Section::root(table, Place::file(&process_path)), dir, report)
    });
    let context = Context { base: dir, known_chains };
    let mut chains = Vec::new();
    for (name, path) in &chain_paths {
        let place = Place::file(path);
        let read = files.chains.get(name).and_then(Option::as_ref).map(|table| {
            schema::check(table, &schema::CHAIN, &mut report.problems);
            chain::read(name, &Section::root(table, place.clone()), &context, report)
        });
        chains.push((place, read));
    }
    check_enabled(dir, &chains, report);
    check_listeners(process.as_ref(), &chains, report);
    check_twins(&chains, report);

    let process = process?;
    let chains: Option<Vec<Chain>> = chains.into_iter().map(|(_, read)| read?.chain).collect();
    Some(Config {
        data_dir: process.data_dir?,
        http: process.http?,
        log: process.log?,
        ledger: process.ledger?,
        chains: chains?.into_iter().map(|chain| (chain.name.clone(), chain)).collect(),
        warnings: Vec::new(),
    })
}

type ReadChain = (Place, Option<chain::Read>);

fn check_directory(dir: &Path, report: &mut Report) -> Option<()> {
    let (message, remedy) = match std::fs::metadata(dir) {
        Ok(metadata) if metadata.is_dir() => return Some(()),
        Ok(_) => ("this is a file", "pass the directory that holds blockcast.toml".to_owned()),
        Err(error) => {
            ("the configuration directory cannot be read", format!("check the path and its rights ({error})"))
        }
    };
    report.problem(Problem::at(Kind::File, Place::file(dir), message, remedy));
    None
}

fn parse(path: &Path, report: &mut Report) -> Option<Table> {
    let text = report.keep(source::read_config(path))?;
    match tree::parse(path, &text) {
        Ok(table) => Some(table),
        Err(problems) => {
            report.problems.extend(problems);
            None
        }
    }
}

fn check_chain_name(name: &str, path: &Path, report: &mut Report) {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    if name.is_empty() || name.len() > CHAIN_NAME_LIMIT || !plain {
        let message = format!("a chain file's name is 1 to {CHAIN_NAME_LIMIT} of: a-z 0-9 - _, then .toml");
        let remedy = "rename it; the name stands for the chain in URLs, metrics and data_dir";
        report.problem(Problem::at(Kind::BadValue, Place::file(path), message, remedy));
    }
}

/// At least one chain runs. A chain whose file is broken counts: it may be meant to.
fn check_enabled(dir: &Path, chains: &[ReadChain], report: &mut Report) {
    let enabled = |(_, read): &ReadChain| read.as_ref().is_none_or(|read| read.enabled);
    if chains.iter().any(enabled) {
        return;
    }
    let (message, remedy) = if chains.is_empty() {
        (
            "there is no chain",
            "add a file such as litecoin.toml, see the examples in the source's config/chains/",
        )
    } else {
        ("no chain is enabled, so there is nothing to do", "set `enabled = true` in one of its files")
    };
    report.problem(Problem::at(Kind::Conflict, Place::file(&dir.join("chains")), message, remedy));
}

/// No two listeners on one address. Those of disabled chains do not count: two files for one port, of which one
/// is enabled, is a good way to switch between networks.
fn check_listeners(process: Option<&process::Process>, chains: &[ReadChain], report: &mut Report) {
    let http = process
        .and_then(|process| process.listener.as_ref())
        .map(|found| ("blockcast.toml".to_owned(), found));
    let doors = chains.iter().filter_map(|(place, read)| {
        let read = read.as_ref().filter(|read| read.enabled)?;
        Some((place.to_string(), read.listener.as_ref()?))
    });
    let mut taken: Vec<(String, &Found<SocketAddr>)> = Vec::new();
    for (file, listener) in http.into_iter().chain(doors) {
        if let Some((other, earlier)) = taken.iter().find(|(_, t)| address::collide(t.value, listener.value))
        {
            let message = format!("{} in {other} listens on {} already", earlier.key, earlier.value);
            report.problem(listener.problem(Kind::Conflict, message, "give each listener its own port"));
        }
        taken.push((file, listener));
    }
}

/// Two files for one network work, but are more likely a forgotten copy: each has its own peers, and a block that
/// one is given is not known to the other.
fn check_twins(chains: &[ReadChain], report: &mut Report) {
    let mut seen = HashMap::new();
    for (place, read) in chains {
        let Some(chain) = read.as_ref().filter(|read| read.enabled).and_then(|read| read.chain.as_ref())
        else {
            continue;
        };
        if let Some(earlier) = seen.insert((&chain.chain, chain.network), &chain.name) {
            let message = format!("\"{earlier}\" runs {} {} already", chain.chain, chain.network);
            report.warning(Problem::at(
                Kind::Caution,
                place.clone(),
                message,
                "disable one unless both are meant",
            ));
        }
    }
}
