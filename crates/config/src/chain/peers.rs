//! `[peers]`: everyone but our own nodes.

use std::time::Duration;

use super::node::Nodes;
use super::{Context, diversity, proxy};
use crate::address::HostPort;
use crate::problem::{Kind, Report};
use crate::section::{Found, Section};
use crate::settings::{Discovery, FixedPeer, Peers, Priority};

/// Each peer costs two tasks and a descriptor; the process has 1024 descriptors by default.
const PEER_LIMIT: usize = 1000;
const DEFAULT_MAX: usize = 20;
const DEFAULT_MIN: usize = 5;
const DEFAULT_OBSERVERS: usize = 1;
/// For the terminal's sake.
const DESCRIPTION_LIMIT: usize = 200;
const DEFAULT_DIALS_AT_ONCE: usize = 3;
const DEFAULT_DIALS_PER_CYCLE: usize = 5;
/// Seconds.
const DEFAULT_CONNECT_TIMEOUT: usize = 10;
/// Every source that there is.
const DEFAULT_DISCOVERY: [Discovery; 5] =
    [Discovery::Node, Discovery::Chain, Discovery::Gossip, Discovery::Dns, Discovery::Seeds];

/// What `[peers]` yields.
pub(crate) struct Read {
    pub(super) settings: Peers,
    /// Where each address stands.
    fixed: Vec<Found<HostPort>>,
    /// Whether an entry of `fixed` is bad, so that `settings.fixed` is not the whole truth.
    pub(super) fixed_has_problems: bool,
}

pub(super) fn read(section: &Section<'_>, context: &Context<'_>, report: &mut Report) -> Option<Read> {
    let enabled = section.boolean("enabled").is_none_or(|enabled| enabled.value);
    let max = section.number_or("max", DEFAULT_MAX, 1..=PEER_LIMIT, report);
    // A lower `max` alone is no mistake: the default of `min` follows it.
    let default_min = max.as_ref().map_or(DEFAULT_MIN, |max| max.value.min(DEFAULT_MIN));
    let min = section.number_or("min", default_min, 0..=PEER_LIMIT, report);
    let observers = section.number_or("observers", DEFAULT_OBSERVERS, 0..=PEER_LIMIT, report);
    let (fixed, settings, fixed_has_problems) = fixed(section, report);
    let discovery = discovery(section, report);
    let proxy = proxy::read(section, context, report);
    let dials_at_once = section.number_or("dials_at_once", DEFAULT_DIALS_AT_ONCE, 1..=50, report);
    let dials_per_cycle = section.number_or("dials_per_cycle", DEFAULT_DIALS_PER_CYCLE, 1..=100, report);
    let connect_timeout = section.number_or("connect_timeout", DEFAULT_CONNECT_TIMEOUT, 1..=120, report);
    let diversity = diversity::read(section, context, report);
    let pass_on_tips = section.boolean("pass_on_tips").is_none_or(|pass_on| pass_on.value);
    let (max, min, observers) = (max?, min?, observers?);
    if min.value > max.value {
        let message = format!("more than max = {}", max.value);
        report.problem(min.problem(Kind::Conflict, message, "lower `min` or raise `max`"));
    }
    // Unlike `min`, not lowered in silence: with it would go the proof that the network has our block.
    if enabled && observers.value >= max.value {
        let message = format!(
            "with observers = {} and max = {}, no peer would be left to push a block to",
            observers.value, max.value
        );
        let remedy = "raise `max`, or lower `observers` (0: no proof by announcement)";
        report.problem(observers.problem(Kind::Conflict, message, remedy));
    }
    if let Some(over) = fixed.get(max.value) {
        let message = format!("more fixed peers than max = {}, which counts them", max.value);
        report.problem(over.problem(Kind::Conflict, message, "raise `max`, or remove fixed peers"));
    }
    if let (false, Some(unused)) = (enabled, fixed.first()) {
        let message = "fixed peers are not dialled while peers.enabled is false";
        report.warning(unused.problem(Kind::Caution, message, "set `enabled = true`, or remove them"));
    }
    let settings = Peers {
        enabled,
        max: max.value,
        min: min.value,
        observers: observers.value,
        fixed: settings,
        discovery: discovery?,
        proxy: proxy?,
        dials_at_once: dials_at_once?.value,
        dials_per_cycle: dials_per_cycle?.value,
        connect_timeout: Duration::from_secs(connect_timeout?.value as u64),
        diversity: diversity?,
        pass_on_tips,
    };
    Some(Read { settings, fixed, fixed_has_problems })
}

