//! SHAvite-3-512, as submitted to the second round of the SHA-3 competition: a Feistel cipher made of AES rounds.
//!
//! Source: Biham, Dunkelman, "The SHAvite-3 Hash Function", as tweaked for that round. The answers published with it
//! are those of a program that mixed up byte orders; X11, and with it this, follows the text.

use super::aes::{self, State};

/// Bytes in a block.
const BLOCK: usize = 128;

const ROUNDS: usize = 14;

/// Round keys: two halves to a round, four keys to a half.
const KEYS: usize = ROUNDS * 8;

/// The initial values for 512 bits. The specification makes them with the compression function, and so does a test.
const IV: [State; 4] = [
    [0x72fccdd8, 0x79ca4727, 0x128a077b, 0x40d55aec],
    [0xd1901a06, 0x430ae307, 0xb29f5cd1, 0xdf07fbfc],
    [0x8e45d73d, 0x681ab538, 0xbde86578, 0xdd577e47],
    [0xe275eade, 0x502d9fcd, 0xb9357178, 0x022a4b9a],
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

    // A one, zeros, the length and the hash's size; a block that holds nothing of the message has the counter 0.
    let mut block = [0; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    block[rest.len()] = 0x80;
    let mut counter = if rest.is_empty() { 0 } else { bits };
    if rest.len() >= BLOCK - 18 {
        compress(&mut chain, &block, counter);
        block = [0; BLOCK];
        counter = 0;
    }
    block[BLOCK - 18..BLOCK - 2].copy_from_slice(&bits.to_le_bytes());
    block[BLOCK - 2..].copy_from_slice(&512u16.to_le_bytes());
    compress(&mut chain, &block, counter);

    let mut output = [0; 64];
    for (bytes, word) in output.as_chunks_mut().0.iter_mut().zip(chain.as_flattened()) {
        *bytes = word.to_le_bytes();
    }
    output
}

fn compress(chain: &mut [State; 4], block: &[u8; BLOCK], counter: u128) {
    let keys = expand(block, counter);
    let [mut a, mut b, mut c, mut d] = *chain;
    for keys in keys.as_chunks::<8>().0 {
        a = xor(a, four_rounds(b, &keys[..4]));
        c = xor(c, four_rounds(d, &keys[4..]));
        [a, b, c, d] = [d, a, b, c];
    }
    for (word, new) in chain.iter_mut().zip([a, b, c, d]) {
        *word = xor(*word, new);
    }
}

#[inline(always)]
fn xor(a: State, b: State) -> State {
    std::array::from_fn(|i| a[i] ^ b[i])
}

/// Four rounds of AES. The first key goes in before the first round, and the last round has none.
#[inline(always)]
fn four_rounds(state: State, keys: &[State]) -> State {
    let state = aes::round(xor(state, keys[0]), keys[1]);
    let state = aes::round(state, keys[2]);
    aes::round(aes::round(state, keys[3]), [0; 4])
}

/// The message expansion: the block is the first eight keys; by turns, the next eight come of AES rounds, and the
/// eight behind them of sums. The counter goes into four of the keys, each time in another order and with another of
/// its words inverted.
#[inline(always)]
fn expand(block: &[u8; BLOCK], counter: u128) -> [State; KEYS] {
    let mut keys = [[0; 4]; KEYS];
    for (word, bytes) in keys.as_flattened_mut().iter_mut().zip(block.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    let [c0, c1, c2, c3] =
        [counter as u32, (counter >> 32) as u32, (counter >> 64) as u32, (counter >> 96) as u32];
    for i in 8..KEYS {
        if (i / 8) % 2 == 1 {
            // Rotated by one word, through AES without a key, and the previous key on top.
            let [k0, k1, k2, k3] = keys[i - 8];
            keys[i] = aes::round([k1, k2, k3, k0], keys[i - 1]);
            let added = match i {
                8 => [c0, c1, c2, !c3],
                41 => [c3, c2, c1, !c0],
                79 => [c2, c3, c0, !c1],
                110 => [c1, c0, c3, !c2],
                _ => continue,
            };
            keys[i] = xor(keys[i], added);
        } else {
            // Word by word: 32 words back and 7 words back.
            let [_, tail @ ..] = keys[i - 2];
            let near = [tail[0], tail[1], tail[2], keys[i - 1][0]];
            keys[i] = xor(keys[i - 8], near);
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_initial_values_come_of_the_compression_function() {
        let mut chain = [[0; 4]; 4];
        compress(&mut chain, &[0; BLOCK], 0);
        let mut size = [0; BLOCK];
        size[..2].copy_from_slice(&512u16.to_le_bytes());
        compress(&mut chain, &size, 0);
        assert_eq!(chain, IV);
    }
}
