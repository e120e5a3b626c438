//! No bytes in a configuration file make the loader panic, and a refusal always says something.

use proptest::prelude::*;

use super::{LITECOIN, Setup};

/// Values of every type, good and bad ones.
const VALUES: [&str; 13] = [
    "1",
    "-1",
    "99999999999999999999999999",
    "1.5",
    "true",
    "\"\"",
    "\"node\"",
    "\"socks5://u@a:1\"",
    "[]",
    "[1]",
    "{}",
    "[{}]",
    "1979-05-27",
];

const KEYS: [&str; 31] = [
    "chain",
    "network",
    "enabled",
    "node",
    "peers",
    "front_door",
    "name",
    "role",
    "rpc",
    "p2p",
    "url",
    "cookie_file",
    "max",
    "min",
    "observers",
    "fixed",
    "discovery",
    "proxy",
    "proxy_password_file",
    "dials_at_once",
    "dials_per_cycle",
    "connect_timeout",
    "per_group",
    "asn_file",
    "per_asn",
    "country_file",
    "per_country",
    "pass_on_tips",
    "listen",
    "address",
    "x",
];

fn setting() -> impl Strategy<Value = String> {
    const TABLES: [&str; 6] =
        ["[node]", "[[node]]", "[peers]", "[front_door]", "[[peers.fixed]]", "[node.rpc]"];
    prop_oneof![
        (prop::sample::select(&KEYS[..]), prop::sample::select(&VALUES[..]))
            .prop_map(|(k, v)| format!("{k} = {v}")),
        prop::sample::select(&TABLES[..]).prop_map(str::to_owned),
        prop::sample::select(LITECOIN.lines().collect::<Vec<_>>()).prop_map(str::to_owned),
    ]
}

/// A load that fails has a reason for each problem.
fn check(setup: &Setup) {
    if let Err(problems) = setup.load() {
        assert!(!problems.0.is_empty(), "refused without a reason");
        for problem in &problems {
            assert!(!problem.message.is_empty() && !problem.remedy.is_empty(), "{problem}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_loaded_or_refused_with_a_reason(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&Setup::good().with("chains/litecoin.toml", bytes));
    }

    #[test]
    fn any_mixture_of_settings_is_loaded_or_refused_with_a_reason(lines in prop::collection::vec(setting(), 0..12)) {
        check(&Setup::good().with("chains/litecoin.toml", lines.join("\n")));
    }
}

#[test]
fn a_good_file_cut_anywhere_is_loaded_or_refused_with_a_reason() {
    for end in 0..LITECOIN.len() {
        check(&Setup::good().with("chains/litecoin.toml", &LITECOIN[..end]));
    }
}
