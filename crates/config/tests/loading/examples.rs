//! What the repository offers as an example must work, commented lines included.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use config::{Auth, Config, Discovery, Diversity, LogFormat, LogLevel, Network, Priority, Role, load};

use super::Setup;

/// The chains of which there is an example, and what differs between these.
const CHAINS: [Example; 3] = [
    Example {
        name: "litecoin",
        nodes: &[Node { host: "127.0.0.1", rpc: 9332, p2p: 9333, cookie: "/var/lib/litecoind/.cookie" }],
        front_door: 19332,
        password: "front-door.password",
    },
    Example {
        name: "dash",
        nodes: &[Node { host: "127.0.0.1", rpc: 9998, p2p: 9999, cookie: "/var/lib/dashd/.cookie" }],
        front_door: 19998,
        password: "dash-front-door.password",
    },
    Example {
        name: "dogecoin",
        nodes: &[
            Node { host: "127.0.0.1", rpc: 22555, p2p: 22556, cookie: "/var/lib/dogecoind/.cookie" },
            Node { host: "127.0.0.1", rpc: 22655, p2p: 22656, cookie: "/var/lib/dogecoind-b/.cookie" },
            Node {
                host: "10.0.0.3",
                rpc: 22555,
                p2p: 22556,
                cookie: "/etc/blockcast/dogecoin-node-c.cookie",
            },
        ],
        front_door: 32555,
        password: "dogecoin-front-door.password",
    },
];

struct Example {
    name: &'static str,
    /// Named a, b, c; the first is the primary, the others are backups.
    nodes: &'static [Node],
    front_door: u16,
    /// The front door's.
    password: &'static str,
}

struct Node {
    host: &'static str,
    rpc: u16,
    p2p: u16,
    cookie: &'static str,
}

impl Example {
    fn file(&self) -> String {
        format!("chains/{}.toml", self.name)
    }

    fn named_nodes(&self) -> impl Iterator<Item = (&'static str, &'static Node)> {
        ["a", "b", "c"].into_iter().zip(self.nodes)
    }

    /// What the example comes down to without the defaults that it spells out.
    fn bare(&self) -> String {
        let mut text = format!("chain = \"{}\"\n", self.name);
        for (name, Node { host, rpc, p2p, cookie }) in self.named_nodes() {
            let role = if name == "a" { "" } else { "role = \"backup\"\n" };
            text += &format!(
                "[[node]]\nname = \"{name}\"\n{role}p2p = \"{host}:{p2p}\"\n\
                 rpc = {{ url = \"http://{host}:{rpc}\", cookie_file = \"{cookie}\" }}\n"
            );
        }
        text
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
        assert_eq!(chain.nodes.len(), example.nodes.len());
        for (node, (name, Node { host, rpc, p2p, cookie })) in chain.nodes.iter().zip(example.named_nodes()) {
            let role = if name == "a" { Role::Primary } else { Role::Backup };
            assert_eq!((node.name.as_str(), node.role), (name, role));
            assert_eq!(node.rpc.url.to_string(), format!("http://{host}:{rpc}"));
            assert_eq!(node.p2p.as_ref().unwrap().to_string(), format!("{host}:{p2p}"));
            assert!(matches!(&node.rpc.auth, Auth::CookieFile(path) if path == Path::new(cookie)));
        }
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
    setup = setup.with("token", "t\n").with("relative.toml", "").with("proxy.password", "p\n");
    setup = setup.with("GeoLite2-ASN.mmdb", "").with("GeoLite2-Country.mmdb", "");
    for example in &CHAINS {
        let chain = uncommented(&example.file()).replace("\ncookie_file", "\n#cookie_file");
        setup = setup.with(&example.file(), chain).with(example.password, "f\n");
        for (name, _) in example.named_nodes() {
            setup = setup.with(&format!("{}-node-{name}.password", example.name), "n\n");
        }
    }
    // Were two of the front doors on one port, this would not load.
    let config = load_all(setup.path());
    assert_eq!(config.http.token.unwrap().path(), setup.path().join("token"));
    for example in &CHAINS {
        let chain = &config.chains[example.name];
        for node in &chain.nodes {
            assert!(matches!(&node.rpc.auth, Auth::Password { user, .. } if user == "blockcast"));
        }
        assert_eq!(chain.peers.fixed[0].priority, Priority::High);
        let proxy = chain.peers.proxy.as_ref().unwrap();
        assert_eq!(proxy.address.to_string(), "127.0.0.1:9050");
        assert_eq!(proxy.login.as_ref().unwrap().user, "blockcast");
        assert_eq!(chain.peers.diversity.asn_file, Some(setup.path().join("GeoLite2-ASN.mmdb")));
        assert_eq!(chain.peers.diversity.per_country, 5);
        assert_eq!(
            chain.peers.fixed[0].address.to_string(),
            format!("pool.example:{}", example.nodes[0].p2p)
        );
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
    let sources = [Discovery::Node, Discovery::Chain, Discovery::Gossip, Discovery::Dns, Discovery::Seeds];
    assert_eq!((peers.fixed.len(), &peers.discovery[..]), (0, &sources[..]));
    assert!(peers.proxy.is_none() && peers.pass_on_tips);
    let dials = (peers.dials_at_once, peers.dials_per_cycle, peers.connect_timeout.as_secs());
    assert_eq!(dials, (3, 5, 10));
    let none = Diversity { per_group: 1, asn_file: None, per_asn: 2, country_file: None, per_country: 0 };
    assert_eq!(peers.diversity, none);
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
