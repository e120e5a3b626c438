//! What the repository offers as an example must work, commented lines included.

use std::net::SocketAddr;
use std::path::PathBuf;

use config::{Auth, Config, Discovery, LogFormat, LogLevel, Network, Priority, Role, load};

use super::Setup;

fn examples() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config"))
}

fn read(file: &str) -> String {
    std::fs::read_to_string(examples().join(file)).unwrap()
}

#[test]
fn the_examples_load_as_they_stand() {
    let config = load(&examples(), [], &["litecoin"]).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.warnings, []);
    assert_eq!(config.data_dir, PathBuf::from("data"));
    assert_eq!(config.http.listen, SocketAddr::from(([127, 0, 0, 1], 7904)));
    assert!(config.http.token.is_none());
    assert_eq!((config.log.level, config.log.format), (LogLevel::Info, LogFormat::Text));

    let chain = &config.chains["litecoin"];
    assert_eq!(
        (chain.name.as_str(), chain.chain.as_str(), chain.network),
        ("litecoin", "litecoin", Network::Mainnet)
    );
    let node = chain.primary().unwrap();
    assert_eq!((node.name.as_str(), node.role), ("a", Role::Primary));
    assert_eq!(node.rpc.url.to_string(), "http://127.0.0.1:9332");
    assert_eq!(node.p2p.as_ref().unwrap().to_string(), "127.0.0.1:9333");
    assert!(matches!(&node.rpc.auth, Auth::CookieFile(path) if path.ends_with(".cookie")));
    assert!(chain.front_door.is_none());
    assert_eq!(config.enabled_chains().count(), 1);
}

#[test]
fn the_values_that_the_examples_spell_out_are_the_defaults() {
    let shown = load(&examples(), [], &["litecoin"]).unwrap();
    let bare = Setup::good().load().unwrap();
    let json = |config| serde_json::to_value::<Config>(config).unwrap();
    assert_eq!(json(shown), json(bare));
}

#[test]
fn the_commented_lines_of_the_examples_work_once_they_are_uncommented() {
    // "#key" and "#[table]" are settings, "# text" is text.
    let uncommented = |file: &str| {
        let lines = read(file);
        let lines = lines.lines().map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => rest,
            _ => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    let chain = uncommented("chains/litecoin.toml").replace("\ncookie_file", "\n#cookie_file");
    let setup = Setup::empty()
        .with("blockcast.toml", uncommented("blockcast.toml"))
        .with("chains/litecoin.toml", chain)
        .with("token", "t\n")
        .with("litecoin-node-a.password", "n\n")
        .with("front-door.password", "f\n");
    let config = setup.load().unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.http.token.unwrap().path(), setup.path().join("token"));
    let chain = &config.chains["litecoin"];
    assert!(matches!(&chain.nodes[0].rpc.auth, Auth::Password { user, .. } if user == "blockcast"));
    assert_eq!(chain.peers.fixed[0].priority, Priority::High);
    assert_eq!(chain.peers.fixed[0].address.to_string(), "pool.example:9333");
    let door = chain.front_door.as_ref().unwrap();
    assert_eq!((door.listen.port(), door.user.as_str()), (19332, "pool"));
    assert_eq!(door.deny, ["stop", "dumpprivkey", "dumpwallet"]);
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
