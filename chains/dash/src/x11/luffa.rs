//! Luffa-512, version 2, as submitted to the second round of the SHA-3 competition: five permutations side by side.
//!
//! Source: De Cannière, Sato, Watanabe, "Hash Function Luffa, Specification Ver. 2.0", September 2009.

use std::{array::from_fn, ops::Not};

/// Bytes in a block.
const BLOCK: usize = 32;

/// Permutations (`w` in the specification).
const LANES: usize = 5;

/// A block, or one permutation's state: eight words.
type Words = [u32; 8];

/// The initial values V_0 to V_4 (appendix B).
const IV: [Words; LANES] = [
    [0x6d251e69, 0x44b051e0, 0x4eaa6fb4, 0xdbf78465, 0x6e292011, 0x90152df4, 0xee058139, 0xdef610bb],
    [0xc3b44b95, 0xd9d2f256, 0x70eee9a0, 0xde099fa3, 0x5d9b0557, 0x8fc944b3, 0xcf1ccf0e, 0x746cd581],
    [0xf7efc89d, 0x5dba5781, 0x04016ce5, 0xad659c05, 0x0306194f, 0x666d1836, 0x24aa230a, 0x8b264ae7],
    [0x858075d5, 0x36d79cce, 0xe571f7d7, 0x204b1f67, 0x35870c6a, 0x57e9e923, 0x14bcb808, 0x7cde72ce],
    [0x6c68e9be, 0x5ec41e22, 0xc825b7c7, 0xaffb4363, 0xf5df3999, 0x0fc688f1, 0xb07224cc, 0x03e86cea],
];

/// What is added to words 0 of the five permutations after each step (appendix B).
const CONSTANTS_0: [Words; LANES] = [
    [0x303994a6, 0xc0e65299, 0x6cc33a12, 0xdc56983e, 0x1e00108f, 0x7800423d, 0x8f5b7882, 0x96e1db12],
    [0xb6de10ed, 0x70f47aae, 0x0707a3d4, 0x1c1e8f51, 0x707a3d45, 0xaeb28562, 0xbaca1589, 0x40a46f3e],
    [0xfc20d9d2, 0x34552e25, 0x7ad8818f, 0x8438764a, 0xbb6de032, 0xedb780c8, 0xd9847356, 0xa2c78434],
    [0xb213afa5, 0xc84ebe95, 0x4e608a22, 0x56d858fe, 0x343b138f, 0xd0ec4e3d, 0x2ceb4882, 0xb3ad2208],
    [0xf0d2e9e3, 0xac11d7fa, 0x1bcb66f2, 0x6f2d9bc9, 0x78602649, 0x8edae952, 0x3b6ba548, 0xedae9520],
];

/// What is added to words 4.
const CONSTANTS_4: [Words; LANES] = [
    [0xe0337818, 0x441ba90d, 0x7f34d442, 0x9389217f, 0xe5a8bce6, 0x5274baf4, 0x26889ba7, 0x9a226e9d],
    [0x01685f3d, 0x05a17cf4, 0xbd09caca, 0xf4272b28, 0x144ae5cc, 0xfaa7ae2b, 0x2e48f1c1, 0xb923c704],
    [0xe25e72c1, 0xe623bb72, 0x5c58a4a4, 0x1e38e2e7, 0x78e38b9d, 0x27586719, 0x36eda57f, 0x703aace7],
    [0xe028c9bf, 0x44756f91, 0x7e8fce32, 0x956548be, 0xfe191be2, 0x3cb226e5, 0x5944a28e, 0xa1c4c355],
    [0x5090d577, 0x2d1925ab, 0xb46496ac, 0xd1925ab0, 0x29131ab6, 0x0fc053c3, 0x3f014f0c, 0xfc053c31],
];

