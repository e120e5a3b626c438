//! `[front_door]`: the port that speaks the daemon's JSON-RPC to the pool.

use std::net::{Ipv4Addr, SocketAddr};

use super::Context;
use super::node::Nodes;
use crate::address::{self, Fault, HostPort};
use crate::problem::{Kind, Report};
use crate::secret;
use crate::section::{Found, Section};
use crate::settings::FrontDoor;

/// What a pool never needs and a thief would like.
const DENIED: [&str; 3] = ["stop", "dumpprivkey", "dumpwallet"];
/// What the front door is for.
const NEVER_DENIED: &str = "submitblock";
/// The longest method name of any daemon is half as long.
const METHOD_LIMIT: usize = 64;

/// What `[front_door]` yields.
pub(super) struct Read {
    /// `None` if there was a problem.
    pub(super) settings: Option<FrontDoor>,
    pub(super) listener: Option<Found<SocketAddr>>,
}

pub(super) fn read(section: &Section<'_>, nodes: &Nodes, context: &Context<'_>, report: &mut Report) -> Read {
    let listener = listener(section, nodes, report);
    let user_text = section.required("user", "add the user name that the pool logs in with", report);
    let user = user_text.and_then(|text| text.parsed(|text| user(text), report));
    let file = section.required("password_file", "add a file that holds the password for the pool", report);
    let password = file.and_then(|file| secret::read(&file, "password", context.base, report));
    let deny = deny(section, report);
    if nodes.sections == 0 {
        let message = "the front door passes the pool's calls to the primary node, and there is no node";
        report.problem(section.problem(Kind::Conflict, message, "add a [[node]], or remove [front_door]"));
    }
    let listen = listener.as_ref().map(|listener| listener.value);
    let settings = (|| Some(FrontDoor { listen: listen?, user: user?, password: password?, deny: deny? }))();
    Read { settings, listener }
}

fn listener(section: &Section<'_>, nodes: &Nodes, report: &mut Report) -> Option<Found<SocketAddr>> {
    let remedy = "add listen = \"127.0.0.1:PORT\", a port that no daemon uses, such as 19332";
    let listen = section.required("listen", remedy, report)?;
    let address = listen.parsed(|text| address::parse_listener(text), report)?;
    let listener = listen.with(address);
    if let Some((name, _)) = nodes.rpc.iter().find(|(_, url)| leads_to(url.address(), address)) {
        let message = format!("this is the RPC address of node \"{name}\": calls would go round in a circle");
        let remedy = "choose another port here, and point the pool to it";
        report.problem(listener.problem(Kind::Conflict, message, remedy));
    }
    if !address.ip().to_canonical().is_loopback() {
        let message = "the password and the pool's calls cross the network as plain HTTP";
        let remedy = "keep it inside a private network, or listen on 127.0.0.1 behind a tunnel";
        report.warning(listener.problem(Kind::Caution, message, remedy));
    }
    Some(listener)
}

/// Whether a connection to `target` surely ends at the listener. A listener on all interfaces has addresses that
/// are not known here; only loopback is certain.
fn leads_to(target: &HostPort, listener: SocketAddr) -> bool {
    let localhost = (target.host() == "localhost").then_some(Ipv4Addr::LOCALHOST.into());
    let Some(ip) = target.ip().or(localhost) else { return false };
    let same = ip == listener.ip() || (listener.ip().is_unspecified() && ip.is_loopback());
    same && target.port() == listener.port()
}

/// A user name for HTTP basic authentication, whose first colon ends the name (RFC 7617 §2).
pub(super) fn user(text: &str) -> Result<String, Fault> {
    let message = if text.is_empty() {
        "the user name is empty"
    } else if text.contains(':') {
        "a user name cannot hold a colon (the password belongs in password_file)"
    } else if text.chars().any(char::is_control) {
        "a user name cannot hold control characters"
    } else {
        return Ok(text.to_owned());
    };
    Err(Fault { message: message.to_owned(), remedy: "write the bare user name".to_owned() })
}

fn deny(section: &Section<'_>, report: &mut Report) -> Option<Vec<String>> {
    let Some(methods) = section.texts("deny") else {
        // Present but not a list: reported.
        return (!section.has("deny")).then(|| DENIED.map(str::to_owned).to_vec());
    };
    let mut denied = Vec::new();
    let mut complete = true;
    for method in methods {
        let text = method.value;
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if text.is_empty() || text.len() > METHOD_LIMIT || !plain {
            let remedy = "write the bare name, such as \"stop\" (there are no wildcards)";
            report.problem(method.problem(Kind::BadValue, "not the name of an RPC method", remedy));
            complete = false;
        } else if text == NEVER_DENIED {
            let message = "without submitblock the front door has no purpose";
            report.problem(method.problem(Kind::Conflict, message, "remove it from `deny`"));
            complete = false;
        } else {
            denied.push(text.to_owned());
        }
    }
    complete.then_some(denied)
}
