//! Dash: parameters, X11, block rules with extra payloads.
//!
//! [`Dash`] is what the relay knows of the chain. It implements [`Chain`]: [`Parameters`] come from a data file
//! (`params.toml`, embedded; a relative of Dash brings a file of the same form), [`DashDialect`] says how transactions
//! are written, [`x11`] is both the proof of work and the block's name, and [`inspect`](Chain::inspect) judges a block.
//!
//! ```
//! use chain::{Chain, Network};
//! use dash::Dash;
//!
//! let dash = Dash::new(Network::Mainnet);
//! assert_eq!(dash.params().p2p_port, 9999);
//!
//! let inspection = dash.inspect(&b"not a block".as_slice().into(), 1_795_172_838);
//! assert_eq!(inspection.findings[0].check, "decode-failed");
//! assert!(!inspection.is_sound());
//! ```
//!
//! # A Dash block
//!
//! Header of 80 bytes, and transactions; nothing behind them. There are no witnesses, so a block has one form only, and
//! the canonical form is what was handed in, without bytes that trail it.
//!
//! What Dash has of its own is in the transactions. Their version is split in two: two bytes of version, two of *type*.
//! A transaction of version 3 or above with a type other than 0 carries a *payload* behind its lock time, which its
//! txid covers:
//!
//! * The coinbase is of type 5 from DIP3 on. Its payload tells the block's height (the script need not any more), the
//!   masternodes, the quorums and, since V20, the newest ChainLock and the credit pool.
//! * Quorum commitments (type 6) have neither inputs nor outputs. Most are null, and they stand behind the coinbase
//!   when a quorum is due.
//! * Masternodes' transactions (1 to 4), signals (7), asset locks (8) and unlocks (9).
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
//! | `high-hash` | error | an X11 hash above the header's target |
//! | `bad-diffbits` | error | a target that is none, or above the network's limit (the daemon says `high-hash`) |
//! | `time-too-new` | warning | a time more than two hours ahead of our clock |
//! | `bad-version` | error | a version below 4 |
//! | `bad-cb-missing`, `bad-cb-multiple`, `bad-cb-length` | error | not exactly one coinbase at the start, or an odd one |
//! | `bad-cb-height` | error | before DIP3: a coinbase that does not begin with its height in the shortest form |
//! | `bad-cb-type`, `bad-txns-cb-type` | error | from DIP3 on: a coinbase that is not of type 5 |
//! | `bad-txnmrklroot`, `bad-txns-duplicate` | error | transactions that are not those of the header, or a list with repeated end |
//! | `bad-blk-length`, `bad-txns-oversize`, `bad-txns-payload-oversize` | error | too large |
//! | `bad-txns-type`, `bad-tx-type` | error | a type that is not known, or without the version that it needs; any before DIP3 |
//! | `bad-txns-vin-empty`, `bad-txns-vout-empty` | error | no inputs or outputs, where the type wants some |
//! | `bad-cbtx-payload`, `bad-cbtx-version`, `bad-cbtx-height`, `bad-cbtx-cldiff` | error | a coinbase's payload that cannot be one |
//! | `bad-cbtx-invalid` | error | type 5 in a transaction that spends something |
//! | `bad-qc-payload`, `bad-qc-version`, `bad-qc-height` | error | a quorum commitment that cannot be one, or is another block's |
//! | `bad-protx-payload`, `bad-mnhf-payload`, `bad-assetlocktx-payload`, `bad-assetunlocktx-payload` | error | a payload that is missing or has the wrong length |
//!
//! An error is what makes a peer cut us off, or what makes a block worthless to it. A warning is what the canonical
//! form mends, and the time:
//!
//! * A block from the future costs its sender nothing (0 points): nodes drop it, and take it later. And if our clock is
//!   the one that is wrong, holding it back would lose it. So it is said, and sent.
//! * That a time is too old (below the median of the eleven blocks before) cannot be told from the block alone. Nor can
//!   whether the bits, the height and the parent are right, whether a quorum commitment is due, or whether a ChainLock
//!   forbids the block; nor anything about coins, scripts and signatures: the nodes know.
//! * A type or a payload version that this crate does not know is an error, because the nodes of today punish it. When
//!   a fork brings new ones, such blocks go to our nodes by RPC only, until this crate has learned them.
//!
//! Which rules hold depends on the height that the coinbase tells. A block that tells none is judged as a new one, so
//! a coinbase of the old form has to tell an old height.
//!
//! # The last word
//!
//! A block is final once a quorum of masternodes has signed it: [`ChainLocks`] says what that looks like between peers
//! and in our node's RPC. [`Masternodes`] says where to find those who sign.
//!
//! # Security
//!
//! Nothing here panics, whatever the bytes. Time and memory are linear in the block's length; the number of
//! transactions is compared with the most that can be valid before anything is kept of them, and of transactions with
//! the same fault only the first is described.

mod body;
mod chainlock;
mod coinbase;
mod dialect;
mod inspect;
mod masternodes;
mod params;
mod payload;
mod policy;
mod pow;
mod special;
mod transaction;
pub mod x11;

use bytes::Bytes;
use chain::{Chain, Finality, Finding, Inspection, Network, Params, PeerSource, SessionPolicy, Target};
use wire::{BlockHash, Dialect, Header};

pub use chain::ParameterError;
pub use chainlock::ChainLocks;
pub use dialect::DashDialect;
pub use masternodes::{Masternodes, QuorumKind};
pub use params::{Parameters, Rules};
pub use policy::MAX_PAYLOAD;

/// The rules of Dash, or of a relative, on one network.
#[derive(Debug, Clone)]
pub struct Dash {
    parameters: Parameters,
    pow_limit: Target,
    policy: SessionPolicy,
    masternodes: Masternodes,
}

impl Dash {
    /// Dash on one of its networks. For a devnet, see [`Parameters::devnet`].
    pub fn new(network: Network) -> Self {
        Self::try_from(Parameters::of(network))
            .expect("the embedded limits are read by the tests, for each network")
    }

    /// Its parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }
}

impl TryFrom<Parameters> for Dash {
    type Error = ParameterError;

    /// A relative of Dash, or a devnet.
    ///
    /// # Errors
    /// When no target can be made of `pow_limit_bits`.
    fn try_from(parameters: Parameters) -> Result<Self, ParameterError> {
        let pow_limit = parameters.network.pow_limit()?;
        let masternodes = Masternodes::new(parameters.chainlocks.clone());
        Ok(Self { parameters, pow_limit, policy: policy::session_policy(), masternodes })
    }
}

impl Chain for Dash {
    fn params(&self) -> &Params {
        &self.parameters.network
    }

    fn dialect(&self) -> &dyn Dialect {
        &DashDialect
    }

    fn session_policy(&self) -> &SessionPolicy {
        &self.policy
    }

    fn block_hash(&self, header: &Header) -> BlockHash {
        BlockHash::from_wire(x11::hash(header.fixed()))
    }

    fn check_work(&self, header: &Header) -> Result<(), Finding> {
        pow::check(header, self.pow_limit)
    }

    fn inspect(&self, block: &Bytes, now: u32) -> Inspection {
        inspect::inspect(self, block, now)
    }

    fn finality(&self) -> Option<&dyn Finality> {
        Some(&ChainLocks)
    }

    fn peer_source(&self) -> Option<&dyn PeerSource> {
        Some(&self.masternodes)
    }
}
