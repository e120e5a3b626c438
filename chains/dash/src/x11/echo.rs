//! ECHO-512, as submitted to the second round of the SHA-3 competition: AES with words of 128 bits in place of bytes.
//!
//! Source: Benadjila, Billet, Gilbert, Macario-Rat, Peyrin, Robshaw, Seurin, "SHA-3 Proposal: ECHO".

use super::aes::{self, State};

/// Bytes in a block.
const BLOCK: usize = 128;

const ROUNDS: usize = 10;

/// The chaining value: eight words, each at first the number 512, the size of the hash in bits.
const IV: [State; 8] = [[512, 0, 0, 0]; 8];

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

    // A one, zeros, the hash's size and the length; a block that holds nothing of the message has the counter 0.
    let mut block = [0; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    block[rest.len()] = 0x80;
    let mut counter = if rest.is_empty() { 0 } else { bits };
    if rest.len() >= BLOCK - 18 {
        compress(&mut chain, &block, counter);
        block = [0; BLOCK];
        counter = 0;
    }
    block[BLOCK - 18..BLOCK - 16].copy_from_slice(&512u16.to_le_bytes());
    block[BLOCK - 16..].copy_from_slice(&bits.to_le_bytes());
    compress(&mut chain, &block, counter);

    let mut output = [0; 64];
    for (bytes, word) in output.as_chunks_mut().0.iter_mut().zip(chain.as_flattened()) {
        *bytes = word.to_le_bytes();
    }
    output
}

/// The compression function: chaining value and message fill a square of four by four words, column by column.
fn compress(chain: &mut [State; 8], block: &[u8; BLOCK], counter: u128) {
    let mut square = [[0; 4]; 16];
    square[..8].copy_from_slice(chain);
    for (word, bytes) in square[8..].as_flattened_mut().iter_mut().zip(block.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    let before = square;
    let mut key = counter;
    for _ in 0..ROUNDS {
        sub_words(&mut square, &mut key);
        square = mix_columns(&shift_rows(&square));
    }
    for i in 0..8 {
        for j in 0..4 {
            chain[i][j] ^= before[i + 8][j] ^ square[i][j] ^ square[i + 8][j];
        }
    }
}

/// BIG.SubWords: two rounds of AES to each word, the first under a counter that goes on from word to word, the second
/// under the salt, which is zero.
#[inline(always)]
fn sub_words(square: &mut [State; 16], key: &mut u128) {
    for word in square {
        let counter = [*key as u32, (*key >> 32) as u32, (*key >> 64) as u32, (*key >> 96) as u32];
        *word = aes::round(aes::round(*word, counter), [0; 4]);
        *key = key.wrapping_add(1);
    }
}

/// BIG.ShiftRows: row `r` moves `r` columns to the left.
#[inline(always)]
fn shift_rows(square: &[State; 16]) -> [State; 16] {
    std::array::from_fn(|i| square[(i + 4 * (i % 4)) % 16])
}

/// BIG.MixColumns: AES's MixColumns with the bytes at the same place in a column's four words.
#[inline(always)]
fn mix_columns(square: &[State; 16]) -> [State; 16] {
    let mut mixed = [[0; 4]; 16];
    for (mixed, column) in mixed.as_chunks_mut::<4>().0.iter_mut().zip(square.as_chunks::<4>().0) {
        for j in 0..4 {
            let [a, b, c, d] = [column[0][j], column[1][j], column[2][j], column[3][j]];
            let all = a ^ b ^ c ^ d;
            mixed[0][j] = a ^ all ^ double(a ^ b);
            mixed[1][j] = b ^ all ^ double(b ^ c);
            mixed[2][j] = c ^ all ^ double(c ^ d);
            mixed[3][j] = d ^ all ^ double(d ^ a);
        }
    }
    mixed
}

/// Doubles four elements of GF(2^8) at once.
#[inline(always)]
fn double(x: u32) -> u32 {
    let carried = (x >> 7) & 0x0101_0101;
    // Times 0x1b, by shifts: each byte is 0 or 1.
    ((x & 0x7f7f_7f7f) << 1) ^ carried ^ (carried << 1) ^ (carried << 3) ^ (carried << 4)
}
