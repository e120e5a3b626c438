//! A recorded block.

use bytes::Bytes;
use chain::{Chain, Inspection};
use serde_json::Value;
use wire::Header;

use crate::forge::time_of;

/// A block that a daemon or an explorer gave us, with what it said of it.
#[derive(Debug, Clone)]
pub struct Recorded<C> {
    /// Its file, for example `dash/block_dip3_433.json`.
    pub name: &'static str,
    /// The rules by which it was made.
    pub chain: C,
    /// The block.
    pub bytes: Bytes,
    /// The whole recording.
    pub json: Value,
}

impl<C: Chain> Recorded<C> {
    /// Reads a recording.
    ///
    /// # Panics
    /// When it is missing or holds no block.
    pub fn read(chain: C, name: &'static str) -> Self {
        let (bytes, json) = crate::block(name);
        Self { name, chain, bytes, json }
    }

    /// Judges bytes as of the time at which this block was made.
    pub fn inspect(&self, bytes: &Bytes) -> Inspection {
        self.chain.inspect(bytes, time_of(&self.bytes))
    }

    /// Its header.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn header(&self) -> Header {
        self.inspect(&self.bytes).block.expect("readable").header
    }

    /// Its transactions' bytes.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn transactions(&self) -> Vec<Bytes> {
        let block = self.inspect(&self.bytes).block.expect("readable");
        (0..block.transactions.len()).map(|index| block.transaction(index).expect("in the index")).collect()
    }

    /// It with a change.
    pub fn changed(&self, change: impl FnOnce(&mut Vec<u8>)) -> Bytes {
        let mut bytes = self.bytes.to_vec();
        change(&mut bytes);
        bytes.into()
    }

    /// A list of words that the recording holds.
    ///
    /// # Panics
    /// When it holds no such list.
    pub fn strings(&self, key: &str) -> Vec<String> {
        let list = self.json[key].as_array().unwrap_or_else(|| panic!("{}: no {key}", self.name));
        list.iter().map(|item| item.as_str().expect("string").to_owned()).collect()
    }
}

/// The block whose file's name ends so.
///
/// # Panics
/// When there is none.
pub fn named<C>(blocks: Vec<Recorded<C>>, name: &str) -> Recorded<C> {
    blocks.into_iter().find(|block| block.name.ends_with(name)).unwrap_or_else(|| panic!("no block {name}"))
}

/// The checks that found something, in order.
pub fn checks(inspection: &Inspection) -> Vec<&'static str> {
    inspection.findings.iter().map(|finding| finding.check).collect()
}
