//! How to behave towards a dashd. Figures are from protocol.md (sections 1 and 2) and measured.md.

use std::time::Duration;

use chain::SessionPolicy;
use wire::{Command, Services};

/// The largest payload that dashd accepts, in bytes (D net.h:85, MAX_PROTOCOL_MESSAGE_LENGTH).
pub const MAX_PAYLOAD: usize = 3 * 1024 * 1024;

/// What Dash's `version` says behind the `relay` flag: a challenge of 32 bytes, which a masternode is to sign, and
/// whether we are one. The challenge of zeros is the one that a masternode does not answer; and whoever says that he
/// is a masternode is cut off by nodes that are none, and told nothing by those that are (D net_processing.cpp:3780).
const NO_MASTERNODE: &[u8] = &[0; 33];

/// The difference between two lists of masternodes: the answer to `getmnlistd` (DIP4).
const MNLISTDIFF: Command = Command::literal("mnlistdiff");

/// What the members of rotated quorums can be computed from: the answer to `getqrinfo` (DIP24).
const QRINFO: Command = Command::literal("qrinfo");

/// The policy of every Dash network.
pub(crate) fn session_policy() -> SessionPolicy {
    SessionPolicy {
        // That of 23.1; older daemons settle on their own, lower one.
        protocol: 70_240,
        // That of 20.0, the first with the rules that mainnet has had since 1,987,776: an older node cannot follow the
        // chain. Dashd 23.1 itself talks to 70,221 and above.
        min_peer_protocol: 70_230,
        // The daemon's own idea of a worthwhile peer once it is synced (D protocol.cpp): it lets us count in eviction,
        // and a node fetches from us what we announce. HEADERS_COMPRESSED (bit 11) is left out on purpose: with it a
        // node speaks `headers2` to us, and nothing else (DIP25).
        services: Services::NETWORK_LIMITED,
        // Every full node has it, pruned or not (D init.cpp).
        required_services: Services::NETWORK_LIMITED,
        version_extension: NO_MASTERNODE,
        wtxid_relay: false,
        addr_v2: true,
        // The only one that there is (D net_processing.cpp:207).
        compact_version: Some(1),
        max_payload: MAX_PAYLOAD,
        // A list of masternodes and its proofs are sent to whoever asks for them, and cost whoever sends them unasked
        // 100 points at a daemon (D net_processing.cpp, protocol.md §2.6).
        never_asked_for: &[MNLISTDIFF, QRINFO],
        // A block with as much work as the tip is stored (D validation.cpp:4345).
        strictly_more_work: false,
        // A live node answers within a few round trips, to each of which a stall of half a second may be added
        // (measured: one message in ten); the daemons allow 60 s.
        handshake_timeout: Duration::from_secs(15),
        // Twice as often as the daemons, so that a dead peer is known before the next block.
        ping_interval: Duration::from_secs(60),
        // The daemons allow 20 min. Two leave room for stalls and for a node that is busy validating, and none for one
        // that is gone.
        pong_timeout: Duration::from_secs(120),
        // Acceptance shows within milliseconds of arrival, or half a second later (measured: 2.4 ms and 501 ms); the
        // rest is a slow line's 2 MB.
        delivery_timeout: Duration::from_secs(60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_offer_what_the_fact_sheet_recommends() {
        assert_eq!(session_policy().services, Services(0x400));
    }

    #[test]
    fn the_recorded_daemon_offers_what_we_require() {
        assert!(Services(0x1c05).has(session_policy().required_services));
        assert!(!Services(0x5).has(session_policy().required_services));
    }

    #[test]
    fn compressed_headers_are_never_offered() {
        assert!(!session_policy().services.has(Services(1 << 11)));
    }
}
