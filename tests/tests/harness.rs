//! The harness itself: nodes start, blocks are what they claim to be, and nothing stays behind.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use e2e::process::is_running;
use e2e::regtest::PROPAGATION;
use e2e::{Auth, Base, Blockcast, Flaw, Litecoind, Options, Regtest, Setup, eventually, require_litecoind};
use serde_json::{Value, json};

/// Patience with the kernel, which takes a killed process down when it gets round to it.
const SOON: Duration = Duration::from_secs(10);

fn lone_node() -> Litecoind {
    Litecoind::start(Options { name: "lone".into(), base: Some(Base::Segwit), ..Options::default() })
}

// --- nodes

#[test]
fn four_nodes_start_in_seconds_on_one_chain_and_only_the_observer_has_a_neighbour() {
    require_litecoind!();
    drop(lone_node()); // the base chain is made on first use, which is not what is timed here
    let start = Instant::now();
    let net = Regtest::start(Base::Segwit);
    assert!(start.elapsed() < Duration::from_secs(20), "took {:?}", start.elapsed());
    assert_eq!(net.nodes().map(Litecoind::height), [110; 4]);
    assert_eq!(HashSet::from(net.tips()).len(), 1);
    assert_eq!(net.nodes().map(|node| node.connections().len()), [0, 0, 1, 1]);
}

#[test]
fn mined_blocks_reach_all_four_nodes() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let hashes = net.mine(3);
    assert_eq!(net.nodes().map(Litecoind::height), [113; 4]);
    assert!(net.tips().iter().all(|tip| Some(tip) == hashes.last()));
}

#[test]
fn two_nodes_that_mine_at_the_same_moment_find_rival_blocks() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    assert_ne!(net.ours.mine(1), net.plain[0].mine(1));
}

#[test]
fn the_observer_hears_of_a_block_that_was_given_to_its_neighbour_only() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let block = net.template().block();
    assert_eq!(net.plain[1].submit(&block.hex()), Value::Null);
    eventually(PROPAGATION, "the observer has the block", || net.observer.tip() == block.hash);
    assert_eq!([net.ours.height(), net.plain[0].height()], [110, 110]);
}

#[test]
fn a_stopped_node_comes_back_on_its_ports_with_its_chain() {
    require_litecoind!();
    let mut node = lone_node();
    let tip = node.mine(2).pop().unwrap();
    let (rpc, p2p) = (node.rpc_addr(), node.p2p_addr());
    node.stop();
    let failure = node.rpc("getblockcount", json!([])).unwrap_err();
    assert_eq!((failure.http_status, failure.code), (None, None), "{failure}");
    node.start_again();
    assert_eq!((node.rpc_addr(), node.p2p_addr(), node.tip()), (rpc, p2p, tip));
}

#[test]
fn a_killed_node_comes_back_with_its_base_chain() {
    require_litecoind!();
    let mut node = lone_node();
    let pid = node.pid();
    node.kill();
    assert!(!is_running(pid));
    node.start_again();
    assert_eq!(node.height(), 110);
}

#[test]
fn a_paused_node_answers_only_after_it_is_resumed() {
    require_litecoind!();
    let node = lone_node();
    node.pause();
    let impatient = node.rpc_client().timeout(Duration::from_millis(300));
    let failure = impatient.call("getblockcount", json!([])).unwrap_err();
    assert_eq!(failure.http_status, None, "{failure}");
    node.resume();
    assert_eq!(node.height(), 110);
}

#[test]
fn a_node_tells_a_wrong_password_and_a_wrong_call_apart() {
    require_litecoind!();
    let password = Some(("alice".to_owned(), "sesame".to_owned()));
    let node = Litecoind::start(Options { password, ..Options::default() });
    assert_eq!(node.height(), 0);
    assert!(!node.cookie_file().exists());
    let stranger = e2e::RpcClient::new(node.rpc_addr(), Auth::password("alice", "wrong"));
    let refused = stranger.call("getblockcount", json!([])).unwrap_err();
    assert_eq!((refused.http_status, refused.code), (Some(401), None), "{refused}");
    let unknown = node.rpc("nonsense", json!([])).unwrap_err();
    assert_eq!((unknown.http_status, unknown.code), (Some(404), Some(-32601)), "{unknown}");
}

