//! The temporary directory: a configuration as an operator would write it, and the data.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use config::Config;
use engine::KNOWN_CHAINS;
use tempfile::TempDir;

/// What the simulated pool logs in with. It opens the front door of a simulated network on loopback, and is shown.
pub(super) const LOGIN: (&str, &str) = ("pool", "demo");

/// Where a daemon serves HTTP unless its configuration says otherwise: there `blockcast status` looks.
const STATUS_PORT: u16 = 7904;

/// How every file begins.
const HEAD: &str = "# Written by `blockcast demo`, deleted when it ends.\n";

/// A directory that only this user can look into, deleted at the end.
#[derive(Debug)]
pub(super) struct Home(TempDir);

/// Where the daemon listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listeners {
    /// `[http]`
    pub(super) http: SocketAddr,
    /// `[front_door]` of each chain.
    pub(super) front_doors: Vec<SocketAddr>,
}

/// A chain as the configuration names it.
#[derive(Debug, Clone)]
pub(super) struct ChainEntry {
    /// Its rules, and its file.
    pub(super) name: &'static str,
    pub(super) nodes: Vec<NodeEntry>,
    /// The peers that are named.
    pub(super) fixed: Vec<PeerEntry>,
    /// How many more there are, whom the engine finds by asking its nodes for those whom the chain prefers.
    pub(super) found: usize,
}

/// A node as the configuration names it.
#[derive(Debug, Clone)]
pub(super) struct NodeEntry {
    pub(super) name: String,
    pub(super) role: &'static str,
    pub(super) url: String,
    pub(super) p2p: SocketAddr,
    pub(super) login: Login,
}

/// How to log in to a node.
#[derive(Debug, Clone)]
pub(super) enum Login {
    /// The node has written it there.
    Cookie(PathBuf),
    /// These.
    Password { user: String, password: String },
}

/// A peer as the configuration names it.
#[derive(Debug, Clone)]
pub(super) struct PeerEntry {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    /// Whether the engine is to choose it as its observer.
    pub(super) observes: bool,
}

impl Home {
    /// Makes the directory where temporary files go.
    ///
    /// # Errors
    /// When that is not possible.
    pub(super) fn create() -> anyhow::Result<Self> {
        let made = tempfile::Builder::new()
            .prefix("blockcast-demo-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir();
        let place = std::env::temp_dir();
        let home = Self(made.with_context(|| format!("cannot make a directory in {}", place.display()))?);
        fs::create_dir_all(home.config().join("chains"))
            .context("cannot make the configuration directory")?;
        fs::create_dir(home.data()).context("cannot make the data directory")?;
        Ok(home)
    }

    /// The configuration directory.
    pub(super) fn config(&self) -> PathBuf {
        self.0.path().join("config")
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// Where a node of that name leaves its cookie.
    pub(super) fn cookie(&self, node: &str) -> PathBuf {
        self.0.path().join(format!("{node}.cookie"))
    }

    /// Writes the configuration and loads it as `run` does, except that the environment has no say in it: variables
    /// that are meant for a daemon must not redirect a demo.
    ///
    /// # Errors
    /// When it cannot be written, or is not a good one.
    pub(super) fn configure(&self, listeners: &Listeners, chains: &[ChainEntry]) -> anyhow::Result<Config> {
        let dir = self.config();
        let http = listeners.http;
        let process = format!("{HEAD}data_dir = {}\n\n[http]\nlisten = \"{http}\"\n", text(&self.data())?);
        write(&dir.join("blockcast.toml"), &process)?;
        write(&dir.join("pool.password"), &format!("{}\n", LOGIN.1))?;
        for (chain, door) in chains.iter().zip(&listeners.front_doors) {
            let file = dir.join("chains").join(format!("{}.toml", chain.name));
            write(&file, &self.chain(chain, *door)?)?;
        }
        Ok(config::load(&dir, [], KNOWN_CHAINS)?)
    }

    /// A chain's file. The passwords that it names are written beside it.
    fn chain(&self, chain: &ChainEntry, front_door: SocketAddr) -> anyhow::Result<String> {
        let ChainEntry { name, nodes, fixed, found } = chain;
        let mut file = format!("{HEAD}chain = {name:?}\nnetwork = \"regtest\"\n");
        for node in nodes {
            let login = match &node.login {
                Login::Cookie(file) => format!("cookie_file = {}", text(file)?),
                Login::Password { user, password } => {
                    let file = format!("{}.password", node.name);
                    write(&self.config().join(&file), &format!("{password}\n"))?;
                    format!("user = {user:?}, password_file = {file:?}")
                }
            };
            let NodeEntry { name, role, url, p2p, .. } = node;
            file += &format!(
                "\n[[node]]\nname = {name:?}\nrole = {role:?}\nrpc = {{ url = {url:?}, {login} }}\np2p = \"{p2p}\"\n"
            );
        }
        let discovery = if *found > 0 { "\"chain\"" } else { "" };
        // Nobody is to be spared here: all are dialled at once.
        let all = fixed.len() + found;
        file += &format!(
            "\n[peers]\nmax = {all}\nmin = {all}\nobservers = 1\ndials_at_once = {all}\ndials_per_cycle = 100\n\
             discovery = [{discovery}]\nfixed = [\n"
        );
        for PeerEntry { name, address, observes } in fixed {
            // The least important of the connected peers observes.
            let priority = if *observes { "normal" } else { "high" };
            file += &format!(
                "    {{ address = \"{address}\", priority = \"{priority}\", description = {name:?} }},\n"
            );
        }
        file += &format!(
            "]\n\n[front_door]\nlisten = \"{front_door}\"\nuser = {:?}\npassword_file = \"pool.password\"\n",
            LOGIN.0
        );
        Ok(file)
    }

    /// Deletes the directory with all that is in it.
    ///
    /// # Errors
    /// When something of it stays.
    pub(super) fn remove(self) -> anyhow::Result<()> {
        let place = self.0.path().to_owned();
        self.0.close().with_context(|| format!("cannot delete {}", place.display()))
    }

    /// The same in a hurry, while others may still write there.
    pub(super) fn abandon(&self) -> io::Result<()> {
        fs::remove_dir_all(self.0.path())
    }
}

impl Listeners {
    /// Ports of loopback that are free at this moment, for status the usual one if it is.
    ///
    /// # Errors
    /// When there are not enough.
    pub(super) fn choose(chains: usize) -> anyhow::Result<Self> {
        Self::choose_with(STATUS_PORT, chains)
    }

    fn choose_with(preferred: u16, chains: usize) -> anyhow::Result<Self> {
        let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        // All are held until all are known, or two could be the same.
        let http = bind(preferred).or_else(|_| bind(0));
        let http = http.context("cannot open a port on 127.0.0.1 for status")?;
        let doors: io::Result<Vec<_>> = (0..chains).map(|_| bind(0)).collect();
        let doors = doors.context("cannot open a port on 127.0.0.1 for a front door")?;
        let front_doors = doors.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
        Ok(Self { http: http.local_addr()?, front_doors })
    }
}

/// A path as a TOML string. JSON's strings are TOML's, too.
fn text(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str().with_context(|| format!("{} is not UTF-8; set TMPDIR", path.display()))?;
    Ok(serde_json::to_string(text)?)
}

/// Writes a file that only this user can read, as an operator should.
fn write(path: &Path, content: &str) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(content.as_bytes()));
    written.with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use config::{Auth, Discovery, Priority, Role};

