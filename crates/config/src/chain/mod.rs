//! `chains/NAME.toml`: one chain.

mod diversity;
mod front_door;
mod node;
mod peers;
mod proxy;

use std::net::SocketAddr;
use std::path::Path;

use crate::problem::{Kind, Report};
use crate::section::{Found, Section};
use crate::settings::{Acknowledge, Chain, Network, ParameterFile};
use crate::{secret, source, suggestion};

/// What one chain file yields.
pub(crate) struct Read {
    /// `None` if there was a problem.
    pub(crate) chain: Option<Chain>,
    /// True unless the file plainly says otherwise.
    pub(crate) enabled: bool,
    /// Where `front_door.listen` stands, to be compared with the other listeners.
    pub(crate) listener: Option<Found<SocketAddr>>,
}

/// What the files are read against.
pub(crate) struct Context<'a> {
    /// The configuration directory, for relative paths.
    pub(crate) base: &'a Path,
    /// The chains whose rules this build has.
    pub(crate) known_chains: &'a [&'a str],
}

pub(crate) fn read(name: &str, root: &Section<'_>, context: &Context<'_>, report: &mut Report) -> Read {
    let enabled = root.boolean("enabled").is_none_or(|enabled| enabled.value);
    let rules = rules(root, context, report);
    let parameters = match root.text("parameters") {
        Some(file) => parameters(&file, context, report).map(Some),
        None => (!root.has("parameters")).then_some(None),
    };
    let network = root.text("network").map_or(Some(Network::Mainnet), |word| word.word(report));
    let acknowledge = root.text("acknowledge").map_or(Some(Acknowledge::First), |word| word.word(report));
    let confirmations = match root.has("confirmations") {
        true => root.number("confirmations", 1..=1000, report).map(Some),
        false => Some(None),
    };
    let nodes = node::read_all(root, context, report);
    let peers = peers::read(&root.section_or_empty("peers"), context, report);
    if let Some(peers) = &peers {
        peers::check_against_nodes(peers, &nodes, root, report);
        if nodes.sections == 0 {
            check_without_nodes(root, peers, report);
        }
    }
    let section = root.section("front_door");
    let door = section.as_ref().map(|section| front_door::read(section, &nodes, context, report));
    let listener = door.as_ref().and_then(|door| door.listener.clone());
    let front_door = match door {
        Some(door) => door.settings.map(Some),
        None => Some(None),
    };
    let chain = (|| {
        Some(Chain {
            name: name.to_owned(),
            chain: rules?,
            parameters: parameters?,
            network: network?,
            enabled,
            acknowledge: acknowledge?,
            confirmations: confirmations?.and_then(|number| u32::try_from(number.value).ok()),
            nodes: nodes.complete()?,
            peers: peers?.settings,
            front_door: front_door?,
        })
    })();
    Read { chain, enabled, listener }
}

fn rules(root: &Section<'_>, context: &Context<'_>, report: &mut Report) -> Option<String> {
    let known = context.known_chains;
    let remedy = format!("write `chain = \"…\"` with one of: {}", known.join(", "));
    let chain = root.required("chain", &remedy, report)?;
    if known.contains(&chain.value) {
        return Some(chain.value.to_owned());
    }
    let message = format!("this version does not know this chain; it knows: {}", known.join(", "));
    let remedy = match suggestion::nearest(chain.value, known.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "use one of them, or remove the file".to_owned(),
    };
    report.problem(chain.problem(Kind::BadValue, message, remedy));
    None
}

fn parameters(file: &Found<&str>, context: &Context<'_>, report: &mut Report) -> Option<ParameterFile> {
    let path = secret::path(file, context.base, report)?;
    let text = report.keep(source::read_parameters(&path))?;
    Some(ParameterFile { path, text })
}

/// A chain may do without nodes of its own, but then fixed peers are all that is sure: what seeds and strangers know may
/// be nothing.
fn check_without_nodes(root: &Section<'_>, peers: &peers::Read, report: &mut Report) {
    if peers.settings.enabled && !peers.settings.fixed.is_empty() {
        let message =
            "the chain has no node: no block gets a verdict, and its fate on the chain stays unknown";
        report.warning(root.problem(Kind::Caution, message, "add a [[node]]"));
    } else if !peers.fixed_has_problems {
        let message = "no way to deliver a block: no [[node]], and no fixed peers in use";
        let remedy =
            "add a [[node]] with `name` and `rpc` (or `peers.fixed` addresses, with `peers.enabled = true`)";
        report.problem(root.problem(Kind::Conflict, message, remedy));
    }
}
