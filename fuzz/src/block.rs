//! What holds of the block rules of every chain.

use bytes::Bytes;
use chain::{Chain, IndexedBlock, Inspection, Severity, merkle};

use crate::allocations::Meter;

/// Where the header's fields lie.
const MERKLE_ROOT: std::ops::Range<usize> = 36..68;
const BITS: std::ops::Range<usize> = 72..76;

/// In an input's first byte: write the transactions' own merkle root into the header, which no chance would bring
/// about, and leave only the rules behind it to fail.
pub const MEND: u8 = 0x80;

/// The finding that the target is none.
const NO_TARGET: &str = "bad-diffbits";

/// A chain on each of its networks, and what is known of its blocks from elsewhere.
pub(crate) struct Rules<C> {
    pub(crate) networks: [C; 3],
    /// The name of a block with this header.
    pub(crate) name: fn(&[u8; 80]) -> [u8; 32],
    /// The most bytes that mending may add.
    pub(crate) mending: usize,
}

impl<C: Chain> Rules<C> {
    /// Input: which network, and whether to [`MEND`] (one byte), the block.
    ///
    /// Its bits are set to none: a target that can be met would cost a slow hash for each input on some chains, and what
    /// is said of the work does not depend on the rest.
    ///
    /// # Panics
    /// When a block that is sound but for its work is not the one that its header names or has something left to mend,
    /// or when too much memory is held.
    pub(crate) fn run(&self, data: &[u8]) {
        let Some((&first, block)) = data.split_first() else { return };
        let chain = &self.networks[usize::from(first & !MEND) % self.networks.len()];
        let mut block = block.to_vec();
        if let Some(bits) = block.get_mut(BITS) {
            bits.fill(0);
        }
        if first & MEND != 0
            && let Some(read) = judge(chain, &block.clone().into()).block
        {
            block[MERKLE_ROOT].copy_from_slice(&root(&read).root);
        }
        let block = Bytes::from(block);
        let inspection = judge(chain, &block);
        assert_eq!(inspection.hash.is_some(), block.len() >= 80);
        let sound = is_sound_but_for_its_work(&inspection);
        let Some(read) = inspection.block else { return };
        assert!(read.bytes.len() <= block.len() + self.mending, "more was added than mending may");
        assert_eq!(read.bytes[..80], block[..80]);
        assert_eq!(*read.hash.as_wire(), (self.name)(read.header.fixed()));
        for entry in &read.transactions {
            assert!(entry.range().end <= read.bytes.len());
        }
        if !sound {
            return;
        }
        let tree = root(&read);
        assert_eq!((tree.root, tree.mutated), (*read.header.merkle_root().as_wire(), false));
        let again = judge(chain, &read.bytes);
        let expected = [NO_TARGET, "time-too-new"];
        assert!(
            again.findings.iter().all(|finding| expected.contains(&finding.check)),
            "{:?} is left to mend",
            again.findings
        );
        let again = again.block.expect("it was sound before");
        assert_eq!(again.bytes, read.bytes);
        assert_eq!(again.transactions, read.transactions);
    }
}

fn judge(chain: &impl Chain, block: &Bytes) -> Inspection {
    let meter = Meter::start();
    let inspection = chain.inspect(block, 1_795_000_000);
    assert!(meter.peak() <= 64 * block.len() + 64 * 1024, "{} bytes of memory", meter.peak());
    inspection
}

fn is_sound_but_for_its_work(inspection: &Inspection) -> bool {
    let mut errors = inspection.findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors.all(|finding| finding.check == NO_TARGET)
}

fn root(block: &IndexedBlock) -> merkle::MerkleTree {
    merkle::tree(block.transactions.iter().map(|entry| *entry.txid.as_wire()).collect())
}
