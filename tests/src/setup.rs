//! What a [`Blockcast`](crate::Blockcast) is started with, written out as its configuration files.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::daemon::Daemon;
use crate::litecoind::LITECOIND;
use crate::regtest::Regtest;
use crate::rpc::Auth;

/// The user of the front door.
pub const POOL_USER: &str = "pool";
/// The password of the front door. It has a character that careless quoting would break.
pub const POOL_PASSWORD: &str = "correct horse \"battery\" staple";

/// One `[[node]]` of the chain's configuration.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its name in status, metrics and ledger.
    pub name: String,
    /// `primary` or `backup`.
    pub role: String,
    /// The RPC's URL.
    pub rpc_url: String,
    /// How Blockcast names itself there.
    pub auth: Auth,
    /// Where it listens for peers, if Blockcast shall push blocks to it too.
    pub p2p: Option<SocketAddr>,
}

impl Node {
    /// A primary node with RPC and P2P.
    pub fn of(name: &str, node: &Daemon) -> Self {
        Self {
            name: name.into(),
            role: "primary".into(),
            rpc_url: node.rpc_url(),
            auth: node.auth(),
            p2p: Some(node.p2p_addr()),
        }
    }

    /// The same node as a backup.
    #[must_use]
    pub fn backup(self) -> Self {
        Self { role: "backup".into(), ..self }
    }

    /// The same node without its P2P address.
    #[must_use]
    pub fn rpc_only(self) -> Self {
        Self { p2p: None, ..self }
    }
}

/// One entry of `[peers] fixed`.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Where it listens.
    pub address: SocketAddr,
    /// `critical`, `high` or `normal`.
    pub priority: String,
    /// Free text.
    pub description: String,
}

impl Peer {
    /// A peer of this priority that is described by the node's name.
    pub fn of(node: &Daemon, priority: &str) -> Self {
        Self { address: node.p2p_addr(), priority: priority.into(), description: node.name().into() }
    }
}

/// The configuration of one chain on regtest, and how the program is run.
///
/// All fields are public; start from [`Setup::of`] or `Setup::default()` and change what the test is about.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Which rules, such as `litecoin`; also the name of the chain's file.
    pub chain: String,
    /// Our own nodes.
    pub nodes: Vec<Node>,
    /// Fixed peers.
    pub peers: Vec<Peer>,
    /// Where other peers are looked for. It is off by default: a test must not depend on who else is there.
    pub discovery: Vec<String>,
    /// How many peers are only listened to.
    pub observers: usize,
    /// At which depth a block, or its rival, has the chain's last word; the chain's default without it.
    pub confirmations: Option<u32>,
    /// Methods that the front door denies.
    pub deny: Vec<String>,
    /// Lines at the end of `blockcast.toml`, with their own `[table]` headings.
    pub more_main: String,
    /// Lines at the end of `chains/CHAIN.toml`, with their own `[table]` headings.
    pub more_chain: String,
    /// Additions to the environment, such as `RUST_BACKTRACE`.
    pub env: Vec<(String, String)>,
    /// A system-call filter (`trace=fdatasync,writev`): the program then runs under strace. See
    /// [`Blockcast::strace_log`](crate::Blockcast::strace_log).
    pub strace: Option<String>,
    /// Another program than the one that Cargo built.
    pub binary: Option<PathBuf>,
}

impl Default for Setup {
    /// Litecoin without nodes and peers; one observer, if there were peers.
    fn default() -> Self {
        Self {
            chain: LITECOIND.chain.into(),
            nodes: Vec::new(),
            peers: Vec::new(),
            discovery: Vec::new(),
            observers: 1,
            confirmations: None,
            deny: ["stop", "dumpprivkey", "dumpwallet"].map(str::to_owned).to_vec(),
            more_main: String::new(),
            more_chain: String::new(),
            env: Vec::new(),
            strace: None,
            binary: None,
        }
    }
}

impl Setup {
    /// `ours` as node `a`, the plain peers with priority `high`, the observer with `normal` as the one peer that
    /// is only listened to.
    pub fn of(net: &Regtest) -> Self {
        let [first, second] = &net.plain;
        Self {
            chain: net.ours.program().chain.into(),
            nodes: vec![Node::of("a", &net.ours)],
            peers: vec![Peer::of(first, "high"), Peer::of(second, "high"), Peer::of(&net.observer, "normal")],
            ..Self::default()
        }
    }

