//! What becomes of a block after it was handed in, as the ledger has it: confirmed, orphaned, rejected, and back.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod common;

use std::thread;

use common::{PATIENCE, block_in_state, block_of, metric, path_of, printed, submit, wait_for_peers};
use e2e::{Base, Blockcast, Flaw, Proxy, Regtest, Setup, eventually, require_litecoind, setup};
use serde_json::{Value, json};

/// How deep a block has to be here.
const REQUIRED: Option<u32> = Some(3);

/// An engine whose one node is `ours`, and which has no peers.
fn alone(net: &Regtest) -> Setup {
    let nodes = vec![setup::Node::of("a", &net.ours).rpc_only()];
    Setup { nodes, confirmations: REQUIRED, ..Setup::default() }
}

/// The same, and the node is reached through a proxy.
fn behind(net: &Regtest, proxy: &Proxy) -> Setup {
    let mut setup = alone(net);
    setup.nodes[0].rpc_url = format!("http://{}", proxy.address());
    setup
}

fn deliveries(block: &Value) -> &[Value] {
    block["deliveries"].as_array().map(Vec::as_slice).unwrap_or_default()
}

#[test]
fn a_block_is_active_then_confirmed_at_the_depth_asked_for_and_the_history_outlives_the_engine() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let mut bc = Blockcast::start(Setup { confirmations: REQUIRED, ..Setup::of(&net) });
    bc.wait_ready();
    wait_for_peers(&bc, 3, 1);
    let block = net.template().block();
    let told = listener(&bc);
    assert_eq!(submit(&bc, &block), Value::Null);
    for depth in 1..=3 {
        let state = if depth == 3 { "confirmed" } else { "active" };
        let known = eventually(PATIENCE, format!("{state} at a depth of {depth}"), || {
            let known = block_of(&bc, &block.hash);
            (known["fate"]["confirmations"] == depth).then_some(known)
        });
        let fate = &known["fate"];
        assert_eq!((&fate["state"], &fate["required"]), (&json!(state), &json!(3)), "{known:#}");
        let place = &fate["places"][0];
        let (node, place, deep) = (&place["node"], &place["place"], &place["confirmations"]);
        assert_eq!((node, place, deep), (&json!("a"), &json!("active"), &json!(depth)), "{known:#}");
        if depth < 3 {
            net.mine(1);
        }
    }
    assert_eq!(path_of(&block_of(&bc, &block.hash)), ["active", "confirmed"]);
    let confirmed = [("source", "front_door"), ("final", "confirmed")];
    assert_eq!(metric(&bc, "blocks_total", &confirmed), Some(1.0));

    let page = printed(&bc, &["block", &block.hash]);
    println!("{page}");
    assert!(page.contains("CONFIRMED") && page.contains(&block.hash), "{page}");
    assert!(printed(&bc, &["blocks", "--state", "confirmed"]).contains(&block.hash));
    assert!(!printed(&bc, &["blocks", "--state", "orphaned"]).contains(&block.hash));

    assert!(bc.sigterm().success());
    let told = told.join().unwrap();
    let states = |state: &str| told.matches(&format!("\"state\":\"{state}\"")).count();
    assert_eq!((states("active"), states("confirmed")), (1, 1), "{told}");

    bc.restart();
    bc.wait_ready();
    let known = block_in_state(&bc, &block.hash, "confirmed");
    assert_eq!(path_of(&known), ["active", "confirmed"]);
    assert_eq!(deliveries(&known).len(), 1, "{known:#}");
    assert_eq!(deliveries(&known)[0]["peers_with_block"], 3, "what its peers said is known: {known:#}");

    let file = bc.data_dir().join("raw");
    printed(&bc, &["block", &block.hash, "--raw", file.to_str().unwrap()]);
    assert_eq!(std::fs::read(&file).unwrap(), block.bytes);
    let reply = bc.get(&format!("/api/v1/blocks/{}/raw", block.hash));
    assert_eq!((reply.status, reply.body), (200, block.bytes.clone()));

    assert!(printed(&bc, &["replay", &block.hash]).contains(&block.hash));
    let known = eventually(PATIENCE, "a second delivery", || {
        let known = block_of(&bc, &block.hash);
        (deliveries(&known).len() == 2).then_some(known)
    });
    let sources: Vec<_> = deliveries(&known).iter().map(|delivery| &delivery["source"]).collect();
    assert_eq!(sources, ["front_door", "replay"], "oldest first: {known:#}");
    assert_eq!(deliveries(&known)[1]["status"], "accepted", "{known:#}");
    assert_eq!(known["fate"]["state"], "confirmed", "{known:#}");
    net.mine(1);
    eventually(PATIENCE, "one deeper", || block_of(&bc, &block.hash)["fate"]["confirmations"] == 4);
    assert_eq!(metric(&bc, "blocks_total", &[]), None, "the block was counted before the restart");
    assert!(bc.sigterm().success());
}

