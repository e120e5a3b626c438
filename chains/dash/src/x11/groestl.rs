//! Grøstl-512 with the tweaks of the third round of the SHA-3 competition, as RustCrypto's crate has it.

use groestl::{Digest, Groestl512};

/// The hash of `input`.
pub(super) fn hash512(input: &[u8]) -> [u8; 64] {
    Groestl512::digest(input).into()
}
