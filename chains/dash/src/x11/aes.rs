//! The AES round (FIPS 197, §5.1), from which SHAvite-3 and ECHO are built.
//!
//! A state is four columns of four bytes, each column a little-endian number: its first byte is row 0. One round is
//! sixteen table look-ups, so its time depends on the data through the cache. That is of no concern here: everything
//! that X11 hashes is public.

/// A 128-bit AES state: four columns.
pub(super) type State = [u32; 4];

/// Doubles an element of GF(2^8) with AES's polynomial x^8 + x^4 + x^3 + x + 1.
const fn double(x: u8) -> u8 {
    (x << 1) ^ (0x1b * (x >> 7))
}

/// The S-box: inversion in GF(2^8), then an affine map. The field's non-zero elements are visited as the powers of 3,
/// with their inverses as the powers of 1/3 beside them.
const SBOX: [u8; 256] = {
    let mut sbox = [0; 256];
    let (mut power, mut inverse) = (1u8, 1u8);
    loop {
        power ^= double(power);
        // Division by 3 is multiplication by 0xf6.
        inverse ^= inverse << 1;
        inverse ^= inverse << 2;
        inverse ^= inverse << 4;
        inverse ^= 0x09 * (inverse >> 7);
        let b = inverse;
        let affine = b ^ b.rotate_left(1) ^ b.rotate_left(2) ^ b.rotate_left(3) ^ b.rotate_left(4);
        sbox[power as usize] = affine ^ 0x63;
        if power == 1 {
            break;
        }
    }
    sbox[0] = 0x63;
    sbox
};

/// What a byte of row 0, 1, 2 or 3 adds to its column: S-box and MixColumns in one.
const TABLES: [[u32; 256]; 4] = {
    let mut tables = [[0; 256]; 4];
    let mut x = 0;
    while x < 256 {
        let s = SBOX[x];
        let row0 = u32::from_le_bytes([double(s), s, s, double(s) ^ s]);
        let mut row = 0;
        while row < 4 {
            tables[row][x] = row0.rotate_left(8 * row as u32);
            row += 1;
        }
        x += 1;
    }
    tables
};

/// One full round: SubBytes, ShiftRows, MixColumns, AddRoundKey.
#[inline(always)]
pub(super) fn round(state: State, key: State) -> State {
    let column = |i: usize| {
        let [a, b, c, d] =
            [state[i], state[(i + 1) % 4], state[(i + 2) % 4], state[(i + 3) % 4]].map(u32::to_le_bytes);
        key[i]
            ^ TABLES[0][usize::from(a[0])]
            ^ TABLES[1][usize::from(b[1])]
            ^ TABLES[2][usize::from(c[2])]
            ^ TABLES[3][usize::from(d[3])]
    };
    [column(0), column(1), column(2), column(3)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_s_box_is_that_of_fips_197() {
        assert_eq!(SBOX[..8], [0x63, 0x7c, 0x77, 0x7b, 0xf2, 0x6b, 0x6f, 0xc5]);
        assert_eq!((SBOX[0x53], SBOX[0x9a], SBOX[0xff]), (0xed, 0xb8, 0x16));
        let mut seen = [false; 256];
        SBOX.iter().for_each(|&s| seen[usize::from(s)] = true);
        assert!(seen.iter().all(|&seen| seen), "a permutation");
    }

    #[test]
    fn a_round_is_that_of_the_example_in_fips_197() {
        // Appendix B: the start of round 1, its key, and the start of round 2.
        let bytes = |text: [u8; 16]| {
            let mut state = [0; 4];
            for (column, bytes) in state.iter_mut().zip(text.as_chunks::<4>().0) {
                *column = u32::from_le_bytes(*bytes);
            }
            state
        };
        let start = bytes(0x193de3bea0f4e22b9ac68d2ae9f84808u128.to_be_bytes());
        let key = bytes(0xa0fafe1788542cb123a339392a6c7605u128.to_be_bytes());
        assert_eq!(round(start, key), bytes(0xa49c7ff2689f352b6b5bea43026a5049u128.to_be_bytes()));
    }
}
