//! Litecoin's block rules.

use std::sync::LazyLock;

use chain::Network;
use litecoin::Litecoin;
use wire::sha256d;

use crate::block::Rules;

static RULES: LazyLock<Rules<Litecoin>> = LazyLock::new(|| Rules {
    networks: [Network::Mainnet, Network::Testnet, Network::Regtest].map(Litecoin::new),
    name: |header| sha256d(header),
    // The coinbase's witness, with its count and length, and the marker.
    mending: 36,
});

/// Input: which network, and whether to [`MEND`](crate::block::MEND) (one byte), the block.
///
/// # Panics
/// When something does not hold that must, of every chain's blocks or of these.
pub fn run(data: &[u8]) {
    RULES.run(data);
}
