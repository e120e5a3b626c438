//! How fast a merge-mined block is judged, without the scrypt hash. Not a test of every run, because other work on the
//! machine counts: `cargo test --release -p blockcast-dogecoin --test inspection_speed -- --ignored --nocapture`.

mod common;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::{BufMut, Bytes};
use chain::{Chain, Network, merkle};
use common::{BITS, MERKLE_ROOT, NONCE, TIME, block, checks, coinbase, draft::Draft, transaction};
use dogecoin::{Dogecoin, pow_hash};
use wire::{Encode, sha256d};

/// A block of mainnet's size may take so long.
const GOAL: Duration = Duration::from_millis(1);

/// The shortest of some runs is the one that other work disturbed least.
fn shortest(mut run: impl FnMut()) -> Duration {
    let time = |_| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..200).map(time).min().expect("some runs")
}

/// A merge-mined block of about so many bytes, in transactions of 226 bytes as one input and two outputs make.
fn of_size(length: usize) -> Bytes {
    let usual = transaction(&[0x76; 226 - 60]);
    let mut list = vec![coinbase(&[1, 25, 0])];
    list.extend((0..length / usual.len()).map(|index| {
        // Each has a name of its own.
        let mut bytes = usual.to_vec();
        bytes[5..13].copy_from_slice(&index.to_le_bytes());
        Bytes::from(bytes)
    }));
    let mut body = Vec::new();
    body.put_compact_size(list.len() as u64);
    list.iter().for_each(|transaction| body.put_slice(transaction));
    let mut header = block("block_coinbase_only.json").bytes[..80].to_vec();
    let names = list.iter().map(|transaction| sha256d(transaction)).collect();
    header[MERKLE_ROOT..TIME].copy_from_slice(&merkle::tree(names).root);
    let branches =
        Draft { coinbase_branch: vec![[1; 32]; 12], chain_branch: vec![[2; 32]; 5], ..Draft::default() };
    Draft { header: header.into(), body: body.into(), ..branches }.bytes()
}

#[test]
#[ignore = "measures time, and only a release build is worth it"]
fn a_merge_mined_block_is_judged_in_a_millisecond() {
    let scrypt = shortest(|| {
        black_box(pow_hash(black_box(&[7; 80])));
    });
    println!("one scrypt hash: {scrypt:?}");
    let mainnet = block("mainnet_371337.json");
    let sizes = [10_000, 50_000, 200_000, 990_000].map(|size| (Network::Regtest, of_size(size)));
    for (network, bytes) in [(mainnet.network, mainnet.bytes.clone())].into_iter().chain(sizes) {
        let chain = Dogecoin::new(network);
        assert_eq!(checks(&chain.inspect(&bytes, u32::MAX)), [""; 0]);
        let whole = shortest(|| {
            black_box(chain.inspect(black_box(&bytes), u32::MAX));
        });
        // Bits that are no target are not worth a hash; all else is done as ever.
        let mut unhashed = bytes.to_vec();
        unhashed[BITS..NONCE].fill(0);
        let unhashed = Bytes::from(unhashed);
        let without = shortest(|| {
            black_box(chain.inspect(black_box(&unhashed), u32::MAX));
        });
        println!("{} bytes: {without:?} without the hash, {whole:?} with it", bytes.len());
        // Mainnet's blocks have some ten thousand bytes, and seldom more than 200,000.
        assert!(bytes.len() > 210_000 || without < GOAL, "{without:?}");
        // One hash, and not two.
        assert!(whole < without + scrypt + scrypt / 2, "{whole:?} is more than {without:?} and {scrypt:?}");
    }
}