#[test]
fn a_node_that_cannot_start_fails_the_test_with_its_own_words() {
    require_litecoind!();
    let options = Options { args: vec!["-nosuchoption".into()], ..Options::default() };
    let panic = catch_unwind(AssertUnwindSafe(|| Litecoind::start(options))).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("nosuchoption"), "{message}");
}

// --- blocks

#[test]
fn litecoind_accepts_a_block_with_transactions_and_gives_it_the_same_hash() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let template = net.template_with_transactions(5);
    assert!(!template.has_mweb());
    let block = template.block();
    assert_eq!(net.ours.submit(&block.hex()), Value::Null);
    assert_eq!(net.ours.tip(), block.hash);
    assert_eq!(net.ours.block_hex(&block.hash), block.hex());
    assert_eq!(net.ours.height(), block.height);
}

#[test]
fn litecoind_accepts_an_mweb_block_and_gives_it_the_same_hash() {
    require_litecoind!();
    let net = Regtest::start(Base::Mweb);
    let template = net.template_with_transactions(2);
    assert!(template.has_mweb());
    let block = template.block();
    assert_eq!(net.ours.submit(&block.hex()), Value::Null);
    assert_eq!(net.ours.tip(), block.hash);
    assert_eq!(net.ours.block_hex(&block.hash), block.hex());
}

#[test]
fn of_two_siblings_the_first_becomes_the_tip_and_the_second_a_branch() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let template = net.template();
    let (first, second) = (template.block(), template.block());
    assert_eq!(net.ours.submit(&first.hex()), Value::Null);
    assert_eq!(net.ours.submit(&second.hex()), "inconclusive");
    assert_eq!(net.ours.tip(), first.hash);
}

#[test]
fn a_chain_of_blocks_is_made_before_any_node_knows_of_it() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let mut template = net.template();
    // 50 blocks: past the halving at 150, where the coinbase must claim less.
    let mut blocks = Vec::new();
    for _ in 0..50 {
        let block = template.block();
        template = template.after(&block);
        blocks.push(block);
    }
    for block in &blocks {
        assert_eq!(net.ours.submit(&block.hex()), Value::Null, "height {}", block.height);
    }
    assert_eq!(net.ours.tip(), blocks.last().unwrap().hash);
}

#[test]
fn litecoind_gives_each_flawed_block_the_expected_verdict() {
    require_litecoind!();
    let net = Regtest::start(Base::Mweb);
    for flaw in Flaw::ALL {
        let block = net.template().flawed(flaw);
        let verdict = net.observer.submit(&block.hex());
        assert_eq!(verdict, flaw.verdict(), "{flaw:?}");
        assert_eq!(net.observer.tip() == block.hash, verdict.is_null(), "{flaw:?}");
        if verdict.is_null() {
            // What the node kept is the block without its oddity.
            let kept = net.observer.block_hex(&block.hash);
            let mended = kept.len().cmp(&block.hex().len());
            assert_eq!(mended.is_gt(), flaw == Flaw::MissingCoinbaseWitness);
            assert_eq!(mended.is_lt(), flaw == Flaw::TrailingBytes);
        }
    }
}

#[test]
fn litecoind_gives_the_same_verdicts_before_mweb() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    for flaw in Flaw::ALL.into_iter().filter(|flaw| *flaw != Flaw::NoMweb) {
        let block = net.template().flawed(flaw);
        assert_eq!(net.observer.submit(&block.hex()), flaw.verdict(), "{flaw:?}");
    }
}

// --- nothing stays behind

#[test]
fn a_panicking_test_leaves_no_node_and_no_files_even_if_one_is_paused() {
    require_litecoind!();
    let mut left = Vec::new();
    catch_unwind(AssertUnwindSafe(|| {
        let net = Regtest::start(Base::Segwit);
        net.plain[0].pause();
        left = net.nodes().map(|node| (node.pid(), node.data_dir().to_path_buf())).to_vec();
        assert!(left.iter().all(|(pid, dir)| is_running(*pid) && dir.exists()));
        panic!("on purpose");
    }))
    .unwrap_err();
    assert_eq!(left.len(), 4);
    for (pid, dir) in left {
        assert!(!is_running(pid), "process {pid} is left");
        assert!(!dir.exists(), "{} is left", dir.display());
    }
}

