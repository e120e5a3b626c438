//! A block's report as the engine would give it, for tests of what is made of it.

use relay::{EchoReport, FinalityReport, MergedReport, NodeReport, PeerReport, Report, Source};
use serde_json::Value;
use simnet::Temperament;

use super::record::{Member, Part, PoolAnswer, Record, Truth, Twin};

/// Everybody, each peer's port in the order of the list from 30000 on.
pub(crate) fn members() -> Vec<Member> {
    let nodes = [("alpha", "primary"), ("beta", "backup")].map(|(name, role)| Member {
        name: name.into(),
        address: String::new(),
        temperament: Temperament::Honest,
        part: Part::Node(role),
    });
    let peers = [
        ("honest-1", Temperament::Honest),
        ("honest-2", Temperament::Honest),
        ("honest-3", Temperament::Honest),
        ("observer", Temperament::Honest),
        ("slow-1", Temperament::SLOW),
        ("deaf-1", Temperament::Deaf),
        ("mute-1", Temperament::Mute),
        ("zombie-1", Temperament::Zombie),
        ("cutting-1", Temperament::Cutting),
        ("flapping-1", Temperament::FLAPPING),
    ];
    let peers = peers.into_iter().zip(30_000..).map(|((name, temperament), port)| Member {
        name: name.into(),
        address: format!("127.0.0.1:{port}"),
        temperament,
        part: if name == "observer" { Part::Observer } else { Part::Peer },
    });
    nodes.into_iter().chain(peers).collect()
}

/// An entry for a member; an outcome may have a reason: `withheld observer`.
pub(crate) fn entry(name: &str, outcome: Option<&str>, outcome_ms: Option<f64>) -> PeerReport {
    let address = members().into_iter().find(|member| member.name == name).unwrap().address;
    let words = outcome.map(|outcome| outcome.split_once(' ').unwrap_or((outcome, "")));
    let (word, reason) = words.map_or((None, None), |(word, reason)| {
        (Some(word.to_owned()), (!reason.is_empty()).then(|| reason.to_owned()))
    });
    PeerReport {
        peer: address,
        outcome: word,
        detail: reason,
        stage: Some("written".into()),
        queued_ms: Some(1.0),
        written_ms: Some(1.5),
        acked_ms: None,
        processed_ms: None,
        outcome_ms,
    }
}

/// A report a few seconds after the block was found: all as it should be.
pub(crate) fn report() -> Report {
    let node = |name: &str, ms| NodeReport {
        node: name.into(),
        judgement: Some("accepted".into()),
        verdict: Some(Value::Null),
        masked: false,
        answered_ms: Some(ms),
        judged_ms: Some(ms),
        attempts: 1,
    };
    Report {
        chain: "litecoin".into(),
        hash: "c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5".into(),
        height: Some(4),
        parent: "8ea0537732ccaa29fb42ce69f476ec4979062244c5fb33887151629af741b2b4".into(),

        form: String::new(),
        submissions: Vec::new(),
        merged_with: None,
        size: 19_998,
        source: Source::FrontDoor,
        received_unix_ms: 1_795_172_838_042,
        age_ms: 3000.0,
        repeats: 0,
        status: "accepted".into(),
        durable: Some(true),
        durable_ms: Some(2.24),
        journal_error: None,
        inspected_ms: Some(0.7),
        findings: Vec::new(),
        kept_off_p2p: None,
        peers_with_block: 5,
        peers_addressed: 9,
        peers_sent_to: 9,
        first_echo: Some(EchoReport { ms: 95.9, peer: entry("observer", None, None).peer }),
        finality: None,
        nodes: vec![node("alpha", 3.12), node("beta", 3.34)],
        peers: vec![
            entry("honest-1", Some("accepted"), Some(213.6)),
            entry("honest-2", Some("already_had"), Some(71.4)),
            entry("honest-3", Some("accepted"), Some(8.1)),
            entry("observer", Some("withheld observer"), Some(1.1)),
            entry("slow-1", Some("accepted"), Some(1612.0)),
            entry("deaf-1", None, None),
            entry("mute-1", None, None),
            entry("zombie-1", Some("processed_unproven"), Some(44.0)),
            entry("cutting-1", Some("disconnected"), Some(31.0)),
            entry("flapping-1", Some("accepted"), Some(88.0)),
        ],
    }
}

/// What is true then.
pub(crate) fn truth() -> Truth {
    let names = ["alpha", "beta", "honest-1", "honest-2", "honest-3", "observer", "slow-1", "flapping-1"];
    Truth { holders: names.map(str::to_owned).into(), final_to: None, twin: None }
}

/// The same without one of those who have the block.
pub(crate) fn truth_without(name: &str) -> Truth {
    let mut truth = truth();
    assert!(truth.holders.remove(name), "{name} does not have it anyway");
    truth
}

/// Makes it a block of a chain where a quorum makes blocks final, as alpha said of this one after so many milliseconds.
pub(crate) fn locked(mut report: Report, ms: f64) -> (Report, Truth) {
    report.chain = "dash".into();
    report.finality = Some(FinalityReport {
        state: "chainlocked".into(),
        ms: Some(ms),
        by: None,
        node: Some("alpha".into()),
        claimed_ms: None,
    });
    let known = ["alpha", "honest-1"].map(str::to_owned);
    (report, Truth { final_to: Some(known.into()), ..truth() })
}

/// Makes it a block that has the work of this run's next, which is one of another chain.
pub(crate) fn merged(mut report: Report) -> (Report, Truth) {
    let hash = "5ecd7ab3a23dfc9ef8a9b04b26d6a1e1d9f8bb2f0a2d4b6cf5d60a25d4c9a7b1";
    report.chain = "dogecoin".into();
    report.merged_with = Some(MergedReport { hash: hash.into(), chain: Some("litecoin".into()) });
    let twin = Twin { block: 2, chain: "litecoin", hash: hash.into(), has_work: true };
    (report, Truth { twin: Some(twin), ..truth() })
}

/// What the pool was told.
pub(crate) fn answer() -> PoolAnswer {
    PoolAnswer { accepted: true, answer: Value::Null, ms: 5.13 }
}

/// The record of all that.
pub(crate) fn record(report: Report) -> Record {
    Record::new(1, 35, answer(), report, &members(), &truth())
}