/// All that the engine tells of blocks' fates until it ends.
fn listener(bc: &Blockcast) -> thread::JoinHandle<String> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(bc.http_addr()).unwrap();
    write!(stream, "GET /api/v1/events?kind=fate HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains(": listening") {
        let mut part = [0; 4096];
        let length = stream.read(&mut part).unwrap();
        assert_ne!(length, 0, "{}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&part[..length]);
    }
    thread::spawn(move || {
        // However the engine ends the connection.
        let (Ok(_) | Err(_)) = stream.read_to_end(&mut heard);
        String::from_utf8_lossy(&heard).into_owned()
    })
}

#[test]
fn a_reorganisation_orphans_a_block_and_the_next_one_brings_it_back_and_both_are_told() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let (a, b) = (&net.ours, &net.plain[0]);
    let nodes = vec![setup::Node::of("a", a).rpc_only(), setup::Node::of("b", b).rpc_only().backup()];
    let mut bc = Blockcast::start(Setup { nodes, confirmations: REQUIRED, ..Setup::default() });
    bc.wait_ready();
    let template = net.template();
    let block = template.block();
    // The other branch begins a moment before ours, at a node that knows nobody.
    let rival = b.mine(1).remove(0);
    eventually(PATIENCE, "the engine has heard of it", || {
        metric(&bc, "node_tip_height", &[("node", "b")]) == Some(b.height() as f64)
    });
    assert_eq!(submit(&bc, &block), Value::Null, "one of the nodes has it for its tip");
    let known = block_in_state(&bc, &block.hash, "active");
    assert_eq!(known["fate"]["node"], "a", "between equals, who has it: {known:#}");

    b.mine(1);
    let known = block_in_state(&bc, &block.hash, "side");
    assert_eq!((&known["fate"]["by"], &known["fate"]["node"]), (&json!(rival), &json!("b")), "{known:#}");
    a.connect_to(b);
    eventually(PATIENCE, "the longer branch at both", || a.tip() == b.tip());
    // On our branch there is nothing more to win.
    let child = template.after(&block).block();
    assert_eq!(submit(&bc, &child), json!("inconclusive"));
    let beside = block_in_state(&bc, &child.hash, "side");
    assert_eq!(beside["fate"]["diagnosis"]["kind"], "wrong_chain", "{beside:#}");

    b.mine(1);
    let known = block_in_state(&bc, &block.hash, "orphaned");
    let fate = &known["fate"];
    assert_eq!(fate["by"], json!(rival), "{known:#}");
    assert_eq!(fate["diagnosis"]["kind"], "lost_race", "{known:#}");
    assert!(fate["diagnosis"]["behind_ms"].as_i64().is_some_and(|ms| (0..60_000).contains(&ms)), "{known:#}");
    assert_eq!(fate["rival_heard"]["from"], "b", "{known:#}");
    assert_eq!(fate["confirmations"], 0);
    let places = eventually(PATIENCE, "both nodes' word", || {
        let places = block_of(&bc, &block.hash)["fate"]["places"].take();
        let beside = |place: &Value| place["place"] == "side" && place["rival"] == json!(rival);
        places.as_array().is_some_and(|all| all.len() == 2 && all.iter().all(beside)).then_some(places)
    });
    println!("{}", printed(&bc, &["block", &block.hash]));
    assert!(printed(&bc, &["block", &block.hash]).contains("ORPHANED"), "{places:#}");
    assert!(printed(&bc, &["blocks", "--state", "orphaned"]).contains(&block.hash));
    assert_eq!(metric(&bc, "blocks_total", &[("final", "orphaned")]), Some(1.0));
    bc.wait_logged("block is orphaned", PATIENCE);

    // Miners who stay with our branch get ahead: its child is there, and three more.
    a.must("invalidateblock", json!([rival]));
    eventually(PATIENCE, "our branch again", || a.tip() == child.hash);
    a.mine(3);
    a.must("reconsiderblock", json!([rival]));
    eventually(PATIENCE, "our branch at both", || a.tip() == b.tip());
    // Before that there may have been a moment in which only the other node had been asked.
    let path = ["active", "side", "orphaned", "confirmed"].map(str::to_owned);
    let known = block_in_state(&bc, &block.hash, "confirmed");
    assert!(path_of(&known).ends_with(&path), "{known:#}");
    assert_eq!(known["fate"]["by"], Value::Null);
    assert_eq!(known["fate"]["diagnosis"], Value::Null);
    eventually(PATIENCE, "five deep at both", || {
        let places = block_of(&bc, &block.hash)["fate"]["places"].take();
        places.as_array().is_some_and(|all| all.iter().all(|place| place["confirmations"] == 5))
    });
    block_in_state(&bc, &child.hash, "confirmed");
    let taken_back = [("from", "orphaned"), ("to", "confirmed")];
    assert_eq!(metric(&bc, "final_word_changes_total", &taken_back), Some(1.0));
    assert_eq!(metric(&bc, "blocks_total", &[("final", "orphaned")]), Some(1.0), "nothing is counted twice");
    assert_eq!(
        metric(&bc, "blocks_total", &[("final", "confirmed")]),
        Some(1.0),
        "the child's first last word"
    );

    // And it is in the file.
    assert!(bc.sigterm().success());
    bc.restart();
    bc.wait_ready();
    let known = block_in_state(&bc, &block.hash, "confirmed");
    assert!(path_of(&known).ends_with(&path), "{known:#}");
}

