//! JH-512 with 42 rounds (the third round of the SHA-3 competition), as RustCrypto's crate has it.

use jh::{Digest, Jh512};

/// The hash of `input`.
pub(super) fn hash512(input: &[u8]) -> [u8; 64] {
    Jh512::digest(input).into()
}
