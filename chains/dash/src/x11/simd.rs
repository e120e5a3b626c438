//! SIMD-512, version 1.1, as submitted to the second round of the SHA-3 competition: a message expansion by a
//! number-theoretic transform modulo 257, and eight MD5-like Feistel ladders side by side.
//!
//! Source: Leurent, Bouillaguet, Fouque, "SIMD Is a Message Digest", as updated for that round.

use std::array::from_fn;

/// Bytes in a block.
const BLOCK: usize = 128;

/// The same register of the eight ladders.
type Row = [u32; 8];

/// The registers A, B, C and D.
type State = [Row; 4];

/// The initial values for 512 bits.
const IV: State = [
    [0x0ba16b95, 0x72f999ad, 0x9fecc2ae, 0xba3264fc, 0x5e894929, 0x8e9f30e5, 0x2f1daa37, 0xf0f2c558],
    [0xac506643, 0xa90635a5, 0xe25b878b, 0xaab7878f, 0x88817f7a, 0x0a02892b, 0x559a7550, 0x598f657e],
    [0x7eef60a1, 0x6b70e3e8, 0x9c1714d1, 0xb958e2a8, 0xab02675e, 0xed1c014f, 0xcd8d65bb, 0xfdb7a257],
    [0x09254899, 0xd699c7bc, 0x9019b6dc, 0x2b9022e4, 0x8fa14956, 0x21bf9bd3, 0xb94d0943, 0x6ffddc22],
];

/// The rotations of each round, of which a step uses one and the next.
const ROTATIONS: [[u32; 4]; 4] = [[3, 23, 17, 27], [28, 19, 22, 7], [29, 9, 15, 5], [4, 13, 10, 25]];

/// Which row of the expanded message each of the 32 steps uses.
const ROWS: [usize; 32] = [
    4, 6, 0, 2, 7, 5, 3, 1, 15, 11, 12, 8, 9, 13, 10, 14, 17, 18, 23, 20, 22, 21, 16, 19, 30, 24, 25, 31, 27,
    29, 28, 26,
];

/// From which ladder a step takes what it adds: its own number xor this, by the step's number modulo 7.
const NEIGHBOURS: [usize; 7] = [1, 6, 2, 3, 5, 7, 4];

/// The hash of `input`.
pub(super) fn hash512(input: &[u8]) -> [u8; 64] {
    let mut state = IV;
    let (blocks, rest) = input.as_chunks::<BLOCK>();
    for block in blocks {
        compress(&mut state, block, false);
    }
    if !rest.is_empty() {
        let mut block = [0; BLOCK];
        block[..rest.len()].copy_from_slice(rest);
        compress(&mut state, &block, false);
    }
    // The length has a block of its own, which is expanded in another way.
    let mut block = [0; BLOCK];
    block[..8].copy_from_slice(&(8 * input.len() as u64).to_le_bytes());
    compress(&mut state, &block, true);

    let mut output = [0; 64];
    for (bytes, word) in output.as_chunks_mut().0.iter_mut().zip(state.as_flattened()) {
        *bytes = word.to_le_bytes();
    }
    output
}

fn compress(state: &mut State, block: &[u8; BLOCK], last: bool) {
    let y = transform(block, last);
    let before = *state;
    for (word, bytes) in state.as_flattened_mut().iter_mut().zip(block.as_chunks().0) {
        *word ^= u32::from_le_bytes(*bytes);
    }
    for (number, &row) in ROWS.iter().enumerate() {
        let rotations = &ROTATIONS[number / 8];
        let (r, s) = (rotations[number % 4], rotations[(number + 1) % 4]);
        let w = expanded(&y, row);
        let neighbour = NEIGHBOURS[number % 7];
        if number % 8 < 4 {
            step(state, &w, choose, r, s, neighbour);
        } else {
            step(state, &w, majority, r, s, neighbour);
        }
    }
    // Four more steps, with the old chaining value in place of the message.
    let rotations = &ROTATIONS[3];
    for (i, row) in before.iter().enumerate() {
        step(state, row, choose, rotations[i], rotations[(i + 1) % 4], NEIGHBOURS[(32 + i) % 7]);
    }
}

#[inline(always)]
fn choose(a: u32, b: u32, c: u32) -> u32 {
    ((b ^ c) & a) ^ c
}

#[inline(always)]
fn majority(a: u32, b: u32, c: u32) -> u32 {
    (a & b) | ((a | b) & c)
}

