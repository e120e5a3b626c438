//! Broken configurations and what is said about each: file, line, column, key, value, what is wrong, what to do.
//!
//! Every problem is compared in full, and as the whole list: a second complaint about the same mistake is noise.

use super::{LITECOIN, Setup, assert_chain, assert_changed, assert_process};

#[test]
fn an_unknown_key_comes_with_the_nearest_known_one() {
    assert_changed(
        "{ url",
        "{ url = \"http://127.0.0.1:9332\", ulr",
        &[
            "chains/litecoin.toml:4:40: node[0].rpc.ulr = \"http://127.0.0.1:9332\": unknown key; did you mean `url`?",
        ],
    );
    assert_process(
        "data-dir = \"x\"",
        &["blockcast.toml:1:1: data-dir = \"x\": unknown key; did you mean `data_dir`?"],
    );
    assert_process(
        "[logging]\nlevel = \"info\"",
        &["blockcast.toml:1:2: logging = { … }: unknown key; did you mean `log`?"],
    );
    assert_chain(
        "banana = 1\n",
        &["chains/litecoin.toml:6:1: node[0].banana = 1: unknown key; use one of: name, role, rpc, p2p"],
    );
    assert_chain(
        "\"a\\u001bb\" = 1\n",
        &[
            "chains/litecoin.toml:6:1: node[0].\"a\\u{1b}b\" = 1: unknown key; use one of: name, role, rpc, p2p",
        ],
    );
}

#[test]
fn a_misspelt_required_key_is_one_mistake_and_not_also_missing() {
    assert_changed(
        "{ url",
        "{ ulr",
        &[
            "chains/litecoin.toml:4:9: node[0].rpc.ulr = \"http://127.0.0.1:9332\": unknown key; did you mean `url`?",
        ],
    );
    assert_changed(
        "chain =",
        "chian =",
        &["chains/litecoin.toml:1:1: chian = \"litecoin\": unknown key; did you mean `chain`?"],
    );
}

#[test]
fn a_good_key_under_the_wrong_table_is_sent_home() {
    assert_chain(
        "enabled = true\n",
        &[
            "chains/litecoin.toml:6:1: node[0].enabled = true: unknown key; `enabled` belongs at the top of the file, \
         before the first [table]",
        ],
    );
    assert_chain(
        "[front_door]\nlisten = \"127.0.0.1:1\"\nuser = \"u\"\npassword_file = \"p\"\nobservers = 1\n",
        &[
            "chains/litecoin.toml:9:17: front_door.password_file = \"p\": there is no file p; put the password, one \
         line, into p",
            "chains/litecoin.toml:10:1: front_door.observers = 1: unknown key; it belongs elsewhere, as `peers.observers`",
        ],
    );
}

#[test]
fn a_value_of_the_wrong_type_comes_with_the_right_way_to_write_it() {
    assert_process(
        "data_dir = 5",
        &[
            "blockcast.toml:1:12: data_dir = 5: expected a string, found a whole number; put the value in double quotes",
        ],
    );
    assert_chain(
        "[peers]\nmax = \"20\"\nmin = 2.5\nenabled = \"yes\"\ndiscovery = \"node\"\n",
        &[
            "chains/litecoin.toml:7:7: peers.max = \"20\": expected a whole number, found a string; write digits only, \
         without quotes",
            "chains/litecoin.toml:8:7: peers.min = 2.5: expected a whole number, found a decimal number; write digits \
         only, without quotes",
            "chains/litecoin.toml:9:11: peers.enabled = \"yes\": expected true or false, found a string; write true or \
         false, without quotes",
            "chains/litecoin.toml:10:13: peers.discovery = \"node\": expected a list of strings, found a string; write \
         [\"one\", \"two\"]",
        ],
    );
    assert_changed(
        "[[node]]",
        "[node]",
        &[
            "chains/litecoin.toml:2:1: node = { … }: expected a list of tables, found a table; write [[node]] with two \
         brackets, or [{ key = value, … }]",
        ],
    );
    assert_chain(
        "[[peers]]\nmax = 1\n",
        &[
            "chains/litecoin.toml:6:1: peers = [ … ]: expected a table, found a list; write one [peers] or { key = \
         value, … }",
        ],
    );
    assert_chain(
        "[peers]\nfixed = [\"a:1\"]\ndiscovery = [1979-05-27]\n",
        &[
            "chains/litecoin.toml:7:10: peers.fixed[0] = \"a:1\": expected a table, found a string; write { key = value, \
         … }",
            "chains/litecoin.toml:8:14: peers.discovery[0] = 1979-05-27: expected a string, found a date or time; put \
         the value in double quotes",
        ],
    );
}

