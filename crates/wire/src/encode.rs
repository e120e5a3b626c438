//! Writing values in wire form.

use bytes::BufMut;

/// What the protocol needs beyond the integers that [`BufMut`] writes. All integers are little-endian.
pub trait Encode: BufMut {
    /// A CompactSize, in the shortest form: 1, 3, 5 or 9 bytes.
    fn put_compact_size(&mut self, value: u64) {
        match value {
            0..=0xfc => self.put_u8(value as u8),
            0xfd..=0xffff => {
                self.put_u8(0xfd);
                self.put_u16_le(value as u16);
            }
            0x1_0000..=0xffff_ffff => {
                self.put_u8(0xfe);
                self.put_u32_le(value as u32);
            }
            _ => {
                self.put_u8(0xff);
                self.put_u64_le(value);
            }
        }
    }

    /// A byte string behind its length.
    fn put_byte_string(&mut self, bytes: &[u8]) {
        self.put_compact_size(bytes.len() as u64);
        self.put_slice(bytes);
    }
}

impl<B: BufMut + ?Sized> Encode for B {}
