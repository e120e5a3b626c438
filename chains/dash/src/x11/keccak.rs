//! Keccak-512 with the padding of the SHA-3 competition, as RustCrypto's crate has it. The standard's SHA3-512 differs:
//! it puts two more bits before the padding.

use sha3::{Digest, Keccak512};

/// The hash of `input`.
pub(super) fn hash512(input: &[u8]) -> [u8; 64] {
    Keccak512::digest(input).into()
}
