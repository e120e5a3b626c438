//! How to behave towards a dogecoind. Figures are from protocol.md (sections 1 and 2) and measured.md.

use std::time::Duration;

use chain::SessionPolicy;
use wire::Services;

use crate::params::SessionParameters;

/// The largest payload that dogecoind accepts, in bytes; it hangs up on more (G net.h:60, measured).
pub const MAX_PAYLOAD: usize = 4_000_000;

/// The policy of a network of Dogecoin or a relative.
///
/// Before our `verack` a dogecoind wants our `version` and nothing else: every other message costs a point of the
/// hundred that make a ban of 24 hours. So nothing is offered there. It says why it refuses a block (`reject`), and
/// whoever reads that needs no setting for it.
pub(crate) fn session_policy(parameters: &SessionParameters) -> SessionPolicy {
    SessionPolicy {
        // That of every 1.14.
        protocol: 70_015,
        // The daemons themselves still talk to 70,003 (G version.h; measured: a `reject` below), which is 1.10, of 2015 and speaking 70,004.
        // From 70,015 on a node takes pushed compact blocks and announces by header.
        min_peer_protocol: 70_015,
        // We are no full node, and there is no bit for a node of the last blocks only. With NETWORK a node that is
        // behind asks us for history, waits five minutes for it and hangs up; what it buys is a tie-break in eviction.
        // Without, a node takes blocks from us unasked and fetches what we announce by header all the same (measured).
        services: Services(0),
        // A pruned node offers no NETWORK (G init.cpp:1619), and takes and passes on a block like any other; it may be
        // one of our own. Addresses of nodes without NETWORK are not passed around, so strangers have it anyway.
        required_services: Services(0),
        version_extension: &[],
        wtxid_relay: false,
        addr_v2: false,
        compact_version: parameters.compact_version,
        max_payload: MAX_PAYLOAD,
        never_asked_for: &[],
        // A block with as much work as the tip is dropped without a word (G validation.cpp:3306).
        strictly_more_work: true,
        // A live node answers within a few round trips; the daemons allow 60 s.
        handshake_timeout: Duration::from_secs(15),
        // Twice as often as the daemons, so that a dead peer is known before the next block.
        ping_interval: Duration::from_secs(60),
        // The daemons allow 20 min. Two leave room for one that is busy validating, and none for one that is gone.
        pong_timeout: Duration::from_secs(120),
        // Acceptance shows within milliseconds of arrival (measured: 1.7 ms); the rest is a slow line's 1 MB. Dogecoin
        // finds a block a minute: what takes longer has lost.
        delivery_timeout: Duration::from_secs(60),
    }
}

#[cfg(test)]
mod tests {
    use chain::Network;

    use super::*;
    use crate::Parameters;

    #[test]
    fn nothing_is_sent_before_verack_that_dogecoin_counts_against_us() {
        for network in [Network::Mainnet, Network::Testnet, Network::Regtest] {
            let policy = session_policy(&Parameters::of(network).session);
            assert!(!policy.addr_v2 && !policy.wtxid_relay && policy.version_extension.is_empty());
            assert!(policy.strictly_more_work);
        }
    }

    #[test]
    fn the_compact_format_is_the_one_that_the_network_s_nodes_ask_for() {
        let format = |network| session_policy(&Parameters::of(network).session).compact_version;
        let formats = [Network::Mainnet, Network::Testnet, Network::Regtest].map(format);
        assert_eq!(formats, [Some(1), Some(1), Some(2)]);
        assert_eq!(session_policy(&SessionParameters::default()).compact_version, None);
    }
}
