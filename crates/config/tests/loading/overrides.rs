//! The environment over the files.

use super::{LITECOIN, Setup};

#[test]
fn any_scalar_key_can_be_overridden() {
    let config = Setup::good()
        .load_with(&[
            ("BLOCKCAST_DATA_DIR", "/srv/blockcast"),
            ("BLOCKCAST_HTTP__LISTEN", "127.0.0.1:8000"),
            ("BLOCKCAST_LOG__LEVEL", "debug"),
            ("BLOCKCAST_CHAINS__LITECOIN__NETWORK", "regtest"),
            ("BLOCKCAST_CHAINS__LITECOIN__PEERS__MAX", "40"),
            ("BLOCKCAST_CHAINS__LITECOIN__PEERS__ENABLED", "false"),
            ("BLOCKCAST_CHAINS__LITECOIN__NODE__a__RPC__URL", "http://10.0.0.5:19443"),
        ])
        .unwrap();
    assert_eq!(config.data_dir.to_str(), Some("/srv/blockcast"));
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:8000");
    assert_eq!(config.log.level.as_str(), "debug");
    let chain = &config.chains["litecoin"];
    assert_eq!((chain.network.as_str(), chain.peers.max, chain.peers.enabled), ("regtest", 40, false));
    assert_eq!(chain.nodes[0].rpc.url.to_string(), "http://10.0.0.5:19443");
}

#[test]
fn letters_may_have_any_case_and_other_signs_are_underscores() {
    let chain = LITECOIN.replace("name = \"a\"", "name = \"node-1.east__x\"");
    let setup = Setup::good().with("chains/ltc-main.toml", chain);
    std::fs::remove_file(setup.path().join("chains/litecoin.toml")).unwrap();
    let variable = "BLOCKCAST_chains__Ltc_Main__node__NODE_1_east__x__p2p";
    let config = setup.load_with(&[(variable, "10.0.0.5:1")]).unwrap();
    assert_eq!(config.chains["ltc-main"].nodes[0].p2p.as_ref().unwrap().to_string(), "10.0.0.5:1");
}

#[test]
fn an_override_mends_a_bad_value_and_can_add_a_key_or_a_table() {
    let setup = Setup::good().with("blockcast.toml", "[log]\nlevel = 5\n").with("door", "x");
    let config = setup
        .load_with(&[
            ("BLOCKCAST_LOG__LEVEL", "warn"),
            ("BLOCKCAST_LOG__FORMAT", "json"),
            ("BLOCKCAST_CHAINS__LITECOIN__FRONT_DOOR__LISTEN", "127.0.0.1:19332"),
            ("BLOCKCAST_CHAINS__LITECOIN__FRONT_DOOR__USER", "pool"),
            ("BLOCKCAST_CHAINS__LITECOIN__FRONT_DOOR__PASSWORD_FILE", "door"),
        ])
        .unwrap();
    assert_eq!((config.log.level.as_str(), config.log.format.as_str()), ("warn", "json"));
    assert_eq!(config.chains["litecoin"].front_door.as_ref().unwrap().user, "pool");
}

#[test]
fn other_programs_variables_are_none_of_our_business() {
    let env = [("PATH", "/bin"), ("BLOCKCASTER_X", "1"), ("MY_BLOCKCAST_X", "1"), ("blockcast_http", "1")];
    assert!(Setup::good().load_with(&env).is_ok());
}

#[test]
fn a_problem_with_an_override_names_the_variable_and_not_a_file() {
    for (variable, value, line) in [
        (
            "BLOCKCAST_CHAINS__LITECOIN__PEERS__MAX",
            "many",
            "peers.max = \"many\": expected a whole number, found a string; set the variable to a whole number",
        ),
        (
            "BLOCKCAST_CHAINS__LITECOIN__PEERS__MAX",
            "0",
            "peers.max = 0: not a number from 1 to 1000; choose a number from that range",
        ),
        (
            "BLOCKCAST_CHAINS__LITECOIN__ENABLED",
            "yes",
            "enabled = \"yes\": expected true or false, found a string; set the variable to true or false",
        ),
        (
            "BLOCKCAST_HTTP__LISTEN",
            "",
            "http.listen = \"\": not an address to listen on; write IP:port, such as 127.0.0.1:7904 or [::1]:7904",
        ),
        (
            "BLOCKCAST_CHAINS__LITECOIN__PEERS__PROXY",
            "http://127.0.0.1:8080",
            "peers.proxy = \"http://127.0.0.1:8080\": no other proxies than those of SOCKS5 are spoken to; write \
             socks5://host:port, such as socks5://127.0.0.1:9050",
        ),
        (
            "BLOCKCAST_CHAINS__LITECOIN__PEERS__UPLOAD_LIMIT",
            "1 MB/s",
            "peers.upload_limit = \"1 MB/s\": this version does not have this key yet; remove it; to use less bandwidth, \
             lower `peers.max` or shape the traffic outside",
        ),
    ] {
        let lines = Setup::good().problems_with(&[(variable, value)]);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0], format!("{variable}: {line}"));
    }
}

