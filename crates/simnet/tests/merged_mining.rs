//! Merged mining: blocks on made-up parents and on real ones, and work as a node issues it and takes it back.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use bytes::Bytes;
use chain::{AuxWork, Network};
use common::{DOGECOIN, Daemon, LITECOIN, Stage};
use dogecoin::{AuxPow, Dogecoin};
use serde_json::{Value, json};
use simnet::{AuxBlock, Flaw, Minted, Order, ParentBlock, Temperament, rpc, rpc::Fault};
use wire::{BlockHash, Header, Message};

/// Any that looks like one.
const ADDRESS: &str = "n2kJwUTtcSUMRQkpxYZE3xLyLxYNCdgLVe";

fn stage() -> Stage {
    DOGECOIN.ready(Temperament::Honest)
}

fn call(stage: &mut Stage, method: &str, params: Value) -> Result<Value, Fault> {
    rpc::answer(&mut stage.node, method, &params, stage.now)
}

fn hex(bytes: &[u8]) -> Value {
    json!(faster_hex::hex_string(bytes))
}

/// The aux block that a mint would make next.
fn aux(stage: &mut Stage, order: &Order) -> AuxBlock {
    let (parent, time) = (stage.node.chain().next(), stage.node.chain().unix(stage.now));
    stage.mint.aux(&parent, time, order).unwrap()
}

/// A Litecoin block whose coinbase holds this.
fn litecoin_block(commitment: &[u8]) -> (Stage, Minted) {
    let mut stage = LITECOIN.ready(Temperament::Honest);
    let (parent, time) = (stage.node.chain().next(), stage.node.chain().unix(stage.now));
    let block = stage.mint.mint_with(&parent, time, &Order::default(), commitment);
    (stage, block)
}

#[test]
fn blocks_are_merge_mined_from_the_height_on_at_which_the_chain_allows_it() {
    let mut stage = DOGECOIN.stage(Temperament::Honest);
    let mut shapes = std::collections::HashSet::new();
    for height in 1..=60 {
        let block = stage.block(&Order { size: 2_000, flaw: None });
        assert!(stage.node.submit(&block.bytes, stage.now).is_connected());
        let auxpow = AuxPow::of(&block.header);
        assert_eq!(auxpow.is_some(), height >= 20, "{height}");
        if let Some(auxpow) = auxpow {
            let commitment = auxpow.commitment(&block.hash).unwrap();
            let (size, _) = commitment.size_and_nonce.unwrap();
            assert_eq!(size, 1 << auxpow.chain_branch().len());
            shapes.insert((auxpow.chain_branch().len(), auxpow.coinbase_branch().len()));
        }
    }
    assert!(shapes.len() > 8, "trees of chains and of transactions of each size: {shapes:?}");
}

#[test]
fn one_find_is_a_block_of_two_chains() {
    let mut dogecoin = stage();
    let ours = aux(&mut dogecoin, &Order::default());
    let (mut litecoin, parent) = litecoin_block(ours.commitment());
    let block = ours.seal(&ParentBlock::from(&parent));
    assert_eq!((block.hash, block.height), (ours.hash(), ours.height()));
    assert_eq!(dogecoin.profile.chain.parent_block(&block.header), Some(parent.hash));
    assert!(
        parent.coinbase_branch.len() > 3 && AuxPow::of(&block.header).unwrap().coinbase() == &parent.coinbase
    );
    assert!(litecoin.node.submit(&parent.bytes, litecoin.now).is_connected());
    assert!(dogecoin.node.submit(&block.bytes, dogecoin.now).is_connected());

    // The same parent does not stand for another block, nor one that commits to none.
    let other = aux(&mut dogecoin, &Order::default());
    let (_, uncommitted) = litecoin_block(&[]);
    for (aux, parent) in [(&other, &parent), (&other, &uncommitted)] {
        let block = aux.seal(&ParentBlock::from(parent));
        assert_eq!(dogecoin.node.submit(&block.bytes, dogecoin.now).word(), Some("high-hash"));
    }
}

#[test]
fn an_aux_block_with_a_broken_commitment_asks_for_the_wrong_one() {
    let mut dogecoin = stage();
    let aux = aux(&mut dogecoin, &Order { flaw: Some(Flaw::BrokenCommitment), ..Order::default() });
    let (mut litecoin, parent) = litecoin_block(aux.commitment());
    assert!(litecoin.node.submit(&parent.bytes, litecoin.now).is_connected());
    let block = aux.seal(&ParentBlock::from(&parent));
    assert_eq!(dogecoin.node.submit(&block.bytes, dogecoin.now).word(), Some("high-hash"));
}

