//! The program as an operator calls it: exit status, and what it says.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{Setup, free_address, node_that_answers, recorded_block, run, run_with_input, told};

const COMMANDS: [&str; 11] = [
    "run",
    "demo",
    "submit",
    "status",
    "blocks",
    "block",
    "replay",
    "peers",
    "check-config",
    "decode",
    "completions",
];

#[test]
fn a_wrong_command_line_ends_with_2_and_says_what_is_wrong() {
    for (args, said) in [
        (&[][..], "Usage"),
        (&["frobnicate"], "frobnicate"),
        (&["run"], "--config"),
        (&["submit", "block.hex"], "--chain"),
        (&["submit", "--chain", "litecoin", "--wait", "peers:none", "-"], "peers:N"),
        (&["submit", "--chain", "litecoin", "--url", "https://x:1", "-"], "plain http"),
        (&["decode", "--chain", "litecion", "-"], "litecoin"),
        (&["decode", "--chain", "litecoin", "--network", "signet", "-"], "mainnet"),
        (&["demo", "--size", "1000001"], "1 to 1000000"),
        (&["demo", "--blocks", "0"], "--blocks"),
        (&["completions", "cmd.exe"], "bash"),
        (&["blocks", "--since", "yesterday"], "'yesterday' for '--since <WHEN>': write how long ago"),
        (&["block", "c433"], "64 hex digits; these are 4 characters"),
        (&["replay"], "HASH"),
        (&["peers", "explian", "203.0.113.7:9333"], "explain"),
        (&["peers", "explain"], "ADDRESS"),
        (&["peers", "explain", ""], "ADDRESS"),
        (&["peers", "ban", "203.0.113.7", "--for", "24"], "such as 90m"),
        (&["peers", "--all", "unban", "203.0.113.7"], "--all"),
    ] {
        let (code, stdout, stderr) = told(&run(args));
        assert_eq!((code, stdout.as_str()), (2, ""), "{args:?}: {stderr}");
        assert!(stderr.contains(said), "{args:?}: {stderr}");
    }
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in COMMANDS {
        let (code, help, _) = told(&run(&[command, "--help"]));
        assert_eq!(code, 0, "{command}");
        assert!(help.contains(&format!("  blockcast {command}")), "{help}");
    }
}

#[test]
fn completions_name_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script, _) = told(&run(&["completions", shell]));
        assert_eq!(code, 0, "{shell}");
        for command in COMMANDS.iter().chain(&["explain", "unban"]) {
            assert!(script.contains(command), "{shell} {command}");
        }
    }
}

#[test]
fn a_bad_configuration_ends_every_command_with_78_and_names_file_line_key_value_and_remedy() {
    let setup = Setup::new("127.0.0.1:1", "p2p = \"127.0.0.1:99999\"\nrloe = \"primary\"");
    let config = setup.config_arg();
    let file = setup.config().join("chains/litecoin.toml");
    let file = file.display();
    for args in [
        &["check-config", &config][..],
        &["check-config", "--live", &config],
        &["run", "--config", &config],
        &["status", "--config", &config],
        &["blocks", "--config", &config],
        &["peers", "--config", &config],
        &["peers", "ban", "203.0.113.7", "--config", &config],
        &["submit", "--chain", "litecoin", "--config", &config, "-"],
    ] {
        let (code, stdout, stderr) = told(&run(args));
        assert_eq!((code, stdout.as_str()), (78, ""), "{args:?}: {stderr}");
        assert!(stderr.contains(&format!("{file}:6:7: node[0].p2p = \"127.0.0.1:99999\": ")), "{stderr}");
        let typo = format!("{file}:7:1: node[0].rloe = \"primary\": unknown key; did you mean `role`?");
        assert!(stderr.contains(&typo), "{stderr}");
    }
}

#[test]
fn a_variable_that_overrides_nothing_or_is_not_text_is_a_bad_configuration() {
    use std::os::unix::ffi::OsStringExt;
    let setup = Setup::new("127.0.0.1:1", "");
    let check = |name: &str, value: std::ffi::OsString| {
        told(
            &support::blockcast()
                .args(["check-config", &setup.config_arg()])
                .env(name, value)
                .output()
                .unwrap(),
        )
    };
    let (code, _, stderr) = check("BLOCKCAST_DATADIR", "x".into());
    assert_eq!(code, 78, "{stderr}");
    assert!(stderr.contains("BLOCKCAST_DATADIR"), "{stderr}");
    let (code, _, stderr) = check("BLOCKCAST_DATA_DIR", std::ffi::OsString::from_vec(vec![b'd', 0xff]));
    assert_eq!(code, 78, "{stderr}");
    assert!(stderr.contains("BLOCKCAST_DATA_DIR") && stderr.contains("UTF-8"), "{stderr}");
}

