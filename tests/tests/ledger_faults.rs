//! A ledger that cannot be used costs history, and never a block.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod common;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use common::{PATIENCE, block_in_state, report_of, submit};
use e2e::{Base, Block, Blockcast, Regtest, Setup, eventually, namespace, require_litecoind, setup};
use rusqlite::Connection;
use serde_json::{Value, json};

/// An engine that has run, and is stopped; what lies in its directory is the test's to spoil.
fn stopped(net: &Regtest) -> Blockcast {
    let nodes = vec![setup::Node::of("a", &net.ours).rpc_only()];
    let mut bc = Blockcast::start(Setup { nodes, confirmations: Some(3), ..Setup::default() });
    bc.wait_ready();
    assert!(bc.sigterm().success());
    bc
}

fn ledger_of(bc: &Blockcast) -> PathBuf {
    bc.data_dir().join("ledger.sqlite")
}

/// Takes a ledger that was closed in the orderly way out of the way, so that the test can put something in its place.
fn without_ledger(bc: &Blockcast) -> PathBuf {
    let file = ledger_of(bc);
    fs::remove_file(&file).unwrap();
    for beside in ["ledger.sqlite-wal", "ledger.sqlite-shm"] {
        assert!(!bc.data_dir().join(beside).exists(), "{beside} is left of a ledger that was closed");
    }
    file
}

/// A block handed in is accepted and on disk, whatever the ledger does.
fn assert_relayed(net: &Regtest, bc: &Blockcast) -> Block {
    assert_eq!(bc.get("/readyz").status, 200);
    let block = net.template().block();
    assert_eq!(submit(bc, &block), Value::Null);
    assert_eq!(net.ours.tip(), block.hash);
    let report = report_of(bc, &block.hash);
    assert_eq!((&report["status"], &report["durable"]), (&json!("accepted"), &json!(true)), "{report:#}");
    eventually(PATIENCE, "its fate is followed without history too", || {
        common::block_of(bc, &block.hash)["fate"]["state"] == "active"
    });
    block
}

/// The ledger is out of order, the API says why, and the log once.
fn assert_named(bc: &Blockcast, why: &str) {
    let state = eventually(PATIENCE, format!("the API says {why}"), || {
        let state = bc.get_json("/api/v1/blocks")["ledger"].take();
        state["why"].as_str().is_some_and(|said| said.contains(why)).then_some(state)
    });
    assert_eq!(state["available"], false, "{state:#}");
    bc.wait_logged(why, PATIENCE);
    let said = bc.log().matches("history is not written down for now").count();
    assert_eq!(said, 1, "said once, not at each try:\n{}", bc.log());
}

/// What was handed in meanwhile is in the file.
fn assert_in_file(bc: &Blockcast, block: &Block) {
    eventually(PATIENCE, "history again", || {
        bc.get_json("/api/v1/blocks")["ledger"]["available"] == json!(true)
    });
    let reader =
        Connection::open_with_flags(ledger_of(bc), rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    eventually(PATIENCE, "the block in the file, with its state", || {
        let state = "SELECT state FROM blocks WHERE hash = ?1";
        reader
            .query_row(state, [&block.hash], |row| row.get::<_, String>(0))
            .is_ok_and(|state| state == "active")
    });
    bc.wait_logged("history is written down again", PATIENCE);
}

#[test]
fn a_ledger_of_random_bytes_is_set_aside_and_a_new_one_begun() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let mut bc = stopped(&net);
    let file = without_ledger(&bc);
    let mut noise = 1u64;
    let garbage: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.to_be_bytes()[0]
    })
    .take(100_000)
    .collect();
    fs::write(&file, &garbage).unwrap();
    bc.restart();
    bc.wait_ready();
    let block = assert_relayed(&net, &bc);
    let aside: Vec<PathBuf> = fs::read_dir(bc.data_dir())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("ledger.sqlite.corrupt-"))
        .collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert_eq!(fs::read(&aside[0]).unwrap(), garbage, "as it was");
    bc.wait_logged("the ledger is damaged; it is set aside", PATIENCE);
    bc.wait_logged(aside[0].to_str().unwrap(), PATIENCE);
    assert!(bc.sigterm().success());
    bc.restart();
    bc.wait_ready();
    block_in_state(&bc, &block.hash, "active");
    assert_eq!(bc.get_json("/api/v1/blocks")["ledger"], json!({ "available": true, "why": null }));
}

#[test]
fn a_ledger_of_a_newer_release_is_left_as_it_is() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let mut bc = stopped(&net);
    let file = ledger_of(&bc);
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(&file).unwrap();
    bc.restart();
    bc.wait_ready();
    let block = assert_relayed(&net, &bc);
    assert_named(&bc, "it is of version 99");
    let listed = bc.get_json("/api/v1/blocks");
    assert_eq!(listed["blocks"][0]["hash"], json!(block.hash), "what is running is listed: {listed:#}");
    assert!(bc.sigterm().success());
    assert!(fs::read(&file).unwrap() == before, "not one byte has changed");
    let left = |end: &str| bc.data_dir().join(format!("ledger.sqlite{end}"));
    assert!(!left("-wal").exists() && !left("-shm").exists(), "nor is there anything beside it");
}

