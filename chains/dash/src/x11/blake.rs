//! BLAKE-512 as submitted to the third round of the SHA-3 competition: 16 rounds. (BLAKE2 is another function.)
//!
//! Source: Aumasson, Henzen, Meier, Phan, "SHA-3 proposal BLAKE", version 1.3.

/// Bytes in a block.
const BLOCK: usize = 128;

const ROUNDS: usize = 16;

/// The initial values, which are SHA-512's.
const IV: [u64; 8] = [
    0x6a09e667f3bcc908,
    0xbb67ae8584caa73b,
    0x3c6ef372fe94f82b,
    0xa54ff53a5f1d36f1,
    0x510e527fade682d1,
    0x9b05688c2b3e6c1f,
    0x1f83d9abfb41bd6b,
    0x5be0cd19137e2179,
];

/// The first digits of pi.
const C: [u64; 16] = [
    0x243f6a8885a308d3,
    0x13198a2e03707344,
    0xa4093822299f31d0,
    0x082efa98ec4e6c89,
    0x452821e638d01377,
    0xbe5466cf34e90c6c,
    0xc0ac29b7c97c50dd,
    0x3f84d5b5b5470917,
    0x9216d5d98979fb1b,
    0xd1310ba698dfb5ac,
    0x2ffd72dbd01adfb7,
    0xb8e1afed6a267e96,
    0xba7c9045f12c7f99,
    0x24a19947b3916cf7,
    0x0801f2e2858efc16,
    0x636920d871574e69,
];

/// Which words of message and constants each round uses, in which order; round 10 begins again with the first.
const SIGMA: [[usize; 16]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];

/// The hash of `input`.
pub(super) fn hash512(input: &[u8]) -> [u8; 64] {
    let bits = 8 * input.len() as u128;
    let mut chain = IV;
    let (blocks, rest) = input.as_chunks::<BLOCK>();
    let mut counter = 0;
    for block in blocks {
        counter += 8 * BLOCK as u128;
        compress(&mut chain, block, counter);
    }

    // A one, zeros, a one, and the length; a block that holds nothing of the message has the counter 0.
    let mut block = [0; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    block[rest.len()] = 0x80;
    let mut counter = if rest.is_empty() { 0 } else { bits };
    if rest.len() >= BLOCK - 16 {
        compress(&mut chain, &block, counter);
        block = [0; BLOCK];
        counter = 0;
    }
    block[BLOCK - 17] |= 1;
    block[BLOCK - 16..].copy_from_slice(&bits.to_be_bytes());
    compress(&mut chain, &block, counter);

    let mut output = [0; 64];
    for (bytes, word) in output.as_chunks_mut().0.iter_mut().zip(chain) {
        *bytes = word.to_be_bytes();
    }
    output
}

fn compress(chain: &mut [u64; 8], block: &[u8; BLOCK], counter: u128) {
    let mut m = [0; 16];
    for (word, bytes) in m.iter_mut().zip(block.as_chunks().0) {
        *word = u64::from_be_bytes(*bytes);
    }
    let (low, high) = (counter as u64, (counter >> 64) as u64);
    let mut v = [0; 16];
    v[..8].copy_from_slice(chain);
    v[8..].copy_from_slice(&C[..8]);
    v[12] ^= low;
    v[13] ^= low;
    v[14] ^= high;
    v[15] ^= high;
    for round in 0..ROUNDS {
        let s = &SIGMA[round % SIGMA.len()];
        let add = |i: usize| (m[s[2 * i]] ^ C[s[2 * i + 1]], m[s[2 * i + 1]] ^ C[s[2 * i]]);
        mix(&mut v, [0, 4, 8, 12], add(0));
        mix(&mut v, [1, 5, 9, 13], add(1));
        mix(&mut v, [2, 6, 10, 14], add(2));
        mix(&mut v, [3, 7, 11, 15], add(3));
        mix(&mut v, [0, 5, 10, 15], add(4));
        mix(&mut v, [1, 6, 11, 12], add(5));
        mix(&mut v, [2, 7, 8, 13], add(6));
        mix(&mut v, [3, 4, 9, 14], add(7));
    }
    for (i, word) in chain.iter_mut().enumerate() {
        *word ^= v[i] ^ v[i + 8];
    }
}

/// The function G on a column or a diagonal.
#[inline(always)]
fn mix(v: &mut [u64; 16], [a, b, c, d]: [usize; 4], (first, second): (u64, u64)) {
    v[a] = v[a].wrapping_add(v[b]).wrapping_add(first);
    v[d] = (v[d] ^ v[a]).rotate_right(32);
    v[c] = v[c].wrapping_add(v[d]);
    v[b] = (v[b] ^ v[c]).rotate_right(25);
    v[a] = v[a].wrapping_add(v[b]).wrapping_add(second);
    v[d] = (v[d] ^ v[a]).rotate_right(16);
    v[c] = v[c].wrapping_add(v[d]);
    v[b] = (v[b] ^ v[c]).rotate_right(11);
}
