//! Skein-512-512, version 1.3 (the third round of the SHA-3 competition), as RustCrypto's crate has it.

use skein::{Digest, Skein512_512};

/// The hash of `input`.
pub(super) fn hash512(input: &[u8]) -> [u8; 64] {
    Skein512_512::digest(input).into()
}