#[test]
fn a_rejected_block_has_its_nodes_words_in_the_diagnosis() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let mut bc = Blockcast::start(alone(&net));
    bc.wait_ready();
    for flaw in [Flaw::BadMerkleRoot, Flaw::BadProofOfWork, Flaw::TimeTooOld, Flaw::Overpaying] {
        let block = net.template().flawed(flaw);
        assert_eq!(submit(&bc, &block), flaw.verdict());
        let known = block_in_state(&bc, &block.hash, "rejected");
        let diagnosis = &known["fate"]["diagnosis"];
        assert_eq!(diagnosis["kind"], "rejected", "{flaw:?}: {known:#}");
        let words = flaw.verdict().as_str().unwrap().to_owned();
        assert!(diagnosis["text"].as_str().unwrap().contains(&format!("a: {words}")), "{flaw:?}: {known:#}");
        assert_eq!(path_of(&known), ["rejected"], "{flaw:?}");
        let page = printed(&bc, &["block", &block.hash]);
        println!("{page}");
        assert!(page.contains("REJECTED") && page.contains(&words), "{page}");
    }
    assert_eq!(metric(&bc, "blocks_total", &[("final", "rejected")]), Some(4.0));
    let listed = bc.get_json("/api/v1/blocks?state=rejected");
    assert_eq!(listed["blocks"].as_array().unwrap().len(), 4, "{listed:#}");
    assert_eq!(listed["ledger"]["available"], true);
}

#[test]
fn an_engine_killed_right_after_the_acknowledgement_has_the_block_in_its_history_and_follows_it() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let proxy = Proxy::start(net.ours.rpc_addr());
    let mut bc = Blockcast::start(behind(&net, &proxy));
    bc.wait_ready();
    let mut blocks = Vec::new();
    for round in 0..6 {
        let block = net.template().block();
        // In every other round the node has heard of the block before the kill.
        if round % 2 == 0 {
            proxy.hold();
            assert_eq!(bc.post_block(&block, "wait=peers:0").json()["durable"], true, "round {round}");
        } else {
            assert_eq!(submit(&bc, &block), Value::Null, "round {round}");
        }
        bc.sigkill();
        proxy.open();
        bc.restart();
        bc.wait_ready();
        let known = block_in_state(&bc, &block.hash, "active");
        assert!(!deliveries(&known).is_empty(), "{known:#}");
        // The pool's other nodes hear of it, and the next template is on top of it.
        for node in &net.nodes()[1..] {
            node.submit(&block.hex());
        }
        net.wait_for_tip(&block.hash);
        blocks.push(block.hash);
    }
    net.mine(2);
    for block in &blocks {
        let known = block_in_state(&bc, block, "confirmed");
        assert_eq!(path_of(&known), ["active", "confirmed"], "{known:#}");
    }
    let listed = bc.get_json("/api/v1/blocks");
    assert_eq!(listed["blocks"].as_array().unwrap().len(), blocks.len(), "{listed:#}");
}