#[test]
fn a_good_configuration_is_summed_up() {
    let setup = Setup::new("127.0.0.1:1", "");
    let (code, stdout, stderr) = told(&run(&["check-config", &setup.config_arg()]));
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("litecoin: litecoin regtest") && !stdout.contains("sesame"), "{stdout}");
}

/// Runs `check-config --live` against a node with this RPC.
fn live(rpc: &str, more: &str) -> (i32, String, String) {
    told(&run(&["check-config", "--live", &Setup::new(rpc, more).config_arg()]))
}

#[test]
fn a_live_check_tells_down_wrong_password_warm_up_and_wrong_network_apart() {
    let error =
        |code: i64, message: &str| json!({"result": null, "error": {"code": code, "message": message}});
    let warming = error(-28, "Loading block index...");
    let cases: [(String, &str); 4] = [
        (free_address(), "FAIL  litecoin/a rpc  refused: "),
        (node_that_answers("401 Unauthorized", |_| json!({})), "FAIL  litecoin/a rpc  unauthorized: "),
        (
            node_that_answers("500 Internal Server Error", move |_| warming.clone()),
            "FAIL  litecoin/a rpc  warming_up: ",
        ),
        (
            node_that_answers("200 OK", |method| answer_of("main", method)),
            "FAIL  litecoin/a rpc  wrong_network: ",
        ),
    ];
    for (rpc, expected) in cases {
        let (code, stdout, stderr) = live(&rpc, "");
        assert_eq!(code, 1, "{stdout}{stderr}");
        let lines: Vec<_> = stdout.lines().filter(|line| line.starts_with("FAIL")).collect();
        assert!(lines.len() == 1 && lines[0].starts_with(expected), "{stdout}");
        assert!(!stdout.contains("sesame"), "{stdout}");
    }
}

#[test]
fn a_live_check_of_a_node_in_order_passes_and_its_p2p_port_is_checked_too() {
    let rpc = node_that_answers("200 OK", |method| answer_of("regtest", method));
    let (code, stdout, stderr) = live(&rpc, "");
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains("ok    litecoin/a rpc  network regtest, height 432"), "{stdout}");
    let (code, stdout, _) = live(&rpc, &format!("p2p = \"{}\"", free_address()));
    assert_eq!(code, 1, "{stdout}");
    assert!(stdout.contains("FAIL  litecoin/a p2p  refused: "), "{stdout}");
}

/// What a node on that network answers.
fn answer_of(network: &str, method: &str) -> Value {
    let result = match method {
        "getblockchaininfo" => json!({"chain": network, "blocks": 432, "initialblockdownload": false}),
        _ => json!("530827f38f93b43ed12af0b3ad25a288dc02ed74d6d7857862df51fc56c416f9"),
    };
    json!({"result": result, "error": null})
}

const MWEB_BLOCK: &str = "litecoin/block_mweb_hogex_only.json";
const MWEB_HASH: &str = "c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5";

fn decode(network: &str, input: &[u8], more: &[&str]) -> (i32, String, String) {
    let args = [&["decode", "--chain", "litecoin", "--network", network], more, &["-"]].concat();
    told(&run_with_input(&args, input))
}

#[test]
fn a_recorded_block_is_decoded_from_a_file_from_hex_and_from_raw_bytes_alike() {
    let hex = recorded_block(MWEB_BLOCK);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("block.hex");
    fs::write(&file, &hex).unwrap();
    let args = ["decode", "--chain", "litecoin", "--network", "regtest", file.to_str().unwrap()];
    let from_file = told(&run(&args));
    assert_eq!(from_file.0, 0, "{}", from_file.2);
    for part in [
        format!("SOUND  {MWEB_HASH}\n").as_str(),
        "  height       433, by its coinbase\n",
        "  tail         168 bytes behind the transactions\n",
    ] {
        assert!(from_file.1.contains(part), "{part:?} is missing in {}", from_file.1);
    }
    assert_eq!(decode("regtest", hex.as_bytes(), &[]), from_file);
    assert_eq!(decode("regtest", &recordings::unhex(&hex), &[]), from_file);

    let (code, stdout, _) =
        decode("mainnet", recorded_block("mainnet/litecoin_mainnet_2265985.json").as_bytes(), &[]);
    assert!(code == 0 && stdout.contains("height       2265985"), "{stdout}");
}