#[test]
fn a_login_that_a_variable_adds_to_a_cookie_file_is_a_conflict() {
    let lines = Setup::good().problems_with(&[("BLOCKCAST_CHAINS__LITECOIN__NODE__a__RPC__USER", "u")]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("two ways to log in"), "{lines:?}");
}

#[test]
fn an_unknown_variable_is_an_error_with_the_nearest_name() {
    for (variable, remedy) in [
        ("BLOCKCAST_HTTP__LISTN", "did you mean BLOCKCAST_HTTP__LISTEN?"),
        ("BLOCKCAST_HTTP_LISTEN", "did you mean BLOCKCAST_HTTP__LISTEN?"),
        ("BLOCKCAST_DATADIR", "did you mean BLOCKCAST_DATA_DIR?"),
        ("BLOCKCAST_CHAINS__LITECOIN__PEERS__MAXX", "did you mean BLOCKCAST_CHAINS__LITECOIN__PEERS__MAX?"),
        (
            "BLOCKCAST_CHAINS__LITECOIN__NODE__b__RPC__URL",
            "did you mean BLOCKCAST_CHAINS__LITECOIN__NODE__A__RPC__URL?",
        ),
        ("BLOCKCAST_CONFIG", "unset it; overrides look like BLOCKCAST_LOG__LEVEL"),
        ("BLOCKCAST_", "unset it; overrides look like BLOCKCAST_LOG__LEVEL"),
        (
            "BLOCKCAST_HTTP",
            "names a table, not a key; use one of: BLOCKCAST_HTTP__LISTEN, BLOCKCAST_HTTP__TOKEN_FILE",
        ),
        (
            "BLOCKCAST_CHAINS__LITECOIN__PEERS__DISCOVERY",
            "lists cannot be overridden; unset it, and edit the file",
        ),
    ] {
        let problems = Setup::good().load_with(&[(variable, "1")]).unwrap_err();
        assert_eq!(problems.0.len(), 1, "{problems}");
        assert_eq!(problems.kind(), "unknown_variable");
        let line = problems.0[0].to_string();
        assert!(line.starts_with(&format!("{variable}: ")) && line.contains(remedy), "{line}");
    }
}

#[test]
fn two_variables_for_one_key_are_a_conflict_and_not_a_race() {
    let lines =
        Setup::good().problems_with(&[("BLOCKCAST_LOG__LEVEL", "debug"), ("BLOCKCAST_log__level", "trace")]);
    assert_eq!(
        lines,
        ["BLOCKCAST_log__level: sets the same key as BLOCKCAST_LOG__LEVEL; unset one of the two"]
    );
}

#[test]
fn a_variable_that_could_mean_two_nodes_is_refused() {
    let more =
        "[[node]]\nname = \"A\"\nrole = \"backup\"\nrpc = { url = \"http://b:1\", cookie_file = \"c\" }\n";
    let lines = Setup::good()
        .with_chain(more)
        .problems_with(&[("BLOCKCAST_CHAINS__LITECOIN__NODE__a__P2P", "10.0.0.5:1")]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("could mean two keys"), "{lines:?}");
}

#[test]
fn variables_of_a_chain_whose_file_is_broken_are_not_called_unknown() {
    let lines = Setup::good()
        .with("chains/litecoin.toml", "chain = \n")
        .problems_with(&[("BLOCKCAST_CHAINS__LITECOIN__NODE__a__P2P", "10.0.0.5:1")]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("chains/litecoin.toml:1:"), "{lines:?}");
}
