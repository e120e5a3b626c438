//! `[peers]`: where peers come from, through what they are reached, and how alike they may be.

use config::{Discovery, Problem};

use super::{Setup, assert_chain};

const PROXY: &str = "[peers]\nproxy = \"socks5://127.0.0.1:9050\"\n";

/// The one proxy of a setup that loads.
fn proxy(setup: &Setup) -> config::Proxy {
    setup.load().unwrap().chains["litecoin"].peers.proxy.clone().expect("a proxy")
}

#[test]
fn a_proxy_has_an_address_and_perhaps_a_login_from_a_file() {
    let plain = proxy(&Setup::good().with_chain(PROXY));
    assert_eq!((plain.address.to_string().as_str(), plain.login.is_none()), ("127.0.0.1:9050", true));
    let text = "[peers]\nproxy = \"socks5://u@tor:1\"\nproxy_password_file = \"pw\"\n";
    let login = proxy(&Setup::good().with_chain(text).with("pw", "canary-7f3a\n"));
    assert_eq!(login.login.as_ref().expect("a login").user, "u");
    let shown = format!("{login:?} {}", serde_json::to_string(&login).unwrap());
    assert!(shown.contains("pw") && !shown.contains("canary"), "{shown}");
}

#[test]
fn half_a_login_is_refused_whichever_half_it_is() {
    assert_chain(
        "[peers]\nproxy = \"socks5://u@tor:1\"\n",
        &[
            "chains/litecoin.toml:6:1: peers.proxy_password_file: missing; add a file that holds the password of the user in \
           `proxy`",
        ],
    );
    for (peers, expected) in [
        (
            "proxy = \"socks5://tor:1\"\nproxy_password_file = \"pw\"",
            "chains/litecoin.toml:8:23: peers.proxy_password_file = \"pw\": a password, and `proxy` names no user; write \
             proxy = \"socks5://user@host:port\", or remove the password",
        ),
        (
            "proxy_password_file = \"pw\"",
            "chains/litecoin.toml:7:23: peers.proxy_password_file = \"pw\": a password for a proxy, and there is no \
             `proxy`; add proxy = \"socks5://user@host:port\", or remove the password",
        ),
    ] {
        let setup = Setup::good().with_chain(&format!("[peers]\n{peers}\n")).with("pw", "p\n");
        assert_eq!(setup.problems(), [expected], "{peers}");
    }
    let text = "[peers]\nproxy = \"socks5://u@tor:1\"\nproxy_password_file = \"pw\"\n";
    let long = Setup::good().with_chain(text).with("pw", "p".repeat(256)).problems();
    assert!(long.len() == 1 && long[0].contains("holds more than 255 bytes"), "{long:?}");
    let gone = Setup::good().with_chain(text).problems();
    assert!(gone.len() == 1 && gone[0].contains("there is no file"), "{gone:?}");
}

#[test]
fn a_password_in_the_url_is_refused_and_not_shown() {
    assert_chain(
        "[peers]\nproxy = \"socks5://u:canary@tor:1\"\n",
        &[
            "chains/litecoin.toml:7:9: peers.proxy = \"socks5://…@tor:1\": a password in the URL would end up in logs; \
           write socks5://user@host:port and put the password into a file, as `proxy_password_file`; change it if this \
           file was shared",
        ],
    );
}

#[test]
fn a_tor_or_i2p_peer_needs_a_proxy_and_a_node_of_ours_cannot_be_one() {
    for host in ["expyuzz4wqqyqhjn.onion", "ukeu3k5o.b32.i2p"] {
        let fixed = format!("fixed = [{{ address = \"{host}:9333\" }}]\n");
        let expected = format!(
            "chains/litecoin.toml:7:22: peers.fixed[0].address = \"{host}:9333\": a Tor or I2P address is reached only \
             through a proxy, and there is none; set `peers.proxy`, such as proxy = \"socks5://127.0.0.1:9050\", or \
             remove the entry"
        );
        assert_chain(&format!("[peers]\n{fixed}"), &[&expected]);
        let setup = Setup::good().with_chain(&format!("{PROXY}{fixed}"));
        let peers = setup.load().unwrap().chains["litecoin"].peers.clone();
        assert!(peers.fixed[0].address.needs_proxy());
    }
    let node = "[[node]]\nname = \"b\"\nrole = \"backup\"\nrpc = { url = \"http://b:1\", cookie_file = \"c\" }\n\
                p2p = \"abc.onion:1\"\n";
    for peers in ["", PROXY] {
        let problems = Setup::good().with_chain(&format!("{node}{peers}")).problems();
        assert!(problems.len() == 1 && problems[0].contains("here none is used"), "{problems:?}");
    }
}