/// A step of the eight ladders.
#[inline(always)]
fn step(
    state: &mut State,
    w: &Row,
    function: impl Fn(u32, u32, u32) -> u32,
    r: u32,
    s: u32,
    neighbour: usize,
) {
    let [a, b, c, d] = *state;
    let turned = a.map(|a| a.rotate_left(r));
    let new = from_fn(|i| {
        let sum = d[i].wrapping_add(w[i]).wrapping_add(function(a[i], b[i], c[i]));
        sum.rotate_left(s).wrapping_add(turned[(i ^ neighbour) % 8])
    });
    *state = [new, turned, b, c];
}

/// The inner code: a row of the expanded message. Each word is made of two numbers of the transform, each times a
/// constant, modulo 2^16.
#[inline(always)]
fn expanded(y: &[i32; 256], row: usize) -> Row {
    let (start, distance, factor) = match row / 8 {
        0 | 1 => (16 * row, 1, 185),
        2 => (16 * (row - 16), 128, 233),
        _ => (16 * (row - 24) + 1, 128, 233),
    };
    from_fn(|i| {
        let low = y[(start + 2 * i) % 256] * factor;
        let high = y[(start + 2 * i + distance) % 256] * factor;
        (low as u32 & 0xffff) | ((high as u32) << 16)
    })
}

/// 16 numbers modulo 257, not always reduced.
type Numbers = [i32; 16];

/// A root of unity modulo 257 of order 256. Its 16th power is 2.
const ALPHA: i32 = 41;

/// `ALPHA`'s powers by the product of row and column.
const TWIDDLES: [Numbers; 16] = {
    let mut powers = [1; 256];
    let mut i = 1;
    while i < 256 {
        powers[i] = powers[i - 1] * ALPHA % 257;
        i += 1;
    }
    let mut twiddles = [[0; 16]; 16];
    i = 0;
    while i < 256 {
        // -128 to 128, so that products stay small.
        let power = powers[(i / 16) * (i % 16)];
        twiddles[i / 16][i % 16] = if power > 128 { power - 257 } else { power };
        i += 1;
    }
    twiddles
};

/// The transform: y_i is the sum of x_j times `ALPHA` to the power of i·j, from -128 to 128, where the x are the
/// block's bytes, zeros, and a one at the end (and another at 253 in the last block).
///
/// It is made of two layers of 16 transforms of length 16, which need shifts only, with a twist between them. Each
/// layer works on all 16 at once.
#[inline(always)]
fn transform(block: &[u8; BLOCK], last: bool) -> [i32; 256] {
    let mut rows = [[0; 16]; 16];
    for (row, bytes) in rows.iter_mut().zip(block.as_chunks::<16>().0) {
        *row = bytes.map(i32::from);
    }
    rows[15][15] = 1;
    rows[15][13] = last.into();
    transform_16(&mut rows);
    let mut twisted = [[0; 16]; 16];
    for (i, row) in rows.iter().enumerate() {
        for j in 0..16 {
            twisted[j][i] = reduce(reduce(row[j]) * TWIDDLES[i][j]);
        }
    }
    transform_16(&mut twisted);
    let mut y = [0; 256];
    for (y, number) in y.iter_mut().zip(twisted.as_flattened()) {
        let number = reduce(*number);
        *y = if number > 128 { number - 257 } else { number };
    }
    y
}

/// Makes a number smaller, and leaves it what it is modulo 257: 256 is -1. Of numbers up to N in size it makes such
/// between -N/256 and 255 + N/256.
#[inline(always)]
fn reduce(x: i32) -> i32 {
    (x & 0xff) - (x >> 8)
}

/// Sixteen transforms of length 16, one in each column, with 2 as the root of unity.
///
/// Numbers that come in are at most 526 in size. From stage to stage sums double (1,052, 2,104, 4,208 and 8,416 at
/// the end), and the largest product is 2,104 · 64 or 1,052 · 128 before it is reduced: all far from 2^31.
#[inline(always)]
fn transform_16(rows: &mut [Numbers; 16]) {
    for stage in 0..4 {
        let half = 8 >> stage;
        for start in (0..16).step_by(2 * half) {
            for k in 0..half {
                let (low, high) = (rows[start + k], rows[start + k + half]);
                // The twiddle factor is 2 to the power of k times the number of groups.
                let shift = k << stage;
                rows[start + k] = from_fn(|i| low[i] + high[i]);
                rows[start + k + half] = from_fn(|i| {
                    let difference = (low[i] - high[i]) << shift;
                    if shift == 0 { difference } else { reduce(difference) }
                });
            }
        }
    }
    // The result lies in bit-reversed order.
    for i in 0..16usize {
        let reversed = (i.reverse_bits() >> (usize::BITS - 4)) & 15;
        if i < reversed {
            rows.swap(i, reversed);
        }
    }
}
