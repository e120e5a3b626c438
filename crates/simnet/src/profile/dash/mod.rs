//! dashd 23.1.2 on regtest, as recorded (`tests/fixtures/dash/`, measured.md). Where nothing was recorded, above all of
//! ChainLocks and masternodes, it is as the daemon's source has it ("D", tag v23.1.2).
//!
//! Not simulated: compressed headers (DIP25), which a peer that does not offer them never sees; BIP324; InstantSend,
//! governance and CoinJoin; what a coinbase owes to masternodes and to the credit pool, so that the roots and the
//! balance in its payload are zero, and so is its ChainLock; quorum commitments. A ChainLock's signature is not BLS but
//! a hash that the network's nodes can recompute.

mod rpc;

use std::{sync::Arc, time::Duration};

use ::dash::{Dash, MAX_PAYLOAD};
use bytes::{BufMut, Bytes};
use chain::Network;
use sha2::{Digest, Sha256};
use wire::{BlockHash, Command, Services};

use super::{
    Afterthought, Compact, Identity, Locking, Mining, PAYOUT, Payload, Profile, Rpc, Say, Stall, Step, Tail,
    UNKNOWN_PARENT, Validation,
};

/// 0x1c05: NETWORK, BLOOM, NETWORK_LIMITED, HEADERS_COMPRESSED, P2P_V2.
const SERVICES: Services = Services(0x1c05);

/// The merkle root of every Dash genesis block (protocol.md §1.4), in wire order.
const GENESIS_ROOT: [u8; 32] = [
    0xc7, 0x62, 0xa6, 0x56, 0x7f, 0x3c, 0xc0, 0x92, 0xf0, 0x68, 0x4b, 0xb6, 0x2b, 0x7e, 0x00, 0xa8, 0x48,
    0x90, 0xb9, 0x90, 0xf0, 0x7c, 0xc7, 0x1a, 0x6b, 0xb5, 0x8d, 0x64, 0xb9, 0x8e, 0x02, 0xe0,
];

/// From this height on a coinbase has a payload, whose version is 3 (regtest: DIP3 and V20; `params.toml` of the chain).
const PAYLOAD_HEIGHT: u32 = 432;

/// How many blocks of regtest have the same subsidy (D chainparams.cpp, nSubsidyHalvingInterval), and from which on a
/// part of it is kept for budgets (nBudgetPaymentsStartBlock).
const DECLINE_INTERVAL: u32 = 150;
const BUDGET_START: u32 = 1000;

/// Base units of a coin.
const COIN: i64 = 100_000_000;

/// The length of a quorum's signature (BLS), in bytes.
const SIGNATURE: usize = 96;

/// Answers to a `version` (handshake_inbound_*.json; who gets one at all: disconnect_cases.json).
const GREETING: &[Step] = &[
    Step { from: 0, say: Say::Version },
    Step { from: 70_223, say: Say::SendAddrV2 },
    Step { from: 0, say: Say::Verack },
];

/// Answers to a `verack` (same recordings).
const WELCOME: &[Step] = &[
    Step { from: 0, say: Say::SendHeaders },
    Step { from: 0, say: Say::SendCompact(1) },
    Step { from: 0, say: Say::Fixed(Command::literal("senddsq"), &[1]) },
    Step { from: 0, say: Say::Ping },
    Step { from: 0, say: Say::GetHeaders },
];

/// What a daemon says that is still looking for masternodes' data (handshake_inbound_plain.json has both; of the others
/// some only the first, or neither while the recording ran).
const SYNCING: &[Say] =
    &[Say::Fixed(Command::literal("getsporks"), &[]), Say::Fixed(Command::literal("govsync"), &[0; 42])];

/// dashd 23.1.2 on regtest.
pub fn regtest() -> Profile {
    Profile {
        chain: Arc::new(Dash::new(Network::Regtest)),
        genesis: super::genesis(&GENESIS_ROOT, 1_417_713_337, 1_096_447),
        identity: Identity {
            protocol: 70_240,
            // 70219 is refused, 70230 is not (disconnect_cases.json); the number is from D version.h.
            least_protocol: 70_221,
            services: SERVICES,
            service_names: &["NETWORK", "BLOOM", "NETWORK_LIMITED", "HEADERS_COMPRESSED", "P2P_V2"],
            user_agent: "/Dash Core:23.1.2/",
            version: 230_102,
            name: "Dash Core",
        },
        greeting: GREETING,
        welcome: WELCOME,
        again: &[],
        early: 0,
        // The daemon's timer: D masternode/sync.h, MASTERNODE_SYNC_TICK_SECONDS.
        afterthought: Some(Afterthought { within: Duration::from_secs(6), say: SYNCING }),
        // A challenge to masternodes, and that it is none itself.
        version_tail: Tail { random: 32, fixed: &[0] },
        compact: Some(Compact { usable: 1, witness_from: u64::MAX, tail_from: None, no_tail: &[] }),
        max_payload: MAX_PAYLOAD,
        // disconnect_cases.json, "http garbage".
        may_encrypt: true,
        // A client is not asked for its headers (disconnect_cases.json, "services=0"); what it announces is fetched all
        // the same (relay_block_to_node.json, "client services = 0: headers announcement").
        asks: |services| services.has(Services::NETWORK) || services.has(Services::NETWORK_LIMITED),
        fetches_from: |_| true,
        // D net_processing.cpp, HEADERS_RESPONSE_TIME; relay_block_extra.json, "inv; the initial getheaders was …".
        patience: Some(Duration::from_secs(120)),
        address_delay: None,
        serves_in_download: true,
        // outgoing_stall_500ms.json: 63 of 600 pings, and 5 of 75 versions.
        stall: Some(Stall { one_in: 10, by: Duration::from_millis(500) }),
        // D validation.cpp, MIN_BLOCKS_TO_KEEP.
        lead: 288,
        tells_height: true,
        rejects: None,
        orphan: UNKNOWN_PARENT,
        points,
        ban: None,
        word: super::family_word,
        locking: Some(Locking { make: clsig, on_forbidden: "bad-prevblk-chainlock", forged: 10 }),
        mining: Mining {
            version: 0x2000_0000,
            subsidy,
            payout: PAYOUT,
            witness_commitment: false,
            payload,
            merged: None,
            // rpc_replies.json, getblocktemplate_not_connected; ibd_behaviour.json.
            alone: true,
            downloading: "",
            required_rules: &[],
            template_rules: &["csv"],
            rules_message: "",
        },
        rpc: Rpc { answer: rpc::answer, amend: rpc::amend },
        // A block of 350 bytes is the tip after 2.5 ms (latency_summary.json). Of larger ones nothing was measured: as
        // on Litecoin.
        validation: Validation { base: Duration::from_millis(2), per_kilobyte: Duration::from_micros(42) },
    }
}

