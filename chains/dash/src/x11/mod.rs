//! X11: Dash's proof of work and the names of its blocks.
//!
//! Eleven hashes in a row, each of the 64 bytes that the one before it gave, the first of a header's 80; the first 32
//! bytes of the last are the result (D hash_x11.h:30-89). All eleven were candidates in the SHA-3 competition, and X11
//! has them as they were when it was made (those of sphlib 3):
//!
//! | stage | as of | here |
//! |---|---|---|
//! | BLAKE-512 | round 3, 16 rounds | own code |
//! | Blue Midnight Wish 512 | round 2 | own code |
//! | Grøstl-512 | round 3 | crate `groestl` |
//! | Skein-512 | round 3, version 1.3 | crate `skein` |
//! | JH-512 | round 3, 42 rounds | crate `jh` |
//! | Keccak-512 | round 3, with its own padding | crate `sha3` |
//! | Luffa-512 | round 2, version 2 | own code |
//! | CubeHash16/32-512 | round 2 | own code |
//! | SHAvite-3-512 | round 2, by the text | own code |
//! | SIMD-512 | round 2, version 1.1 | own code |
//! | ECHO-512 | round 2 | own code |
//!
//! Our own code is plain Rust, written from the specifications so that it can be read beside them: one file a hash, each
//! with a `hash512` of messages of any length, so that the published answers can be tried on it (`known_answers`). What
//! proves the eleven together are real blocks, whose names are known (`tests/recorded_blocks.rs`).
//!
//! # Speed
//!
//! A hash takes about 15 µs on one core of a server (`./tests/figures x11` measures it; 40,000 a second are wanted). No
//! stage is constant in time: all that is hashed is public.

mod aes;
mod blake;
mod bmw;
mod cubehash;
mod echo;
mod groestl;
mod jh;
mod keccak;
#[cfg(test)]
mod known_answers;
mod luffa;
mod shavite;
mod simd;
mod skein;

/// A hash of 512 bits.
type Hash512 = fn(&[u8]) -> [u8; 64];

/// The eleven, in order.
const STAGES: [(&str, Hash512); 11] = [
    ("blake", blake::hash512),
    ("bmw", bmw::hash512),
    ("groestl", groestl::hash512),
    ("skein", skein::hash512),
    ("jh", jh::hash512),
    ("keccak", keccak::hash512),
    ("luffa", luffa::hash512),
    ("cubehash", cubehash::hash512),
    ("shavite", shavite::hash512),
    ("simd", simd::hash512),
    ("echo", echo::hash512),
];

/// The X11 hash of a header, in wire order: as a number it is little-endian.
pub fn hash(header: &[u8; 80]) -> [u8; 32] {
    let first = blake::hash512(header);
    let last = STAGES[1..].iter().fold(first, |hash, (_, stage)| stage(&hash));
    let mut hash = [0; 32];
    hash.copy_from_slice(&last[..32]);
    hash
}
