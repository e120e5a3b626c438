//! How to behave towards a litecoind. Figures are from protocol.md (sections 1 and 2) and measured.md.

use std::time::Duration;

use chain::SessionPolicy;
use wire::Services;

/// The largest payload that litecoind 0.21.5.5 and later accept, in bytes (L net.h:52).
pub const MAX_PAYLOAD: usize = 32_000_000;

/// The largest payload that litecoind up to 0.21.5.4 accepts, in bytes; it hangs up on more (measured). A block's
/// weight limit keeps it below, unless a full block also has a large MWEB part.
pub const OLDER_MAX_PAYLOAD: usize = 4_000_000;

/// The policy of every Litecoin network.
pub(crate) fn session_policy() -> SessionPolicy {
    SessionPolicy {
        // That of 0.21.3 and later; older daemons settle on their own, lower one.
        protocol: 70_017,
        // The daemons themselves still talk to 31,800. From 70,015 on a node takes pushed compact blocks; what else a
        // peer must be able to do is said by its services, not by its version.
        min_peer_protocol: 70_015,
        // The daemon's own idea of a worthwhile peer (L protocol.cpp:147): it lets us count in eviction, and without
        // WITNESS and MWEB a node never fetches from us what we announce (measured).
        services: Services::NETWORK_LIMITED.with(Services::WITNESS).with(Services::MWEB),
        // A node without them cannot check a block of today, nor pass it on. Of NETWORK and NETWORK_LIMITED a full node
        // has at least one; which one is of no concern to a relay, and a mask cannot say "or".
        required_services: Services::WITNESS.with(Services::MWEB),
        version_extension: &[],
        wtxid_relay: true,
        addr_v2: true,
        // With witness and MWEB, the only one of use since MWEB is in force (L net_processing.cpp:2978).
        compact_version: Some(3),
        max_payload: MAX_PAYLOAD,
        never_asked_for: &[],
        // A block with as much work as the tip is stored (L validation.cpp:3909).
        strictly_more_work: false,
        // A live node answers within a few round trips; the daemons allow 60 s.
        handshake_timeout: Duration::from_secs(15),
        // Twice as often as the daemons, so that a dead peer is known before the next block.
        ping_interval: Duration::from_secs(60),
        // The daemons allow 20 min. Two leave room for one that is busy validating, and none for one that is gone.
        pong_timeout: Duration::from_secs(120),
        // Acceptance shows within milliseconds of arrival (measured: 2.2 ms); the rest is a slow line's 4 MB.
        delivery_timeout: Duration::from_secs(60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_offer_what_the_fact_sheet_recommends() {
        assert_eq!(session_policy().services, Services(0x100_0408));
    }

    #[test]
    fn the_recorded_daemon_offers_what_we_require() {
        assert!(Services(0x100_0409).has(session_policy().required_services));
        assert!(!Services(0x9).has(session_policy().required_services));
    }
}
