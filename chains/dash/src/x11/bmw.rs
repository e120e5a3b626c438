//! Blue Midnight Wish, 512 bits, as submitted to the second round of the SHA-3 competition.
//!
//! Source: Gligoroski, Klíma, Knapskog, El-Hadedy, Amundsen, Mjølsnes, "Cryptographic Hash Function BLUE MIDNIGHT
//! WISH", as tweaked for that round.

use std::num::Wrapping;

/// Bytes in a block.
const BLOCK: usize = 128;

/// A 64-bit word whose sums wrap.
type Word = Wrapping<u64>;

/// The initial values: the bytes 0x80 to 0xff.
const IV: [Word; 16] = {
    let mut iv = [Wrapping(0); 16];
    let mut i = 0;
    while i < 16 {
        iv[i] = Wrapping(0x8081828384858687 + i as u64 * 0x0808080808080808);
        i += 1;
    }
    iv
};

/// The chaining value under which the last one is hashed as if it were a message.
const FINAL: [Word; 16] = {
    let mut words = [Wrapping(0); 16];
    let mut i = 0;
    while i < 16 {
        words[i] = Wrapping(0xaaaaaaaaaaaaaaa0 + i as u64);
        i += 1;
    }
    words
};

/// The hash of `input`.
pub(super) fn hash512(input: &[u8]) -> [u8; 64] {
    let mut chain = IV;
    let (blocks, rest) = input.as_chunks::<BLOCK>();
    for block in blocks {
        chain = compress(&words(block), &chain);
    }

    let mut block = [0; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    block[rest.len()] = 0x80;
    if rest.len() >= BLOCK - 8 {
        chain = compress(&words(&block), &chain);
        block = [0; BLOCK];
    }
    block[BLOCK - 8..].copy_from_slice(&(8 * input.len() as u64).to_le_bytes());
    chain = compress(&words(&block), &chain);

    let last = compress(&chain, &FINAL);
    let mut output = [0; 64];
    for (bytes, word) in output.as_chunks_mut().0.iter_mut().zip(&last[8..]) {
        *bytes = word.0.to_le_bytes();
    }
    output
}

fn words(block: &[u8; BLOCK]) -> [Word; 16] {
    let mut words = [Wrapping(0); 16];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
        *word = Wrapping(u64::from_le_bytes(*bytes));
    }
    words
}

#[inline(always)]
fn rotl(x: Word, by: u32) -> Word {
    Wrapping(x.0.rotate_left(by))
}

/// The functions s_0 to s_3, by their shifts and rotations.
#[inline(always)]
fn s(x: Word, [right, left, first, second]: [usize; 4]) -> Word {
    (x >> right) ^ (x << left) ^ rotl(x, first as u32) ^ rotl(x, second as u32)
}

#[inline(always)]
fn s0(x: Word) -> Word {
    s(x, [1, 3, 4, 37])
}
#[inline(always)]
fn s1(x: Word) -> Word {
    s(x, [1, 2, 13, 43])
}
#[inline(always)]
fn s2(x: Word) -> Word {
    s(x, [2, 1, 19, 53])
}
#[inline(always)]
fn s3(x: Word) -> Word {
    s(x, [2, 2, 28, 59])
}
#[inline(always)]
fn s4(x: Word) -> Word {
    (x >> 1) ^ x
}
#[inline(always)]
fn s5(x: Word) -> Word {
    (x >> 2) ^ x
}

/// The compression function: the message `m` under the chaining value `h`.
fn compress(m: &[Word; 16], h: &[Word; 16]) -> [Word; 16] {
    let mut q = [Wrapping(0); 32];
    first_half(&mut q, m, h);
    second_half(&mut q, m, h);
    fold(&q, m)
}

