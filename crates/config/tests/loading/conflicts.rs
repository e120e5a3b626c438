//! Settings that are each well written and do not fit together, or are not enough; what is said about them is
//! compared in full, as in `broken`.

use super::{LITECOIN, Setup, assert_chain, assert_changed, assert_process};

const NODE_B: &str = "rpc = { url = \"http://127.0.0.1:19332\", cookie_file = \"b/.cookie\" }\n";

#[test]
fn nodes_have_different_names_and_one_primary() {
    assert_chain(
        &format!("[[node]]\nname = \"a\"\nrole = \"backup\"\n{NODE_B}"),
        &[
            "chains/litecoin.toml:7:8: node[1].name = \"a\": node[0] has this name already; give every node of the chain \
         its own name",
        ],
    );
    assert_chain(
        &format!("[[node]]\nname = \"b\"\nrole = \"primary\"\n{NODE_B}"),
        &[
            "chains/litecoin.toml:8:8: node[1].role = \"primary\": node \"a\" is primary already (a node without `role` \
         is primary); set role = \"backup\" on all nodes but one",
        ],
    );
    assert_chain(
        &format!("[[node]]\nname = \"b\"\n{NODE_B}"),
        &[
            "chains/litecoin.toml:6:1: node[1].role: node \"a\" is primary already (a node without `role` is primary); \
         set role = \"backup\" on all nodes but one",
        ],
    );
    assert_changed(
        "name = \"a\"",
        "name = \"a\"\nrole = \"backup\"",
        &[
            "chains/litecoin.toml:2:1: node[0]: no node is primary, so no node would answer the calls that the front \
         door passes on; set role = \"primary\" on one node",
        ],
    );
    assert_changed(
        "name = \"a\"",
        "name = \"a b\"",
        &[
            "chains/litecoin.toml:3:8: node[0].name = \"a b\": a node's name is 1 to 32 of: letters, digits, - _ .; give \
         the node a short name, such as name = \"a\"",
        ],
    );
}

#[test]
fn a_node_needs_a_name_an_rpc_url_and_exactly_one_way_to_log_in() {
    assert_changed(
        &LITECOIN[LITECOIN.find("name").unwrap()..],
        "",
        &[
            "chains/litecoin.toml:2:1: node[0].name: missing; give the node a short name, such as name = \"a\"",
            "chains/litecoin.toml:2:1: node[0].rpc: missing; add rpc = { url = \"http://127.0.0.1:PORT\", cookie_file = \
         \"…/.cookie\" }",
        ],
    );
    let rpc = "url = \"http://127.0.0.1:9332\", cookie_file = \"/var/lib/litecoind/.cookie\"";
    assert_changed(
        rpc,
        "",
        &[
            "chains/litecoin.toml:4:7: node[0].rpc.url: missing; add url = \"http://127.0.0.1:PORT\" with the node's RPC \
         port",
            "chains/litecoin.toml:4:7: node[0].rpc: no way to log in to the node; add cookie_file = \"…/.cookie\" (the \
         node writes it), or user = \"…\" and password_file = \"…\"",
        ],
    );
    assert_changed(
        rpc,
        &format!("{rpc}, user = \"u\""),
        &[
            "chains/litecoin.toml:4:7: node[0].rpc: two ways to log in: cookie_file, and user or password_file; keep \
         either cookie_file, or user and password_file",
        ],
    );
    assert_changed(
        "cookie_file = \"/var/lib/litecoind/.cookie\"",
        "user = \"u\"",
        &[
            "chains/litecoin.toml:4:7: node[0].rpc.password_file: missing; add a file that holds the password, or use \
         cookie_file",
        ],
    );
    assert_changed(
        "cookie_file = \"/var/lib/litecoind/.cookie\"",
        "password_file = \"p\"",
        &[
            "chains/litecoin.toml:4:7: node[0].rpc.user: missing; add the user that the password belongs to, or use \
         cookie_file",
        ],
    );
    assert_changed(
        "/var/lib/litecoind/.cookie",
        ".",
        &[
            "chains/litecoin.toml:4:54: node[0].rpc.cookie_file = \".\": this is a directory, and the cookie is a file in \
         it; append the file's name, usually /.cookie",
        ],
    );
}

