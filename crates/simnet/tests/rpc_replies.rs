//! Recorded RPC replies of the daemons against those of simulated nodes.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::time::Duration;

use common::{CALLER, DAEMONS, DOGECOIN, Daemon, LITECOIN, Stage, caller};
use serde_json::{Value, json};
use simnet::{Flaw, Minted, Order, Temperament, rpc::respond};

/// What the daemon says and a simulated node does not know: MWEB, the mempool and the last block it made, the states of
/// soft forks, the caller's own idea of the daemon's address.
const NOT_SIMULATED: [&str; 6] =
    ["mweb", "currentblockmwebweight", "addrlocal", "bip9", "softforks", "bytessent_per_msg"];

/// A node with a peer and some blocks.
fn stage_of(daemon: Daemon) -> Stage {
    let mut stage = daemon.with_history(Temperament::Honest, 4);
    stage.shake_hands();
    stage.now -= Duration::from_millis(100);
    for _ in 0..2 {
        let block = stage.block(&Order::default());
        stage.node.submit(&block.bytes, stage.now);
    }
    stage.settle();
    stage
}

fn stage() -> Stage {
    stage_of(LITECOIN)
}

fn ask(stage: &mut Stage, body: &str) -> (u64, Value) {
    let reply = respond(&mut stage.node, body.as_bytes(), stage.now);
    assert!(reply.body.ends_with('\n'), "as the daemon ends it");
    (reply.status.into(), serde_json::from_str(&reply.body).unwrap_or_else(|e| panic!("{e}: {}", reply.body)))
}

fn call(stage: &mut Stage, method: &str, params: &Value) -> (u64, Value) {
    ask(stage, &json!({"jsonrpc": "1.0", "id": "x", "method": method, "params": params}).to_string())
}

/// Fields have the recorded names and types.
fn assert_shape(found: &Value, recorded: &Value, at: &str) {
    match (found, recorded) {
        (Value::Object(found), Value::Object(recorded)) => {
            let names = |fields: &serde_json::Map<String, Value>| -> Vec<String> {
                fields.keys().filter(|name| !NOT_SIMULATED.contains(&name.as_str())).cloned().collect()
            };
            assert_eq!(names(found), names(recorded), "{at}");
            for name in names(found) {
                // By message, which a simulated node does not count.
                if !name.ends_with("_per_msg") {
                    assert_shape(&found[&name], &recorded[&name], &format!("{at}.{name}"));
                }
            }
        }
        (Value::Array(found), Value::Array(recorded)) => {
            if let (Some(found), Some(recorded)) = (found.first(), recorded.first()) {
                assert_shape(found, recorded, &format!("{at}[0]"));
            }
        }
        _ => assert_eq!(std::mem::discriminant(found), std::mem::discriminant(recorded), "{at}: {found}"),
    }
}

#[test]
fn results_have_the_recorded_shape() {
    let methods = [
        "getpeerinfo",
        "getblockchaininfo",
        "getnetworkinfo",
        "getmininginfo",
        "getchaintips",
        "getnettotals",
        "uptime",
        "getconnectioncount",
        "getblocktemplate",
    ];
    for (daemon, method) in DAEMONS.iter().flat_map(|daemon| methods.map(|method| (daemon, method))) {
        let mut stage = stage_of(*daemon);
        let recorded = &daemon.recording("rpc_replies.json")["replies"][method];
        let (status, reply) = call(&mut stage, method, &recorded["request"]["params"]);
        assert_eq!(status, recorded["http_status"], "{method}: {reply}");
        assert_shape(&reply, &recorded["json"], &format!("{} {method}", daemon.folder));
    }
}

