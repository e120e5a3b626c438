//! Litecoin: parameters, scrypt proof of work, block rules with segwit and MWEB.
//!
//! [`Litecoin`] is what the relay knows of the chain. It implements [`Chain`]: [`Parameters`] come from a data file
//! (`params.toml`, embedded; a relative of Litecoin brings a file of the same form), [`LitecoinDialect`] says how
//! transactions are written, [`pow_hash`] is the proof of work, and [`inspect`](Chain::inspect) judges a block.
//!
//! ```
//! use chain::{Chain, Network};
//! use litecoin::Litecoin;
//!
//! let litecoin = Litecoin::new(Network::Mainnet);
//! assert_eq!(litecoin.params().p2p_port, 9333);
//!
//! let inspection = litecoin.inspect(&b"not a block".as_slice().into(), 1_795_172_838);
//! assert_eq!(inspection.findings[0].check, "decode-failed");
//! assert!(!inspection.is_sound());
//! ```
//!
//! # A Litecoin block
//!
//! Header of 80 bytes, transactions, and since MWEB is in force the *MWEB part* behind the last of them. That last
//! transaction, the HogEx, pays to the hash of the part's header. What makes it a HogEx is a flag which no hash covers,
//! as none covers the witnesses' presence: so one block has several forms with the same name, and `getdata` gives a
//! stripped one to whoever does not ask for type 0x60000002. **A peer that is pushed a stripped form calls it mutated
//! and cuts us off.** Most of what is checked here is about that.
//!
//! # What is checked
//!
//! All checks are made that can be made, not only those before the first that fails. Words in the first column are the
//! daemon's own where it has one.
//!
//! | check | severity | what it found |
//! |---|---|---|
//! | `decode-failed` | error | the bytes end too early, or are not a block; the finding says at which offset |
//! | `trailing-bytes` | warning | bytes behind the block; the canonical form ends before them |
//! | `high-hash` | error | a scrypt hash above the header's target |
//! | `bad-diffbits` | error | a target that is none, or above the network's limit (the daemon says `high-hash`) |
//! | `time-too-new` | warning | a time more than two hours ahead of our clock |
//! | `bad-version` | error | a version below 0x20000000 |
//! | `bad-cb-missing`, `bad-cb-multiple`, `bad-cb-length` | error | not exactly one coinbase at the start, or an odd one |
//! | `bad-cb-height` | error | a coinbase that does not begin with a height (BIP34) |
//! | `bad-txnmrklroot`, `bad-txns-duplicate` | error | transactions that are not those of the header, or a list with repeated end |
//! | `coinbase-witness-missing` | warning | a commitment, and no reserved value; the canonical form has 32 zeros |
//! | `bad-witness-merkle-match`, `bad-witness-nonce-size`, `unexpected-witness` | error | witnesses that are not those of the commitment |
//! | `bad-blk-length`, `bad-blk-weight` | error | too large |
//! | `hogex-missing`, `bad-hogex`, `bad-hogex-position` | error | a HogEx without its flag, without its output, or in the wrong place |
//! | `mweb-missing`, `mweb-hash-mismatch`, `mweb-height-mismatch` | error | no MWEB part, or that of another block |
//! | `unexpected-mweb-data` | error | MWEB data inside a transaction |
//!
//! An error is what makes a peer cut us off, or what makes a block worthless to it. A warning is what the canonical
//! form mends, and the time:
//!
//! * A block from the future costs its sender nothing (0 points): nodes drop it, and take it later. And if our clock is
//!   the one that is wrong, holding it back would lose it. So it is said, and sent.
//! * That a time is too old (below the median of the eleven blocks before) cannot be told from the block alone. Nor can
//!   whether the bits, the height and the parent are right, nor anything about coins and signatures: the nodes know.
//! * Of the MWEB part only the header is held against the HogEx; its body is walked, not verified.
//!
//! Blocks that tell a height below segwit's are spared what came with segwit, so that `decode` has no complaints about
//! the past.
//!
//! # Security
//!
//! Nothing here panics, whatever the bytes. Time and memory are linear in the block's length; the number of
//! transactions is compared with the most that can be valid before anything is kept of them.

mod body;
mod dialect;
mod inspect;
mod mweb;
mod params;
mod policy;
mod weight;
mod witness;

use bytes::Bytes;
use chain::{Chain, Finding, Inspection, Network, Params, SessionPolicy, Target, scrypt};
use wire::{BlockHash, Dialect, Header, sha256d};

pub use chain::{ParameterError, scrypt::pow_hash};
pub use dialect::LitecoinDialect;
pub use params::{Parameters, Rules};
pub use policy::{MAX_PAYLOAD, OLDER_MAX_PAYLOAD};

/// The rules of Litecoin, or of a relative, on one network.
#[derive(Debug, Clone)]
pub struct Litecoin {
    parameters: Parameters,
    pow_limit: Target,
    policy: SessionPolicy,
}

impl Litecoin {
    /// Litecoin on one of its networks.
    pub fn new(network: Network) -> Self {
        Self::try_from(Parameters::of(network))
            .expect("the embedded limits are read by the tests, for each network")
    }

    /// Its parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }
}

impl TryFrom<Parameters> for Litecoin {
    type Error = ParameterError;

    /// A relative of Litecoin.
    ///
    /// # Errors
    /// When no target can be made of `pow_limit_bits`.
    fn try_from(parameters: Parameters) -> Result<Self, ParameterError> {
        let pow_limit = parameters.network.pow_limit()?;
        Ok(Self { parameters, pow_limit, policy: policy::session_policy() })
    }
}

impl Chain for Litecoin {
    fn params(&self) -> &Params {
        &self.parameters.network
    }

    fn dialect(&self) -> &dyn Dialect {
        &LitecoinDialect
    }

    fn session_policy(&self) -> &SessionPolicy {
        &self.policy
    }

    fn block_hash(&self, header: &Header) -> BlockHash {
        BlockHash::from_wire(sha256d(header.fixed()))
    }

    fn check_work(&self, header: &Header) -> Result<(), Finding> {
        scrypt::check(header, self.pow_limit)
    }

    fn inspect(&self, block: &Bytes, now: u32) -> Inspection {
        inspect::inspect(self, block, now)
    }
}
