//! How large a block may be (protocol.md §1.5; L consensus/consensus.h). The MWEB part does not count.

use chain::{Finding, transaction::Layout};
use wire::Header;

/// The most weight, which is three times the stripped size plus the size with witnesses; the stripped size alone may
/// be a quarter of it, in bytes.
pub(crate) const MAX_WEIGHT: usize = 4_000_000;

/// The most transactions that fit: each has an input (41 bytes) and an output (9), and 10 more.
pub(crate) const MAX_TRANSACTIONS: usize = MAX_WEIGHT / 4 / 60;

/// Holds the block's sizes against their limits. In the daemon's order: `bad-blk-length`, `bad-blk-weight`.
pub(crate) fn check(transactions: &[Layout]) -> Option<Finding> {
    let count = if transactions.len() < 0xfd { 1 } else { 3 };
    let stripped = Header::LEN + count + transactions.iter().map(Layout::stripped_len).sum::<usize>();
    let witnesses: usize =
        transactions.iter().filter(|layout| layout.has_witness()).map(|l| 2 + l.witness.len()).sum();
    let weight = 4 * stripped + witnesses;
    if 4 * stripped > MAX_WEIGHT {
        let expected = format!("at most {} bytes without witnesses", MAX_WEIGHT / 4);
        Some(Finding::error("bad-blk-length", expected, stripped.to_string()))
    } else if weight > MAX_WEIGHT {
        Some(Finding::error(
            "bad-blk-weight",
            format!("a weight of at most {MAX_WEIGHT}"),
            weight.to_string(),
        ))
    } else {
        None
    }
}