#[test]
fn a_decoded_block_as_json_has_the_same_facts() {
    let (code, stdout, _) = decode("regtest", recorded_block(MWEB_BLOCK).as_bytes(), &["--json"]);
    let json: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(code, 0);
    assert_eq!(
        (&json["hash"], &json["sound"], &json["findings"]),
        (&json!(MWEB_HASH), &json!(true), &json!([]))
    );
    assert_eq!(json["canonical"]["height"], 433);
    assert_eq!((&json["canonical"]["tail"], &json["canonical"]["differs"]), (&json!(168), &json!(false)));
}

#[test]
fn a_block_that_a_peer_would_refuse_ends_with_1_and_the_finding() {
    let mut block = recordings::block(MWEB_BLOCK).0.to_vec();
    block[40] ^= 1; // in the merkle root
    let (code, stdout, _) = decode("regtest", &block, &[]);
    assert_eq!(code, 1);
    assert!(stdout.starts_with("NOT SOUND  ") && stdout.contains("  error    bad-txnmrklroot\n"), "{stdout}");
    assert!(stdout.contains("           expected  ") && stdout.contains("           found     "), "{stdout}");

    let half = &block[..block.len() / 2];
    let (code, stdout, _) = decode("regtest", half, &[]);
    assert!(code == 1 && stdout.contains("decode-failed"), "{stdout}");
}

#[test]
fn a_merge_mined_block_is_told_with_the_block_that_has_its_work_and_with_what_is_wrong_with_its_auxpow() {
    let mut block = recordings::block("dogecoin/block_auxpow_tree8_parent5tx.json").0.to_vec();
    let args = ["decode", "--chain", "dogecoin", "--network", "regtest", "--json", "-"];
    let (code, stdout, _) = told(&run_with_input(&args, &block));
    let json: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &json["sound"]), (0, &json!(true)));
    assert_eq!(json["merged_with"], "858b2966c657fda6f81d44c73738ec6206cb8b4083c0f80f2f0b3107ea25ae66");

    let mark = block.windows(4).position(|four| four == [0xfa, 0xbe, 0x6d, 0x6d]).unwrap();
    block[mark + 4] ^= 1; // in the root of the tree of chains
    let (code, stdout, _) = told(&run_with_input(&args, &block));
    let json: Value = serde_json::from_str(&stdout).unwrap();
    let findings = json["findings"].as_array().unwrap();
    let missing = findings.iter().find(|finding| finding["check"] == "auxpow-commitment-missing").unwrap();
    let root = "b4c67a06925b511a79da084b224cc4748d1a205f88d0a6305650fcd06bff060a";
    assert!(missing["expected"].as_str().unwrap().contains(root), "{missing}");
    assert!(missing["found"].as_str().unwrap().contains(&root.replacen("b4", "b5", 1)), "{missing}");
    assert_eq!((code, &json["sound"]), (1, &json!(false)));
}

#[test]
fn a_block_that_cannot_be_read_ends_with_1_and_names_the_file() {
    let (code, stdout, stderr) = told(&run(&["decode", "--chain", "litecoin", "/nowhere/block.hex"]));
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("/nowhere/block.hex"), "{stderr}");
    let (code, _, stderr) = decode("regtest", b"", &[]);
    assert!(code == 1 && stderr.contains("standard input") && stderr.contains("empty"), "{stderr}");
}

#[test]
fn without_a_daemon_status_and_submit_say_in_one_line_which_address_was_tried_and_how_to_start_it() {
    let address = free_address();
    let url = format!("http://{address}");
    let block = recorded_block(MWEB_BLOCK);
    for output in [
        run(&["status", "--url", &url]),
        run(&["status", "--json", "--url", &url]),
        run_with_input(&["submit", "--chain", "litecoin", "--url", &url, "-"], block.as_bytes()),
    ] {
        let (code, stdout, stderr) = told(&output);
        assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains(&address) && stderr.contains("blockcast run --config"), "{stderr}");
    }
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    use std::process::Stdio;
    let mut command = support::blockcast();
    let mut child =
        command.args(["completions", "zsh"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let (code, _, stderr) = told(&child.wait_with_output().unwrap());
    assert_eq!((code, stderr.as_str()), (0, ""));
}