#[test]
fn a_chain_without_merged_mining_or_below_its_height_makes_no_aux_blocks() {
    for daemon in [LITECOIN, Daemon { today: 0, ..DOGECOIN }] {
        let mut stage = daemon.with_history(Temperament::Honest, 3);
        let parent = stage.node.chain().next();
        assert!(stage.mint.aux(&parent, 0, &Order::default()).is_none(), "{}", daemon.folder);
        assert!(stage.node.issue(None, stage.now).is_none());
    }
    let mut young = Daemon { today: 0, ..DOGECOIN }.ready(Temperament::Honest);
    let refused = call(&mut young, "createauxblock", json!([ADDRESS])).unwrap_err();
    assert_eq!((refused.code, refused.message.as_str()), (-1, "getauxblock method is not yet available"));
}

/// What a pool makes of a node's answer: the commitment to the one block, by itself.
fn solve(template: &Value) -> (BlockHash, Bytes) {
    let block: BlockHash = template["hash"].as_str().unwrap().parse().unwrap();
    let mut root = *block.as_wire();
    root.reverse();
    let commitment = [&dogecoin::MARK[..], &root, &1_u32.to_le_bytes(), &0_u32.to_le_bytes()].concat();
    let (_, parent) = litecoin_block(&commitment);
    let mut proof = parent.coinbase.to_vec();
    proof.extend_from_slice(&[0; 32]);
    proof.push(parent.coinbase_branch.len() as u8);
    proof.extend_from_slice(&parent.coinbase_branch.concat());
    proof.extend_from_slice(&[0; 4 + 1 + 4]);
    proof.extend_from_slice(parent.header.fixed());
    (block, proof.into())
}

#[test]
fn work_is_issued_in_the_recorded_form_and_solved_by_whoever_can_read_it() {
    let recorded = &DOGECOIN.recording("block_auxpow_simple.json")["createauxblock_reply"];
    let mut stage = stage();
    let template = call(&mut stage, "createauxblock", json!([ADDRESS])).unwrap();
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&template), names(recorded));
    for same in ["chainid", "bits", "target"] {
        assert_eq!(template[same], recorded[same], "{same}");
    }
    assert_eq!(template["height"], stage.node.chain().height() + 1);
    assert_eq!(template["previousblockhash"], stage.node.chain().tip().to_string());
    assert_eq!(call(&mut stage, "createauxblock", json!([ADDRESS])).unwrap(), template, "to the same payee");
    let other = call(&mut stage, "createauxblock", json!([ADDRESS.replace('k', "m")])).unwrap();
    let wallets = call(&mut stage, "getauxblock", json!([])).unwrap();
    assert!(other["hash"] != template["hash"] && wallets["hash"] != template["hash"] && wallets != other);

    let (block, proof) = solve(&template);
    // As the relay's own rules see both.
    let dogecoin = Dogecoin::new(Network::Regtest);
    assert_eq!(dogecoin.judge(&dogecoin.template(&template).unwrap(), &proof), []);
    let solved = call(&mut stage, "submitauxblock", json!([block.to_string(), hex(&proof)]));
    assert_eq!(solved, Ok(json!(true)));
    assert_eq!(stage.node.chain().tip(), block);
    let whole = call(&mut stage, "getblock", json!([block.to_string(), false])).unwrap();
    let header = call(&mut stage, "getblockheader", json!([block.to_string(), false])).unwrap();
    let header = header.as_str().unwrap();
    assert_eq!(header.len(), 2 * (80 + proof.len()), "with the auxpow");
    assert!(whole.as_str().unwrap().starts_with(header) && header.ends_with(hex(&proof).as_str().unwrap()));

    // The other calls of the same kind, on the new tip.
    let template = call(&mut stage, "getauxblock", json!([])).unwrap();
    let (block, proof) = solve(&template);
    assert_eq!(call(&mut stage, "getauxblock", json!([block.to_string(), hex(&proof)])), Ok(json!(true)));
    assert_eq!(stage.node.chain().tip(), block);
}