/// The function f_0: the first sixteen words of the quadruple pipe.
#[inline(always)]
fn first_half(q: &mut [Word; 32], m: &[Word; 16], h: &[Word; 16]) {
    let p: [Word; 16] = std::array::from_fn(|i| m[i] ^ h[i]);
    let w = [
        p[5] - p[7] + p[10] + p[13] + p[14],
        p[6] - p[8] + p[11] + p[14] - p[15],
        p[0] + p[7] + p[9] - p[12] + p[15],
        p[0] - p[1] + p[8] - p[10] + p[13],
        p[1] + p[2] + p[9] - p[11] - p[14],
        p[3] - p[2] + p[10] - p[12] + p[15],
        p[4] - p[0] - p[3] - p[11] + p[13],
        p[1] - p[4] - p[5] - p[12] - p[14],
        p[2] - p[5] - p[6] + p[13] - p[15],
        p[0] - p[3] + p[6] - p[7] + p[14],
        p[8] - p[1] - p[4] - p[7] + p[15],
        p[8] - p[0] - p[2] - p[5] + p[9],
        p[1] + p[3] - p[6] - p[9] + p[10],
        p[2] + p[4] + p[7] + p[10] + p[11],
        p[3] - p[5] + p[8] - p[11] - p[12],
        p[12] - p[4] - p[6] - p[9] + p[13],
    ];
    const S: [fn(Word) -> Word; 5] = [s0, s1, s2, s3, s4];
    for i in 0..16 {
        q[i] = S[i % 5](w[i]) + h[(i + 1) % 16];
    }
}

/// The function f_1: the last sixteen words of the quadruple pipe, the first two of which are mixed more.
#[inline(always)]
fn second_half(q: &mut [Word; 32], m: &[Word; 16], h: &[Word; 16]) {
    let m_rotated: [Word; 16] = std::array::from_fn(|i| rotl(m[i], i as u32 + 1));
    for i in 16..32 {
        let added = (m_rotated[i % 16] + m_rotated[(i + 3) % 16] - m_rotated[(i + 10) % 16]
            + Wrapping(i as u64) * Wrapping(0x0555555555555555))
            ^ h[(i + 7) % 16];
        let p = &q[i - 16..i];
        let expanded = if i < 18 {
            (0..16).step_by(4).map(|j| s1(p[j]) + s2(p[j + 1]) + s3(p[j + 2]) + s0(p[j + 3])).sum()
        } else {
            const ROTATIONS: [u32; 7] = [5, 11, 27, 32, 37, 43, 53];
            let pairs: Word = (0..7).map(|j| p[2 * j] + rotl(p[2 * j + 1], ROTATIONS[j])).sum();
            pairs + s4(p[14]) + s5(p[15])
        };
        q[i] = expanded + added;
    }
}

/// The function f_2: folds the quadruple pipe to the new chaining value.
#[inline(always)]
fn fold(q: &[Word; 32], m: &[Word; 16]) -> [Word; 16] {
    let low = q[16..24].iter().fold(Wrapping(0), |sum, q| sum ^ q);
    let high = q[24..].iter().fold(low, |sum, q| sum ^ q);
    let mut h = [
        (high << 5) ^ (q[16] >> 5),
        (high >> 7) ^ (q[17] << 8),
        (high >> 5) ^ (q[18] << 5),
        (high >> 1) ^ (q[19] << 5),
        (high >> 3) ^ q[20],
        (high << 6) ^ (q[21] >> 6),
        (high >> 4) ^ (q[22] << 6),
        (high >> 11) ^ (q[23] << 2),
        (low << 8) ^ q[23],
        (low >> 6) ^ q[16],
        (low << 6) ^ q[17],
        (low << 4) ^ q[18],
        (low >> 3) ^ q[19],
        (low >> 4) ^ q[20],
        (low >> 7) ^ q[21],
        (low >> 2) ^ q[22],
    ];
    for i in 0..8 {
        h[i] = (h[i] ^ m[i]) + (low ^ q[24 + i] ^ q[i]);
    }
    for i in 8..16 {
        h[i] = rotl(h[(i - 4) % 8], i as u32 + 1) + (high ^ q[16 + i] ^ m[i]) + (h[i] ^ q[i]);
    }
    h
}