#[test]
fn a_ledger_that_another_program_holds_is_written_when_it_is_let_go() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let mut bc = stopped(&net);
    // From before the start, and again while it runs.
    for running in [false, true] {
        let holder = Connection::open(ledger_of(&bc)).unwrap();
        holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
        if !running {
            bc.restart();
            bc.wait_ready();
        }
        let block = assert_relayed(&net, &bc);
        eventually(PATIENCE, "the log says who is in the way", || {
            let log = bc.log();
            let said = log.lines().filter(|line| {
                line.contains("history is not written down for now")
                    && line.contains("another program holds it")
            });
            said.count() == 1 + usize::from(running)
        });
        holder.execute_batch("COMMIT").unwrap();
        drop(holder);
        assert_in_file(&bc, &block);
        // The next template is on top of it.
        for node in &net.nodes()[1..] {
            node.submit(&block.hex());
        }
        net.wait_for_tip(&block.hash);
    }
}

#[test]
fn a_directory_in_the_ledgers_place_is_named_and_history_begins_when_it_is_gone() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let mut bc = stopped(&net);
    let file = without_ledger(&bc);
    fs::create_dir(&file).unwrap();
    fs::write(file.join("precious"), "of somebody").unwrap();
    bc.restart();
    bc.wait_ready();
    let block = assert_relayed(&net, &bc);
    assert_named(&bc, "see to the directory and its rights");
    assert_eq!(fs::read_to_string(file.join("precious")).unwrap(), "of somebody");
    fs::rename(&file, bc.data_dir().join("moved")).unwrap();
    assert_in_file(&bc, &block);
}

#[test]
fn a_ledger_that_cannot_be_written_is_named_and_left_as_it_is_until_it_can() {
    require_litecoind!();
    if !namespace::entered_with_mounts(
        "a_ledger_that_cannot_be_written_is_named_and_left_as_it_is_until_it_can",
    ) {
        return;
    }
    let net = Regtest::start(Base::Segwit);
    let mut bc = stopped(&net);
    let file = ledger_of(&bc);
    let before = fs::read(&file).unwrap();
    // The rights of a file are nothing to root; a mount that is for reading only is for everybody.
    let mounted = |args: &[&str]| {
        let status = Command::new(args[0]).args(&args[1..]).arg(&file).status();
        assert!(status.is_ok_and(|status| status.success()), "{} failed", args.join(" "));
    };
    mounted(&["mount", "--bind", file.to_str().unwrap()]);
    mounted(&["mount", "-o", "remount,bind,ro"]);
    bc.restart();
    bc.wait_ready();
    let block = assert_relayed(&net, &bc);
    assert_named(&bc, "it cannot be written: see to the rights of the file and its directory");
    assert_eq!(fs::read(&file).unwrap(), before, "as it was");
    mounted(&["umount"]);
    assert_in_file(&bc, &block);
    assert!(bc.sigterm().success());
}

#[test]
fn a_full_disk_costs_no_block_and_what_happened_meanwhile_is_written_when_there_is_room() {
    require_litecoind!();
    if !namespace::entered_with_mounts(
        "a_full_disk_costs_no_block_and_what_happened_meanwhile_is_written_when_there_is_room",
    ) {
        return;
    }
    let net = Regtest::start(Base::Segwit);
    let mut bc = stopped(&net);
    // A disk of its own for the data, far smaller than the journal and the ledger like it.
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=160m", "none"]).arg(bc.data_dir()).status();
    assert!(mounted.is_ok_and(|status| status.success()), "mount failed");
    bc.restart();
    bc.wait_ready();
    eventually(PATIENCE, "a ledger", || bc.get_json("/api/v1/blocks")["ledger"]["available"] == json!(true));
    let ballast = bc.data_dir().join("ballast");
    fill(&ballast);
    let block = net.template().block();
    assert_eq!(submit(&bc, &block), Value::Null);
    assert_eq!(net.ours.tip(), block.hash, "sent, whatever the disk says");
    bc.wait_logged("the disk is full: make room", PATIENCE);
    let page = bc.get_json("/api/v1/blocks");
    assert_eq!(page["blocks"][0]["hash"], json!(block.hash), "{page:#}");
    assert_eq!(bc.get("/readyz").status, 200, "{}", bc.get("/readyz").text());
    fs::remove_file(&ballast).unwrap();
    assert_in_file(&bc, &block);
    assert!(bc.sigterm().success());
}

/// Writes until there is no room left.
fn fill(ballast: &Path) {
    let mut file = fs::File::create(ballast).unwrap();
    for part in [vec![0u8; 1 << 20], vec![0u8; 1 << 9]] {
        while file.write_all(&part).is_ok() {}
    }
}

#[test]
fn a_failure_that_has_passed_is_over_before_the_next_block_comes() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let mut bc = stopped(&net);
    bc.restart();
    bc.wait_ready();
    let available = || bc.get_json("/api/v1/blocks")["ledger"]["available"] == json!(true);
    eventually(PATIENCE, "a ledger", available);
    // Somebody's hands are in the file for a moment, and a question comes.
    let other = Connection::open(ledger_of(&bc)).unwrap();
    other.busy_timeout(PATIENCE).unwrap();
    other.execute_batch("ALTER TABLE raw RENAME TO moved").unwrap();
    let reply = bc.get(&format!("/api/v1/blocks/{}/raw", "ab".repeat(32)));
    assert!(reply.status == 404 && reply.text().contains("no such table"), "{}", reply.text());
    other.execute_batch("ALTER TABLE moved RENAME TO raw").unwrap();
    // Without a block to be written.
    bc.wait_logged("history is written down again", PATIENCE);
    // Nor is there a thread that is busy with nothing.
    let ticks = || cpu_ticks(bc.pid());
    let (start, before) = (std::time::Instant::now(), ticks());
    eventually(PATIENCE, "two seconds", || start.elapsed().as_secs() >= 2);
    assert!(ticks() - before < 100, "{} ticks in two seconds", ticks() - before);
}

/// The processor time that a process has used, in hundredths of a second.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