fn fixed(section: &Section<'_>, report: &mut Report) -> (Vec<Found<HostPort>>, Vec<FixedPeer>, bool) {
    let mut places: Vec<Found<HostPort>> = Vec::new();
    let mut peers = Vec::new();
    let before = report.problems.len();
    let entries = section.sections("fixed");
    let all_tables = entries.len() == section.entries("fixed");
    for entry in entries {
        let address = entry.required("address", "add address = \"host:port\"", report);
        let address = address.and_then(|text| {
            let address = text.parsed(|text| HostPort::parse_any(text), report)?;
            Some(text.with(address))
        });
        // A proxy that is there but bad is reported as such.
        if let Some(address) = address.as_ref().filter(|address| address.value.needs_proxy())
            && !section.has("proxy")
        {
            let message = "a Tor or I2P address is reached only through a proxy, and there is none";
            let remedy =
                "set `peers.proxy`, such as proxy = \"socks5://127.0.0.1:9050\", or remove the entry";
            report.problem(address.problem(Kind::Conflict, message, remedy));
        }
        let priority = entry.text("priority").map_or(Some(Priority::Normal), |word| word.word(report));
        let description = entry.text("description");
        if let Some(long) = description.as_ref().filter(|text| text.value.chars().count() > DESCRIPTION_LIMIT)
        {
            let message = format!("longer than {DESCRIPTION_LIMIT} characters");
            report.problem(long.problem(Kind::BadValue, message, "shorten it"));
        }
        let Some(address) = address else { continue };
        if let Some(earlier) = places.iter().find(|earlier| earlier.value == address.value) {
            let message = format!("the same address as {}", earlier.key);
            report.problem(address.problem(Kind::Conflict, message, "remove one of the two"));
            continue;
        }
        if let Some(priority) = priority {
            let description = description.map(|text| text.value.to_owned());
            peers.push(FixedPeer { address: address.value.clone(), priority, description });
        }
        places.push(address);
    }
    (places, peers, report.problems.len() > before || !all_tables)
}

fn discovery(section: &Section<'_>, report: &mut Report) -> Option<Vec<Discovery>> {
    // With a proxy nobody is to see whom this machine asks for.
    let leaks = |source: Discovery| source == Discovery::Dns && section.has("proxy");
    let Some(sources) = section.texts("discovery") else {
        let default = || DEFAULT_DISCOVERY.into_iter().filter(|source| !leaks(*source)).collect();
        // Present but not a list: reported.
        return (!section.has("discovery")).then(default);
    };
    let mut known = Vec::new();
    let mut complete = true;
    for source in sources {
        match source.word(report) {
            Some(meaning) if leaks(meaning) => {
                let message = "with a proxy no name is looked up on this machine, so the seeds are not asked";
                let remedy = "remove it here; the other sources need no look-up";
                report.warning(source.problem(Kind::Caution, message, remedy));
            }
            Some(meaning) if known.contains(&meaning) => {}
            Some(meaning) => known.push(meaning),
            None => complete = false,
        }
    }
    complete.then_some(known)
}

/// A node of ours is always connected; as a fixed peer it would be dialled and counted twice.
pub(super) fn check_against_nodes(peers: &Read, nodes: &Nodes, root: &Section<'_>, report: &mut Report) {
    for peer in &peers.fixed {
        if let Some((name, _)) = nodes.p2p.iter().find(|(_, address)| *address == peer.value) {
            let message = format!("this is the `p2p` address of node \"{name}\", which is always connected");
            report.problem(peer.problem(Kind::Conflict, message, "remove it from `fixed`"));
        }
    }
    let settings = &peers.settings;
    let nobody = settings.fixed.is_empty() && settings.discovery.is_empty() && !peers.fixed_has_problems;
    if settings.enabled && nobody && nodes.sections > 0 {
        let message = "peers are enabled, but there are no fixed ones and no source to discover any";
        let remedy = "set discovery = [\"node\"], add `fixed` peers, or set `enabled = false`";
        report.warning(root.section_or_empty("peers").problem(Kind::Caution, message, remedy));
    }
}
