//! A cursor over bytes that may be hostile.

use bytes::Bytes;

/// Why bytes are not the value that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end in the middle of a value.
    #[error("{what} needs {needed} more bytes at offset {offset}, {left} are left")]
    Truncated {
        /// The value being read.
        what: &'static str,
        /// Offset of the value, in bytes from the start.
        offset: usize,
        /// Its length in bytes.
        needed: usize,
        /// What remains.
        left: usize,
    },
    /// A count or a length is over its limit.
    #[error("{what} is {found} at offset {offset}, at most {limit} are allowed")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// Offset of the count.
        offset: usize,
        /// The count found.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// A CompactSize is written longer than it needs to be; the daemons refuse that too.
    #[error("non-canonical length at offset {offset}: {value} is written in too many bytes")]
    NonCanonical {
        /// Offset of the CompactSize.
        offset: usize,
        /// Its value.
        value: u64,
    },
    /// A value that cannot be.
    #[error("{what} at offset {offset}: {why}")]
    Invalid {
        /// The value being read.
        what: &'static str,
        /// Its offset.
        offset: usize,
        /// What is wrong with it.
        why: String,
    },
    /// Bytes remain behind a value that should have filled them all.
    #[error("{left} bytes remain behind the end of the {what} at offset {offset}")]
    Trailing {
        /// The value that was read.
        what: &'static str,
        /// Where it ends.
        offset: usize,
        /// How many bytes follow.
        left: usize,
    },
}

impl DecodeError {
    /// A stable name for metric labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "truncated",
            Self::TooMany { .. } => "too_many",
            Self::NonCanonical { .. } => "non_canonical",
            Self::Invalid { .. } => "invalid",
            Self::Trailing { .. } => "trailing",
        }
    }
}

/// A cursor over a shared buffer.
///
/// Reading never copies: variable-length parts come out as [`Bytes`] that share the buffer. Every read checks what is
/// left before it touches anything.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a Bytes,
    offset: usize,
}

macro_rules! integers {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $from:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name(&mut self, what: &'static str) -> Result<$type, DecodeError> {
            self.array(what).map(<$type>::$from)
        }
    )*};
}

impl<'a> Reader<'a> {
    /// A cursor at the start of `bytes`.
    pub fn new(bytes: &'a Bytes) -> Self {
        Self { bytes, offset: 0 }
    }

    /// A cursor at `offset`, which is clamped to the end.
    pub fn at(bytes: &'a Bytes, offset: usize) -> Self {
        Self { bytes, offset: offset.min(bytes.len()) }
    }

