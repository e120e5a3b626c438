//! What it costs to judge a merge-mined block, without its scrypt hash and in hashes.

use std::{hint::black_box, time::Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use chain::{Chain, Network};
use dogecoin::{Dogecoin, pow_hash};
use serde_json::{Value, json};

use super::MergedBlocks;
use crate::{
    Scope,
    figure::{Figure, Series, rounded},
};

/// Milliseconds that a block of mainnet's size may take.
const GOAL: f64 = 1.0;

/// Hashes for a block: one, and what the clock may be wrong by.
const HASHES: f64 = 1.5;

/// The first merge-mined block of mainnet.
const MAINNET: &str = include_str!("../../../tests/fixtures/mainnet/dogecoin_mainnet_371337.json");

/// Where a header's bits stand.
const BITS: std::ops::Range<usize> = 72..76;

/// Measures its rows. Mainnet's blocks have some ten thousand bytes, and seldom more than 200,000: what is larger
/// informs.
pub(super) fn measure(scope: Scope) -> anyhow::Result<Vec<Figure>> {
    let rounds = match scope {
        Scope::Full => 300,
        Scope::Short => 20,
    };
    let recording: Value = serde_json::from_str(MAINNET)?;
    let hex = recording["block"].as_str().context("a recording without a block")?;
    let mut mainnet = vec![0; hex.len() / 2];
    faster_hex::hex_decode(hex.as_bytes(), &mut mainnet)?;
    let made = [(50_000, "50KB"), (200_000, "200KB"), (990_000, "1MB")];
    let made = made.map(|(size, label)| (Network::Regtest, MergedBlocks::new().next(size), label));
    let recorded = [(Network::Mainnet, Bytes::from(mainnet), "mainnet_371337")];
    let mut figures = Vec::new();
    for (network, block, label) in recorded.into_iter().chain(made) {
        let chain = Dogecoin::new(network);
        let findings = chain.inspect(&block, u32::MAX).findings;
        ensure!(findings.is_empty(), "{label} is not sound: {findings:?}");
        // Bits that are no target are not worth a hash; all else is done as ever.
        let mut unhashed = block.to_vec();
        unhashed[BITS].fill(0);
        let unhashed = Bytes::from(unhashed);
        let [mut whole, mut without, mut hash] = [const { Vec::new() }; 3];
        for _ in 0..rounds {
            // In turns, so that what else the machine does meets all three.
            whole.push(milliseconds(|| chain.inspect(black_box(&block), u32::MAX)));
            without.push(milliseconds(|| chain.inspect(black_box(&unhashed), u32::MAX)));
            hash.push(milliseconds(|| pow_hash(black_box(&[7; 80]))));
        }
        let times = [whole, without, hash].map(Series::new);
        // The shortest of each is what other work disturbed least: a difference of medians would be a number of that.
        let [shortest_whole, shortest_without, shortest_hash] = times.each_ref().map(Series::first);
        let hashes = (shortest_whole - shortest_without) / shortest_hash;
        let [whole, without, hash] = times.each_ref().map(Series::median);
        let name = |row: &str| format!("submit/inspection/{label}/{row}");
        let detail = json!({
            "block_bytes": block.len(),
            "rounds": rounds,
            "with_scrypt_ms": rounded(whole),
            "one_scrypt_ms": rounded(hash),
        });
        figures.push(if label == "1MB" {
            Figure::told(name("without_scrypt"), without, "ms", detail)
        } else {
            Figure::at_most(name("without_scrypt"), without, "ms", GOAL, detail)
        });
        figures.push(Figure::at_most(name("scrypts"), hashes, "ratio", HASHES, json!({})));
    }
    Ok(figures)
}

fn milliseconds<T>(work: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    black_box(work());
    start.elapsed().as_secs_f64() * 1000.0
}
