//! Proof of work: X11, which is also the block's name.

use chain::{Finding, Target};
use wire::Header;

use crate::x11;

/// What it is called in findings.
const HASH: &str = "an X11 hash";

/// Whether a header carries the work that it claims, and claims no less than `limit` allows.
pub(crate) fn check(header: &Header, limit: Target) -> Result<(), Finding> {
    let target = Target::claimed(header, limit)?;
    target.demand(&x11::hash(header.fixed()), "high-hash", HASH)
}

/// As [`check`], with a hash that is known already.
pub(crate) fn check_hash(header: &Header, hash: &[u8; 32], limit: Target) -> Result<(), Finding> {
    Target::claimed(header, limit)?.demand(hash, "high-hash", HASH)
}
