//! `[[node]]`: nodes of our own.

use std::collections::HashMap;

use super::Context;
use crate::address::{HostPort, RpcUrl};
use crate::problem::{Kind, Report};
use crate::secret;
use crate::section::{Found, Section};
use crate::settings::{Auth, Node, Role, Rpc};

/// Long enough for a host name's first label, short enough for a table on a terminal.
const NAME_LIMIT: usize = 32;

/// The nodes of a chain as far as they are good.
pub(crate) struct Nodes {
    /// How many there are in the file, good or not; even what is not a table must not look like "no node".
    pub(super) sections: usize,
    good: Vec<Node>,
    /// Kept although the node as a whole may be bad, so that other checks do not depend on its other keys.
    pub(super) p2p: Vec<(String, HostPort)>,
    pub(super) rpc: Vec<(String, RpcUrl)>,
}

impl Nodes {
    /// All nodes, if all are good.
    pub(super) fn complete(self) -> Option<Vec<Node>> {
        (self.good.len() == self.sections).then_some(self.good)
    }
}

pub(super) fn read_all(root: &Section<'_>, context: &Context<'_>, report: &mut Report) -> Nodes {
    let sections = root.sections("node");
    let mut nodes =
        Nodes { sections: root.entries("node"), good: Vec::new(), p2p: Vec::new(), rpc: Vec::new() };
    let mut names = HashMap::new();
    let mut roles = Vec::new();
    for (index, section) in sections.iter().enumerate() {
        let name = name(section, index, &mut names, report);
        // For messages only; a node without a good name is reported anyway.
        let called = name.clone().unwrap_or_else(|| format!("number {index}"));
        let role = role(section, report);
        let url = section.section("rpc").and_then(|rpc| url(&rpc, report));
        nodes.rpc.extend(url.clone().map(|url| (called.clone(), url)));
        let auth = auth(section, context, report);
        let p2p = section.text("p2p").map(|text| text.parsed(|text| HostPort::parse(text), report));
        nodes.p2p.extend(p2p.clone().flatten().map(|address| (called.clone(), address)));
        let p2p = match p2p {
            Some(address) => address.map(Some),
            None => (!section.has("p2p")).then_some(None),
        };
        nodes.good.extend((|| {
            Some(Node {
                name: name?,
                role: role.as_ref()?.value,
                rpc: Rpc { url: url?, auth: auth? },
                p2p: p2p?,
            })
        })());
        roles.push((called, role));
    }
    check_roles(&roles, sections.first(), report);
    nodes
}

fn name(
    section: &Section<'_>,
    index: usize,
    names: &mut HashMap<String, usize>,
    report: &mut Report,
) -> Option<String> {
    let remedy = "give the node a short name, such as name = \"a\"";
    let name = section.required("name", remedy, report)?;
    let text = name.value;
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if text.is_empty() || text.len() > NAME_LIMIT || !plain {
        let message = format!("a node's name is 1 to {NAME_LIMIT} of: letters, digits, - _ .");
        report.problem(name.problem(Kind::BadValue, message, remedy));
        return None;
    }
    match names.get(text) {
        Some(earlier) => {
            let message = format!("node[{earlier}] has this name already");
            report.problem(name.problem(
                Kind::Conflict,
                message,
                "give every node of the chain its own name",
            ));
            None
        }
        None => {
            names.insert(text.to_owned(), index);
            Some(text.to_owned())
        }
    }
}

fn role(section: &Section<'_>, report: &mut Report) -> Option<Found<Role>> {
    match section.text("role") {
        Some(text) => {
            let role = text.word(report)?;
            Some(text.with(role))
        }
        None if section.has("role") => None,
        None => Some(section.default("role", Role::Primary)),
    }
}

/// Exactly one node is primary. Not judged while a role is unreadable: that one may be it.
fn check_roles(roles: &[(String, Option<Found<Role>>)], first: Option<&Section<'_>>, report: &mut Report) {
    let Some(first) = first else { return };
    if roles.iter().any(|(_, role)| role.is_none()) {
        return;
    }
    let mut primaries = roles
        .iter()
        .filter_map(|(name, role)| role.as_ref().map(|role| (name, role)))
        .filter(|(_, role)| role.value == Role::Primary);
    let Some((primary, _)) = primaries.next() else {
        let message = "no node is primary, so no node would answer the calls that the front door passes on";
        report.problem(first.problem(Kind::Conflict, message, "set role = \"primary\" on one node"));
        return;
    };
    for (_, second) in primaries {
        let message = format!("node \"{primary}\" is primary already (a node without `role` is primary)");
        report.problem(second.problem(Kind::Conflict, message, "set role = \"backup\" on all nodes but one"));
    }
}

fn url(rpc: &Section<'_>, report: &mut Report) -> Option<RpcUrl> {
    let url = rpc.required("url", "add url = \"http://127.0.0.1:PORT\" with the node's RPC port", report)?;
    url.parsed(|text| RpcUrl::parse(text), report)
}

const LOGIN: &str =
    "add cookie_file = \"…/.cookie\" (the node writes it), or user = \"…\" and password_file = \"…\"";

fn auth(node: &Section<'_>, context: &Context<'_>, report: &mut Report) -> Option<Auth> {
    if !node.has("rpc") {
        let remedy = "add rpc = { url = \"http://127.0.0.1:PORT\", cookie_file = \"…/.cookie\" }";
        report.problem(node.missing("rpc", remedy));
    }
    let rpc = node.section("rpc")?;
    match (rpc.has("cookie_file"), rpc.has("user"), rpc.has("password_file")) {
        (true, false, false) => {
            let cookie = rpc.text("cookie_file")?;
            let path = secret::path(&cookie, context.base, report)?;
            if path.is_dir() {
                let message = "this is a directory, and the cookie is a file in it";
                report.problem(cookie.problem(
                    Kind::BadValue,
                    message,
                    "append the file's name, usually /.cookie",
                ));
                return None;
            }
            Some(Auth::CookieFile(path))
        }
        (false, true, true) => {
            let user =
                rpc.text("user").and_then(|user| user.parsed(|text| super::front_door::user(text), report));
            let file = rpc.text("password_file");
            let password = file.and_then(|file| secret::read(&file, "password", context.base, report));
            Some(Auth::Password { user: user?, password: password? })
        }
        (true, ..) => {
            let remedy = "keep either cookie_file, or user and password_file";
            let both = "two ways to log in: cookie_file, and user or password_file";
            report.problem(rpc.problem(Kind::Conflict, both, remedy));
            None
        }
        (false, true, false) => {
            report.problem(
                rpc.missing("password_file", "add a file that holds the password, or use cookie_file"),
            );
            None
        }
        (false, false, true) => {
            report.problem(
                rpc.missing("user", "add the user that the password belongs to, or use cookie_file"),
            );
            None
        }
        (false, false, false) => {
            report.problem(rpc.problem(Kind::Missing, "no way to log in to the node", LOGIN));
            None
        }
    }
}
