//! dogecoind 1.14.9 on regtest, as recorded (`tests/fixtures/dogecoin/`, measured.md). Where nothing was recorded it is as
//! the daemon's source has it ("G").
//!
//! Not simulated: bloom filters, transactions, and the templates' change after a minute of new ones. Work is issued to any
//! address that looks like one, and pays to the simulated pool. An invalid block that came as a compact one costs its
//! sender as much as any other; a dogecoind forgives it.

mod auxpow;
mod rpc;

use std::{sync::Arc, time::Duration};

use ::dogecoin::{Dogecoin, MAX_PAYLOAD};
use chain::{Finding, Network, scrypt};
use wire::{Header, RejectCode, Services};

use super::{
    Compact, Identity, Merged, Mining, PAYOUT, Profile, Rpc, Say, Step, Tail, UNKNOWN_PARENT, Validation,
};
use crate::Verdict;

/// 0xd: NETWORK, BLOOM, WITNESS.
const SERVICES: Services = Services(0xd);

/// The merkle root of every Dogecoin genesis block (protocol.md §1.4), in wire order.
const GENESIS_ROOT: [u8; 32] = [
    0x69, 0x6a, 0xd2, 0x0e, 0x2d, 0xd4, 0x36, 0x5c, 0x74, 0x59, 0xb4, 0xa4, 0xa5, 0xaf, 0x74, 0x3d, 0x5e,
    0x92, 0xc6, 0xda, 0x32, 0x29, 0xe6, 0x53, 0x2c, 0xd6, 0x05, 0xf6, 0x53, 0x3f, 0x2a, 0x5b,
];

/// By which miners of several chains tell this one from the others.
const CHAIN_ID: i32 = 98;

/// The first height with merge-mined blocks, and the first without those of old (`params.toml` of the chain).
const MERGED_FROM: u32 = 20;

/// The version of a block with its own work: base version 4 and the chain's id (block_coinbase_only.json).
const VERSION: i32 = 0x0062_0004;

/// The bit in it that says that an auxpow follows.
const AUXPOW_FLAG: i32 = 0x100;

/// Base units of a coin.
const COIN: i64 = 100_000_000;

/// How many blocks of regtest have the same subsidy (G chainparams.cpp, nSubsidyHalvingInterval).
const HALVING_INTERVAL: u32 = 150;

/// Answers to a `version` (handshake_inbound_*.json).
const GREETING: &[Step] = &[Step { from: 0, say: Say::Version }, Step { from: 0, say: Say::Verack }];

/// Answers to a `verack` (same recordings; the thresholds are those of disconnect_cases.json).
const WELCOME: &[Step] = &[
    Step { from: 70_012, say: Say::SendHeaders },
    Step { from: 70_014, say: Say::SendCompact(2) },
    Step { from: 70_014, say: Say::SendCompact(1) },
    Step { from: 0, say: Say::Ping },
    Step { from: 0, say: Say::GetHeaders },
    Step { from: 70_013, say: Say::FeeFilter(100_000) },
];