#[test]
fn a_killed_test_runner_leaves_no_node_even_if_one_is_paused() {
    require_litecoind!();
    let mut runner = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "a_runner_to_be_killed"])
        .env("E2E_TO_BE_KILLED", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let started: Vec<(u32, PathBuf)> = BufReader::new(runner.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .filter_map(|line| {
            let (pid, dir) = line.split_once("started: ")?.1.split_once(' ')?;
            Some((pid.parse().unwrap(), dir.into()))
        })
        .take(2)
        .collect();
    let running = started.iter().filter(|(pid, _)| is_running(*pid)).count();
    runner.kill().unwrap();
    runner.wait().unwrap();
    assert_eq!((started.len(), running), (2, 2));
    for (pid, dir) in started {
        eventually(SOON, format!("process {pid} is gone"), || !is_running(pid));
        // Files are the one thing that a killed runner leaves; `cargo clean` would remove them too.
        std::fs::remove_dir_all(dir).unwrap();
    }
}

/// No test: the runner that [`a_killed_test_runner_leaves_no_node_even_if_one_is_paused`] kills.
#[test]
#[ignore = "started by another test"]
fn a_runner_to_be_killed() {
    if std::env::var_os("E2E_TO_BE_KILLED").is_none() {
        return;
    }
    let (node, paused) = (lone_node(), lone_node());
    paused.pause();
    for node in [&node, &paused] {
        // On a line of its own: the test harness writes the test's name without ending the line.
        println!("\nstarted: {} {}", node.pid(), node.data_dir().display());
    }
    // Ends when the other test kills this process; returns at once if that test is gone itself.
    node.rpc_client().timeout(Duration::from_secs(60)).call("waitfornewblock", json!([60_000])).unwrap();
}

// --- the program under test, played by shell scripts

fn script(dir: &Path, text: &str) -> Setup {
    let file = dir.join("blockcast");
    std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    Setup { binary: Some(file), ..Setup::default() }
}

#[test]
fn a_program_that_ends_instead_of_becoming_ready_fails_the_test_with_its_log() {
    require_litecoind!();
    let dir = tempfile::tempdir().unwrap();
    let setup = script(dir.path(), "echo to stdout: $1 $2; echo to stderr >&2; exit 78");
    let panic = catch_unwind(|| Blockcast::start(setup).wait_ready()).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    for part in ["exit status: 78", "to stdout: run --config", "to stderr"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_command_gets_its_arguments_and_input_and_gives_its_output_and_status() {
    require_litecoind!();
    let dir = tempfile::tempdir().unwrap();
    let blockcast = Blockcast::start(script(dir.path(), "ls -d config/chains; cat; echo \"$@\" >&2; exit 3"));
    let output = blockcast.cli_with_input(&["submit", "--chain", "litecoin", "-"], b"bytes");
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "config/chains\nbytes");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "submit --chain litecoin -\n");
}

#[test]
fn sigterm_waits_for_the_end_and_a_restart_keeps_data_and_log() {
    require_litecoind!();
    let dir = tempfile::tempdir().unwrap();
    let wait = "mkdir -p data; echo run >> data/runs; trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.02; done";
    let mut blockcast = Blockcast::start(script(dir.path(), wait));
    eventually(SOON, "the first run is up", || blockcast.log() == "up");
    assert_eq!(blockcast.sigterm().code(), Some(5));
    blockcast.restart();
    eventually(SOON, "the second run is up", || blockcast.log() == "up\nbye\nup");
    let pid = blockcast.pid();
    blockcast.sigkill();
    assert!(!is_running(pid));
    assert_eq!(std::fs::read_to_string(blockcast.data_dir().join("runs")).unwrap(), "run\nrun\n");
}

#[test]
fn under_strace_the_process_is_still_ours_and_its_calls_are_written_down() {
    require_litecoind!();
    let dir = tempfile::tempdir().unwrap();
    let setup = script(dir.path(), "echo $$; exec sleep 1000");
    let mut blockcast = Blockcast::start(Setup { strace: Some("trace=write,execve".into()), ..setup });
    let pid = blockcast.pid();
    eventually(SOON, "the script has become sleep", || blockcast.strace_log().contains("sleep\", \"1000\""));
    assert_eq!(blockcast.log(), pid.to_string());
    assert!(blockcast.strace_log().contains(&format!("write(1, \"{pid}\\n\"")), "{}", blockcast.strace_log());
    blockcast.sigkill();
    assert!(!is_running(pid));
    eventually(SOON, "strace writes down the end", || {
        blockcast.strace_log().contains("+++ killed by SIGKILL")
    });
}