#[test]
fn errors_are_the_recorded_ones_word_for_word() {
    let common = [
        "method_not_found",
        "bad_json",
        "empty_body",
        "jsonrpc_2_0_error",
        "getblock_unknown",
        "getblockheader_unknown",
        "submitblock_not_hex",
        "submitblock_empty",
        "submitblock_header_only",
        "submitblock_block_cut_10_bytes_short",
    ];
    let litecoin = [
        "getblocktemplate_rules_segwit_only",
        "getblocktemplate_no_params",
        "getblocktemplate_not_connected",
    ];
    let all = DAEMONS.iter().flat_map(|daemon| common.map(|name| (*daemon, name)));
    let alone = [(DOGECOIN, "getblocktemplate_not_connected")];
    for (daemon, name) in all.chain(litecoin.map(|name| (LITECOIN, name))).chain(alone) {
        let recorded = &daemon.recording("rpc_replies.json")["replies"][name];
        let mut stage = stage_of(daemon);
        if name == "getblocktemplate_not_connected" {
            stage.node.disconnect(CALLER, stage.now);
        }
        let request = &recorded["request"];
        let (status, reply) = match request["raw_body"].as_str() {
            Some(body) => ask(&mut stage, body),
            None => call(&mut stage, request["method"].as_str().unwrap(), &request["params"]),
        };
        assert_eq!(
            (status, &reply),
            (recorded["http_status"].as_u64().unwrap(), &recorded["json"]),
            "{name}"
        );
    }
}

#[test]
fn a_batch_and_other_versions_of_json_rpc_are_answered_as_recorded() {
    for (daemon, name) in
        DAEMONS.iter().flat_map(|daemon| ["batch", "jsonrpc_2_0"].map(|name| (daemon, name)))
    {
        let mut stage = stage_of(*daemon);
        let recording = daemon.recording("rpc_replies.json");
        let recorded = &recording["replies"][name];
        let (status, mut reply) = ask(&mut stage, recorded["request"]["raw_body"].as_str().unwrap());
        assert_eq!(status, 200, "{name}");
        // The recorded node was at another height.
        let (result, height) = match &mut reply {
            Value::Array(replies) => (&mut replies[0]["result"], &recorded["json"][0]["result"]),
            reply => (&mut reply["result"], &recorded["json"]["result"]),
        };
        assert_eq!(*result, json!(stage.node.chain().height()));
        *result = height.clone();
        assert_eq!(reply, recorded["json"], "{name}");
    }
}

#[test]
fn a_starting_node_says_so_to_everything_and_then_answers() {
    DAEMONS.into_iter().for_each(start_up);
}

fn start_up(daemon: Daemon) {
    let recording = daemon.recording("rpc_replies.json");
    let recorded = recording["replies"]["warmup_sequence"]["answers"].as_array().unwrap();
    let starting = recorded.iter().find(|answer| answer["http_status"] == 500).unwrap();
    let said: Value = serde_json::from_str(starting["body"].as_str().unwrap()).unwrap();
    let mut stage = stage_of(daemon);
    stage.node.set_warm_up(Some(said["error"]["message"].as_str().unwrap().into()));
    let body = r#"{"jsonrpc":"1.0","id":"x","method":"getblockcount","params":[]}"#;
    let reply = respond(&mut stage.node, body.as_bytes(), stage.now);
    assert_eq!((reply.status, reply.body.as_str()), (500, starting["body"].as_str().unwrap()));
    stage.node.set_warm_up(None);
    let reply = respond(&mut stage.node, body.as_bytes(), stage.now);
    let height = format!("{{\"result\":{},\"error\":null,\"id\":\"x\"}}\n", stage.node.chain().height());
    assert_eq!((reply.status, reply.body), (200, height));
}

fn submit(stage: &mut Stage, block: &Minted) -> Value {
    let (status, reply) = call(stage, "submitblock", &json!([faster_hex::hex_string(&block.bytes)]));
    assert_eq!((status, &reply["error"]), (200, &Value::Null), "{reply}");
    reply["result"].clone()
}

#[test]
fn submitted_blocks_get_the_recorded_verdicts() {
    DAEMONS.into_iter().for_each(submit_each);
}