/// The hash of `input`.
pub(super) fn hash512(input: &[u8]) -> [u8; 64] {
    let mut state = IV;
    let (blocks, rest) = input.as_chunks::<BLOCK>();
    for block in blocks {
        round(&mut state, block);
    }
    let mut block = [0; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    block[rest.len()] = 0x80;
    round(&mut state, &block);

    // Each half of the hash is what is left when the lanes are added up behind a block of zeros.
    let mut output = [0; 64];
    for half in output.as_chunks_mut::<32>().0 {
        round(&mut state, &[0; BLOCK]);
        for (bytes, word) in half.as_chunks_mut().0.iter_mut().zip(sum(&state)) {
            *bytes = word.to_be_bytes();
        }
    }
    output
}

fn round(state: &mut [Words; LANES], block: &[u8; BLOCK]) {
    inject(state, block);
    permute(state);
}

#[inline(always)]
fn xor(a: Words, b: Words) -> Words {
    from_fn(|i| a[i] ^ b[i])
}

#[inline(always)]
fn sum(state: &[Words; LANES]) -> Words {
    state.iter().fold([0; 8], |sum, &lane| xor(sum, lane))
}

/// Multiplication by x in the ring of polynomials over words modulo x^8 + x^4 + x^3 + x + 1.
#[inline(always)]
fn double([a, b, c, d, e, f, g, top]: Words) -> Words {
    [top, a ^ top, b, c ^ top, d ^ top, e, f, g]
}

/// The message injection for five lanes.
#[inline(always)]
fn inject(state: &mut [Words; LANES], block: &[u8; BLOCK]) {
    let all = double(sum(state));
    let v = state.map(|lane| xor(lane, all));
    let v: [Words; LANES] = from_fn(|i| xor(double(v[i]), v[(i + 1) % LANES]));
    let v: [Words; LANES] = from_fn(|i| xor(double(v[i]), v[(i + LANES - 1) % LANES]));
    let mut message = [0; 8];
    for (word, bytes) in message.iter_mut().zip(block.as_chunks().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    for (lane, v) in state.iter_mut().zip(v) {
        *lane = xor(v, message);
        message = double(message);
    }
}

/// The same word of several permutations, so that the compiler can work on them at once.
#[derive(Clone, Copy)]
struct Lanes([u32; LANES]);

macro_rules! lanewise {
    ($($trait:ident, $name:ident, $op:tt;)*) => {$(
        impl std::ops::$trait for Lanes {
            #[inline(always)]
            fn $name(&mut self, other: Self) {
                for (a, b) in self.0.iter_mut().zip(other.0) {
                    *a = *a $op b;
                }
            }
        }
    )*};
}
lanewise! {
    BitXorAssign, bitxor_assign, ^;
    BitAndAssign, bitand_assign, &;
    BitOrAssign, bitor_assign, |;
}

impl Not for Lanes {
    type Output = Self;
    #[inline(always)]
    fn not(self) -> Self {
        Self(self.0.map(Not::not))
    }
}

impl Lanes {
    #[inline(always)]
    fn rotate_left(self, by: u32) -> Self {
        Self(self.0.map(|word| word.rotate_left(by)))
    }
}

/// The permutations Q_0 to Q_4, each preceded by its tweak: words 4 to 7 of lane `j` are rotated by `j` bits.
#[inline(always)]
fn permute(state: &mut [Words; LANES]) {
    let mut a: [Lanes; 8] =
        from_fn(|i| Lanes(from_fn(|j| if i < 4 { state[j][i] } else { state[j][i].rotate_left(j as u32) })));
    for step in 0..8 {
        let [a0, a1, a2, a3, a4, a5, a6, a7] = &mut a;
        sub_crumb(a0, a1, a2, a3);
        sub_crumb(a5, a6, a7, a4);
        mix_word(a0, a4);
        mix_word(a1, a5);
        mix_word(a2, a6);
        mix_word(a3, a7);
        *a0 ^= Lanes(from_fn(|j| CONSTANTS_0[j][step]));
        *a4 ^= Lanes(from_fn(|j| CONSTANTS_4[j][step]));
    }
    for (j, lane) in state.iter_mut().enumerate() {
        *lane = from_fn(|i| a[i].0[j]);
    }
}

/// The S-box, on 32 columns of four bits at a time, by the specification's sequence of instructions.
#[inline(always)]
fn sub_crumb(x0: &mut Lanes, x1: &mut Lanes, x2: &mut Lanes, x3: &mut Lanes) {
    let mut x4 = *x0;
    *x0 |= *x1;
    *x2 ^= *x3;
    *x1 = !*x1;
    *x0 ^= *x3;
    *x3 &= x4;
    *x1 ^= *x3;
    *x3 ^= *x2;
    *x2 &= *x0;
    *x0 = !*x0;
    *x2 ^= *x1;
    *x1 |= *x3;
    x4 ^= *x1;
    *x3 ^= *x2;
    *x2 &= *x1;
    *x1 ^= *x0;
    *x0 = x4;
}

#[inline(always)]
fn mix_word(u: &mut Lanes, v: &mut Lanes) {
    *v ^= *u;
    *u = u.rotate_left(2);
    *u ^= *v;
    *v = v.rotate_left(14);
    *v ^= *u;
    *u = u.rotate_left(10);
    *u ^= *v;
    *v = v.rotate_left(1);
}
