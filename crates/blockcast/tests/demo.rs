//! The demo, as a newcomer and as a program run it.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::{run, told};
use tempfile::TempDir;

/// The demo with a place of its own for temporary files.
struct Demo {
    child: Child,
    temporary: TempDir,
}

impl Demo {
    fn start(args: &[&str]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut command = support::blockcast();
        command.arg("demo").args(args).env("TMPDIR", temporary.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { child: command.spawn().unwrap(), temporary }
    }

    fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
    }

    /// Exit status and standard error, once it has ended.
    fn end(&mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Both fail if it has ended, which is well.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Whether nothing is in a directory.
fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().next().is_none()
}

fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    list.as_array().unwrap().iter().find(|entry| entry["name"] == name).unwrap()
}

/// A chain of the demo: its name, our nodes on it, and how many peers there are.
struct Chain {
    name: &'static str,
    nodes: [&'static str; 2],
    peers: usize,
    has_quorum: bool,
}

/// Blocks are found on them in turn.
const CHAINS: [Chain; 2] = [
    Chain { name: "litecoin", nodes: ["alpha", "beta"], peers: 20, has_quorum: false },
    Chain { name: "dash", nodes: ["gamma", "delta"], peers: 12, has_quorum: true },
];

#[test]
fn blocks_as_json_end_by_themselves_with_what_each_peer_was_said_to_have_and_has() {
    let mut demo = Demo::start(&["--blocks", "4", "--json", "--interval", "1"]);
    let mut stdout = String::new();
    demo.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    let (code, stderr) = demo.end();
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert!(is_empty(demo.temporary.path()));

    let blocks: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(blocks.len(), 4, "{stdout}");
    for ((number, block), chain) in (0..).zip(&blocks).zip(CHAINS.iter().cycle()) {
        assert_eq!(block["simulation"]["block"], number + 1);
        assert_eq!(block["height"], 4 + number / 2);
        is_as_it_should_be(block, chain);
    }
    let cutting = named(&blocks[0]["simulation"]["peers"], "cutting-1");
    assert_eq!(cutting["outcome"], "disconnected");
    let parents: Vec<_> = blocks[2..].iter().map(|block| &block["parent"]).collect();
    let hashes: Vec<_> = blocks[..2].iter().map(|block| &block["hash"]).collect();
    assert_eq!(parents, hashes, "each block is built on the one before on its chain");
}

/// The report of a block, and the truth beside it.
fn is_as_it_should_be(block: &Value, chain: &Chain) {
    // The delivery report, as REST has it.
    assert_eq!(block["chain"], chain.name);
    assert_eq!((&block["status"], &block["source"]), (&"accepted".into(), &"front_door".into()));
    assert_eq!((&block["durable"], &block["findings"]), (&true.into(), &Value::Array(vec![])));
    assert_eq!(block["nodes"].as_array().unwrap().len(), 2);

    let simulation = &block["simulation"];
    assert_eq!((&simulation["holds"], &simulation["problems"]), (&true.into(), &Value::Array(vec![])));
    let pool = &simulation["pool"];
    assert_eq!((&pool["accepted"], &pool["answer"]), (&true.into(), &Value::Null));
    assert!(simulation["transactions"].as_u64().unwrap() > 10, "{simulation}");
    for node in chain.nodes {
        let node = named(&simulation["nodes"], node);
        assert_eq!((&node["has_block"], &node["called_accepted"]), (&true.into(), &true.into()), "{node}");
    }
    if chain.has_quorum {
        let finality = &block["finality"];
        assert_eq!(finality["state"], "chainlocked");
        assert!(chain.nodes.iter().any(|node| finality["node"] == *node), "{finality}");
        let simulated = &simulation["finality"];
        assert_eq!((&simulated["is_final"], &simulated["called_final"]), (&true.into(), &true.into()));
    } else {
        assert_eq!((&block["finality"], &simulation["finality"]), (&Value::Null, &Value::Null));
    }
    let peers = simulation["peers"].as_array().unwrap();
    assert_eq!(peers.len(), chain.peers);
    for peer in peers {
        let (has, called) = (peer["has_block"] == true, peer["called_accepted"] == true);
        match peer["temperament"].as_str().unwrap() {
            "honest" if peer["observer"] == true => {
                assert!(has && !called, "{peer}");
                assert_eq!((&peer["outcome"], &peer["detail"]), (&"withheld".into(), &"observer".into()));
                assert_eq!(block["first_echo"]["peer"], peer["address"]);
            }
            "honest" | "slow" => assert!(has && called, "{peer}"),
            "flapping" => assert!(has || !called, "{peer}"),
            "deaf" | "mute" | "zombie" | "cutting" => assert!(!has && !called, "{peer}"),
            other => panic!("{other}"),
        }
    }
    assert_eq!(named(&simulation["peers"], "mute-1")["outcome"], "open");
    assert_eq!(named(&simulation["peers"], "zombie-1")["outcome"], "processed_unproven");
}

#[test]
fn a_newcomer_sees_who_is_simulated_looks_at_the_status_and_ends_it_with_ctrl_c() {
    let mut demo = Demo::start(&["--interval", "1", "--size", "5000"]);
    let mut page = BufReader::new(demo.child.stdout.take().unwrap());
    let mut shown = String::new();
    let mut read_until = |text: &str| loop {
        let before = shown.len();
        assert_ne!(page.read_line(&mut shown).unwrap(), 0, "no line holds {text:?}:\n{shown}");
        if shown[before..].contains(text) {
            return shown.clone();
        }
    };
    let first = read_until("peers are connected");
    assert!(!first.contains('\u{1b}'), "colours are for terminals: {first}");
    let url = first.split_whitespace().find(|word| word.ends_with("/broadcaster_status")).unwrap();
    let url = url.strip_suffix("/broadcaster_status").unwrap();
    let (code, status, stderr) = told(&run(&["status", "--url", url]));
    assert_eq!(code, 0, "{status}{stderr}");
    assert!(CHAINS.iter().flat_map(|chain| chain.nodes).all(|node| status.contains(node)), "{status}");
    assert_eq!(status.matches("  quorum    connected  ").count(), 5, "found by asking the nodes: {status}");
    let config = first.split_whitespace().find(|word| word.ends_with("/config,")).unwrap();
    let (code, checked, stderr) = told(&run(&["check-config", "--live", config.trim_end_matches(',')]));
    assert_eq!(code, 0, "{checked}{stderr}");

    read_until("  so  ");
    demo.interrupt();
    read_until("all as it should be");
    let shown = read_until("nobody was said to have a block who did not");
    assert!(shown.contains("Block 1  litecoin, found at height 4: 5.00 kB"), "{shown}");
    let (code, stderr) = demo.end();
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(is_empty(demo.temporary.path()));
}

#[test]
fn two_at_once_do_not_disturb_each_other_and_a_reader_that_has_had_enough_ends_them_quietly() {
    let mut demos = [Demo::start(&[]), Demo::start(&[])];
    let urls = demos.each_mut().map(|demo| {
        let page = BufReader::new(demo.child.stdout.take().unwrap());
        let lines = page.lines().map(Result::unwrap);
        let status = lines.into_iter().find(|line| line.ends_with("/broadcaster_status")).unwrap();
        status.split_whitespace().last().unwrap().to_owned()
    });
    assert_ne!(urls[0], urls[1]);
    for demo in &mut demos {
        assert_eq!(demo.end(), (Some(0), String::new()));
        assert!(is_empty(demo.temporary.path()));
    }
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_whoever_keeps_the_first_from_its_end() {
    let mut demo = Demo::start(&[]);
    let mut page = BufReader::new(demo.child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let curl = page.find(|line| line.contains("curl")).unwrap();
    let front_door = curl.split("http://").nth(1).unwrap().trim_end_matches('/').to_owned();
    page.find(|line| line.contains("peers are connected")).unwrap();
    // A caller in the middle of a request, for whom the front door waits a second.
    let mut caller = TcpStream::connect(&front_door).unwrap();
    let head = "POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic cG9vbDpkZW1v\r\nExpect: 100-continue\r\n";
    write!(caller, "{head}Content-Length: 100\r\n\r\n").unwrap();
    let mut expected = [0; 12];
    caller.read_exact(&mut expected).unwrap();
    assert_eq!(&expected, b"HTTP/1.1 100");
    demo.interrupt();
    page.find(|line| line.starts_with("Ended before")).unwrap();
    demo.interrupt();
    assert_eq!(demo.end(), (Some(1), String::new()));
    assert!(is_empty(demo.temporary.path()));
}

#[test]
fn a_temporary_directory_that_cannot_be_made_is_told_with_its_place() {
    let mut command = support::blockcast();
    let output = command.args(["demo", "--blocks", "1"]).env("TMPDIR", "/nowhere/at/all").output().unwrap();
    let (code, stdout, stderr) = told(&output);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("/nowhere/at/all"), "{stderr}");
}

#[test]
fn too_few_file_descriptors_are_told_at_once() {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 40; exec \"$0\" demo", env!("CARGO_BIN_EXE_blockcast")]);
    let (code, stdout, stderr) = told(&command.stdin(Stdio::null()).output().unwrap());
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("300 file descriptors") && stderr.contains("limit is 40"), "{stderr}");
}
