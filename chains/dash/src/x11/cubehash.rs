//! CubeHash16/32-512, as submitted to the second round of the SHA-3 competition: 16 rounds to a block of 32 bytes,
//! and ten times as many before the first block and after the last.
//!
//! Source: Bernstein, "CubeHash specification (2.B.1)".

/// Bytes in a block.
const BLOCK: usize = 32;

/// Rounds after each block.
const ROUNDS: usize = 16;

/// The state, 32 words in two halves. The specification numbers words by five bits; the first bit is the half.
#[derive(Clone, Copy)]
struct State {
    low: [u32; 16],
    high: [u32; 16],
}

/// The state before the first block: 64 bytes of hash, 32 of block, 16 rounds, stirred. It is made by the compiler.
const INITIAL: State = {
    let mut state = State { low: [0; 16], high: [0; 16] };
    state.low[0] = 64;
    state.low[1] = BLOCK as u32;
    state.low[2] = ROUNDS as u32;
    state.rounds(10 * ROUNDS)
};

/// The hash of `input`.
pub(super) fn hash512(input: &[u8]) -> [u8; 64] {
    let mut state = INITIAL;
    let (blocks, rest) = input.as_chunks::<BLOCK>();
    for block in blocks {
        state.absorb(block);
    }
    let mut block = [0; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    block[rest.len()] = 0x80;
    state.absorb(&block);
    state.high[15] ^= 1;
    state = state.rounds(10 * ROUNDS);

    let mut output = [0; 64];
    for (bytes, word) in output.as_chunks_mut().0.iter_mut().zip(state.low) {
        *bytes = word.to_le_bytes();
    }
    output
}

impl State {
    fn absorb(&mut self, block: &[u8; BLOCK]) {
        for (word, bytes) in self.low.iter_mut().zip(block.as_chunks().0) {
            *word ^= u32::from_le_bytes(*bytes);
        }
        *self = self.rounds(ROUNDS);
    }

    /// Stirs. Each swap of words is folded into the step behind it: that reads from where the words have gone.
    const fn rounds(self, count: usize) -> Self {
        let Self { low: mut a, high: mut b } = self;
        let mut round = 0;
        while round < count {
            (a, b) = half_round::<7, 8, 2>(a, b);
            (a, b) = half_round::<11, 4, 1>(a, b);
            round += 1;
        }
        Self { low: a, high: b }
    }
}

/// Adds the low half to the high one, rotates the low one by `ROTATE` bits and swaps its words by index bit `LOW`,
/// adds the high half to it without carries, and swaps the high one's words by index bit `HIGH`.
#[inline(always)]
const fn half_round<const ROTATE: u32, const LOW: usize, const HIGH: usize>(
    a: [u32; 16],
    b: [u32; 16],
) -> ([u32; 16], [u32; 16]) {
    let (mut sum, mut low, mut high) = ([0; 16], [0; 16], [0; 16]);
    let mut i = 0;
    while i < 16 {
        sum[i] = a[i].wrapping_add(b[i]);
        i += 1;
    }
    i = 0;
    while i < 16 {
        low[i] = a[i ^ LOW].rotate_left(ROTATE) ^ sum[i];
        high[i] = sum[i ^ HIGH];
        i += 1;
    }
    (low, high)
}
