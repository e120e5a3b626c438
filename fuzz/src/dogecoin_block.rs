//! Dogecoin's block rules: headers with and without an auxpow.

use std::sync::LazyLock;

use chain::Network;
use dogecoin::Dogecoin;
use wire::sha256d;

use crate::block::Rules;

static RULES: LazyLock<Rules<Dogecoin>> = LazyLock::new(|| Rules {
    networks: [Network::Mainnet, Network::Testnet, Network::Regtest].map(Dogecoin::new),
    name: |header| sha256d(header),
    mending: 0,
    // An auxpow is made for a block's name, which is another without its bits.
    of_work: |check| check.starts_with("auxpow-"),
});

/// Input: which network, and whether to [`MEND`](crate::block::MEND) (one byte), the block.
///
/// # Panics
/// When something does not hold that must, of every chain's blocks or of these.
pub fn run(data: &[u8]) {
    RULES.run(data);
}