#[test]
fn a_node_that_stands_still_or_is_restarted_while_it_has_a_block_never_makes_a_wrong_verdict() {
    require_litecoind!();
    let mut net = Regtest::start(Base::Segwit);
    let mut bc = Blockcast::start(alone(&net));
    bc.wait_ready();
    // A node that is killed forgets what it has not written down, so that comes first.
    for restarted in [true, false] {
        let block = net.template().block();
        net.ours.pause();
        let answer = thread::scope(|scope| {
            let answer = scope.spawn(|| submit(&bc, &block));
            // The node's kernel has taken the block; the node has not read it.
            eventually(PATIENCE, "the block is on its way", || {
                bc.get_json("/api/v1/blocks")["blocks"].to_string().contains(&block.hash)
            });
            answer.join().unwrap()
        });
        assert_eq!(answer, json!("inconclusive"), "there is no verdict yet");
        let known = block_of(&bc, &block.hash);
        assert_eq!(known["fate"]["state"], "open", "{known:#}");
        assert_eq!(deliveries(&known)[0]["nodes"][0]["judgement"], Value::Null, "{known:#}");
        if restarted {
            net.ours.kill();
            net.ours.start_again();
        } else {
            net.ours.resume();
        }
        let known = block_in_state(&bc, &block.hash, "active");
        assert_eq!(path_of(&known), ["active"], "{known:#}");
        eventually(PATIENCE, "the verdict", || {
            let known = block_of(&bc, &block.hash);
            let status = deliveries(&known)[0]["status"].as_str().map(str::to_owned);
            assert_ne!(status.as_deref(), Some("refused"), "{known:#}");
            status.as_deref() == Some("accepted")
        });
        assert_eq!(net.ours.tip(), block.hash);
        for node in &net.nodes()[1..] {
            node.submit(&block.hex());
        }
        net.wait_for_tip(&block.hash);
    }
    assert_eq!(metric(&bc, "blocks_total", &[]), None, "nothing has a last word yet");
}

#[test]
fn a_torn_last_record_of_the_journal_is_named_and_kept_and_costs_no_other_block() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let proxy = Proxy::start(net.ours.rpc_addr());
    let mut bc = Blockcast::start(behind(&net, &proxy));
    bc.wait_ready();
    let template = net.template();
    let (whole, torn) = (template.block(), template.block());
    proxy.hold();
    for block in [&whole, &torn] {
        assert_eq!(bc.post_block(block, "wait=peers:0").json()["durable"], true);
    }
    bc.sigkill();
    let journal = bc.data_dir().join("journal");
    let names = || -> Vec<String> {
        let entries = std::fs::read_dir(&journal).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let is_segment = |name: &&String| name.ends_with(".log");
    // The end of the second record; behind it there may be room that is kept free.
    let end_of = |bytes: &[u8]| {
        let at = bytes.windows(torn.bytes.len()).position(|part| part == torn.bytes)?;
        Some(at + torn.bytes.len() - 7)
    };
    let (file, end) = names()
        .iter()
        .filter(is_segment)
        .find_map(|name| {
            let file = journal.join(name);
            Some((file.clone(), end_of(&std::fs::read(file).unwrap())?))
        })
        .unwrap_or_else(|| panic!("no segment has the block: {:?}", names()));
    let left = std::fs::read(&file).unwrap()[..end].to_vec();
    std::fs::write(&file, &left).unwrap();
    proxy.open();
    bc.restart();
    bc.wait_ready();
    block_in_state(&bc, &whole.hash, "active");
    let log = bc.log();
    assert!(log.contains("end in a half-written record") && log.contains("kept as"), "{log}");
    let kept = names().into_iter().find(|name| name.contains(".torn-")).expect("the torn bytes are kept");
    let kept = std::fs::read(journal.join(kept)).unwrap();
    assert!(!kept.is_empty() && left.ends_with(&kept), "{} bytes as they were", kept.len());
    let next = template.after(&whole).block();
    assert_eq!(bc.post_block(&next, "").json()["durable"], true, "the journal goes on");
    block_in_state(&bc, &next.hash, "active");
}

