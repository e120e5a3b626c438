//! What the repository offers as an example must work, commented lines included.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use config::{Auth, Config, Discovery, LogFormat, LogLevel, Network, Priority, Role, load};

use super::Setup;

/// The chains of which there is an example, and what differs between these.
const CHAINS: [Example; 2] = [
    Example { name: "litecoin", rpc: 9332, p2p: 9333, front_door: 19332, password: "front-door.password" },
    Example { name: "dash", rpc: 9998, p2p: 9999, front_door: 19998, password: "dash-front-door.password" },
];

struct Example {
    name: &'static str,
    rpc: u16,
    p2p: u16,
    front_door: u16,
    /// The front door's.
    password: &'static str,
}

impl Example {
    fn file(&self) -> String {
        format!("chains/{}.toml", self.name)
    }

    /// What the example comes down to without the defaults that it spells out.
    fn bare(&self) -> String {
        let Self { name, rpc, p2p, .. } = self;
        format!(
            "chain = \"{name}\"\n[[node]]\nname = \"a\"\np2p = \"127.0.0.1:{p2p}\"\n\
             rpc = {{ url = \"http://127.0.0.1:{rpc}\", cookie_file = \"/var/lib/{name}d/.cookie\" }}\n"
        )
    }

    /// The name of the file that holds the password of its node.
    fn node_password(&self) -> String {
        format!("{}-node-a.password", self.name)
    }
}

fn examples() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config"))
}

fn load_all(directory: &Path) -> Config {
    let known = CHAINS.map(|chain| chain.name);
    load(directory, [], &known).unwrap_or_else(|problems| panic!("{problems}"))
}

fn read(file: &str) -> String {
    std::fs::read_to_string(examples().join(file)).unwrap()
}

/// The file with all settings in force that it shows as comments.
fn uncommented(file: &str) -> String {
    // "#key" and "#[table]" are settings, "# text" is text.
    let lines = read(file);
    let lines = lines.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_examples_load_as_they_stand() {
    let config = load_all(&examples());
    assert_eq!(config.warnings, []);
    assert_eq!(config.data_dir, PathBuf::from("data"));
    assert_eq!(config.http.listen, SocketAddr::from(([127, 0, 0, 1], 7904)));
    assert!(config.http.token.is_none());
    assert_eq!((config.log.level, config.log.format), (LogLevel::Info, LogFormat::Text));

    for example in &CHAINS {
        let chain = &config.chains[example.name];
        let names = (chain.name.as_str(), chain.chain.as_str(), chain.network);
        assert_eq!(names, (example.name, example.name, Network::Mainnet));
        let node = chain.primary().unwrap();
        assert_eq!((node.name.as_str(), node.role), ("a", Role::Primary));
        assert_eq!(node.rpc.url.to_string(), format!("http://127.0.0.1:{}", example.rpc));
        assert_eq!(node.p2p.as_ref().unwrap().to_string(), format!("127.0.0.1:{}", example.p2p));
        assert!(matches!(&node.rpc.auth, Auth::CookieFile(path) if path.ends_with(".cookie")));
        assert!(chain.front_door.is_none());
    }
    assert_eq!(config.enabled_chains().count(), CHAINS.len());
}

#[test]
fn the_values_that_the_examples_spell_out_are_the_defaults() {
    let bare = |setup: Setup, example: &Example| setup.with(&example.file(), example.bare());
    let setup = CHAINS.iter().fold(Setup::empty().with("blockcast.toml", ""), bare);
    let json = |config| serde_json::to_value::<Config>(config).unwrap();
    assert_eq!(json(load_all(&examples())), json(load_all(setup.path())));
}

#[test]
fn the_commented_lines_of_the_examples_work_once_they_are_uncommented() {
    let mut setup = Setup::empty().with("blockcast.toml", uncommented("blockcast.toml"));
    setup = setup.with("token", "t\n").with("relative.toml", "");
    for example in &CHAINS {
        let chain = uncommented(&example.file()).replace("\ncookie_file", "\n#cookie_file");
        setup = setup
            .with(&example.file(), chain)
            .with(&example.node_password(), "n\n")
            .with(example.password, "f\n");
    }
    let config = load_all(setup.path());
    assert_eq!(config.http.token.unwrap().path(), setup.path().join("token"));
    for example in &CHAINS {
        let chain = &config.chains[example.name];
        assert!(matches!(&chain.nodes[0].rpc.auth, Auth::Password { user, .. } if user == "blockcast"));
        assert_eq!(chain.peers.fixed[0].priority, Priority::High);
        assert_eq!(chain.peers.fixed[0].address.to_string(), format!("pool.example:{}", example.p2p));
        let door = chain.front_door.as_ref().unwrap();
        assert_eq!((door.listen.port(), door.user.as_str()), (example.front_door, "pool"));
        assert_eq!(door.deny, ["stop", "dumpprivkey", "dumpwallet"]);
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = Setup::good().load().unwrap();
    let peers = &config.chains["litecoin"].peers;
    assert_eq!((peers.enabled, peers.max, peers.min, peers.observers), (true, 20, 5, 1));
    assert_eq!((peers.fixed.len(), &peers.discovery[..]), (0, &[Discovery::Node, Discovery::Chain][..]));
    let small = Setup::good().with_chain("[peers]\nmax = 3\n").load().unwrap();
    assert_eq!(small.chains["litecoin"].peers.min, 3, "a small `max` alone is no conflict with `min`");
}

#[test]
fn paths_are_relative_to_the_configuration_and_data_dir_to_the_process() {
    let setup = Setup::good()
        .with("blockcast.toml", "data_dir = \"state\"")
        .with_chain("[[node]]\nname = \"b\"\nrole = \"backup\"\nrpc = { url = \"http://b:1\", cookie_file = \"b/.cookie\" }");
    let config = setup.load().unwrap();
    assert_eq!(config.data_dir, PathBuf::from("state"));
    let Auth::CookieFile(path) = &config.chains["litecoin"].nodes[1].rpc.auth else {
        panic!("a cookie file")
    };
    assert_eq!(*path, setup.path().join("b/.cookie"));
}
