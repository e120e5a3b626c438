//! The history's commands against a daemon that gives fixed answers: what they ask for, print, write, and end with.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};
use support::{run, told};

const HASH: &str = "c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5";
const RAW: &[u8] = b"\0block\xff\n";

/// A daemon that answers by what is asked for. The thread ends with the process.
fn daemon(answer: fn(&str) -> (&'static str, Vec<u8>)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            serve(stream.unwrap(), answer);
        }
    });
    url
}

/// Answers one request; none of those that are sent here has a body.
fn serve(mut stream: TcpStream, answer: fn(&str) -> (&'static str, Vec<u8>)) {
    let mut head = String::new();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "the client hung up: {head}");
    }
    let asked = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1");
    let (status, body) = answer(asked);
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
    // Whatever the client still says; then it has hung up.
    drop(reader.read_to_end(&mut Vec::new()));
}

fn body(json: &Value) -> Vec<u8> {
    json.to_string().into_bytes()
}

fn report(status: &str) -> Value {
    json!({
        "chain": "litecoin", "hash": HASH, "form": HASH, "height": 433, "parent": HASH, "merged_with": null,
        "size": 8, "source": "replay", "received_unix_ms": 1_795_172_838_042_u64, "age_ms": 12.0, "repeats": 0,
        "submissions": [], "status": status, "durable": true, "durable_ms": 1.0, "journal_error": null,
        "inspected_ms": 2.0, "findings": [], "kept_off_p2p": null, "peers_with_block": 1, "peers_addressed": 2,
        "peers_sent_to": 2, "first_echo": null, "finality": null,
        "nodes": [{
            "node": "a", "judgement": null, "masked": false, "answered_ms": null, "judged_ms": null, "attempts": 0,
        }],
        "peers": [],
    })
}

fn block() -> Value {
    json!({
        "chain": "litecoin", "hash": HASH, "height": 433, "parent": HASH,
        "fate": {
            "state": "active", "since_unix_ms": 1_795_172_838_050_u64, "confirmations": 3, "required": 6, "by": null,
            "node": "a", "places": [], "changes": [], "rival_heard": null, "diagnosis": null,
            "replays": {"done": 0, "next_unix_ms": null},
        },
        "deliveries": [report("accepted")], "raw_kept": true,
    })
}

fn summary() -> Value {
    json!({
        "chain": "litecoin", "hash": HASH, "height": 433, "size": 8, "source": "front_door",
        "received_unix_ms": 1_795_172_838_042_u64, "status": "accepted", "state": "active",
        "since_unix_ms": 1_795_172_838_050_u64, "confirmations": 3, "by": null, "diagnosis": null,
        "peers_with_block": 1, "peers_addressed": 2, "first_echo_ms": null, "deliveries": 1,
    })
}

fn answer(asked: &str) -> (&'static str, Vec<u8>) {
    let rest = asked.replace(HASH, "HASH");
    match rest.as_str() {
        "GET /api/v1/blocks?limit=2&chain=litecoin&state=active" => {
            let ledger = json!({"available": false, "why": "disk full"});
            ("200 OK", body(&json!({"blocks": [summary()], "ledger": ledger})))
        }
        "GET /api/v1/blocks/HASH" => {
            let ledger = json!({"available": true, "why": null});
            ("200 OK", body(&json!({"block": block(), "ledger": ledger, "more": 1})))
        }
        "GET /api/v1/blocks/HASH/raw" => ("200 OK", RAW.to_vec()),
        "POST /api/v1/blocks/HASH/replay?wait=node" => ("202 Accepted", body(&report("pending"))),
        "POST /api/v1/blocks/HASH/replay?wait=peers:1&timeout=9" => ("200 OK", body(&report("pending"))),
        _ => {
            let message = format!("asked for {rest}");
            let error = json!({"kind": "unknown_block", "message": message, "remedy": "list them"});
            ("404 Not Found", body(&json!({ "error": error })))
        }
    }
}

#[test]
fn blocks_are_listed_as_a_table_as_csv_and_as_they_came() {
    let url = daemon(answer);
    let ask = |form: &[&str]| {
        let args = ["blocks", "--url", &url, "--limit", "2", "--chain", "litecoin", "--state", "active"];
        told(&run(&[&args, form].concat()))
    };
    let (code, page, note) = ask(&[]);
    assert_eq!(code, 0, "{note}");
    assert!(page.contains("active, 3 deep") && page.contains(HASH), "{page}");
    assert!(note.contains("the history is not available, only blocks on their way: disk full"), "{note}");
    let (code, csv, note) = ask(&["--csv"]);
    assert_eq!((code, csv.lines().count()), (0, 2), "{csv}");
    assert!(note.contains("disk full"), "{note}");
    let (code, json, _) = ask(&["--json"]);
    assert_eq!(code, 0);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["blocks"], json!([summary()]));
    let (code, _, error) = told(&run(&["blocks", "--url", &url]));
    assert_eq!(code, 1);
    assert!(error.contains("404 Not Found: asked for GET /api/v1/blocks?limit=100; list them"), "{error}");
}

#[test]
fn a_block_is_shown_and_its_bytes_are_written_once() {
    let url = daemon(answer);
    let (code, page, note) = told(&run(&["block", &HASH.to_uppercase(), "--url", &url]));
    assert_eq!((code, note.as_str()), (0, ""));
    assert!(page.starts_with(&format!("ACTIVE  {HASH}  height 433, 8 bytes\n")), "{page}");
    let (code, json, _) = told(&run(&["block", HASH, "--url", &url, "--json"]));
    assert_eq!(code, 0);
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["more"], 1, "as the daemon gave it");
    let unknown = HASH.replace('c', "d");
    let (code, page, error) = told(&run(&["block", &unknown, "--url", &url]));
    assert_eq!((code, page.as_str()), (1, ""));
    assert!(error.contains("404 Not Found") && error.contains("list them"), "{error}");

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("block.bin");
    let save = |more: &[&str]| {
        told(&run(&[&["block", HASH, "--url", &url, "--raw", file.to_str().unwrap()], more].concat()))
    };
    let (code, page, note) = save(&[]);
    assert_eq!((code, page.as_str()), (0, ""));
    assert!(note.contains("8 bytes written to"), "{note}");
    assert_eq!(fs::read(&file).unwrap(), RAW);
    fs::write(&file, "precious").unwrap();
    let (code, _, error) = save(&[]);
    assert_eq!(code, 1);
    assert!(error.contains("is there already; --force overwrites it"), "{error}");
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    assert_eq!(save(&["--force"]).0, 0);
    assert_eq!(fs::read(&file).unwrap(), RAW);
    assert_eq!(run(&["block", HASH, "--url", &url, "--raw", "-"]).stdout, RAW);
}

#[test]
fn a_replay_ends_well_if_its_goal_is_reached() {
    let url = daemon(answer);
    let (code, page, _) = told(&run(&["replay", HASH, "--url", &url]));
    assert_eq!(code, 1);
    assert!(page.starts_with("PENDING  ") && page.contains("handed in by replay"), "{page}");
    let peers = ["replay", HASH, "--url", &url, "--wait", "peers:1", "--timeout", "9", "--json"];
    let (code, json, _) = told(&run(&peers));
    assert_eq!(code, 0);
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), report("pending"));
    let (code, _, error) = told(&run(&["replay", &HASH.replace('c', "d"), "--url", &url]));
    assert_eq!(code, 1);
    assert!(error.contains("404 Not Found"), "{error}");
}
