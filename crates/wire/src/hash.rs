//! Hashes, each with its own type, so that a txid cannot be passed where a block's name is wanted.

use std::{fmt, str::FromStr};

use sha2::{Digest, Sha256};

/// SHA-256 applied twice: the hash of transactions, merkle trees and message checksums on all of the chains.
pub fn sha256d(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(bytes)).into()
}

/// The checksum of a frame: the first four bytes of [`sha256d`] of its payload.
pub fn checksum(payload: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = sha256d(payload);
    [a, b, c, d]
}

/// A string that is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 64 hexadecimal digits, this is {0:?}")]
pub struct ParseHashError(String);

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// The bytes are in wire order; [`Display`](fmt::Display) and [`FromStr`] use the reversed order that daemons
        /// print.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name([u8; 32]);

        impl $name {
            /// All zeros: "no hash", as in the parent of a genesis block or the stop hash of `getheaders`.
            pub const ZERO: Self = Self([0; 32]);

            /// From the 32 bytes as they stand on the wire.
            pub const fn from_wire(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes as they stand on the wire.
            pub const fn as_wire(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().rev().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseHashError;

            fn from_str(text: &str) -> Result<Self, ParseHashError> {
                parse_reversed(text).map(Self).ok_or_else(|| ParseHashError(text.chars().take(80).collect()))
            }
        }
    };
}

hash_type! {
    /// A block's name in `inv`, `getdata`, `headers` and RPC: SHA-256d of the header on Litecoin and Dogecoin, X11 on
    /// Dash. Never the proof-of-work hash of a scrypt chain.
    BlockHash
}
hash_type! {
    /// A transaction's name in the merkle tree: SHA-256d of its bytes without witness.
    Txid
}
hash_type! {
    /// A transaction's hash with its witness; equal to the [`Txid`] where there is none.
    Wtxid
}
hash_type! {
    /// The root of a merkle tree, as in a block header.
    MerkleRoot
}

fn parse_reversed(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let nibble = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().rev().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_prints_reversed_and_parses_back() {
        let text = "12a765e31ffd4059bada1e25190f6e98c99d9714d334efa41a195a7e7e04bfe2";
        let hash: BlockHash = text.parse().unwrap();
        assert_eq!(hash.as_wire()[0], 0xe2);
        assert_eq!(hash.to_string(), text);
        assert!(text[1..].parse::<BlockHash>().is_err());
        assert!(format!("é{}", &text[2..]).parse::<BlockHash>().is_err(), "64 bytes, but not 64 digits");
    }

    #[test]
    fn the_checksum_of_nothing_is_that_of_every_verack() {
        assert_eq!(checksum(&[]), [0x5d, 0xf6, 0xe0, 0xe2]);
    }
}