    /// Where the cursor stands, in bytes from the start.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// What is left, without moving.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.offset..]
    }

    /// The next byte, without moving.
    pub fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    /// The bytes from `start` to the cursor, shared with the buffer.
    pub fn since(&self, start: usize) -> Bytes {
        self.bytes.slice(start.min(self.offset)..self.offset)
    }

    /// Moves over `length` bytes.
    pub fn skip(&mut self, what: &'static str, length: usize) -> Result<(), DecodeError> {
        if length > self.left() {
            return Err(DecodeError::Truncated {
                what,
                offset: self.offset,
                needed: length,
                left: self.left(),
            });
        }
        self.offset += length;
        Ok(())
    }

    /// The next `length` bytes, shared with the buffer.
    pub fn take(&mut self, what: &'static str, length: usize) -> Result<Bytes, DecodeError> {
        let start = self.offset;
        self.skip(what, length)?;
        Ok(self.since(start))
    }

    /// All that is left, shared with the buffer.
    pub fn take_rest(&mut self) -> Bytes {
        let rest = self.bytes.slice(self.offset..);
        self.offset = self.bytes.len();
        rest
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let Some((array, _)) = self.rest().split_first_chunk::<N>() else {
            return Err(DecodeError::Truncated { what, offset: self.offset, needed: N, left: self.left() });
        };
        self.offset += N;
        Ok(*array)
    }

    integers! {
        /// One byte.
        u8: u8 = from_le_bytes;
        /// Two bytes, little-endian.
        u16: u16 = from_le_bytes;
        /// Two bytes, big-endian: only ports are.
        u16_be: u16 = from_be_bytes;
        /// Four bytes, little-endian.
        u32: u32 = from_le_bytes;
        /// Four bytes, little-endian, signed.
        i32: i32 = from_le_bytes;
        /// Eight bytes, little-endian.
        u64: u64 = from_le_bytes;
        /// Eight bytes, little-endian, signed.
        i64: i64 = from_le_bytes;
    }

    /// A flag: 0 or 1. Another byte is an error, because it could not be written back as it was read.
    pub fn flag(&mut self, what: &'static str) -> Result<bool, DecodeError> {
        let offset = self.offset;
        match self.u8(what)? {
            0 => Ok(false),
            1 => Ok(true),
            other => {
                Err(DecodeError::Invalid { what, offset, why: format!("a flag is 0 or 1, this is {other}") })
            }
        }
    }

    /// A CompactSize of any value: 1 byte below 0xfd, else fd + u16, fe + u32 or ff + u64, in the shortest form.
    pub fn compact_size(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let offset = self.offset;
        let (value, least) = match self.u8(what)? {
            0xfd => (u64::from(self.u16(what)?), 0xfd),
            0xfe => (u64::from(self.u32(what)?), 0x1_0000),
            0xff => (self.u64(what)?, 0x1_0000_0000),
            small => (u64::from(small), 0),
        };
        if value < least {
            return Err(DecodeError::NonCanonical { offset, value });
        }
        Ok(value)
    }

    /// A count of things that are each at least `least_size` bytes long: refused when over `limit`, and when the
    /// bytes that are left cannot hold so many. What it returns is safe to allocate for.
    pub fn count(
        &mut self,
        what: &'static str,
        limit: usize,
        least_size: usize,
    ) -> Result<usize, DecodeError> {
        let offset = self.offset;
        let found = self.compact_size(what)?;
        let too_many = |limit: usize| DecodeError::TooMany { what, offset, found, limit: limit as u64 };
        let count = usize::try_from(found).map_err(|_| too_many(limit))?;
        if count > limit {
            return Err(too_many(limit));
        }
        match count.checked_mul(least_size.max(1)) {
            Some(needed) if needed <= self.left() => Ok(count),
            needed => Err(DecodeError::Truncated {
                what,
                offset: self.offset,
                needed: needed.unwrap_or(usize::MAX),
                left: self.left(),
            }),
        }
    }

    /// A byte string with its length before it, at most `limit` bytes.
    pub fn byte_string(&mut self, what: &'static str, limit: usize) -> Result<Bytes, DecodeError> {
        let length = self.count(what, limit, 1)?;
        self.take(what, length)
    }

    /// Refuses anything that is left.
    pub fn finish(&self, what: &'static str) -> Result<(), DecodeError> {
        match self.left() {
            0 => Ok(()),
            left => Err(DecodeError::Trailing { what, offset: self.offset, left }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Encode;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_compact_size_reads_back_in_its_shortest_form(value: u64) {
            let mut buffer = Vec::new();
            buffer.put_compact_size(value);
            let bytes = Bytes::from(buffer);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.compact_size("n"), Ok(value));
            prop_assert!(reader.finish("n").is_ok());
        }

        #[test]
        fn a_count_never_exceeds_what_the_bytes_can_hold(bytes: Vec<u8>, least in 1usize..100) {
            let bytes = Bytes::from(bytes);
            if let Ok(count) = Reader::new(&bytes).count("things", usize::MAX, least) {
                prop_assert!(count * least <= bytes.len());
            }
        }
    }

    #[test]
    fn a_length_in_too_many_bytes_is_refused() {
        for bytes in [&[0xfd, 0xfc, 0][..], &[0xfe, 0xff, 0xff, 0, 0], &[0xff, 0, 0, 0, 0, 0, 0, 0, 0]] {
            let bytes = Bytes::copy_from_slice(bytes);
            let error = Reader::new(&bytes).compact_size("n").unwrap_err();
            assert_eq!(error.kind(), "non_canonical");
        }
    }
}
