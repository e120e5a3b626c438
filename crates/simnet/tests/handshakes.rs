//! Recorded handshakes, replayed against simulated nodes: they must say what the daemons said, byte for byte.
//!
//! Injected are: the chain (the headers that the daemon itself told), the clock (the time in its `version`), and what it
//! draws at random, the nonces of its `version` and of its first `ping` and dashd's challenge. Everything else is the simulated node's own: the
//! order of messages, protocol number, services, user agent, height, formats, fee filter, locator, headers. (The daemon
//! puts zeros where its own address and, on loopback, the caller's could stand; so does the simulated node.)
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::time::Duration;

use common::{CALLER, DAEMONS, DASH, Daemon, LITECOIN, Scripted, Stage, caller, unhex, words};
use simnet::{Output, Temperament};
use wire::{Command, Message};

/// What is said at a moment of its own, and what names addresses that were made up.
const NOT_REPLAYED: [&str; 4] = ["getsporks", "govsync", "addr", "addrv2"];

fn replay(daemon: Daemon, file: &str) {
    let recording = daemon.recording(file);
    let profile = (daemon.profile)();
    let messages: Vec<_> = recording["messages"].as_array().unwrap().iter().collect();
    let from_node = |command: &str| {
        let found = messages.iter().find(|m| m["dir"] == "node->client" && m["cmd"] == command);
        unhex(&found.unwrap_or_else(|| panic!("{file}: no {command}"))["raw_hex"])
    };
    let payload = from_node("version").slice(wire::HEADER_LEN..);
    let dialect = profile.chain.dialect();
    let Ok(Message::Version(version)) = Message::decode(Command::VERSION, payload, dialect) else { panic!() };
    let Ok(Message::Ping(ping)) =
        Message::decode(Command::PING, from_node("ping").slice(wire::HEADER_LEN..), dialect)
    else {
        panic!()
    };

    // Whose speaking is a matter of chance draws a number for that first.
    let whims = profile.stall.map(|_| 0);
    let numbers = whims.into_iter().chain([version.nonce().unwrap(), ping]).collect();
    let tail = version.details.as_ref().unwrap().extension.clone();
    assert_eq!(tail[profile.version_tail.random.min(tail.len())..], *profile.version_tail.fixed);
    let mut stage =
        Stage::with(daemon, profile.clone(), Temperament::Honest, Scripted { numbers, bytes: tail });
    stage.node.chain_mut().adopt(&daemon.recorded_headers());
    // A node counts from its epoch: this is when the caller connects.
    stage.now = Duration::from_secs((version.timestamp - i64::from(common::EPOCH)).try_into().unwrap());
    let begin = stage.now;
    stage.node.connect(CALLER, caller(), begin);

    let (mut said, mut expected) = (Vec::new(), Vec::new());
    for message in &messages {
        let raw = unhex(&message["raw_hex"]);
        if message["dir"] == "node->client" {
            let command = message["cmd"].as_str().unwrap();
            if !NOT_REPLAYED.contains(&command) {
                expected.push((command, raw));
            }
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
    assert!(expected.len() >= 10, "{file}");
}

fn collect(stage: &mut Stage, said: &mut Vec<bytes::Bytes>) {
    for output in stage.wait(Duration::ZERO) {
        match output {
            Output::Send { message, .. } if NOT_REPLAYED.contains(&message.command().as_str()) => {}
            Output::Send { message, .. } => said.push(stage.node.frame(&message)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_caller_that_offers_addrv2_and_asks_ten_seconds_later_gets_the_recorded_bytes() {
    DAEMONS.into_iter().for_each(|daemon| replay(daemon, "handshake_inbound_full.json"));
}

#[test]
fn a_caller_that_offers_nothing_gets_the_recorded_bytes() {
    DAEMONS.into_iter().for_each(|daemon| replay(daemon, "handshake_inbound_plain.json"));
}

#[test]
fn a_caller_of_an_older_version_gets_the_recorded_bytes() {
    replay(DASH, "handshake_inbound_pv70230.json");
}

#[test]
fn what_comes_to_a_daemons_mind_later_is_what_was_recorded_and_comes_once() {
    let recording = DASH.recording("handshake_inbound_plain.json");
    let messages = recording["messages"].as_array().unwrap().iter();
    let recorded: Vec<_> = messages
        .filter(|message| ["getsporks", "govsync"].contains(&message["cmd"].as_str().unwrap()))
        .map(|message| unhex(&message["raw_hex"]))
        .collect();
    let mut stage = Stage::with(DASH, (DASH.profile)(), Temperament::Honest, common::Counting::default());
    stage.shake_hands();
    let said: Vec<_> = common::sent(&stage.wait(Duration::from_secs(6)))
        .into_iter()
        .map(|said| stage.node.frame(said))
        .collect();
    assert_eq!(said, recorded);
    assert_eq!(words(&stage.wait(Duration::from_secs(60))), Vec::<String>::new());
}

/// outgoing_stall_500ms.json: some of what a dashd says is half a second late, and what is said behind it waits.
#[test]
fn one_word_in_ten_is_half_a_second_late_and_nothing_overtakes_it() {
    let mut stage = DASH.ready(Temperament::Honest);
    let (mut late, mut last) = (0, Duration::ZERO);
    for nonce in 0..1000 {
        stage.say(Message::Ping(nonce));
        let outputs = stage.wait(Duration::from_millis(600));
        // Now and then the node sends a ping of its own.
        let pong = outputs.iter().find_map(|output| match output {
            Output::Send { message: Message::Pong(answer), at, .. } if *answer == nonce => Some(*at),
            _ => None,
        });
        let at = pong.unwrap_or_else(|| panic!("{outputs:?}"));
        let delay = at - (stage.now - Duration::from_millis(600));
        assert!(delay <= Duration::from_millis(500) && at >= last, "{delay:?}");
        (late, last) = (late + usize::from(!delay.is_zero()), at);
    }
    assert!((70..140).contains(&late), "{late} of 1000");
    let mut punctual = LITECOIN.ready(Temperament::Honest);
    for nonce in 0..100 {
        punctual.say(Message::Ping(nonce));
        let outputs = punctual.wait(Duration::ZERO);
        assert!(matches!(outputs[..], [Output::Send { at, .. }] if at == punctual.now));
    }
}

/// A caller that does not know `wtxidrelay` and so on is not told; disconnect_cases.json has them all.
#[test]
fn each_protocol_version_hears_what_the_daemon_told_it() {
    for daemon in DAEMONS {
        let seen = hear_each_version(daemon);
        assert!(seen >= 9, "{seen}");
    }
}

fn hear_each_version(daemon: Daemon) -> usize {
    let recording = daemon.recording("disconnect_cases.json");
    let mut seen = 0;
    for case in recording["cases"].as_array().unwrap() {
        let name = case["case"].as_str().unwrap();
        let Some(protocol) = name.strip_prefix("protocol version ").and_then(|number| number.parse().ok())
        else {
            continue;
        };
        let mut stage = daemon.with_history(Temperament::Honest, 3);
        stage.node.connect(CALLER, caller(), stage.now);
        stage.say(common::version(protocol, daemon.services));
        stage.say(Message::Verack);
        let outputs = stage.wait(Duration::ZERO);
        assert_eq!(common::hung_up(&outputs).is_some(), case["node_disconnected"] == true, "{name}");
        assert_eq!(words(&outputs), told(case), "{name}");
        seen += 1;
    }
    seen
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