#[test]
fn a_chain_without_a_delivery_path_is_refused() {
    let missing = "no way to deliver a block: no [[node]], and no fixed peers in use; add a [[node]] with `name` and \
                   `rpc` (or `peers.fixed` addresses, with `peers.enabled = true`)";
    for chain in [
        "",
        "node = []\n",
        "[peers]\ndiscovery = [\"node\"]\n",
        "[peers]\nenabled = false\nfixed = [{ address = \"a:1\" }]\n",
    ] {
        let setup = Setup::good().with("chains/litecoin.toml", format!("chain = \"litecoin\"\n{chain}"));
        assert_eq!(setup.problems(), [format!("chains/litecoin.toml: {missing}")], "{chain}");
    }
    let fixed = "chain = \"litecoin\"\n[peers]\nfixed = [{ address = \"a:1\" }]\n";
    let config = Setup::good().with("chains/litecoin.toml", fixed).load().unwrap();
    assert_eq!(config.warnings.len(), 1, "a chain without verdicts is worth a warning");
}

#[test]
fn numbers_of_peers_must_fit_together() {
    assert_chain(
        "[peers]\nmax = 4\nmin = 5\n",
        &["chains/litecoin.toml:8:7: peers.min = 5: more than max = 4; lower `min` or raise `max`"],
    );
    assert_chain(
        "[peers]\nmax = 3\nobservers = 3\n",
        &[
            "chains/litecoin.toml:8:13: peers.observers = 3: with observers = 3 and max = 3, no peer would be left to \
         push a block to; raise `max`, or lower `observers` (0: no proof by announcement)",
        ],
    );
    assert_chain(
        "[peers]\nmax = 1\n",
        &[
            "chains/litecoin.toml:6:1: peers.observers: with observers = 1 and max = 1, no peer would be left to push a \
         block to; raise `max`, or lower `observers` (0: no proof by announcement)",
        ],
    );
    assert_chain(
        "[peers]\nmax = 0\nmin = -1\nobservers = 170141183460469231731687303715884105728\n",
        &[
            "chains/litecoin.toml:7:7: peers.max = 0: not a number from 1 to 1000; choose a number from that range",
            "chains/litecoin.toml:8:7: peers.min = -1: not a number from 0 to 1000; choose a number from that range",
            "chains/litecoin.toml:9:13: peers.observers = 170141183460469231731687303715884105728: expected a whole \
         number, found a number of absurd length; write digits only, without quotes",
        ],
    );
    assert_chain(
        "[peers]\nmax = 1\nobservers = 0\nfixed = [{ address = \"a:1\" }, { address = \"b:1\" }]\n",
        &[
            "chains/litecoin.toml:9:43: peers.fixed[1].address = \"b:1\": more fixed peers than max = 1, which counts \
         them; raise `max`, or remove fixed peers",
        ],
    );
}

#[test]
fn a_fixed_peer_is_named_once_and_is_no_node_of_ours() {
    assert_chain(
        "[[peers.fixed]]\naddress = \"A.example:1\"\n[[peers.fixed]]\naddress = \"a.example:1\"\n\
         [[peers.fixed]]\naddress = \"[::ffff:127.0.0.1]:9333\"\npriority = \"urgent\"\n[[peers.fixed]]\n",
        &[
            "chains/litecoin.toml:9:11: peers.fixed[1].address = \"a.example:1\": the same address as \
             peers.fixed[0].address; remove one of the two",
            "chains/litecoin.toml:11:11: peers.fixed[2].address = \"[::ffff:127.0.0.1]:9333\": this is the `p2p` \
             address of node \"a\", which is always connected; remove it from `fixed`",
            "chains/litecoin.toml:12:12: peers.fixed[2].priority = \"urgent\": not one of: normal, high, critical; \
             write one of them, such as \"normal\"",
            "chains/litecoin.toml:13:1: peers.fixed[3].address: missing; add address = \"host:port\"",
        ],
    );
}

