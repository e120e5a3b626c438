//! The proof of work of Litecoin, Dogecoin and those that came from them: scrypt with N = 1024, r = 1, p = 1.

use ::scrypt::{Params, scrypt};
use wire::Header;

use crate::{Finding, Target};

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
/// # Errors
/// `bad-diffbits` or `high-hash`; see [`Target::claimed`] and [`Target::demand`].
pub fn check(header: &Header, limit: Target) -> Result<(), Finding> {
    Target::claimed(header, limit)?.demand(&pow_hash(header.fixed()), "high-hash", "a scrypt hash")
}
