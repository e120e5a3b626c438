//! dogecoind, which no distribution has a package of: the environment variable `DOGECOIND` names one, for example a
//! release's `bin/dogecoind` or one that was built without a wallet. The tests want version 1.14.9.
//!
//! # What is particular about it
//!
//! * It is of an older line than the others: no descriptors, no `-bind=…=onion`, no number where others have a verbosity.
//! * `generatetoaddress` makes merge-mined blocks when asked to. Below height 20, where those are not allowed yet, it
//!   would then try for ever and not answer.
//! * Its wallet is not used, since a dogecoind can be built without.

use serde_json::{Value, json};

use crate::block::sha256d;
use crate::daemon::Daemon;
use crate::program::{Program, next_call};
use crate::skip;

/// A node that runs dogecoind; a [`Base`](crate::Base) of Dogecoin makes it one, or [`DOGECOIND`] in its options.
pub type Dogecoind = Daemon;

/// The environment variable that names the program.
const VARIABLE: &str = "DOGECOIND";

/// The first height on regtest at which a block may be merge-mined.
const AUXPOW_HEIGHT: u64 = 20;

/// dogecoind 1.14: what `DOGECOIND` names.
pub static DOGECOIND: Program = Program {
    name: "dogecoind",
    chain: "dogecoin",
    path: || skip::named(VARIABLE).expect("DOGECOIND is set: require_dogecoind! comes first in a test"),
    args: &[],
    ban_list: "banlist.dat",
    has_onion_bind: false,
    mine: mine_to_address,
    has_wallet: false,
    settle: |_| (),
};

/// Whether this machine can run dogecoind. If not it says so on standard error, past the test harness's capture.
///
/// # Panics
/// When `DOGECOIND` names something that is not a program: then the tests were asked for.
pub fn available() -> bool {
    skip::named_program(VARIABLE, "dogecoind 1.14")
}

/// An address of regtest that nobody has the key of, another at each call.
pub fn new_address() -> String {
    let mut payload = vec![111];
    payload.extend([0x5a; 16]);
    payload.extend(next_call());
    let checksum = sha256d(&payload);
    base58(&[&payload, &checksum[..4]].concat())
}

/// Merge-mined blocks, by dogecoind's own merge-miner, from the height on at which they are allowed.
fn mine_to_address(node: &Daemon, count: usize) -> Value {
    const TRIES: u32 = 1_000_000;
    let merged = u8::from(node.height() + 1 >= AUXPOW_HEIGHT);
    node.must("generatetoaddress", json!([count, new_address(), TRIES, merged]))
}

/// Base58, for bytes that do not begin with zero.
fn base58(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    assert_ne!(bytes.first(), Some(&0), "a leading zero has a digit of its own");
    let mut number = bytes.to_vec();
    let mut text = Vec::new();
    while number.iter().any(|&byte| byte != 0) {
        let mut rest = 0;
        for byte in &mut number {
            let value = rest * 256 + usize::from(*byte);
            *byte = u8::try_from(value / 58).expect("a rest is below 58");
            rest = value % 58;
        }
        text.push(char::from(DIGITS[rest]));
    }
    text.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base58_is_written_as_others_write_it() {
        // draft-msporny-base58.
        assert_eq!(base58(b"Hello World!"), "2NEpo7TZRRrLZSi2U");
        assert_eq!(
            base58(b"The quick brown fox jumps over the lazy dog."),
            "USm3fpXnKG5EUBx2ndxBDMPVciP5hGey2Jh4NDv6gmeo1LkMeiKrLJUUBk6Z"
        );
    }

    #[test]
    fn addresses_are_of_regtest_and_differ() {
        let (one, other) = (new_address(), new_address());
        assert!(one != other && one.starts_with(['m', 'n']), "{one} {other}");
    }
}
