//! Dogecoin and its relatives: parameters, merged mining, block rules.
//!
//! [`Dogecoin`] is what the relay knows of the chain. It implements [`Chain`]: [`Parameters`] come from a data file
//! (`params.toml`, embedded; a relative of Dogecoin brings a file of the same form), [`DogecoinDialect`] says how headers
//! and transactions are written, and [`inspect`](Chain::inspect) judges a block.
//!
//! ```
//! use chain::{Chain, Network};
//! use dogecoin::Dogecoin;
//!
//! let dogecoin = Dogecoin::new(Network::Mainnet);
//! assert_eq!(dogecoin.params().p2p_port, 22556);
//!
//! let inspection = dogecoin.inspect(&b"not a block".as_slice().into(), 1_795_172_838);
//! assert_eq!(inspection.findings[0].check, "decode-failed");
//! assert!(!inspection.is_sound());
//! ```
//!
//! # A Dogecoin block
//!
//! Header of 80 bytes, for most blocks an [`AuxPow`], transactions; nothing behind them. The block's name is the
//! SHA-256d of the 80 bytes: neither the proof of work nor the auxpow is part of it. So one block could be had with
//! different auxpows, and a node keeps the one that it saw first.
//!
//! The [`Version`] says whether there is an auxpow, and which chain the block is of. Without one the header itself has
//! the work, by scrypt, as Litecoin's has.
//!
//! # What is checked of an auxpow
//!
//! A daemon calls every one of these faults `high-hash`, to RPC callers and in its `reject`; only its log has more.
//! Here each has a name of its own, and all are looked for. In the daemon's order:
//!
//! | check | what it found | the daemon's log |
//! |---|---|---|
//! | `auxpow-chain-id` | a block with another chain's id (with or without an auxpow) | block does not have our chain ID |
//! | `auxpow-missing` | no auxpow, although the version has its flag | no auxpow on block with auxpow version |
//! | `auxpow-coinbase-index` | a parent's transaction that is not the first | AuxPow is not a generate |
//! | `auxpow-parent-chain-id` | a parent of this very chain | Aux POW parent has our chain ID |
//! | `auxpow-chain-branch` | more than 30 levels in the tree of chains | Aux POW chain merkle branch too long |
//! | `auxpow-coinbase-branch` | a coinbase that is not the parent block's | Aux POW merkle root incorrect |
//! | `auxpow-coinbase-inputs` | a coinbase without an input, and so without a script | Aux POW coinbase has no inputs (1.14.9 does not check, and reads what is not there) |
//! | `auxpow-commitment-missing` | no root of the tree of chains in the coinbase, or another block's | Aux POW missing chain merkle root in parent coinbase |
//! | `auxpow-commitment-repeated` | more than one mark `fabe6d6d`, so that there could be two roots | Multiple merged mining headers in coinbase |
//! | `auxpow-commitment-position` | something between mark and root, or without a mark a root that begins behind byte 20 | Merged mining header is not just before chain merkle root; Aux POW chain merkle root must start in the first 20 bytes of the parent coinbase |
//! | `auxpow-commitment-cut` | fewer than 8 bytes behind the root | Aux POW missing chain merkle tree size and nonce in parent coinbase |
//! | `auxpow-size` | a size of the tree that does not fit the chain branch | Aux POW merkle branch size does not match parent coinbase |
//! | `auxpow-index` | a place in the tree that is not this chain's | Aux POW wrong index |
//! | `auxpow-parent-work` | a scrypt hash of the parent's header above this block's target | AUX proof of work failed |
//!
//! On networks that are not strict (Dogecoin's testnet) neither chain id is checked, as in the daemon.
//!
//! # What else is checked
//!
//! All checks are made that can be made, not only those before the first that fails. Words in the first column are the
//! daemon's own where it has one.
//!
//! | check | severity | what it found |
//! |---|---|---|
//! | `decode-failed` | error | the bytes end too early, or are not a block; the finding says at which offset |
//! | `trailing-bytes` | warning | bytes behind the block; the canonical form ends before them |
//! | `high-hash` | error | no auxpow, and a scrypt hash of the own header above its target |
//! | `bad-diffbits` | error | a target that is none, or above the network's limit (the daemon says `high-hash`) |
//! | `late-legacy-block`, `early-auxpow-block` | error | a version without a chain id, or an auxpow, at the wrong time |
//! | `bad-version` | error | a base version below 4 (below 3 in the past) |
//! | `time-too-new` | warning | a time more than two hours ahead of our clock |
//! | `bad-txnmrklroot`, `bad-txns-duplicate` | error | transactions that are not those of the header, or a list with repeated end |
//! | `bad-blk-length`, `bad-blk-weight` | error | more than 1,000,000 bytes, auxpow included; witnesses count for the weight only, and only a parent's coinbase may have one |
//! | `bad-cb-missing`, `bad-cb-multiple`, `bad-cb-length` | error | not exactly one coinbase at the start, or an odd one |
//! | `bad-cb-height` | error | a coinbase that does not begin with a height (BIP34) |
//! | `unexpected-witness` | error | a transaction with a witness |
//!
//! An error is what makes a peer punish us, or what makes a block worthless to it: at Dogecoin 50 points for the work and
//! 100 for nearly all else, of the hundred that are a ban of 24 hours. A warning is what the canonical form mends, and
//! the time:
//!
//! * A block from the future costs its sender nothing (0 points): nodes drop it, and take it later. And if our clock is
//!   the one that is wrong, holding it back would lose it. So it is said, and sent.
//! * That a time is too old (below the median of the eleven blocks before) cannot be told from the block alone. Nor can
//!   whether the bits, the height and the parent are right, nor anything about coins, scripts and signatures: the nodes
//!   know.
//!
//! Which rules hold depends on the height that the coinbase begins with. A block that tells none is judged as a new one.
//! A header alone tells no height either: [`check_work`](Chain::check_work) takes every id that its chain has had, as
//! Dingocoin's daemon does.
//!
//! # Relatives
//!
//! A chain that is Dogecoin with other numbers is a file; `relatives/` has some. Several have the magic of another
//! chain, and one the genesis block: what tells a peer's chain is its headers, which [`check_work`](Chain::check_work)
//! refuses if they have another chain's id.
//!
//! # Security
//!
//! Nothing here panics, whatever the bytes. Time and memory are linear in the block's length; the number of
//! transactions is compared with the most that can be valid before anything is kept of them, and an auxpow is kept as
//! slices of the block. The scrypt hash, which alone costs more than all the rest, is computed once for a block, and for
//! a header alone only if nothing else is wrong with it.