#[test]
fn solutions_of_each_kind_are_answered_as_recorded() {
    let recording = DOGECOIN.recording("rpc_auxblock_errors.json");
    let mut seen = 0;
    for (case, recorded) in recording["cases"].as_object().unwrap() {
        let mut stage = stage();
        let template = call(&mut stage, "createauxblock", json!([ADDRESS])).unwrap();
        let (block, proof) = solve(&template);
        let mut spoiled = proof.to_vec();
        let header = proof.len() - Header::LEN;
        let mut answers = Vec::new();
        let mut submit = |stage: &mut Stage, block: BlockHash, proof: &[u8]| {
            answers.push(call(stage, "submitauxblock", json!([block.to_string(), hex(proof)])));
        };
        match case.as_str() {
            "unknown hash" => submit(&mut stage, BlockHash::from_wire([7; 32]), &proof),
            "bad parent pow" => {
                let target = chain::Target::from_compact(0x207f_ffff).unwrap();
                let works = |proof: &[u8]| {
                    let header: &[u8; 80] = proof[header..].try_into().unwrap();
                    target.is_met_by(&chain::scrypt::pow_hash(header))
                };
                while works(&spoiled) {
                    spoiled[header + 76] += 1;
                }
                submit(&mut stage, block, &spoiled);
            }
            "wrong hash in coinbase" => {
                let mark = spoiled.windows(4).position(|part| part == dogecoin::MARK).unwrap();
                spoiled[mark + 4] ^= 1;
                submit(&mut stage, block, &spoiled);
            }
            "parent has our chain id" => {
                spoiled[header..header + 4].copy_from_slice(&0x0062_0004_u32.to_le_bytes());
                submit(&mut stage, block, &spoiled);
            }
            "garbage auxpow" => submit(&mut stage, block, &[0xde, 0xad, 0xbe, 0xef]),
            "same submit twice" => {
                submit(&mut stage, block, &proof);
                submit(&mut stage, block, &proof);
            }
            "stale (another block found meanwhile)" => {
                let other = stage.block(&Order::default());
                assert!(stage.node.submit(&other.bytes, stage.now).is_connected());
                submit(&mut stage, block, &proof);
                assert_eq!(stage.node.chain().tip(), other.hash);
            }
            other => panic!("{other}: how?"),
        }
        let expected: Vec<_> = match &recorded["result"] {
            Value::Array(results) => results.iter().cloned().map(Ok).collect(),
            Value::Null => {
                let (code, message) = (&recorded["error"]["code"], &recorded["error"]["message"]);
                vec![Err(Fault { code: code.as_i64().unwrap(), message: message.as_str().unwrap().into() })]
            }
            result => vec![Ok(result.clone())],
        };
        assert_eq!(answers, expected, "{case}");
        seen += 1;
    }
    assert_eq!(seen, 7);
}

#[test]
fn work_is_forgotten_when_more_is_issued_on_another_tip() {
    let mut stage = stage();
    let template = call(&mut stage, "createauxblock", json!([ADDRESS])).unwrap();
    let (block, proof) = solve(&template);
    let other = stage.block(&Order::default());
    assert!(stage.node.submit(&other.bytes, stage.now).is_connected());
    call(&mut stage, "getauxblock", json!([])).unwrap();
    let late = call(&mut stage, "submitauxblock", json!([block.to_string(), hex(&proof)])).unwrap_err();
    assert_eq!((late.code, late.message.as_str()), (-8, "block hash unknown"));
}

#[test]
fn calls_of_another_form_are_refused() {
    let mut stage = stage();
    let cases = [
        ("createauxblock", json!([]), -1),
        ("createauxblock", json!(["no address"]), -8),
        ("createauxblock", json!([7]), -3),
        ("getauxblock", json!(["00"]), -1),
        ("submitauxblock", json!(["00"]), -1),
        ("submitauxblock", json!(["00", "00"]), -8),
        ("getblock", json!([stage.node.chain().tip().to_string(), 0]), -1),
        ("uptime", json!([]), -32601),
    ];
    for (method, params, code) in cases {
        assert_eq!(call(&mut stage, method, params.clone()).unwrap_err().code, code, "{method} {params}");
    }
}

/// protocol.md §6.2.
#[test]
fn of_a_block_whose_header_came_first_a_submission_tells_little() {
    let mut stage = stage();
    let (one, two) = (stage.block(&Order::default()), stage.block(&Order::default()));
    let bad = stage.block(&Order { flaw: Some(Flaw::BadMerkleRoot), ..Order::default() });
    for block in [&one, &two, &bad] {
        stage.say(Message::Headers(vec![block.header.clone()]));
    }
    stage.settle();
    let mut submit = |block: &Minted| call(&mut stage, "submitblock", json!([hex(&block.bytes)])).unwrap();
    assert_eq!(submit(&bad), "duplicate", "although it is refused");
    assert_eq!(submit(&one), "duplicate", "although it is accepted");
    assert_eq!(submit(&two), "duplicate-inconclusive");
    assert_eq!(stage.node.chain().tip(), one.hash);
}

#[test]
fn a_block_is_described_with_its_auxpow() {
    let recorded = &DOGECOIN.recording("block_auxpow_by_node.json")["getblock_verbose"];
    let mut stage = stage();
    let block = stage.block(&Order::default());
    stage.node.submit(&block.bytes, stage.now);
    let found = call(&mut stage, "getblock", json!([block.hash.to_string()])).unwrap();
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(recorded));
    assert_eq!(names(&found["auxpow"]), names(&recorded["auxpow"]));
    assert!(names(&found["auxpow"]["tx"]).iter().all(|name| recorded["auxpow"]["tx"].get(name).is_some()));
}