/// dogecoind 1.14.9 on regtest.
pub fn regtest() -> Profile {
    Profile {
        chain: Arc::new(Dogecoin::new(Network::Regtest)),
        genesis: super::genesis(&GENESIS_ROOT, 1_296_688_602, 2),
        identity: Identity {
            protocol: 70_015,
            // disconnect_cases.json, "Version must be 70003 or greater".
            least_protocol: 70_003,
            services: SERVICES,
            service_names: &["NETWORK", "BLOOM", "WITNESS"],
            user_agent: "/Shibetoshi:1.14.9/",
            version: 1_140_900,
            name: "Dogecoin",
        },
        greeting: GREETING,
        welcome: WELCOME,
        // disconnect_cases.json, "second verack".
        again: &WELCOME[..3],
        // protocol.md §2.3.
        early: 1,
        afterthought: None,
        version_tail: Tail { random: 0, fixed: &[] },
        // Both versions are taken from whoever sends them; only after an offer of the second is a block asked for in
        // this form, and its sender asked to push (relay_block_to_node.json).
        compact: Some(Compact { usable: 2, witness_from: u64::MAX, tail_from: None, no_tail: &[] }),
        max_payload: MAX_PAYLOAD,
        may_encrypt: false,
        // disconnect_cases.json, "services=…".
        asks: |services| services.has(Services::NETWORK),
        // relay_block_to_node.json, "client services = 0: headers announcement".
        fetches_from: |_| true,
        patience: None,
        // measured.md.
        address_delay: Some(10.0..29.0),
        serves_in_download: false,
        stall: None,
        // protocol.md §4.2.
        lead: 1440,
        // G chainparams.cpp, CRegTestParams: BIP34Height is 100,000,000.
        tells_height: false,
        rejects: Some(rejects),
        orphan: "bad-prevblk",
        points,
        // relay_invalid_blocks.json, "listbanned".
        ban: Some(Duration::from_secs(24 * 3600)),
        word,
        locking: None,
        mining: Mining {
            version: VERSION,
            subsidy,
            payout: PAYOUT,
            witness_commitment: false,
            payload: |_| None,
            merged: Some(Merged {
                from: MERGED_FROM,
                version: VERSION | AUXPOW_FLAG,
                commitment: auxpow::commitment,
                proof: auxpow::proof,
                work: scrypt::pow_hash,
            }),
            alone: false,
            downloading: "is downloading blocks...",
            required_rules: &[],
            template_rules: &[],
            rules_message: "",
        },
        rpc: Rpc { answer: rpc::answer, amend: rpc::amend },
        // A block of 432 bytes is the tip after 1.7 ms (latency_summary.json). Of larger ones nothing was measured: as
        // on Litecoin.
        validation: Validation {
            base: Duration::from_micros(1_700),
            per_kilobyte: Duration::from_micros(42),
        },
    }
}

/// G dogecoin.cpp, GetDogecoinBlockSubsidy, with the simple rewards of regtest: 500,000 coins and half after each interval,
/// from the sixth on 10,000.
fn subsidy(height: u32) -> i64 {
    match height / HALVING_INTERVAL {
        halvings @ 0..6 => (500_000 * COIN) >> halvings,
        _ => 10_000 * COIN,
    }
}

/// protocol.md §2.6 and relay_invalid_blocks.json: nothing for a time, a version, and for a block that is known to be bad;
/// ten points for an orphan, half of what is too much for work that is not there, all of it for everything else.
fn points(word: &str) -> u32 {
    match word {
        "time-too-new" | "time-too-old" | "duplicate-invalid" => 0,
        version if version.starts_with("bad-version") => 0,
        UNKNOWN_PARENT => 10,
        "high-hash" => 50,
        _ => 100,
    }
}

/// relay_invalid_blocks.json; for a version, and for what is known to be bad, G validation.cpp.
fn rejects(refusal: &Verdict) -> (RejectCode, &str) {
    match refusal {
        Verdict::Orphan(word) => (RejectCode(0), word),
        Verdict::Refused(word) if word == "duplicate-invalid" => (RejectCode(0), "duplicate"),
        Verdict::Refused(word) if word.starts_with("bad-version") => (RejectCode(0x11), word),
        other => (RejectCode(0x10), other.word().unwrap_or_default()),
    }
}

/// Whatever is wrong with an auxpow, the daemon has one word for it.
fn word(finding: &Finding, header: &Header) -> String {
    if finding.check.starts_with("auxpow-") {
        "high-hash".into()
    } else {
        super::family_word(finding, header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::dogecoin::{Parameters, Version};

    #[test]
    fn subsidies_are_the_recorded_ones() {
        // block_coinbase_only.json, block_auxpow_simple.json, rpc_replies.json "getblocktemplate".
        let recorded = [(1, 50_000_000_000_000), (152, 25_000_000_000_000), (277, 25_000_000_000_000)];
        for (height, value) in recorded {
            assert_eq!(subsidy(height), value, "{height}");
        }
        assert_eq!(
            [299, 300, 899, 900, u32::MAX].map(|height| subsidy(height) / COIN),
            [250_000, 125_000, 15_625, 10_000, 10_000]
        );
    }

    #[test]
    fn numbers_are_those_of_the_chains_own_parameters() {
        let rules = Parameters::of(Network::Regtest).rules;
        assert_eq!((rules.auxpow_height, rules.legacy_end_height), (MERGED_FROM, Some(MERGED_FROM)));
        assert_eq!((i32::from(rules.chain_ids.at(None)), rules.bip34_height), (CHAIN_ID, None));
        let version = Version(regtest().mining.merged.unwrap().version);
        assert!(version.has_auxpow() && version.chain_id() == CHAIN_ID && version.base() == 4);
        assert!(!Version(VERSION).has_auxpow());
    }
}
