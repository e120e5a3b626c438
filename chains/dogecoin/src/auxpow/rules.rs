//! What makes an auxpow valid, apart from the work (G auxpow.cpp:81-156).
//!
//! The daemon stops at the first check that fails, and calls each of them `high-hash`. Here all are made, and named.

use chain::Finding;
use wire::{BlockHash, MerkleRoot};

use super::{
    AuxPow, Commitment, MARK,
    commitment::{expected_index, marks, position, reversed, tree_size},
};
use crate::Version;

/// The most levels of the tree of chains.
const MOST_LEVELS: usize = 30;

/// Where the root may begin at the latest without a mark before it, in bytes from the script's start. The daemon's log
/// says "in the first 20 bytes", and it takes 20 (G auxpow.cpp:132).
const LATEST_UNMARKED: usize = 20;

/// Everything that is wrong with an auxpow for `block`, whose header has that version. `strict` says whether its parent
/// must be of another chain.
pub(crate) fn check(auxpow: &AuxPow, block: &BlockHash, version: Version, strict: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(check_coinbase_index(auxpow));
    findings.extend(check_parent(auxpow, version).filter(|_| strict));
    findings.extend(check_levels(auxpow));
    findings.extend(check_coinbase_branch(auxpow));
    match auxpow.coinbase_script() {
        Some(script) => check_script(auxpow, &script, block, version, &mut findings),
        None => {
            let expected = "a parent coinbase with an input, whose script commits to this block";
            findings.push(Finding::error("auxpow-coinbase-inputs", expected, "no inputs"));
        }
    }
    findings
}

fn check_coinbase_index(auxpow: &AuxPow) -> Option<Finding> {
    let index = auxpow.coinbase_branch().index();
    (index != 0).then(|| {
        let expected = "coinbase index 0: the first transaction of the parent block";
        Finding::error("auxpow-coinbase-index", expected, index.to_string())
    })
}

fn check_parent(auxpow: &AuxPow, version: Version) -> Option<Finding> {
    let parent = Version::of(auxpow.parent());
    (parent.chain_id() == version.chain_id()).then(|| {
        let expected = format!("a parent of another chain than {}", version.chain_id());
        Finding::error("auxpow-parent-chain-id", expected, format!("version {parent}"))
    })
}

fn check_levels(auxpow: &AuxPow) -> Option<Finding> {
    let levels = auxpow.chain_branch().len();
    (levels > MOST_LEVELS).then(|| {
        let expected = format!("a chain branch of at most {MOST_LEVELS} hashes");
        Finding::error("auxpow-chain-branch", expected, levels.to_string())
    })
}

fn check_coinbase_branch(auxpow: &AuxPow) -> Option<Finding> {
    let (branch, txid) = (auxpow.coinbase_branch(), auxpow.coinbase_txid());
    let wanted = auxpow.parent().merkle_root();
    // If only the index is wrong, that is said already.
    let leads = |index| MerkleRoot::from_wire(branch.root_from(txid.as_wire(), index)) == wanted;
    (!leads(branch.index()) && !leads(0)).then(|| {
        let expected = format!("a coinbase branch to the parent's merkle root {wanted}");
        let root = MerkleRoot::from_wire(branch.root(txid.as_wire()));
        let found = format!("{root}, from coinbase {txid} and {} hashes", branch.len());
        Finding::error("auxpow-coinbase-branch", expected, found)
    })
}

/// What the parent's coinbase commits to.
fn check_script(
    auxpow: &AuxPow,
    script: &[u8],
    block: &BlockHash,
    version: Version,
    findings: &mut Vec<Finding>,
) {
    let branch = auxpow.chain_branch();
    let (levels, chain_id) = (branch.len(), version.chain_id());
    let root = branch.root(block.as_wire());
    let commitment = Commitment::find(script, &root);
    let size_and_nonce = commitment.and_then(|commitment| commitment.size_and_nonce);
    let place = size_and_nonce.and_then(|(_, nonce)| expected_index(nonce, chain_id, levels));

    // It is the root from the place that the auxpow tells, or from the place that is the chain's: if only that is wrong,
    // it is said below.
    let at_place = |root| place.is_some_and(|place| branch.root_from(block.as_wire(), place as i32) == root);
    let is_right = |found: &Commitment| found.root == root || at_place(found.root);
    let right = commitment.filter(is_right);
    if right.is_none() {
        findings.push(missing(script, &root, commitment));
    }
    findings.extend(check_marks(script));
    findings.extend(right.and_then(|right| check_position(script, &right)));
    let Some((size, _)) = size_and_nonce else {
        if commitment.is_some() {
            let expected = "size and nonce of the tree of chains behind its root, 4 bytes each";
            let found = format!("a script of {} bytes that ends before them", script.len());
            findings.push(Finding::error("auxpow-commitment-cut", expected, found));
        }
        return;
    };
    if let Some(wanted) = tree_size(levels).filter(|&wanted| wanted != size) {
        let expected = format!("a tree of {wanted} chains, for {levels} hashes in the chain branch");
        findings.push(Finding::error("auxpow-size", expected, size.to_string()));
    }
    if let Some(place) = place.filter(|&place| place != branch.index() as u32) {
        let expected =
            format!("chain index {place}, the place of chain {chain_id} in a tree of {levels} levels");
        findings.push(Finding::error("auxpow-index", expected, branch.index().to_string()));
    }
}

/// With two marks there could be two roots, and the same work could be done for two blocks.
fn check_marks(script: &[u8]) -> Option<Finding> {
    let number = marks(script).count();
    (number > 1).then(|| {
        Finding::error("auxpow-commitment-repeated", "one mark fabe6d6d", format!("{number} of them"))
    })
}

/// The root is in the script: is it where the daemon wants it?
fn check_position(script: &[u8], commitment: &Commitment) -> Option<Finding> {
    // The first root counts, also when a mark stands before a later one.
    let offset = position(script, &reversed(&commitment.root)).unwrap_or(commitment.offset);
    let (expected, found) = match marks(script).next() {
        Some(_) if script[..offset].ends_with(&MARK) => return None,
        None if offset <= LATEST_UNMARKED => return None,
        Some(mark) => {
            let expected = "the chain tree's root right behind the mark fabe6d6d";
            (expected.to_owned(), format!("the mark at byte {mark}, the root at byte {offset}"))
        }
        None => {
            let expected =
                format!("the chain tree's root behind a mark, or at byte {LATEST_UNMARKED} at the latest");
            (expected, format!("no mark, the root at byte {offset}"))
        }
    };
    Some(Finding::error("auxpow-commitment-position", expected, found))
}

/// The root is not in the script. What is there instead?
fn missing(script: &[u8], root: &[u8; 32], commitment: Option<Commitment>) -> Finding {
    let expected = format!("the chain tree's root {} in the parent's coinbase", MerkleRoot::from_wire(*root));
    let found = if let Some(offset) = position(script, root) {
        format!("it stands there in the wrong byte order, at byte {offset}")
    } else if let Some(Commitment { root, offset, .. }) = commitment {
        format!("{} behind the mark, at byte {offset}", MerkleRoot::from_wire(root))
    } else {
        format!("neither the root nor the mark fabe6d6d in a script of {} bytes", script.len())
    };
    Finding::error("auxpow-commitment-missing", expected, found)
}