fn submit_each(daemon: Daemon) {
    let recording = daemon.recording("rpc_replies.json");
    let stage = || stage_of(daemon);
    let verdict = |name: &str| {
        let reply = &recording["replies"][name];
        assert_eq!(reply["http_status"], 200, "{name}");
        reply["json"]["result"].clone()
    };
    let flaws = [
        (Flaw::UnknownParent, "submitblock_unknown_parent"),
        (Flaw::HighHash, "submitblock_proof_of_work_above_the_target"),
        (Flaw::BadCoinbaseAmount, "submitblock_coinbase_pays_too_much"),
        (Flaw::TimeTooNew, "submitblock_time_4_h_in_the_future"),
        (Flaw::TimeTooOld, "submitblock_time_too_old"),
        (Flaw::BadVersion, "submitblock_block_version_1"),
        (Flaw::TrailingBytes, "submitblock_10_extra_zero_bytes_behind_the_block"),
    ];
    for (flaw, name) in flaws {
        let mut stage = stage();
        let block = stage.block(&Order { flaw: Some(flaw), ..Order::default() });
        assert_eq!(submit(&mut stage, &block), verdict(name), "{flaw:?}");
        if flaw == Flaw::BadCoinbaseAmount {
            assert_eq!(submit(&mut stage, &block), verdict("submitblock_coinbase_pays_too_much_again"));
        }
    }
    if daemon.folder == "dogecoin" {
        let name = "submitblock_auxpow__parent_coinbase_commits_to_another_hash";
        let mut stage = stage();
        let block = stage.block(&Order { flaw: Some(Flaw::BrokenCommitment), ..Order::default() });
        assert_eq!(submit(&mut stage, &block), verdict(name));
    }

    let mut stage = stage();
    let (one, two) = (stage.block(&Order::default()), stage.block(&Order::default()));
    assert_eq!(submit(&mut stage, &one), verdict("submitblock_accepted"));
    assert_eq!(submit(&mut stage, &one), verdict("submitblock_duplicate"));
    assert_eq!(submit(&mut stage, &two), verdict("submitblock_inconclusive_fork_same_height"));
    assert_eq!(submit(&mut stage, &two), verdict("submitblock_inconclusive_fork_again"));
    let parent = stage.node.chain().parent(&two.hash).unwrap();
    let three = stage.mint.mint(&parent, 0, &Order::default());
    assert_eq!(submit(&mut stage, &three), verdict("submitblock_fork_becomes_best"));
    assert_eq!(stage.node.chain().tip(), three.hash);
    assert_eq!(submit(&mut stage, &one), json!("duplicate"), "it was in the active chain once");
}

#[test]
fn a_relay_finds_out_where_a_block_stands() {
    let mut stage = stage();
    let (one, two) = (stage.block(&Order::default()), stage.block(&Order::default()));
    let bad = stage.block(&Order { flaw: Some(Flaw::BadCoinbaseAmount), ..Order::default() });
    for block in [&bad, &one, &two] {
        submit(&mut stage, block);
    }
    let confirmations = |stage: &mut Stage, block: &Minted| {
        let (status, reply) = call(stage, "getblockheader", &json!([block.hash.to_string()]));
        assert_eq!(status, 200, "{reply}");
        reply["result"]["confirmations"].clone()
    };
    assert_eq!(confirmations(&mut stage, &one), json!(1));
    assert_eq!(confirmations(&mut stage, &two), json!(-1));
    let (_, tips) = call(&mut stage, "getchaintips", &json!([]));
    let status = |block: &Minted| {
        let tips = tips["result"].as_array().unwrap();
        tips.iter().find(|tip| tip["hash"] == block.hash.to_string()).unwrap()["status"].clone()
    };
    assert_eq!([status(&one), status(&two), status(&bad)], ["active", "valid-headers", "invalid"]);

    let (_, header) = call(&mut stage, "getblockheader", &json!([one.hash.to_string(), false]));
    assert_eq!(header["result"], faster_hex::hex_string(one.header.fixed()));
    let (_, hash) = call(&mut stage, "getblockhash", &json!([one.height]));
    assert_eq!(hash["result"], one.hash.to_string());
    let (status, reply) = call(&mut stage, "getblockhash", &json!([one.height + 1]));
    assert_eq!((status, &reply["error"]["code"]), (500, &json!(-8)));
    let (_, block) = call(&mut stage, "getblock", &json!([one.hash.to_string(), 0]));
    assert_eq!(block["result"], faster_hex::hex_string(&one.bytes));
}