#[test]
fn what_this_version_does_not_have_yet_is_refused_with_a_way_out() {
    assert_chain(
        "[peers]\nupload_limit = \"100 MB/s\"\n",
        &[
            "chains/litecoin.toml:7:1: peers.upload_limit = \"100 MB/s\": this version does not have this key yet; \
             remove it; to use less bandwidth, lower `peers.max` or shape the traffic outside",
        ],
    );
}

#[test]
fn an_address_that_cannot_be_used_says_why() {
    assert_changed(
        "\"127.0.0.1:9333\"",
        "\"127.0.0.1\"",
        &[
            "chains/litecoin.toml:5:7: node[0].p2p = \"127.0.0.1\": the port is missing; write host:port, such as \
         127.0.0.1:9333, node.example:9333 or [::1]:9333",
        ],
    );
    assert_changed(
        "127.0.0.1:9333",
        "127.0.0.1:0",
        &[
            "chains/litecoin.toml:5:7: node[0].p2p = \"127.0.0.1:0\": port 0 means \"any\" and cannot be used; write the \
         real port, 1 to 65535",
        ],
    );
    assert_changed(
        "http://127",
        "https://127",
        &[
            "chains/litecoin.toml:4:15: node[0].rpc.url = \"https://127.0.0.1:9332\": https is not spoken to nodes (they \
         have none themselves); write http://; for a node on another machine use a tunnel (WireGuard, ssh -L, \
         stunnel)",
        ],
    );
    assert_changed(
        "http://127.0.0.1",
        "http://u:p@127.0.0.1",
        &[
            "chains/litecoin.toml:4:15: node[0].rpc.url = \"http://…@127.0.0.1:9332\": a login in the URL would end up in \
         logs; put `user` and `password_file` beside the URL, and change that password if the file was shared",
        ],
    );
    assert_process(
        "[http]\nlisten = \"localhost:7904\"",
        &[
            "blockcast.toml:2:10: http.listen = \"localhost:7904\": not an IP address and port; write an IP address: \
         127.0.0.1:7904 for this machine, 0.0.0.0:7904 for all networks",
        ],
    );
    assert_process(
        "[http]\nlisten = \"127.0.0.1:0\"",
        &[
            "blockcast.toml:2:10: http.listen = \"127.0.0.1:0\": port 0 means \"any\" and cannot be used; write the real \
         port, 1 to 65535",
        ],
    );
}

#[test]
fn a_path_with_a_tilde_is_refused_since_nobody_expands_it() {
    assert_changed(
        "/var/lib/litecoind/.cookie",
        "~/.litecoin/.cookie",
        &[
            "chains/litecoin.toml:4:54: node[0].rpc.cookie_file = \"~/.litecoin/.cookie\": `~` is not expanded here; \
         write the whole path, such as /home/pool/…",
        ],
    );
    assert_process(
        "data_dir = \"\"",
        &["blockcast.toml:1:12: data_dir = \"\": the path is empty; write a path, or remove the key"],
    );
}

#[test]
fn a_chain_or_network_that_is_not_known_comes_with_those_that_are() {
    assert_changed(
        "\"litecoin\"",
        "\"litcoin\"",
        &[
            "chains/litecoin.toml:1:9: chain = \"litcoin\": this version does not know this chain; it knows: litecoin, \
         dogecoin; did you mean \"litecoin\"?",
        ],
    );
    assert_changed(
        "chain = \"litecoin\"",
        "network = \"prod\"",
        &[
            "chains/litecoin.toml: chain: missing; write `chain = \"…\"` with one of: litecoin, dogecoin",
            "chains/litecoin.toml:1:11: network = \"prod\": not one of: mainnet, testnet, regtest; write one of them, \
         such as \"mainnet\"",
        ],
    );
    assert_process(
        "[log]\nlevel = \"verbose\"\nformat = \"jsno\"",
        &[
            "blockcast.toml:2:9: log.level = \"verbose\": not one of: error, warn, info, debug, trace; write one of \
         them, such as \"error\"",
            "blockcast.toml:3:10: log.format = \"jsno\": not one of: text, json; did you mean \"json\"?",
        ],
    );
}

#[test]
fn a_file_that_is_not_toml_is_reported_as_that_alone() {
    assert_process(
        "[http\nlisten = 5\n",
        &[
            "blockcast.toml:1:6: not valid TOML: unclosed table, expected `]`; mend this line: `key = value`, strings in \
         double quotes, `[table]`, `[[list of tables]]`",
        ],
    );
    assert_chain(
        "name = \"b\"\n",
        &["chains/litecoin.toml:6:1: not valid TOML: duplicate key; keep one of the two"],
    );
    assert_chain(
        "role = primary\n",
        &[
            "chains/litecoin.toml:6:8: not valid TOML: string values must be quoted, expected literal string; mend this \
         line: `key = value`, strings in double quotes, `[table]`, `[[list of tables]]`",
        ],
    );
}