/// D validation.cpp, GetBlockSubsidyInner: 500 coins, 5 from V20 on; a fourteenth less after each interval; from some
/// height on a fifth is kept for budgets.
fn subsidy(height: u32) -> i64 {
    let base = if height >= PAYLOAD_HEIGHT { 5 } else { 500 };
    let before = height.saturating_sub(1);
    // It is worth nothing long before the height is out of range.
    let declines = (before / DECLINE_INTERVAL).min(1000);
    let subsidy = (0..declines).fold(base * COIN, |subsidy, _| subsidy - subsidy / 14);
    if before > BUDGET_START { subsidy - subsidy / 5 } else { subsidy }
}

/// Version 3 and type 5; the payload of version 3 (D evo/cbtx.h): height, roots of the lists of masternodes and quorums,
/// distance to and signature of a ChainLock, credit pool. There are no masternodes here, and no ChainLock is told.
fn payload(height: u32) -> Option<Payload> {
    if height < PAYLOAD_HEIGHT {
        return None;
    }
    let mut bytes = Vec::with_capacity(175);
    bytes.put_u16_le(3);
    bytes.put_u32_le(height);
    bytes.put_slice(&[0; 64]);
    bytes.put_u8(0);
    bytes.put_slice(&[0; SIGNATURE]);
    bytes.put_i64_le(0);
    Some(Payload { version: 0x0005_0003, bytes: bytes.into() })
}

/// Height, block, signature (D chainlock/clsig.h); the signature is three hashes of the key and the rest.
fn clsig(key: &[u8; 32], height: u32, block: &BlockHash) -> Bytes {
    let mut bytes = Vec::with_capacity(4 + 32 + SIGNATURE);
    bytes.put_u32_le(height);
    bytes.put_slice(block.as_wire());
    let statement = [key, &bytes[..]].concat();
    for part in 0..3_u8 {
        bytes.put_slice(&Sha256::digest([&statement[..], &[part]].concat()));
    }
    bytes.into()
}

/// protocol.md §2.6 and relay_invalid_blocks.json: nothing for a block from the future, for one that is known to be
/// bad, and for one that turns out to pay too much when it is connected; ten points for an orphan and for what a
/// ChainLock forbids; the end of the connection for everything else.
fn points(word: &str) -> u32 {
    match word {
        "time-too-new" | "duplicate-invalid" | "bad-cb-amount" => 0,
        UNKNOWN_PARENT | "bad-chainlock" | "bad-prevblk-chainlock" => 10,
        _ => 100,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::dash::Parameters;

    #[test]
    fn subsidies_are_the_recorded_ones() {
        // block_coinbase_only.json, block_20tx_pre_dip3.json (less fees), block_dip3_*.json, block_20tx_dip3.json (less
        // fees), rpc_replies.json "getblocktemplate".
        let recorded = [
            (1, 50_000_000_000),
            (202, 46_428_571_429),
            (432, 431_122_450),
            (433, 431_122_450),
            (951, 320_524_999),
        ];
        for (height, value) in recorded {
            assert_eq!(subsidy(height), value, "{height}");
        }
        assert_eq!(subsidy(1001) - subsidy(1001) / 5, subsidy(1002), "the budget's part");
        assert!((0..13).contains(&subsidy(u32::MAX)));
    }

    #[test]
    fn heights_and_names_are_those_of_the_chains_own_parameters() {
        let parameters = Parameters::of(Network::Regtest);
        assert_eq!((parameters.rules.dip3_height, parameters.rules.v20_height), (432, 432));
        assert_eq!((parameters.chainlocks.name.as_str(), parameters.chainlocks.number), rpc::QUORUMS);
    }

    #[test]
    fn a_clsig_is_read_by_the_chain_and_depends_on_all_that_it_says() {
        let profile = regtest();
        let (key, block) = ([7; 32], BlockHash::from_wire([1; 32]));
        let object = clsig(&key, 900, &block);
        let lock = profile.chain.finality().unwrap().read(object.clone()).unwrap();
        assert_eq!((lock.block, lock.height, object.len()), (block, 900, 132));
        let others =
            [clsig(&[8; 32], 900, &block), clsig(&key, 901, &block), clsig(&key, 900, &BlockHash::ZERO)];
        assert!(others.iter().all(|other| other[36..] != object[36..]));
    }
}
