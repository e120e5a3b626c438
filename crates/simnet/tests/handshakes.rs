//! Recorded handshakes of litecoind, replayed against a simulated node: it must say what the daemon said, byte for byte.
//!
//! Injected are: the chain (the headers that the daemon itself told), the clock (the time in its `version`), and its two
//! random numbers, the nonces of its `version` and of its first `ping`. Everything else is the simulated node's own: the
//! order of messages, protocol number, services, user agent, height, formats, fee filter, locator, headers. (The daemon
//! puts zeros where its own address and, on loopback, the caller's could stand; so does the simulated node.)
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::time::Duration;

use common::{CALLER, Scripted, Stage, caller, recorded_headers, recording, unhex, words};
use simnet::{Output, Temperament};
use wire::{Command, Message};

fn replay(file: &str) {
    let recording = recording(file);
    let messages: Vec<_> = recording["messages"].as_array().unwrap().iter().collect();
    let from_node = |command: &str| {
        let found = messages.iter().find(|m| m["dir"] == "node->client" && m["cmd"] == command);
        unhex(&found.unwrap_or_else(|| panic!("{file}: no {command}"))["raw_hex"])
    };
    let payload = from_node("version").slice(wire::HEADER_LEN..);
    let dialect = litecoin::LitecoinDialect;
    let Ok(Message::Version(version)) = Message::decode(Command::VERSION, payload, &dialect) else {
        panic!()
    };
    let Ok(Message::Ping(ping)) =
        Message::decode(Command::PING, from_node("ping").slice(wire::HEADER_LEN..), &dialect)
    else {
        panic!()
    };

    let mut stage =
        Stage::with(Temperament::Honest, Scripted([version.nonce().unwrap(), ping].into_iter().collect()));
    stage.node.chain_mut().adopt(&recorded_headers());
    // A node counts from its epoch: this is when the caller connects.
    stage.now = Duration::from_secs((version.timestamp - i64::from(common::EPOCH)).try_into().unwrap());
    let begin = stage.now;
    stage.node.connect(CALLER, caller(), begin);

    let (mut said, mut expected) = (Vec::new(), Vec::new());
    for message in &messages {
        let raw = unhex(&message["raw_hex"]);
        if message["dir"] == "node->client" {
            expected.push((message["cmd"].as_str().unwrap(), raw));
            continue;
        }
        // To the whole second, so that the recorded moment of the first message is that of the clock.
        stage.now = begin + Duration::from_secs(message["t_ms"].as_f64().unwrap() as u64 / 1000);
        stage.say_bytes(&raw);
        collect(&mut stage, &mut said);
    }
    for (index, (command, raw)) in expected.iter().enumerate() {
        let found = said.get(index);
        assert_eq!(found, Some(raw), "{file}: message {index}, {command}");
    }
    assert_eq!(said.len(), expected.len(), "{file}: it says no more than the daemon");
    assert!(expected.len() >= 12, "{file}");
}

fn collect(stage: &mut Stage, said: &mut Vec<bytes::Bytes>) {
    for output in stage.wait(Duration::ZERO) {
        match output {
            Output::Send { message, .. } => said.push(stage.node.frame(&message)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_caller_that_offers_addrv2_and_asks_ten_seconds_later_gets_the_recorded_bytes() {
    replay("handshake_inbound_full.json");
}

#[test]
fn a_caller_that_offers_nothing_gets_the_recorded_bytes() {
    replay("handshake_inbound_plain.json");
}

/// A caller that does not know `wtxidrelay` and so on is not told; disconnect_cases.json has them all.
#[test]
fn each_protocol_version_hears_what_the_daemon_told_it() {
    let recording = recording("disconnect_cases.json");
    let mut seen = 0;
    for case in recording["cases"].as_array().unwrap() {
        let name = case["case"].as_str().unwrap();
        let Some(protocol) = name.strip_prefix("protocol version ").and_then(|number| number.parse().ok())
        else {
            continue;
        };
        let mut stage = Stage::with_history(Temperament::Honest, 3);
        stage.node.connect(CALLER, caller(), stage.now);
        stage.say(common::version(protocol, 0x100_0409));
        stage.say(Message::Verack);
        let outputs = stage.wait(Duration::ZERO);
        assert_eq!(common::hung_up(&outputs).is_some(), case["node_disconnected"] == true, "{name}");
        assert_eq!(words(&outputs), told(case), "{name}");
        seen += 1;
    }
    assert!(seen >= 9, "{seen}");
}

/// What the node said in a case, in order, without `alert`, which is not simulated, and without the nonce-less ping to
/// version 60000, which asks for no answer.
fn told(case: &serde_json::Value) -> Vec<String> {
    let lines = case["messages"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
    let said = lines.filter_map(|line| line.split_once("<- ")).map(|(_, said)| said);
    said.filter(|said| !said.starts_with("alert") && *said != "ping")
        .map(|said| match said.split_once(" len=") {
            Some((command, _)) => command.to_owned(),
            None => said.to_owned(),
        })
        .collect()
}