#[test]
fn with_a_proxy_no_seed_is_asked_and_whoever_wants_it_is_told() {
    let load = |text: &str| {
        let config = Setup::good().with_chain(text).load().unwrap();
        (config.chains["litecoin"].peers.discovery.clone(), config.warnings)
    };
    let (sources, warnings) = load(PROXY);
    assert_eq!(sources, [Discovery::Node, Discovery::Chain, Discovery::Gossip, Discovery::Seeds]);
    assert_eq!(warnings, [], "nobody asked for it");
    let (sources, warnings) = load(&format!("{PROXY}discovery = [\"dns\", \"gossip\", \"gossip\"]\n"));
    assert_eq!(sources, [Discovery::Gossip]);
    let [Problem { key: Some(key), message, .. }] = &warnings[..] else { panic!("{warnings:?}") };
    assert_eq!(key, "peers.discovery[0]");
    assert!(message.contains("no name is looked up"), "{message}");
    let (sources, warnings) = load("[peers]\ndiscovery = [\"dns\", \"seeds\"]\n");
    assert_eq!((sources, warnings), (vec![Discovery::Dns, Discovery::Seeds], Vec::new()));
}

#[test]
fn an_unknown_source_is_refused_with_those_that_there_are() {
    assert_chain(
        "[peers]\ndiscovery = [\"node\", \"gosip\"]\n",
        &[
            "chains/litecoin.toml:7:22: peers.discovery[1] = \"gosip\": not one of: node, chain, gossip, dns, seeds; did \
           you mean \"gossip\"?",
        ],
    );
}

#[test]
fn numbers_stay_within_their_ranges() {
    for (key, low, high) in [
        ("dials_at_once", 1, 50),
        ("dials_per_cycle", 1, 100),
        ("connect_timeout", 1, 120),
        ("per_group", 1, 1000),
    ] {
        for good in [low, high] {
            Setup::good().with_chain(&format!("[peers]\n{key} = {good}\n")).load().unwrap();
        }
        for bad in [low - 1, high + 1] {
            let column = key.len() + 4;
            let expected = format!(
                "chains/litecoin.toml:7:{column}: peers.{key} = {bad}: not a number from {low} to {high}; choose a number \
                 from that range"
            );
            assert_chain(&format!("[peers]\n{key} = {bad}\n"), &[&expected]);
        }
    }
}

#[test]
fn a_quota_that_could_not_be_kept_is_refused() {
    assert_chain(
        "[peers]\nper_country = 5\nper_asn = 3\n",
        &[
            "chains/litecoin.toml:7:15: peers.per_country = 5: without `country_file` nobody knows, so this would limit \
             nothing; add `country_file`, or remove `per_country`",
            "chains/litecoin.toml:8:11: peers.per_asn = 3: without `asn_file` nobody knows, so this would limit nothing; \
             add `asn_file`, or remove `per_asn`",
        ],
    );
    Setup::good().with_chain("[peers]\nper_country = 0\nper_asn = 0\n").load().unwrap();
}

#[test]
fn a_database_that_is_not_there_is_named_with_the_remedy() {
    let gone = Setup::good().with_chain("[peers]\nasn_file = \"asn.mmdb\"\n").problems();
    let [gone] = &gone[..] else { panic!("{gone:?}") };
    assert!(gone.starts_with("chains/litecoin.toml:7:12: peers.asn_file = \"asn.mmdb\": "), "{gone}");
    assert!(gone.contains("cannot be read") && gone.contains(".mmdb"), "{gone}");
    let directory = Setup::good().with_chain("[peers]\ncountry_file = \".\"\n").problems();
    assert!(directory.len() == 1 && directory[0].contains("is not a file"), "{directory:?}");
    let there = Setup::good().with_chain("[peers]\nasn_file = \"a\"\nper_asn = 9\n").with("a", "");
    let diversity = there.load().unwrap().chains["litecoin"].peers.diversity.clone();
    assert_eq!((diversity.asn_file, diversity.per_asn), (Some(there.path().join("a")), 9));
}