    /// Writes the configuration directory: `blockcast.toml`, `chains/CHAIN.toml`, and `secrets/` beside them.
    pub(crate) fn write(&self, config: &Path, data_dir: &Path, http: SocketAddr, front_door: SocketAddr) {
        let secrets = config.join("secrets");
        for dir in [&config.join("chains"), &secrets] {
            fs::create_dir_all(dir).unwrap_or_else(|e| panic!("cannot create {}: {e}", dir.display()));
        }
        let front_door_password = secret(&secrets, "front_door", POOL_PASSWORD);

        let main = format!(
            "data_dir = {}\n[http]\nlisten = {}\n[log]\nlevel = \"debug\"\nformat = \"text\"\n{}\n",
            quoted(path(data_dir)),
            quoted(http),
            self.more_main
        );
        replace(&config.join("blockcast.toml"), &main);

        let mut chain = format!("chain = {}\nnetwork = \"regtest\"\nenabled = true\n", quoted(&self.chain));
        if let Some(confirmations) = self.confirmations {
            line(&mut chain, format!("confirmations = {confirmations}"));
        }
        for node in &self.nodes {
            let auth = match &node.auth {
                Auth::Cookie(file) => format!("cookie_file = {}", quoted(path(file))),
                Auth::Password { user, password } => {
                    let file = secret(&secrets, &format!("node-{}", node.name), password);
                    format!("user = {}, password_file = {}", quoted(user), quoted(path(&file)))
                }
            };
            let (name, role, url) = (quoted(&node.name), quoted(&node.role), quoted(&node.rpc_url));
            line(
                &mut chain,
                format!("[[node]]\nname = {name}\nrole = {role}\nrpc = {{ url = {url}, {auth} }}"),
            );
            if let Some(p2p) = node.p2p {
                line(&mut chain, format!("p2p = {}", quoted(p2p)));
            }
        }
        let fixed = self.peers.iter().map(|peer| {
            let (address, priority) = (quoted(peer.address), quoted(&peer.priority));
            let description = quoted(&peer.description);
            format!("  {{ address = {address}, priority = {priority}, description = {description} }},\n")
        });
        let fixed: String = fixed.collect();
        line(
            &mut chain,
            format!("[peers]\nenabled = {}", !(self.peers.is_empty() && self.discovery.is_empty())),
        );
        line(&mut chain, format!("max = 20\nmin = 1\nobservers = {}", self.observers));
        let discovery = self.discovery.iter().map(quoted).collect::<Vec<_>>().join(", ");
        line(&mut chain, format!("fixed = [\n{fixed}]\ndiscovery = [{discovery}]"));
        let deny = self.deny.iter().map(quoted).collect::<Vec<_>>().join(", ");
        line(
            &mut chain,
            format!("[front_door]\nlisten = {}\nuser = {}", quoted(front_door), quoted(POOL_USER)),
        );
        line(&mut chain, format!("password_file = {}\ndeny = [{deny}]", quoted(path(&front_door_password))));
        line(&mut chain, &self.more_chain);
        replace(&config.join("chains").join(format!("{}.toml", self.chain)), &chain);
    }
}

/// A TOML string: those of JSON are a part of TOML's.
fn quoted(text: impl ToString) -> String {
    serde_json::Value::from(text.to_string()).to_string()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("temporary directories have names in UTF-8")
}

fn line(text: &mut String, line: impl std::fmt::Display) {
    writeln!(text, "{line}").expect("a String takes any text");
}

fn replace(file: &Path, text: &str) {
    fs::write(file, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", file.display()));
}

/// Writes a secret to a file that only its owner can read.
fn secret(dir: &Path, name: &str, secret: &str) -> PathBuf {
    let file = dir.join(name);
    let opened = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&file);
    opened
        .and_then(|mut opened| writeln!(opened, "{secret}"))
        .unwrap_or_else(|e| panic!("cannot write {}: {e}", file.display()));
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_for_toml() {
        assert_eq!(quoted("a \"b\" \\ c\n"), r#""a \"b\" \\ c\n""#);
    }

    #[test]
    fn secrets_go_into_files_of_their_own_that_others_cannot_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = crate::scratch::dir("setup");
        let node = Node {
            name: "b".into(),
            role: "backup".into(),
            rpc_url: "http://127.0.0.1:1".into(),
            auth: Auth::password("u", "sesame"),
            p2p: None,
        };
        let address = "127.0.0.1:2".parse().unwrap();
        let setup = Setup { nodes: vec![node], ..Setup::default() };
        setup.write(dir.path(), &dir.path().join("data"), address, address);
        let chain = fs::read_to_string(dir.path().join("chains/litecoin.toml")).unwrap();
        assert!(chain.contains("user = \"u\"") && !chain.contains("sesame"), "{chain}");
        let file = dir.path().join("secrets/node-b");
        assert_eq!(fs::read_to_string(&file).unwrap(), "sesame\n");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
