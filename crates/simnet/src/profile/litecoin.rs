//! litecoind 0.21.2.1 on regtest, as recorded (`tests/fixtures/litecoin/`, measured.md).
//!
//! Not simulated: the `alert` to peers below 70013, `addr` relay of its own accord, transactions, and MWEB beyond what
//! the chain's inspection sees: no block that a [`Mint`](crate::Mint) makes signals for it, so it never comes into
//! force.

use std::{sync::Arc, time::Duration};

use ::litecoin::{Litecoin, OLDER_MAX_PAYLOAD};
use chain::{Finding, Network};
use wire::{Header, Services};

use super::{Compact, Identity, Mining, Profile, Rpc, Say, Step, Tail, UNKNOWN_PARENT, Validation};

/// 0x1000409: NETWORK, WITNESS, NETWORK_LIMITED, MWEB.
const SERVICES: Services =
    Services::NETWORK.with(Services::WITNESS).with(Services::NETWORK_LIMITED).with(Services::MWEB);

/// The merkle root of every Litecoin genesis block (protocol.md §1.4), in wire order.
const GENESIS_ROOT: [u8; 32] = [
    0xd9, 0xce, 0xd4, 0xed, 0x11, 0x30, 0xf7, 0xb7, 0xfa, 0xad, 0x9b, 0xe2, 0x53, 0x23, 0xff, 0xaf, 0xa3,
    0x32, 0x32, 0xa1, 0x7c, 0x3e, 0xdf, 0x6c, 0xfd, 0x97, 0xbe, 0xe6, 0xba, 0xfb, 0xdd, 0x97,
];

/// A witness program of 20 bytes to which nobody has the key.
const PAYOUT: &[u8] = b"\x00\x14simulated-pool's-key";

/// The first subsidy: 50 coins of 10⁸ units.
const FIRST_SUBSIDY: i64 = 50 * 100_000_000;

/// How many blocks of regtest have the same subsidy (L chainparams.cpp, CRegTestParams).
const HALVING_INTERVAL: u32 = 150;

/// Answers to a `version` (handshake_inbound_*.json; the thresholds are those of disconnect_cases.json).
const GREETING: &[Step] = &[
    Step { from: 0, say: Say::Version },
    Step { from: 70_016, say: Say::WtxidRelay },
    Step { from: 70_016, say: Say::SendAddrV2 },
    Step { from: 0, say: Say::Verack },
];

/// Answers to a `verack` (same recordings).
const WELCOME: &[Step] = &[
    Step { from: 70_012, say: Say::SendHeaders },
    Step { from: 70_014, say: Say::SendCompact(3) },
    Step { from: 70_014, say: Say::SendCompact(2) },
    Step { from: 70_014, say: Say::SendCompact(1) },
    // Older peers get a ping without nonce (60000), which asks for no answer; there is no use in simulating it.
    Step { from: 60_001, say: Say::Ping },
    Step { from: 0, say: Say::GetHeaders },
    Step { from: 70_013, say: Say::FeeFilter(1000) },
];

/// litecoind 0.21.2.1 on regtest.
pub fn regtest() -> Profile {
    Profile {
        chain: Arc::new(Litecoin::new(Network::Regtest)),
        genesis: super::genesis(&GENESIS_ROOT, 1_296_688_602, 0),
        identity: Identity {
            protocol: 70_016,
            // 31799 is refused (disconnect_cases.json).
            least_protocol: 31_800,
            services: SERVICES,
            service_names: &["NETWORK", "WITNESS", "NETWORK_LIMITED", "MWEB"],
            user_agent: "/LitecoinCore:0.21.2.1/",
            version: 210_201,
            name: "Litecoin Core",
        },
        greeting: GREETING,
        welcome: WELCOME,
        again: &[],
        early: 0,
        afterthought: None,
        version_tail: Tail { random: 0, fixed: &[] },
        // Versions 1 and 2 are offered and of no use (measured.md): they lead to a `getdata` for the whole block.
        compact: Some(Compact { usable: 3, witness_from: 2, tail_from: Some(3), no_tail: &[0] }),
        max_payload: OLDER_MAX_PAYLOAD,
        may_encrypt: false,
        asks: fetches_from,
        fetches_from,
        patience: None,
        // Measured: 10 to 29 s.
        address_delay: Some(10.0..29.0),
        serves_in_download: false,
        stall: None,
        // L validation.cpp, MIN_BLOCKS_TO_KEEP.
        lead: 288,
        tells_height: true,
        rejects: None,
        orphan: UNKNOWN_PARENT,
        points,
        ban: None,
        word,
        locking: None,
        mining: Mining {
            version: 0x2000_0000,
            subsidy,
            payout: PAYOUT,
            witness_commitment: true,
            payload: |_| None,
            merged: None,
            alone: false,
            downloading: "is in initial sync and waiting for blocks...",
            required_rules: &["mweb", "segwit"],
            template_rules: &["csv", "!segwit", "taproot"],
            rules_message: "getblocktemplate must be called with the segwit & mweb rule sets (call with {\"rules\": [\"mweb\", \"segwit\"]})",
        },
        rpc: Rpc { answer: |_, _, _, _| None, amend: |_, _, _| {} },
        // A block of 500 bytes is the tip after 2.2 ms (latency_summary.json); 1 MB takes 42 ms to parse alone.
        validation: Validation { base: Duration::from_millis(2), per_kilobyte: Duration::from_micros(42) },
    }
}

/// A peer without witnesses and MWEB is never asked for blocks; one that has no blocks at all is a client
/// (disconnect_cases.json "services=…", relay_block_to_node.json "client services = …").
fn fetches_from(services: Services) -> bool {
    let has_blocks = services.has(Services::NETWORK) || services.has(Services::NETWORK_LIMITED);
    has_blocks && services.has(Services::WITNESS) && services.has(Services::MWEB)
}

fn subsidy(height: u32) -> i64 {
    FIRST_SUBSIDY.checked_shr(height / HALVING_INTERVAL).unwrap_or(0)
}

/// protocol.md §2.6 and relay_invalid_blocks.json: nothing for a block from the future or one that is known to be bad,
/// ten points for an orphan, the end of the connection for everything else.
fn points(word: &str) -> u32 {
    match word {
        "time-too-new" | "duplicate-invalid" => 0,
        UNKNOWN_PARENT => 10,
        _ => 100,
    }
}

fn word(finding: &Finding, header: &Header) -> String {
    match finding.check {
        // What is missing without the flag, in the daemon's words (rpc_replies.json, submitblock_without_…).
        "hogex-missing" | "bad-hogex" => "mweb-missing".into(),
        // `submitblock` puts it in; whoever hears of it here is a peer.
        "coinbase-witness-missing" => "bad-witness-nonce-size".into(),
        _ => super::family_word(finding, header),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subsidy_halves_every_150_blocks_and_ends() {
        let expected = [(0, 5_000_000_000), (149, 5_000_000_000), (150, 2_500_000_000), (660, 312_500_000)];
        for (height, value) in expected {
            assert_eq!(subsidy(height), value, "{height}");
        }
        assert_eq!((subsidy(150 * 63), subsidy(150 * 64), subsidy(u32::MAX)), (0, 0, 0));
    }

    #[test]
    fn blocks_are_fetched_only_from_peers_that_can_send_them_whole() {
        for (services, fetched) in
            [(0x100_0409, true), (0x100_0408, true), (0x409, false), (1, false), (0, false)]
        {
            assert_eq!(fetches_from(Services(services)), fetched, "{services:#x}");
        }
    }
}