#[test]
fn a_file_that_is_not_utf8_or_is_huge_is_refused() {
    let setup = Setup::good().with("blockcast.toml", b"data_dir = \"x\"\n# \xc3\xa9 \xff\n");
    assert_eq!(
        setup.problems(),
        ["blockcast.toml:2:5: the text is not UTF-8 from here on; save the file as UTF-8",]
    );
    let setup = Setup::good().with("blockcast.toml", vec![b'#'; 300 << 10]);
    assert_eq!(
        setup.problems(),
        [
            "blockcast.toml: cannot be read: it is larger than 262144 bytes; put a plain configuration file there",
        ]
    );
}

#[test]
fn a_directory_that_is_no_configuration_is_refused_with_the_way_to_one() {
    let whole = |setup: &Setup| setup.load().unwrap_err().to_string();
    let empty = whole(&Setup::empty());
    assert!(empty.contains("neither blockcast.toml nor chains/*.toml"), "{empty}");
    assert!(empty.contains("start from the examples"), "{empty}");

    assert_eq!(
        Setup::empty().with("blockcast.toml", "").problems(),
        [
            "chains: there is no chain; add a file such as litecoin.toml, see the examples in the source's config/chains/",
        ]
    );
    let disabled = LITECOIN.replace("[[node]]", "enabled = false\n[[node]]");
    assert_eq!(
        Setup::good().with("chains/litecoin.toml", disabled).problems(),
        ["chains: no chain is enabled, so there is nothing to do; set `enabled = true` in one of its files",]
    );
    let lines = Setup::empty().with("chains/litecoin.toml", LITECOIN).problems();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with("blockcast.toml: cannot be read: ") && lines[0].contains("create it"),
        "{lines:?}"
    );

    let setup = Setup::good();
    for (path, message) in [
        ("blockcast.toml", "this is a file; pass the directory that holds blockcast.toml"),
        ("absent", "the configuration directory cannot be read; check the path"),
    ] {
        let problems = config::load(&setup.path().join(path), [], &["litecoin"]).unwrap_err();
        assert_eq!((problems.0.len(), problems.kind()), (1, "file"));
        assert!(problems.to_string().contains(message), "{problems}");
    }
}

#[test]
fn a_chain_files_name_can_stand_in_a_url_and_editors_backups_are_left_alone() {
    let setup = Setup::good().with("chains/.litecoin.toml", "x").with("chains/litecoin.toml~", "x");
    assert!(setup.load().is_ok());
    assert_eq!(
        Setup::good().with("chains/Lite coin.toml", LITECOIN).problems(),
        [
            "chains/Lite coin.toml: a chain file's name is 1 to 32 of: a-z 0-9 - _, then .toml; rename it; the name \
         stands for the chain in URLs, metrics and data_dir",
        ]
    );
}

#[test]
fn all_files_are_reported_at_once_in_the_order_of_files_and_lines() {
    let setup = Setup::good()
        .with("blockcast.toml", "[log]\nlevel = 1\n")
        .with("chains/dogecoin.toml", "chain = [\n")
        .with_chain("[peers]\nmxa = 1\nmax = 0\n");
    let problems = setup.load_with(&[("BLOCKCAST_X", "1")]).unwrap_err();
    let text = problems.to_string();
    assert!(text.starts_with("5 problems in the configuration:\n"), "{text}");
    let lines = setup.lines(&problems.0);
    let starts = [
        "blockcast.toml:2:9: log.level",
        "chains/dogecoin.toml:1:",
        "chains/litecoin.toml:7:1: peers.mxa",
        "chains/litecoin.toml:8:7: peers.max",
        "BLOCKCAST_X: ",
    ];
    assert_eq!(lines.len(), starts.len(), "{lines:#?}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
}

#[test]
fn every_problem_can_be_read_by_a_program() {
    let problems = Setup::good().with("blockcast.toml", "[log]\nlevle = \"info\"\n").load().unwrap_err();
    let json = serde_json::to_value(&problems).unwrap();
    let problem = &json[0];
    assert_eq!(problem["kind"], "unknown_key");
    assert_eq!(
        (&problem["place"]["file"]["line"], &problem["place"]["file"]["column"]),
        (&2.into(), &1.into())
    );
    assert_eq!(problem["key"], "log.levle");
    assert_eq!(problem["remedy"], "did you mean `level`?");
}

#[test]
fn a_parameter_file_that_is_not_there_is_told_with_its_place() {
    assert_changed(
        "[[node]]",
        "parameters = \"bellscoin.toml\"\n[[node]]",
        &[
            "bellscoin.toml: cannot be read: No such file or directory (os error 2); put the file there, or name another \
           in `parameters`",
        ],
    );
    let setup = Setup::good().with("bellscoin.toml", "a = 1\n");
    let config = setup.with_chain("").load().unwrap();
    assert_eq!(config.chains["litecoin"].parameters, None);
}