    use super::*;

    fn address(port: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, port).into()
    }

    fn configure(home: &Home) -> Config {
        let node = |name: &str, role, port: u16, login| NodeEntry {
            name: name.into(),
            role,
            url: format!("http://127.0.0.1:{port}"),
            p2p: address(port + 1),
            login,
        };
        let nodes = [
            node("alpha", "primary", 20_001, Login::Cookie(home.cookie("alpha"))),
            node("beta", "backup", 20_011, Login::Password { user: "u".into(), password: "p w".into() }),
        ];
        let peers = [(20_100, false), (20_101, true)];
        let peers = peers.map(|(port, observes)| PeerEntry {
            name: format!("peer \"{port}\""),
            address: address(port),
            observes,
        });
        let gamma = node("gamma", "primary", 20_021, Login::Cookie(home.cookie("gamma")));
        let chains = [
            ChainEntry { name: "litecoin", nodes: nodes.into(), fixed: peers.clone().into(), found: 0 },
            ChainEntry { name: "dash", nodes: vec![gamma], fixed: vec![], found: 3 },
        ];
        let listeners =
            Listeners { http: address(20_900), front_doors: vec![address(20_901), address(20_902)] };
        home.configure(&listeners, &chains).unwrap()
    }

    #[test]
    fn the_configuration_is_a_good_one_without_warnings_and_says_who_observes() {
        let home = Home::create().unwrap();
        let config = configure(&home);
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
        assert_eq!((config.http.listen, &config.data_dir), (address(20_900), &home.data()));
        let chain = &config.chains["litecoin"];
        assert_eq!(chain.network, config::Network::Regtest);
        assert_eq!(chain.front_door.as_ref().unwrap().listen, address(20_901));
        let roles: Vec<_> = chain.nodes.iter().map(|node| (node.name.as_str(), node.role)).collect();
        assert_eq!(roles, [("alpha", Role::Primary), ("beta", Role::Backup)]);
        assert!(matches!(&chain.nodes[0].rpc.auth, Auth::CookieFile(file) if *file == home.cookie("alpha")));
        assert!(matches!(&chain.nodes[1].rpc.auth, Auth::Password { user, .. } if user == "u"));
        let fixed = &chain.peers.fixed;
        assert_eq!([fixed[0].priority, fixed[1].priority], [Priority::High, Priority::Normal]);
        assert_eq!((chain.peers.max, chain.peers.observers), (2, 1));
        assert_eq!(chain.peers.discovery, []);
    }

    #[test]
    fn every_chain_has_a_file_and_a_door_of_its_own_and_says_who_is_to_be_found() {
        let home = Home::create().unwrap();
        let config = configure(&home);
        assert_eq!(config.chains.keys().collect::<Vec<_>>(), ["dash", "litecoin"]);
        let dash = &config.chains["dash"];
        assert_eq!(dash.chain, "dash");
        assert_eq!(dash.front_door.as_ref().unwrap().listen, address(20_902));
        assert_eq!((dash.peers.max, &dash.peers.discovery), (3, &vec![Discovery::Chain]));
    }

    #[test]
    fn nobody_else_can_look_into_it_and_nothing_of_it_stays() {
        let home = Home::create().unwrap();
        configure(&home);
        let place = home.0.path().to_owned();
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o700);
        home.remove().unwrap();
        assert!(!place.exists());
    }

    #[test]
    fn a_port_that_is_taken_is_passed_over_and_no_two_are_the_same() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let Listeners { http, front_doors } = Listeners::choose_with(port, 2).unwrap();
        assert_eq!(HashSet::from([port, http.port(), front_doors[0].port(), front_doors[1].port()]).len(), 4);
    }

    #[test]
    fn a_port_that_is_free_is_taken() {
        // Another program may snatch a port that has just become free, but not ten times in a row.
        let taken = (0..10).any(|_| {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            Listeners::choose_with(port, 1).unwrap().http.port() == port
        });
        assert!(taken);
    }
}
