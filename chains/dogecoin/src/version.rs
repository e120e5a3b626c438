//! A header's version, which says three things (G primitives/pureheader.h).

use std::fmt;

use wire::Header;

/// The bit that says that an auxpow follows the header.
const AUXPOW: i32 = 1 << 8;

/// A header's version: the base version in the lowest 8 bits, a flag for the auxpow in bit 8, and from bit 16 on the
/// chain's id. A merge-mined block of Dogecoin usually has 0x00620104.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(pub i32);

impl Version {
    /// A header's.
    pub fn of(header: &Header) -> Self {
        Self(header.version())
    }

    /// The base version; as in the daemon, it has the sign of the whole.
    pub fn base(self) -> i32 {
        self.0 % AUXPOW
    }

    /// Whether an auxpow follows the header.
    pub fn has_auxpow(self) -> bool {
        self.0 & AUXPOW != 0
    }

    /// The chain's id.
    pub fn chain_id(self) -> i32 {
        self.0 >> 16
    }

    /// Whether it is one from the time before chain ids: 1, or Dogecoin's one block of version 2.
    pub fn is_legacy(self) -> bool {
        matches!(self.0, 1 | 2)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_taken_apart_as_the_daemon_does() {
        let parts = |version| {
            let version = Version(version);
            (version.base(), version.has_auxpow(), version.chain_id(), version.is_legacy())
        };
        assert_eq!(parts(0x0062_0104), (4, true, 98, false));
        assert_eq!(parts(0x0062_0004), (4, false, 98, false));
        assert_eq!(parts(1), (1, false, 0, true));
        assert_eq!(parts(2), (2, false, 0, true));
        assert_eq!(parts(3), (3, false, 0, false));
        assert_eq!(parts(0x2000_0000), (0, false, 0x2000, false));
        // What C++ makes of a negative version: the remainder has its sign, the shift keeps it.
        assert_eq!(parts(-1), (-1, true, -1, false));
        assert_eq!(parts(i32::MIN), (0, false, -32768, false));
    }
}
