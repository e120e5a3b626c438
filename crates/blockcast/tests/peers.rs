//! `blockcast peers` against a running daemon.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod support;

use std::fs;
use std::net::TcpListener;

use rustix::process::Signal;
use serde_json::{Value, json};
use support::daemon::Daemon;
use support::{Setup, run, told};

/// Runs `blockcast peers` with these arguments.
fn peers(setup: &Setup, args: &[&str]) -> (i32, String, String) {
    let config = setup.config_arg();
    // What comes behind a subcommand belongs to it, and without one to the list.
    told(&run(&[&["peers"], args, &["--config", &config]].concat()))
}

fn json_of(setup: &Setup, args: &[&str]) -> Value {
    let (code, stdout, stderr) = peers(setup, &[args, &["--json"]].concat());
    assert_eq!(code, 0, "{args:?}: {stderr}");
    serde_json::from_str(&stdout).unwrap()
}

#[test]
fn the_book_is_listed_and_a_peer_of_it_explained() {
    // It takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let setup = Setup::new("127.0.0.1:1", "").with_fixed_peers(&[&address]);
    let _daemon = Daemon::start(&setup);
    drop(silent.accept().unwrap());
    let (code, page, stderr) = peers(&setup, &["list", "--all"]);
    assert_eq!(code, 0, "{stderr}");
    let line = page.lines().find(|line| line.contains(&address)).unwrap_or_else(|| panic!("{page}"));
    assert!(page.starts_with("litecoin\n") && line.contains("  fixed  "), "{page}");
    assert!(page.contains("1 fixed; 0 hosts banned"), "{page}");
    let list = json_of(&setup, &["--all", "--chain", "litecoin"]);
    let [book] = &list["chains"].as_array().unwrap()[..] else { panic!("{list:#}") };
    assert_eq!((&book["chain"], &book["peers"][0]["address"]), (&json!("litecoin"), &json!(address)));
    assert_eq!((&book["total"], &book["summary"]["in_book"]), (&json!(1), &json!(1)));

    let (code, page, stderr) = peers(&setup, &["explain", &address]);
    assert_eq!(code, 0, "{stderr}");
    assert!(page.starts_with(&format!("{address}  litecoin, fixed, score ")), "{page}");
    assert!(page.contains("\n  start ") && page.contains("\n  sum "), "{page}");
    let why = json_of(&setup, &["explain", &address, "--chain", "litecoin"]);
    assert_eq!((&why["address"], &why["source"]), (&json!(address), &json!("fixed")));
}

#[test]
fn a_ban_outlives_the_daemon_until_it_is_lifted() {
    let setup = Setup::new("127.0.0.1:1", "");
    let daemon = Daemon::start(&setup);
    let (code, said, stderr) = peers(&setup, &["ban", "203.0.113.7:9333", "--for", "7d"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(said.starts_with("203.0.113.7 is banned from litecoin until 2"), "{said}");
    assert_eq!(json_of(&setup, &["ban", "[2001:db8::1]"])["host"], "2001:db8::1");
    let bans = json_of(&setup, &[])["chains"][0]["bans"].clone();
    daemon.signal(Signal::TERM);
    let (code, log) = daemon.end();
    assert_eq!(code, Some(0), "{log}");

    let _daemon = Daemon::start(&setup);
    let restored = json_of(&setup, &[])["chains"][0]["bans"].clone();
    let hosts =
        |bans: &Value| bans.as_array().unwrap().iter().map(|ban| ban["host"].clone()).collect::<Vec<_>>();
    assert_eq!(hosts(&restored), ["2001:db8::1", "203.0.113.7"]);
    assert_eq!(restored, bans);
    let (_, page, _) = peers(&setup, &[]);
    assert!(page.contains("2 hosts banned") && page.contains("\n  203.0.113.7 "), "{page}");

    let (code, said, stderr) = peers(&setup, &["unban", "203.0.113.7"]);
    assert_eq!((code, said.as_str()), (0, "203.0.113.7 is not banned from litecoin any more\n"), "{stderr}");
    assert_eq!(hosts(&json_of(&setup, &[])["chains"][0]["bans"]), ["2001:db8::1"]);
}

#[test]
fn what_cannot_be_done_ends_with_1_and_says_why() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let setup = Setup::new("127.0.0.1:1", "").with_fixed_peers(&[&silent.local_addr().unwrap().to_string()]);
    let _daemon = Daemon::start(&setup);
    // Whoever is dialled is in the book.
    drop(silent.accept().unwrap());
    for (args, said) in [
        (&["--chain", "dodge"][..], "it runs litecoin"),
        (&["explain", "203.0.113.7:9333"], "no 203.0.113.7:9333"),
        (&["explain", "203.0.113.7"], "host:port"),
        (&["explain", "203.0.113.7:9333", "--chain", "dodge"], "running are litecoin"),
        (&["ban", "127.0.0.1"], "peers.fixed of chains/litecoin.toml"),
        (&["ban", "203.0.113.700"], "no host"),
        (&["unban", "203.0.113.7"], "is not banned"),
    ] {
        let (code, stdout, stderr) = peers(&setup, args);
        assert_eq!((code, stdout.as_str()), (1, ""), "{args:?}: {stderr}");
        assert!(stderr.contains(said), "{args:?}: {stderr}");
    }
}

#[test]
fn of_several_chains_one_must_be_named_and_the_list_has_all() {
    let setup = Setup::new("127.0.0.1:1", "");
    let chains = setup.config().join("chains");
    fs::copy(chains.join("litecoin.toml"), chains.join("other.toml")).unwrap();
    let _daemon = Daemon::start(&setup);
    for args in [&["ban", "203.0.113.7"][..], &["unban", "203.0.113.7"], &["explain", "203.0.113.7:9333"]] {
        let (code, stdout, stderr) = peers(&setup, args);
        assert_eq!((code, stdout.as_str()), (1, ""), "{args:?}");
        assert!(stderr.contains("--chain") && stderr.contains("litecoin, other"), "{stderr}");
    }
    assert_eq!(peers(&setup, &["ban", "203.0.113.7", "--chain", "other"]).0, 0);
    let list = json_of(&setup, &[]);
    let bans: Vec<_> =
        list["chains"].as_array().unwrap().iter().map(|book| &book["bans"][0]["host"]).collect();
    assert_eq!(bans, [&Value::Null, &json!("203.0.113.7")], "{list:#}");
}
