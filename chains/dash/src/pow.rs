//! Proof of work: X11, which is also the block's name.

use chain::{Finding, Target};
use wire::Header;

use crate::x11;

/// Whether a header carries the work that it claims, and claims no less than `limit` allows.
pub(crate) fn check(header: &Header, limit: Target) -> Result<(), Finding> {
    let target = target(header, limit)?;
    meets(target, &x11::hash(header.fixed()))
}

/// As [`check`], with a hash that is known already.
pub(crate) fn check_hash(header: &Header, hash: &[u8; 32], limit: Target) -> Result<(), Finding> {
    meets(target(header, limit)?, hash)
}

/// The target that a header claims to meet.
///
/// dashd says `high-hash` to bits that are no target or too easy. `bad-diffbits` is its word for bits that are not
/// those of the height, which only it can know; here it says that there is no use in hashing.
fn target(header: &Header, limit: Target) -> Result<Target, Finding> {
    let bits = header.bits();
    let wanted = format!("bits of a target of at most {limit}");
    match Target::from_compact(bits) {
        Ok(target) if target > limit => {
            Err(Finding::error("bad-diffbits", wanted, format!("{bits:08x}, which is {target}")))
        }
        Ok(target) => Ok(target),
        Err(error) => Err(Finding::error("bad-diffbits", wanted, format!("{bits:08x}: {error}"))),
    }
}

fn meets(target: Target, hash: &[u8; 32]) -> Result<(), Finding> {
    if target.is_met_by(hash) {
        return Ok(());
    }
    let reversed: String = hash.iter().rev().map(|byte| format!("{byte:02x}")).collect();
    Err(Finding::error("high-hash", format!("an X11 hash of at most {target}"), reversed))
}
