//! Dash's block rules: transactions with types and payloads.

use std::sync::LazyLock;

use chain::Network;
use dash::{Dash, x11};

use crate::block::Rules;

static RULES: LazyLock<Rules<Dash>> = LazyLock::new(|| Rules {
    networks: [Network::Mainnet, Network::Testnet, Network::Regtest].map(Dash::new),
    name: x11::hash,
    mending: 0,
});

/// Input: which network, and whether to [`MEND`](crate::block::MEND) (one byte), the block.
///
/// # Panics
/// When something does not hold that must, of every chain's blocks or of these.
pub fn run(data: &[u8]) {
    RULES.run(data);
}