#[test]
fn http_beyond_loopback_needs_a_token() {
    assert_process(
        "[http]\nlisten = \"0.0.0.0:7904\"",
        &[
            "blockcast.toml:2:10: http.listen = \"0.0.0.0:7904\": anybody who reaches this address could submit blocks: \
         no token is set; add `token_file` to [http], or listen on 127.0.0.1:7904",
        ],
    );
    let http = "[http]\nlisten = \"[::]:7904\"\ntoken_file = \"token\"";
    let config = Setup::good().with("blockcast.toml", http).with("token", "t").load().unwrap();
    assert!(config.warnings[0].message.contains("plain HTTP"), "{:?}", config.warnings);
    assert!(Setup::good().with("blockcast.toml", "[http]\nlisten = \"[::1]:7904\"").load().is_ok());
}

#[test]
fn a_front_door_is_complete_and_does_not_stand_in_the_way() {
    let door = |listen: &str, more: &str| {
        format!("[front_door]\nlisten = \"{listen}\"\nuser = \"pool\"\npassword_file = \"door\"\n{more}")
    };
    let problems = |text: &str| Setup::good().with("door", "x").with_chain(text).problems();
    assert_eq!(
        problems("[front_door]\n"),
        [
            "chains/litecoin.toml:6:1: front_door.listen: missing; add listen = \"127.0.0.1:PORT\", a port that no daemon \
         uses, such as 19332",
            "chains/litecoin.toml:6:1: front_door.user: missing; add the user name that the pool logs in with",
            "chains/litecoin.toml:6:1: front_door.password_file: missing; add a file that holds the password for the pool",
        ]
    );
    for address in ["127.0.0.1:9332", "0.0.0.0:9332"] {
        assert_eq!(
            problems(&door(address, "")),
            [format!(
                "chains/litecoin.toml:7:10: front_door.listen = \"{address}\": this is the RPC address of node \"a\": \
             calls would go round in a circle; choose another port here, and point the pool to it"
            )]
        );
    }
    assert_eq!(
        problems(&door("127.0.0.1:7904", "")),
        [
            "chains/litecoin.toml:7:10: front_door.listen = \"127.0.0.1:7904\": http.listen in blockcast.toml listens on \
         127.0.0.1:7904 already; give each listener its own port",
        ]
    );
    assert_eq!(
        problems(&door("127.0.0.1:1", "deny = [\"submitblock\", \"dump*\"]")),
        [
            "chains/litecoin.toml:10:9: front_door.deny[0] = \"submitblock\": without submitblock the front door has no \
         purpose; remove it from `deny`",
            "chains/litecoin.toml:10:24: front_door.deny[1] = \"dump*\": not the name of an RPC method; write the bare \
         name, such as \"stop\" (there are no wildcards)",
        ]
    );
    let config = Setup::good().with("door", "x").with_chain(&door("10.0.0.1:19332", "")).load().unwrap();
    assert!(config.warnings[0].message.contains("plain HTTP"), "{:?}", config.warnings);
}

#[test]
fn two_enabled_chains_do_not_share_a_port_but_a_disabled_one_may() {
    let door = "[front_door]\nlisten = \"127.0.0.1:19332\"\nuser = \"pool\"\npassword_file = \"door\"\n";
    let regtest = LITECOIN.replace("[[node]]", "network = \"regtest\"\nenabled = true\n[[node]]");
    let setup = Setup::good().with("door", "x").with_chain(door);
    let setup = setup.with("chains/regtest.toml", format!("{regtest}{door}"));
    assert_eq!(
        setup.problems(),
        ["chains/regtest.toml:9:10: front_door.listen = \"127.0.0.1:19332\": front_door.listen in \
         chains/litecoin.toml listens on 127.0.0.1:19332 already; give each listener its own port",]
    );
    let disabled = regtest.replace("enabled = true", "enabled = false");
    let config = setup.with("chains/regtest.toml", format!("{disabled}{door}")).load().unwrap();
    assert_eq!((config.chains.len(), config.enabled_chains().count()), (2, 1));
    assert_eq!(config.warnings, []);
}

#[test]
fn two_enabled_files_for_one_network_are_a_warning() {
    let config = Setup::good().with("chains/copy.toml", LITECOIN).load().unwrap();
    assert_eq!(config.warnings.len(), 1);
    assert!(
        config.warnings[0].message.contains("\"copy\" runs litecoin mainnet already"),
        "{:?}",
        config.warnings
    );
}