#[test]
fn a_template_leads_to_a_block_with_the_commitment_that_it_gives() {
    let mut stage = stage();
    let (_, reply) = call(&mut stage, "getblocktemplate", &json!([{"rules": ["mweb", "segwit"]}]));
    let template = &reply["result"];
    let block = stage.block(&Order { size: 0, flaw: None });
    let hex = faster_hex::hex_string(&block.bytes);
    assert!(hex.contains(template["default_witness_commitment"].as_str().unwrap()));
    assert_eq!(template["previousblockhash"], block.parent.to_string());
    assert_eq!(template["height"], block.height);
    let submitted = json!([{"mode": "submit", "data": hex}]);
    let (status, reply) = call(&mut stage, "getblocktemplate", &submitted);
    assert_eq!((status, &reply["result"]), (200, &Value::Null));
    assert_eq!(stage.node.chain().tip(), block.hash);

    stage.node.set_initial_download(true);
    let (status, reply) = call(&mut stage, "getblocktemplate", &json!([{"rules": ["mweb", "segwit"]}]));
    let recorded = &LITECOIN.recording("ibd_behaviour.json")["getblocktemplate_one_peer"];
    assert_eq!((json!(status), reply), (recorded["http"].clone(), recorded["body"].clone()));
}

#[test]
fn neighbours_are_peers_that_the_node_dialled_itself() {
    let mut stage = stage();
    stage.node.know_addresses(vec!["127.0.0.1:4444".parse().unwrap()]);
    let (_, reply) = call(&mut stage, "getpeerinfo", &json!([]));
    let peers = reply["result"].as_array().unwrap();
    let found: Vec<_> = peers.iter().map(|peer| (&peer["addr"], &peer["inbound"])).collect();
    assert_eq!(
        found,
        [(&json!(caller().to_string()), &json!(true)), (&json!("127.0.0.1:4444"), &json!(false))]
    );
}

#[test]
fn no_body_makes_a_node_panic() {
    let bodies = [
        "[",
        "[]",
        "[1,2]",
        "{}",
        "{\"method\":3}",
        "null",
        "\u{feff}{}",
        "{\"method\":\"getblockhash\",\"params\":[1e300]}",
    ];
    let mut stage = stage();
    for body in bodies {
        let (status, _) = ask(&mut stage, body);
        assert!([200, 400, 404, 500].contains(&status), "{body}: {status}");
    }
    let params = [json!([]), json!([null]), json!([-1]), json!(["zz"]), json!([{}]), json!({}), json!("x")];
    for method in ["getblockheader", "getblock", "getblockhash", "submitblock", "getblocktemplate"] {
        for params in &params {
            let (status, _) = call(&mut stage, method, params);
            assert_eq!(status, 500, "{method} {params}");
        }
    }
    let mut dogecoin = stage_of(DOGECOIN);
    let pairs = [json!([null, null]), json!(["zz", "zz"]), json!([0, {}]), json!(["", ""])];
    for (method, params) in ["createauxblock", "submitauxblock", "submitblock", "getblock"]
        .iter()
        .flat_map(|method| params.iter().chain(&pairs).map(move |params| (method, params)))
    {
        let (status, _) = call(&mut dogecoin, method, params);
        assert_eq!(status, 500, "{method} {params}");
    }
    assert_eq!(stage.now, Duration::from_millis(100));
}
