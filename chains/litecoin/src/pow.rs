//! Proof of work: scrypt with N = 1024, r = 1, p = 1.

use chain::{Finding, Target};
use scrypt::{Params, scrypt};
use wire::Header;

/// log2 of N.
const LOG_N: u8 = 10;

/// The proof-of-work hash of a header, in wire order: password and salt are both its 80 bytes.
///
/// Takes a few hundred microseconds and 128 KiB. It is not the block's name.
pub fn pow_hash(header: &[u8; 80]) -> [u8; 32] {
    let params = Params::new(LOG_N, 1, 1).expect("1024, 1, 1 are parameters of scrypt");
    let mut hash = [0; 32];
    scrypt(header, header, &params, &mut hash).expect("32 bytes are a length that scrypt can give");
    hash
}

/// Whether a header carries the work that it claims, and claims no less than `limit` allows.
///
/// litecoind says `high-hash` to both faults. `bad-diffbits` is its word for bits that are not those of the height,
/// which only it can know; here it says that there is no use in hashing.
pub(crate) fn check(header: &Header, limit: Target) -> Result<(), Finding> {
    let bits = header.bits();
    let wanted = format!("bits of a target of at most {limit}");
    let target = Target::from_compact(bits)
        .map_err(|error| Finding::error("bad-diffbits", wanted.as_str(), format!("{bits:08x}: {error}")))?;
    if target > limit {
        return Err(Finding::error("bad-diffbits", wanted, format!("{bits:08x}, which is {target}")));
    }
    let hash = pow_hash(header.fixed());
    if target.is_met_by(&hash) {
        return Ok(());
    }
    let reversed: String = hash.iter().rev().map(|byte| format!("{byte:02x}")).collect();
    Err(Finding::error("high-hash", format!("a scrypt hash of at most {target}"), reversed))
}