#[test]
fn a_wall_clock_that_jumps_an_hour_forward_and_back_costs_no_block_no_peer_and_no_sane_time() {
    require_litecoind!();
    let Some(library) = e2e::clock::library() else { return };
    let net = Regtest::start(Base::Segwit);
    let proxy = Proxy::start(net.ours.rpc_addr());
    let clock = e2e::clock::Clock::new();
    let mut setup = Setup { confirmations: Some(100), env: clock.env(&library), ..Setup::of(&net) };
    setup.nodes[0].rpc_url = format!("http://{}", proxy.address());
    let mut bc = Blockcast::start(setup);
    bc.wait_ready();
    wait_for_peers(&bc, 3, 1);
    let connected =
        || -> Vec<Value> { net.plain[0].connections().iter().map(|peer| peer["conntime"].clone()).collect() };
    let before = connected();
    let mut hours = Vec::new();
    for hour in [0, 1, 0, -1, 0] {
        let block = net.template().block();
        // It is on its way when the clock jumps.
        proxy.hold();
        assert_eq!(bc.post_block(&block, "wait=peers:2").json()["durable"], true);
        clock.set(hour);
        proxy.open();
        net.wait_for_tip(&block.hash);
        let known = block_in_state(&bc, &block.hash, "active");
        let report = eventually(PATIENCE, "a whole report", || {
            let report = deliveries(&block_of(&bc, &block.hash))[0].clone();
            let done = report["status"] == "accepted" && report["peers_with_block"] == 3;
            (done && !report["first_echo"].is_null()).then_some(report)
        });
        let wrong = times(&report, "").into_iter().find(|(_, ms)| !(0.0..60_000.0).contains(ms));
        assert_eq!(wrong, None, "hour {hour}: {report:#}");
        hours.push((hour, known["deliveries"][0]["received_unix_ms"].as_u64().unwrap()));
        // And one that is handed in afterwards.
        let block = net.template().block();
        assert_eq!(submit(&bc, &block), Value::Null, "hour {hour}");
        net.wait_for_tip(&block.hash);
        block_in_state(&bc, &block.hash, "active");
    }
    // The clock did jump: a block is dated by the hour in which it came.
    let hour_after = |at: usize| (hours[at].1 as f64 - hours[0].1 as f64) / 3.6e6;
    assert!((0.9..1.1).contains(&hour_after(2)), "{hours:?}");
    assert!((-1.1..-0.9).contains(&hour_after(4)), "{hours:?}");
    assert_eq!(connected(), before, "nobody has hung up");
    assert_eq!(metric(&bc, "connected_peers", &[("kind", "fixed")]), Some(3.0));
}

/// All durations in a report, with their names.
fn times(value: &Value, name: &str) -> Vec<(String, f64)> {
    match value {
        Value::Object(fields) => fields.iter().flat_map(|(name, value)| times(value, name)).collect(),
        Value::Array(values) => values.iter().flat_map(|value| times(value, name)).collect(),
        Value::Number(number) if (name == "ms" || name.ends_with("_ms")) && !name.ends_with("unix_ms") => {
            vec![(name.to_owned(), number.as_f64().unwrap_or_default())]
        }
        _ => Vec::new(),
    }
}

/// litecoind writes its chain to disk when it has time: what it took just before a crash is gone.
#[test]
fn a_node_that_crashes_and_forgets_a_block_that_it_had_accepted_gets_it_again() {
    require_litecoind!();
    let mut net = Regtest::start(Base::Segwit);
    let mut bc = Blockcast::start(alone(&net));
    bc.wait_ready();
    let block = net.template().block();
    assert_eq!(submit(&bc, &block), Value::Null);
    block_in_state(&bc, &block.hash, "active");
    net.ours.kill();
    net.ours.start_again();
    assert_ne!(net.ours.tip(), block.hash, "the node has forgotten it");
    eventually(PATIENCE, "the block at the node again", || net.ours.tip() == block.hash);
    let known = block_in_state(&bc, &block.hash, "active");
    assert_eq!(path_of(&known), ["active", "open", "active"], "{known:#}");
}