mod aux_work;
mod auxpow;
mod dialect;
mod inspect;
mod params;
mod policy;
mod version;
mod work;

use bytes::Bytes;
use chain::{AuxWork, Chain, Finding, Inspection, Network, Params, SessionPolicy, Target};
use wire::{BlockHash, Dialect, Header, sha256d};

pub use auxpow::{AuxPow, Branch, Commitment, MARK, expected_index};
pub use chain::{ParameterError, scrypt::pow_hash};
pub use dialect::DogecoinDialect;
pub use params::{ChainId, ChainIds, Parameters, Rules, SessionParameters};
pub use policy::MAX_PAYLOAD;
pub use version::Version;

/// The rules of Dogecoin, or of a relative, on one network.
#[derive(Debug, Clone)]
pub struct Dogecoin {
    parameters: Parameters,
    pow_limit: Target,
    policy: SessionPolicy,
}

impl Dogecoin {
    /// Dogecoin on one of its networks.
    pub fn new(network: Network) -> Self {
        Self::try_from(Parameters::of(network))
            .expect("the embedded limits are read by the tests, for each network")
    }

    /// Its parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }
}

impl TryFrom<Parameters> for Dogecoin {
    type Error = ParameterError;

    /// A relative of Dogecoin.
    ///
    /// # Errors
    /// When no target can be made of `pow_limit_bits`.
    fn try_from(parameters: Parameters) -> Result<Self, ParameterError> {
        let pow_limit = parameters.network.pow_limit()?;
        let policy = policy::session_policy(&parameters.session);
        Ok(Self { parameters, pow_limit, policy })
    }
}

impl Chain for Dogecoin {
    fn params(&self) -> &Params {
        &self.parameters.network
    }

    fn dialect(&self) -> &dyn Dialect {
        &DogecoinDialect
    }

    fn session_policy(&self) -> &SessionPolicy {
        &self.policy
    }

    fn block_hash(&self, header: &Header) -> BlockHash {
        BlockHash::from_wire(sha256d(header.fixed()))
    }

    fn check_work(&self, header: &Header) -> Result<(), Finding> {
        work::check(header, &self.block_hash(header), &self.parameters.rules, self.pow_limit)
    }

    fn inspect(&self, block: &Bytes, now: u32) -> Inspection {
        inspect::inspect(self, block, now)
    }

    fn aux_work(&self) -> Option<&dyn AuxWork> {
        Some(self)
    }

    fn parent_block(&self, header: &Header) -> Option<BlockHash> {
        Some(AuxPow::of(header)?.parent_hash())
    }
}
