//! Targets and work: 256-bit numbers.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, AddAssign},
};

use ethnum::U256;
use wire::Header;

use crate::Finding;

/// A proof-of-work target: a header's hash, read as a little-endian number, must not be above it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target(U256);

/// Why a compact target is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The sign bit of the mantissa is set.
    #[error("the target is negative")]
    Negative,
    /// No hash could ever meet it.
    #[error("the target is zero")]
    Zero,
    /// It does not fit in 256 bits.
    #[error("the target does not fit in 256 bits")]
    Overflow,
}

impl Target {
    /// From compact form ("nBits"): the top byte is an exponent to base 256, the low 23 bits the mantissa, bit 23 a
    /// sign that must not be set (L pow.cpp:90 and arith_uint256.cpp, SetCompact).
    ///
    /// # Errors
    /// When it is negative, zero or too large.
    pub fn from_compact(bits: u32) -> Result<Self, TargetError> {
        let exponent = bits >> 24;
        let mantissa = bits & 0x007f_ffff;
        let value = match exponent {
            0..=3 => U256::from(mantissa >> (8 * (3 - exponent))),
            _ => {
                let shift = 8 * (exponent - 3);
                let used = 32 - mantissa.leading_zeros();
                if mantissa != 0 && used + shift > 256 {
                    return Err(TargetError::Overflow);
                }
                if mantissa == 0 { U256::ZERO } else { U256::from(mantissa) << shift }
            }
        };
        if value == U256::ZERO {
            return Err(TargetError::Zero);
        }
        if bits & 0x0080_0000 != 0 {
            return Err(TargetError::Negative);
        }
        Ok(Self(value))
    }

    /// The target that a header claims to meet, if it is no easier than `limit`.
    ///
    /// # Errors
    /// The finding `bad-diffbits`. The daemons say `high-hash` to bits that are no target or too easy; `bad-diffbits`
    /// is their word for bits that are not those of the height, which only they can know. Here it says that there is
    /// no use in hashing.
    pub fn claimed(header: &Header, limit: Self) -> Result<Self, Finding> {
        let bits = header.bits();
        let wanted = format!("bits of a target of at most {limit}");
        match Self::from_compact(bits) {
            Ok(target) if target > limit => {
                Err(Finding::error("bad-diffbits", wanted, format!("{bits:08x}, which is {target}")))
            }
            Ok(target) => Ok(target),
            Err(error) => Err(Finding::error("bad-diffbits", wanted, format!("{bits:08x}: {error}"))),
        }
    }

    /// Demands that a proof-of-work hash, in wire order, meets the target. `what` says what was hashed and how, for
    /// the finding: "a scrypt hash".
    ///
    /// # Errors
    /// The finding, by the name of `check`, with the target and the hash.
    pub fn demand(self, hash: &[u8; 32], check: &'static str, what: &str) -> Result<(), Finding> {
        if self.is_met_by(hash) {
            return Ok(());
        }
        let reversed: String = hash.iter().rev().map(|byte| format!("{byte:02x}")).collect();
        Err(Finding::error(check, format!("{what} of at most {self}"), reversed))
    }

    /// Whether a proof-of-work hash, in wire order, meets the target.
    pub fn is_met_by(self, hash: &[u8; 32]) -> bool {
        U256::from_le_bytes(*hash) <= self.0
    }

    /// The work that a block with this target stands for: 2^256 / (target + 1).
    pub fn work(self) -> Work {
        // (2^256 - target - 1) / (target + 1) + 1 is the same number and needs no 257th bit (L chain.cpp, GetBlockProof).
        match self.0.checked_add(U256::ONE) {
            Some(divisor) => Work(!self.0 / divisor + U256::ONE),
            None => Work(U256::ONE),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:064x}", self.0)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Expected number of hashes. Sums saturate: no honest chain comes near 2^256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Work(U256);

impl Work {
    /// None at all.
    pub const ZERO: Self = Self(U256::ZERO);
}

impl Add for Work {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Work {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn compact_targets_read_as_the_daemons_read_them() {
        let target = |bits| Target::from_compact(bits).map(|target| target.to_string());
        assert_eq!(target(0x1e0ffff0).unwrap(), format!("{:0<64}", "00000ffff"));
        assert_eq!(target(0x207fffff).unwrap(), format!("{:0<64}", "7fffff"));
        assert_eq!(target(0x01120000).unwrap(), format!("{:0>64}", "12"));
        assert_eq!(target(0x00000000), Err(TargetError::Zero));
        assert_eq!(target(0x01003456), Err(TargetError::Zero));
        assert_eq!(target(0x04923456), Err(TargetError::Negative));
        assert_eq!(target(0xff123456), Err(TargetError::Overflow));
        assert_eq!(target(0x22000100), Err(TargetError::Overflow));
        assert_eq!(target(0x220000ff).unwrap(), format!("{:0<64}", "ff"));
    }

    #[test]
    fn work_is_the_number_of_hashes_expected() {
        // Bitcoin's genesis difficulty is 1, which is 2^32 + 2^16 + 1 hashes.
        assert_eq!(format!("{:?}", Target::from_compact(0x1d00ffff).unwrap().work()), "0x100010001");
        assert_eq!(format!("{:?}", Target::from_compact(0x207fffff).unwrap().work()), "0x2");
    }

    proptest! {
        #[test]
        fn no_bits_make_it_panic_and_a_lower_target_is_more_work(a: u32, b: u32) {
            if let (Ok(a), Ok(b)) = (Target::from_compact(a), Target::from_compact(b))
                && a < b
            {
                prop_assert!(a.work() >= b.work());
            }
        }
    }
}
